//! The record as a person looks at it: in the window, and on the command line.

use iris_tests::{Desktop, Iris, Setup, eventually, require};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_is_found_explained_and_verified_in_the_window() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch zebra.txt");
    let pending = iris.pending_one().await;
    iris.deny(&pending, "not now").await;
    sending.response().await;

    assert!(Setup::second(&iris, &desktop).await.success());
    let window = iris.driver().window().await;
    window.click("nav-activity").await;
    window.type_into("activity-search", "zeb").await;
    let shown = async |count: usize| {
        let rows = "return document.querySelectorAll('[data-testid=\"activity-row\"]').length";
        eventually(&format!("{count} rows are shown"), async || {
            (window.script(rows).await == json!(count)).then_some(())
        })
        .await;
    };
    // The task, and what the agent asked for it.
    shown(2).await;
    window.choose("activity-kind", "permission").await;
    shown(1).await;
    window.click("activity-open").await;
    let detail = window.text("activity-detail").await;
    assert!(
        detail.contains("Denied by you on the command line"),
        "{detail}"
    );
    assert!(detail.contains("touch zebra.txt"), "{detail}");
    let why = window.text("activity-why").await;
    assert!(why.contains("ask"), "why it was asked: {why}");
    window.click("activity-verify").await;
    let found = window.text("activity-check").await;
    assert!(found.contains("are there and unchanged"), "{found}");
    window.screenshot("activity").await;
    let left = window.text("activity-detail").await;
    assert_eq!(left, detail, "a row that is read stays open");
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_searched_and_given_out_with_a_running_iris_and_without() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch zebra.txt");
    let pending = iris.pending_one().await;
    iris.deny(&pending, "not now").await;
    sending.response().await;

    let file = iris.home().join("out.csv");
    for running in [true, false] {
        if !running {
            iris.stop();
        }
        let search = [
            "audit",
            "--search",
            "ZEB",
            "--by",
            "human:cli",
            "--kind",
            "permission",
            "--since",
            "1h",
            "--json",
        ];
        let rows = iris.cli(&search).await.json();
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows:#}");
        assert_eq!(rows[0]["decision"], "deny");
        let none = ["audit", "--search", "zeb", "--decision", "allow"];
        assert!(iris.cli(&none).await.ok().contains("No row is like that"));

        let lines = iris
            .cli(&["audit", "export", "--format", "jsonl"])
            .await
            .ok();
        let rows: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row["seq"], json!(n + 1), "all of them, oldest first");
            assert!(n == 0 || row["prev"] == rows[n - 1]["hash"], "a chain");
        }
        let path = file.to_str().unwrap();
        let export = [
            "audit", "export", "--format", "csv", "--search", "zebra", "-o", path,
        ];
        iris.cli(&export).await.ok();
        let table = std::fs::read_to_string(&file).unwrap();
        assert!(
            table.starts_with("seq,time,") && table.contains("touch zebra.txt"),
            "{table}"
        );
    }
    let exported = iris
        .cli(&["audit", "--tool", "audit.exported", "--json"])
        .await
        .json();
    assert_eq!(exported.as_array().map(Vec::len), Some(4), "{exported:#}");
    let task = iris
        .cli(&["audit", "--tool", "team.send", "--json"])
        .await
        .json();
    assert_eq!(
        task[0]["input"]["text"], "FAKE:bash touch zebra.txt",
        "{task:#}"
    );
    assert!(
        task[0]["decidedBy"]
            .as_str()
            .unwrap()
            .starts_with("human:cli:"),
        "{task:#}"
    );
    let wrong = iris.cli(&["audit", "--since", "soon"]).await.refused();
    assert!(wrong.contains("`soon` is no time"), "{wrong}");
}
