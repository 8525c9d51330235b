use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::ApprovalPolicy;

pub(super) fn team(mode: GrantPermission, deny: &[&str], require: &[&str], auto: &[&str]) -> Team {
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Team {
        grant_permission: mode,
        approval_policy: ApprovalPolicy {
            deny: own(deny),
            require_approval: own(require),
            auto_approve: own(auto),
            ..ApprovalPolicy::default()
        },
        ..Team::at("/p")
    }
}

fn request(tool: &str) -> ToolRequest {
    ToolRequest::new(tool.into(), json!({}), "toolu_1".into()).unwrap()
}

fn says(team: &Team, tool: &str) -> String {
    match Policy::of(team, Place::default()).evaluate(&request(tool)) {
        Verdict::Allow { by, why } => {
            assert!(!why.is_empty(), "the human learns why it was allowed");
            format!("allow {by}")
        }
        Verdict::Deny { by, message, why } => {
            assert!(!why.is_empty(), "the human learns why it was denied");
            assert!(
                message.starts_with("Denied by Iris"),
                "the agent learns who denied: {message}"
            );
            format!("deny {by}")
        }
        Verdict::Ask { why } => {
            assert!(!why.is_empty(), "the human learns why they are asked");
            "ask".into()
        }
        Verdict::Forward { why } => {
            assert!(!why.is_empty(), "the human learns why they are asked");
            "forward".into()
        }
    }
}

use GrantPermission::{Ask, Forward, No, Yes};

#[test]
fn the_order_is_deny_require_auto_mode() {
    let all = team(
        Yes,
        &["Bash"],
        &["Bash", "Write"],
        &["Bash", "Write", "Read"],
    );
    assert_eq!(says(&all, "Bash"), "deny rule:deny:Bash");
    assert_eq!(says(&all, "Write"), "ask");
    assert_eq!(says(&all, "Read"), "allow rule:autoApprove:Read");
    assert_eq!(says(&all, "Edit"), "allow mode:yes");
    for (mode, expected) in [
        (No, "deny mode:no"),
        (Ask, "ask"),
        (Forward, "forward"),
        (Yes, "allow mode:yes"),
    ] {
        assert_eq!(says(&team(mode, &[], &[], &[]), "Bash"), expected);
    }
}

#[test]
fn the_default_policy_lets_iris_tools_through_but_for_the_dangerous_ones() {
    let team = Team::at("/p");
    assert_eq!(
        says(&team, "mcp__iris__list_teams"),
        "allow rule:autoApprove:mcp__iris__*"
    );
    assert_eq!(says(&team, "mcp__iris__session_delete"), "ask");
    assert_eq!(says(&team, "Bash"), "ask");
}

#[test]
fn a_rule_that_cannot_be_read_makes_everything_ask_that_is_not_denied() {
    for (deny, require, auto) in [
        (vec!["Bash", "Write(/x)"], vec![], vec!["Read", "*"]),
        (vec!["Bash"], vec!["Write(/x)"], vec!["Read", "*"]),
        (vec!["Bash"], vec![], vec!["Read", "*", "Write(/x)"]),
    ] {
        for mode in [Yes, Ask, No, Forward] {
            let team = team(mode, &deny, &require, &auto);
            assert_eq!(says(&team, "Read"), "ask", "{team:?}");
            assert_eq!(
                says(&team, "Bash"),
                "deny rule:deny:Bash",
                "a deny rule still holds"
            );
        }
    }
}

#[test]
fn a_question_is_never_allowed_without_a_human() {
    for tool in ["AskUserQuestion", "ExitPlanMode"] {
        for (mode, expected) in [
            (Yes, "ask"),
            (Ask, "ask"),
            (Forward, "ask"),
            (No, "deny mode:no"),
        ] {
            assert_eq!(
                says(&team(mode, &[], &[], &["*"]), tool),
                expected,
                "{tool} {mode:?}"
            );
        }
        assert_eq!(says(&team(Yes, &["*"], &[], &[]), tool), "deny rule:deny:*");
    }
}

#[test]
fn the_hash_says_which_policy_held() {
    let hash = |team: &Team| Policy::of(team, Place::default()).hash().to_owned();
    let one = team(Ask, &["Bash"], &[], &[]);
    assert_eq!(hash(&one), hash(&one.clone()));
    assert_eq!(hash(&one).len(), 64);
    for other in [
        team(Yes, &["Bash"], &[], &[]),
        team(Ask, &[], &["Bash"], &[]),
        team(Ask, &[], &[], &[]),
    ] {
        assert_ne!(hash(&one), hash(&other));
    }
    let unrelated = Team {
        description: Some("x".into()),
        ..one.clone()
    };
    assert_eq!(hash(&one), hash(&unrelated), "only what decides counts");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Za-z_*]{1,12}",
        2 => Just("*".to_owned()),
        2 => Just("Bash".to_owned()),
        1 => Just("mcp__github__*".to_owned()),
        1 => "\\PC{0,20}",
        1 => "[A-Z][a-z]{1,5}\\([a-z:* ]{0,8}\\)",
    ]
}

fn any_tool() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Bash".to_owned()),
        Just("AskUserQuestion".to_owned()),
        Just("mcp__github__x".to_owned()),
        "[A-Za-z_]{1,12}",
        "[^\\s\\pC]{1,20}",
    ]
}

pub(super) fn any_mode() -> impl Strategy<Value = GrantPermission> {
    prop_oneof![Just(Yes), Just(No), Just(Ask), Just(Forward)]
}

prop_compose! {
    fn any_team()(
        grant_permission in any_mode(),
        deny in prop::collection::vec(any_text(), 0..4),
        require_approval in prop::collection::vec(any_text(), 0..4),
        auto_approve in prop::collection::vec(any_text(), 0..4),
    ) -> Team {
        Team {
            grant_permission,
            approval_policy: ApprovalPolicy { deny, require_approval, auto_approve, ..ApprovalPolicy::default() },
            ..Team::at("/p")
        }
    }
}

fn allows(team: &Team, request: &ToolRequest) -> bool {
    matches!(
        Policy::of(team, Place::default()).evaluate(request),
        Verdict::Allow { .. }
    )
}

proptest! {
    #[test]
    fn without_rule_and_without_yes_nothing_is_allowed(
        team in any_team(), tool in any_tool(), mode in prop_oneof![Just(No), Just(Ask), Just(Forward)],
    ) {
        let mut team = team;
        team.grant_permission = mode;
        team.approval_policy.auto_approve.clear();
        prop_assert!(!allows(&team, &request(&tool)));
    }

    #[test]
    fn an_allow_names_a_rule_that_is_there_or_the_mode(team in any_team(), tool in any_tool()) {
        match Policy::of(&team, Place::default()).evaluate(&request(&tool)) {
            Verdict::Allow { by: AllowedBy::Rule(list, rule), .. } => {
                prop_assert_eq!(list, RuleList::AutoApprove);
                prop_assert!(team.approval_policy.auto_approve.contains(&rule));
                prop_assert!(Rule::parse(&rule).unwrap().matches(&tool));
            }
            Verdict::Allow { by: AllowedBy::ModeYes, .. } => prop_assert_eq!(team.grant_permission, Yes),
            Verdict::Allow { by, .. } => prop_assert!(false, "nobody else was there: {by}"),
            Verdict::Deny { .. } | Verdict::Ask { .. } | Verdict::Forward { .. } => {}
        }
    }

    #[test]
    fn one_more_deny_or_require_rule_never_allows_more(
        team in any_team(), tool in any_tool(), rule in any_text(), at in 0usize..4, deny in any::<bool>(),
    ) {
        let mut stricter = team.clone();
        let lists = &mut stricter.approval_policy;
        let list = if deny { &mut lists.deny } else { &mut lists.require_approval };
        list.insert(at.min(list.len()), rule);
        let request = request(&tool);
        prop_assert!(!allows(&stricter, &request) || allows(&team, &request));
    }

    #[test]
    fn questions_are_never_allowed(team in any_team(), plan in any::<bool>()) {
        let tool = if plan { "ExitPlanMode" } else { "AskUserQuestion" };
        prop_assert!(!allows(&team, &request(tool)));
    }

    #[test]
    fn a_glob_is_what_a_regex_would_say(glob in "[ab*]{1,8}", text in "[ab]{0,10}") {
        fn slow(glob: &[u8], text: &[u8]) -> bool {
            match (glob.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => slow(rest, text) || text.split_first().is_some_and(|(_, t)| slow(glob, t)),
                (Some((g, rest)), Some((t, tail))) if g == t => slow(rest, tail),
                _ => false,
            }
        }
        let rule = Rule::parse(&glob).unwrap();
        prop_assert_eq!(rule.matches(&text), slow(glob.as_bytes(), text.as_bytes()));
    }
}

pub(super) fn place() -> Place {
    Place {
        folder: "/p".into(),
        home: Some("/home/u".into()),
        real: None,
    }
}

pub(super) fn bash(command: &str) -> ToolRequest {
    ToolRequest::new("Bash".into(), json!({ "command": command }), "t".into()).unwrap()
}

#[test]
fn the_sentence_names_the_first_part_that_no_rule_covers() {
    let policy = Policy::of(&team(Ask, &[], &[], &["Bash(git log:*)"]), place());
    for (command, says) in [
        ("git log && rm -rf x && make", "No rule covers `rm -rf x`"),
        ("git log > /etc/x", "No rule covers writing to `/etc/x`"),
        ("git log < /etc/x", "No rule covers reading `/etc/x`"),
        ("eval x", "because `eval` runs what it puts together"),
        ("git log 'x", "because it cannot be read as a shell command"),
    ] {
        let Verdict::Ask { why } = policy.evaluate(&bash(command)) else {
            panic!("{command}")
        };
        assert!(why.contains(says), "{command}: {why}");
    }
}

#[test]
fn all_rules_that_allowed_a_part_are_named() {
    let team = team(
        Ask,
        &[],
        &[],
        &["Bash(make)", "Bash(git log:*)", "Edit(/out/**)", "Bash(ls)"],
    );
    let verdict = Policy::of(&team, place()).evaluate(&bash("git log > out/x; ls; ls"));
    let Verdict::Allow { by, .. } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        by.to_string(),
        "rule:autoApprove:Bash(git log:*) + Edit(/out/**) + Bash(ls)"
    );
}

#[test]
fn what_a_deny_rule_cannot_see_is_asked_even_where_all_is_allowed() {
    for (command, expected) in [
        ("git status", "allow"),
        ("git $x", "ask"),
        ("git \"$x\" main", "ask"),
        ("echo $x", "allow"),
        ("eval x", "ask"),
        ("$x", "ask"),
        ("FOO=1 make", "allow"),
        ("PATH=. make", "ask"),
        ("git push", "deny"),
        ("echo > secret", "deny"),
        ("echo > $x", "ask"),
        ("cd x; echo > y", "ask"),
    ] {
        for (mode, auto) in [(Ask, &["Bash"][..]), (Yes, &[])] {
            let team = team(mode, &["Bash(git push:*)", "Edit(/secret)"], &[], auto);
            let got = match Policy::of(&team, place()).evaluate(&bash(command)) {
                Verdict::Allow { .. } => "allow",
                Verdict::Ask { .. } | Verdict::Forward { .. } => "ask",
                Verdict::Deny { .. } => "deny",
            };
            assert_eq!(got, expected, "{command} {mode:?}");
        }
    }
    let exact = team(Ask, &[], &[], &["Bash(x $(make); eval y)"]);
    assert!(
        allows_at(&exact, &bash(" x $(make); eval y\n")),
        "just this text"
    );
    assert!(!allows_at(&exact, &bash("x $(make); eval z")));
    let all = team(Ask, &[], &[], &["Bash"]);
    assert!(
        allows_at(&all, &bash("eval $x > /y")),
        "a bare rule allows everything"
    );
}

pub(super) fn allows_at(team: &Team, request: &ToolRequest) -> bool {
    matches!(
        Policy::of(team, place()).evaluate(request),
        Verdict::Allow { .. }
    )
}

#[test]
fn rules_with_arguments_for_other_tools() {
    let rules = team(
        Ask,
        &["Read(.env)", "WebFetch(domain:evil.org)", "Agent(bad)"],
        &[],
        &[
            "Read(/src/**)",
            "Edit(//tmp/x/**)",
            "WebFetch(domain:docs.rs)",
            "WebFetch(domain:*.rust-lang.org)",
            "Task(Explore)",
        ],
    );
    for (tool, input, expected) in [
        ("Read", json!({"file_path": "/p/src/a"}), "allow"),
        ("Read", json!({"file_path": "/p/src/../b"}), "ask"),
        ("Read", json!({"file_path": "/p/src/.env"}), "deny"),
        ("Read", json!({}), "ask"),
        ("Read", json!({"file_path": ["/p/src/a"]}), "ask"),
        ("Grep", json!({"pattern": "x", "path": "src"}), "allow"),
        ("Grep", json!({"pattern": "x"}), "ask"),
        (
            "Grep",
            json!({"pattern": "x", "path": "src", "glob": ".env"}),
            "deny",
        ),
        (
            "Glob",
            json!({"pattern": "**/*.rs", "path": "/p/src"}),
            "allow",
        ),
        (
            "Glob",
            json!({"pattern": "/etc/*", "path": "/p/src"}),
            "ask",
        ),
        ("Glob", json!({"pattern": "../*", "path": "/p/src"}), "ask"),
        ("Glob", json!({"pattern": "x", "path": 1}), "ask"),
        ("LS", json!({"path": "/p/src"}), "allow"),
        ("Write", json!({"file_path": "/tmp/x/y"}), "allow"),
        (
            "NotebookEdit",
            json!({"notebook_path": "/tmp/x/y"}),
            "allow",
        ),
        ("MultiEdit", json!({"file_path": "/tmp/y"}), "ask"),
        ("Write", json!({"file_path": "/p/src/a"}), "ask"),
        ("WebFetch", json!({"url": "https://docs.rs/x"}), "allow"),
        (
            "WebFetch",
            json!({"url": "https://DOCS.RS.:8080/x"}),
            "allow",
        ),
        ("WebFetch", json!({"url": "https://docs.rs@x.org/"}), "ask"),
        ("WebFetch", json!({"url": "https://u@docs.rs/"}), "ask"),
        ("WebFetch", json!({"url": "https://docs.rs.x.org/"}), "ask"),
        ("WebFetch", json!({"url": "ftp://docs.rs/"}), "ask"),
        ("WebFetch", json!({"url": "https://a.docs.rs/"}), "ask"),
        (
            "WebFetch",
            json!({"url": "https://doc.rust-lang.org/"}),
            "allow",
        ),
        ("WebFetch", json!({"url": "https://rust-lang.org/"}), "ask"),
        ("WebFetch", json!({"url": "https://xrust-lang.org/"}), "ask"),
        (
            "WebFetch",
            json!({"url": "https://u:p@EVIL.org.:1/"}),
            "deny",
        ),
        ("WebFetch", json!({"url": "docs.rs"}), "ask"),
        ("Task", json!({"subagent_type": "Explore"}), "allow"),
        ("Agent", json!({"subagent_type": "Explore"}), "allow"),
        ("Task", json!({"subagent_type": "Bad"}), "deny"),
        ("Task", json!({}), "ask"),
        ("Bash", json!({"command": 1}), "ask"),
    ] {
        let request = ToolRequest::new(tool.into(), input.clone(), "t".into()).unwrap();
        let got = match Policy::of(&rules, place()).evaluate(&request) {
            Verdict::Allow { .. } => "allow",
            Verdict::Ask { .. } | Verdict::Forward { .. } => "ask",
            Verdict::Deny { .. } => "deny",
        };
        assert_eq!(got, expected, "{tool} {input}");
    }
}
