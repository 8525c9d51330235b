//! A session whose team is frozen: its agent is stopped where it stands, nothing is started, and no
//! time passes.

use futures::FutureExt as _;
use tokio::{sync::oneshot, time::Instant};
use tracing::debug;

use super::{Halt, Supervisor};
use crate::{process::Halted, remote};

impl Supervisor {
    pub(super) fn is_frozen(&self) -> bool {
        self.deps.freeze.is_frozen(&self.record.to)
    }

    /// Stops the agent; the answer comes when the process table shows it.
    pub(super) fn halt(&self, reply: oneshot::Sender<Halt>) {
        let host = self.record.to.to_string();
        let host = self
            .configured()
            .map_or(host, |team| team.host().to_owned());
        let halting = match &self.agent {
            Some(agent) => agent.halt(self.record.id, &self.deps.instance, remote::Halt::Stop),
            None => async { Some(Halted::default()) }.boxed(),
        };
        self.deps.tasks.spawn(async move {
            let halted = halting.await.map_or(Halt::Unreached(host), Halt::Done);
            if reply.send(halted).is_err() {
                debug!("nobody waits for what was halted");
            }
        });
    }

    /// Lets the agent go on; the times that it has begin anew.
    pub(super) fn go_on(&mut self, reply: oneshot::Sender<()>) {
        if let Some((timer, _)) = self.timer {
            self.timer = self
                .limit(timer)
                .map(|limit| (timer, Instant::now() + limit));
        }
        let going = match &self.agent {
            Some(agent) => agent.halt(self.record.id, &self.deps.instance, remote::Halt::GoOn),
            None => async { None }.boxed(),
        };
        self.deps.tasks.spawn(async move {
            going.await;
            if reply.send(()).is_err() {
                debug!("nobody waits for what goes on");
            }
        });
    }
}
