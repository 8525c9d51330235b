//! Queries.

use std::str::FromStr;

use iris_domain::{
    audit::{Anchor, Pruning, Stored, Verifier},
    ids::{Party, SessionId, TeamName},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, types::Type};
use serde::de::DeserializeOwned;

use super::{ChainCheck, SessionRecord};

pub(super) fn verify(connection: &Connection) -> rusqlite::Result<ChainCheck> {
    // One read transaction: the rows, the anchor and the highest number belong together.
    let connection = connection.unchecked_transaction()?;
    let pruned = anchor(&connection)?;
    let first = pruned.as_ref().map_or(0, |anchor| anchor.seq);
    let mut verifier = Verifier::from(pruned.clone());
    let misfit = follow(&connection, first, |row| verifier.follow(row))?;
    let last = verifier.last();
    let highest = highest_seq(&connection)?;
    let broken = match misfit {
        Some(why) => Some((last + 1, why.to_string())),
        None if highest > last => Some((
            last + 1,
            format!("rows {} to {highest} were cut off at the end", last + 1),
        )),
        None => verifier.end().err().map(|why| (first + 1, why.to_string())),
    };
    Ok(ChainCheck {
        rows: last - first,
        pruned,
        broken,
    })
}

/// What may be pruned of the rows that happened before this.
pub(super) fn prunable(connection: &Connection, before: Timestamp) -> rusqlite::Result<Pruning> {
    let connection = connection.unchecked_transaction()?;
    let first = anchor(&connection)?.map_or(0, |anchor| anchor.seq);
    let mut pruning = Pruning::of(before);
    follow(&connection, first, |row| {
        if pruning.takes(row) { Ok(()) } else { Err(()) }
    })?;
    Ok(pruning)
}

/// Takes the rows after this place one by one, until one is not taken; says why not.
fn follow<E>(
    connection: &Connection,
    after: u64,
    mut take: impl FnMut(&Stored) -> Result<(), E>,
) -> rusqlite::Result<Option<E>> {
    let mut statement = connection
        .prepare("SELECT seq, draft, prev, hash FROM audit WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([i64::try_from(after).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let stored = Stored {
            seq: unsigned(row, 0)?,
            draft: row.get(1)?,
            prev: row.get(2)?,
            hash: row.get(3)?,
        };
        if let Err(why) = take(&stored) {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// Where the log begins, when old rows were pruned.
pub(super) fn anchor(connection: &Connection) -> rusqlite::Result<Option<Anchor>> {
    connection
        .prepare_cached("SELECT seq, hash, rows, time FROM audit_anchor ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Anchor {
                seq: unsigned(row, 0)?,
                hash: row.get(1)?,
                rows: unsigned(row, 2)?,
                time: parse(row, 3)?,
            })
        })
        .optional()
}

/// The highest `seq` that was ever written.
pub(super) fn highest_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let seq = connection
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'audit'",
            [],
            |row| unsigned(row, 0),
        )
        .optional()?;
    Ok(seq.unwrap_or(0))
}

pub(super) fn session(
    connection: &Connection,
    from: &Party,
    to: &TeamName,
) -> rusqlite::Result<Option<SessionRecord>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, started, created_at, last_used_at FROM session WHERE from_party = ?1 AND to_team = ?2",
    )?;
    statement
        .query_row([&from.to_string(), to.as_str()], |row| {
            Ok(SessionRecord {
                id: parse(row, 0)?,
                from: from.clone(),
                to: to.clone(),
                started: row.get(1)?,
                created_at: parse(row, 2)?,
                last_used_at: parse(row, 3)?,
            })
        })
        .optional()
}

pub(super) fn sessions(connection: &Connection) -> rusqlite::Result<Vec<SessionRecord>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, started, created_at, last_used_at, from_party, to_team FROM session ORDER BY to_team, from_party",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(SessionRecord {
            id: parse(row, 0)?,
            from: parse(row, 4)?,
            to: parse(row, 5)?,
            started: row.get(1)?,
            created_at: parse(row, 2)?,
            last_used_at: parse(row, 3)?,
        })
    })?;
    rows.collect()
}

pub(super) fn session_ids(connection: &Connection) -> rusqlite::Result<Vec<SessionId>> {
    let mut statement = connection.prepare_cached("SELECT id FROM session")?;
    let rows = statement.query_map([], |row| parse(row, 0))?;
    rows.collect()
}

pub(super) fn noted_groups(connection: &Connection) -> rusqlite::Result<Vec<(i32, u64)>> {
    let mut statement =
        connection.prepare_cached("SELECT pgid, started FROM process_group ORDER BY pgid")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
    rows.collect()
}

pub(super) fn noted_secrets(connection: &Connection) -> rusqlite::Result<Vec<(String, Timestamp)>> {
    let mut statement =
        connection.prepare_cached("SELECT name, kept_at FROM secret ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, parse(row, 1)?)))?;
    rows.collect()
}

/// A column that holds JSON.
pub(crate) fn json<T: DeserializeOwned>(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| conversion(at, Type::Text, error))
}

pub(crate) fn parse<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &rusqlite::Row<'_>,
    at: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    text.parse()
        .map_err(|error| conversion(at, Type::Text, error))
}

pub(crate) fn unsigned(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(|error| conversion(at, Type::Integer, error))
}

fn conversion(
    at: usize,
    kind: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, kind, Box::new(error))
}
