//! Commands and rules that nobody would write: nothing breaks, and nothing slips through.
//!
//! These run on every `cargo test`; `scripts/fuzz.sh` looks further, with the compiler's coverage.
//! `PROPTEST_CASES` makes them longer.

use proptest::prelude::*;

use super::{
    GrantPermission::Ask,
    tests::{allows_at, any_mode, bash, place, team},
    *,
};

/// Commands made of the pieces that parsers stumble over.
fn any_command() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "git",
        "rm",
        "ls",
        "x",
        "push",
        " ",
        " ",
        " ",
        "\n",
        "\t",
        ";",
        "&&",
        "||",
        "|",
        "&",
        "(",
        ")",
        "{",
        "}",
        "$(",
        "`",
        "'",
        "\"",
        "\\",
        "$",
        "${",
        "$((",
        "))",
        "<<EOF\n",
        "\nEOF\n",
        "<<<",
        "<(",
        ">",
        "<",
        ">&",
        "2>&1",
        "#",
        "=",
        "[",
        "]",
        "[[",
        "]]",
        "*",
        "~",
        "!",
        "if",
        "then",
        "fi",
        "for",
        "in",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "function",
        "sh -c ",
        "sudo ",
        "xargs ",
        "env ",
        "timeout 5 ",
        "find . -exec ",
        "é",
        "\u{200b}",
        "\r",
        "1",
        "99999999999",
        "@",
        "P",
        ":=",
        "a[",
        "-",
        "--",
        "/",
        "..",
        "coproc ",
        "time ",
        "eval ",
        "$IFS",
        "$'",
        "$\"",
        "+",
    ]);
    prop_oneof![
        9 => prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

/// More than usual, as each is quick, unless somebody says how many.
fn cases() -> u32 {
    ProptestConfig::default().cases.max(2_000)
}

fn any_rule() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "Bash(git:*)",
        "Bash(git push *)",
        "Bash(rm:*)",
        "Bash(ls)",
        "Bash(* x)",
        "Bash(sh:*)",
        "Bash(sudo rm *)",
        "Edit(/x)",
        "Read(*)",
        "Bash(xargs *)",
        "Bash(x*)",
        "Bash(find . *)",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn no_command_breaks_it_and_none_is_allowed_without_a_rule(command in any_command()) {
        let rules = team(Ask, &["Bash(rm:*)"], &["Edit(/x)"], &[]);
        prop_assert!(!allows_at(&rules, &bash(&command)));
        suggest(&bash(&command));
    }

    #[test]
    fn one_more_deny_rule_never_allows_more_commands(
        command in any_command(), auto in prop::collection::vec(any_rule(), 0..5), deny in prop::collection::vec(any_rule(), 0..3),
        one in any_rule(), require in any::<bool>(), mode in any_mode(),
    ) {
        let mut looser = team(mode, &[], &[], &[]);
        looser.approval_policy.auto_approve = auto;
        looser.approval_policy.deny = deny;
        let mut stricter = looser.clone();
        let lists = &mut stricter.approval_policy;
        if require { lists.require_approval.push(one) } else { lists.deny.push(one) }
        let request = bash(&command);
        prop_assert!(!allows_at(&stricter, &request) || allows_at(&looser, &request));
    }

    #[test]
    fn what_is_allowed_had_each_of_its_commands_covered(
        command in any_command(), auto in prop::collection::vec(any_rule(), 1..6),
    ) {
        let mut rules = team(Ask, &[], &[], &[]);
        rules.approval_policy.auto_approve = auto;
        let policy = Policy::of(&rules, place());
        if let Verdict::Allow { by, .. } = policy.evaluate(&bash(&command)) {
            let script = shell::Script::read(&command);
            let exact = policy.auto_approve.iter().any(|rule| rule.command().is_some_and(|it| it.is(&command)));
            prop_assert!(exact || script.doubts.is_empty(), "{:?} {by}", script.doubts);
            for run in script.runs.iter().filter(|run| run.kind == shell::Kind::Program && run.within.is_none()) {
                let text = command::shown(&run.words);
                prop_assert!(exact || policy.auto_approve.iter().any(|rule| rule.command().is_some_and(|it| it.covers(&text))));
            }
        }
    }

    #[test]
    fn no_text_breaks_the_reading_of_rules(text in any::<String>(), command in any_command()) {
        for text in [text.clone(), format!("Bash({command})"), format!("Read({text})"), format!("WebFetch(domain:{text})")] {
            if let Ok(rule) = Rule::parse(&text) {
                prop_assert_eq!(rule.text(), text);
            }
        }
    }
}

#[test]
fn nothing_nested_or_long_overflows_or_takes_long() {
    let rules = team(Ask, &["Bash(rm:*)"], &[], &["Bash(git:*)"]);
    let policy = Policy::of(&rules, place());
    for open in [
        "(",
        "{ ",
        "$(",
        "\"$(",
        "${x:-",
        "`",
        "$((",
        "((",
        "[[ ",
        "<(",
        "if ",
        "case x in ",
        "for x in y; do ",
        "! ",
        "while ",
        "a[",
        "sh -c '",
        "coproc ",
        "time ",
        "x() { ",
        "[",
        "'",
        "\"",
    ] {
        for (times, close) in [(8, true), (20, true), (200, true), (4000, false)] {
            let close = if close {
                open.chars()
                    .rev()
                    .map(|c| match c {
                        '(' => ')',
                        '{' => '}',
                        '[' => ']',
                        c => c,
                    })
                    .collect::<String>()
            } else {
                String::new()
            };
            let text = format!("{}git log{}", open.repeat(times), close.repeat(times));
            assert!(
                !matches!(policy.evaluate(&bash(&text)), Verdict::Deny { .. }),
                "{open}"
            );
        }
    }
    let long = format!("git log {}", "a ".repeat(10_000));
    assert!(matches!(
        policy.evaluate(&bash(&long)),
        Verdict::Allow { .. }
    ));
}
