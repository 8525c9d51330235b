use serde_json::json;
use uuid::Uuid;

use super::*;

fn line(entry: Entry) -> Line {
    Line {
        id: 1,
        time: Timestamp::UNIX_EPOCH,
        session: SessionId(Uuid::from_u128(7)),
        from: Party::Console,
        to: "api".parse().unwrap(),
        within: None,
        entry,
    }
}

fn text(text: &str) -> Entry {
    Entry::Text { text: text.into() }
}

fn call(input: Value) -> Entry {
    Entry::ToolCall {
        call: "toolu_1".into(),
        tool: "Bash".into(),
        input,
    }
}

#[test]
fn a_line_reads_as_it_was_written() {
    for (entry, json) in [
        (text("hello"), json!({"kind": "text", "text": "hello"})),
        (Entry::Interrupted {}, json!({"kind": "interrupted"})),
        (Entry::Ended { why: None }, json!({"kind": "ended"})),
        (
            call(json!({"command": "ls"})),
            json!({"kind": "toolCall", "call": "toolu_1", "tool": "Bash", "input": {"command": "ls"}}),
        ),
    ] {
        assert_eq!(json["kind"], entry.kind().as_str());
        assert_eq!(serde_json::to_value(entry.kind()).unwrap(), json["kind"]);
        assert_eq!(serde_json::to_value(&entry).unwrap(), json);
        let line = line(entry);
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
}

#[test]
fn secrets_are_taken_out_wherever_they_stand() {
    let secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
    let said = format!("the token is {secret}");
    for entry in [
        text(&said),
        Entry::Thinking { text: said.clone() },
        Entry::Message {
            message: Uuid::from_u128(1),
            text: said.clone(),
        },
        call(
            json!({ "command": format!("curl -H 'Authorization: Bearer {secret}' x"), "list": [said] }),
        ),
        Entry::ToolResult {
            call: "c".into(),
            text: said.clone(),
            error: false,
        },
        Entry::Ended {
            why: Some(said.clone()),
        },
        Entry::Decision {
            call: "c".into(),
            tool: "Bash".into(),
            decision: Verb::Allow,
            by: format!("rule:autoApprove:Bash(echo {secret})"),
        },
        // A secret that the end of a shortened text would cut in two.
        text(&format!(
            "{}{secret}{}",
            "x ".repeat(TEXT_MAX / 4 - 8),
            " y".repeat(TEXT_MAX)
        )),
    ] {
        let kept = serde_json::to_string(&entry.kept()).unwrap();
        assert!(
            !kept.contains("ghp_0123"),
            "{}",
            &kept[..kept.len().min(400)]
        );
    }
}

#[test]
fn what_is_long_keeps_its_head_and_its_tail() {
    let long = format!("head{}tail", "ü".repeat(RAW_MAX));
    for (entry, max) in [
        (text(&long), TEXT_MAX),
        (Entry::Thinking { text: long.clone() }, THINKING_MAX),
        (
            Entry::ToolResult {
                call: "c".into(),
                text: long.clone(),
                error: true,
            },
            TOOL_RESULT_MAX,
        ),
    ] {
        assert!(entry.bytes() > RAW_MAX);
        let (Entry::Text { text } | Entry::Thinking { text } | Entry::ToolResult { text, .. }) =
            entry.kept()
        else {
            panic!("it stays of its kind")
        };
        assert!(text.chars().count() <= max && text.chars().count() > max / 2);
        assert!(text.starts_with("head") && text.ends_with("tail"));
    }
    let kept = call(json!({ "content": long, "file_path": "a" })).kept();
    let Entry::ToolCall { input, .. } = &kept else {
        panic!("it stays of its kind")
    };
    assert!(input.is_string() && kept.bytes() < 2 * INPUT_MAX + 200);
    let short = call(json!({ "a": [1, "b"] }));
    assert_eq!(short.clone().kept(), short);
}

#[test]
fn once_is_enough() {
    let long = format!(
        "{} password=hunter2 {}",
        "a".repeat(TEXT_MAX),
        "b".repeat(TEXT_MAX)
    );
    for entry in [
        text(&long),
        text("token: abc"),
        call(json!({ "password": "x" })),
    ] {
        let kept = entry.kept();
        assert_eq!(kept.clone().kept(), kept);
    }
}

#[test]
fn a_query_means_what_it_says() {
    let line = line(call(json!({ "command": "Cargo test --workspace" })));
    let query = |change: &dyn Fn(&mut Query)| {
        let mut query = Query::default();
        change(&mut query);
        query
    };
    for (query, holds) in [
        (Query::default(), true),
        (query(&|it| it.search = Some("cargo WORK".into())), true),
        (query(&|it| it.search = Some("cargo build".into())), false),
        (query(&|it| it.search = Some(" - ".into())), true),
        (query(&|it| it.team = Some("api".parse().unwrap())), true),
        (query(&|it| it.team = Some("web".parse().unwrap())), false),
        (query(&|it| it.from = Some(Party::Console)), true),
        (
            query(&|it| it.kinds = vec![EntryKind::Text, EntryKind::ToolCall]),
            true,
        ),
        (query(&|it| it.kinds = vec![EntryKind::Text]), false),
        (
            query(&|it| it.session = Some(SessionId(Uuid::from_u128(8)))),
            false,
        ),
        (query(&|it| it.since = Some(Timestamp::UNIX_EPOCH)), true),
        (query(&|it| it.until = Some(Timestamp::UNIX_EPOCH)), false),
    ] {
        assert_eq!(query.matches(&line), holds, "{query:?}");
    }
    let terms = terms_of(&line);
    assert!(terms.contains("kind:toolcall") && terms.contains("to:api") && terms.contains("cargo"));
    let wanted = query(&|it| {
        it.team = Some("api".parse().unwrap());
        it.kinds = vec![EntryKind::Text, EntryKind::ToolCall];
        it.search = Some("Cargo \"OR".into());
    });
    assert_eq!(
        wanted.expression(),
        "\"to:api\" AND (\"kind:text\" OR \"kind:toolcall\") AND \"cargo\"* AND \"or\"*"
    );
}

#[test]
fn costs_add_up() {
    let one = Spent {
        turns: 1,
        cost_usd: 0.25,
        tokens: Tokens {
            input: 1,
            output: 2,
            cache_read: 3,
            cache_written: u64::MAX,
        },
    };
    let mut all = one;
    all += one;
    assert_eq!((all.turns, all.cost_usd), (2, 0.5));
    assert_eq!((all.tokens.output, all.tokens.cache_written), (4, u64::MAX));
}
