use super::*;

#[test]
fn rules_match_whole_names_and_their_case() {
    for (rule, tool, expected) in [
        ("Bash", "Bash", true),
        ("Bash", "bash", false),
        ("Bash", "BashOutput", false),
        ("Bash*", "BashOutput", true),
        ("*", "Anything", true),
        ("Bash(*)", "Bash", true),
        ("Bash(:*)", "Bash", true),
        ("WebFetch(domain:*)", "WebFetch", true),
        ("mcp__github__*", "mcp__github__create_issue", true),
        ("mcp__github__*", "mcp__gitlab__create_issue", false),
        ("mcp__github__*", "mcp__github__", true),
        ("mcp__*__get_*", "mcp__a__b__get_x", true),
        ("*a*b", "xxaxxbxxb", true),
        ("*a*b", "xxaxxbxxc", false),
        ("mcp__github", "mcp__github__create_issue", true),
        ("mcp__github", "mcp__github2__create_issue", false),
        ("list_teams", "mcp__iris__list_teams", true),
        ("session_*", "mcp__iris__session_fork", true),
        ("session_*", "mcp__other__session_fork", false),
        ("*_teams", "mcp__iris__list_teams", true),
        ("list_teams", "list_teams", false),
        ("list_teams", "mcp__other__list_teams", false),
        (
            "permissions__approve",
            "mcp__iris__permissions__approve",
            true,
        ),
    ] {
        let parsed = Rule::parse(rule).unwrap();
        assert_eq!(parsed.matches(tool), expected, "`{rule}` and {tool}");
    }
}

#[test]
fn a_wrong_rule_says_what_is_wrong_and_what_was_likely_meant() {
    for (text, why, hint) in [
        ("", "empty", "Bash(git push:*)"),
        (" Bash", "spaces around", "`Bash`"),
        ("Bash ", "spaces around", "`Bash`"),
        ("Bash (ls)", "spaces before its `(`", "`Bash(ls)`"),
        (
            "Bash(git push:*",
            "does not end with `)`",
            "`Bash(git push:*)`",
        ),
        (
            "Read(~/secrets/**",
            "does not end with `)`",
            "`Read(~/secrets/**)`",
        ),
        ("(x)", "names no tool", "Bash"),
        ("Bash)", "`)` cannot stand", "Bash"),
        ("Bash,Read", "`,` cannot stand", "Bash"),
        ("Bash Read", "` ` cannot stand", "Bash"),
        ("B\u{430}sh", "cannot stand", "Bash"),
        ("Ba\u{200b}sh", "\\u{200b}", "Bash"),
        ("B?sh", "`?` cannot", "Bash"),
        ("Bash()", "no command", "`Bash`"),
        ("Bash(git:* push)", "at the end", "`Bash(git * push)`"),
        ("Bash(curl * | bash)", "taken apart", "one rule for each"),
        ("Bash(a\nb)", "is in no rule", "one line"),
        ("bash(ls)", "`bash` is no tool", "`Bash(ls)`"),
        ("Raed(x)", "`Raed` is no tool", "`Read(x)`"),
        (
            "WebSearch(x)",
            "takes",
            "`WebSearch` is the rule for every use",
        ),
        (
            "mcp__x__y(z)",
            "take no arguments",
            "`mcp__x__y` is the rule",
        ),
        (
            "list_teams(z)",
            "take no arguments",
            "`list_teams` is the rule",
        ),
        ("Read(domain:x)", "takes a path", "`WebFetch(domain:x)`"),
        ("Read()", "no path", "Read(/src/**)"),
        ("Read(!x)", "`!`", "Read("),
        ("Edit(../x)", "`..`", "//"),
        ("Edit(~bob/x)", "another user", "Edit("),
        ("Edit(a[b)", "has no `]`", "Edit("),
        ("Write(src/**)", "`Edit`", "`Edit(src/**)`"),
        ("MultiEdit(x)", "`Edit`", "`Edit(x)`"),
        ("Grep(x)", "`Read`", "`Read(x)`"),
        ("WebFetch(x.com)", "`domain:`", "`WebFetch(domain:x.com)`"),
        (
            "WebFetch(https://x.com/y)",
            "`domain:`",
            "`WebFetch(domain:x.com)`",
        ),
        (
            "WebFetch(domain:x.com/y)",
            "not the name of a host",
            "domain:docs.rs",
        ),
        (
            "WebFetch(domain:a*.com)",
            "not the name of a host",
            "domain:docs.rs",
        ),
        (
            "WebFetch(domain:x.com:80)",
            "not the name of a host",
            "domain:docs.rs",
        ),
        ("Task()", "names no subagent", "`Task(Explore)`"),
    ] {
        let error = Rule::parse(text).expect_err(text);
        // `WebSearch(x)`: “… whose rules take arguments”.
        assert!(
            error.to_string().contains(why.trim_end_matches('s')),
            "{text:?}: {error}"
        );
        assert!(error.hint().contains(hint), "{text:?}: {}", error.hint());
    }
}

#[test]
fn what_claude_code_documents_is_a_rule() {
    for text in [
        "Bash(npm run build)",
        "Bash(npm run test:*)",
        "Bash(npm run *)",
        "Bash(git * main)",
        "Bash(* --version)",
        "Bash(* install)",
        "Bash(ls*)",
        "Bash(git commit -m \"x y\")",
        "Bash(cd a && make)",
        "Read(./.env)",
        "Read(~/.zshrc)",
        "Edit(/docs/**)",
        "Edit(//tmp/scratch.txt)",
        "Read(*.env)",
        "Read(src/**/*.ts)",
        "Edit(a/)",
        "Read([a-c]*)",
        "WebFetch(domain:example.com)",
        "WebFetch(domain:*.example.com)",
        "Task(Explore)",
        "Agent(my-*)",
        "mcp__puppeteer",
        "mcp__puppeteer__*",
    ] {
        assert!(Rule::parse(text).is_ok(), "{text}: {:?}", Rule::parse(text));
    }
}
