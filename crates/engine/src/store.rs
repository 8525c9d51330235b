//! `$IRIS_HOME/iris.db`: sessions, messages, waiting approvals, the audit log.
//!
//! One writer thread owns the connection that writes; it commits what came meanwhile in one
//! transaction, so that many callers share one fsync. Reads have a connection of their own and
//! never hold it up.

mod index;
mod messages;
pub(crate) mod open;
pub(crate) mod read;
mod search;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Instant,
};

use iris_domain::{
    Problem,
    audit::{Anchor, Draft, Filter, Row},
    ids::{ApprovalId, Party, SessionId, TeamName},
    problem::Code,
};
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{home::Home, metrics::Metrics};
pub use messages::OpenMessage;
pub(crate) use messages::Queued;
use search::Searcher;
use writer::{Message, Op};

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    writer: mpsc::Sender<Message>,
    /// `None` once the store is closed.
    reader: Arc<Mutex<Option<Connection>>>,
    /// As `reader`.
    searcher: Arc<Mutex<Option<Searcher>>>,
    metrics: Metrics,
    #[cfg(test)]
    commits: Arc<std::sync::atomic::AtomicU64>,
}

/// Why the database did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, read-only, or gone.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// The database file.
        path: String,
        /// What SQLite said.
        reason: String,
    },
    /// The disk is gone, or the file was damaged while Iris ran.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The database file.
        path: String,
        /// What SQLite said.
        reason: String,
    },
    /// A folder, or a link that leads nowhere, stands in its place.
    #[error("{path} is not a file")]
    NoFile {
        /// What stands there.
        path: String,
    },
    /// A later Iris made it, with tables that this one does not know.
    #[error("{path} was written by a newer Iris (its format is {found}, this one knows {known})")]
    Newer {
        /// The database file.
        path: String,
        /// Its format.
        found: i64,
        /// The latest that we know.
        known: i64,
    },
    /// The store is shut down.
    #[error("the database is closed")]
    Closed,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        error.problem()
    }
}

impl StoreError {
    /// As a user is told.
    pub fn problem(&self) -> Problem {
        let hint = match self {
            Self::Write { .. } => {
                "Free some disk space, or make the folder and the file writable for you; until then every request is denied."
            }
            Self::Read { .. } => {
                "Check the disk and the file's permissions; `iris audit verify` says whether the audit log is whole."
            }
            Self::NoFile { .. } => {
                "Move it away and start Iris again: it makes a new database there."
            }
            Self::Newer { .. } => "Start the newer Iris, or set IRIS_HOME to another folder.",
            Self::Closed => "Iris is shutting down; start it again.",
        };
        let code = match self {
            Self::Write { .. } | Self::Read { .. } | Self::NoFile { .. } | Self::Newer { .. } => {
                Code::Storage
            }
            Self::Closed => Code::Unavailable,
        };
        Problem::new(code, format!("{self}."), hint)
    }
}

/// A conversation's record.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// The Claude session.
    pub id: SessionId,
    /// Who started it.
    pub from: Party,
    /// The team it runs in.
    pub to: TeamName,
    /// Whether Claude Code has it on disk: resume it, instead of creating it.
    pub started: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last woken or written to.
    pub last_used_at: Timestamp,
}

/// An approval that waits, as kept for the case that Iris does not live to see its end.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingRecord {
    /// Its short name.
    pub id: ApprovalId,
    /// What its audit row will say, but for the decision.
    pub draft: Draft,
}

/// Which audit rows, a page at a time: newest first, or from `after` on.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AuditQuery {
    /// Which.
    pub filter: Filter,
    /// Only rows before this place.
    pub before: Option<u64>,
    /// Only rows after this place, and oldest first.
    pub after: Option<u64>,
    /// At most so many; `None`: all.
    pub limit: Option<u32>,
}

/// What a check of the audit chain found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainCheck {
    /// How many rows were read.
    pub rows: u64,
    /// Up to where rows were pruned when they were old; the check begins behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Anchor>,
    /// The first row that does not fit, and why.
    pub broken: Option<(u64, String)>,
}

/// What opening the database found.
pub struct Opened {
    /// The handle.
    pub store: Store,
    /// Said when a corrupt database was kept aside and a new one started.
    pub problem: Option<Problem>,
    /// Approvals that waited when Iris last ended.
    pub lost: Vec<WaitingRecord>,
}

impl Store {
    /// Opens or creates the database.
    ///
    /// # Errors
    /// When the file cannot be made, read or written, or is a newer Iris's. A corrupt one is no
    /// error: it is kept aside, and [`Opened::problem`] says so.
    pub async fn open(home: &Home) -> Result<Opened, StoreError> {
        let path = home.database();
        let (opening, index) = (path.clone(), home.audit_index());
        let opened = tokio::task::spawn_blocking(move || open::open(&opening, &index))
            .await
            .map_err(|_| StoreError::Closed)??;
        #[cfg(test)]
        let commits = Arc::default();
        let (writer, inbox) = mpsc::channel();
        let thread = writer::Writer::new(
            &path,
            opened.connection,
            inbox,
            opened.filler,
            #[cfg(test)]
            Arc::clone(&commits),
        );
        std::thread::Builder::new()
            .name("iris-store".into())
            .spawn(move || thread.run())
            .map_err(|error| open::cannot_write(&path, error))?;
        let store = Self {
            path,
            writer,
            reader: Arc::new(Mutex::new(Some(opened.reader))),
            searcher: Arc::new(Mutex::new(Some(opened.searcher))),
            metrics: Metrics::default(),
            #[cfg(test)]
            commits,
        };
        Ok(Opened {
            store,
            problem: opened.problem,
            lost: opened.lost,
        })
    }

    /// Writes a row; returns its place in the chain when it is on disk.
    ///
    /// It is queued before the first await, so a dropped future loses the answer, not the row.
    ///
    /// # Errors
    /// When it is not on disk: whatever it was to record must not happen.
    pub async fn append(&self, draft: Draft) -> Result<u64, StoreError> {
        let (draft, text) = self.text(draft)?;
        let seq = self.row(Op::Append(text)).await?;
        self.metrics.recorded(&draft);
        Ok(seq)
    }

    /// Keeps a waiting approval; returns when it is on disk.
    ///
    /// # Errors
    /// When it is not on disk.
    pub async fn keep_waiting(&self, waiting: WaitingRecord) -> Result<(), StoreError> {
        let (_, text) = self.text(waiting.draft)?;
        self.write(Op::Keep(waiting.id, text)).await.map(drop)
    }

    /// Writes a waiting approval's row, and what comes of it, and forgets that it waits, in one
    /// transaction; returns the last row's place in the chain.
    ///
    /// # Errors
    /// When that is not on disk; the approval is then still kept as waiting.
    pub async fn end_waiting(
        &self,
        id: ApprovalId,
        draft: Draft,
        more: Option<Draft>,
    ) -> Result<u64, StoreError> {
        let (draft, text) = self.text(draft)?;
        let (more, mut texts) = (more.map(|row| self.text(row)).transpose()?, vec![text]);
        let more = more.map(|(row, text)| {
            texts.push(text);
            row
        });
        let seq = self.row(Op::End(id, texts)).await?;
        self.metrics.recorded(&draft);
        self.metrics.waited(&draft);
        if let Some(row) = more {
            self.metrics.recorded(&row);
        }
        Ok(seq)
    }

    /// What is counted. It lives with the record, so that a decision is counted where it is durable.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A page of audit rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<Row>, StoreError> {
        let searcher = Arc::clone(&self.searcher);
        self.blocking(move || {
            let guard = searcher.lock().unwrap_or_else(PoisonError::into_inner);
            guard
                .as_ref()
                .map(|searcher| searcher.page(&query))
                .transpose()
        })
        .await?
        .ok_or(StoreError::Closed)
    }

    /// Checks the whole chain.
    ///
    /// # Errors
    /// When the file cannot be read; a broken chain is no error but what [`ChainCheck`] tells.
    pub async fn verify(&self) -> Result<ChainCheck, StoreError> {
        // A connection of its own: a long log must not hold up the other reads.
        let path = self.path.clone();
        self.blocking(move || read::verify(&open::read_only(&path)?))
            .await
    }

    /// Takes the rows out of the record's front that happened before this: some at a time, so that
    /// no decision waits long. What stays is the anchor, and its row; `None`: no row was so old.
    ///
    /// # Errors
    /// When the file cannot be read or written. What is not out yet goes the next time.
    pub async fn prune(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Anchor>, StoreError> {
        // As for `verify`.
        let path = self.path.clone();
        let pruning = self
            .blocking(move || read::prunable(&open::read_only(&path)?, before))
            .await?;
        let anchor = pruning.anchor(now);
        if let Some(anchor) = &anchor {
            let (row, text) = self.text(anchor.row())?;
            self.row(Op::Anchor(anchor.clone(), text)).await?;
            self.metrics.recorded(&row);
        }
        while self.write(Op::Prune).await?.is_some_and(|gone| gone > 0) {}
        Ok(anchor)
    }

    /// The conversation of a pair.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn session(
        &self,
        from: &Party,
        to: &TeamName,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.read(move |connection| read::session(connection, &from, &to))
            .await
    }

    /// The conversations of this home.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn session_ids(&self) -> Result<Vec<SessionId>, StoreError> {
        self.read(read::session_ids).await
    }

    /// The records of all conversations, by team and pair.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.read(read::sessions).await
    }

    /// Keeps a conversation's record (insert or replace by pair).
    ///
    /// # Errors
    /// When it is not on disk.
    pub async fn save_session(&self, record: SessionRecord) -> Result<(), StoreError> {
        self.write(Op::SaveSession(Box::new(record)))
            .await
            .map(drop)
    }

    /// Takes the record of a pair's conversation out.
    ///
    /// # Errors
    /// When it is still on disk.
    pub async fn delete_session(&self, from: Party, to: TeamName) -> Result<(), StoreError> {
        self.write(Op::DeleteSession(from, to)).await.map(drop)
    }

    /// Notes a live agent's process group, so that the next start can end it if this Iris cannot.
    /// `started` is the leader's start time, clock ticks since boot.
    ///
    /// # Errors
    /// When it is not on disk.
    pub async fn note_group(&self, pgid: i32, started: u64) -> Result<(), StoreError> {
        self.write(Op::NoteGroup(pgid, started)).await.map(drop)
    }

    /// Forgets a process group that ended.
    ///
    /// # Errors
    /// When that is not on disk.
    pub async fn forget_group(&self, pgid: i32) -> Result<(), StoreError> {
        self.write(Op::ForgetGroup(pgid)).await.map(drop)
    }

    /// The process groups that were noted and not forgotten, with their start time (clock ticks since boot).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn noted_groups(&self) -> Result<Vec<(i32, u64)>, StoreError> {
        self.read(read::noted_groups).await
    }

    /// Notes the name of a secret that is kept elsewhere. Never its value.
    ///
    /// # Errors
    /// When it is not on disk.
    pub async fn note_secret(&self, name: String, kept_at: Timestamp) -> Result<(), StoreError> {
        self.write(Op::NoteSecret(name, kept_at)).await.map(drop)
    }

    /// Forgets the name of a secret.
    ///
    /// # Errors
    /// When that is not on disk.
    pub async fn forget_secret(&self, name: String) -> Result<(), StoreError> {
        self.write(Op::ForgetSecret(name)).await.map(drop)
    }

    /// The names of secrets that are kept elsewhere, and since when.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn noted_secrets(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.read(read::noted_secrets).await
    }

    /// Writes what is queued and closes the file. What is to be written afterwards gets `Closed`.
    pub async fn close(&self) {
        // The readers first: the last connection to go tidies the `-wal` away, and it must be one
        // that can write.
        let (reader, searcher) = (Arc::clone(&self.reader), Arc::clone(&self.searcher));
        let taken = self
            .blocking(move || {
                drop(reader.lock().unwrap_or_else(PoisonError::into_inner).take());
                drop(
                    searcher
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take(),
                );
                Ok(())
            })
            .await;
        if let Err(error) = taken {
            tracing::error!(%error, "The database's reader could not be closed.");
        }
        let (done, closed) = oneshot::channel();
        if self.writer.send(Message::Close(done)).is_ok() && closed.await.is_err() {
            tracing::error!("The database's writer ended without closing it.");
        }
    }

    /// The row as it may be kept, and its text, made by the caller: the thread that all wait for does
    /// not do what each can do for itself. Nothing gets into the file but through here, so no secret is
    /// left in by a way that was forgotten.
    fn text(&self, draft: Draft) -> Result<(Draft, String), StoreError> {
        let draft = draft.redacted();
        let text = draft
            .canonical()
            .map_err(|error| open::cannot_write(&self.path, error))?;
        Ok((draft, text))
    }

    async fn row(&self, op: Op) -> Result<u64, StoreError> {
        let asked = Instant::now();
        let seq = self.write(op).await?.ok_or(StoreError::Closed)?;
        self.metrics.committed(asked.elapsed());
        Ok(seq)
    }

    async fn write(&self, op: Op) -> writer::Outcome {
        let (reply, outcome) = oneshot::channel();
        // Not bounded: each caller waits for its answer, and callers are bounded at the endpoint.
        self.writer
            .send(Message::Write(op, reply))
            .map_err(|_| StoreError::Closed)?;
        let outcome = outcome.await.map_err(|_| StoreError::Closed)?;
        if outcome.is_err() {
            self.metrics.write_failed();
        }
        outcome
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        self.blocking(move || {
            let guard = reader.lock().unwrap_or_else(PoisonError::into_inner);
            guard.as_ref().map(query).transpose()
        })
        .await?
        .ok_or(StoreError::Closed)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| StoreError::Closed)?
            .map_err(|error| open::cannot_read(&self.path, error))
    }

    /// Runs SQL on the writer's own connection.
    #[cfg(test)]
    pub(crate) async fn sql(&self, sql: &str) -> Result<(), StoreError> {
        self.write(Op::Sql(sql.to_owned())).await.map(drop)
    }

    /// Returns when the index holds this many rows.
    #[cfg(test)]
    async fn indexed(&self, at_least: u64) {
        loop {
            let mark = {
                let guard = self.searcher.lock().unwrap_or_else(PoisonError::into_inner);
                let index = guard.as_ref().and_then(|searcher| searcher.index.as_ref());
                index.map(index::mark).transpose().unwrap().unwrap()
            };
            if mark >= at_least {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    #[cfg(test)]
    fn commits(&self) -> u64 {
        self.commits.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests;
