//! Lists of rules: edited rule by rule, and shown with where they stand.

use serde_json::{Value, json};

use super::*;
use crate::decision::RuleList;

const FILE: &str = r#"{
  "settings": {
    "defaults": {
      "approvalPolicy": {
        // nobody pushes
        "deny": ["Bash(git push:*)"]
      }
    }
  },
  "teams": {
    "api": {
      "path": "api",
      "approvalPolicy": {
        "deny": [
          // secrets
          "Read(.env)", // and no copies
          "WebFetch",
          // the last
          "${TOOL:-Task}"
        ]
      }
    },
    "web": { "path": "web" }
  }
}
"#;

fn set(team_name: &str, list: &str, rules: Option<&[&str]>) -> Change {
    Change::EditTeam {
        team: team(team_name),
        rename: None,
        fields: fields("", list, rules),
    }
}

fn set_common(list: &str, rules: Option<&[&str]>) -> Change {
    Change::Settings {
        fields: fields("defaults.", list, rules),
    }
}

fn fields(owner: &str, list: &str, rules: Option<&[&str]>) -> Set {
    let name = format!("{owner}approvalPolicy.{list}");
    vec![(name.into(), rules.map(|rules| json!(rules)))]
}

fn edited(text: &str, change: &Change) -> String {
    edit(text, change, vars).unwrap_or_else(|e| panic!("{change:?} of {text}: {e:?}"))
}

fn own(text: &str, name: &str, list: RuleList) -> Vec<String> {
    good(text).teams[&team(name)].approval_policy.own(list)
}

#[test]
fn rules_change_one_by_one_and_what_stands_beside_them_stays() {
    let wanted = ["Read(.env)", "Task"];
    let after = edited(FILE, &set("api", "deny", Some(&wanted)));
    assert_eq!(own(&after, "api", RuleList::Deny), wanted);
    assert_eq!(after, FILE.replace("          \"WebFetch\",\n", ""));

    let wanted = ["Read(.env)", "WebFetch(domain:x.org)", "Task"];
    let after = edited(FILE, &set("api", "deny", Some(&wanted)));
    assert_eq!(
        after,
        FILE.replace("\"WebFetch\"", "\"WebFetch(domain:x.org)\""),
        "the placeholder and the comments stay"
    );

    let wanted = ["Read(.env)", "WebFetch", "Task", "Bash(rm:*)"];
    let after = edited(FILE, &set("api", "deny", Some(&wanted)));
    assert_eq!(own(&after, "api", RuleList::Deny), wanted);
    for comment in ["// secrets", "// and no copies", "// the last", "${TOOL"] {
        assert!(after.contains(comment), "{comment}: {after}");
    }
}

#[test]
fn rules_that_are_as_they_were_are_not_touched() {
    let same = set("api", "deny", Some(&["Read(.env)", "WebFetch", "Task"]));
    assert_eq!(edited(FILE, &same), FILE);
    let same = set_common("deny", Some(&["Bash(git push:*)"]));
    assert_eq!(edited(FILE, &same), FILE);
    for nothing in [set("web", "deny", None), set_common("autoApprove", None)] {
        assert_eq!(edited(FILE, &nothing), FILE, "{nothing:?}");
    }
}

#[test]
fn a_rule_of_all_teams_is_not_taken_for_the_teams_own() {
    let both = ["Bash(git push:*)", "WebFetch"];
    let after = edited(FILE, &set("web", "deny", Some(&both)));
    assert_eq!(own(&after, "web", RuleList::Deny), both);
    let after = edited(&after, &set("web", "deny", Some(&["WebFetch"])));
    assert_eq!(own(&after, "web", RuleList::Deny), ["WebFetch"]);
    assert_eq!(
        good(&after).teams[&team("web")].approval_policy.deny,
        both,
        "what holds for all holds"
    );
}

#[test]
fn a_list_that_goes_leaves_no_empty_object_but_every_comment() {
    let after = edited(FILE, &set("api", "deny", None));
    assert!(own(&after, "api", RuleList::Deny).is_empty());
    let after = edited(FILE, &set_common("deny", None));
    assert!(
        after.contains("// nobody pushes"),
        "the object stays for its comment: {after}"
    );
    let with = edited(FILE, &set("web", "autoApprove", Some(&["Read"])));
    let without = edited(&with, &set("web", "autoApprove", None));
    assert!(!without.contains("Read\""), "{without}");
    assert_eq!(good(&without), good(FILE));
}

#[test]
fn a_list_can_be_empty_on_purpose() {
    let after = edited(FILE, &set("web", "autoApprove", Some(&[])));
    let policy = &good(&after).teams[&team("web")].approval_policy;
    assert!(policy.auto_approve.is_empty(), "{after}");
}

#[test]
fn rules_for_all_teams_come_into_a_file_that_has_none() {
    for text in [
        "",
        "{}",
        r#"{ "settings": { "defaults": { "model": "m" } } }"#,
    ] {
        let after = edited(text, &set_common("deny", Some(&["WebFetch"])));
        let defaults = good(&after).settings.defaults.unwrap();
        assert_eq!(defaults.approval_policy.unwrap().deny, ["WebFetch"]);
    }
}

#[test]
fn what_looks_like_a_placeholder_in_a_rule_is_none() {
    let rule = "Bash(echo ${HOME})";
    let after = edited(FILE, &set("api", "autoApprove", Some(&[rule])));
    assert_eq!(own(&after, "api", RuleList::AutoApprove), [rule]);
    let after = edited(&after, &set("api", "autoApprove", Some(&["Read", rule])));
    assert_eq!(own(&after, "api", RuleList::AutoApprove), ["Read", rule]);
    let added = Change::AddRules {
        team: team("web"),
        list: RuleList::Deny,
        rules: vec![rule.into()],
    };
    assert_eq!(own(&edited(FILE, &added), "web", RuleList::Deny), [rule]);
    let new = Change::AddTeam {
        team: team("new"),
        fields: [("path".into(), Some(json!("x")))]
            .into_iter()
            .chain(fields("", "deny", Some(&[rule])))
            .collect(),
    };
    assert_eq!(own(&edited(FILE, &new), "new", RuleList::Deny), [rule]);
}

#[test]
fn a_rule_that_cannot_be_used_changes_nothing() {
    let bad = set("api", "deny", Some(&["Bash(git push:*"]));
    let EditError::WouldBreak(problems) = edit(FILE, &bad, vars).unwrap_err() else {
        panic!("it is refused as what it is");
    };
    assert_eq!(problems[0].path, "teams.api.approvalPolicy.deny[0]");
}

fn shown(view: &ListView) -> Value {
    let all = |rules: &[RuleView]| -> Value {
        rules
            .iter()
            .map(|rule| json!([rule.text, rule.line]))
            .collect()
    };
    json!({ "own": view.own.as_deref().map(all), "common": all(&view.common), "builtIn": view.built_in })
}

#[test]
fn rules_are_shown_with_where_they_stand() {
    let config = good(FILE);
    let api = RulesView::of_team(&config, &team("api")).unwrap();
    assert_eq!(
        shown(&api.deny),
        json!({
            "own": [["Read(.env)", 16], ["WebFetch", 17], ["Task", 19]],
            "common": [["Bash(git push:*)", 6]],
            "builtIn": [],
        })
    );
    let built_in = json!({ "own": null, "common": [], "builtIn": ["mcp__iris__*"] });
    assert_eq!(shown(&api.auto_approve), built_in);
    let new = RulesView::of_new_team(&config);
    assert_eq!(shown(&new.auto_approve), built_in);
    assert_eq!(
        shown(&new.deny),
        json!({ "own": null, "common": [["Bash(git push:*)", 6]], "builtIn": [] })
    );
    let all = RulesView::of_all_teams(&config);
    assert_eq!(
        shown(&all.deny),
        json!({ "own": [["Bash(git push:*)", 6]], "common": [], "builtIn": [] })
    );
    assert_eq!(shown(&all.auto_approve), built_in);
    assert_eq!(all.common_mode, None);
    let common = edited(FILE, &set_common("autoApprove", Some(&[])));
    let view = RulesView::of_team(&good(&common), &team("api")).unwrap();
    assert_eq!(
        shown(&view.auto_approve)["builtIn"],
        json!([]),
        "an empty list for all teams replaces Iris's too"
    );
    let mode = Change::Settings {
        fields: vec![("defaults.grantPermission".into(), Some(json!("no")))],
    };
    let config = good(&edited(FILE, &mode));
    let new = RulesView::of_new_team(&config);
    assert_eq!(new.common_mode, Some(GrantPermission::No));
    assert_eq!(RulesView::of_team(&config, &team("gone")), None);
    let none = edited(FILE, &set("web", "autoApprove", Some(&[])));
    let web = RulesView::of_team(&good(&none), &team("web")).unwrap();
    assert_eq!(
        shown(&web.auto_approve)["own"],
        json!([]),
        "empty on purpose"
    );
}

#[test]
fn a_rule_that_is_typed_is_judged_in_the_words_of_a_config_error() {
    for bad in ["Bash(git push:*", " Read", "", "Read, Write", "Bash(\0)"] {
        let mistake = RuleMistake::of(bad).expect("it is no rule");
        let file =
            json!({ "teams": { "api": { "path": "x", "approvalPolicy": { "deny": [bad] } } } });
        let problems = parse(&file.to_string(), vars).problems;
        assert_eq!(problems[0].message, mistake.message, "{bad:?}");
        assert_eq!(problems[0].hint, mistake.hint, "{bad:?}");
    }
    assert_eq!(RuleMistake::of("Bash(git push:*)"), None);
}
