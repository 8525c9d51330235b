use serde_json::json;

use super::*;

#[test]
fn commands_read_as_documented() {
    let table = [
        (json!({"command": "status"}), Command::Status {}),
        (
            json!({"command": "approve", "id": "k3"}),
            Command::Approve {
                id: "k3".into(),
                input: None,
                remember: None,
            },
        ),
        (
            json!({"command": "send", "team": "api", "text": "hi", "timeoutMs": 5}),
            Command::Send {
                team: "api".parse().unwrap(),
                text: "hi".into(),
                timeout_ms: Some(5),
            },
        ),
        (
            json!({"command": "answer", "id": "k3", "answer": "pass", "remember": true}),
            Command::Answer {
                id: "k3".into(),
                answer: Some(Spoken(crate::secrets::Secret::new("pass".into()))),
                remember: true,
            },
        ),
        (
            json!({"command": "teamStop", "team": "api"}),
            Command::TeamStop {
                team: "api".parse().unwrap(),
            },
        ),
    ];
    for (text, command) in table {
        assert_eq!(
            serde_json::from_value::<Command>(text.clone()).unwrap(),
            command,
            "{text}"
        );
        assert_eq!(
            serde_json::to_value(&command).unwrap(),
            text,
            "and is written so"
        );
    }
}

#[test]
fn an_answer_is_not_printed() {
    let answer = Command::Answer {
        id: "k3".into(),
        answer: Some(Spoken(crate::secrets::Secret::new("pass".into()))),
        remember: false,
    };
    let printed = format!("{answer:?}");
    assert!(
        printed.contains("[redacted]") && !printed.contains("pass"),
        "{printed}"
    );
}

#[test]
fn what_is_not_known_is_an_error() {
    for text in [
        json!({"command": "status", "loud": true}),
        json!({"command": "approve", "id": "k3", "forEver": true}),
        json!({"command": "reboot"}),
        json!({"command": "teamStop", "team": "no spaces here"}),
        json!({}),
    ] {
        assert!(
            serde_json::from_value::<Command>(text.clone()).is_err(),
            "{text}"
        );
    }
}
