//! What who needs a link holds.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use iris_domain::{
    Problem,
    ids::SessionId,
    session::{Cure, Failure},
    snapshot::LinkState,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Live, human, lines::Seat, live::Alive, shutting_down, task::Told, tunnel::Wanted, view::Status,
};
use crate::{
    process::{Halted, Program},
    remote::{self, Run},
    ssh,
};

/// How long a host may take to stop an agent: a link that takes longer is cut instead.
const HALT_LIMIT: Duration = Duration::from_secs(4);

/// A share of a link. The link is up, or tried, until the last one is dropped.
#[derive(Debug)]
pub struct Lease {
    pub(super) id: u64,
    pub(super) destination: String,
    pub(super) account: String,
    pub(super) link: Arc<str>,
    pub(super) tunnel: Option<Wanted>,
    pub(super) told: mpsc::UnboundedSender<Told>,
    pub(super) status: watch::Receiver<Arc<Status>>,
    pub(super) live: Live,
}

/// A proven way to the host, with a place for one session.
#[derive(Debug)]
pub struct Reach {
    /// The tunnel's port on the host; none for a team without a tunnel.
    pub port: Option<u16>,
    seat: Seat,
    told: mpsc::UnboundedSender<Told>,
    _alive: Alive,
}

impl Lease {
    /// The destination, for people.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// `user@host`, in whose name ssh asks.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Waits until the link was proved, with the team's tunnel, however long that takes; then takes
    /// a place for this session. `trouble` hears once why that takes long.
    ///
    /// # Errors
    /// What only a human can mend.
    pub async fn ready(
        &self,
        session: SessionId,
        trouble: impl Fn(Problem),
    ) -> Result<Reach, Failure> {
        let alive = self.live.hold(&self.link, session);
        let mut status = self.status.clone();
        let mut told = false;
        let mut tell = |problem: &Problem| {
            if !std::mem::replace(&mut told, true) {
                trouble(problem.clone());
            }
        };
        let port = loop {
            let now = Arc::clone(&status.borrow_and_update());
            match now.state {
                LinkState::NeedsYou => {
                    return Err(human(now.problem.clone().unwrap_or_else(shutting_down)));
                }
                LinkState::Up => match self.tunnel {
                    None => break None,
                    Some(wanted) => match now.tunnels.get(&wanted) {
                        Some(Ok(port)) => break Some(*port),
                        Some(Err(failure)) if failure.cure == Cure::Human => {
                            return Err(failure.clone());
                        }
                        Some(Err(failure)) => tell(&failure.problem),
                        None => {}
                    },
                },
                // What was wrong before this attempt is no news.
                LinkState::Down | LinkState::Connecting | LinkState::Verifying => {}
                // No token goes over a tunnel whose last proof did not come back.
                LinkState::Degraded | LinkState::Reconnecting => {
                    if let Some(problem) = &now.problem {
                        tell(problem);
                    }
                }
            }
            status.changed().await.map_err(|_| human(shutting_down()))?;
        };
        let (reply, seat) = oneshot::channel();
        self.told
            .send(Told::Seat(reply))
            .map_err(|_| human(shutting_down()))?;
        // The link went away meanwhile: it is tried again, and so is this.
        let seat = seat.await.map_err(|_| Failure {
            problem: shutting_down(),
            cure: Cure::Link,
        })??;
        Ok(Reach {
            port,
            seat,
            told: self.told.clone(),
            _alive: alive,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.told.send(Told::Release(self.id)).is_err() {
            tracing::debug!("the link's task has ended");
        }
    }
}

impl Reach {
    /// The program that runs a command on the host.
    pub fn program(&self, command: &str) -> Program {
        self.seat.connection.session(command)
    }

    /// The host took no further session on this connection: it gets no more.
    pub fn is_full(&self) {
        self.seat.was_none();
        self.tell(Told::Full(Arc::clone(&self.seat.connection)));
    }

    /// Runs one of the programs of [`remote`] to its end; its output.
    ///
    /// # Errors
    /// When the connection is gone, and when it takes too long.
    pub async fn run(&self, line: &str, at_most: Duration) -> Result<String, ssh::Failure> {
        let line = format!("{line}\n");
        let connection = &self.seat.connection;
        let ran = connection
            .run(remote::COMMAND, line.as_bytes(), at_most)
            .await?;
        Ok(ran.stdout)
    }

    /// Whether the connection has ended, even if nobody was told yet.
    pub fn is_gone(&self) -> bool {
        self.seat.connection.is_gone()
    }

    /// The run's `ssh` had to be killed, which its far end does not notice: it is ended there.
    pub fn end(&self, run: Run) {
        self.tell(Told::End(run));
    }

    /// What stops the agent of this run where it stands, or lets it go on, and says what was seen of it.
    /// `None`: the host did not say, or not in time.
    pub fn halting(
        &self,
        instance: &str,
        run: Run,
    ) -> impl Fn(remote::Halt) -> BoxFuture<'static, Option<Halted>> + Send + Sync + use<> {
        let (connection, instance) = (Arc::clone(&self.seat.connection), instance.to_owned());
        move |what| {
            let nonce = remote::Nonce::random();
            let mut line = remote::halt(&nonce, &instance, run, what).into_bytes();
            line.push(b'\n');
            let connection = Arc::clone(&connection);
            Box::pin(async move {
                let ran = connection.run(remote::COMMAND, &line, HALT_LIMIT).await;
                let ran = ran.inspect_err(|failure| {
                    tracing::warn!(%failure, %run, "an agent was not halted on its host");
                });
                let ran = ran.ok()?;
                let mut lines = ran.stdout.lines();
                match lines.find_map(|line| remote::read(&nonce, line))? {
                    remote::Said::Halted { found, stopped } => Some(Halted { found, stopped }),
                    _ => None,
                }
            })
        }
    }

    fn tell(&self, told: Told) {
        if self.told.send(told).is_err() {
            tracing::debug!("the link's task has ended");
        }
    }
}
