//! Pages of entries: by their place, by their conversation, or through the words.

use std::collections::HashMap;

use iris_domain::transcript::{Conversation, Entry, Line, Page, Query};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::tables::{PART_BITS, conversations, newest, parts};
use crate::store::read::{json, unsigned};

/// A walk over the entries.
struct Walk<'q> {
    connection: &'q Connection,
    query: &'q Query,
    of: HashMap<i64, Conversation>,
    newest_first: bool,
    /// Both included.
    low: i64,
    high: i64,
    limit: usize,
    lines: Vec<Line>,
}

/// The entries that are meant.
pub(super) fn page(connection: &Connection, query: &Query) -> rusqlite::Result<Page> {
    // One view for the whole page.
    let view = connection.unchecked_transaction()?;
    let newest = newest(&view)?;
    let signed = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
    let limit = query.entries();
    let mut walk = Walk {
        connection: &view,
        query,
        of: conversations(&view)?.into_iter().collect(),
        newest_first: query.after.is_none(),
        low: query.after.map_or(0, |id| signed(id).saturating_add(1)),
        high: signed(query.before.map_or(newest, |id| id.saturating_sub(1))),
        limit,
        lines: Vec::new(),
    };
    if walk.narrow()? {
        walk.all()?;
    }
    let Walk {
        newest_first,
        mut lines,
        ..
    } = walk;
    let more = lines.len() >= limit;
    // Whoever goes on after a page that is not all goes on after its last entry.
    let upto = match lines.last() {
        Some(last) if !newest_first && more => last.id,
        Some(_) | None => newest.max(query.after.unwrap_or(0)),
    };
    if newest_first {
        lines.reverse();
    }
    Ok(Page { lines, upto, more })
}

impl Walk<'_> {
    /// To the places of the times that are meant; says whether there are any.
    fn narrow(&mut self) -> rusqlite::Result<bool> {
        let (since, until) = (self.query.since, self.query.until);
        if since.is_some() || until.is_some() {
            let bounds = (
                since.map_or(i64::MIN, Timestamp::as_millisecond),
                until.map_or(i64::MAX, Timestamp::as_millisecond),
            );
            let (first, last): (Option<i64>, Option<i64>) = self
                .connection
                .prepare_cached(
                    "SELECT min(first), max(last) FROM span WHERE until >= ?1 AND since <= ?2",
                )?
                .query_row(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (Some(first), Some(last)) = (first, last) else {
                return Ok(false);
            };
            self.low = self.low.max(first);
            self.high = self.high.min(last);
        }
        Ok(self.low <= self.high && self.limit > 0)
    }

    fn all(&mut self) -> rusqlite::Result<()> {
        let query = self.query;
        if query.is_search() {
            return self.found();
        }
        if query.team.is_none() && query.from.is_none() && query.session.is_none() {
            return self.scan(None);
        }
        let meant = |conversation: &Conversation| {
            query.team.as_ref().is_none_or(|it| conversation.to == *it)
                && query
                    .from
                    .as_ref()
                    .is_none_or(|it| conversation.from == *it)
                && query.session.is_none_or(|it| conversation.session == it)
        };
        let of: Vec<i64> = self
            .of
            .iter()
            .filter(|(_, conversation)| meant(conversation))
            .map(|(n, _)| *n)
            .collect();
        let mut all = Vec::new();
        for n in of {
            self.scan(Some(n))?;
            all.append(&mut self.lines);
        }
        all.sort_unstable_by_key(|line: &Line| line.id);
        if self.newest_first {
            all.reverse();
        }
        all.truncate(self.limit);
        self.lines = all;
        Ok(())
    }

    /// Looks at each entry, of one conversation or of all.
    fn scan(&mut self, of: Option<i64>) -> rusqlite::Result<()> {
        let order = if self.newest_first { "DESC" } else { "ASC" };
        let (condition, n) = match of {
            Some(n) => ("conversation = ?3 AND", n),
            None => ("?3 = 0 AND", 0),
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT id, conversation, time, within, entry FROM entry
             WHERE {condition} id BETWEEN ?1 AND ?2 ORDER BY id {order}"
        ))?;
        let mut rows = statement.query([self.low, self.high, n])?;
        while self.lines.len() < self.limit
            && let Some(row) = rows.next()?
        {
            self.lines.extend(meant(self.query, &self.of, row)?);
        }
        Ok(())
    }

    /// Finds them by their words, one part after the other.
    fn found(&mut self) -> rusqlite::Result<()> {
        let wanted = self.query.expression();
        let mut parts = parts(self.connection)?;
        let part = |id: i64| u64::try_from(id).unwrap_or(0) >> PART_BITS;
        parts.retain(|it| (part(self.low)..=part(self.high)).contains(it));
        let order = if self.newest_first { "DESC" } else { "ASC" };
        if self.newest_first {
            parts.reverse();
        }
        for part in parts {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT rowid FROM part{part} WHERE part{part} MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid {order}"
            ))?;
            let mut rows = statement.query(params![wanted, self.low, self.high])?;
            while let Some(row) = rows.next()? {
                self.look(row.get(0)?)?;
                if self.lines.len() >= self.limit {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes the entry at this place, if it is meant. It is not there when it was deleted.
    fn look(&mut self, id: i64) -> rusqlite::Result<()> {
        let (query, of) = (self.query, &self.of);
        let line = self
            .connection
            .prepare_cached(
                "SELECT id, conversation, time, within, entry FROM entry WHERE id = ?1",
            )?
            .query_row([id], |row| meant(query, of, row))
            .optional()?;
        self.lines.extend(line.flatten());
        Ok(())
    }
}

fn meant(
    query: &Query,
    of: &HashMap<i64, Conversation>,
    row: &Row<'_>,
) -> rusqlite::Result<Option<Line>> {
    Ok(line(of, row)?.filter(|line| query.matches(line)))
}

/// `None`: its conversation was deleted.
pub(super) fn line(
    of: &HashMap<i64, Conversation>,
    row: &Row<'_>,
) -> rusqlite::Result<Option<Line>> {
    let Some(conversation) = of.get(&row.get(1)?) else {
        return Ok(None);
    };
    Ok(Some(Line {
        id: unsigned(row, 0)?,
        time: Timestamp::from_millisecond(row.get(2)?).unwrap_or_default(),
        session: conversation.session,
        from: conversation.from.clone(),
        to: conversation.to.clone(),
        within: row.get(3)?,
        entry: json::<Entry>(row, 4)?,
    }))
}
