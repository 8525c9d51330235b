//! The thread that writes.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, TryRecvError},
};

use iris_domain::{
    audit::{self, Anchor, FIRST_PREV},
    ids::{ApprovalId, Party, TeamName},
};
use jiff::Timestamp;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params, types::Value,
};
use tokio::sync::oneshot;

use super::{
    SessionRecord, StoreError,
    index::{Filler, LAG},
    messages,
    open::cannot_write,
    read::highest_seq,
};

/// The most that one transaction takes, so that no caller waits for the whole of a flood.
const BATCH_MAX: usize = 512;

/// Rows that one transaction prunes: some milliseconds, for which a decision waits at most.
const PRUNED_AT_ONCE: i64 = 500;

/// What to write.
#[derive(Debug)]
pub(super) enum Op {
    Append(String),
    Keep(ApprovalId, String),
    End(ApprovalId, Vec<String>),
    /// Sets an anchor and writes its row: the rows up to it may go.
    Anchor(Anchor, String),
    /// Takes some of the rows out that may go; the outcome is how many.
    Prune,
    SaveSession(Box<SessionRecord>),
    DeleteSession(Party, TeamName),
    NoteGroup(i32, u64),
    ForgetGroup(i32),
    NoteSecret(String, Timestamp),
    ForgetSecret(String),
    Message(messages::Change),
    #[cfg(test)]
    Sql(String),
}

/// What came of it: the row's place, where one was written, or a count.
pub(super) type Outcome = Result<Option<u64>, StoreError>;

#[derive(Debug)]
pub(super) enum Message {
    Write(Op, oneshot::Sender<Outcome>),
    Close(oneshot::Sender<()>),
}

/// The end of the audit chain.
#[derive(Debug, Clone)]
pub(super) struct Head {
    seq: u64,
    hash: String,
}

pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    inbox: Receiver<Message>,
    /// `None`: not known, because nothing was written yet or the last transaction failed.
    head: Option<Head>,
    /// `None`: there is no index.
    filler: Option<Filler>,
    #[cfg(test)]
    commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// What one transaction writes.
#[derive(Default)]
struct Batch {
    jobs: Vec<(Op, oneshot::Sender<Outcome>)>,
    /// Set when nothing comes after it.
    end: Option<End>,
}

enum End {
    Closed(oneshot::Sender<()>),
    HandlesGone,
}

impl Batch {
    fn takes_more(&self) -> bool {
        self.end.is_none() && self.jobs.len() < BATCH_MAX
    }

    fn take(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Write(op, reply)) => self.jobs.push((op, reply)),
            Some(Message::Close(closed)) => self.end = Some(End::Closed(closed)),
            None => self.end = Some(End::HandlesGone),
        }
    }
}

impl Head {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let hash = connection
            .query_row(
                "SELECT hash FROM audit ORDER BY seq DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?
            .unwrap_or_else(|| FIRST_PREV.to_owned());
        // Not the last row's: where rows were cut off, the gap stays and `verify` finds it.
        Ok(Self {
            seq: highest_seq(connection)?,
            hash,
        })
    }
}

impl Writer {
    pub(super) fn new(
        path: &Path,
        connection: Connection,
        inbox: Receiver<Message>,
        filler: Option<Filler>,
        #[cfg(test)] commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            connection,
            inbox,
            head: None,
            filler,
            #[cfg(test)]
            commits,
        }
    }

    /// Writes until it is told to close, or every handle is gone: each time all that is queued by
    /// then, while the callers of the last batch already prepare their next. It does not wait for these to
    /// make the batch larger: with 16 callers that gained nothing where an fsync takes 0.2 ms, and lost a
    /// fifth and more where it takes 0.5 to 3 ms.
    pub(super) fn run(mut self) {
        loop {
            let Batch { jobs, end } = self.gather();
            let (ops, replies): (Vec<Op>, Vec<_>) = jobs.into_iter().unzip();
            for (reply, outcome) in replies.into_iter().zip(self.write(&ops)) {
                if reply.send(outcome).is_err() {
                    tracing::debug!("A caller stopped waiting for its write.");
                }
            }
            if let Some(end) = end {
                return self.close(end);
            }
        }
    }

    /// Waits for work, and takes all there is.
    fn gather(&self) -> Batch {
        let mut batch = Batch::default();
        batch.take(self.inbox.recv().ok());
        while batch.takes_more() {
            match self.inbox.try_recv() {
                Ok(message) => batch.take(Some(message)),
                Err(TryRecvError::Disconnected) => batch.take(None),
                Err(TryRecvError::Empty) => break,
            }
        }
        batch
    }

    fn write(&mut self, ops: &[Op]) -> Vec<Outcome> {
        let failed = match self.transaction(ops) {
            Ok(outcomes) => return outcomes,
            Err(error) => error,
        };
        tracing::error!(%failed, writes = ops.len(), "A transaction failed.");
        // One that fails takes the others' transaction with it: each gets one of its own. Not when
        // another program holds the lock: each would wait for it again.
        let busy = failed.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        if ops.len() == 1 || busy {
            return ops
                .iter()
                .map(|_| Err(cannot_write(&self.path, &failed)))
                .collect();
        }
        let alone = |op| match self.transaction(std::slice::from_ref(op)) {
            Ok(mut outcomes) => outcomes.pop().unwrap_or(Err(StoreError::Closed)),
            Err(error) => Err(cannot_write(&self.path, error)),
        };
        ops.iter().map(alone).collect()
    }

    /// All of them in one transaction, or, with an error, none.
    fn transaction(&mut self, ops: &[Op]) -> rusqlite::Result<Vec<Outcome>> {
        #[cfg(test)]
        if let [Op::Sql(sql)] = ops {
            return self.connection.execute_batch(sql).map(|()| vec![Ok(None)]);
        }
        if ops.is_empty() {
            return Ok(Vec::new());
        }
        // Unknown again until this transaction is through.
        let mut head = match self.head.take() {
            Some(head) => head,
            None => Head::load(&self.connection)?,
        };
        let before = head.seq;
        let mut outcomes = Vec::with_capacity(ops.len());
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for op in ops {
            outcomes.push(Ok(apply(&transaction, &mut head, op)?));
        }
        transaction.commit()?;
        #[cfg(test)]
        self.commits
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if let Some(filler) = &self.filler
            && head.seq / LAG > before / LAG
        {
            filler.nudge();
        }
        self.head = Some(head);
        Ok(outcomes)
    }

    fn close(self, end: End) {
        if let Some(filler) = self.filler {
            filler.end();
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::error!(%error, "The database could not be closed.");
        }
        match end {
            End::Closed(closed) => {
                if closed.send(()).is_err() {
                    tracing::debug!("Nobody waited for the database to close.");
                }
            }
            End::HandlesGone => {}
        }
    }
}

fn apply(connection: &Connection, head: &mut Head, op: &Op) -> rusqlite::Result<Option<u64>> {
    match op {
        Op::Append(row) => append(connection, head, row).map(Some),
        Op::End(id, rows) => {
            connection
                .prepare_cached("DELETE FROM waiting WHERE id = ?1")?
                .execute([&id.0])?;
            let mut last = None;
            for row in rows {
                last = Some(append(connection, head, row)?);
            }
            Ok(last)
        }
        Op::Keep(id, draft) => {
            connection
                .prepare_cached("INSERT INTO waiting (id, draft) VALUES (?1, ?2)")?
                .execute([&id.0, draft])?;
            Ok(None)
        }
        Op::Anchor(anchor, row) => {
            connection
                .prepare_cached(
                    "INSERT INTO audit_anchor (seq, hash, rows, time) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    integer(anchor.seq)?,
                    anchor.hash,
                    integer(anchor.rows)?,
                    anchor.time.to_string()
                ])?;
            append(connection, head, row).map(Some)
        }
        Op::Prune => {
            let gone = connection
                .prepare_cached(
                    "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit
                     WHERE seq <= (SELECT max(seq) FROM audit_anchor) ORDER BY seq LIMIT ?1)",
                )?
                .execute([PRUNED_AT_ONCE])?;
            Ok(u64::try_from(gone).ok())
        }
        Op::SaveSession(record) => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO session (from_party, to_team, id, started, created_at, last_used_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    record.from.to_string(),
                    record.to.as_str(),
                    record.id.to_string(),
                    record.started,
                    record.created_at.to_string(),
                    record.last_used_at.to_string(),
                ])?;
            Ok(None)
        }
        Op::NoteGroup(pgid, started) => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO process_group (pgid, started) VALUES (?1, ?2)",
                )?
                .execute(params![pgid, integer(*started)?])?;
            Ok(None)
        }
        Op::DeleteSession(from, to) => {
            connection
                .prepare_cached("DELETE FROM session WHERE from_party = ?1 AND to_team = ?2")?
                .execute([&from.to_string(), to.as_str()])?;
            Ok(None)
        }
        Op::ForgetGroup(pgid) => {
            connection
                .prepare_cached("DELETE FROM process_group WHERE pgid = ?1")?
                .execute([pgid])?;
            Ok(None)
        }
        Op::NoteSecret(name, kept_at) => {
            connection
                .prepare_cached("INSERT OR REPLACE INTO secret (name, kept_at) VALUES (?1, ?2)")?
                .execute([name, &kept_at.to_string()])?;
            Ok(None)
        }
        Op::ForgetSecret(name) => {
            connection
                .prepare_cached("DELETE FROM secret WHERE name = ?1")?
                .execute([name])?;
            Ok(None)
        }
        Op::Message(change) => messages::apply(connection, change),
        #[cfg(test)]
        Op::Sql(sql) => connection.execute_batch(sql).map(|()| None),
    }
}

fn append(connection: &Connection, head: &mut Head, text: &str) -> rusqlite::Result<u64> {
    let seq = head.seq + 1;
    let hash = audit::hash(&head.hash, seq, text);
    connection
        .prepare_cached("INSERT INTO audit (seq, draft, prev, hash) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![integer(seq)?, text, head.hash, hash])?;
    *head = Head { seq, hash };
    Ok(seq)
}

fn integer(n: u64) -> rusqlite::Result<Value> {
    i64::try_from(n)
        .map(Value::Integer)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
