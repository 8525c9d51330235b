//! Events posted to a receiver on loopback.

use iris_tests::{Iris, Receiver, eventually, require};
use serde_json::json;

const SECRET: &str = "a-secret-that-signs-51c0";

#[tokio::test(flavor = "multi_thread")]
async fn events_are_posted_signed_and_again_after_a_failure() {
    require!("claude");
    let receiver = Receiver::start().await;
    let mut iris = Iris::prepare()
        .await
        .setting(
            "webhooks",
            json!([{ "url": receiver.url(), "secret": "keychain:hook" }]),
        )
        .serve()
        .await;
    iris.cli_with(&["secrets", "set", "hook"], SECRET)
        .await
        .ok();
    iris.add_team("alpha").await;
    receiver.answer_next(500);
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let asked = receiver.taken("approval.asked").await;
    assert!(asked.is_signed_with(SECRET));
    assert!(!asked.is_signed_with("another"));
    let body = asked.json();
    let pending = iris.pending_one().await;
    assert_eq!(body["event"], "approval.asked");
    assert_eq!(body["approval"]["id"], pending.id);
    assert_eq!(body["approval"]["input"], pending.input);
    assert_eq!(body["id"], asked.header("x-iris-delivery"));
    let posts = receiver.posts();
    assert_eq!(posts[0].status, 500);
    assert_eq!(posts[0].body, asked.body, "the same event again");

    iris.approve(&pending).await;
    sending.response().await;
    let ended = receiver.taken("approval.ended").await.json();
    assert_eq!(ended["approval"]["id"], pending.id);
    assert_eq!(ended["approval"]["decision"], "allow");
    iris.cli(&["freeze"]).await.ok();
    assert_eq!(receiver.taken("freeze").await.json()["team"], json!(null));
    iris.cli(&["thaw"]).await.ok();
    receiver.taken("thaw").await;
    iris.stop();
    let dir = iris.dir().to_owned();
    assert_eq!(Iris::files_with(&dir, &[SECRET]), [""; 0]);
    let logs = Iris::files_with(&iris.home().join("logs"), &["secret-path"]);
    assert_eq!(logs, [""; 0], "a path may be as good as a password");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_refuses_is_given_up_and_shown() {
    let receiver = Receiver::start().await;
    let iris = Iris::prepare()
        .await
        .setting(
            "webhooks",
            json!([{ "url": receiver.url(), "secret": "keychain:hook", "events": ["freeze"] }]),
        )
        .serve()
        .await;
    iris.cli_with(&["secrets", "set", "hook"], SECRET)
        .await
        .ok();
    iris.cli(&["webhook", "test"]).await.ok();
    let test = receiver.taken("test").await;
    assert!(test.is_signed_with(SECRET));
    receiver.answer_next(302);
    let said = iris.cli(&["webhook", "test"]).await;
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stdout.contains("Redirects are not followed"), "{said}");

    receiver.answer_next(404);
    iris.cli(&["freeze"]).await.ok();
    let view = eventually("the webhook shows what it lost", async || {
        let status = iris.status().await;
        let view = status["webhooks"][0].clone();
        (view["lost"] == 1).then_some(view)
    })
    .await;
    let message = view["problem"]["message"].as_str().unwrap();
    assert!(message.contains("404") && !message.contains("secret-path"));
    iris.cli(&["thaw"]).await.ok();
    iris.cli(&["freeze"]).await.ok();
    receiver.taken("freeze").await;
    assert!(
        receiver
            .posts()
            .iter()
            .all(|post| post.header("x-iris-event") != "thaw"),
        "not asked for"
    );
    let metrics = iris.cli(&["metrics"]).await.ok();
    assert!(
        metrics.contains("iris_webhook_events_total{outcome=\"failed\"} 1"),
        "{metrics}"
    );
}
