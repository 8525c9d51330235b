//! Messages as a person sees them: what became of each, and taking one back.

use iris_tests::{Iris, eventually, require};
use serde_json::Value;

/// Those of a team, newest first: text and state.
async fn listed(iris: &Iris, args: &[&str]) -> Vec<(String, String, String)> {
    let args = [&["messages", "--json"], args].concat();
    let said: Value = serde_json::from_str(&iris.cli(&args).await.ok()).unwrap();
    let word = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
    let all = said.as_array().unwrap().iter();
    all.map(|it| (word(it, "id"), word(it, "text"), word(it, "state")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_what_became_of_messages_and_takes_one_back() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    assert!(iris.cli(&["messages"]).await.ok().contains("No message"));

    let running = iris.send_in_background("alpha", "FAKE:bash touch one.txt");
    iris.pending_one().await;
    let waiting = iris.send_in_background("alpha", "two");
    let all = eventually("the second message waits", async || {
        let all = listed(&iris, &["--team", "alpha", "--from", "console"]).await;
        (all.len() == 2).then_some(all)
    })
    .await;
    assert_eq!(
        (all[0].1.as_str(), all[0].2.as_str()),
        ("two", "queued"),
        "{all:?}"
    );
    assert_eq!(all[1].2, "delivered");
    assert_eq!(listed(&iris, &["--from", "beta"]).await, []);

    let said = iris.cli(&["messages", "cancel", &all[0].0]).await.ok();
    assert!(said.contains("being cancelled"), "{said}");
    assert_eq!(waiting.outcome().await["status"], "cancelled");
    let said = iris.cli(&["messages", "cancel", &all[0].0]).await.ok();
    assert!(said.contains("had ended"), "{said}");

    let said = iris.cli(&["interrupt", "alpha", "--from", "console"]).await;
    assert!(said.ok().contains("was interrupted"));
    assert_eq!(running.outcome().await["status"], "cancelled");
    let states: Vec<String> = listed(&iris, &[])
        .await
        .into_iter()
        .map(|it| it.2)
        .collect();
    assert_eq!(states, ["cancelled", "cancelled"]);

    let unknown = "6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11";
    let refused = iris.cli(&["messages", "cancel", unknown]).await;
    assert_eq!(refused.code, 4, "{refused:?}");
    let sessions = iris.cli(&["session", "list", "--json"]).await.ok();
    let sessions: Value = serde_json::from_str(&sessions).unwrap();
    assert_eq!(sessions[0]["messages"], 2, "{sessions}");
    iris.stop();
}
