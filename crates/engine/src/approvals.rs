//! The one owner of waiting approvals.

use std::sync::Arc;

use iris_domain::{
    Problem,
    config::Config,
    decision::{Answer, Decision, Human},
    ids::{ApprovalId, SessionId},
    request::{Asker, ToolRequest},
    snapshot::{ApprovalView, EndedApproval},
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::store::{Store, WaitingRecord};

/// What surfaces show of approvals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApprovalsView {
    /// Waiting, oldest first.
    pub pending: Vec<ApprovalView>,
    /// Ended, newest first.
    pub recent: Vec<EndedApproval>,
    /// Set while the audit log cannot be written: everything is denied.
    pub problem: Option<Problem>,
}

/// A handle on the approvals; cheap to clone.
#[derive(Debug, Clone)]
pub struct Approvals {}

impl Approvals {
    /// Records what was lost at the last end, and starts the owner task.
    pub async fn start(
        _config: watch::Receiver<Arc<Config>>,
        _store: Store,
        _lost: Vec<WaitingRecord>,
        _tasks: &TaskTracker,
    ) -> Self {
        Self {}
    }

    /// Puts a request through policy and, if need be, before the human. Returns when it is decided
    /// **and** its audit row is on disk; if that cannot be written, the decision is deny.
    /// Dropping the future withdraws the request.
    pub async fn ask(&self, _asker: Asker, _request: ToolRequest) -> Decision {
        unimplemented!()
    }

    /// A human's answer. The first one wins; later ones get `AlreadyDecided` with who answered.
    pub async fn answer(
        &self,
        _id: ApprovalId,
        _answer: Answer,
        _human: Human,
    ) -> Result<EndedApproval, Problem> {
        unimplemented!()
    }

    /// The session's process ended or was interrupted: its requests are withdrawn.
    pub fn withdraw(&self, _session: SessionId, _why: &'static str) {}

    /// What surfaces show.
    pub fn watch(&self) -> watch::Receiver<Arc<ApprovalsView>> {
        unimplemented!()
    }

    /// Denies and records what waits; nothing can be asked afterwards.
    pub async fn shutdown(&self) {}
}
