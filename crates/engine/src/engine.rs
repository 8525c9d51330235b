//! The engine: everything wired together.

use std::sync::Arc;

use iris_domain::{Problem, snapshot::Snapshot};
use tokio::sync::{mpsc, watch};

use crate::{
    approvals::Approvals, config_file::ConfigFile, environment::Environment, home::Home,
    secrets::Secrets, store::Store, teams::Teams, tokens::Tokens,
};

/// What an engine is made of: the only place where the outside comes in.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Where everything is kept.
    pub home: Home,
    /// The environment of the Iris process.
    pub env: Environment,
    /// Wins over the config's port; 0: any free one.
    pub port: Option<u16>,
    /// The keychain.
    pub secrets: Secrets,
}

/// A running Iris; cheap to clone. The fields are the concerns; each is a handle.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Config.
    pub config: ConfigFile,
    /// Waiting approvals.
    pub approvals: Approvals,
    /// Sessions.
    pub teams: Teams,
    /// Database.
    pub store: Store,
    /// Tokens.
    pub tokens: Tokens,
    /// Where everything is kept.
    pub home: Home,
    /// The environment of the Iris process.
    pub env: Environment,
    /// The keychain.
    pub secrets: Secrets,
}

impl Engine {
    /// Starts everything; returns when the endpoint accepts.
    pub async fn start(_deps: Deps) -> Result<Self, Problem> {
        unimplemented!()
    }
    /// What surfaces show.
    pub fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        unimplemented!()
    }
    /// Says when someone started Iris a second time: show the window. One taker.
    pub fn show_requests(&self) -> Option<mpsc::Receiver<()>> {
        None
    }
    /// Ends everything in order: no child, socket or lock is left.
    pub async fn shutdown(&self) {}
}
