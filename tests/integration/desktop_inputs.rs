//! Each kind of input as the window shows it, and answered there.

use iris_tests::{Desktop, Iris, desktop::Window, require};
use serde_json::json;

/// Puts the only approval that waits before the user; the selector of its row.
async fn look(iris: &Iris, window: &Window) -> String {
    let pending = iris.pending_one().await;
    let row = format!("[data-testid='approval-row'][data-id='{}']", pending.id);
    window.css(&row).await.click().await.unwrap();
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_input_is_shown_in_its_own_form() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let rules = json!({"approvalPolicy": { "autoApprove": [] }});
    let setup = Iris::prepare().await.team("alpha", rules);
    let mut iris = setup.driven(&desktop).await;
    let clock = iris.project("alpha").join("clock.txt");
    std::fs::write(&clock, "one\ntwo\nthree\n").unwrap();
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;

    // A change of a file: what goes and what comes.
    let read = format!("FAKE:read {}", clock.display());
    iris.send_in_background("alpha", &read).response().await;
    let edit = json!({ "file_path": clock, "old_string": "two", "new_string": "2" });
    let sending = iris.send_in_background("alpha", &format!("FAKE:tool Edit {edit}"));
    let row = look(&iris, &window).await;
    let diff = window.text("diff").await;
    assert!(diff.contains("two") && diff.contains('2'), "{diff}");
    window.screenshot("input-edit").await;
    window.click("approval-allow").await;
    window.gone(&row).await;
    sending.response().await;
    assert_eq!(std::fs::read_to_string(&clock).unwrap(), "one\n2\nthree\n");

    // An address: the host that is really asked stands out.
    let fetch = json!({ "url": "https://docs.rs@evil.example/serde", "prompt": "What is new?" });
    let sending = iris.send_in_background("alpha", &format!("FAKE:tool WebFetch {fetch}"));
    let row = look(&iris, &window).await;
    assert_eq!(window.text("address-host").await, "evil.example");
    window.screenshot("input-address").await;
    window.click("approval-deny").await;
    window.gone(&row).await;
    sending.response().await;

    // Arguments of an MCP tool: each by its name.
    let status = r#"FAKE:mcp team_status {"team":"alpha","includeNotifications":true}"#;
    let sending = iris.send_in_background("alpha", status);
    let row = look(&iris, &window).await;
    let shown = window.text("approval-input").await;
    assert!(shown.contains("includeNotifications"), "{shown}");
    window.screenshot("input-arguments").await;
    window.click("approval-allow").await;
    window.gone(&row).await;
    sending.response().await;

    // A question: chosen here, and the agent has the answer.
    let question = "FAKE:question Which database? | SQLite | Postgres";
    let sending = iris.send_in_background("alpha", question);
    let row = look(&iris, &window).await;
    let postgres = window
        .css(".choice:nth-of-type(2) label:has([data-testid='question-option'])")
        .await;
    postgres.click().await.unwrap();
    window.screenshot("input-question").await;
    window.click("approval-allow").await;
    window.gone(&row).await;
    let answer = sending.response().await;
    assert!(answer.contains("Postgres"), "{answer}");

    iris.verify_audit().await;
    iris.stop();
    window.release().await;
}
