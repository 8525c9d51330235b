//! How many entries of sessions a second are written, and how long a search over a million of them takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use iris_domain::{
    ids::SessionId,
    transcript::{Conversation, Entry, EntryKind, Query},
};
use iris_engine::{home::Home, transcripts::Transcripts};
use serde_json::json;

use crate::ms;

const ENTRIES: u64 = 1_000_000;
const SESSIONS: u128 = 100;
/// Entries that are noted before what was noted is written: fewer than may wait, so that none is thinned.
const AT_ONCE: u64 = 4_096;
const TIMES: usize = 30;
/// What is wanted.
const SEARCH_WANTED: Duration = Duration::from_millis(150);

/// Prints the figures.
pub async fn measure() {
    let dir = tempfile::tempdir().expect("a directory");
    let (transcripts, problem) = Transcripts::open(&Home::at(dir.path()));
    assert_eq!(problem, None, "the transcripts open");
    let sessions: Vec<Arc<Conversation>> = (0..SESSIONS).map(conversation).collect();
    let start = Instant::now();
    let mut noting = Duration::ZERO;
    for first in (0..ENTRIES).step_by(AT_ONCE as usize) {
        let begun = Instant::now();
        for n in first..ENTRIES.min(first + AT_ONCE) {
            let session = &sessions[usize::try_from(n).expect("small") % sessions.len()];
            transcripts.note(session, entry(n));
        }
        noting += begun.elapsed();
        read(&transcripts, limited(Query::default())).await;
    }
    println!(
        "{ENTRIES} entries of {SESSIONS} sessions: {:.0} a second are written; who notes one takes {:.1} us",
        ENTRIES as f64 / start.elapsed().as_secs_f64(),
        ms(noting) * 1000.0 / ENTRIES as f64
    );
    let size = std::fs::metadata(dir.path().join("transcripts.db")).expect("the file");
    println!("{} bytes an entry on the disk", size.len() / ENTRIES);
    println!();
    println!("| search over {ENTRIES} entries, newest 50 | entries | p50 ms | p95 ms |");
    println!("| --- | --- | --- | --- |");
    let mut worst = Duration::ZERO;
    for (name, query) in searches(&sessions) {
        let query = limited(query);
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..TIMES {
            let start = Instant::now();
            found = read(&transcripts, query.clone()).await;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        let (p50, p95) = (times[TIMES / 2], times[TIMES * 95 / 100]);
        println!("| {name} | {found} | {:.1} | {:.1} |", ms(p50), ms(p95));
        worst = worst.max(p95);
    }
    println!();
    println!(
        "slowest p95: {:.1} ms (wanted: {:.0} ms)",
        ms(worst),
        ms(SEARCH_WANTED)
    );
    let start = Instant::now();
    let gone = transcripts.forget(sessions[7].session).await;
    gone.expect("a session is deleted");
    println!(
        "a session of {} entries is deleted in {:.1} s, with its words",
        ENTRIES / SESSIONS as u64,
        start.elapsed().as_secs_f64()
    );
    transcripts.close().await;
}

async fn read(transcripts: &Transcripts, query: Query) -> usize {
    let page = transcripts.page(query).await;
    page.expect("the transcripts are read").lines.len()
}

fn limited(query: Query) -> Query {
    Query {
        limit: Some(50),
        ..query
    }
}

fn searches(sessions: &[Arc<Conversation>]) -> Vec<(&'static str, Query)> {
    let search = |text: &str| Query {
        search: Some(text.into()),
        ..Query::default()
    };
    vec![
        ("everything", Query::default()),
        ("a frequent word", search("build")),
        ("the beginning of a frequent word", search("bu")),
        ("a rare word", search("needle77")),
        ("no such word", search("nowhere")),
        ("two words, one rare", search("build needle777777")),
        (
            "a word of a team's calls",
            Query {
                team: Some(sessions[3].to.clone()),
                kinds: vec![EntryKind::ToolCall],
                ..search("cargo")
            },
        ),
        (
            "all of a session",
            Query {
                session: Some(sessions[5].session),
                ..Query::default()
            },
        ),
    ]
}

fn conversation(n: u128) -> Arc<Conversation> {
    Arc::new(Conversation {
        session: SessionId(uuid::Uuid::from_u128(n)),
        from: "console".parse().expect("a party"),
        to: format!("team{}", n % 20).parse().expect("a name"),
    })
}

fn entry(n: u64) -> Entry {
    match n % 3 {
        0 => Entry::ToolCall {
            call: format!("toolu_{n}"),
            tool: "Bash".into(),
            input: json!({ "command": format!("cargo build -p part{} # needle{n}", n % 5_000) }),
        },
        1 => Entry::ToolResult {
            call: format!("toolu_{}", n - 1),
            text: format!(
                "Compiling part{} v0.1.0\nFinished the build in {n} ms, needle{n}",
                n % 5_000
            ),
            error: false,
        },
        _ => Entry::Text {
            text: format!(
                "The build of part{} works now; next I look at needle{n}.",
                n % 5_000
            ),
        },
    }
}
