//! How many rows a second are on the disk, and how long a search over a million of them takes.

use std::time::{Duration, Instant};

use iris_domain::{
    audit::{Draft, Filter, Kind},
    decision::Verb,
};
use iris_engine::{
    clock,
    home::Home,
    store::{AuditQuery, Store},
};
use serde_json::json;

use crate::search;

const ROWS: u64 = 1_000_000;
/// Callers that wait for their rows at once.
const CALLERS: u64 = 256;
/// What is wanted.
const ROWS_WANTED: f64 = 5_000.0;
const SEARCH_WANTED: Duration = Duration::from_millis(100);

/// Prints both tables.
pub async fn measure() {
    let dir = tempfile::tempdir().expect("a directory");
    let opened = Store::open(&Home::at(dir.path())).await;
    let store = opened.expect("the database opens").store;
    let start = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (caller..ROWS).step_by(CALLERS as usize) {
                store.append(row(n)).await.expect("a row is written");
            }
        })
    });
    for caller in futures::future::join_all(callers).await {
        caller.expect("a caller ends");
    }
    let rate = ROWS as f64 / start.elapsed().as_secs_f64();
    println!(
        "{ROWS} audit rows, {CALLERS} callers: {rate:.0} durable rows/s (wanted: {ROWS_WANTED:.0})"
    );

    let start = Instant::now();
    caught_up(&store).await;
    println!(
        "the index is filled {:.1} s later",
        start.elapsed().as_secs_f64()
    );
    println!();
    let queries = searches().into_iter().map(|(name, filter)| {
        let query = AuditQuery {
            filter,
            limit: Some(50),
            ..AuditQuery::default()
        };
        (name, query)
    });
    let read = async |query: AuditQuery| {
        let rows = store.audit(query).await.expect("the record is read");
        rows.len()
    };
    search::measure(&format!("{ROWS} rows"), queries, read, SEARCH_WANTED).await;
    store.close().await;
}

fn searches() -> Vec<(&'static str, Filter)> {
    let search = |text: &str| Filter {
        search: Some(text.into()),
        ..Filter::default()
    };
    vec![
        ("everything", Filter::default()),
        ("a frequent word", search("git")),
        ("the beginning of a frequent word", search("gi")),
        ("a rare word", search("needle77")),
        ("no such word", search("nowhere")),
        ("two words, one rare", search("git needle777777")),
        (
            "a word of a team's denials",
            Filter {
                team: Some("team7".into()),
                decision: Some(Verb::Deny),
                ..search("status")
            },
        ),
        (
            "decided by a person",
            Filter {
                by: Some("human".into()),
                ..Filter::default()
            },
        ),
    ]
}

/// A word that only the oldest row has is found in time only through the index.
async fn caught_up(store: &Store) {
    let query = || AuditQuery {
        filter: Filter {
            search: Some("needle0".into()),
            ..Filter::default()
        },
        limit: Some(50),
        ..AuditQuery::default()
    };
    loop {
        let start = Instant::now();
        store.audit(query()).await.expect("the record is read");
        if start.elapsed() < SEARCH_WANTED {
            return;
        }
    }
}

fn row(n: u64) -> Draft {
    let denied = n.is_multiple_of(97);
    Draft {
        caller: format!("team{}", n % 20),
        team: format!("team{}", n % 20),
        session: "6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11".into(),
        host: "local".into(),
        digest: format!("{n:064x}"),
        decision: if denied { Verb::Deny } else { Verb::Allow },
        decided_by: if denied {
            "human:window:ann".into()
        } else {
            "rule:autoApprove:Bash(git status:*)".into()
        },
        input: json!({
            "command": format!("git status --short src/part{}/file{}.rs needle{n}", n % 5_000, n % 31),
            "description": "Look at what changed"
        }),
        policy_hash: format!("{:064x}", 7),
        why: format!(
            "The rule Bash(git status:*) of autoApprove allows `git status` (config.json, line {}).",
            n % 90
        ),
        wait_ms: n % 9_000,
        ..Draft::event(clock::now(), Kind::Permission, "Bash")
    }
}
