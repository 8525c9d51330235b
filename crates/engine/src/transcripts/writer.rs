//! The thread that writes.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use iris_domain::{
    ids::SessionId,
    transcript::{Conversation, Entry},
};
use rusqlite::{Connection, params};
use tokio::sync::{oneshot, watch};

use super::{
    Sums,
    queue::{Batch, Noted, Order, Queue, Reply},
    read,
    tables::{self, Adding, PART_BITS},
};
use crate::{clock, priority};

/// The file's size, bytes: beyond it the oldest entries go, whatever their age.
const SIZE_MAX: i64 = 1024 * 1024 * 1024;
/// Entries that are deleted in one go.
const DELETED_AT_ONCE: i64 = 1_000;
/// Batches after which the size is looked at.
const LOOK_EVERY: u32 = 64;

/// Work that is done piece by piece, between batches.
enum Work {
    /// Delete a session.
    Forget(i64, SessionId, Reply),
    /// Delete what is older.
    Prune(i64, Reply),
    /// Delete the oldest until the file is small enough.
    Shrink,
    /// Take the words of deleted entries out of the parts.
    Freshen(Option<Reply>),
}

pub(super) struct Writer {
    connection: Connection,
    queue: Arc<Queue>,
    newest: watch::Sender<u64>,
    sums: watch::Sender<Arc<Sums>>,
    numbers: HashMap<SessionId, i64>,
    work: VecDeque<Work>,
    batches: u32,
    /// The last batch could not be written: said once.
    failed: bool,
}

impl Writer {
    pub fn new(
        connection: Connection,
        queue: Arc<Queue>,
        newest: watch::Sender<u64>,
        sums: watch::Sender<Arc<Sums>>,
    ) -> Self {
        Self {
            connection,
            queue,
            newest,
            sums,
            numbers: HashMap::new(),
            // What an earlier Iris did not come to.
            work: VecDeque::from([Work::Shrink, Work::Freshen(None)]),
            batches: 0,
            failed: false,
        }
    }

    /// Writes until it is told to close: each time what is queued by then.
    pub fn run(mut self) {
        // Decisions go first.
        priority::lower(priority::LOW);
        loop {
            let Batch {
                entries,
                missing,
                order,
            } = self.queue.take(self.work.is_empty());
            self.write(entries, missing);
            match order {
                Some(Order::Tell(done)) => told(done),
                Some(Order::Forget(session, reply)) => self.forget(session, reply),
                Some(Order::Prune(before, reply)) => {
                    self.work.push_back(Work::Prune(before, reply));
                }
                Some(Order::Close(done)) => return self.close(done),
                None => {}
            }
            if let Some(work) = self.work.pop_front() {
                self.work_on(work);
            }
        }
    }

    fn write(&mut self, entries: Vec<Noted>, missing: BTreeMap<Arc<Conversation>, u64>) {
        if entries.is_empty() && missing.is_empty() {
            return;
        }
        let conversations: Vec<_> = entries
            .iter()
            .map(|noted| Arc::clone(&noted.conversation))
            .collect();
        match self.transaction(entries, &missing) {
            Ok((newest, spent)) => {
                self.failed = false;
                let before = self.newest.send_replace(newest);
                if before >> PART_BITS != newest >> PART_BITS {
                    self.let_go();
                }
                if spent {
                    self.publish_sums();
                }
                self.batches += 1;
                if self.batches.is_multiple_of(LOOK_EVERY) {
                    self.work.push_back(Work::Shrink);
                }
            }
            Err(error) => {
                // The numbers may be of conversations that the transaction took back.
                self.numbers.clear();
                if !self.failed {
                    tracing::error!(%error, "The transcripts cannot be written; the record will say how much is missing.");
                }
                self.failed = true;
                let mut missing = missing;
                for conversation in conversations {
                    *missing.entry(conversation).or_default() += 1;
                }
                self.queue.missed(missing);
            }
        }
    }

    fn transaction(
        &mut self,
        entries: Vec<Noted>,
        missing: &BTreeMap<Arc<Conversation>, u64>,
    ) -> rusqlite::Result<(u64, bool)> {
        let transaction = self.connection.transaction()?;
        let mut adding = Adding {
            connection: &transaction,
            numbers: &mut self.numbers,
            span: None,
        };
        let mut newest = 0;
        let now = clock::now();
        for (conversation, entries) in missing {
            let entry = Entry::Missing { entries: *entries };
            newest = adding.add(conversation, now, None, entry)?;
        }
        let mut spent = false;
        for noted in entries {
            let entry = noted.entry.kept();
            spent |= matches!(entry, Entry::TurnEnd { .. });
            let within = noted.within.as_deref();
            newest = adding.add(&noted.conversation, noted.time, within, entry)?;
        }
        adding.note_span()?;
        transaction.commit()?;
        Ok((newest, spent))
    }

    /// A connection holds the memory of each part that it wrote to for good: a part that is full is let
    /// go with its connection.
    fn let_go(&mut self) {
        let Some(path) = self.connection.path() else {
            return;
        };
        match tables::writing(path.as_ref()) {
            Ok(connection) => self.connection = connection,
            Err(error) => {
                tracing::warn!(%error, "The transcripts cannot be opened again; the old connection is kept.");
            }
        }
    }

    fn publish_sums(&self) {
        match tables::sums(&self.connection) {
            Ok(sums) => {
                self.sums.send_replace(Arc::new(sums));
            }
            Err(error) => tracing::warn!(%error, "What was spent cannot be added up."),
        }
    }

    /// The session is not there any more from here on; its entries go piece by piece.
    fn forget(&mut self, session: SessionId, reply: Reply) {
        self.numbers.remove(&session);
        let deleted: rusqlite::Result<Vec<i64>> = self
            .connection
            .prepare("DELETE FROM conversation WHERE session = ?1 RETURNING n")
            .and_then(|mut statement| {
                statement
                    .query_map([session.to_string()], |row| row.get(0))?
                    .collect()
            });
        match deleted {
            Ok(numbers) => match numbers.first() {
                Some(n) => {
                    self.publish_sums();
                    self.work.push_back(Work::Forget(*n, session, reply));
                }
                None => answer(reply, Ok(())),
            },
            Err(error) => answer(reply, Err(error)),
        }
    }

    /// Does a piece of it, and puts the rest behind the other work.
    fn work_on(&mut self, work: Work) {
        match work {
            Work::Forget(n, session, reply) => match self.delete_of(n) {
                Ok(true) => self.work.push_back(Work::Forget(n, session, reply)),
                Ok(false) => {
                    tracing::info!(%session, "A session's transcript was deleted.");
                    self.work.push_back(Work::Freshen(Some(reply)));
                }
                Err(error) => answer(reply, Err(error)),
            },
            Work::Prune(before, reply) => match self.delete_front(|time| time < before) {
                Ok(true) => self.work.push_back(Work::Prune(before, reply)),
                Ok(false) => answer(reply, Ok(())),
                Err(error) => answer(reply, Err(error)),
            },
            Work::Shrink => {
                let shrunk = self
                    .size()
                    .and_then(|size| Ok(size > SIZE_MAX && self.delete_front(|_| true)?));
                match shrunk {
                    Ok(true) => self.work.push_back(Work::Shrink),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "The transcripts cannot be made smaller."),
                }
            }
            Work::Freshen(reply) => match self.freshen() {
                Ok(true) => self.work.push_back(Work::Freshen(reply)),
                Ok(false) => reply.into_iter().for_each(|reply| answer(reply, Ok(()))),
                Err(error) => {
                    tracing::warn!(%error, "Words of deleted entries are still in the transcripts; it is tried again at the next start.");
                    if let Some(reply) = reply {
                        answer(reply, Err(error));
                    }
                }
            },
        }
    }

    /// Bytes of what is in use.
    fn size(&self) -> rusqlite::Result<i64> {
        let pragma = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
    }

    /// Deletes some entries of a conversation; says whether there may be more.
    fn delete_of(&mut self, n: i64) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let ids: Vec<i64> = transaction
            .prepare_cached("SELECT id FROM entry WHERE conversation = ?1 ORDER BY id LIMIT ?2")?
            .query_map([n, DELETED_AT_ONCE], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in &ids {
            transaction
                .prepare_cached("DELETE FROM entry WHERE id = ?1")?
                .execute([id])?;
            transaction
                .prepare_cached("INSERT OR IGNORE INTO stale VALUES (?1)")?
                .execute([id >> PART_BITS])?;
        }
        transaction.commit()?;
        Ok(!ids.is_empty())
    }

    /// Deletes some of the oldest entries while their time is one that goes; says whether there may be
    /// more.
    fn delete_front(&mut self, goes: impl Fn(i64) -> bool) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let oldest: Vec<(i64, i64)> = transaction
            .prepare_cached("SELECT id, time FROM entry ORDER BY id LIMIT ?1")?
            .query_map([DELETED_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let going = oldest.iter().take_while(|(_, time)| goes(*time)).count();
        let Some((last, _)) = going.checked_sub(1).and_then(|at| oldest.get(at)) else {
            return Ok(false);
        };
        transaction
            .prepare_cached("DELETE FROM entry WHERE id <= ?1")?
            .execute([last])?;
        transaction
            .prepare_cached("DELETE FROM span WHERE last <= ?1")?
            .execute([last])?;
        // Parts go whole: what is left of one that is half deleted is found and has no entry.
        for part in tables::parts(&transaction)? {
            if part < u64::try_from(last + 1).unwrap_or(0) >> PART_BITS {
                transaction.execute_batch(&format!("DROP TABLE part{part}"))?;
            }
        }
        transaction.commit()?;
        Ok(going == oldest.len())
    }

    /// Makes a part anew that has words of deleted entries; says whether there may be another.
    fn freshen(&mut self) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let stale: Vec<i64> = transaction
            .prepare_cached(
                "DELETE FROM stale WHERE part = (SELECT min(part) FROM stale) RETURNING part",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let Some(part) = stale.first().copied() else {
            return Ok(false);
        };
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS part{part}"))?;
        tables::create_part(&transaction, u64::try_from(part).unwrap_or(0))?;
        let of: HashMap<i64, Conversation> =
            tables::conversations(&transaction)?.into_iter().collect();
        let mut statement = transaction.prepare_cached(
            "SELECT id, conversation, time, within, entry FROM entry WHERE id BETWEEN ?1 AND ?2",
        )?;
        let mut rows =
            statement.query(params![part << PART_BITS, ((part + 1) << PART_BITS) - 1])?;
        while let Some(row) = rows.next()? {
            if let Some(line) = read::line(&of, row)? {
                tables::index(&transaction, &line)?;
            }
        }
        drop(rows);
        drop(statement);
        transaction.commit()?;
        Ok(true)
    }

    fn close(self, done: oneshot::Sender<()>) {
        self.queue.close();
        if let Err((_, error)) = self.connection.close() {
            tracing::error!(%error, "The transcripts could not be closed.");
        }
        told(done);
    }
}

fn told(done: oneshot::Sender<()>) {
    if done.send(()).is_err() {
        tracing::debug!("Who waited for the transcripts is gone.");
    }
}

fn answer(reply: Reply, outcome: rusqlite::Result<()>) {
    if reply.send(outcome).is_err() {
        tracing::debug!("Who wanted transcripts deleted is gone.");
    }
}
