//! `$IRIS_HOME/audit-index.db`: finds audit rows by their words and fields.
//!
//! It is beside the record and never in its way: a thread of its own fills it after the commits, in
//! batches, and what is not in it yet is looked at row by row ([`super::search`]). It holds nothing
//! that the rows do not: whoever deletes it loses nothing, the next start makes it anew.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc::{
        Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use iris_domain::audit::{Draft, FIRST_PREV, Term, terms_of};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{StoreError, open, read::unsigned};
use crate::priority;

/// After so many rows the index is brought up: about so many are also looked at one by one in a search.
pub(super) const LAG: u64 = 256;
/// Rows that one transaction adds.
const BATCH: u64 = 2_048;
/// Rows of a part, as a power of two. A search for the beginning of a word costs as much as rows of
/// a part have it, and goes on to the next part only for want of rows.
const PART_BITS: u32 = 15;
/// The form of the file; one of another form is made anew.
const FORMAT: i64 = 1;
/// What comes within this time goes into the same batch: a flood costs few large transactions, not many
/// small ones, each of which FTS5 pays for again when it merges them.
const GATHERED: Duration = Duration::from_millis(100);
/// Statements kept ready: one for each part of a million rows, and some.
const STATEMENTS: usize = 64;

const TABLES: &str = "
-- Up to where rows are in here, and the hash of the last: of another log, it is not.
CREATE TABLE mark (seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
INSERT INTO mark VALUES (0, '');
-- When the rows of a batch happened, milliseconds. Clocks may go back: it is a range.
CREATE TABLE span (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;
";

/// The thread that fills it, as the writer of the record has it.
pub(super) struct Filler {
    nudge: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Filler {
    /// Rows were committed.
    pub(super) fn nudge(&self) {
        match self.nudge.try_send(()) {
            // One that waits already is enough; without the thread, searches look at the rows.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    /// Ends the thread, so that nothing holds the files.
    pub(super) fn end(self) {
        drop(self.nudge);
        if self.thread.join().is_err() {
            tracing::error!("The thread of the audit index panicked.");
        }
    }
}

/// Opens the index of this record, or makes one, and starts what fills it.
pub(super) fn start(path: &Path, record: &Path) -> Result<(Filler, Connection), StoreError> {
    let failed = |error: rusqlite::Error| open::cannot_write(path, error);
    let reading = open::read_only(record).map_err(failed)?;
    let connection = match opened(path) {
        Ok(connection) if fits(&connection, &reading).unwrap_or(false) => connection,
        Ok(_) | Err(_) => {
            remove(path).map_err(|error| open::cannot_write(path, error))?;
            opened(path).map_err(failed)?
        }
    };
    let searching = open::read_only(path).map_err(failed)?;
    searching.set_prepared_statement_cache_capacity(STATEMENTS);
    let (nudge, nudged) = sync_channel(1);
    let filling = Filling {
        path: path.to_owned(),
        index: connection,
        record: reading,
    };
    let thread = std::thread::Builder::new()
        .name("iris-audit-index".into())
        .spawn(move || filling.run(&nudged))
        .map_err(|error| open::cannot_write(path, error))?;
    Ok((Filler { nudge, thread }, searching))
}

fn opened(path: &Path) -> rusqlite::Result<Connection> {
    let unusable = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    open::only_for_the_user(path).map_err(unusable)?;
    let mut connection = open::writable(path)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // What a crash takes is added again.
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    let transaction = connection.transaction()?;
    let format: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {FORMAT}"))?;
    } else if format != FORMAT {
        return Err(rusqlite::Error::InvalidQuery);
    }
    transaction.commit()?;
    Ok(connection)
}

/// Whether what it holds is of this record.
fn fits(index: &Connection, record: &Connection) -> rusqlite::Result<bool> {
    let mark = mark(index)?;
    let hash: String = index.query_row("SELECT hash FROM mark", [], |row| row.get(0))?;
    let there = record
        .query_row(
            "SELECT hash FROM audit WHERE seq = ?1",
            [signed(mark)],
            |row| row.get::<_, String>(0),
        )
        .optional()?;
    Ok(mark == 0 || there == Some(hash))
}

fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match fs::remove_file(open::beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Up to where rows are in the index.
pub(super) fn mark(index: &Connection) -> rusqlite::Result<u64> {
    index
        .prepare_cached("SELECT seq FROM mark")?
        .query_row([], |row| unsigned(row, 0))
}

/// Between which places the rows of a time stand, both included; `None`: there are none. At most
/// some of their neighbours are among them.
pub(super) fn within(
    index: &Connection,
    since: Option<i64>,
    until: Option<i64>,
) -> rusqlite::Result<Option<(u64, u64)>> {
    index
        .prepare_cached("SELECT min(first), max(last) FROM span WHERE until >= ?1 AND since <= ?2")?
        .query_row(
            [since.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX)],
            |row| {
                Ok(match row.get::<_, Option<i64>>(0)? {
                    Some(_) => Some((unsigned(row, 0)?, unsigned(row, 1)?)),
                    None => None,
                })
            },
        )
}

/// The places of the rows with all these terms, from `low` to `high`, one part of the index after
/// the other; `each` says whether it wants more.
pub(super) fn places(
    index: &Connection,
    terms: &[Term],
    (low, high): (u64, u64),
    newest_first: bool,
    mut each: impl FnMut(u64) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    // Terms are letters, digits, `_` and `:`; in quotes no word of theirs means anything to FTS5.
    let wanted: Vec<String> = terms
        .iter()
        .map(|term| format!("\"{}\"{}", term.text, if term.begins { "*" } else { "" }))
        .collect();
    let wanted = wanted.join(" AND ");
    let parts = (low >> PART_BITS)..=(high >> PART_BITS);
    let order = if newest_first { "DESC" } else { "ASC" };
    let parts: Vec<u64> = if newest_first {
        parts.rev().collect()
    } else {
        parts.collect()
    };
    for part in parts {
        // One that is not there, though there are rows of it, is an error: nothing is left out unsaid.
        let mut statement = index.prepare_cached(&format!(
            "SELECT rowid FROM part{part} WHERE part{part} MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid {order}"
        ))?;
        let mut rows = statement.query(params![wanted, signed(low), signed(high)])?;
        while let Some(row) = rows.next()? {
            if !each(unsigned(row, 0)?)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Waits until rows were committed, and what comes soon after them; `false`: nothing comes any more.
fn gathered(nudged: &Receiver<()>) -> bool {
    if nudged.recv().is_err() {
        return false;
    }
    let until = Instant::now() + GATHERED;
    loop {
        match nudged.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

struct Filling {
    path: PathBuf,
    index: Connection,
    record: Connection,
}

impl Filling {
    fn run(mut self, nudged: &Receiver<()>) {
        // Decisions and searches go first.
        priority::lower(priority::LEAST);
        loop {
            if let Err(error) = self.catch_up(nudged) {
                tracing::error!(%error, "The audit index cannot be filled; searches look at each row. It is made anew at the next start.");
                if let Err(error) = remove(&self.path) {
                    tracing::error!(%error, "The audit index cannot be deleted; delete it yourself: {}", self.path.display());
                }
                return;
            }
            if !gathered(nudged) {
                return;
            }
        }
    }

    fn catch_up(&mut self, nudged: &Receiver<()>) -> rusqlite::Result<()> {
        self.forget_pruned()?;
        while self.batch_and_let_go()? == BATCH {
            if nudged.try_recv() == Err(TryRecvError::Disconnected) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Parts go whole: what is left of one that is half pruned is found and has no row.
    fn forget_pruned(&mut self) -> rusqlite::Result<()> {
        let first: Option<i64> =
            self.record
                .query_row("SELECT min(seq) FROM audit", [], |row| row.get(0))?;
        let Some(first) = first else { return Ok(()) };
        let transaction = self.index.transaction()?;
        let names: Vec<String> = transaction
            .prepare_cached(
                "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE part%'",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for name in names {
            let number = name.trim_start_matches("part").parse::<i64>();
            if number.is_ok_and(|part| part < first >> PART_BITS) {
                transaction.execute_batch(&format!("DROP TABLE {name}"))?;
            }
        }
        transaction.execute("DELETE FROM span WHERE last < ?1", [first])?;
        transaction.commit()
    }

    /// A connection holds the memory of each part that it wrote to for good: a part that is full is
    /// let go with its connection.
    fn batch_and_let_go(&mut self) -> rusqlite::Result<u64> {
        let before = mark(&self.index)?;
        let count = self.batch()?;
        if before >> PART_BITS != mark(&self.index)? >> PART_BITS {
            self.index = opened(&self.path)?;
        }
        Ok(count)
    }

    /// Adds the next rows; says how many.
    fn batch(&mut self) -> rusqlite::Result<u64> {
        let transaction = self.index.transaction()?;
        let mark = mark(&transaction)?;
        let mut statement = self.record.prepare_cached(
            "SELECT seq, draft, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = statement.query([signed(mark), signed(BATCH)])?;
        let mut count = 0;
        let mut last = (mark, FIRST_PREV.to_owned());
        let mut first = None;
        let mut span: Option<(i64, i64)> = None;
        while let Some(row) = rows.next()? {
            let seq = unsigned(row, 0)?;
            let text: String = row.get(1)?;
            last = (seq, row.get(2)?);
            first.get_or_insert(seq);
            count += 1;
            // A text that is no row was tampered with: `verify` tells.
            let Ok(draft) = serde_json::from_str::<Draft>(&text) else {
                continue;
            };
            let at = draft.time.as_millisecond();
            let (since, until) = span.unwrap_or((at, at));
            span = Some((since.min(at), until.max(at)));
            add(&transaction, seq, &draft)?;
        }
        let Some(first) = first else { return Ok(0) };
        if let Some((since, until)) = span {
            transaction
                .prepare_cached("INSERT INTO span VALUES (?1, ?2, ?3, ?4)")?
                .execute([signed(first), signed(last.0), since, until])?;
        }
        transaction
            .prepare_cached("UPDATE mark SET seq = ?1, hash = ?2")?
            .execute(params![signed(last.0), last.1])?;
        transaction.commit()?;
        Ok(count)
    }
}

fn add(index: &Connection, seq: u64, draft: &Draft) -> rusqlite::Result<()> {
    let part = seq >> PART_BITS;
    let insert = format!("INSERT INTO part{part} (rowid, terms) VALUES (?1, ?2)");
    let mut statement = match index.prepare_cached(&insert) {
        Ok(statement) => statement,
        // The first row of a part.
        Err(_) => {
            index.execute_batch(&format!(
                "CREATE VIRTUAL TABLE part{part} USING fts5(terms, content = '', columnsize = 0, detail = none, tokenize = \"ascii tokenchars ':_'\")"
            ))?;
            index.prepare_cached(&insert)?
        }
    };
    statement.execute(params![signed(seq), terms_of(draft)])?;
    Ok(())
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
