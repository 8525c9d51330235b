//! A remote team on the desktop: what `ssh` asks is answered in the window, the agent's request in a
//! notification, and the window shows the link's truth when the host goes away and comes back.

use iris_tests::{Desktop, SshUser, eventually, require};
use serde_json::json;

use super::{Far, link_is};

const PASSPHRASE: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn signed_in_in_the_window_and_allowed_in_the_notification() {
    require!("claude", "sshd", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut far = Far::of(SshUser::with_passphrase(PASSPHRASE), &[]).await;
    let setup = far
        .prepare("far", json!({"description": "The far end"}))
        .await;
    let mut iris = setup.driven(&desktop).await;

    // What ssh asks opens the window by itself.
    desktop.tray.click(&["far", "Start"]).await;
    let window = iris.driver().window().await;
    window.type_into("prompt-answer", PASSPHRASE).await;
    window.shows("the passphrase of this key").await;
    window.screenshot("prompt-passphrase").await;
    window.click("prompt-send").await;
    window.gone("[data-testid='prompt-answer']").await;
    iris.state_becomes("far", "idle").await;

    let sending = iris.send_in_background("far", "FAKE:bash echo done > it.txt");
    let pending = iris.pending_one().await;
    eventually("a notification asks", async || {
        let asks = desktop.notifications.open().into_iter().find(|shown| {
            shown
                .actions
                .iter()
                .any(|action| action.1.contains("Allow"))
        })?;
        desktop.notifications.press(&asks, "Allow").await;
        Some(())
    })
    .await;
    assert!(pending.host.contains("127.0.0.1"), "the host is named");
    assert!(sending.response().await.starts_with("done: OK"));

    window.click("nav-teams").await;
    window
        .css("[data-testid='team-row'][data-team='far']")
        .await
        .click()
        .await
        .unwrap();
    window.shows("verified").await;
    window.screenshot("link-verified").await;
    window.click("test-connection").await;
    window.shows("The connection works.").await;
    window.screenshot("connection-test").await;
    far.sshd.kill();
    link_is(&iris, "reconnecting").await;
    window.shows("reconnecting").await;
    window.screenshot("link-reconnecting").await;
    far.sshd.listen().await;
    // The passphrase was not remembered: it is asked again.
    window.type_into("prompt-answer", PASSPHRASE).await;
    window.screenshot("prompt-again").await;
    window.click("prompt-send").await;
    link_is(&iris, "up").await;
    window.shows("verified").await;
    iris.stop();
    window.release().await;
    far.is_clean().await;
}
