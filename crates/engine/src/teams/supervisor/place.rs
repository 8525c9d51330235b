//! What a process needs before it can be started.

use iris_domain::{
    Problem,
    config::Team,
    ids::{SessionId, TeamName},
    session::{Cure, Failure},
};
use tokio::sync::mpsc;
use tracing::debug;

use super::{Command, TeamsDeps};
use crate::{
    links::{Lease, Reach},
    teams::slots::{Slot, Slots},
};

/// A place among the processes that may run and, for a team on another host, the way there.
pub(super) struct Place {
    pub slot: Slot,
    pub remote: Option<(Lease, Reach)>,
}

/// Whether the same way leads to both. One that was made for other settings leads to another host,
/// or without the tunnel that the team should have.
pub(super) fn same_way(one: &Team, other: &Team) -> bool {
    one.remote == other.remote
        && one.remote_options == other.remote_options
        && one.enable_reverse_mcp == other.enable_reverse_mcp
        && one.reverse_mcp_port == other.reverse_mcp_port
        && one.allow_http == other.allow_http
}

/// Waits until the way to this team is proved and a place is free; `trouble` hears why the way takes
/// long.
///
/// # Errors
/// What waiting does not mend.
pub(super) async fn take(
    deps: TeamsDeps,
    slots: Slots,
    to: TeamName,
    team: Team,
    session: SessionId,
    mailbox: mpsc::WeakSender<Command>,
    trouble: mpsc::Sender<Problem>,
) -> Result<Place, Failure> {
    // The way first: who waits for a host for hours must not hold a place.
    let remote = match team.remote {
        None => None,
        Some(_) => {
            let lease = deps.links.lease(&to, &team).await?;
            let reach = lease
                .ready(session, |problem| {
                    if trouble.try_send(problem).is_err() {
                        debug!("nobody wants to know why the host is not reached");
                    }
                })
                .await?;
            Some((lease, reach))
        }
    };
    let max = deps.config.borrow().settings.max_processes;
    let max = usize::try_from(max).unwrap_or(usize::MAX).max(1);
    let slot = slots.take(mailbox, max).await.map_err(|problem| Failure {
        problem,
        cure: Cure::Room,
    })?;
    Ok(Place { slot, remote })
}
