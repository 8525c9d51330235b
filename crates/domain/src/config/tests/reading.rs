use proptest::prelude::*;

use super::*;

const FULL: &str = r##"// Iris
{
  "$schema": "./config.schema.json",
  "settings": {
    "httpPort": "${PORT}", "maxProcesses": 4, "idleTimeout": 60, "spawnTimeout": 30,
    "responseTimeout": 90, "permissionTimeout": 0, "auditRetentionDays": 7, "logLevel": "debug",
    "notifications": false, "startAtLogin": "${ON}",
    "quietHours": { "from": "22:00", "to": "07:00" },
    "shortcuts": { "next": "Ctrl+Alt+N", "allow": "Ctrl+Alt+A", "deny": "Ctrl+Alt+D", "freeze": "Ctrl+Alt+F" },
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
    let quiet = settings.quiet_hours.expect("quiet hours");
    assert!(quiet.hold(jiff::civil::time(23, 0, 0, 0)));
    let shortcuts = settings.shortcuts.clone().expect("shortcuts");
    let allow = shortcuts.allow.as_ref().map(Shortcut::as_str);
    assert_eq!((allow, shortcuts.set().count()), (Some("Ctrl+Alt+A"), 4));
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
        let mut config = good(text);
        // The rules for all teams are with each team's own: read once more, they would be added again.
        if let Some(defaults) = &mut config.settings.defaults {
            defaults.approval_policy = None;
        }
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
    assert_eq!(
        here.approval_policy.auto_approve,
        ["Read"],
        "nor does any other that holds for all teams"
    );
    assert!(here.add_dirs.is_empty(), "an empty list is a value");
    assert_eq!((here.env["A"].as_str(), here.env["B"].as_str()), ("1", "3"));
    assert!(!here.enable_reverse_mcp, "a local team has no tunnel");
    assert!(config.teams[&team("there")].enable_reverse_mcp);
    assert!(!config.teams[&team("off")].enable_reverse_mcp);
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

#[test]
fn the_values_of_env_are_not_shown_in_logs() {
    let config = good(
        r#"{
          "settings": { "defaults": { "env": { "A": "${SECRET}" } } },
          "teams": { "a": { "path": "x", "env": { "B": "${SECRET}" } } }
        }"#,
    );
    let shown = format!("{config:?} {config:#?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains(r#""B":"…""#) && shown.contains(r#""path":"x""#),
        "{shown}"
    );
}

#[test]
fn every_rule_knows_where_it_stands() {
    let config = good(
        r#"{
  "settings": { "defaults": { "approvalPolicy": {
    "deny": ["Bash(rm:*)"]
  } } },
  "teams": {
    "a": { "path": "x", "approvalPolicy": {
      "deny": [
        // never
        "WebFetch"
      ],
      "autoApprove": []
    } }
  }
}"#,
    );
    let policy = &config.teams[&team("a")].approval_policy;
    use crate::decision::RuleList::{AutoApprove, Deny, RequireApproval};
    assert_eq!(policy.deny, ["Bash(rm:*)", "WebFetch"]);
    assert_eq!(
        policy.place(Deny, 0),
        "deny of all teams, line 3 of the config"
    );
    assert_eq!(policy.place(Deny, 1), "deny, line 9 of the config");
    assert_eq!(
        policy.place(RequireApproval, 0),
        "requireApproval, unless the config says otherwise"
    );
    assert_eq!(policy.own_with(Deny, &["X".into()]), ["WebFetch", "X"]);
    assert_eq!(policy.own_with(AutoApprove, &["X".into()]), ["X"]);
    assert_eq!(policy.own_with(RequireApproval, &[]).len(), 3);
}
