//! Pages of audit rows: by their place, or through the index and what it does not hold yet.

use iris_domain::audit::{Draft, Filter, Row};
use rusqlite::{Connection, OptionalExtension as _};

use super::{
    AuditQuery, index,
    read::{json, unsigned},
};

/// The connections of searches. They have their own, so that none holds up another read.
#[derive(Debug)]
pub(super) struct Searcher {
    pub(super) record: Connection,
    /// `None`: it could not be opened, each row is looked at.
    pub(super) index: Option<Connection>,
}

/// A walk over the rows.
struct Walk<'q> {
    filter: &'q Filter,
    newest_first: bool,
    /// Both included.
    low: u64,
    high: u64,
    limit: usize,
    rows: Vec<Row>,
}

impl Searcher {
    /// The rows that are meant.
    pub(super) fn page(&self, query: &AuditQuery) -> rusqlite::Result<Vec<Row>> {
        let mut walk = Walk {
            filter: &query.filter,
            newest_first: query.after.is_none(),
            low: query.after.map_or(0, |seq| seq.saturating_add(1)),
            high: query
                .before
                .map_or(u64::MAX, |seq| seq.saturating_sub(1))
                .min(MAX),
            limit: query
                .limit
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(usize::MAX),
            rows: Vec::new(),
        };
        // One view of the record for the whole page.
        let record = self.record.unchecked_transaction()?;
        match &self.index {
            Some(index) if !query.filter.is_empty() => {
                if let Err(error) = walk.indexed(&record, index) {
                    tracing::warn!(%error, "The audit index cannot be read; each row is looked at.");
                    walk.rows.clear();
                    walk.scan(&record, walk.low, walk.high)?;
                }
            }
            Some(_) | None => walk.scan(&record, walk.low, walk.high)?,
        }
        Ok(walk.rows)
    }
}

/// The highest place there can be.
const MAX: u64 = i64::MAX as u64;

impl Walk<'_> {
    fn indexed(&mut self, record: &Connection, index: &Connection) -> rusqlite::Result<()> {
        let index = index.unchecked_transaction()?;
        let mark = index::mark(&index)?;
        let (low, high) = (self.low, self.high);
        // The newest rows are not in it yet.
        let tail = (low.max(mark + 1), high);
        if self.newest_first {
            self.scan(record, tail.0, tail.1)?;
        }
        let since = self.filter.since.map(|time| time.as_millisecond());
        let until = self.filter.until.map(|time| time.as_millisecond());
        if let Some((first, last)) = index::within(&index, since, until)? {
            let (low, high) = (low.max(first), high.min(last));
            let terms = self.filter.terms();
            if terms.is_empty() {
                self.scan(record, low, high)?;
            } else if low <= high && !self.full() {
                index::places(&index, &terms, (low, high), self.newest_first, |seq| {
                    self.look(record, seq)?;
                    Ok(!self.full())
                })?;
            }
        }
        if !self.newest_first {
            self.scan(record, tail.0, tail.1)?;
        }
        Ok(())
    }

    fn full(&self) -> bool {
        self.rows.len() >= self.limit
    }

    /// Takes the row at this place, if it is meant. It is not there when it was pruned.
    fn look(&mut self, record: &Connection, seq: u64) -> rusqlite::Result<()> {
        let row = record
            .prepare_cached("SELECT seq, draft, prev, hash FROM audit WHERE seq = ?1")?
            .query_row([i64::try_from(seq).unwrap_or(i64::MAX)], row)
            .optional()?;
        self.rows
            .extend(row.filter(|row| self.filter.matches(&row.draft)));
        Ok(())
    }

    /// Looks at each row from `low` to `high`.
    fn scan(&mut self, record: &Connection, low: u64, high: u64) -> rusqlite::Result<()> {
        if low > high || self.full() {
            return Ok(());
        }
        let order = if self.newest_first { "DESC" } else { "ASC" };
        let mut statement = record.prepare_cached(&format!(
            "SELECT seq, draft, prev, hash FROM audit WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq {order}"
        ))?;
        let bound = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let mut rows = statement.query([bound(low), bound(high)])?;
        while let Some(next) = rows.next()? {
            let next = row(next)?;
            if self.filter.matches(&next.draft) {
                self.rows.push(next);
                if self.full() {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: unsigned(row, 0)?,
        draft: json::<Draft>(row, 1)?,
        prev: row.get(2)?,
        hash: row.get(3)?,
    })
}
