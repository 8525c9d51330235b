//! One approval, many surfaces: several answered together, when notifications tell of them and when they do
//! not, and keys that are heard wherever the user is.

use iris_tests::{
    Desktop, Iris,
    desktop::{Key, Window},
    eventually,
    iris::Agent,
    require,
};
use serde_json::{Value, json};

/// Changes `settings` in the config.
fn set(iris: &Iris, name: &str, value: Value) {
    let file = iris.home().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["settings"][name] = value;
    std::fs::write(file, config.to_string()).unwrap();
}

/// `HH:MM` so many hours from now, by the clock of this computer.
fn in_hours(hours: i64) -> String {
    let at = jiff::Zoned::now().saturating_add(jiff::Span::new().hours(hours));
    at.strftime("%H:%M").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_allowed_together_in_the_window_and_the_rest_denied_in_the_tray() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    let alpha = Agent::of(&iris, "alpha").await;
    let mut calls = Vec::new();
    for n in 0..4 {
        calls.push(alpha.asks(&iris, &format!("git push host{n}")).await);
        iris.pending_count(n + 1).await;
    }
    for (n, command) in ["make", "rm it"].into_iter().enumerate() {
        calls.push(alpha.asks(&iris, command).await);
        iris.pending_count(n + 5).await;
    }
    desktop.tray.entry(&["Deny all from alpha (6)"]).await;

    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;
    window.find("allow-like").await;
    assert_eq!(window.text("allow-like").await, "Allow all 4 like this…");
    window.click("allow-like").await;
    window.shows("git push host3").await;
    window.screenshot("surfaces-allow-like").await;
    // One more that is like them: it was not shown.
    calls.push(alpha.asks(&iris, "git push late").await);
    iris.pending_count(7).await;
    window.click("together-send").await;
    let left = iris.pending_count(3).await;
    let left: Vec<&str> = left.iter().map(|it| it.summary.as_str()).collect();
    assert_eq!(left, ["make", "rm it", "git push late"]);
    window.screenshot("surfaces-allowed-like").await;

    desktop.tray.click(&["Deny all from alpha (3)"]).await;
    iris.pending_count(0).await;
    let rows = iris.decisions("alpha").await;
    let by = |surface: &str, decision: &str| {
        let surface = format!("human:{surface}:");
        let theirs = rows
            .iter()
            .filter(|row| row.decided_by.starts_with(&surface));
        theirs.filter(|row| row.decision == decision).count()
    };
    assert_eq!(
        (by("window", "allow"), by("tray", "deny")),
        (4, 3),
        "{rows:#?}"
    );
    iris.verify_audit().await;
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_are_answered_on_the_command_line() {
    require!("claude");
    let mut iris = Iris::start().await;
    let alpha = Agent::of(&iris, "alpha").await;
    let mut calls = Vec::new();
    for command in ["git push a", "git push b", "make", "ls it"] {
        calls.push(alpha.asks(&iris, command).await);
    }
    let pending = iris.pending_count(4).await;
    let push = pending
        .iter()
        .find(|it| it.summary == "git push a")
        .unwrap();
    let said = iris
        .cli(&["approve", "--like", &push.id, "--json"])
        .await
        .ok();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["answered"].as_array().map(Vec::len), Some(2), "{said}");
    iris.pending_count(2).await;
    let said = iris
        .cli(&["deny", "--team", "alpha", "-m", "not now"])
        .await
        .ok();
    assert!(said.contains("2 answered."), "{said}");
    iris.pending_count(0).await;
    let said = iris.cli(&["deny", "--team", "alpha"]).await.ok();
    assert!(said.contains("Nothing of that waits."), "{said}");
    let _said = iris.cli(&["approve", "--like", &push.id]).await.refused();
    iris.verify_audit().await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_one_notification_that_is_replaced_in_place() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    let alpha = Agent::of(&iris, "alpha").await;
    let beta = Agent::of(&iris, "beta").await;
    let mut calls = Vec::new();
    for n in 0..4 {
        calls.push(alpha.asks(&iris, &format!("make {n}")).await);
    }
    let counts = |text: &'static str| {
        let desktop = &desktop;
        async move {
            eventually(text, async || {
                let open = desktop.notifications.open();
                let [one] = open.as_slice() else { return None };
                (one.summary == text).then(|| one.clone())
            })
            .await
        }
    };
    let four = counts("4 approvals wait for you").await;
    assert_eq!(four.body, "alpha 4");
    calls.push(beta.asks(&iris, "ls it").await);
    let five = counts("5 approvals wait for you").await;
    assert_eq!((five.id, five.body.as_str()), (four.id, "alpha 4, beta 1"));
    let labels: Vec<&str> = five
        .actions
        .iter()
        .map(|(_, label)| label.as_str())
        .collect();
    assert!(
        !labels.contains(&"Allow"),
        "nothing is allowed unseen: {labels:?}"
    );
    desktop.notifications.press(&five, "Details").await;
    let window = iris.driver().window().await;
    window.find("approval-row").await;
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_are_quiet_and_told_of_at_their_end() {
    require!("claude", "dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let quiet = json!({ "from": in_hours(-1), "to": in_hours(2) });
    let setup = Iris::prepare().await.setting("quietHours", quiet);
    let mut iris = setup.desktop(&desktop).await;
    let alpha = Agent::of(&iris, "alpha").await;
    let mut calls = vec![alpha.asks(&iris, "make a").await];
    calls.push(alpha.asks(&iris, "make b").await);
    iris.pending_count(2).await;
    desktop.tray.entry(&["alpha", "make a", "Allow"]).await;
    desktop.tray.entry(&["alpha", "make b", "Allow"]).await;
    let told = desktop.notifications.all();
    assert!(
        told.is_empty(),
        "the tray says it, and nothing else: {told:?}"
    );

    set(
        &iris,
        "quietHours",
        json!({ "from": in_hours(2), "to": in_hours(3) }),
    );
    let shown = desktop.notifications.one().await;
    assert_eq!(
        (shown.summary.as_str(), shown.body.as_str()),
        ("2 approvals wait for you", "alpha 2")
    );
    desktop.tray.click(&["alpha", "make a", "Deny"]).await;
    let shown = eventually("the one that is left is told of by itself", async || {
        let open = desktop.notifications.open();
        let [one] = open.as_slice() else { return None };
        one.body.contains("make b").then(|| one.clone())
    })
    .await;
    desktop.notifications.press(&shown, "Deny").await;
    iris.pending_count(0).await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_the_approvals_is_told_nothing() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let mut iris = Iris::prepare().await.driven(&desktop).await;
    let alpha = Agent::of(&iris, "alpha").await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;
    window.click("nav-approvals").await;
    in_front(&window).await;
    let _seen = alpha.asks(&iris, "make a").await;
    window.find("approval-row").await;
    desktop.tray.entry(&["alpha", "make a", "Allow"]).await;
    let told = desktop.notifications.open();
    assert!(told.is_empty(), "they see it: {told:?}");
    window.click("nav-teams").await;
    let _unseen = alpha.asks(&iris, "make b").await;
    let shown = desktop.notifications.one().await;
    assert!(
        shown.body.contains("make b"),
        "what they do not see: {shown:?}"
    );
    window.click("nav-approvals").await;
    desktop.notifications.none().await;
    iris.stop();
    window.release().await;
}

/// Waits until the window is the one that keys go to.
async fn in_front(window: &Window) {
    eventually("the window is in front", async || {
        (window.script("return document.hasFocus()").await == true).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shortcuts_answer_what_the_user_sees_and_nothing_else() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let shortcuts = json!({ "next": "Ctrl+Alt+N", "allow": "Ctrl+Alt+A", "deny": "Ctrl+Alt+D" });
    let setup = Iris::prepare().await.setting("shortcuts", shortcuts);
    let mut iris = setup.driven(&desktop).await;
    let alpha = Agent::of(&iris, "alpha").await;
    let mut calls = vec![alpha.asks(&iris, "make a").await];
    iris.pending_count(1).await;
    calls.push(alpha.asks(&iris, "make b").await);
    iris.pending_count(2).await;

    // No window: nobody saw anything. What is pressed next is heard after it.
    desktop.press_with_ctrl_alt(Key::A);
    desktop.press_with_ctrl_alt(Key::N);
    let window = iris.driver().window().await;
    in_front(&window).await;
    window.find("approval-allow").await;
    assert_eq!(iris.pending().await.len(), 2, "nothing was allowed unseen");
    assert!(
        window.text("approval-input").await.contains("make a"),
        "the oldest"
    );
    window.screenshot("surfaces-next").await;
    armed(&window).await;
    desktop.press_with_ctrl_alt(Key::A);
    iris.pending_count(1).await;
    eventually("the next one is on show", async || {
        window
            .text("approval-input")
            .await
            .contains("make b")
            .then_some(())
    })
    .await;
    desktop.press_with_ctrl_alt(Key::D);
    iris.pending_count(0).await;
    let rows = iris.decisions("alpha").await;
    let told =
        |row: &iris_tests::iris::Row| (row.decision.clone(), row.decided_by.contains("window"));
    let mut told: Vec<_> = rows.iter().map(told).collect();
    told.sort();
    assert_eq!(told, [("allow".into(), true), ("deny".into(), true)]);
    iris.stop();
    window.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortcut_that_is_taken_is_said_with_what_to_do() {
    require!("dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let _holder = desktop.another_holds(Key::D);
    let shortcuts = json!({ "deny": "Ctrl+Alt+D" });
    let setup = Iris::prepare().await.setting("shortcuts", shortcuts);
    let mut iris = setup.desktop(&desktop).await;
    let problem = iris.problem("conflict").await;
    let said = problem.to_string();
    assert!(
        said.contains("Ctrl+Alt+D") && said.contains("settings.shortcuts.deny"),
        "{said}"
    );
    set(&iris, "shortcuts", json!({}));
    eventually("it is mended", async || {
        let problems = iris.status().await["problems"].clone();
        problems.as_array()?.is_empty().then_some(())
    })
    .await;
    iris.stop();
}

/// Waits until Allow does what it says.
async fn armed(window: &Window) {
    let allow = window.find("approval-allow").await;
    eventually("Allow is armed", async || {
        let inert = allow.attr("aria-disabled").await.ok()?;
        (inert.as_deref() != Some("true")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tray_leads_to_the_grants_and_to_what_was_missed() {
    require!("claude", "dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let setup = Iris::prepare().await.setting("permissionTimeout", 1);
    let mut iris = setup.driven(&desktop).await;
    let alpha = Agent::of(&iris, "alpha").await;
    let _missed = alpha.asks(&iris, "make it").await;
    desktop.tray.click(&["Missed (1)…"]).await;
    let window = iris.driver().window().await;
    window.find("missed-row").await;
    eventually("what was missed is where the keyboard is", async || {
        let focused = "return document.activeElement?.dataset.testid";
        (window.script(focused).await == "missed-heading").then_some(())
    })
    .await;
    window.screenshot("surfaces-missed").await;

    set(&iris, "permissionTimeout", json!(0));
    eventually("the config holds", async || {
        let _asked = alpha.asks(&iris, "ls it").await;
        let pending = iris.pending().await;
        let forever = pending.iter().find(|it| it.expires_at.is_none())?;
        let args = ["approve", &forever.id, "--for", "15m"];
        (iris.cli(&args).await.code == 0).then_some(())
    })
    .await;
    desktop.tray.click(&["1 grant…"]).await;
    window.find("grant-row").await;
    window.screenshot("surfaces-grants").await;
    iris.stop();
    window.release().await;
}
