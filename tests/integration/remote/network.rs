//! The network between Iris and a host is cut, and comes back.
//!
//! Cuts last in real time, so what can happen at the same time does: each test is several stories,
//! and each story has a network of its own.

use std::{fs, path::PathBuf, time::Duration};

use iris_tests::{Iris, Network, eventually, iris::Row, network::lasts, require};
use nix::time::{ClockId, clock_gettime, clock_settime};
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use super::{Far, is_well, link, link_is, problem};

/// A cut that everything lives through.
const SHORT: Duration = Duration::from_secs(5);
/// A cut that nothing lives through.
const LONG: Duration = Duration::from_secs(60);
/// A silent network is found out within this.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// What a system says of its network is seen within two seconds; and a machine that is busy.
const HEARD_MAX: Duration = Duration::from_secs(2 + 2);
/// When the system says that a network is back, the link is proved within this.
const BACK_MAX: Duration = Duration::from_secs(5);
/// A connection whose address is gone is made anew after two proofs, of 2 and of 5 s, and another 5 s when
/// the network changes again meanwhile, as it does when it moves; then there is a sign-in, on a machine
/// that is busy.
const ANEW_MAX: Duration = Duration::from_secs(2 + 5 + 5 + 4);

/// A story on a thread of its own: some of what it waits for blocks.
fn story<F: Future<Output = ()>>(told: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(told()))
}

/// Waits for all of them; fails when one did.
async fn at_once<const N: usize>(stories: [JoinHandle<()>; N]) {
    for told in futures::future::join_all(stories).await {
        told.expect("what went wrong stands above");
    }
}

async fn not_good(iris: &Iris) {
    eventually("the link is not shown as good", async || {
        (link(iris).await["state"] != "up").then_some(())
    })
    .await;
}

/// Waits for a proof that is not the one that was seen.
async fn proved_anew(iris: &Iris, seen: &Value) {
    eventually("a new proof", async || {
        let link = link(iris).await;
        (link["state"] == "up" && link["verifiedAt"] != *seen).then_some(())
    })
    .await;
}

async fn is_withdrawn(iris: &Iris) -> Row {
    iris.pending_count(0).await;
    let row = iris.decision("far").await;
    assert_eq!(row.decision, "deny", "{row:?}");
    assert!(row.decided_by.starts_with("withdrawn"), "{row:?}");
    row
}

/// What Iris has on the host: the files of runs, the processes of sshd, and the agents.
#[derive(Debug, PartialEq)]
struct There {
    runs: Vec<PathBuf>,
    sshd: Vec<u32>,
    agents: Vec<u32>,
}

impl There {
    fn of(far: &Far, iris: &Iris) -> Self {
        let instances = far.files().into_iter();
        let mut runs: Vec<PathBuf> = instances
            .flat_map(|instance| fs::read_dir(instance).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        runs.sort();
        // The agent is the only Claude Code of this Iris, and it is there.
        let agents = iris.agents().iter().map(|agent| agent.pid).collect();
        Self {
            runs,
            sshd: far.sshd.children(),
            agents,
        }
    }

    /// One agent with its run, and a connection.
    fn is_whole(&self) {
        let counts = (self.runs.len(), self.agents.len());
        assert!(counts == (1, 1) && !self.sshd.is_empty(), "{self:#?}");
    }

    /// The same agent, run and connection.
    fn is_left(&self, far: &Far, iris: &Iris) {
        assert_eq!(Self::of(far, iris), *self, "what the cut left there");
    }

    /// Nothing of it is there any more.
    async fn is_swept(&self, far: &Far, iris: &Iris) {
        eventually("nothing of the earlier connection is left", async || {
            let now = Self::of(far, iris);
            let left = self.runs.iter().any(|run| now.runs.contains(run))
                || self.sshd.iter().any(|pid| now.sshd.contains(pid))
                || self.agents.iter().any(|pid| now.agents.contains(pid));
            (!left).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seconds_without_a_network() {
    require!("claude", "sshd", "ip", "nsenter");
    let networks = [(); 3].map(|()| Network::new());
    let [Some(one), Some(two), Some(three)] = networks else {
        return;
    };
    at_once([
        story(|| a_short_cut_is_lived_through(one)),
        story(|| another_address_is_another_connection(two)),
        story(|| a_stop_in_a_cut_is_made_up_for(three)),
    ])
    .await;
}

async fn a_short_cut_is_lived_through(network: Network) {
    let (far, mut iris) = Far::across(&network).await;
    let sending = iris.send_in_background("far", "FAKE:bash echo done > it.txt");
    let pending = iris.pending_one().await;

    let cut = network.unplug();
    not_good(&iris).await;
    assert!(cut.elapsed() < HEARD_MAX, "{:?}", cut.elapsed());
    lasts(cut, SHORT).await;
    network.plug();
    link_is(&iris, "up").await;

    let cut = network.silence();
    lasts(cut, SHORT).await;
    let seen = link(&iris).await["verifiedAt"].clone();
    network.end_silence();
    proved_anew(&iris, &seen).await;

    let still = iris.pending_one().await;
    assert_eq!(still.id, pending.id);
    assert_eq!(far.sshd.sign_ins(), 1, "it is the same connection");
    iris.approve(&pending).await;
    let answer = sending.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    iris.stop();
    far.is_clean().await;
}

async fn another_address_is_another_connection(network: Network) {
    let (far, mut iris) = Far::across(&network).await;
    is_well(&iris, "far", "one").await;
    let before = There::of(&far, &iris);
    before.is_whole();
    let seen = link(&iris).await["verifiedAt"].clone();
    let moved = network.move_near();
    not_good(&iris).await;
    assert!(moved.elapsed() < HEARD_MAX, "{:?}", moved.elapsed());
    assert_ne!(
        iris.state("far").await,
        "idle",
        "what is not verified is not good"
    );
    proved_anew(&iris, &seen).await;
    assert!(moved.elapsed() < ANEW_MAX, "{:?}", moved.elapsed());
    is_well(&iris, "far", "two").await;
    before.is_swept(&far, &iris).await;
    There::of(&far, &iris).is_whole();
    iris.stop();
    far.is_clean().await;
}

/// The team is stopped, and then Iris is, while the host cannot be reached: what that left there is
/// swept at the next connect.
async fn a_stop_in_a_cut_is_made_up_for(network: Network) {
    let (far, mut iris) = Far::across(&network).await;
    is_well(&iris, "far", "one").await;
    let before = There::of(&far, &iris);
    before.is_whole();
    network.unplug();
    iris.cli(&["team", "stop", "far"]).await.ok();
    assert_eq!(link(&iris).await, Value::Null, "nobody needs it");
    before.is_left(&far, &iris);
    network.plug();
    is_well(&iris, "far", "two").await;
    before.is_swept(&far, &iris).await;

    let before = There::of(&far, &iris);
    before.is_whole();
    network.unplug();
    iris.stop_alone();
    before.is_left(&far, &iris);
    network.plug();
    iris.restart().await;
    is_well(&iris, "far", "three").await;
    before.is_swept(&far, &iris).await;
    There::of(&far, &iris).is_whole();
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_without_a_network() {
    require!("claude", "sshd", "ip", "nsenter");
    let (Some(one), Some(two)) = (Network::new(), Network::new()) else {
        return;
    };
    at_once([
        story(|| a_silent_minute_is_found_out_and_made_up_for(one)),
        story(|| a_minute_unplugged_ends_with_the_network(two)),
    ])
    .await;
}

async fn a_silent_minute_is_found_out_and_made_up_for(network: Network) {
    let (far, mut iris) = Far::across(&network).await;
    let sending = iris.send_in_background("far", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    let before = There::of(&far, &iris);
    before.is_whole();

    let cut = network.silence();
    is_withdrawn(&iris).await;
    assert!(cut.elapsed() < SILENCE_MAX, "{:?}", cut.elapsed());
    let outcome = sending.outcome().await;
    assert_eq!(outcome["status"], "failed", "{outcome:#}");
    let _said = iris.cli(&["approve", &pending.id]).await.refused();
    before.is_left(&far, &iris);
    let waiting = iris.send_in_background("far", "two");
    lasts(cut, LONG).await;
    network.end_silence();

    let answer = waiting.response().await;
    assert!(
        answer.contains("was cut short") && answer.ends_with("\n\ntwo"),
        "what waited, and what the agent is told: {answer}"
    );
    link_is(&iris, "up").await;
    before.is_swept(&far, &iris).await;
    There::of(&far, &iris).is_whole();
    assert!(!iris.project("far").join("it.txt").exists());
    is_withdrawn(&iris).await;
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}

async fn a_minute_unplugged_ends_with_the_network(network: Network) {
    let (far, mut iris) = Far::across(&network).await;
    is_well(&iris, "far", "one").await;
    let before = There::of(&far, &iris);
    let cut = network.unplug();
    not_good(&iris).await;
    assert!(cut.elapsed() < HEARD_MAX, "{:?}", cut.elapsed());
    link_is(&iris, "reconnecting").await;
    let waiting = iris.send_in_background("far", "two");
    iris.state_becomes("far", "trouble").await;
    assert!(problem(&iris).await["hint"].is_string());
    lasts(cut, LONG).await;
    before.is_left(&far, &iris);

    network.move_near();
    let back = network.plug();
    link_is(&iris, "up").await;
    assert!(back.elapsed() < BACK_MAX, "{:?}", back.elapsed());
    assert_eq!(waiting.response().await, "echo: two", "what waited");
    before.is_swept(&far, &iris).await;
    There::of(&far, &iris).is_whole();
    iris.stop();
    far.is_clean().await;
}

/// The wall clock is set when a computer wakes up. Here it is set to what it says: nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_is_heard_of_at_once() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    is_well(&iris, "far", "one").await;
    let heard = async || {
        let logs = fs::read_dir(iris.home().join("logs")).unwrap().flatten();
        let logs = logs.map(|log| fs::read_to_string(log.path()).unwrap());
        logs.map(|log| log.matches("the computer woke up").count())
            .sum::<usize>()
    };
    let (before, seen) = (heard().await, link(&iris).await["verifiedAt"].clone());
    let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
    if let Err(error) = clock_settime(ClockId::CLOCK_REALTIME, now) {
        eprintln!("SKIPPED a_wake_up_is_heard_of_at_once: the clock cannot be set: {error}");
        drop(iris);
        return;
    }
    let set = Instant::now();
    proved_anew(&iris, &seen).await;
    assert!(set.elapsed() < HEARD_MAX, "{:?}", set.elapsed());
    assert!(heard().await > before, "it was the clock");
    assert_eq!(far.sshd.sign_ins(), 1, "a link that lives goes on");
    iris.stop();
    far.is_clean().await;
}
