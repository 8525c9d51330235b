//! Time limits of agents, on the real Claude Code: silence, idleness, and too few places.

use iris_tests::{Iris, eventually, require};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_human_may_take_longer_than_an_agent_may_be_silent() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .setting("responseTimeout", 1)
        .team("patient", json!({}))
        .team("clock", json!({}))
        .serve()
        .await;
    let sending = iris.send_in_background("patient", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    // What tells the time: the same limit ends a turn that is silent without a human.
    let silent = "FAKE:bash python3 -c 'import time; time.sleep(60)'";
    let silence = iris.send_in_background("clock", silent);
    let both = iris.pending_count(2).await;
    let other = both.iter().find(|p| p.team == "clock").unwrap();
    iris.approve(other).await;
    let outcome = silence.outcome().await;
    assert_eq!(outcome["status"], "failed", "{outcome:#}");
    assert!(
        outcome["error"]["message"]
            .as_str()
            .unwrap()
            .contains("responseTimeout"),
        "{outcome:#}"
    );

    assert_eq!(iris.state("patient").await, "waiting");
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    assert!(iris.project("patient").join("it.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_agent_goes_to_sleep_and_wakes_for_a_message() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .team("alpha", json!({"idleTimeout": 1}))
        .serve()
        .await;
    for text in ["one", "two"] {
        let answer = iris.send_in_background("alpha", text).response().await;
        assert_eq!(answer, format!("echo: {text}"));
        iris.state_becomes("alpha", "asleep").await;
        eventually("its process is gone", async || {
            iris.agents().is_empty().then_some(())
        })
        .await;
    }
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_idle_agent_gives_way_to_another() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .setting("maxProcesses", 1)
        .team("alpha", json!({}))
        .team("beta", json!({}))
        .serve()
        .await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    for command in [&["team", "start", "beta"][..], &["send", "beta", "hi"]] {
        let said = iris.cli(command).await;
        assert_eq!(said.code, 1, "{said}");
        assert!(
            said.refused().contains("maxProcesses"),
            "it says what to do"
        );
    }
    assert_eq!(iris.state("alpha").await, "waiting", "who works stays");
    assert_eq!(
        iris.state("beta").await,
        "asleep",
        "no place is no trouble of its own"
    );
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    iris.state_becomes("alpha", "idle").await;
    let answer = iris.send_in_background("beta", "hi").response().await;
    assert_eq!(answer, "echo: hi");
    assert_eq!(iris.state("alpha").await, "asleep");
    assert_eq!(iris.agents().len(), 1);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_at_once_are_answered_in_turn_and_none_is_lost() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let sendings: Vec<_> = (0..5)
        .map(|n| (n, iris.send_in_background("alpha", &format!("message {n}"))))
        .collect();
    for (n, sending) in sendings {
        assert_eq!(sending.response().await, format!("echo: message {n}"));
    }
    assert_eq!(iris.agents().len(), 1, "one session is one process");
    iris.stop();
}
