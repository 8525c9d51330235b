//! What a process needs before it can be started.

use iris_domain::{
    Problem,
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

/// Waits until the way is proved and a place is free; `trouble` hears why the way takes long.
///
/// # Errors
/// What waiting does not mend.
pub(super) async fn take(
    deps: TeamsDeps,
    slots: Slots,
    to: TeamName,
    session: SessionId,
    mailbox: mpsc::WeakSender<Command>,
    trouble: mpsc::Sender<Problem>,
) -> Result<Place, Failure> {
    let (team, max) = {
        let config = deps.config.borrow();
        (
            config.teams.get(&to).cloned(),
            config.settings.max_processes,
        )
    };
    // The way first: who waits for a host for hours must not hold a place.
    let remote = match team.filter(|team| team.remote.is_some()) {
        None => None,
        Some(team) => {
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
    let max = usize::try_from(max).unwrap_or(usize::MAX).max(1);
    let slot = slots.take(mailbox, max).await.map_err(|problem| Failure {
        problem,
        cure: Cure::Room,
    })?;
    Ok(Place { slot, remote })
}
