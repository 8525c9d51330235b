use serde_json::json;

use super::*;
use crate::{
    audit::Draft,
    config::Team,
    policy::{Place, Rule},
};

fn policy(deny: &[&str], auto: &[&str]) -> Policy {
    let mut team = Team::at("/p");
    let own = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
    team.approval_policy.deny = own(deny);
    team.approval_policy.auto_approve = own(auto);
    Policy::of(&team, Place::default())
}

fn row(seq: u64, command: Value, decision: Verb, by: &str) -> Row {
    let time = "2026-01-02T03:04:05Z".parse().unwrap();
    Row {
        seq,
        draft: Draft {
            team: "api".into(),
            input: command,
            decision,
            decided_by: by.into(),
            ..Draft::event(time, Kind::Permission, "Bash")
        },
        prev: String::new(),
        hash: String::new(),
    }
}

fn history() -> Vec<Past> {
    let bash = |command: &str| json!({ "command": command });
    let edited = json!({ "asked": bash("git push -f"), "ran": bash("git push") });
    [
        row(1, bash("git push"), Verb::Allow, "human:tray:ann"),
        row(2, bash("git push origin"), Verb::Deny, "human:tray:ann"),
        row(3, bash("ls"), Verb::Allow, "mode:yes"),
        row(4, bash("git status"), Verb::Allow, "human:cli:ann"),
        row(5, edited, Verb::Allow, "human:cli:ann"),
        row(6, json!({ "refused": "x" }), Verb::Deny, "iris:unreadable"),
    ]
    .iter()
    .filter_map(Past::of)
    .collect()
}

#[test]
fn a_grant_is_measured_against_the_past() {
    let past = history();
    assert_eq!(past.len(), 5, "what could not be read is no request");
    let grant = Live::of_rules(vec![Rule::parse("Bash(git push:*)").unwrap()]);
    let found = matched(&policy(&[], &[]), &grant, &past);
    assert_eq!((found.of, found.matched, found.denied), (5, 3, 1));
    let shown: Vec<&str> = found
        .riskiest
        .iter()
        .map(|seen| seen.summary.as_str())
        .collect();
    assert_eq!(
        shown,
        ["git push origin", "git push -f", "git push"],
        "first what a human denied; of an edit, what was asked"
    );
    let already = matched(&policy(&[], &["Bash(git push:*)"]), &grant, &past);
    assert_eq!(already.matched, 0, "the rules allow it without the grant");
    let forbidden = matched(&policy(&["Bash(git push:*)"], &[]), &grant, &past);
    assert_eq!(
        forbidden.matched, 0,
        "and where they deny it, it does nothing"
    );
}

#[test]
fn a_draft_is_compared_with_the_rules_that_hold() {
    let (now, draft) = (
        policy(&[], &["Bash(ls)"]),
        policy(&["Bash(git push -f:*)"], &["Bash(git status)"]),
    );
    let mut replay = Replay::default();
    for past in &history() {
        replay.add(past, Some(&now), Some(&draft));
    }
    let summaries = |list: &[Differs]| -> Vec<(String, String)> {
        list.iter()
            .map(|one| (one.seen.summary.clone(), one.now.clone()))
            .collect()
    };
    let one = |summary: &str, now: &str| vec![(summary.to_owned(), now.to_owned())];
    assert_eq!(replay.of, 5);
    assert_eq!(summaries(&replay.newly_allowed), one("git status", "ask"));
    assert_eq!(summaries(&replay.newly_asked), one("ls", "allow"));
    assert_eq!(summaries(&replay.newly_denied), one("git push -f", "ask"));
    let mut all = Replay::default();
    for past in &history() {
        all.add(past, Some(&policy(&[], &["Bash"])), Some(&policy(&[], &[])));
    }
    let sorted = summaries(&all.riskiest_first().newly_asked);
    let sorted: Vec<&str> = sorted.iter().map(|(one, _)| one.as_str()).collect();
    assert_eq!(
        sorted.first_chunk(),
        Some(&["git push origin", "git push -f", "git push"]),
        "first what a human denied, then what does most harm"
    );
    let mut gone = Replay::default();
    gone.add(&history()[0], Some(&now), None);
    assert_eq!(gone.newly_denied.len(), 1);
}
