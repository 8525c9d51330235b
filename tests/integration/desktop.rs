//! The journey on the desktop: the same approval on every surface, answered on one of them.

use std::path::PathBuf;

use iris_tests::{
    Desktop, Iris, Setup, eventually,
    iris::{Pending, Sending, user},
    require,
};

/// A desktop application with one agent that asks, and a desktop that shows it.
struct Asked {
    iris: Iris,
    project: PathBuf,
    sending: Sending,
    pending: Pending,
}

impl Asked {
    async fn on(iris: Iris) -> Self {
        let project = iris.add_team("alpha").await;
        let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
        let pending = iris.pending_one().await;
        Self {
            iris,
            project,
            sending,
            pending,
        }
    }

    /// The agent went on, once, because of an answer on this surface.
    async fn allowed_on(self, surface: &str) -> Iris {
        let answer = self.sending.response().await;
        assert!(answer.starts_with("done: OK"), "{answer}");
        assert!(
            self.project.join("it.txt").exists(),
            "an allowed command runs"
        );
        let row = self.iris.decision("alpha").await;
        assert_eq!(row.decided_by, by(surface));
        self.iris.verify_audit().await;
        self.iris
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_in_the_notification() {
    require!("claude", "dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let asked = Asked::on(Iris::prepare().await.desktop(&desktop).await).await;

    let shown = desktop.notifications.one().await;
    assert!(
        shown.summary.contains("alpha") && shown.summary.contains("Bash"),
        "{shown:?}"
    );
    assert!(
        shown.body.contains("touch it.txt"),
        "the heart of the input: {shown:?}"
    );
    assert_eq!(
        (shown.urgency, shown.timeout),
        (2, 0),
        "it stays until it is answered"
    );
    desktop
        .tray
        .entry(&["alpha", "touch it.txt", "Allow"])
        .await;

    desktop.notifications.press(&shown, "Allow").await;
    let mut iris = asked.allowed_on("notification").await;
    desktop.tray.gone(&["touch it.txt", "Allow"]).await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn deny_in_the_notification() {
    require!("claude", "dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let mut asked = Asked::on(Iris::prepare().await.desktop(&desktop).await).await;

    let shown = desktop.notifications.one().await;
    desktop.notifications.press(&shown, "Deny").await;
    let answer = asked.sending.response().await;
    assert!(answer.starts_with("done: ERROR"), "{answer}");
    assert!(!asked.project.join("it.txt").exists());
    let row = asked.iris.decision("alpha").await;
    assert_eq!(
        (row.decision.as_str(), row.decided_by.as_str()),
        ("deny", by("notification").as_str())
    );
    desktop.tray.gone(&["touch it.txt"]).await;
    asked.iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_in_the_tray() {
    require!("claude", "dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let asked = Asked::on(Iris::prepare().await.desktop(&desktop).await).await;

    desktop.notifications.one().await;
    desktop
        .tray
        .click(&["alpha", "touch it.txt", "Allow"])
        .await;
    let mut iris = asked.allowed_on("tray").await;
    desktop.notifications.none().await;
    desktop.tray.gone(&["touch it.txt", "Allow"]).await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_in_the_window() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let asked = Asked::on(Iris::prepare().await.driven(&desktop).await).await;
    let shown = desktop.notifications.one().await;

    desktop
        .notifications
        .press(&shown, details(&shown.actions))
        .await;
    let window = asked.iris.driver().window().await;
    let row = format!(
        "[data-testid='approval-row'][data-id='{}']",
        asked.pending.id
    );
    window.css(&row).await.click().await.unwrap();
    assert!(window.text("approval-input").await.contains("touch it.txt"));
    window.screenshot("approval").await;

    window.click("approval-allow").await;
    window.gone(&row).await;
    window.screenshot("approval-allowed").await;
    let mut iris = asked.allowed_on("window").await;
    desktop.notifications.none().await;
    desktop.tray.gone(&["touch it.txt", "Allow"]).await;

    window.click("nav-teams").await;
    window
        .css("[data-testid='team-row'][data-team='alpha']")
        .await;
    window.screenshot("teams").await;
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answered_on_the_command_line_every_surface_withdraws() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let asked = Asked::on(Iris::prepare().await.driven(&desktop).await).await;
    desktop.notifications.one().await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = asked.iris.driver().window().await;
    let row = format!(
        "[data-testid='approval-row'][data-id='{}']",
        asked.pending.id
    );
    window.css(&row).await;

    asked.iris.approve(&asked.pending).await;
    window.gone(&row).await;
    desktop.notifications.none().await;
    desktop.tray.gone(&["touch it.txt", "Allow"]).await;
    let mut iris = asked.allowed_on("cli").await;
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_given_and_denied_with_words_in_the_window() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    iris.add_team("alpha").await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;

    window.click("nav-teams").await;
    window
        .css("[data-testid='team-row'][data-team='alpha']")
        .await
        .click()
        .await
        .unwrap();
    window
        .type_into("team-send-text", "FAKE:bash touch it.txt")
        .await;
    window.click("team-send").await;
    let pending = iris.pending_one().await;

    window.click("nav-approvals").await;
    let row = format!("[data-testid='approval-row'][data-id='{}']", pending.id);
    window.css(&row).await.click().await.unwrap();
    window.click("approval-deny-message").await;
    window
        .type_into("approval-message-input", "not like this")
        .await;
    window.screenshot("deny-with-message").await;
    window.click("approval-deny").await;
    window.gone(&row).await;
    let decided = iris.decision("alpha").await;
    assert_eq!(
        (decided.decision.as_str(), decided.decided_by.as_str()),
        ("deny", by("window").as_str())
    );

    window.click("nav-teams").await;
    window.shows("not like this").await;
    window.screenshot("team-answer").await;
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_shows_the_window_of_the_first() {
    require!("dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    let first = iris.pid();
    let second = Setup::second(&iris, &desktop).await;
    assert!(second.success(), "a second start is no error: {second}");
    let window = iris.driver().window().await;
    window.find("nav-approvals").await;
    window.screenshot("empty").await;
    assert_eq!(iris.pid(), first, "there is one Iris");
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_start_and_stop_in_the_tray_and_quit_ends_everything() {
    require!("claude", "dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.desktop(&desktop).await;
    iris.add_team("alpha").await;
    desktop.tray.click(&["alpha", "Start"]).await;
    iris.state_becomes("alpha", "idle").await;
    assert_eq!(iris.agents().len(), 1);
    desktop.tray.click(&["alpha", "Stop"]).await;
    iris.state_becomes("alpha", "asleep").await;
    eventually("the agent's process ends", async || {
        iris.agents().is_empty().then_some(())
    })
    .await;

    desktop.tray.click(&["alpha", "Start"]).await;
    iris.state_becomes("alpha", "idle").await;
    desktop.tray.click(&["Quit"]).await;
    eventually("Iris and its agents are gone", async || {
        iris_tests::processes::marked(iris.dir())
            .is_empty()
            .then_some(())
    })
    .await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_service_that_dies_and_returns_is_told_again() {
    require!("claude", "dbus-daemon", "Xvfb");
    let mut desktop = Desktop::start().await;
    let asked = Asked::on(Iris::prepare().await.desktop(&desktop).await).await;
    desktop.notifications.one().await;
    desktop.notifications.die().await;
    assert_eq!(
        asked.iris.pending().await.len(),
        1,
        "the approval waits on the other surfaces"
    );
    desktop.notifications.come_back().await;
    let shown = desktop.notifications.one().await;
    desktop.notifications.press(&shown, "Allow").await;
    asked.allowed_on("notification").await.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dismissed_notification_answers_nothing() {
    require!("claude", "dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let asked = Asked::on(Iris::prepare().await.desktop(&desktop).await).await;
    let shown = desktop.notifications.one().await;
    desktop.notifications.dismiss(&shown).await;
    assert_eq!(
        asked.iris.pending().await.len(),
        1,
        "to look away is no answer"
    );
    desktop
        .tray
        .click(&["alpha", "touch it.txt", "Allow"])
        .await;
    asked.allowed_on("tray").await.stop();
}

fn details(actions: &[(String, String)]) -> &str {
    let found = actions
        .iter()
        .find(|(_, label)| label.starts_with("Details"));
    &found
        .unwrap_or_else(|| panic!("no button for details in {actions:?}"))
        .1
}

/// How the record names an answer on a surface.
fn by(surface: &str) -> String {
    format!("human:{surface}:{}", user())
}
