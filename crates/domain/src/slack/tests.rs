use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    config::SlackSettings,
    decision::{Answer, Surface, Verb},
    problem::Code,
    snapshot::{
        Snapshot,
        tests::{approval, ended},
    },
};

fn trouble(word: &str) -> Problem {
    Problem::new(Code::Network, word, "Mend it.")
}

#[test]
fn a_connection_comes_up_is_refreshed_and_made_again() {
    let mut life = Life::default();
    assert_eq!(life.shown(), None);
    assert_eq!(life.on(Event::Wanted), [Effect::Connect]);
    assert_eq!(life.on(Event::Wanted), [], "it is on its way");
    assert_eq!(life.shown(), Some(SlackState::Connecting));
    assert_eq!(life.on(Event::Hello), []);
    assert_eq!(life.shown(), Some(SlackState::Up));
    assert_eq!(life.on(Event::Refresh), [Effect::Connect]);
    assert_eq!(life.shown(), Some(SlackState::Up), "the old one lasts");
    assert_eq!(life.on(Event::Refresh), [], "it was heard");
    assert_eq!(life.on(Event::Hello), []);
    assert_eq!(life.state(), State::Up);
    life.on(Event::Refresh);
    assert_eq!(life.on(Event::Lost(trouble("gone"))), []);
    assert_eq!(life.shown(), Some(SlackState::Connecting));
    assert_eq!(life.on(Event::Hello), []);
    for (attempt, wait) in [(1, 1), (2, 2), (3, 4)] {
        let event = if attempt == 1 {
            Event::Lost
        } else {
            Event::Failed
        };
        assert_eq!(
            life.on(event(trouble("gone"))),
            [Effect::Close, Effect::Arm(Duration::from_secs(wait))]
        );
        assert_eq!(life.shown(), Some(SlackState::Reconnecting));
        assert!(life.problem().is_some());
        assert_eq!(life.on(Event::TimedOut), [Effect::Disarm, Effect::Connect]);
    }
    for _ in 0..20 {
        life.on(Event::Failed(trouble("gone")));
        life.on(Event::TimedOut);
    }
    let effects = life.on(Event::Failed(trouble("gone")));
    assert_eq!(effects[1], Effect::Arm(backoff::CAP), "capped");
    life.on(Event::TimedOut);
    life.on(Event::Hello);
    assert_eq!(life.problem(), None, "what was wrong is over");
    assert_eq!(life.on(Event::Unwanted), [Effect::Disarm, Effect::Close]);
    assert_eq!(life.on(Event::Hello), [], "too late");
    assert_eq!(life.shown(), None);
}

#[test]
fn what_only_a_human_can_mend_waits_for_one() {
    let mut life = Life::default();
    life.on(Event::Wanted);
    assert_eq!(
        life.on(Event::Refused(trouble("token"))),
        [Effect::Close, Effect::Arm(MENDED_EVERY)]
    );
    assert_eq!(life.shown(), Some(SlackState::NeedsYou));
    assert_eq!(life.on(Event::Failed(trouble("late"))), []);
    assert_eq!(
        life.on(Event::Wanted),
        [Effect::Disarm, Effect::Connect],
        "somebody mended it"
    );
    assert!(life.problem().is_some(), "until Slack says hello");
    life.on(Event::Hello);
    assert_eq!(life.problem(), None);
    life.on(Event::Refused(trouble("revoked")));
    assert_eq!(life.shown(), Some(SlackState::NeedsYou), "from up, too");
}

fn place(ts: &str) -> Place {
    Place {
        channel: "C1".into(),
        ts: ts.into(),
    }
}

fn with(ids: &[&str]) -> Snapshot {
    Snapshot {
        approvals: ids.iter().map(|id| approval(id).into()).collect(),
        ..Snapshot::default()
    }
}

fn all(value: &Value) -> String {
    value.to_string()
}

fn post(messages: &mut Messages, snapshot: &Snapshot, ts: &str) -> Value {
    let call = messages.next(snapshot, true).unwrap();
    let Call::Post(body) = &call else {
        panic!("a post, not {call:?}")
    };
    let body = body.clone();
    messages.done(&call, Outcome::Done(place(ts)));
    body
}

#[test]
fn each_waiting_approval_has_one_message_that_says_how_it_ended() {
    let mut messages = Messages::default();
    let mut now = with(&["a", "b"]);
    messages.see(&now);
    assert!(all(&post(&mut messages, &now, "1")).contains("a digest-of-a"));
    let call = messages.next(&now, true).unwrap();
    assert_eq!(messages.next(&now, true), None, "one at a time");
    messages.done(&call, Outcome::Later);
    post(&mut messages, &now, "2");
    assert_eq!(messages.next(&now, true), None);
    messages.see(&now);
    assert!(messages.is_settled(&now));
    assert!(messages.has("1") && !messages.has("9"));

    now.approvals.remove(0);
    now.recent = vec![ended("a", Verb::Allow, "human:tray:ann")];
    messages.see(&now);
    let call = messages.next(&now, true).unwrap();
    let Call::Update(at, body) = &call else {
        panic!("an update, not {call:?}")
    };
    assert_eq!(*at, place("1"));
    assert!(all(body).contains("Allowed by ann (tray)"), "{body}");
    assert!(!all(body).contains("actions"), "no buttons any more");
    messages.done(&call, Outcome::Done(place("1")));
    assert_eq!(messages.next(&now, true), None);
    assert!(!messages.has("1"), "forgotten");
}

#[test]
fn what_ended_before_it_was_posted_is_not_posted() {
    let mut messages = Messages::default();
    let now = with(&["a", "b"]);
    messages.see(&now);
    let call = messages.next(&now, true).unwrap();
    let none = with(&[]);
    messages.see(&none);
    assert_eq!(messages.next(&none, true), None);
    assert!(!messages.is_settled(&none), "the first is being posted");
    messages.done(&call, Outcome::Done(place("1")));
    messages.see(&none);
    let call = messages.next(&none, true).unwrap();
    let Call::Update(_, body) = &call else {
        panic!("an update, not {call:?}")
    };
    assert!(all(body).contains("audit log"), "nobody knows how: {body}");
    messages.done(&call, Outcome::Never);
    assert!(messages.is_settled(&none));
}

#[test]
fn a_forwarded_one_is_posted_when_it_comes_to_the_person() {
    let mut messages = Messages::default();
    let mut now = with(&["a"]);
    Arc::make_mut(&mut now.approvals[0]).forwarded_to = Some("boss".parse().unwrap());
    messages.see(&now);
    assert_eq!(messages.next(&now, true), None);
    Arc::make_mut(&mut now.approvals[0]).forwarded_to = None;
    messages.see(&now);
    post(&mut messages, &now, "1");
}

#[test]
fn a_flood_gets_no_more_messages_than_can_be_read() {
    let ids: Vec<String> = (0..200).map(|n| format!("a{n:03}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut messages = Messages::default();
    let mut now = with(&ids);
    messages.see(&now);
    let mut posted = 0;
    while messages.next(&now, true).is_some_and(|call| {
        messages.done(&call, Outcome::Done(place("1")));
        true
    }) {
        posted += 1;
    }
    assert_eq!(posted, POSTED_MAX);
    now.approvals.remove(0);
    messages.see(&now);
    let call = messages.next(&now, true).unwrap();
    messages.done(&call, Outcome::Done(place("1")));
    messages.see(&now);
    assert!(matches!(messages.next(&now, true), Some(Call::Post(_))));
}

#[test]
fn at_the_end_messages_say_that_answers_are_not_taken() {
    let mut messages = Messages::default();
    let now = with(&["a", "b"]);
    messages.see(&now);
    post(&mut messages, &now, "1");
    messages.close();
    messages.see(&now);
    let call = messages.next(&now, true).unwrap();
    let Call::Update(_, body) = &call else {
        panic!("an update, not {call:?}")
    };
    assert!(all(body).contains("answer in Iris"));
    messages.done(&call, Outcome::Done(place("1")));
    assert!(messages.is_settled(&now), "b is never posted");
}

#[test]
fn what_slack_never_takes_is_not_tried_again() {
    let mut messages = Messages::default();
    let now = with(&["a"]);
    messages.see(&now);
    let call = messages.next(&now, true).unwrap();
    messages.done(&call, Outcome::Never);
    messages.see(&now);
    assert_eq!(messages.next(&now, true), None);
    messages.see(&with(&[]));
    assert!(messages.is_settled(&with(&[])));
}

#[test]
fn a_message_cannot_deceive() {
    let mut view = approval("k3fq");
    view.input = json!({
        "command": "echo <!channel> *ok* `x` :tada: <https://a|b>\u{202e}\nhost: safe",
        "z<@U1>": "1",
    });
    view.summary = "echo <!channel> & more".into();
    view.tool = "mcp__a__<@U1>".into();
    let body = blocks::waiting(&view, true);
    let text = body["text"].as_str().unwrap();
    assert!(!text.contains('<') && text.contains("&lt;!channel&gt; &amp; more"));
    let blocks = body["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["type"], "rich_text");
    // Every text of the agent is a text element, which Slack does not read.
    fn check(value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(check),
            Value::Object(map) => {
                let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
                assert_ne!(kind, "mrkdwn");
                let shown = map.get("text").and_then(Value::as_str).unwrap_or_default();
                if shown.contains("channel") {
                    assert_eq!(kind, "text");
                    assert!(shown.contains("⟨U+202E⟩"), "{shown}");
                }
                map.values().for_each(check);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    check(&body["blocks"]);
    assert_eq!(blocks[1]["elements"][0]["value"], "k3fq digest-of-k3fq");
    assert_eq!(blocks[1]["elements"].as_array().unwrap().len(), 3);
    assert_eq!(
        blocks::waiting(&view, false)["blocks"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "nobody may answer: no buttons"
    );

    view.input = json!({ "command": "x".repeat(100_000) });
    let body = blocks::waiting(&view, true);
    assert!(all(&body).contains("Not all of it is shown"));
    assert!(all(&body).len() < 8000);
    assert!(all(&blocks::details(&view)).len() < 13_000);
}

#[test]
fn a_question_is_answered_in_iris() {
    let mut view = approval("k3fq");
    view.tool = "AskUserQuestion".into();
    let body = blocks::waiting(&view, true);
    assert!(all(&body).contains("Answer it in Iris."));
    let buttons = body["blocks"][1]["elements"].as_array().unwrap();
    assert_eq!(buttons.len(), 1, "only Details");
    let snapshot = Snapshot {
        approvals: vec![view.into()],
        ..Snapshot::default()
    };
    let press = pressed("U1", "iris.allow", "k3fq digest-of-k3fq");
    assert!(matches!(
        press.asks(&settings(), &snapshot),
        Asked::Refused(_)
    ));
}

fn settings() -> SlackSettings {
    serde_json::from_value(json!({
        "channel": "C1", "approvers": ["U1"], "appToken": "keychain:a", "botToken": "keychain:b",
    }))
    .unwrap()
}

fn payload(user: &str, action: &str, value: &str) -> Value {
    json!({
        "type": "block_actions",
        "user": { "id": user, "username": "ann", "name": "ann" },
        "container": { "type": "message", "message_ts": "1.2", "channel_id": "C1" },
        "actions": [{ "type": "button", "action_id": action, "value": value }],
    })
}

fn pressed(user: &str, action: &str, value: &str) -> Press {
    let presses = Press::read(&payload(user, action, value));
    let [press] = presses.as_slice() else {
        panic!("one press, not {presses:?}")
    };
    press.clone()
}

#[test]
fn a_press_counts_from_who_may_answer_and_for_what_was_shown() {
    let now = with(&["k3fq"]);
    let asks = |user: &str, action: &str, value: &str| {
        pressed(user, action, value).asks(&settings(), &now)
    };
    let shown = "k3fq digest-of-k3fq";
    assert_eq!(
        asks("U1", "iris.allow", shown),
        Asked::Answer(Answer::ALLOW_ONCE)
    );
    assert_eq!(asks("U1", "iris.deny", shown), Asked::Answer(Answer::DENY));
    assert!(matches!(
        asks("U1", "iris.details", shown),
        Asked::Details(_)
    ));
    for action in ["iris.allow", "iris.deny", "iris.details"] {
        assert!(matches!(asks("U2", action, shown), Asked::Stranger(_)));
        assert!(matches!(asks("u1", action, shown), Asked::Stranger(_)));
        let other = asks("U1", action, "k3fq digest-of-other");
        assert!(matches!(other, Asked::Refused(p) if p.code == Code::Conflict));
        let gone = asks("U1", action, "zzzz digest-of-zzzz");
        assert!(matches!(gone, Asked::Refused(p) if p.code == Code::NotFound));
    }
    let human = pressed("U1", "iris.allow", shown).human();
    assert_eq!(
        (human.surface, human.user.as_str()),
        (Surface::Slack, "ann U1")
    );
}

#[test]
fn a_late_press_is_told_who_answered() {
    let mut now = with(&[]);
    now.recent = vec![ended("k3fq", Verb::Deny, "human:cli:bob")];
    let press = pressed("U1", "iris.allow", "k3fq digest-of-k3fq");
    let Asked::Refused(problem) = press.asks(&settings(), &now) else {
        panic!("refused")
    };
    assert_eq!(problem.code, Code::AlreadyDecided);
    assert!(problem.message.contains("already denied by bob (cli)"));
}

#[test]
fn what_is_no_press_of_ours_is_left_out() {
    for (action, value) in [("iris.allow", "k3fq"), ("other", "k3fq digest"), ("", "")] {
        assert_eq!(Press::read(&payload("U1", action, value)), []);
    }
    assert_eq!(Press::read(&json!({ "type": "view_submission" })), []);
    assert_eq!(Press::read(&json!(null)), []);
    let mut nobody = payload("U1", "iris.allow", "a b");
    nobody["user"] = json!({});
    assert_eq!(Press::read(&nobody), []);
}

#[test]
fn refusals_say_what_to_mend() {
    for (method, code, hint) in [
        ("apps.connections.open", "invalid_auth", "connections:write"),
        ("auth.test", "token_revoked", "chat:write"),
        ("chat.postMessage", "missing_scope", "chat:write"),
    ] {
        let Refusal::Token(problem) = refusal(method, code) else {
            panic!("{method} {code}")
        };
        assert!(problem.hint.contains(hint), "{problem:?}");
    }
    let Refusal::Channel(problem) = refusal("chat.postMessage", "not_in_channel") else {
        panic!("a channel")
    };
    assert!(problem.hint.contains("/invite"));
    assert_eq!(refusal("chat.update", "message_not_found"), Refusal::Gone);
    assert_eq!(refusal("chat.update", "ratelimited"), Refusal::Later);
    assert_eq!(refusal("chat.update", "invalid_blocks"), Refusal::Never);
}
