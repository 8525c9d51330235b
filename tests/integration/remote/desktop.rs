//! Remote teams on the desktop: what `ssh` asks is answered in the window, the agent's request in a
//! notification, and the window shows the link's truth when the host goes away and comes back. And a
//! team that is made in the window, of a host that it suggests and a secret that it passes on.

use std::fs;

use fantoccini::key::Key;
use iris_tests::{
    Desktop, Iris, SshUser, eventually,
    iris::{API_KEY, user},
    processes, require,
};
use serde_json::{Value, json};

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

    // Who looks at the approvals is told by no notification.
    window.click("nav-teams").await;
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

/// The sign-in of its Claude Code is the secret: without it nothing would be answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_made_in_the_window_of_a_suggested_host_and_a_secret() {
    require!(
        "claude",
        "sshd",
        "dbus-daemon",
        "Xvfb",
        "WebKitWebDriver",
        "gnome-keyring-daemon"
    );
    let desktop = Desktop::start().await.with_keyring().await;
    let far = Far::start().await;
    let port = far.sshd.port();
    far.user.configure(&format!(
        "Host gate *.lab\nHost gpu-box\n  HostName 127.0.0.1\n  Port {port}\n  User {}\n",
        user()
    ));
    let setup = Iris::prepare().await.ssh(&far.user);
    let template = json!({
        "claudePath": require::claude(),
        "env": {
            "ANTHROPIC_BASE_URL": setup.model().url(),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
    });
    let mut iris = setup
        .env("HOME", far.user.home())
        .setting("logLevel", "trace")
        .setting("defaults", template)
        .driven(&desktop)
        .await;
    let folder = iris.project("train");
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;

    window.click("nav-teams").await;
    window.click("team-add").await;
    window.click("team-where-remote").await;
    window
        .type_into("team-remote-input", "gpu-box uptime")
        .await;
    window.shows("which command runs is decided by Iris").await;
    let all = format!("{}a", Key::Control);
    window.type_into("team-remote-input", &all).await;
    window.type_into("team-remote-input", "g").await;
    window.find("team-remote-input-option").await;
    window.screenshot("form-hosts").await;
    let chosen = format!("{}{}{}", Key::Down, Key::Down, Key::Enter);
    window.type_into("team-remote-input", &chosen).await;
    let leads = format!("ssh connects to {}@127.0.0.1:{port}", user());
    window.shows(&leads).await;
    window
        .type_into("team-path-input", folder.to_str().unwrap())
        .await;
    window.click("team-irisTools").await;
    window.click("team-env").await;
    window.click("env-add").await;
    window.type_into("env-name", "ANTHROPIC_API_KEY").await;
    window.choose("env-from", "keychain").await;
    window.type_into("env-secret", API_KEY).await;
    window.shows("When you save, it is put into").await;
    window.screenshot("form-secret").await;
    window.click("team-save").await;

    window.click("test-connection").await;
    window.shows("The connection works.").await;
    window.click("team-start").await;
    iris.state_becomes("train", "idle").await;
    window.screenshot("form-started").await;
    let agents = processes::marked(far.home.path());
    let signed_in = agents
        .iter()
        .any(|agent| agent.variable("ANTHROPIC_API_KEY").as_deref() == Some(API_KEY));
    assert!(signed_in, "the agent there has the secret");
    let answer = iris.send_in_background("train", "hello").response().await;
    assert_eq!(answer, "echo: hello");

    // The form says where it is, and nothing else says what it is.
    window.click("team-edit").await;
    window
        .css("[data-testid='env-row'][data-kept='keychain']")
        .await;
    window.screenshot("form-kept").await;
    let page = window
        .script(
            "return document.documentElement.outerHTML + \
             [...document.querySelectorAll('input')].map((it) => it.value).join()",
        )
        .await;
    assert!(page.as_str().unwrap().contains("ANTHROPIC_API_KEY"));
    assert!(!page.as_str().unwrap().contains(API_KEY), "it came back");
    let config = fs::read_to_string(iris.home().join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(
        config["teams"]["train"],
        json!({
            "path": folder,
            "remote": "gpu-box",
            "enableReverseMcp": true,
            "env": { "ANTHROPIC_API_KEY": "keychain:ANTHROPIC_API_KEY" },
        })
    );
    let set = iris.audit().await;
    let set = set.iter().find(|row| row.tool == "secret.set");
    assert!(set.is_some(), "who put a secret away is recorded");

    // What the keychain lost is said before it is missed.
    let forgotten = ["secrets", "forget", "ANTHROPIC_API_KEY"];
    iris.cli(&forgotten).await.ok();
    window.click("nav-approvals").await;
    window.click("nav-teams").await;
    window.click("team-edit").await;
    window
        .css("[data-testid='env-row'][data-kept='missing']")
        .await;
    // Open by itself: `claudePath` is set, in the template.
    window.type_into("team-aliveInterval-input", "30").await;
    window.screenshot("form-missing").await;
    window.resize(640, 800).await;
    window.screenshot("form-narrow").await;
    iris.stop();
    window.release().await;
    let found = Iris::files_with(&iris.home(), &[API_KEY]);
    assert!(found.is_empty(), "the secret is in files: {found:#?}");
    assert!(!iris.stderr().contains(API_KEY), "the secret is logged");
    far.is_clean().await;
}
