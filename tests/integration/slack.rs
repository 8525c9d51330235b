//! Approvals in Slack: a fake of Slack, the built programs, the real Claude Code.

use iris_tests::{
    FakeSlack, Iris, Setup, eventually, require,
    slack::{APP_TOKEN, BOT_TOKEN},
};
use serde_json::{Value, json};

/// An Iris with Slack and its tokens, connected.
async fn connected(slack: &FakeSlack, setup: Setup) -> Iris {
    let iris = setup
        .setting("slack", slack.settings(&["U1", "U2"]))
        .serve()
        .await;
    let before = slack_state(&iris).await;
    for (name, token) in [("slack-app", APP_TOKEN), ("slack-bot", BOT_TOKEN)] {
        iris.cli_with(&["secrets", "set", name], token).await.ok();
    }
    slack.hellos(1).await;
    is_in_state(&iris, "up").await;
    assert_ne!(before, "up", "not before it had its tokens");
    iris
}

async fn slack_state(iris: &Iris) -> String {
    let status = iris.status().await;
    status["slack"]["state"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn is_in_state(iris: &Iris, state: &str) {
    eventually(&format!("Slack is {state}"), async || {
        (slack_state(iris).await == state).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_and_deny_in_slack_decide_and_the_message_says_so() {
    require!("claude");
    let slack = FakeSlack::start().await;
    let mut iris = connected(&slack, Iris::prepare().await).await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch one.txt");
    let (ts, message) = slack.message("touch one.txt").await;
    assert_eq!(message["mrkdwn"], false);
    slack.press("U1", "Approve", &ts).await;
    assert!(sending.response().await.starts_with("done: OK"));
    assert!(project.join("one.txt").exists());
    let (same, message) = slack.message("Allowed by name-of-U1 U1 (slack)").await;
    assert_eq!(same, ts, "in place");
    assert!(!message.to_string().contains("button"), "{message:#}");

    let sending = iris.send_in_background("alpha", "FAKE:bash touch two.txt");
    let (ts, _) = slack.message("touch two.txt").await;
    slack.press("U2", "Details", &ts).await;
    slack.told("U2", "digest").await;
    slack.press("U2", "Deny", &ts).await;
    let answer = sending.response().await;
    assert!(answer.contains("name-of-U2 U2 denied Bash"), "{answer}");
    assert!(!project.join("two.txt").exists());

    let decided: Vec<String> = iris
        .decisions("alpha")
        .await
        .into_iter()
        .map(|row| row.decided_by)
        .collect();
    assert_eq!(
        decided,
        ["human:slack:name-of-U1 U1", "human:slack:name-of-U2 U2"]
    );
    iris.stop();
    let dir = iris.dir().to_owned();
    assert_eq!(
        Iris::files_with(&dir, &[APP_TOKEN, BOT_TOKEN]),
        [""; 0],
        "tokens stand in no file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_a_late_press_is_told_who_answered() {
    require!("claude");
    let slack = FakeSlack::start().await;
    let mut iris = connected(&slack, Iris::prepare().await).await;
    let project = iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let (ts, message) = slack.message("touch it.txt").await;
    let pending = iris.pending_one().await;
    for label in ["Approve", "Details"] {
        slack.press("U9", label, &ts).await;
    }
    let told = slack.told("U9", "You may not answer").await;
    assert!(!told.to_string().contains("touch"), "and shown nothing");
    let row = eventually("a row of the stranger's press", async || {
        let mut rows = iris.audit().await.into_iter();
        rows.find(|row| row.tool == "slack.press")
    })
    .await;
    assert_eq!((row.kind.as_str(), row.decision.as_str()), ("auth", "deny"));
    assert_eq!(row.input["user"], "U9");
    assert_eq!(
        iris.pending_one().await.id,
        pending.id,
        "it goes on waiting"
    );

    // Who may answer, but not for what is not shown.
    let value = json!(format!("{} {}", pending.id, "0".repeat(64)));
    slack
        .press_with("U1", &json!("iris.allow"), &value, &ts)
        .await;
    slack.told("U1", "not what this message shows").await;

    iris.cli(&["deny", &pending.id]).await.ok();
    sending.response().await;
    let (same, _) = slack
        .message(&format!("Denied by {} (cli)", iris_tests::iris::user()))
        .await;
    assert_eq!(same, ts, "answered elsewhere, and the message says so");
    let value = value_of(&message, "iris.allow");
    slack
        .press_with("U1", &json!("iris.allow"), &value, &ts)
        .await;
    slack.told("U1", "was already denied by").await;
    assert!(!project.join("it.txt").exists());
    iris.stop();
}

fn value_of(message: &Value, action: &str) -> Value {
    let blocks = message["blocks"].as_array().into_iter().flatten();
    let mut elements = blocks.flat_map(|it| it["elements"].as_array().into_iter().flatten());
    let button = elements.find(|element| element["action_id"] == action);
    button.expect("such a button")["value"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_made_again_and_a_new_one_replaces_the_old() {
    require!("claude");
    let slack = FakeSlack::start().await;
    let mut iris = connected(&slack, Iris::prepare().await).await;
    let project = iris.add_team("alpha").await;
    slack.refresh();
    slack.hellos(2).await;
    slack.break_connections();
    slack.hellos(3).await;
    is_in_state(&iris, "up").await;
    slack.busy("chat.postMessage", 1);
    slack.fail("chat.postMessage", 503);
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let (ts, _) = slack.message("touch it.txt").await;
    assert!(slack.calls("chat.postMessage").len() >= 3, "tried again");
    slack.press("U1", "Approve", &ts).await;
    assert!(sending.response().await.starts_with("done: OK"));
    assert!(project.join("it.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_needs_somebody_and_is_mended_without_a_restart() {
    let slack = FakeSlack::start().await;
    let iris = Iris::prepare()
        .await
        .setting("slack", slack.settings(&["U1"]))
        .serve()
        .await;
    let missing = iris.problem("keychain").await;
    let hint = missing["hint"].as_str().unwrap();
    assert!(hint.contains("iris secrets set slack-app"), "{missing:#}");
    iris.cli_with(&["secrets", "set", "slack-app"], APP_TOKEN)
        .await
        .ok();
    iris.cli_with(&["secrets", "set", "slack-bot"], "xoxb-old")
        .await
        .ok();
    let wrong = iris.problem("forbidden").await;
    assert!(wrong["message"].as_str().unwrap().contains("invalid_auth"));
    assert!(wrong["hint"].as_str().unwrap().contains("chat:write"));
    assert_eq!(slack_state(&iris).await, "needsYou");
    let said = iris.cli(&["slack", "test"]).await.refused();
    assert!(said.contains("invalid_auth"), "{said}");

    slack.rotate("xoxb-old");
    iris.cli_with(&["secrets", "set", "slack-bot"], "xoxb-old\n")
        .await
        .ok();
    is_in_state(&iris, "up").await;
    assert_eq!(iris.status().await["problems"], json!([]));
    iris.cli(&["slack", "test"]).await.ok();
    slack.message("Iris can write here").await;
    slack.refuse("chat.postMessage", "not_in_channel");
    let said = iris.cli(&["slack", "test"]).await.refused();
    assert!(said.contains("/invite"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_iris_or_slack_ends_the_messages_say_so() {
    require!("claude");
    let slack = FakeSlack::start().await;
    let mut iris = connected(&slack, Iris::prepare().await).await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let (ts, _) = slack.message("touch it.txt").await;

    // Turned off in the config: what waits is answered elsewhere.
    let config = iris.home().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut off: Value = serde_json::from_str(&text).unwrap();
    off["settings"].as_object_mut().unwrap().remove("slack");
    std::fs::write(&config, off.to_string()).unwrap();
    let (same, _) = slack.message("Answers are not taken here any more").await;
    assert_eq!(same, ts);
    is_in_state(&iris, "").await;

    // And on again: what still waits is shown again, and its end at the end of Iris.
    std::fs::write(&config, text).unwrap();
    slack.hellos(2).await;
    let (again, message) = eventually("it is posted again", async || {
        let mut messages = slack.messages().into_iter();
        messages.rfind(|(at, _)| *at != ts)
    })
    .await;
    drop(sending);
    iris.stop();
    let (_, ended) = slack
        .messages()
        .into_iter()
        .find(|(at, _)| *at == again)
        .unwrap();
    assert_ne!(ended, message);
    assert!(ended.to_string().contains("Denied by"), "{ended:#}");

    // A button of an Iris that is gone.
    iris.restart().await;
    for (name, token) in [("slack-app", APP_TOKEN), ("slack-bot", BOT_TOKEN)] {
        iris.cli_with(&["secrets", "set", name], token).await.ok();
    }
    slack.hellos(3).await;
    let value = value_of(&message, "iris.allow");
    slack
        .press_with("U1", &json!("iris.allow"), &value, &again)
        .await;
    slack.told("U1", "does not wait any more").await;
    iris.stop();
}
