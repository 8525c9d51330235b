//! What an agent asks on its control channel, until it is decided.

use std::{
    fmt,
    future::{pending, poll_fn},
    task::Poll,
};

use futures::future::BoxFuture;
use iris_domain::{
    decision::Decision,
    request::{Asker, Circumstances, ToolRequest},
};

use crate::{approvals::Approvals, claude::Unreadable};

/// So many requests of one agent may wait. Claude Code asks for a few tools of a turn at once; more
/// than this is a flood.
const WAITING_MAX: usize = 64;

/// So many may wait together with those that are denied and wait for their row. What comes beyond
/// that is denied without one: an agent must not be able to fill the memory.
const WITH_REFUSED_MAX: usize = 2 * WAITING_MAX;

/// [`WITH_REFUSED_MAX`] is reached.
#[derive(Debug, thiserror::Error)]
#[error("Denied by Iris: {WITH_REFUSED_MAX} requests of this agent wait already.")]
pub(super) struct Full;

/// The requests of one agent. Dropping it withdraws them.
pub(super) struct Asking {
    approvals: Approvals,
    asker: Asker,
    waiting: Vec<(String, BoxFuture<'static, Decision>)>,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("asker", &self.asker)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Asking {
    pub fn new(approvals: Approvals, asker: Asker) -> Self {
        Self {
            approvals,
            asker,
            waiting: Vec::new(),
        }
    }

    /// Puts a request before policy and human, or denies what is none; [`decided`] gives the
    /// decision, which is on record then.
    pub fn ask(
        &mut self,
        id: String,
        request: Result<(ToolRequest, Circumstances), Unreadable>,
    ) -> Result<(), Full> {
        if self.waiting.len() >= WITH_REFUSED_MAX {
            return Err(Full);
        }
        let is_flood = self.waiting.len() >= WAITING_MAX;
        let (approvals, asker) = (self.approvals.clone(), self.asker.clone());
        let decision: BoxFuture<'static, Decision> = match request {
            Ok((request, _)) if is_flood => Box::pin(async move {
                let why = format!("{WAITING_MAX} requests of this agent wait already.");
                let input = request.input.to_string();
                approvals
                    .refuse(asker, "limit", &request.tool, &input, &why)
                    .await
            }),
            Ok((request, circumstances)) => {
                Box::pin(async move { approvals.ask_with(asker, request, circumstances).await })
            }
            Err(Unreadable { tool, text, why }) => Box::pin(async move {
                let why = format!(
                    "it could not read the request: {why}. If this goes on, Iris is too old for this Claude Code."
                );
                approvals
                    .refuse(asker, "unreadable", &tool, &text, &why)
                    .await
            }),
        };
        self.waiting.push((id, decision));
        Ok(())
    }

    /// The agent no longer wants an answer to this request.
    pub fn withdraw(&mut self, id: &str) {
        self.waiting.retain(|(waiting, _)| waiting != id);
    }
}

/// The next decision, with the id of its request; never, where nothing waits. Cancellation safe.
pub(super) async fn decided(asking: &mut Option<Asking>) -> (String, Decision) {
    let Some(asking) = asking else {
        return pending().await;
    };
    poll_fn(|context| {
        let ready = asking
            .waiting
            .iter_mut()
            .enumerate()
            .find_map(
                |(at, (_, decision))| match decision.as_mut().poll(context) {
                    Poll::Ready(decision) => Some((at, decision)),
                    Poll::Pending => None,
                },
            );
        match ready {
            Some((at, decision)) => Poll::Ready((asking.waiting.swap_remove(at).0, decision)),
            None => Poll::Pending,
        }
    })
    .await
}
