//! A link's way up, step by step: for who wants to see where it fails.

use std::{sync::Arc, time::Duration};

use iris_domain::{Problem, snapshot::LinkState};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{Lease, shutting_down, task::Told, view::Status};

impl Lease {
    /// Whether the link was proved and no proof has failed since.
    pub fn is_up(&self) -> bool {
        self.status.borrow().state == LinkState::Up
    }

    /// Waits until `ssh` has signed in.
    ///
    /// # Errors
    /// Why this attempt failed. Whether another one follows is not waited for; the same holds for
    /// the steps below.
    pub async fn signed_in(&self) -> Result<(), Problem> {
        self.until(|status| match status.state {
            LinkState::Verifying | LinkState::Up | LinkState::Degraded => Some(Ok(())),
            LinkState::Down | LinkState::Connecting => None,
            LinkState::Reconnecting | LinkState::NeedsYou => Some(Err(trouble(status))),
        })
        .await
    }

    /// Waits until programs of Iris have run on the host.
    ///
    /// # Errors
    /// Why not.
    pub async fn usable(&self) -> Result<(), Problem> {
        self.until(|status| match status.state {
            LinkState::Up | LinkState::Degraded => Some(Ok(())),
            LinkState::Down | LinkState::Connecting | LinkState::Verifying => None,
            LinkState::Reconnecting | LinkState::NeedsYou => Some(Err(trouble(status))),
        })
        .await
    }

    /// Waits for the team's tunnel; its port, or `None` for a team that wants none.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn tunnel(&self) -> Result<Option<u16>, Problem> {
        let Some(wanted) = self.tunnel else {
            return Ok(None);
        };
        let port = self.until(|status| match status.tunnels.get(&wanted) {
            Some(tunnel) => Some(tunnel.clone().map_err(|failure| failure.problem)),
            None => down(status).map(Err),
        });
        port.await.map(Some)
    }

    /// A proof that came back after `since`, and how long it took; asks for one if there is none.
    ///
    /// # Errors
    /// Why none came back.
    pub async fn proof(&self, since: Timestamp) -> Result<Duration, Problem> {
        let fresh = |status: &Status| {
            let (at, took) = status.verified?;
            (at >= since).then_some(took)
        };
        if let Some(took) = fresh(&self.status.borrow()) {
            return Ok(took);
        }
        let (heard, ack) = oneshot::channel();
        self.told
            .send(Told::Prove(heard))
            .map_err(|_| shutting_down())?;
        ack.await.map_err(|_| shutting_down())?;
        // Of a link that was degraded before, only the next proof says something.
        let before = self.status.borrow().problem.clone();
        self.until(|status| match (fresh(status), status.state) {
            (Some(took), _) => Some(Ok(took)),
            (None, LinkState::Degraded) if status.problem != before => Some(Err(trouble(status))),
            (None, _) => down(status).map(Err),
        })
        .await
    }

    async fn until<T>(
        &self,
        seen: impl Fn(&Status) -> Option<Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let mut status = self.status.clone();
        loop {
            let now = Arc::clone(&status.borrow_and_update());
            if let Some(outcome) = seen(&now) {
                return outcome;
            }
            status.changed().await.map_err(|_| shutting_down())?;
        }
    }
}

/// What is wrong with a link that was usable and is not any more.
fn down(status: &Status) -> Option<Problem> {
    match status.state {
        LinkState::Reconnecting | LinkState::NeedsYou => Some(trouble(status)),
        // One that was up is tried again at once, with what went wrong in hand.
        LinkState::Connecting => status.problem.clone(),
        LinkState::Down | LinkState::Verifying | LinkState::Up | LinkState::Degraded => None,
    }
}

fn trouble(status: &Status) -> Problem {
    status.problem.clone().unwrap_or_else(shutting_down)
}
