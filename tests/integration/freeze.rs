//! Freeze, thaw, keys and tunnels: what the process tables show, seen by the test itself.

use iris_tests::{Iris, Setup, eventually, require};
use serde_json::{Value, json};

/// The states (`S`, `T`, …) of the live processes whose command line holds this text.
pub fn states(text: &str) -> Vec<char> {
    let mut states = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let of = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let command = String::from_utf8_lossy(&of("cmdline")).replace('\0', " ");
        // Not the shell of the test's own agent, which has the text in its script.
        if command.trim() != text {
            continue;
        }
        let stat = String::from_utf8_lossy(&of("stat")).into_owned();
        if let Some((_, rest)) = stat.rsplit_once(") ") {
            states.extend(rest.chars().next().filter(|state| *state != 'Z'));
        }
    }
    states
}

/// With these teams, whose agents may do what they want.
async fn willing(teams: &[&str]) -> Setup {
    let yes = json!({ "grantPermission": "yes" });
    let with = |setup: Setup, team: &&str| setup.team(team, yes.clone());
    teams.iter().fold(Iris::prepare().await, with)
}

pub async fn runs(text: &str) {
    eventually(&format!("`{text}` runs"), async || {
        (!states(text).is_empty()).then_some(())
    })
    .await;
}

async fn freeze(iris: &Iris, args: &[&str]) -> Value {
    let args = [&["freeze", "--json"], args].concat();
    serde_json::from_str(&iris.cli(&args).await.ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_agents_stand_still_and_go_on_from_there() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .team("alpha", json!({ "grantPermission": "yes" }))
        .team("beta", json!({}))
        .serve()
        .await;
    let asking = iris.send_in_background("beta", "FAKE:bash touch beta");
    let pending = iris.pending_one().await;
    // Long enough to last until the freeze on a busy machine.
    let nap = format!("sleep 10.{}", std::process::id());
    let script = format!("FAKE:bash {nap}; touch woke");
    let sending = iris.send_in_background("alpha", &script);
    runs(&nap).await;

    let frozen = freeze(&iris, &[]).await;
    let proof = &frozen["proof"];
    assert_eq!(proof["found"], proof["stopped"], "{frozen:#}");
    assert!(
        proof["found"].as_u64().unwrap() >= 4,
        "two agents, a shell, a nap: {frozen:#}"
    );
    assert_eq!(states(&nap), ['T'], "seen in the process table");
    assert!(iris.pending().await.is_empty(), "what waited is denied");
    let _late = iris.cli(&["approve", &pending.id]).await.refused();
    assert_eq!(
        iris.status().await["teams"][0]["frozen"]["by"],
        frozen["by"]
    );
    let said = iris.cli(&["team", "start", "beta"]).await.refused();
    assert!(said.contains("frozen"), "{said}");
    let held = iris.send_in_background("beta", "are you there?");

    iris.cli(&["thaw"]).await.ok();
    let answer = sending.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    assert!(
        !answer.contains("Stopped"),
        "its shell did not see it: {answer}"
    );
    assert!(iris.project("alpha").join("woke").exists());
    let denied = asking.response().await;
    assert!(denied.contains("froze you"), "{denied}");
    assert!(!iris.project("beta").join("beta").exists());
    assert_eq!(
        held.response().await,
        "echo: are you there?",
        "the message waited"
    );
    let events: Vec<String> = iris.audit().await.into_iter().map(|row| row.tool).collect();
    for event in ["freeze", "thaw"] {
        assert!(events.iter().any(|tool| tool == event), "{events:?}");
    }
    let _again = iris.cli(&["thaw"]).await.refused();
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_team_is_frozen_and_the_others_work() {
    require!("claude");
    let mut iris = willing(&["alpha", "beta"]).await.serve().await;
    let nap = format!("sleep 2.{}", std::process::id());
    let sending = iris.send_in_background("alpha", &format!("FAKE:bash {nap}"));
    runs(&nap).await;
    freeze(&iris, &["alpha"]).await;
    assert_eq!(states(&nap), ['T']);
    let works = iris.send_in_background("beta", "FAKE:bash touch beta");
    works.response().await;
    assert!(iris.project("beta").join("beta").exists());

    // Killed while frozen, it stays frozen, and nothing of it is left standing.
    iris.kill9();
    iris.restart().await;
    assert!(
        states(&nap).is_empty(),
        "what was frozen is gone with the Iris that froze it"
    );
    assert!(
        iris.status().await["teams"][0]["frozen"].is_object(),
        "and stays frozen"
    );
    drop(sending);
    iris.cli(&["thaw", "alpha"]).await.ok();
    let back = iris.send_in_background("alpha", "hello").response().await;
    assert_eq!(back, "echo: hello");

    // An orderly end of a frozen one ends what stands still.
    let nap = format!("sleep 5.{}", std::process::id());
    let sending = iris.send_in_background("alpha", &format!("FAKE:bash {nap}"));
    runs(&nap).await;
    freeze(&iris, &[]).await;
    drop(sending);
    iris.stop();
    assert!(states(&nap).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_taken_and_changed() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    iris.send_in_background("alpha", "hello").response().await;
    let token = iris.agents()[0].variable("IRIS_TOKEN").unwrap();
    let said = iris.cli(&["key", "rotate", "alpha", "--json"]).await.ok();
    let keys: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(keys, json!({ "revoked": 1, "restarted": 1 }));
    let fresh = iris.agents()[0].variable("IRIS_TOKEN").unwrap();
    assert_ne!(token, fresh);

    let asking = iris.send_in_background("alpha", "FAKE:bash touch one");
    iris.pending_one().await;
    iris.cli(&["key", "revoke", "alpha"]).await.ok();
    iris.pending_count(0).await;
    eventually("its agent ends", async || {
        iris.agents().is_empty().then_some(())
    })
    .await;
    asking.outcome().await;
    let outcome = iris.send_in_background("alpha", "hello").outcome().await;
    assert_eq!(
        outcome["status"], "failed",
        "no message brings it back: {outcome:#}"
    );
    iris.cli(&["team", "start", "alpha"]).await.ok();
    let back = iris.send_in_background("alpha", "hello").response().await;
    assert_eq!(back, "echo: hello");
    assert!(!project.join("one").exists());
    let no_tunnel = iris.cli(&["tunnel", "kill", "alpha"]).await.refused();
    assert!(no_tunnel.contains("no tunnel"), "{no_tunnel}");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_order_holds_however_they_cross() {
    require!("claude");
    let mut iris = willing(&["alpha"]).await.serve().await;
    // It leaves the agent's group and session, and sheds what it could be known by.
    let nap = format!("tail -s {} -f /dev/null", std::process::id() + 1);
    let script = format!("FAKE:bash env -i setsid {nap} & setsid {nap}");
    let sending = iris.send_in_background("alpha", &script);
    eventually("both run", async || (states(&nap).len() == 2).then_some(())).await;
    for turn in 0..12 {
        // Two of the four at once, and one by another way; whoever is heard last holds.
        let team: &[&str] = if turn % 3 == 0 { &["alpha"] } else { &[] };
        let freeze = [&["freeze"], team].concat();
        let thaw = [&["thaw"], team].concat();
        let _said = tokio::join!(iris.cli(&freeze), iris.cli(&thaw), iris.cli(&freeze));
        let holds = iris.status().await["teams"][0]["frozen"].is_object();
        let wanted = if holds { 'T' } else { 'S' };
        eventually("it is as the last order says", async || {
            let states = states(&nap);
            (states == [wanted; 2]).then_some(())
        })
        .await;
        if holds {
            let frozen = self::freeze(&iris, team).await;
            let proof = &frozen["proof"];
            assert_eq!(proof["found"], proof["stopped"], "{frozen:#}");
            assert_eq!(states(&nap), ['T'; 2], "what left its group, too");
            iris.cli(&thaw).await.ok();
        }
    }
    drop(sending);
    iris.stop();
    assert!(states(&nap).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_wait_in_order_and_their_senders_know() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    iris.send_in_background("alpha", "hello").response().await;
    freeze(&iris, &[]).await;
    let mut sent = Vec::new();
    for n in 1..=3 {
        let text = format!("number {n}");
        sent.push((iris.send_in_background("alpha", &text), text));
        eventually("it waits in the session", async || {
            (iris.status().await["teams"][0]["queued"] == n).then_some(())
        })
        .await;
    }
    let told = iris.cli(&["send", "alpha", "four", "--timeout", "1"]).await;
    assert!(told.stderr.contains("the message waits"), "{}", told.stderr);
    iris.cli(&["thaw"]).await.ok();
    for (sending, text) in sent {
        assert_eq!(sending.response().await, format!("echo: {text}"));
    }
    // The one whose sender went away was not lost.
    let heard = iris.send_in_background("alpha", "last").response().await;
    assert_eq!(heard, "echo: last");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_keep_the_queue() {
    require!("claude");
    let mut iris = willing(&["alpha"]).await.serve().await;
    let nap = format!("tail -s {} -f /dev/null", std::process::id());
    let running = iris.send_in_background("alpha", &format!("FAKE:bash {nap}"));
    runs(&nap).await;
    let mut queued = Vec::new();
    for n in 1..=2 {
        queued.push(iris.send_in_background("alpha", &format!("number {n}")));
        eventually("it waits in the session", async || {
            (iris.status().await["teams"][0]["queued"] == n).then_some(())
        })
        .await;
    }
    let said = iris.cli(&["key", "rotate", "alpha", "--json"]).await.ok();
    let keys: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(keys, json!({ "revoked": 1, "restarted": 1 }));
    let outcome = running.outcome().await;
    assert_eq!(outcome["status"], "failed");
    let why = outcome["error"]["message"].as_str().unwrap();
    assert!(why.contains("new keys"), "{why}");
    assert!(states(&nap).is_empty(), "the turn that ran is cut short");
    let mut answers = queued.into_iter();
    let first = answers.next().unwrap().response().await;
    assert!(
        first.contains("cut short") && first.ends_with("number 1"),
        "{first}"
    );
    let second = answers.next().unwrap().response().await;
    assert_eq!(second, "echo: number 2");
    iris.stop();
}
