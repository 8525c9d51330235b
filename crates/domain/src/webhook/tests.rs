use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    config::GrantPermission,
    decision::Verb,
    problem::Code,
    snapshot::{
        LinkView,
        tests::{approval, ended},
    },
};

fn kinds(before: &Snapshot, after: &Snapshot) -> Vec<&'static str> {
    let events = events(before, after);
    events.iter().map(|event| event.kind.as_str()).collect()
}

fn team(state: TeamState, link: Option<LinkState>) -> TeamView {
    let trouble = Problem::new(Code::Agent, "It does not work.", "Mend it.");
    TeamView {
        name: "api".parse().unwrap(),
        state,
        host: "local".into(),
        waiting: 0,
        problem: (state == TeamState::Trouble).then_some(trouble),
        description: None,
        color: None,
        path: "~/api".into(),
        mode: GrantPermission::Ask,
        link: link.map(|state| LinkView {
            state,
            verified_at: None,
            rtt_ms: None,
            port: None,
            retry_at: None,
            problem: None,
            warning: None,
        }),
        frozen: None,
        spent: None,
        sessions: Vec::new(),
    }
}

#[test]
fn every_kind_has_the_name_that_the_config_takes() {
    for name in EventKind::NAMES {
        let kind: EventKind = serde_json::from_value(json!(name)).unwrap();
        assert_eq!(kind.as_str(), *name);
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(name));
    }
}

#[test]
fn an_approval_is_told_when_it_is_the_persons_and_when_it_ended() {
    let none = Snapshot::default();
    let mut forwarded = Snapshot {
        approvals: vec![approval("a").into()],
        ..Snapshot::default()
    };
    let asked = forwarded.clone();
    Arc::make_mut(&mut forwarded.approvals[0]).forwarded_to = Some("boss".parse().unwrap());
    assert_eq!(kinds(&none, &forwarded), [""; 0]);
    assert_eq!(kinds(&forwarded, &asked), ["approval.asked"]);
    assert_eq!(kinds(&asked, &asked), [""; 0]);
    let over = Snapshot {
        recent: vec![ended("a", Verb::Allow, "human:slack:ann U1")],
        ..Snapshot::default()
    };
    let told = events(&asked, &over);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].about["approval"]["decision"], "allow");
    assert_eq!(told[0].about["approval"]["decidedBy"], "human:slack:ann U1");
    assert_eq!(kinds(&over, &over), [""; 0]);
    assert_eq!(
        kinds(&none, &over),
        ["approval.ended"],
        "seen at its end only"
    );
    assert_eq!(kinds(&asked, &none), ["approval.ended"], "nobody knows how");
}

#[test]
fn a_long_input_is_told_by_its_summary() {
    let mut view = approval("a");
    let body = asked(&view);
    assert_eq!(body["input"], json!({ "command": "git push" }));
    view.input = json!({ "command": "x".repeat(5000) });
    let body = asked(&view);
    assert_eq!(body.get("input"), None);
    assert_eq!(body["summary"], "git push");
    assert_eq!(body["digest"], "digest-of-a");
}

#[test]
fn teams_links_and_iris_are_told_of_once() {
    let with = |teams| Snapshot {
        teams,
        ..Snapshot::default()
    };
    let idle = with(vec![team(TeamState::Idle, Some(LinkState::Up))]);
    let lost = with(vec![team(TeamState::Waking, Some(LinkState::Reconnecting))]);
    let trouble = with(vec![team(TeamState::Trouble, None)]);
    assert_eq!(kinds(&idle, &lost), ["link.lost"]);
    assert_eq!(kinds(&lost, &lost), [""; 0]);
    assert_eq!(kinds(&lost, &trouble), ["team.trouble"]);
    assert_eq!(kinds(&trouble, &trouble), [""; 0]);
    let broken = Snapshot {
        problems: vec![Problem::new(Code::Config, "Line 3.", "Mend it.")],
        ..Snapshot::default()
    };
    assert_eq!(kinds(&Snapshot::default(), &broken), ["iris.trouble"]);
    assert_eq!(kinds(&broken, &broken), [""; 0]);
}

#[test]
fn a_freeze_of_all_is_told_once() {
    let view = FrozenView {
        order: 1,
        since: Timestamp::UNIX_EPOCH,
        by: "ann".into(),
        proof: None,
    };
    let free = Snapshot {
        teams: vec![team(TeamState::Idle, None)],
        ..Snapshot::default()
    };
    let mut one = free.clone();
    one.teams[0].frozen = Some(view.clone());
    let mut all = one.clone();
    all.frozen = Some(view);
    assert_eq!(kinds(&free, &all), ["freeze"]);
    assert_eq!(kinds(&all, &free), ["thaw"]);
    assert_eq!(kinds(&free, &one), ["freeze"]);
    let told = events(&one, &free);
    assert_eq!(
        (told[0].kind, &told[0].about["team"]),
        (EventKind::Thaw, &json!("api"))
    );
}

#[test]
fn a_body_says_what_when_and_which() {
    let id = uuid::Uuid::from_u128(7);
    let about = Map::from_iter([("problem".to_owned(), json!("x"))]);
    let body = body("test", id, Timestamp::UNIX_EPOCH, &about);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["event"], "test");
    assert_eq!(body["id"], id.to_string());
    assert_eq!(body["time"], "1970-01-01T00:00:00Z");
    assert_eq!(body["problem"], "x");
}
