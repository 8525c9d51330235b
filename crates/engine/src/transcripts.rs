//! `$IRIS_HOME/transcripts.db`: what happens in each session, live and searchable.
//!
//! It is beside everything that must be right: a file and a thread of its own, so that neither a
//! permission nor a message waits for it. Who notes an entry never waits: what comes faster than it can be
//! written loses its details first, and the record says how many entries are missing.

mod follow;
mod queue;
mod read;
mod tables;
mod writer;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use iris_domain::{
    Problem,
    display::one_line,
    ids::{SessionId, TeamName},
    problem::Code,
    transcript::{Conversation, Entry, Page, Query, Spent},
};
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use crate::{clock, home::Home, store::open as files};
use queue::{Noted, Order, Queue};
use writer::Writer;

pub use follow::Following;

/// What SQLite says of a damaged file is cut to this many characters.
const REASON_MAX: usize = 200;

/// A handle on the transcripts; cheap to clone.
#[derive(Debug, Clone)]
pub struct Transcripts {
    path: PathBuf,
    queue: Arc<Queue>,
    /// `None` once it is closed, and when the file could not be opened.
    reader: Arc<Mutex<Option<Connection>>>,
    /// The place of the newest entry that can be read.
    newest: watch::Receiver<u64>,
    sums: watch::Receiver<Arc<Sums>>,
}

/// What was spent, added up over all that was ever noted and not deleted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sums {
    /// By session.
    pub sessions: BTreeMap<SessionId, Spent>,
    /// By team.
    pub teams: BTreeMap<TeamName, Spent>,
}

/// Why the transcripts did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// The disk is gone, or the file was damaged while Iris ran.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The file.
        path: String,
        /// What SQLite said.
        reason: String,
    },
    /// The disk is full, read-only, or gone.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// The file.
        path: String,
        /// What SQLite said.
        reason: String,
    },
    /// They were not opened, or are closed.
    #[error("the transcripts are closed")]
    Closed,
}

impl From<TranscriptError> for Problem {
    fn from(error: TranscriptError) -> Self {
        let (code, hint) = match &error {
            TranscriptError::Read { .. } | TranscriptError::Write { .. } => (
                Code::Storage,
                "Free some disk space, or make the file writable for you. It can be deleted while Iris does not run: only the transcripts are lost with it.",
            ),
            TranscriptError::Closed => (
                Code::Unavailable,
                "Iris is shutting down, or could not open them; `iris status` says so.",
            ),
        };
        Self::new(code, format!("{error}."), hint)
    }
}

impl Transcripts {
    /// Opens the file, or makes one; it is in use by nobody else, for the home is locked. A damaged one is
    /// kept aside. Without a file nothing is kept, and the problem says so: agents work all the same.
    pub fn open(home: &Home) -> (Self, Option<Problem>) {
        let path = home.transcripts();
        let (opened, problem) = match tables::open(&path) {
            Ok(opened) => (Some(opened), None),
            Err(error) if is_damaged(&error) => match files::keep_aside(&path) {
                Ok(kept) => {
                    let problem = Problem::new(
                        Code::Storage,
                        format!(
                            "The transcripts were corrupt ({}). They are kept as {}; new ones were started.",
                            one_line(&error.to_string(), REASON_MAX),
                            kept.display()
                        ),
                        "Nothing else depends on them. Delete the kept file when you do not need it.",
                    );
                    match tables::open(&path) {
                        Ok(opened) => (Some(opened), Some(problem)),
                        Err(error) => (None, Some(not_kept(&path.display().to_string(), &error))),
                    }
                }
                Err(error) => (None, Some(not_kept(&path.display().to_string(), &error))),
            },
            Err(error) => (None, Some(not_kept(&path.display().to_string(), &error))),
        };
        let queue = Arc::new(Queue::default());
        let (newest, newest_seen) = watch::channel(0);
        let (sums, sums_seen) = watch::channel(Arc::default());
        let reader = opened.and_then(|opened| {
            newest.send_replace(opened.newest);
            sums.send_replace(Arc::new(opened.sums));
            let writer = Writer::new(opened.writer, Arc::clone(&queue), newest, sums);
            let thread = std::thread::Builder::new()
                .name("iris-transcripts".into())
                .spawn(move || writer.run());
            match thread {
                Ok(_) => Some(opened.reader),
                Err(error) => {
                    tracing::error!(%error, "The thread of the transcripts could not be started.");
                    None
                }
            }
        });
        if reader.is_none() {
            queue.close();
        }
        let transcripts = Self {
            path,
            queue,
            reader: Arc::new(Mutex::new(reader)),
            newest: newest_seen,
            sums: sums_seen,
        };
        (transcripts, problem)
    }

    /// Notes what happened; never waits.
    pub fn note(&self, conversation: &Arc<Conversation>, entry: Entry) {
        self.note_within(conversation, None, entry);
    }

    /// The same, of a subagent that this tool call started.
    pub fn note_within(
        &self,
        conversation: &Arc<Conversation>,
        within: Option<String>,
        mut entry: Entry,
    ) {
        entry.cut();
        self.queue.push(Noted {
            time: clock::now(),
            conversation: Arc::clone(conversation),
            within,
            entry,
        });
    }

    /// The entries that are meant; all that was noted before is among them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn page(&self, query: Query) -> Result<Page, TranscriptError> {
        self.written().await;
        self.read(move |connection| read::page(connection, &query))
            .await
    }

    /// Everything that is meant after this place, as it comes.
    pub fn follow(&self, query: Query, after: u64) -> Following {
        Following::new(self.clone(), query, after)
    }

    /// What comes after `after`, as soon as there is some; at most for so long, then an empty page. Who
    /// asks again with its `upto` misses nothing and gets nothing twice.
    ///
    /// # Errors
    /// When the file cannot be read; [`TranscriptError::Closed`] when Iris ends.
    pub async fn newer(&self, query: Query, at_most: Duration) -> Result<Page, TranscriptError> {
        let mut following = self.follow(query.clone(), query.after.unwrap_or(0));
        let lines = match timeout(at_most, following.next()).await {
            Ok(lines) => lines?.ok_or(TranscriptError::Closed)?,
            Err(_) => Vec::new(),
        };
        let more = lines.len() >= query.entries();
        let upto = following.upto();
        Ok(Page { lines, upto, more })
    }

    /// What was spent.
    pub fn sums(&self) -> watch::Receiver<Arc<Sums>> {
        self.sums.clone()
    }

    /// Deletes all of a session, its sums included; returns when it is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn forget(&self, session: SessionId) -> Result<(), TranscriptError> {
        self.order(|reply| Order::Forget(session, reply)).await
    }

    /// Deletes what happened before this; returns when it is gone. Sums stay.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn prune(&self, before: Timestamp) -> Result<(), TranscriptError> {
        self.order(|reply| Order::Prune(before.as_millisecond(), reply))
            .await
    }

    /// Writes what was noted, and closes the file.
    pub async fn close(&self) {
        let reader = Arc::clone(&self.reader);
        let taken = tokio::task::spawn_blocking(move || {
            drop(reader.lock().unwrap_or_else(PoisonError::into_inner).take());
        });
        if taken.await.is_err() {
            tracing::error!("The reader of the transcripts could not be closed.");
        }
        let (done, closed) = oneshot::channel();
        self.queue.order(Order::Close(done));
        // It is closed already when nobody answers.
        drop(closed.await);
    }

    /// Returns when all that was noted before can be read.
    async fn written(&self) {
        let (done, written) = oneshot::channel();
        self.queue.order(Order::Tell(done));
        drop(written.await);
    }

    async fn order(
        &self,
        order: impl FnOnce(queue::Reply) -> Order,
    ) -> Result<(), TranscriptError> {
        let (reply, done) = oneshot::channel();
        self.queue.order(order(reply));
        done.await
            .map_err(|_| TranscriptError::Closed)?
            .map_err(|error| TranscriptError::Write {
                path: self.path.display().to_string(),
                reason: error.to_string(),
            })
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, TranscriptError> {
        let reader = Arc::clone(&self.reader);
        let read = tokio::task::spawn_blocking(move || {
            let guard = reader.lock().unwrap_or_else(PoisonError::into_inner);
            guard.as_ref().map(query).transpose()
        });
        read.await
            .map_err(|_| TranscriptError::Closed)?
            .map_err(|error| TranscriptError::Read {
                path: self.path.display().to_string(),
                reason: error.to_string(),
            })?
            .ok_or(TranscriptError::Closed)
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
    )
}

fn not_kept(path: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Code::Storage,
        format!("No transcript of sessions is kept: {path} cannot be used ({error})."),
        "Make it a file that you may write to, or delete it, and start Iris again. Agents work all the same.",
    )
}

#[cfg(test)]
mod tests;
