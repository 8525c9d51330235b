//! `$IRIS_HOME/iris.db`: sessions, waiting approvals, the audit log. One writer thread, which
//! commits what came meanwhile in one transaction.

use iris_domain::{
    Problem,
    audit::{Draft, Row},
    ids::{ApprovalId, Party, SessionId, TeamName},
};
use jiff::Timestamp;

use crate::home::Home;

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

/// Why the database did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, read-only, or gone.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// The database file.
        path: String,
        /// What SQLite said.
        reason: String,
    },
    /// The store is shut down.
    #[error("the database is closed")]
    Closed,
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

/// Which audit rows.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditQuery {
    /// Of this team only.
    pub team: Option<String>,
    /// Only rows before this place (for paging backwards).
    pub before: Option<u64>,
    /// At most so many; `None`: all.
    pub limit: Option<u32>,
}

/// What a check of the audit chain found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainCheck {
    /// How many rows were read.
    pub rows: u64,
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
    pub async fn open(_home: &Home) -> Result<Opened, StoreError> {
        unimplemented!()
    }
    /// Writes a row; returns when it is on disk.
    pub async fn append(&self, _draft: Draft) -> Result<Row, StoreError> {
        unimplemented!()
    }
    /// Keeps a waiting approval; returns when it is on disk.
    pub async fn keep_waiting(&self, _waiting: WaitingRecord) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Writes a waiting approval's row and forgets that it waits, in one transaction.
    pub async fn end_waiting(&self, _id: ApprovalId, _draft: Draft) -> Result<Row, StoreError> {
        unimplemented!()
    }
    /// Audit rows, newest first.
    pub async fn audit(&self, _query: AuditQuery) -> Result<Vec<Row>, StoreError> {
        unimplemented!()
    }
    /// Checks the whole chain.
    pub async fn verify(&self) -> Result<ChainCheck, StoreError> {
        unimplemented!()
    }
    /// The conversation of a pair.
    pub async fn session(
        &self,
        _from: &Party,
        _to: &TeamName,
    ) -> Result<Option<SessionRecord>, StoreError> {
        unimplemented!()
    }
    /// Keeps a conversation's record (insert or replace by pair).
    pub async fn save_session(&self, _record: SessionRecord) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Notes a live agent's process group, so that the next start can end it if this Iris cannot.
    pub async fn note_group(&self, _pgid: i32, _started: u64) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// Forgets a process group that ended.
    pub async fn forget_group(&self, _pgid: i32) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// The process groups that were noted and not forgotten, with their start time (clock ticks since boot).
    pub async fn noted_groups(&self) -> Result<Vec<(i32, u64)>, StoreError> {
        unimplemented!()
    }
    /// Writes what is queued and closes the file.
    pub async fn close(&self) {}
}
