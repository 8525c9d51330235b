//! The MCP endpoint on 127.0.0.1: streamable HTTP, with or without TLS on the one port, for the console (`/mcp`) and for each agent
//! (`/mcp/{session}`), protocol eras 2025-11-25 and 2026-07-28, stateless.
//!
//! A request's way: `connection` (TLS or not, how long and how large it may be) → `guard` (whether it may
//! come in, and as whom) → `plain` (tool calls) or rmcp (every other message, and what is wrong with
//! a call) → `server` (never unanswered) → `tools`. What takes its time becomes an event stream in `early`.

mod callbacks;
mod calls;
mod connection;
mod early;
mod envelope;
mod gate;
mod guard;
mod limits;
mod places;
mod plain;
mod ports;
mod probe;
mod refusals;
mod schema;
mod server;
mod tools;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    callbacks::Callbacks,
    ports::{OwnPorts, PortGuard},
    probe::{Expected, ProbeFailure, Probes, probe},
};
use self::{
    guard::{Guard, Known},
    limits::Limits,
    server::Server,
};
use crate::{
    agents::Agents, approvals::Approvals, metrics::Page, store::Store, teams::Teams, tls::Tls,
    tokens::Tokens, transcripts::Transcripts,
};

/// What the endpoint serves with.
#[derive(Debug, Clone)]
pub struct EndpointDeps {
    /// Who calls.
    pub tokens: Tokens,
    /// For connections that begin with a TLS handshake.
    pub tls: Tls,
    /// The remote ends of tunnels, which are ours, too.
    pub own_ports: OwnPorts,
    /// Nonces that prove where a tunnel ends.
    pub probes: Probes,
    /// What agents may call, and how often.
    pub callbacks: Callbacks,
    /// For `permissions__approve`.
    pub approvals: Approvals,
    /// For `get_agent` and the prompts.
    pub agents: Agents,
    /// For the team tools.
    pub teams: Teams,
    /// For `session_report`.
    pub transcripts: Transcripts,
    /// The config and the state of everything, for `list_teams` and `team_status`.
    pub snapshot: tokio::sync::watch::Receiver<std::sync::Arc<iris_domain::snapshot::Snapshot>>,
    /// Where the log files are, for `get_logs`.
    pub logs: PathBuf,
    /// That a team is cut off is an audit row.
    pub store: Store,
    /// Every task is spawned here.
    pub tasks: TaskTracker,
    /// Ends it.
    pub shutdown: CancellationToken,
}

/// Serves until `shutdown`; then no connection is accepted, and what is being answered gets a
/// moment to end. A listener that others than this computer can reach is not served.
pub fn serve(listener: TcpListener, deps: EndpointDeps) {
    let limits = Limits::default();
    let port = match listener.local_addr() {
        Ok(address) if address.ip().is_loopback() => address.port(),
        Ok(address) => {
            tracing::error!(%address, "the MCP endpoint serves loopback addresses only: not served");
            return;
        }
        Err(error) => {
            tracing::error!(%error, "the MCP endpoint's socket has no address: not served");
            return;
        }
    };
    let refusals = deps.callbacks.refusals().clone();
    let page = Page::new(deps.store.metrics().clone(), deps.snapshot.clone());
    let server = Server::new(tools::Tools {
        metrics: page.metrics().clone(),
        approvals: deps.approvals,
        agents: deps.agents,
        teams: deps.teams.clone(),
        transcripts: deps.transcripts,
        snapshot: deps.snapshot,
        logs: deps.logs,
        refusals: refusals.clone(),
        callbacks: deps.callbacks.clone(),
    });
    deps.tasks.spawn(callbacks::end_agents(
        deps.callbacks.clone(),
        deps.teams,
        deps.store,
        deps.shutdown.clone(),
    ));
    let known = Known {
        ports: deps.own_ports,
        probes: deps.probes,
        tokens: deps.tokens,
        callbacks: deps.callbacks,
        refusals,
        page,
    };
    let guard = Guard::new(port, known, limits, server);
    deps.tasks.spawn(connection::accept(
        listener,
        guard,
        deps.tls.acceptor(),
        limits,
        deps.tasks.clone(),
        deps.shutdown,
    ));
}
