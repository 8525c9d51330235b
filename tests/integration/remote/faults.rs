//! What breaks between Iris and a host: connections, processes, ports, Iris itself.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use iris_tests::{
    Iris, eventually,
    processes::{self, Process},
    require,
    sshd::free_port,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Far, is_well, link, link_is};

/// A silent network is found out within this: three keep-alives of `ssh`, which Iris beats.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The same when the network changed: two seconds for the proof, and a machine that is busy.
const NUDGED_MAX: Duration = Duration::from_secs(5);

/// And it is made anew within this: a second proof of five seconds, and a sign-in.
const ANEW_MAX: Duration = Duration::from_secs(5 + 5 + 4);

/// The connections of this Iris: `ssh` programs that hold a control socket.
pub(super) fn masters(iris: &Iris) -> Vec<Process> {
    let mut running = processes::marked(iris.dir());
    running.retain(|process| process.exe.ends_with("ssh") && process.command.contains(" -M -N "));
    running
}

/// Waits until the host has let that many connections in.
pub(super) async fn signed_in(far: &Far, times: usize) {
    eventually(&format!("{times} sign-ins"), async || {
        (far.sshd.sign_ins() == times).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_comes_back_whichever_end_was_killed() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    is_well(&iris, "far", "one").await;

    let connections = masters(&iris);
    assert_eq!(connections.len(), 1, "{connections:#?}");
    connections[0].signal(Signal::SIGKILL);
    signed_in(&far, 2).await;
    link_is(&iris, "up").await;
    is_well(&iris, "far", "two").await;

    for pid in far.sshd.children() {
        processes::signal_pid(pid, Signal::SIGKILL);
    }
    signed_in(&far, 3).await;
    link_is(&iris, "up").await;
    is_well(&iris, "far", "three").await;
    assert_eq!(iris.agents().len(), 1, "the earlier ones are gone");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_is_reported_and_replaced() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    let sending = iris.send_in_background("far", "FAKE:bash touch it.txt");
    iris.pending_one().await;
    let agents = iris.agents();
    assert_eq!(agents.len(), 1, "{agents:#?}");
    agents[0].signal(Signal::SIGKILL);
    let outcome = sending.outcome().await;
    assert_eq!(outcome["status"], "failed", "{outcome:#}");
    assert!(outcome["error"]["hint"].is_string(), "{outcome:#}");
    iris.pending_count(0).await;
    let row = iris.decision("far").await;
    assert!(row.decided_by.starts_with("withdrawn"), "{row:?}");

    is_well(&iris, "far", "and now?").await;
    assert_eq!(far.sshd.sign_ins(), 1, "the link had no part in it");
    assert!(!iris.project("far").join("it.txt").exists());
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_whose_link_dies_is_withdrawn_and_the_agent_is_told() {
    require!("claude", "sshd");
    for tunnel in [true, false] {
        let mut far = Far::start().await;
        let mut iris = far.iris(json!({"enableReverseMcp": tunnel})).await;
        let sending = iris.send_in_background("far", "FAKE:bash touch it.txt");
        let pending = iris.pending_one().await;
        far.sshd.kill();
        iris.pending_count(0).await;
        let row = iris.decision("far").await;
        assert_eq!(row.decision, "deny", "{row:?}");
        assert!(row.decided_by.starts_with("withdrawn"), "{row:?}");
        let outcome = sending.outcome().await;
        assert_eq!(outcome["status"], "failed", "{outcome:#}");
        let said = iris.cli(&["approve", &pending.id]).await.refused();
        assert!(!said.is_empty());

        far.sshd.listen().await;
        is_well(&iris, "far", "again").await;
        let prompts = iris.model.prompts();
        let told = prompts
            .last()
            .is_some_and(|prompt| prompt.contains("was cut short"));
        assert!(told, "tunnel {tunnel}: {prompts:#?}");
        assert!(!iris.project("far").join("it.txt").exists());
        iris.verify_audit().await;
        iris.stop();
        far.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_iris_tidies_up_after_a_killed_one() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    let sending = iris.send_in_background("far", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    let old = masters(&iris);
    iris.kill9();
    drop(sending);

    iris.restart().await;
    eventually("the old connection and its agent are gone", async || {
        let left = masters(&iris).iter().any(|now| now.pid == old[0].pid);
        (!left && iris.agents().is_empty()).then_some(())
    })
    .await;
    eventually("nothing runs there any more", async || {
        let quiet = processes::marked(far.home.path()).is_empty();
        (quiet && far.sshd.children().is_empty()).then_some(())
    })
    .await;
    assert!(iris.pending().await.is_empty());
    let _said = iris.cli(&["approve", &pending.id]).await.refused();
    let row = iris.decision("far").await;
    assert_eq!(
        (row.decision.as_str(), row.decided_by.as_str()),
        ("deny", "lost")
    );
    is_well(&iris, "far", "again").await;
    assert!(!iris.project("far").join("it.txt").exists());
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_irises_share_an_account_and_leave_each_other_alone() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut one = far.iris(json!({})).await;
    let mut other = far.iris(json!({})).await;
    is_well(&one, "far", "one").await;
    is_well(&other, "far", "other").await;
    let ports = [
        link(&one).await["port"].clone(),
        link(&other).await["port"].clone(),
    ];
    assert_ne!(ports[0], ports[1], "each has its own tunnel");
    is_well(&one, "far", "still one").await;
    one.kill9();
    one.restart().await;
    is_well(&one, "far", "one again").await;
    assert_eq!(link(&other).await["state"], "up");
    one.stop();
    is_well(&other, "far", "still other").await;
    assert_eq!(other.agents().len(), 1);
    other.stop();
    assert_eq!(far.sshd.sign_ins(), 3, "the other one's connection held");
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_a_connection_takes_are_spread_over_several() {
    require!("claude", "sshd");
    let far = Far::with(&["MaxSessions 4"]).await;
    let mut setup = far
        .prepare("t0", json!({}))
        .await
        .setting("maxProcesses", 12);
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    for name in &names[1..] {
        setup = far.add(setup, name, json!({}));
    }
    let mut iris = setup.serve().await;
    let mut connections = Vec::new();
    for name in &names {
        iris.cli(&["team", "start", name]).await.ok();
        let known: Vec<u32> = connections
            .iter()
            .map(|known: &Process| known.pid)
            .collect();
        let now = masters(&iris).into_iter();
        connections.extend(now.filter(|process| !known.contains(&process.pid)));
    }
    assert_eq!(iris.agents().len(), 10);
    assert_eq!(far.sshd.sign_ins(), 3, "four sessions on each connection");
    for name in ["t0", "t5", "t9"] {
        is_well(&iris, name, "well").await;
    }

    // Not the first connection: the link itself goes on.
    let before: Vec<u32> = iris.agents().iter().map(|agent| agent.pid).collect();
    connections[2].signal(Signal::SIGKILL);
    eventually("its two agents are replaced", async || {
        let agents = iris.agents();
        let new = agents.iter().filter(|agent| !before.contains(&agent.pid));
        (agents.len() == 10 && new.count() == 2).then_some(())
    })
    .await;
    signed_in(&far, 4).await;
    is_well(&iris, "t9", "well again").await;
    is_well(&iris, "t0", "never gone").await;
    iris.stop();
    far.is_clean().await;
}

/// Without a tunnel a link proves itself by a session, and the host may take no more of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_is_not_taken_for_a_dead_one() {
    require!("claude", "sshd");
    let far = Far::with(&["MaxSessions 1"]).await;
    let mut iris = far.iris(json!({"enableReverseMcp": false})).await;
    is_well(&iris, "far", "one").await;
    let before = link(&iris).await;
    assert_eq!(before["state"], "up");
    let after = eventually("the next proof", async || {
        let link = link(&iris).await;
        (link != before).then_some(link)
    })
    .await;
    assert_eq!(after["state"], "up", "{after}");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_on_a_full_connection_cuts_nobody_off() {
    require!("claude", "sshd");
    let far = Far::with(&["MaxSessions 1"]).await;
    let setup = far
        .prepare("far", json!({"reverseMcpPort": free_port()}))
        .await;
    let port = free_port();
    let setup = far.add(setup, "further", json!({"reverseMcpPort": port}));
    let mut iris = setup.serve().await;
    let sending = iris.send_in_background("far", "FAKE:bash echo done > it.txt");
    let pending = iris.pending_one().await;
    is_well(&iris, "further", "hi").await;
    let status = iris.status().await;
    let ports: Vec<&Value> = status["teams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|team| &team["link"]["port"])
        .collect();
    assert!(ports.contains(&&json!(port)), "{ports:?}");
    assert_ne!(ports[0], ports[1]);
    iris.approve(&pending).await;
    let answer = sending.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_said_or_another_is_taken() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    // Another test may hold the usual one: as good.
    let usual = TcpListener::bind("127.0.0.1:1615");
    let setup = far.prepare("any", json!({})).await;
    let setup = far.add(setup, "exact", json!({"reverseMcpPort": port}));
    let mut iris = setup.serve().await;

    is_well(&iris, "any", "hi").await;
    let said = iris.cli(&["team", "start", "exact"]).await.refused();
    assert!(
        said.contains(&format!("Port {port}")) && said.contains("reverseMcpPort"),
        "{said}"
    );
    let taken = link(&iris).await["port"].clone();
    assert!(taken.is_number() && taken != port, "{taken}");
    assert!(usual.is_err() || taken != 1615, "{taken}");

    drop(held);
    iris.cli(&["team", "start", "exact"]).await.ok();
    is_well(&iris, "exact", "hi").await;
    assert_eq!(far.sshd.sign_ins(), 1, "nothing of it troubled the link");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_host_is_found_out() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    is_well(&iris, "far", "one").await;
    let silent = far.sshd.children();
    let begun = Instant::now();
    for pid in &silent {
        processes::signal_pid(*pid, Signal::SIGSTOP);
    }
    signed_in(&far, 2).await;
    assert!(begun.elapsed() < SILENCE_MAX, "{:?}", begun.elapsed());
    link_is(&iris, "up").await;
    is_well(&iris, "far", "two").await;
    let left: Vec<u32> = far.sshd.children();
    assert!(
        silent.iter().all(|pid| !left.contains(pid)),
        "the sshd that serves nobody is ended"
    );
    iris.stop();
    far.is_clean().await;
}

/// Adds an address to the loopback and takes it away again: a change of the network that changes
/// nothing. Only root may.
fn change_the_network() -> bool {
    ["add", "del"].iter().all(|what| {
        let change = ["addr", what, "127.77.16.15/32", "dev", "lo"];
        let changed = Command::new("ip")
            .args(change)
            .stderr(Stdio::null())
            .status();
        changed.is_ok_and(|status| status.success())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_network_finds_a_silent_host_out_at_once() {
    require!("claude", "sshd", "ip");
    if !change_the_network() {
        return;
    }
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    is_well(&iris, "far", "one").await;
    for pid in far.sshd.children() {
        processes::signal_pid(pid, Signal::SIGSTOP);
    }
    assert!(change_the_network());
    let begun = Instant::now();
    eventually("it is no longer shown as good", async || {
        (link(&iris).await["state"] != "up").then_some(())
    })
    .await;
    assert!(begun.elapsed() < NUDGED_MAX, "{:?}", begun.elapsed());
    signed_in(&far, 2).await;
    assert!(begun.elapsed() < ANEW_MAX, "{:?}", begun.elapsed());
    link_is(&iris, "up").await;
    is_well(&iris, "far", "two").await;
    iris.stop();
    far.is_clean().await;
}
