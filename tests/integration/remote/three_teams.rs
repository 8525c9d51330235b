//! Three teams, one of them on another host: what one asks goes along, and all records tell the same story.

use super::*;

/// Entries of one conversation, oldest first.
async fn entries(iris: &Iris, from: &str, to: &str) -> Vec<Value> {
    let lines = iris
        .cli(&["log", to, "--from", from, "--json"])
        .await
        .json();
    let lines = lines.as_array().expect("a list");
    lines.iter().map(|line| line["entry"].clone()).collect()
}

fn one<'a>(entries: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["kind"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "one {kind}: {entries:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_asks_b_and_b_asks_remote_c_where_a_human_allows_a_tool() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let setup = far.prepare("c", json!({})).await;
    let mut iris = setup
        .team("a", json!({}))
        .team("b", json!({}))
        .serve()
        .await;
    let task = "FAKE:bash echo 42 > it.txt; cat it.txt";
    let to_c = json!({ "toTeam": "c", "message": task, "timeout": 0 });
    let to_b =
        json!({ "toTeam": "b", "message": format!("FAKE:mcp send_message {to_c}"), "timeout": 0 });
    let sending = iris.send_in_background("a", &format!("FAKE:mcp send_message {to_b}"));

    let pending = iris.pending_one().await;
    assert_eq!(
        (&*pending.team, &*pending.from, &*pending.tool),
        ("c", "b", "Bash")
    );
    assert_eq!(pending.host, far.sshd.remote());
    for (team, state) in [("a", "working"), ("b", "working"), ("c", "waiting")] {
        iris.state_becomes(team, state).await;
    }
    iris.approve(&pending).await;
    let answer = sending.response().await;
    assert!(
        answer.starts_with("done: OK") && answer.contains("42"),
        "it travels back: {answer}"
    );
    let ran = fs::read_to_string(iris.project("c").join("it.txt")).unwrap();
    assert_eq!(ran, "42\n");
    for team in ["a", "b", "c"] {
        iris.state_becomes(team, "idle").await;
    }

    // The transcripts: each got one message, which its turn answers, and what it said is what came back.
    let told = [
        entries(&iris, "console", "a").await,
        entries(&iris, "a", "b").await,
        entries(&iris, "b", "c").await,
    ];
    let mut ids = Vec::new();
    for entries in &told {
        let message = one(entries, "message");
        let end = one(entries, "turnEnd");
        assert_eq!(end["messages"], json!([message["message"]]));
        assert_eq!(end["error"], Value::Null);
        assert_eq!(one(entries, "toolResult")["error"], false);
        ids.push(message["message"].as_str().unwrap().to_owned());
    }
    assert_eq!(one(&told[2], "message")["text"], task);
    for (asks, answers, id) in [(0, 1, &ids[1]), (1, 2, &ids[2])] {
        // What the caller was told names the message and its state, and has the answer.
        let result = one(&told[asks], "toolResult")["text"].as_str().unwrap();
        assert!(result.contains(id.as_str()), "{id} is not in {result}");
        assert!(result.contains("42"), "{result}");
        let said = one(&told[answers], "text")["text"].as_str().unwrap();
        assert!(said.starts_with("done: OK"), "{said}");
    }
    let decided = one(&told[2], "decision");
    assert_eq!(decided["call"], one(&told[2], "toolCall")["call"]);
    assert_eq!(
        (&decided["tool"], &decided["decision"]),
        (&json!("Bash"), &json!("allow"))
    );

    // The record: the same decision by the same human; the two messages went out by the default rule.
    let row = iris.decision("c").await;
    assert_eq!(row.decided_by, decided["by"].as_str().unwrap());
    assert_eq!(row.input["command"], "echo 42 > it.txt; cat it.txt");
    let rows = iris.audit().await;
    for team in ["a", "b"] {
        let sent: Vec<_> = rows
            .iter()
            .filter(|row| {
                row.kind == "permission"
                    && row.team == team
                    && row.tool == "mcp__iris__send_message"
            })
            .collect();
        assert_eq!(sent.len(), 1, "{team}: {sent:#?}");
        assert_eq!(
            (&*sent[0].decision, &*sent[0].decided_by),
            ("allow", "rule:autoApprove:mcp__iris__*")
        );
    }
    // No message is open, and each pair has its own conversation.
    let sessions = iris.cli(&["session", "list", "--json"]).await.json();
    let mut pairs: Vec<(String, String)> = sessions
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["from"].to_string(), it["to"].to_string()))
        .collect();
    pairs.sort();
    let pair = |from: &str, to: &str| (format!("\"{from}\""), format!("\"{to}\""));
    assert_eq!(
        pairs,
        [pair("a", "b"), pair("b", "c"), pair("console", "a")]
    );
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}
