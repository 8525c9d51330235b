//! Any command against any rules: nothing panics, what no rule allows is never allowed, and one more
//! deny rule never allows more.
//!
//! An input is a byte that picks rules, a line that is read as one more rule, and a command.
#![no_main]

use iris_domain::{
    config::{ApprovalPolicy, GrantPermission, Team},
    policy::{Place, Policy, Rule, Verdict, suggest},
    request::ToolRequest,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// Each bit of the first byte adds the rules at its place.
const AUTO: [&str; 8] = [
    "Bash(git:*)",
    "Bash(git push *)",
    "Bash(ls*)",
    "Bash(* x)",
    "Bash(sh:*)",
    "Bash(xargs *)",
    "Bash(sudo rm *)",
    "Edit(/out/**)",
];
const DENY: [&str; 2] = ["Bash(rm:*)", "Edit(/secret/**)"];

fn policy(mode: GrantPermission, auto: &[&str], deny: &[&str]) -> Policy {
    let own = |list: &[&str]| list.iter().map(|rule| (*rule).to_owned()).collect();
    let team = Team {
        grant_permission: mode,
        approval_policy: ApprovalPolicy {
            auto_approve: own(auto),
            require_approval: Vec::new(),
            deny: own(deny),
            ..ApprovalPolicy::default()
        },
        ..Team::at("/p")
    };
    Policy::of(&team, Place::default())
}

fn allows(policy: &Policy, request: &ToolRequest) -> bool {
    matches!(policy.evaluate(request), Verdict::Allow { .. })
}

fuzz_target!(|data: &[u8]| {
    let Some((bits, rest)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    let (rule, command) = text.split_once('\n').unwrap_or(("", &text));
    let input = json!({ "command": command });
    let Ok(request) = ToolRequest::new("Bash".into(), input, "toolu_1".into()) else {
        return;
    };
    suggest(&request);
    if let Ok(read) = Rule::parse(rule) {
        assert_eq!(read.text(), rule, "a rule stands for its text");
    }

    let none = policy(GrantPermission::Ask, &[], &DENY);
    assert!(!allows(&none, &request), "allowed by no rule: {command:?}");

    let auto: Vec<&str> = (0..8)
        .filter(|at| bits & (1 << at) != 0)
        .map(|at| AUTO[at])
        .collect();
    for mode in [GrantPermission::Ask, GrantPermission::Yes] {
        let looser = policy(mode, &auto, &DENY);
        let stricter = policy(mode, &auto, &[&DENY[..], &[rule]].concat());
        assert!(
            !allows(&stricter, &request) || allows(&looser, &request),
            "denying {rule:?} allows {command:?}"
        );
    }
});
