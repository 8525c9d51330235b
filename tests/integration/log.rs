//! `iris log`: what happens in sessions, with the real Claude Code.

use iris_tests::{Iris, require};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// The entries that there are, oldest first.
async fn entries(iris: &Iris, args: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = ["log", "--json"]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let lines = iris.cli(&all).await.json();
    let lines = lines.as_array().expect("a list");
    lines.iter().map(|line| line["entry"].clone()).collect()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    let kinds = entries.iter().map(|entry| entry["kind"].as_str());
    kinds.map(|kind| kind.expect("a kind")).collect()
}

#[tokio::test]
async fn a_session_is_read_searched_and_outlives_a_kill() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch zebra.txt");
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    sending.response().await;

    let first = entries(&iris, &["alpha"]).await;
    let (call, decision, result) = (&first[2], &first[3], &first[4]);
    assert_eq!(
        kinds(&first),
        [
            "started",
            "message",
            "toolCall",
            "decision",
            "toolResult",
            "text",
            "turnEnd"
        ],
        "{first:#?}"
    );
    assert_eq!(call["input"]["command"], "touch zebra.txt");
    assert_eq!(decision["call"], call["call"], "it stands beside its call");
    assert_eq!(result["call"], call["call"]);
    assert_eq!(decision["decision"], "allow");
    let by = decision["by"].as_str().expect("a text");
    assert!(by.starts_with("human:cli:"), "{by}");

    // The same work costs the same again: what a process cost before is not counted twice.
    iris.send_in_background("alpha", "hello").response().await;
    iris.send_in_background("alpha", "hello").response().await;
    let ends = entries(&iris, &["alpha", "--kind", "turnEnd"]).await;
    let costs: Vec<f64> = ends
        .iter()
        .map(|end| end["costUsd"].as_f64().expect("a number"))
        .collect();
    let read = |at: usize| ends[at]["tokens"]["input"].clone();
    assert!(
        costs[1] > 0.0 && (costs[1] - costs[2]).abs() < costs[1] / 10.0,
        "{costs:?}"
    );
    assert_eq!(read(1), read(2), "{ends:#?}");
    assert_eq!(ends[2]["tokens"]["output"], ends[1]["tokens"]["output"]);
    assert!(ends[1]["model"].as_str().is_some_and(|it| !it.is_empty()));
    let status = iris.cli(&["team", "list", "--json"]).await.json();
    let spent = &status[0]["sessions"][0]["spent"];
    assert_eq!(spent["turns"], 3, "{status:#}");
    let sum: f64 = costs.iter().sum();
    assert!((spent["costUsd"].as_f64().expect("a number") - sum).abs() < 1e-9);

    let found = entries(&iris, &["--search", "ZEB touch", "--kind", "toolCall"]).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let text = iris.cli(&["log", "alpha"]).await.ok();
    assert!(
        text.contains("console → alpha  Bash: touch zebra.txt"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours for a file");

    let before = entries(&iris, &[]).await;
    iris.kill9();
    assert_eq!(
        entries(&iris, &[]).await,
        before,
        "what was answered before was written"
    );
    iris.restart().await;
    let after = entries(&iris, &["--limit", "1000"]).await;
    assert_eq!(after[..before.len()], before[..]);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_hears_of_what_comes() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let mut following = iris.cli_running(&["log", "alpha", "-f", "--json"]);
    let out = following.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(out).lines();
    let hearing = async {
        let mut entries = Vec::new();
        while entries
            .last()
            .is_none_or(|it: &Value| it["kind"] != "turnEnd")
        {
            let line = lines.next_line().await.expect("a line");
            let line: Value = serde_json::from_str(&line.expect("more")).expect("JSON");
            entries.push(line["entry"].clone());
        }
        entries
    };
    let sending = iris.send_in_background("alpha", "hello");
    let (heard, _) = tokio::join!(hearing, sending.response());
    assert_eq!(kinds(&heard), ["started", "message", "text", "turnEnd"]);
    assert_eq!(heard[1]["text"], json!("hello"));
    iris.stop();
    following.wait().await.expect("it ends with Iris");
}
