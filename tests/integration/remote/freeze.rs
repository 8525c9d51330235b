//! Freezing agents on another host, and cutting their tunnel.

use iris_tests::{eventually, require};
use serde_json::{Value, json};

use super::{Far, is_well, link_is};
use crate::freeze::{runs, states};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_on_another_host_stands_still_and_goes_on() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({ "grantPermission": "yes" })).await;
    // Long enough to last until the last freeze: a nap goes on while it stands still.
    let nap = format!("sleep 15.{}", std::process::id());
    let sending = iris.send_in_background("far", &format!("FAKE:bash {nap}; touch woke"));
    runs(&nap).await;
    let said = iris.cli(&["freeze", "--json"]).await.ok();
    let frozen: Value = serde_json::from_str(&said).unwrap();
    let proof = &frozen["proof"];
    assert_eq!(proof["found"], proof["stopped"], "{frozen:#}");
    assert!(proof["found"].as_u64().unwrap() >= 3, "{frozen:#}");
    assert_eq!(proof["unreached"], Value::Null);
    assert_eq!(states(&nap), ['T'], "seen in the process table");
    link_is(&iris, "up").await;
    // However often: its shell never sees it stand still, and does not go on without it.
    for _ in 0..3 {
        iris.cli(&["thaw"]).await.ok();
        iris.cli(&["freeze"]).await.ok();
        assert_eq!(states(&nap), ['T']);
    }
    iris.cli(&["thaw"]).await.ok();
    let answer = sending.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    assert!(!answer.contains("Stopped"), "{answer}");
    assert!(iris.project("far").join("woke").exists());
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_answer_is_told_of_and_cut_off() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({ "grantPermission": "yes" })).await;
    let nap = format!("tail -s {} -f /dev/null", std::process::id());
    let sending = iris.send_in_background("far", &format!("FAKE:bash {nap}"));
    runs(&nap).await;
    // The host hangs: nothing of it answers.
    for pid in far.sshd.children() {
        iris_tests::processes::signal_pid(pid, nix::sys::signal::Signal::SIGSTOP);
    }
    let said = iris.cli(&["freeze", "--json"]).await;
    let frozen: Value = serde_json::from_str(&said.stdout).unwrap();
    let unreached = frozen["proof"]["unreached"].as_object().unwrap();
    assert_eq!(unreached.values().collect::<Vec<_>>(), [1], "{frozen:#}");
    let status = iris.cli(&["status"]).await.ok();
    assert!(
        status.contains("not reached: cut off from Iris"),
        "{status}"
    );
    // What it was doing is reported at once, and it is worth nothing any more.
    let outcome = sending.outcome().await;
    assert_eq!(outcome["status"], "failed", "{outcome:#}");
    for pid in far.sshd.children() {
        iris_tests::processes::signal_pid(pid, nix::sys::signal::Signal::SIGCONT);
    }
    eventually("its agent ends", async || {
        states(&nap).is_empty().then_some(())
    })
    .await;
    let held = iris.send_in_background("far", "are you there?");
    iris.cli(&["thaw"]).await.ok();
    let answer = held.response().await;
    assert!(answer.ends_with("are you there?"), "{answer}");
    is_well(&iris, "far", "and now?").await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_is_cut_mid_call() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    let sending = iris.send_in_background("far", "FAKE:bash touch one");
    iris.pending_one().await;
    iris.cli(&["tunnel", "kill", "far"]).await.ok();
    iris.pending_count(0).await;
    eventually("its agents end", async || {
        iris.agents().is_empty().then_some(())
    })
    .await;
    sending.outcome().await;
    let outcome = iris.send_in_background("far", "hello").outcome().await;
    assert_eq!(outcome["status"], "failed", "{outcome:#}");
    iris.cli(&["team", "start", "far"]).await.ok();
    is_well(&iris, "far", "and now?").await;
    assert!(!iris.project("far").join("one").exists());
    iris.stop();
    far.is_clean().await;
}
