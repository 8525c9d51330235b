//! The MCP endpoint on 127.0.0.1.

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{approvals::Approvals, store::Store, teams::Teams, tokens::Tokens};

/// What the endpoint serves with.
#[derive(Debug, Clone)]
pub struct EndpointDeps {
    /// Who calls.
    pub tokens: Tokens,
    /// For `permissions__approve`.
    pub approvals: Approvals,
    /// For the team tools.
    pub teams: Teams,
    /// The config and the state of everything, for `list_teams` and `team_status`.
    pub snapshot: tokio::sync::watch::Receiver<std::sync::Arc<iris_domain::snapshot::Snapshot>>,
    /// Refused calls are audit rows.
    pub store: Store,
    /// Every task is spawned here.
    pub tasks: TaskTracker,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// Serves until `shutdown`.
pub fn serve(_listener: TcpListener, _deps: EndpointDeps) {}
