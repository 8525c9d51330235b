use serde_json::{Value, json};

use super::*;
use crate::webhook::EventKind;

fn edited(text: &str, change: &Change) -> String {
    edit(text, change, vars).unwrap_or_else(|e| panic!("{change:?} of {text}: {e:?}"))
}

const FILE: &str = r#"{
  "settings": {
    // ours
    "slack": {
      "channel": "C1", // #ops
      "approvers": ["U1"],
      "appToken": "keychain:app",
      "botToken": "keychain:bot",
      "apiUrl": "https://${SECRET}.example.org/api"
    },
    "webhooks": [
      // the pager
      { "url": "https://${SECRET}.example.org/x", "secret": "keychain:pager" }
    ]
  }
}
"#;

fn hook(url: &str) -> Change {
    Change::AddWebhook {
        fields: vec![
            ("url".into(), Some(json!(url))),
            ("secret".into(), Some(json!("keychain:a"))),
            ("events".into(), Some(json!(["freeze"]))),
        ],
    }
}

#[test]
fn slack_is_changed_field_by_field_and_taken_out() {
    let slack = |fields: &[(&'static str, Value)]| Change::Settings {
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).into(), Some(value.clone())))
            .collect(),
    };
    let change = slack(&[
        ("slack.channel", json!("C2")),
        ("slack.approvers", json!(["U1"])),
        ("slack.appToken", json!("keychain:app")),
        ("slack.botToken", json!("keychain:bot")),
    ]);
    let expected = FILE.replace("\"C1\"", "\"C2\"");
    assert_eq!(
        edited(FILE, &change),
        expected,
        "what is the same is not touched"
    );
    let made = edited("", &change);
    let config = parse(&made, vars).config.unwrap();
    assert_eq!(config.settings.slack.unwrap().channel, "C2");
    let half = slack(&[("slack.channel", json!("C2"))]);
    assert!(matches!(
        edit("{}", &half, vars),
        Err(EditError::WouldBreak(problems)) if problems.len() == 3
    ));
    let out = Change::Settings {
        fields: vec![("slack".into(), None)],
    };
    let config = parse(&edited(FILE, &out), vars).config.unwrap();
    assert_eq!(config.settings.slack, None);
    assert_eq!(config.settings.webhooks.len(), 1);
}

#[test]
fn webhooks_come_and_go_and_the_others_stay_as_they_are_written() {
    let two = edited(FILE, &hook("https://b.example.org/"));
    assert!(two.contains("${SECRET}.example.org/x"), "{two}");
    let hooks = parse(&two, vars).config.unwrap().settings.webhooks;
    assert_eq!(hooks.len(), 2);
    assert_eq!(hooks[1].shown(), "https://b.example.org");
    assert!(hooks[0].wants(EventKind::Freeze) && hooks[0].wants(EventKind::Thaw));
    assert!(hooks[1].wants(EventKind::Freeze) && !hooks[1].wants(EventKind::Thaw));
    let first_gone = edited(&two, &Change::RemoveWebhook { at: 0 });
    let hooks = parse(&first_gone, vars).config.unwrap().settings.webhooks;
    assert_eq!(hooks[0].url, "https://b.example.org/");
    assert_eq!(
        edit(FILE, &Change::RemoveWebhook { at: 1 }, vars),
        Err(EditError::NoSuchWebhook(1))
    );
    assert_eq!(
        parse(&edited("", &hook("http://127.0.0.1:1/")), vars).problems,
        []
    );
    assert!(matches!(
        edit(FILE, &hook("http://example.org/"), vars),
        Err(EditError::WouldBreak(_))
    ));
}

#[test]
fn an_address_is_not_shown_whole_and_a_secret_is_no_name() {
    let hook = Webhook {
        url: "https://example.org/hunter2?t=hunter2".into(),
        secret: "keychain:a".to_owned().try_into().unwrap(),
        events: None,
    };
    assert!(!format!("{hook:?}").contains("hunter2"), "{hook:?}");
    for text in ["hunter2", "keychain:", "keychain: "] {
        assert!(KeychainName::try_from(text.to_owned()).is_err());
    }
    let here = [
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "ws://localhost/",
        "https://a/",
    ];
    assert!(here.iter().all(|url| safe_url(url).is_ok()));
    let elsewhere = [
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://[::2]/",
    ];
    for url in elsewhere {
        assert_eq!(safe_url(url), Err(UrlError::Plain), "{url}");
    }
    assert_eq!(safe_url("file:///etc/passwd"), Err(UrlError::None));
}
