//! The journey cut short: every way in which an approval ends without an answer. Nothing runs, the
//! sender is told the truth, and the record says what happened.

use iris_tests::{Iris, eventually, require};
use nix::sys::signal::Signal;

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_while_pending_nothing_runs() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    iris.cli(&["interrupt", "alpha"]).await.ok();
    let outcome = sending.outcome().await;
    assert_eq!(outcome["status"], "cancelled", "{outcome:#}");
    iris.pending_count(0).await;
    withdrawn(&iris).await;
    let _said = iris.cli(&["approve", &pending.id]).await.refused();

    let answer = iris
        .send_in_background("alpha", "and now?")
        .response()
        .await;
    assert_eq!(
        answer, "echo: and now?",
        "an interrupted agent takes the next task"
    );
    assert!(!project.join("it.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_pending_nothing_runs() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    iris.pending_one().await;
    iris.cli(&["team", "stop", "alpha"]).await.ok();
    assert!(iris.agents().is_empty(), "a stopped team has no process");
    assert!(iris.pending().await.is_empty(), "its approval is withdrawn");
    let outcome = sending.outcome().await;
    assert_ne!(
        outcome["status"], "answered",
        "the sender is told the truth: {outcome:#}"
    );
    withdrawn(&iris).await;
    assert_eq!(iris.state("alpha").await, "asleep");

    let answer = iris
        .send_in_background("alpha", "awake again?")
        .response()
        .await;
    assert_eq!(answer, "echo: awake again?", "a message wakes it");
    assert!(!project.join("it.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_while_pending_is_reported_and_replaced() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    iris.pending_one().await;
    let agents = iris.agents();
    assert_eq!(agents.len(), 1, "one session is one process: {agents:?}");
    agents[0].signal(Signal::SIGKILL);

    let outcome = sending.outcome().await;
    assert_eq!(outcome["status"], "failed", "{outcome:#}");
    assert!(
        outcome["error"]["hint"].is_string(),
        "a failure says what to do: {outcome:#}"
    );
    iris.pending_count(0).await;
    withdrawn(&iris).await;

    let answer = iris
        .send_in_background("alpha", "who is there?")
        .response()
        .await;
    assert_eq!(
        answer, "echo: who is there?",
        "a new process continues the session"
    );
    assert!(!project.join("it.txt").exists());
    iris.verify_audit().await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn iris_killed_while_pending_allows_nothing_and_says_what_was_lost() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    iris.kill9();
    drop(sending);

    iris.restart().await;
    eventually("the old agent is ended", async || {
        iris.agents().is_empty().then_some(())
    })
    .await;
    assert!(
        iris.pending().await.is_empty(),
        "an old approval cannot be answered any more"
    );
    let _said = iris.cli(&["approve", &pending.id]).await.refused();
    let row = iris.decision("alpha").await;
    assert_eq!(
        (row.decision.as_str(), row.decided_by.as_str()),
        ("deny", "lost")
    );
    iris.verify_audit().await;
    assert!(!project.join("it.txt").exists(), "nothing was allowed");

    let answer = iris
        .send_in_background("alpha", "once more")
        .response()
        .await;
    assert_eq!(answer, "echo: once more", "the session goes on");
    iris.stop();
}

/// Ctrl-C and a service manager's stop.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_iris_while_pending_denies_and_leaves_nothing() {
    require!("claude");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut iris = Iris::start().await;
        let project = iris.add_team("alpha").await;
        let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
        iris.pending_one().await;
        let pid = nix::unistd::Pid::from_raw(iris.pid().cast_signed());
        // Some senders send twice: that is no reason to leave anything behind.
        nix::sys::signal::kill(pid, signal).unwrap();
        if signal != Signal::SIGINT {
            nix::sys::signal::kill(pid, signal).unwrap();
        }
        let outcome = sending.outcome().await;
        assert_eq!(outcome["status"], "failed", "{signal}: {outcome:#}");
        eventually("its agents are gone", async || {
            iris.agents().is_empty().then_some(())
        })
        .await;
        iris.restart().await;
        let row = iris.decision("alpha").await;
        assert_eq!(
            (row.decision.as_str(), row.decided_by.as_str()),
            ("deny", "iris:shutdown"),
            "{signal}"
        );
        assert!(!project.join("it.txt").exists());
        iris.verify_audit().await;
        iris.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_is_removed_while_pending_runs_nothing() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    iris.cli(&["team", "remove", "alpha"]).await.ok();
    assert_eq!(sending.outcome().await["status"], "failed");
    let said = iris.cli(&["approve", &pending.id]).await;
    assert_eq!(said.code, 5, "it has ended: {said}");
    withdrawn(&iris).await;
    eventually("its agent is gone", async || {
        iris.agents().is_empty().then_some(())
    })
    .await;
    assert!(!project.join("it.txt").exists());
    iris.stop();
}

/// The only decision about alpha's tools is a withdrawal, recorded as a denial.
async fn withdrawn(iris: &Iris) {
    let row = eventually("the withdrawal is recorded", async || {
        iris.decisions("alpha").await.into_iter().next()
    })
    .await;
    assert_eq!(row.decision, "deny");
    assert!(row.decided_by.starts_with("withdrawn:"), "{row:?}");
    assert_eq!(
        iris.decisions("alpha").await.len(),
        1,
        "one approval is one row"
    );
}
