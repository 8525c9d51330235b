//! Grants, requests that nobody answered in time, and a freeze: on the desktop.

use iris_tests::{Desktop, Iris, desktop::Window, eventually, require};
use serde_json::{Value, json};

use crate::freeze::{runs, states};

async fn listed(iris: &Iris, what: &str) -> Vec<Value> {
    serde_json::from_str(&iris.cli(&[what, "--json"]).await.ok()).unwrap()
}

/// Clicks what surrounds the radio button with this id: the button itself cannot be seen.
async fn pick(window: &Window, id: &str) {
    let label = window
        .css(&format!("label:has([data-testid='{id}'])"))
        .await;
    label.click().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_given_in_the_prompt_extended_and_taken_back() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    let project = iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch one");
    let pending = iris.pending_one().await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;
    let row = format!("[data-testid='approval-row'][data-id='{}']", pending.id);
    window.css(&row).await.click().await.unwrap();

    // Scope × lifetime: each scope is there, and the preview follows.
    pick(&window, "grant-for-15").await;
    window.find("grant-preview").await;
    for scope in ["grant-what-tool", "grant-what-exact", "grant-what-rules"] {
        pick(&window, scope).await;
    }
    window.find("grant-matched").await;
    window.screenshot("grant-choice").await;
    window.click("approval-allow").await;
    window.gone(&row).await;
    sending.response().await;
    let grants = listed(&iris, "grants").await;
    assert_eq!(grants[0]["rules"], json!(["Bash(touch:*)"]), "{grants:#?}");

    // It lets the next one through, and is listed with that.
    let said = iris.send_in_background("alpha", "FAKE:bash touch two");
    said.response().await;
    assert!(project.join("two").exists());
    window.click("nav-grants").await;
    window.shows("Bash(touch:*)").await;
    window.shows("Used once").await;
    window.screenshot("grants").await;
    let ends = |grants: &[Value]| grants[0]["expiresAt"].as_str().map(str::to_owned);
    let before = ends(&grants);
    window.click("grant-extend").await;
    eventually("it holds for longer", async || {
        (ends(&listed(&iris, "grants").await) > before).then_some(())
    })
    .await;
    window.click("grant-revoke").await;
    window.shows("Nothing is granted").await;
    assert!(listed(&iris, "grants").await.is_empty());
    let sending = iris.send_in_background("alpha", "FAKE:bash touch three");
    let pending = iris.pending_one().await;
    iris.deny(&pending, "no").await;
    sending.response().await;
    iris.verify_audit().await;
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_allowed_in_the_window() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let setup = Iris::prepare().await.setting("permissionTimeout", 1);
    let mut iris = setup.driven(&desktop).await;
    let project = iris.add_team("alpha").await;
    let denied = iris.send_in_background("alpha", "FAKE:bash touch one");
    denied.response().await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;
    window.find("missed-row").await;
    window.shows("touch one").await;
    window.screenshot("missed").await;
    window.click("missed-allow").await;
    window.shows("Allowed once until").await;
    window.screenshot("missed-allowed").await;
    let again = iris.send_in_background("alpha", "FAKE:bash touch one");
    let answer = again.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    assert!(project.join("one").exists());
    window.gone("[data-testid='missed-row']").await;
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_frozen_in_the_window_and_in_the_tray() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let setup = Iris::prepare()
        .await
        .team("alpha", json!({ "grantPermission": "yes" }));
    let mut iris = setup.driven(&desktop).await;
    let nap = format!("tail -s {} -f /dev/null", std::process::id() + 2);
    let sending = iris.send_in_background("alpha", &format!("FAKE:bash {nap}"));
    runs(&nap).await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;

    window.click("freeze-all").await;
    window.shows("Everything is frozen.").await;
    window.shows("processes stopped in").await;
    assert_eq!(states(&nap), ['T'], "seen in the process table");
    window.screenshot("frozen").await;
    desktop.tray.entry(&["Thaw everything"]).await;
    window.click("thaw").await;
    window.gone("[data-testid='frozen']").await;
    eventually("it goes on", async || (states(&nap) == ['S']).then_some(())).await;

    desktop.tray.click(&["Freeze everything"]).await;
    window.shows("processes stopped in").await;
    assert_eq!(states(&nap), ['T']);
    desktop.tray.click(&["Thaw everything"]).await;
    window.gone("[data-testid='frozen']").await;
    eventually("it goes on", async || (states(&nap) == ['S']).then_some(())).await;

    // One team, from its page.
    window.click("nav-teams").await;
    let row = window.css("[data-testid='team-row'][data-team='alpha']");
    row.await.click().await.unwrap();
    desktop.tray.click(&["alpha", "Freeze"]).await;
    window.shows("alpha is frozen.").await;
    window.screenshot("team-frozen").await;
    window.click("thaw").await;
    window.gone("[data-testid='frozen']").await;
    drop(sending);
    iris.stop();
    window.release().await;
}
