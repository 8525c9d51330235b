//! The teams' sessions: one supervisor task each.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use iris_domain::{
    Problem,
    config::Config,
    ids::{Party, TeamName},
    message::SendOutcome,
    snapshot::SessionView,
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{
    approvals::Approvals, environment::Environment, home::Home, store::Store, tokens::Tokens,
};

/// What the supervisors need.
#[derive(Debug, Clone)]
pub struct TeamsDeps {
    /// For relative team paths.
    pub home: Home,
    /// What the agents' clean environment is made from.
    pub env: Environment,
    /// The config that holds.
    pub config: watch::Receiver<Arc<Config>>,
    /// Session records and noted process groups.
    pub store: Store,
    /// Mints a token per process.
    pub tokens: Tokens,
    /// Withdraws what a dead process asked.
    pub approvals: Approvals,
    /// `http://127.0.0.1:PORT/mcp`; an agent gets `…/mcp/{session}`.
    pub endpoint: String,
    /// Every task is spawned here.
    pub tasks: TaskTracker,
}

/// A handle on the teams; cheap to clone.
#[derive(Debug, Clone)]
pub struct Teams {}

/// The sessions of each team.
pub type SessionViews = BTreeMap<TeamName, Vec<SessionView>>;

impl Teams {
    /// Ends what the last Iris left behind, and starts the owner task. No agent is started.
    pub async fn start(_deps: TeamsDeps) -> Self {
        Self {}
    }
    /// Starts the pair's process unless it runs; returns when it is ready, or why it is not.
    pub async fn wake(&self, _from: Party, _to: TeamName) -> Result<SessionView, Problem> {
        unimplemented!()
    }
    /// Ends every process of the team in order; returns when they are gone. With `from`, only that
    /// pair's. `Ok(false)`: there was none.
    pub async fn sleep(&self, _from: Option<Party>, _to: TeamName) -> Result<bool, Problem> {
        unimplemented!()
    }
    /// Sends a message and waits for the answer, at most `timeout` (`None`: for ever), start-up
    /// included. After a timeout the agent goes on.
    pub async fn send(
        &self,
        _from: Party,
        _to: TeamName,
        _text: String,
        _timeout: Option<Duration>,
    ) -> SendOutcome {
        unimplemented!()
    }
    /// Interrupts the running turn of a pair. `Ok(false)`: nothing ran.
    pub async fn interrupt(&self, _from: Party, _to: TeamName) -> Result<bool, Problem> {
        unimplemented!()
    }
    /// The sessions.
    pub fn watch(&self) -> watch::Receiver<Arc<SessionViews>> {
        unimplemented!()
    }
    /// Ends every process in order.
    pub async fn shutdown(&self) {}
}
