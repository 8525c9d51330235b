//! Queries.

use std::str::FromStr;

use iris_domain::{
    audit::{Row, Stored, Verifier},
    ids::{Party, SessionId, TeamName},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, named_params, types::Type};
use serde::de::DeserializeOwned;

use super::{AuditQuery, ChainCheck, SessionRecord};

pub(super) fn audit(connection: &Connection, query: &AuditQuery) -> rusqlite::Result<Vec<Row>> {
    let team = if query.team.is_some() {
        "team = :team AND"
    } else {
        ":team IS NULL AND"
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq, draft, prev, hash FROM audit WHERE {team} seq < :before ORDER BY seq DESC LIMIT :limit"
    ))?;
    let before = query
        .before
        .and_then(|seq| i64::try_from(seq).ok())
        .unwrap_or(i64::MAX);
    // SQLite takes a negative limit for none.
    let limit = query.limit.map_or(-1, i64::from);
    let params = named_params! {":team": query.team, ":before": before, ":limit": limit};
    let rows = statement.query_map(params, |row| {
        Ok(Row {
            seq: unsigned(row, 0)?,
            draft: json(row, 1)?,
            prev: row.get(2)?,
            hash: row.get(3)?,
        })
    })?;
    rows.collect()
}

pub(super) fn verify(connection: &Connection) -> rusqlite::Result<ChainCheck> {
    // One read transaction: the rows and the highest number belong together.
    let connection = connection.unchecked_transaction()?;
    let mut statement =
        connection.prepare("SELECT seq, draft, prev, hash FROM audit ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut verifier = Verifier::default();
    while let Some(row) = rows.next()? {
        let stored = Stored {
            seq: unsigned(row, 0)?,
            draft: row.get(1)?,
            prev: row.get(2)?,
            hash: row.get(3)?,
        };
        if let Err(why) = verifier.follow(&stored) {
            let broken = Some((verifier.rows() + 1, why.to_string()));
            return Ok(ChainCheck {
                rows: verifier.rows(),
                broken,
            });
        }
    }
    let rows = verifier.rows();
    let highest = highest_seq(&connection)?;
    let broken = (highest > rows).then(|| {
        (
            rows + 1,
            format!("rows {} to {highest} were cut off at the end", rows + 1),
        )
    });
    Ok(ChainCheck { rows, broken })
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
pub(super) fn json<T: DeserializeOwned>(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| conversion(at, Type::Text, error))
}

fn parse<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &rusqlite::Row<'_>,
    at: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    text.parse()
        .map_err(|error| conversion(at, Type::Text, error))
}

fn unsigned(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(|error| conversion(at, Type::Integer, error))
}

fn conversion(
    at: usize,
    kind: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, kind, Box::new(error))
}
