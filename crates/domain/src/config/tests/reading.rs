use proptest::prelude::*;

use super::*;

const FULL: &str = r##"// Iris
{
  "$schema": "./config.schema.json",
  "settings": {
    "httpPort": "${PORT}", "maxProcesses": 4, "idleTimeout": 60, "spawnTimeout": 30,
    "responseTimeout": 90, "permissionTimeout": 0, "auditRetentionDays": 7, "logLevel": "debug",
    "notifications": false, "startAtLogin": "${ON}",
    "defaults": { "model": "sonnet", "approvalPolicy": { "deny": ["WebFetch"] } },
  },
  "teams": {
    "api": {
      "path": "${HOME}/api", /* here */ "description": "The API", "color": "#7C3aed",
      "remote": "ssh -J bastion me@host -p 2222",
      "remoteOptions": {
        "identity": "~/.ssh/id", "port": 22, "connectTimeout": 10, "serverAliveInterval": 0,
        "serverAliveCountMax": 3, "compression": true, "forwardAgent": false,
        "strictHostKeyChecking": "yes", "extraSshArgs": ["-4"]
      },
      "claudePath": "/opt/claude", "enableReverseMcp": true, "reverseMcpPort": 65535,
      "allowHttp": true, "grantPermission": "${MODE}",
      "approvalPolicy": { "autoApprove": ["Read"], "requireApproval": [], "deny": ["Bash"] },
      "reverseMcpPermissions": {
        "allowedTools": ["list_*"], "deniedTools": ["send_message"],
        "allowedTargets": ["web*"], "deniedTargets": ["prod"]
      },
      "reverseMcpRateLimit": { "points": 1, "duration": 2, "blockDuration": 0 },
      "model": "opus", "appendSystemPrompt": "Be brief.", "allowedTools": ["Bash(ls:*)"],
      "disallowedTools": ["WebSearch"], "addDirs": ["../shared"],
      "env": { "TOKEN": "keychain:api", "A": "" }, "inheritMcpServers": false, "idleTimeout": 5
    },
    "web": { "path": "web" },
  },
}
"##;

#[test]
fn every_field_is_read() {
    let config = good(FULL);
    let settings = &config.settings;
    assert_eq!(settings.http_port, 8080, "a number from a variable");
    assert!(settings.start_at_login, "a boolean from a variable");
    assert_eq!(settings.permission_timeout, 0);
    assert_eq!(settings.log_level, LogLevel::Debug);
    let api = &config.teams[&team("api")];
    assert_eq!(api.path, "/home/me/api");
    assert_eq!(
        api.grant_permission,
        GrantPermission::No,
        "a word from a variable"
    );
    assert_eq!(
        api.model.as_deref(),
        Some("opus"),
        "the team's own wins over the template"
    );
    assert_eq!(api.reverse_mcp_rate_limit.map(|l| l.points), Some(1));
    assert_eq!(api.env["TOKEN"], "keychain:api");
    let web = &config.teams[&team("web")];
    assert_eq!(
        web.model.as_deref(),
        Some("sonnet"),
        "the template fills in"
    );
    assert_eq!(web.approval_policy.deny, ["WebFetch"]);
    assert_eq!(
        web.approval_policy.auto_approve,
        ["mcp__iris__*"],
        "and the defaults after it"
    );
}

/// What the types write, the reader reads: the two agree on names, types and defaults.
#[test]
fn what_the_types_write_is_read_back() {
    for text in [FULL, "{}", r#"{ "teams": { "a": { "path": "x" } } }"#] {
        let config = good(text);
        let written = serde_json::to_string_pretty(&config).expect("a config serialises");
        assert_eq!(good(&written), config, "{written}");
    }
}

#[test]
fn nothing_is_an_empty_config() {
    for text in [
        "",
        " \n",
        "// later\n",
        "{}",
        "\u{feff}{}",
        r#"{"teams": {}}"#,
    ] {
        assert_eq!(good(text), Config::default(), "{text:?}");
    }
}

#[test]
fn the_template_fills_in_field_by_field() {
    let config = good(
        r#"{
          "settings": { "defaults": {
            "enableReverseMcp": true, "env": { "A": "1", "B": "2" },
            "approvalPolicy": { "deny": ["Bash"], "autoApprove": ["Read"] }, "addDirs": ["x"]
          } },
          "teams": {
            "here": { "path": "a", "env": { "B": "3" }, "approvalPolicy": { "autoApprove": [] }, "addDirs": [] },
            "there": { "path": "b", "remote": "me@host" },
            "off": { "path": "b", "remote": "me@host", "enableReverseMcp": false }
          }
        }"#,
    );
    let here = &config.teams[&team("here")];
    assert_eq!(
        here.approval_policy.deny,
        ["Bash"],
        "a deny rule of the template does not vanish"
    );
    assert!(
        here.approval_policy.auto_approve.is_empty(),
        "a list is one value"
    );
    assert!(here.add_dirs.is_empty(), "an empty list is a value");
    assert_eq!((here.env["A"].as_str(), here.env["B"].as_str()), ("1", "3"));
    assert!(!here.enable_reverse_mcp, "a local team has no tunnel");
    assert!(config.teams[&team("there")].enable_reverse_mcp);
    assert!(!config.teams[&team("off")].enable_reverse_mcp);
}

/// (text, line, column, place, part of the message, part of the hint)
type Bad = (
    &'static str,
    usize,
    usize,
    &'static str,
    &'static str,
    &'static str,
);

const BAD: &[Bad] = &[
    // syntax
    ("{\n  \"teams\": {\n", 2, 12, "", "no `}`", "Close it"),
    ("{ \"a\" 1 }", 1, 7, "", "colon", "Add"),
    (
        "{ 'teams': {} }",
        1,
        3,
        "",
        "double quotes",
        "double quotes",
    ),
    ("{ teams: {} }", 1, 3, "", "double quotes", "double quotes"),
    (
        "{ \"teams\": {} \"settings\": {} }",
        1,
        14,
        "",
        "comma",
        "comma",
    ),
    ("{} {}", 1, 4, "", "after its end", "one object"),
    ("nonsense", 1, 1, "", "no sense", "double quotes"),
    // types
    (
        "[]",
        1,
        1,
        "",
        "expected an object {…}, found a list […]",
        "Write",
    ),
    (
        r#"{ "teams": null }"#,
        1,
        12,
        "teams",
        "found null",
        "Leave the key out",
    ),
    (
        r#"{ "settings": { "httpPort": "1615" } }"#,
        1,
        29,
        "settings.httpPort",
        "found a text",
        "without quotes",
    ),
    (
        r#"{ "settings": { "httpPort": true } }"#,
        1,
        29,
        "settings.httpPort",
        "found true",
        "1 to 65535",
    ),
    (
        r#"{ "settings": { "notifications": "true" } }"#,
        1,
        34,
        "settings.notifications",
        "found a text",
        "without quotes",
    ),
    (
        r#"{ "settings": { "notifications": 1 } }"#,
        1,
        34,
        "settings.notifications",
        "found the number 1",
        "true or false",
    ),
    (
        r#"{ "teams": { "a": { "path": "é", "model": 5 } } }"#,
        1,
        43,
        "teams.a.model",
        "expected a text, found the number 5",
        "double quotes",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "addDirs": "y" } } }"#,
        1,
        45,
        "teams.a.addDirs",
        "expected a list",
        "square brackets",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "addDirs": ["y", 1] } } }"#,
        1,
        51,
        "teams.a.addDirs[1]",
        "found the number 1",
        "quotes",
    ),
    // ranges
    (
        r#"{ "settings": { "httpPort": 0 } }"#,
        1,
        29,
        "settings.httpPort",
        "not a whole number from 1 to 65535",
        "65535",
    ),
    (
        r#"{ "settings": { "httpPort": 65536 } }"#,
        1,
        29,
        "settings.httpPort",
        "`65536`",
        "65535",
    ),
    (
        r#"{ "settings": { "idleTimeout": -1 } }"#,
        1,
        32,
        "settings.idleTimeout",
        "`-1`",
        "whole number",
    ),
    (
        r#"{ "settings": { "idleTimeout": 1.5 } }"#,
        1,
        32,
        "settings.idleTimeout",
        "`1.5`",
        "whole number",
    ),
    (
        r#"{ "settings": { "idleTimeout": 99999999999999999999 } }"#,
        1,
        32,
        "settings.idleTimeout",
        "whole",
        "whole",
    ),
    (
        r#"{ "settings": { "logLevel": "inof" } }"#,
        1,
        29,
        "settings.logLevel",
        "`inof`",
        "Did you mean \"info\"",
    ),
    // keys
    (
        r#"{ "team": {} }"#,
        1,
        3,
        "team",
        "unknown key `team`",
        "Did you mean `teams`?",
    ),
    (
        r#"{ "teams": { "a": { "pth": "x", "path": "x" } } }"#,
        1,
        21,
        "teams.a.pth",
        "unknown key",
        "Did you mean `path`?",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "grant_permission": "no" } } }"#,
        1,
        34,
        "teams.a.grant_permission",
        "unknown",
        "`grantPermission`",
    ),
    (
        r#"{ "dashboard": {} }"#,
        1,
        3,
        "dashboard",
        "unknown key",
        "settings, teams",
    ),
    (
        r#"{ "settings": { "defaults": { "path": "x" } } }"#,
        1,
        31,
        "settings.defaults.path",
        "unknown key",
        "",
    ),
    (
        "{ \"teams\": {},\n \"teams\": {} }",
        2,
        2,
        "teams",
        "second time; the first is on line 1",
        "Keep one",
    ),
    (
        r#"{ "teams": { "a": {} } }"#,
        1,
        19,
        "teams.a",
        "`path` is missing",
        "\"path\"",
    ),
    (
        r#"{ "teams": { "console": { "path": "x" } } }"#,
        1,
        14,
        "teams.console",
        "the human",
        "another name",
    ),
    (
        r#"{ "teams": { "a/b": { "path": "x" } } }"#,
        1,
        14,
        "teams.a/b",
        "`/` is not allowed",
        "another name",
    ),
    (
        r#"{ "teams": { "": { "path": "x" } } }"#,
        1,
        14,
        "teams.",
        "1 to 64",
        "another name",
    ),
    // texts
    (
        r#"{ "teams": { "a": { "path": "" } } }"#,
        1,
        29,
        "teams.a.path",
        "empty",
        "Fill",
    ),
    (
        r#"{ "teams": { "a": { "path": "x\u0000" } } }"#,
        1,
        29,
        "teams.a.path",
        "NUL",
        "Remove",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "claudePath": "" } } }"#,
        1,
        48,
        "teams.a.claudePath",
        "empty",
        "Fill",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "model": "--help" } } }"#,
        1,
        43,
        "teams.a.model",
        "an option",
        "other than `-`",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "color": "red" } } }"#,
        1,
        43,
        "teams.a.color",
        "`red` is not a colour",
        "six hexadecimal",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "remote": "-oProxyCommand=x" } } }"#,
        1,
        44,
        "teams.a.remote",
        "an option",
        "user@host",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "remote": "ssh 'a" } } }"#,
        1,
        44,
        "teams.a.remote",
        "quote",
        "user@host",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "remote": "ssh" } } }"#,
        1,
        44,
        "teams.a.remote",
        "destination",
        "user@host",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "enableReverseMcp": true } } }"#,
        1,
        34,
        "teams.a.enableReverseMcp",
        "no `remote`",
        "Add \"remote\"",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "env": { "A=B": "" } } } }"#,
        1,
        43,
        "teams.a.env.A=B",
        "name of an environment",
        "letters",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "env": { "A": "keychain:" } } } }"#,
        1,
        48,
        "teams.a.env.A",
        "no entry",
        "keychain:NAME",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "remoteOptions": { "strictHostKeyChecking": "no" } } } }"#,
        1,
        78,
        "teams.a.remoteOptions.strictHostKeyChecking",
        "not possible",
        "always checked",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "remoteOptions": { "strictHostKeyChecking": false } } } }"#,
        1,
        78,
        "teams.a.remoteOptions.strictHostKeyChecking",
        "found false",
        "always checked",
    ),
    // rules
    (
        r#"{ "teams": { "a": { "path": "x", "approvalPolicy": { "autoApprove": ["Bash(git push:*)"] } } } }"#,
        1,
        70,
        "teams.a.approvalPolicy.autoApprove[0]",
        "not available yet; `Bash` is",
        "tool's name",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "approvalPolicy": { "denied": [] } } } }"#,
        1,
        54,
        "teams.a.approvalPolicy.denied",
        "unknown",
        "`deny`",
    ),
    // placeholders
    (
        r#"{ "teams": { "a": { "path": "${NOPE}/x" } } }"#,
        1,
        29,
        "teams.a.path",
        "`NOPE` is not set",
        "${NOPE:-default}",
    ),
    (
        r#"{ "teams": { "a": { "path": "${HOME" } } }"#,
        1,
        29,
        "teams.a.path",
        "does not end",
        "$${",
    ),
    (
        r#"{ "teams": { "a": { "path": "${EMPTY}" } } }"#,
        1,
        29,
        "teams.a.path",
        "`${EMPTY}`",
        "Fill",
    ),
    (
        r#"{ "settings": { "httpPort": "${SECRET}" } }"#,
        1,
        29,
        "settings.httpPort",
        "`${SECRET}` is not a whole",
        "whole",
    ),
    (
        r#"{ "settings": { "startAtLogin": "${SECRET}" } }"#,
        1,
        33,
        "settings.startAtLogin",
        "`${SECRET}` is neither",
        "variable",
    ),
    (
        r#"{ "settings": { "logLevel": "${SECRET}" } }"#,
        1,
        29,
        "settings.logLevel",
        "`${SECRET}`",
        "Write",
    ),
    (
        r#"{ "teams": { "a": { "path": "x", "color": "${SECRET}" } } }"#,
        1,
        43,
        "teams.a.color",
        "`${SECRET}`",
        "six",
    ),
    (
        r#"{ "settings": { "defaults": { "approvalPolicy": { "deny": ["${SECRET}()"] } } } }"#,
        1,
        60,
        "settings.defaults.approvalPolicy.deny[0]",
        "`${SECRET}()`",
        "",
    ),
];

#[test]
fn each_mistake_is_named_with_its_place_and_its_cure() {
    for (text, line, column, path, message, hint) in BAD {
        let parsed = parse(text, vars);
        assert_eq!(parsed.config, None, "refused: {text}");
        let [problem] = parsed.problems.as_slice() else {
            panic!("one problem in {text}, not {:#?}", parsed.problems)
        };
        assert_eq!(
            (problem.line, problem.column),
            (*line, *column),
            "place in {text}: {problem:?}"
        );
        assert_eq!(problem.path, *path, "path in {text}");
        assert!(
            problem.message.contains(message),
            "{message:?} in {problem:?}"
        );
        assert!(problem.hint.contains(hint), "{hint:?} in {problem:?}");
        assert!(!problem.hint.is_empty(), "a next step in {problem:?}");
        assert!(
            !format!("{problem:?}").contains("hunter2"),
            "what a variable holds is not shown: {problem:?}"
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_order() {
    let parsed = parse(
        "{\n \"settings\": { \"httpPort\": 0 },\n \"teams\": {\n  \"a\": { \"color\": \"x\" },\n  \"b\": { \"path\": \"p\", \"enableReverseMcp\": true, \"pathh\": \"\" }\n }, \"x\": 1\n}",
        vars,
    );
    let places: Vec<&str> = parsed.problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "settings.httpPort",
            "teams.a",
            "teams.a.color",
            "teams.b.enableReverseMcp",
            "teams.b.pathh",
            "x"
        ]
    );
    assert_eq!(
        parsed.problems[1].to_string(),
        "line 4, column 8: teams.a: `path` is missing"
    );
}

/// Pieces that a config is made of, to get past the tokeniser.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"teams\"",
        "\"settings\"",
        "\"a\"",
        "\"path\"",
        "\"x\"",
        "\"${HOME}\"",
        "\"${\"",
        "1",
        "-1",
        "1e9",
        "null",
        "true",
        "// c\n",
        "/*",
        "*/",
        "\n",
        "\r\n",
        "é",
        "\u{feff}",
        "\\u0000",
        "\"env\"",
        "\"approvalPolicy\"",
        "\"deny\"",
        "\"Bash(\"",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn reading_never_panics(text in prop_oneof![any::<String>(), pieces()]) {
        let parsed = parse(&text, vars);
        prop_assert_eq!(parsed.config.is_none(), !parsed.problems.is_empty(), "a config, or a reason");
        for problem in parsed.problems {
            prop_assert!(problem.line >= 1 && problem.column >= 1);
            prop_assert!(!problem.message.is_empty() && !problem.hint.is_empty());
        }
    }

    /// A file cut off anywhere is refused or means less, and never panics.
    #[test]
    fn a_cut_file_never_panics(at in 0..FULL.len()) {
        if let Some(text) = FULL.get(..at) {
            let parsed = parse(text, vars);
            let empty = parsed.config == Some(Config::default());
            prop_assert!(empty || parsed.config.is_none() || text.trim_end().ends_with('}'), "cut at {}", at);
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let text = "[".repeat(100_000);
    assert_eq!(parse(&text, vars).config, None);
    let text = format!("{}{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    assert_eq!(parse(&text, vars).config, None);
}

#[test]
fn changes_are_named_without_values() {
    let before = good(
        r#"{ "settings": { "httpPort": 1 }, "teams": { "a": { "path": "x" }, "b": { "path": "x" }, "c": { "path": "x" } } }"#,
    );
    let after = good(
        r#"{ "teams": { "a": { "path": "y", "env": { "K": "${SECRET}" } }, "d": { "path": "x" }, "c": { "path": "x" } } }"#,
    );
    let changes = changes(&before, &after);
    let json = serde_json::to_value(&changes).expect("changes serialise");
    assert_eq!(
        json,
        serde_json::json!({ "settings": ["httpPort"], "added": ["d"], "removed": ["b"], "changed": { "a": ["env", "path"] } })
    );
    assert_eq!(changes.only_team(), None);
    let none = super::changes(&after, &after);
    assert!(none.is_empty());
    let one = super::changes(
        &after,
        &good(
            r#"{ "teams": { "a": { "path": "y", "env": { "K": "${SECRET}" } }, "c": { "path": "x" } } }"#,
        ),
    );
    assert_eq!(one.only_team(), Some(&team("d")));
}
