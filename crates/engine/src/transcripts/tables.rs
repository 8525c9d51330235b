//! The tables, and what is written into them.
//!
//! An entry is a JSON text. Words and fields are found through FTS5 tables of some places each, so
//! that a search for the beginning of a word costs as much as entries of a part have it, and goes on to the
//! next part only for want of entries. Entries and their words are written in one transaction.

use std::{collections::HashMap, io, path::Path};

use iris_domain::{
    ids::{Party, SessionId, TeamName},
    transcript::{Conversation, Entry, Line, Spent, Tokens, terms_of},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Sums;
use crate::store::{
    open as files,
    read::{parse, unsigned},
};

/// Places of a part, as a power of two.
pub(super) const PART_BITS: u32 = 14;
/// Places of a span.
const SPAN: i64 = 1024;
/// The form of the file.
const FORMAT: i64 = 1;
/// Statements kept ready: two for each part of a million entries, and some.
const STATEMENTS: usize = 192;

const TABLES: &str = "
CREATE TABLE conversation (
    n INTEGER PRIMARY KEY,
    session TEXT NOT NULL UNIQUE,
    from_party TEXT NOT NULL,
    to_team TEXT NOT NULL,
    turns INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0,
    input INTEGER NOT NULL DEFAULT 0,
    output INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0,
    cache_written INTEGER NOT NULL DEFAULT 0
) STRICT;
-- AUTOINCREMENT: the place of a deleted entry is never given again, so whoever follows misses nothing.
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL,
    time INTEGER NOT NULL,
    within TEXT,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX entry_of ON entry (conversation, id);
-- When the entries of some places happened, milliseconds. Clocks may go back: it is a range.
CREATE TABLE span (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;
-- Parts that still have words of deleted entries.
CREATE TABLE stale (part INTEGER PRIMARY KEY) STRICT;
";

/// The file, opened.
pub(super) struct Opened {
    pub writer: Connection,
    pub reader: Connection,
    pub newest: u64,
    pub sums: Sums,
}

pub(super) fn open(path: &Path) -> rusqlite::Result<Opened> {
    let unusable = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    files::only_for_the_user(path).map_err(unusable)?;
    let mut writer = writing(path)?;
    let transaction = writer.transaction()?;
    let format: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {FORMAT}"))?;
    } else if format != FORMAT {
        return Err(unusable(io::Error::other(format!(
            "it was written by another Iris, its format is {format}"
        ))));
    }
    transaction.commit()?;
    let reader = files::read_only(path)?;
    reader.set_prepared_statement_cache_capacity(STATEMENTS);
    let newest = newest(&reader)?;
    let sums = sums(&reader)?;
    Ok(Opened {
        writer,
        reader,
        newest,
        sums,
    })
}

/// A connection that writes.
pub(super) fn writing(path: &Path) -> rusqlite::Result<Connection> {
    let writer = files::writable(path)?;
    writer.set_prepared_statement_cache_capacity(STATEMENTS);
    writer.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // A crash of the computer takes the last seconds; one of Iris nothing that was written.
    // What is deleted is overwritten.
    writer.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON")?;
    Ok(writer)
}

/// The highest place that was ever given.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<u64> {
    let newest = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'entry'")?
        .query_row([], |row| unsigned(row, 0))
        .optional()?;
    Ok(newest.unwrap_or(0))
}

pub(super) fn sums(connection: &Connection) -> rusqlite::Result<Sums> {
    let mut sums = Sums::default();
    let mut statement = connection.prepare_cached(
        "SELECT session, to_team, turns, cost_usd, input, output, cache_read, cache_written
         FROM conversation WHERE turns > 0",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let session: SessionId = parse(row, 0)?;
        let team: TeamName = parse(row, 1)?;
        let spent = Spent {
            turns: unsigned(row, 2)?,
            cost_usd: row.get(3)?,
            tokens: Tokens {
                input: unsigned(row, 4)?,
                output: unsigned(row, 5)?,
                cache_read: unsigned(row, 6)?,
                cache_written: unsigned(row, 7)?,
            },
        };
        *sums.teams.entry(team).or_default() += spent;
        sums.sessions.insert(session, spent);
    }
    Ok(sums)
}

/// The conversations by the numbers that entries name.
pub(super) fn conversations(connection: &Connection) -> rusqlite::Result<Vec<(i64, Conversation)>> {
    connection
        .prepare_cached("SELECT n, session, from_party, to_team FROM conversation")?
        .query_map([], |row| {
            let conversation = Conversation {
                session: parse(row, 1)?,
                from: parse::<Party>(row, 2)?,
                to: parse(row, 3)?,
            };
            Ok((row.get(0)?, conversation))
        })?
        .collect()
}

/// Entries on their way into the file, in one transaction.
pub(super) struct Adding<'c> {
    pub connection: &'c Connection,
    /// The numbers of conversations, as far as they are known.
    pub numbers: &'c mut HashMap<SessionId, i64>,
    /// The places and times of what was added.
    pub span: Option<(i64, i64, i64, i64)>,
}

impl Adding<'_> {
    /// Adds an entry as it is to be kept; says where.
    pub fn add(
        &mut self,
        conversation: &Conversation,
        time: Timestamp,
        within: Option<&str>,
        entry: Entry,
    ) -> rusqlite::Result<u64> {
        let n = self.number(conversation)?;
        let text = serde_json::to_string(&entry)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let at = time.as_millisecond();
        self.connection
            .prepare_cached(
                "INSERT INTO entry (conversation, time, within, entry) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![n, at, within, text])?;
        let place = self.connection.last_insert_rowid();
        if let Entry::TurnEnd {
            cost_usd, tokens, ..
        } = &entry
        {
            self.spend(n, *cost_usd, *tokens)?;
        }
        let id = u64::try_from(place).unwrap_or(0);
        let line = Line {
            id,
            time,
            session: conversation.session,
            from: conversation.from.clone(),
            to: conversation.to.clone(),
            within: within.map(str::to_owned),
            entry,
        };
        index(self.connection, &line)?;
        let (first, _, since, until) = self.span.unwrap_or((place, place, at, at));
        self.span = Some((first, place, since.min(at), until.max(at)));
        Ok(id)
    }

    fn number(&mut self, conversation: &Conversation) -> rusqlite::Result<i64> {
        if let Some(n) = self.numbers.get(&conversation.session) {
            return Ok(*n);
        }
        let session = conversation.session.to_string();
        self.connection.execute(
            "INSERT OR IGNORE INTO conversation (session, from_party, to_team) VALUES (?1, ?2, ?3)",
            params![
                session,
                conversation.from.to_string(),
                conversation.to.as_str()
            ],
        )?;
        let n = self.connection.query_row(
            "SELECT n FROM conversation WHERE session = ?1",
            [session],
            |row| row.get(0),
        )?;
        self.numbers.insert(conversation.session, n);
        Ok(n)
    }

    fn spend(&self, n: i64, cost_usd: f64, tokens: Tokens) -> rusqlite::Result<()> {
        let bound = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.connection
            .prepare_cached(
                "UPDATE conversation SET turns = turns + 1, cost_usd = cost_usd + ?2, input = input + ?3,
                 output = output + ?4, cache_read = cache_read + ?5, cache_written = cache_written + ?6
                 WHERE n = ?1",
            )?
            .execute(params![
                n,
                cost_usd,
                bound(tokens.input),
                bound(tokens.output),
                bound(tokens.cache_read),
                bound(tokens.cache_written)
            ])?;
        Ok(())
    }

    /// Writes down when all of it happened.
    pub fn note_span(&self) -> rusqlite::Result<()> {
        let Some((first, last, since, until)) = self.span else {
            return Ok(());
        };
        let widened = self
            .connection
            .prepare_cached(
                "UPDATE span SET last = ?2, since = min(since, ?3), until = max(until, ?4)
                 WHERE first = (SELECT max(first) FROM span) AND first > ?1 - ?5",
            )?
            .execute([first, last, since, until, SPAN])?;
        if widened == 0 {
            self.connection
                .prepare_cached("INSERT INTO span VALUES (?1, ?2, ?3, ?4)")?
                .execute([first, last, since, until])?;
        }
        Ok(())
    }
}

/// Adds the words of an entry to its part.
pub(super) fn index(connection: &Connection, line: &Line) -> rusqlite::Result<()> {
    let part = line.id >> PART_BITS;
    let insert = format!("INSERT INTO part{part} (rowid, terms) VALUES (?1, ?2)");
    let mut statement = match connection.prepare_cached(&insert) {
        Ok(statement) => statement,
        // The first entry of a part.
        Err(_) => {
            create_part(connection, part)?;
            connection.prepare_cached(&insert)?
        }
    };
    statement.execute(params![
        i64::try_from(line.id).unwrap_or(i64::MAX),
        terms_of(line)
    ])?;
    Ok(())
}

/// Makes an empty part.
pub(super) fn create_part(connection: &Connection, part: u64) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE part{part} USING fts5(terms, content = '', columnsize = 0, detail = none, tokenize = \"ascii tokenchars ':_'\")"
    ))
}

/// The parts that there are.
pub(super) fn parts(connection: &Connection) -> rusqlite::Result<Vec<u64>> {
    let names: Vec<String> = connection
        .prepare_cached(
            "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE part%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let numbers = names.iter().map(|name| name.trim_start_matches("part"));
    let mut parts: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
    parts.sort_unstable();
    Ok(parts)
}
