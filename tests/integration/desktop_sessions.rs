//! The sessions of all pairs in the window: a live conversation, the map of who talks to whom, and a
//! deletion that is taken back.

use iris_tests::{Desktop, Iris, desktop::Window, eventually, require};
use serde_json::{Value, json};

/// The sessions that there are, as `from>to`.
async fn sessions(iris: &Iris) -> Vec<String> {
    let said = iris.cli(&["session", "list", "--json"]).await.ok();
    let all: Vec<Value> = serde_json::from_str(&said).unwrap();
    let word = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    all.iter()
        .map(|it| format!("{}>{}", word(it, "from"), word(it, "to")))
        .collect()
}

async fn choose(window: &Window, pair: &str) {
    let row = format!("[data-testid='session-row'][data-pair='{pair}']");
    window.css(&row).await.click().await.unwrap();
    let shown = format!("[data-testid='session'][data-pair='{pair}']");
    window.css(&shown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_followed_and_a_deletion_taken_back_in_the_window() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    iris.add_team("alpha").await;
    iris.add_team("beta").await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;
    window.click("nav-sessions").await;
    window.shows("Nobody has talked yet").await;

    // A tool call: it waits, is decided elsewhere, and unfolds with its answer.
    let sending =
        iris.send_in_background("alpha", "FAKE:bash touch it.txt && echo out-of-the-tool");
    choose(&window, "console>alpha").await;
    window.find("session-review").await;
    window
        .css("[data-testid='tool-call'][data-outcome='waits for you']")
        .await;
    window.screenshot("session-waits").await;
    iris.approve(&iris.pending_one().await).await;
    window
        .css("[data-testid='tool-call'][data-outcome='done']")
        .await;
    let by = window.text("tool-decision").await;
    assert!(by.starts_with("Allowed by you"), "{by}");
    sending.response().await;
    window.gone("[data-testid='tool-body']").await;
    window.click("tool-fold").await;
    let body = window.text("tool-body").await;
    assert!(body.contains("out-of-the-tool"), "{body}");
    window.screenshot("session-tool").await;
    window.click("tool-fold").await;
    window.gone("[data-testid='tool-body']").await;

    // A message from here, and its answer; both are marked.
    window.type_into("session-send-text", "hello alpha").await;
    window.click("session-send").await;
    window.shows("echo: hello alpha").await;
    eventually("both messages are marked as answered", async || {
        let marks = "return [...document.querySelectorAll('[data-testid=message-mark]')].map((it) => it.dataset.state).join()";
        (window.script(marks).await == "answered,answered").then_some(())
    })
    .await;

    // One team asks another: a new way on the map, without a reload.
    window.click("session-map").await;
    let message = json!({"toTeam": "beta", "message": "hello beta", "timeout": 60_000});
    let script = format!("FAKE:mcp send_message {message}");
    iris.send_in_background("alpha", &script).response().await;
    window
        .css("[data-testid='session-arrow'][data-pair='alpha>beta']")
        .await;
    window.screenshot("session-map").await;

    // Deleted, and taken back; then deleted, while another view is open.
    choose(&window, "alpha>beta").await;
    window.shows("echo: hello beta").await;
    window.click("session-delete").await;
    window.screenshot("session-leaving").await;
    window.click("leaving-undo").await;
    window.gone("[data-testid='leaving']").await;
    assert_eq!(sessions(&iris).await, ["console>alpha", "alpha>beta"]);
    window.click("session-delete").await;
    window.click("nav-approvals").await;
    window.find("leaving").await;
    window.gone("[data-testid='leaving']").await;
    assert_eq!(sessions(&iris).await, ["console>alpha"]);
    window.click("nav-sessions").await;
    window
        .gone("[data-testid='session-row'][data-pair='alpha>beta']")
        .await;

    iris.verify_audit().await;
    iris.stop();
    window.release().await;
}
