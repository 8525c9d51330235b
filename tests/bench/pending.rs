//! A thousand approvals that wait: what they cost in memory, what a window that opens is sent, and how long it takes
//! from an answer to what surfaces show then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use iris_domain::{
    decision::{Answer, Surface},
    ids::{Party, SessionId},
    request::{Asker, ToolRequest},
    snapshot::Snapshot,
};
use iris_engine::{environment::Environment, human};
use serde_json::json;

use crate::{ms, on_its_own};

const MANY: usize = 1000;
/// A team may have 50 that wait.
const TEAMS: usize = 20;
/// Of each input, bytes: a long command.
const INPUT: usize = 1024;
const ANSWERS: usize = 50;

/// Prints the figures.
pub async fn measure() {
    let dir = tempfile::tempdir().expect("a directory");
    let teams: serde_json::Map<_, _> = (0..TEAMS)
        .map(|n| (format!("t{n}"), json!({ "path": dir.path() })))
        .collect();
    let config = json!({ "teams": teams }).to_string();
    std::fs::write(dir.path().join("config.json"), config).expect("a config");
    let engine = on_its_own(dir.path(), Environment::default()).await;
    let mut snapshot = engine.snapshot();
    let before = resident();
    let start = Instant::now();
    let calls: Vec<_> = (0..MANY)
        .map(|n| {
            let asker = Asker {
                team: format!("t{}", n % TEAMS).parse().expect("a name"),
                session: SessionId(uuid::Uuid::from_u128(n as u128)),
                from: Party::Console,
                host: "local".into(),
            };
            let command = format!("echo {n} {}", "x".repeat(INPUT));
            let input = json!({ "command": command });
            let request = ToolRequest::new("Bash".into(), input, "t".into()).expect("a request");
            let approvals = engine.approvals.clone();
            tokio::spawn(async move { approvals.ask(asker, request).await })
        })
        .collect();
    let waits = |count: usize| move |now: &Arc<Snapshot>| now.approvals.len() == count;
    snapshot.wait_for(waits(MANY)).await.expect("all are shown");
    let asked = start.elapsed();
    let grown = resident().saturating_sub(before);

    let now = snapshot.borrow().clone();
    let mut encoded: Vec<(Duration, usize)> = (0..ANSWERS)
        .map(|_| {
            let start = Instant::now();
            let text = serde_json::to_string(&*now).expect("JSON prints");
            (start.elapsed(), text.len())
        })
        .collect();
    encoded.sort_unstable();
    let (encoding, bytes) = encoded[encoded.len() / 2];

    let mut shown = Vec::new();
    for (n, view) in now.approvals.iter().take(ANSWERS).enumerate() {
        let start = Instant::now();
        let answered = engine.answer(view.id.clone(), Answer::DENY, human(Surface::Window));
        answered.await.expect("it waits");
        snapshot
            .wait_for(waits(MANY - n - 1))
            .await
            .expect("it is shown");
        shown.push(start.elapsed());
    }
    shown.sort_unstable();

    println!("| {MANY} that wait, of {INPUT} bytes each | |");
    println!("| --- | --- |");
    println!("| until all are kept and shown | {:.0} ms |", ms(asked));
    println!("| memory of the engine | +{:.1} MB |", grown as f64 / 1e6);
    println!(
        "| what a window that opens is sent | {:.2} MB |",
        bytes as f64 / 1e6
    );
    println!("| made ready for it in (p50) | {:.1} ms |", ms(encoding));
    let p50 = ms(shown[shown.len() / 2]);
    println!("| from an answer to what is shown then (p50) | {p50:.1} ms |");
    engine.shutdown().await;
    for call in calls {
        call.await.expect("each is decided");
    }
}

/// What this process holds in memory of its own, bytes: not the program itself, which is read in as it is used.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kb.expect("Linux tells") * 1024
}
