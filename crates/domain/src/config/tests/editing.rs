use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn add(name: &str, fields: Set) -> Change {
    Change::AddTeam {
        team: team(name),
        fields,
    }
}

fn change(name: &str, fields: Set) -> Change {
    Change::EditTeam {
        team: team(name),
        rename: None,
        fields,
    }
}

fn rename(name: &str, to: &str) -> Change {
    Change::EditTeam {
        team: team(name),
        rename: Some(team(to)),
        fields: vec![],
    }
}

fn remove(name: &str) -> Change {
    Change::RemoveTeam { team: team(name) }
}

fn text(value: &str) -> Option<Value> {
    Some(json!(value))
}

fn edited(text: &str, change: &Change) -> String {
    edit(text, change, vars).unwrap_or_else(|e| panic!("{change:?} of {text}: {e:?}"))
}

const FILE: &str = r##"// my teams
{
    "settings": {
        // the office uses 1615
        "httpPort": "${PORT}"  // see .profile
    },

    /* teams, by importance */
    "teams": {
        // the first
        "api": {
            "path": "${HOME}/api", // here
            "color": "#112233"
        },
        // the second
        "web": { "path": "web" }
    }
}
"##;

#[test]
fn a_first_team_makes_a_small_file() {
    let expected = "{\n  \"teams\": {\n    \"api\": {\n      \"path\": \"/x\"\n    }\n  }\n}\n";
    for empty in ["", "\n", "  \n\n"] {
        assert_eq!(
            edited(empty, &add("api", vec![("path".into(), text("/x"))])).trim_start(),
            expected
        );
    }
    let commented = edited("// mine\n", &add("api", vec![("path".into(), text("/x"))]));
    assert!(
        commented.starts_with("// mine\n{\n"),
        "a lone comment stays: {commented}"
    );
    assert!(commented.ends_with('\n'));
}

#[test]
fn a_field_changes_and_nothing_else() {
    assert_eq!(
        edited(
            FILE,
            &change("api", vec![("color".into(), text("#abcdef"))])
        ),
        FILE.replace("#112233", "#abcdef")
    );
    assert_eq!(
        edited(FILE, &change("api", vec![("path".into(), text("/new"))])),
        FILE.replace("${HOME}/api", "/new")
    );
    assert_eq!(
        edited(
            FILE,
            &change("api", vec![("description".into(), text("a \"b\"\n\\c"))])
        ),
        FILE.replace(
            "\"#112233\"",
            "\"#112233\",\n            \"description\": \"a \\\"b\\\"\\n\\\\c\""
        )
    );
}

#[test]
fn what_already_holds_is_not_touched() {
    let same = change(
        "api",
        vec![
            ("path".into(), text("/home/me/api")),
            ("grantPermission".into(), text("ask")),
        ],
    );
    assert_eq!(edited(FILE, &same), FILE, "the placeholder stays");
    let settings = Change::Settings {
        fields: vec![("httpPort".into(), Some(json!(8080)))],
    };
    assert_eq!(edited(FILE, &settings), FILE);
    let settings = Change::Settings {
        fields: vec![("httpPort".into(), Some(json!(8081)))],
    };
    assert_eq!(edited(FILE, &settings), FILE.replace("\"${PORT}\"", "8081"));
}

#[test]
fn a_removed_field_leaves_the_others() {
    let result = edited(FILE, &change("api", vec![("color".into(), None)]));
    assert_eq!(good(&result).teams[&team("api")].color, None);
    assert!(result.contains("\"path\": \"${HOME}/api\""), "{result}");
    assert_comments_survive(FILE, &result);
    assert_eq!(
        edited(&result, &change("api", vec![("color".into(), None)])),
        result,
        "twice is once"
    );
}

#[test]
fn a_rename_changes_one_word() {
    assert_eq!(
        edited(FILE, &rename("api", "api-2")),
        FILE.replace("\"api\"", "\"api-2\"")
    );
    assert_eq!(edited(FILE, &rename("api", "api")), FILE);
    assert_eq!(
        edit(FILE, &rename("api", "web"), vars),
        Err(EditError::NameTaken(team("web")))
    );
    assert_eq!(
        edit(FILE, &rename("nope", "x"), vars),
        Err(EditError::NoSuchTeam(team("nope")))
    );
}

#[test]
fn a_team_is_added_after_the_others_and_removed_again() {
    let added = edited(
        FILE,
        &add(
            "docs",
            vec![("path".into(), text("d")), ("color".into(), None)],
        ),
    );
    assert_eq!(
        added,
        FILE.replace(
            "\"web\": { \"path\": \"web\" }",
            "\"web\": { \"path\": \"web\" },\n        \"docs\": {\n            \"path\": \"d\"\n        }"
        )
    );
    assert_eq!(
        edited(&added, &remove("docs")),
        FILE,
        "removing undoes adding"
    );
    assert_eq!(
        edit(FILE, &add("web", vec![]), vars),
        Err(EditError::NameTaken(team("web")))
    );
    assert_eq!(
        edit(FILE, &remove("docs"), vars),
        Err(EditError::NoSuchTeam(team("docs")))
    );
}

#[test]
fn a_removed_team_leaves_the_comments_of_the_others() {
    for name in ["api", "web"] {
        let result = edited(FILE, &remove(name));
        assert!(!good(&result).teams.contains_key(&team(name)));
        for comment in [
            "// my teams",
            "// see .profile",
            "/* teams, by importance */",
            "// the first",
            "// the second",
        ] {
            assert!(
                result.contains(comment),
                "{comment} after {name} went: {result}"
            );
        }
    }
    let none = edited(&edited(FILE, &remove("api")), &remove("web"));
    assert!(good(&none).teams.is_empty(), "{none}");
    good(&edited(
        &none,
        &add("new", vec![("path".into(), text("x"))]),
    ));
}

#[test]
fn line_ends_tabs_and_the_byte_order_mark_stay() {
    let windows = format!("\u{feff}{}", FILE.replace('\n', "\r\n"));
    let result = edited(&windows, &add("docs", vec![("path".into(), text("d"))]));
    assert!(result.starts_with('\u{feff}'));
    assert_eq!(
        result.matches('\n').count(),
        result.matches("\r\n").count(),
        "{result:?}"
    );
    let tabs = "{\n\t\"teams\": {\n\t\t\"a\": { \"path\": \"x\" },\n\t},\n}";
    assert_eq!(
        edited(tabs, &add("b", vec![("path".into(), text("y"))])),
        "{\n\t\"teams\": {\n\t\t\"a\": { \"path\": \"x\" },\n\t\t\"b\": {\n\t\t\t\"path\": \"y\",\n\t\t},\n\t},\n}",
        "the file's indentation and trailing commas"
    );
}

#[test]
fn an_edit_that_would_break_the_config_is_refused() {
    for (fields, place) in [
        (vec![("color".into(), text("red"))], "teams.api.color"),
        (vec![("path".into(), text(""))], "teams.api.path"),
        (vec![("path".into(), None)], "teams.api"),
        (vec![("path".into(), text("${UNSET}"))], "teams.api.path"),
        (vec![("pth".into(), text("x"))], "teams.api.pth"),
    ] {
        match edit(FILE, &change("api", fields.clone()), vars) {
            Err(EditError::WouldBreak(problems)) => assert_eq!(problems[0].path, place),
            other => panic!("{fields:?} is refused, not {other:?}"),
        }
    }
    let broken = FILE.replace("\"web\"", "web");
    assert!(matches!(
        edit(&broken, &remove("api"), vars),
        Err(EditError::Broken(_))
    ));
}

#[test]
fn a_field_of_an_inner_object_leaves_the_others() {
    let file = r#"{
  "teams": {
    "box": {
      "path": "~/train",
      "remote": "me@box",
      "remoteOptions": {
        "port": 2222, // behind the router
        "identity": "${HOME}/key"
      }
    }
  }
}"#;
    let port = |port: Option<u16>| ("remoteOptions.port".into(), port.map(|port| json!(port)));
    let key = |path: Option<&str>| {
        (
            "remoteOptions.identity".into(),
            path.map(|path| json!(path)),
        )
    };
    let set = |fields: Set| edited(file, &change("box", fields));
    assert_eq!(
        set(vec![port(Some(22)), key(Some("/home/me/key"))]),
        file.replace("2222", "22"),
        "what holds already, through a placeholder, is not touched"
    );
    assert_eq!(
        set(vec![(
            "remoteOptions.connectTimeout".into(),
            Some(json!(5))
        )]),
        file.replace("/key\"", "/key\",\n        \"connectTimeout\": 5"),
    );
    let gone = edited(
        r#"{ "teams": { "box": { "path": "x", "remote": "a@b", "remoteOptions": { "port": 1 } } } }"#,
        &change("box", vec![port(None)]),
    );
    assert!(
        !gone.contains("remoteOptions"),
        "an object that says nothing goes: {gone}"
    );
    let untouched = set(vec![("reverseMcpPermissions.deniedTools".into(), None)]);
    assert_eq!(untouched, file, "what is not there needs no removing");
    let made = edited(
        file,
        &change(
            "box",
            vec![
                (
                    "reverseMcpPermissions.deniedTools".into(),
                    Some(json!(["team_send"])),
                ),
                (
                    "reverseMcpPermissions.deniedTargets".into(),
                    Some(json!(["web"])),
                ),
            ],
        ),
    );
    let permissions = good(&made).teams[&team("box")]
        .reverse_mcp_permissions
        .clone()
        .expect("permissions");
    assert_eq!(permissions.denied_tools, ["team_send"], "{made}");
    assert_eq!(permissions.denied_targets, ["web"], "{made}");
    assert_comments_survive(file, &made);
}

#[test]
fn a_variable_changes_and_the_others_stay() {
    let file = FILE.replace(
        "\"path\": \"web\"",
        "\"path\": \"web\", \"env\": { \"CI\": \"1\", /* mine */ \"TOKEN\": \"${PORT}\" }",
    );
    let set = |fields: Set| edit(&file, &change("web", fields), vars);
    let token = set(vec![("env.TOKEN".into(), text("keychain:web"))]).expect("changed");
    assert_eq!(token, file.replace("\"${PORT}\" }", "\"keychain:web\" }"));
    let gone = set(vec![("env.CI".into(), None)]).expect("removed");
    assert!(gone.contains("/* mine */ \"TOKEN\": \"${PORT}\""), "{gone}");
    for name in ["", "A.B", "A B", "1A"] {
        let refused = set(vec![(format!("env.{name}").into(), text("x"))]);
        assert!(matches!(refused, Err(EditError::WouldBreak(_))), "{name:?}");
    }
}

#[test]
fn a_new_team_has_its_inner_objects() {
    let fields = vec![
        ("path".into(), text("~/x")),
        ("remote".into(), text("me@box")),
        ("remoteOptions.port".into(), Some(json!(2222))),
        ("allowHttp".into(), Some(json!(true))),
        ("remoteOptions.identity".into(), text("~/key")),
        ("reverseMcpPermissions.deniedTools".into(), None),
    ];
    let expected = r#"{
  "teams": {
    "box": {
      "path": "~/x",
      "remote": "me@box",
      "remoteOptions": {
        "port": 2222,
        "identity": "~/key"
      },
      "allowHttp": true
    }
  }
}
"#;
    assert_eq!(edited("", &add("box", fields)).trim_start(), expected);
}

fn assert_comments_survive(before: &str, after: &str) {
    for line in before.lines() {
        if let Some(at) = line.find("//").or_else(|| line.find("/*")) {
            let comment = line[at..].trim_end();
            assert!(after.contains(comment), "{comment:?} stays in {after}");
        }
    }
}

fn names() -> impl Strategy<Value = TeamName> {
    "[a-c]".prop_map(|name| name.parse().expect("a team's name"))
}

fn fields() -> impl Strategy<Value = Set> {
    let text = || prop_oneof!["\\PC{1,8}", Just("${HOME}/é".to_owned())];
    (text(), prop::option::of(text()), prop::option::of(0..3_u8)).prop_map(
        |(path, description, mode)| {
            let path = format!("/{path}")
                .replace("${", "$")
                .replace("$HOME}/é", "${HOME}/é");
            let modes = ["yes", "no", "ask"];
            vec![
                ("path".into(), Some(json!(path))),
                (
                    "description".into(),
                    description.map(|d| json!(d.replace("${", ""))),
                ),
                (
                    "grantPermission".into(),
                    mode.map(|m| json!(modes[usize::from(m)])),
                ),
            ]
        },
    )
}

fn edits() -> impl Strategy<Value = Change> {
    prop_oneof![
        (names(), fields()).prop_map(|(team, fields)| Change::AddTeam { team, fields }),
        (names(), prop::option::of(names()), fields()).prop_map(|(team, rename, fields)| {
            Change::EditTeam {
                team,
                rename,
                fields,
            }
        }),
        names().prop_map(|team| Change::RemoveTeam { team }),
    ]
}

/// A file with comments and several ways to write the same.
fn files() -> impl Strategy<Value = String> {
    let entry = (names(), any::<bool>(), any::<bool>(), any::<bool>());
    (prop::collection::btree_map("[a-c]", entry, 0..3), any::<bool>(), 0..3_usize).prop_map(
        |(teams, trailing, indent)| {
            let pad = ["", "  ", "\t"][indent];
            let mut out = format!("// top\n{{\n{pad}\"settings\": {{ \"httpPort\": \"${{PORT}}\" /* p */ }},\n{pad}\"teams\": {{ // open\n");
            let count = teams.len();
            for (i, (name, (_, line, block, color))) in teams.into_iter().enumerate() {
                let color = if color { ", // c\n \"color\": \"#000000\"" } else { "" };
                if block {
                    out += &format!("{pad}{pad}// about {name}\n");
                }
                let end = if trailing || i + 1 < count { "," } else { "" };
                let after = if line { format!(" // after {name}") } else { String::new() };
                out += &format!("{pad}{pad}\"{name}\": {{ \"path\": \"${{HOME}}/{name}\"{color} }}{end}{after}\n");
            }
            out + &format!("{pad}}} // close\n}}\n// end\n")
        },
    )
}

fn add_rules(name: &str, rules: &[&str]) -> Change {
    Change::AddRules {
        team: team(name),
        list: crate::decision::RuleList::AutoApprove,
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
    }
}

#[test]
fn rules_are_added_behind_those_that_are_there() {
    let text = r#"{ "teams": { "a": { "path": "x", "approvalPolicy": { "autoApprove": [
  "Read", // quick
  "Bash(ls:*)"
] } } } }"#;
    let after = edited(text, &add_rules("a", &["Bash(git log:*)", "Read"]));
    assert_eq!(
        good(&after).teams[&team("a")].approval_policy.auto_approve,
        ["Read", "Bash(ls:*)", "Bash(git log:*)"]
    );
    assert!(after.contains("// quick"), "{after}");
    assert_eq!(
        edited(&after, &add_rules("a", &["Read"])),
        after,
        "nothing to add"
    );
}

#[test]
fn a_first_rule_keeps_what_iris_has_without_any() {
    let text = r#"{ "teams": { "a": { "path": "x" } } }"#;
    let after = edited(text, &add_rules("a", &["Read"]));
    let policy = &good(&after).teams[&team("a")].approval_policy;
    assert_eq!(policy.auto_approve, ["mcp__iris__*", "Read"]);
    assert_eq!(
        policy.require_approval,
        ApprovalPolicy::default().require_approval
    );
    let text = r#"{ "settings": { "defaults": { "approvalPolicy": { "autoApprove": ["Glob"] } } },
        "teams": { "a": { "path": "x" } } }"#;
    let after = edited(text, &add_rules("a", &["Read"]));
    let policy = &good(&after).teams[&team("a")].approval_policy;
    assert_eq!(policy.auto_approve, ["Glob", "Read"]);
    assert!(matches!(
        edit(text, &add_rules("b", &["Read"]), vars),
        Err(EditError::NoSuchTeam(_))
    ));
    assert!(matches!(
        edit(text, &add_rules("a", &["Bash("]), vars),
        Err(EditError::WouldBreak(_))
    ));
}

proptest! {
    /// After an edit, the config differs where the edit says, and nowhere else.
    #[test]
    fn an_edit_changes_what_it_says_and_nothing_else(file in files(), edits in prop::collection::vec(edits(), 1..5)) {
        let mut text = file;
        for change in edits {
            let before = good(&text);
            let result = match edit(&text, &change, vars) {
                Ok(result) => result,
                Err(error) => {
                    let expected = matches!(error, EditError::NoSuchTeam(_) | EditError::NameTaken(_));
                    prop_assert!(expected, "{:?} of {}: {:?}", change, text, error);
                    continue;
                }
            };
            let after = good(&result);
            let said = changes(&before, &after);
            prop_assert!(said.settings.is_empty());
            let mut expected = before.clone();
            match &change {
                Change::AddTeam { team, fields } => {
                    expected.teams.insert(team.clone(), Team::at(""));
                    apply(expected.teams.get_mut(team).expect("just put"), fields);
                }
                Change::EditTeam { team, rename, fields } => {
                    let mut edited = expected.teams.remove(team).expect("the edit went well");
                    apply(&mut edited, fields);
                    expected.teams.insert(rename.clone().unwrap_or(team.clone()), edited);
                }
                Change::RemoveTeam { team } => {
                    expected.teams.remove(team);
                }
                Change::AddRules { .. }
                | Change::AddWebhook { .. }
                | Change::RemoveWebhook { .. }
                | Change::Settings { .. } => unreachable!("not generated"),
            }
            prop_assert_eq!(&after, &expected, "{:?}\n{}\n{}", change, text, result);
            for comment in ["// top", "/* p */", "// open", "// close", "// end"] {
                prop_assert!(result.contains(comment), "{:?} stays: {}", comment, result);
            }
            prop_assert!(result.contains("${PORT}"), "the placeholder stays: {}", result);
            text = result;
        }
    }
}

fn apply(team: &mut Team, fields: &Set) {
    for (name, value) in fields {
        let value = value
            .as_ref()
            .and_then(Value::as_str)
            .map(|v| v.replace("${HOME}", "/home/me"));
        match name.as_ref() {
            "path" => team.path = value.expect("a path is set"),
            "description" => team.description = value,
            _ => {
                team.grant_permission = match value.as_deref() {
                    Some("yes") => GrantPermission::Yes,
                    Some("no") => GrantPermission::No,
                    _ => GrantPermission::Ask,
                }
            }
        }
    }
}
