//! Who stops agents and lets them go on.
//!
//! Each agent has one halter, a task that does what is frozen says *now*, one thing after the other: a
//! freeze that comes while a thaw is carried out, or the reverse, is the next thing that it does. So the
//! last order wins, whichever was carried out faster.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, join_all};
use iris_domain::{
    freeze::{Frozen, Proof},
    ids::{SessionId, TeamName},
};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use super::supervisor::Command;
use crate::{
    claude,
    process::{self, Halted},
    remote::Halt,
};

/// The halters of all agents; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Halters(Arc<Mutex<Vec<Known>>>);

#[derive(Debug, Clone)]
struct Known {
    team: TeamName,
    seen: watch::Receiver<Seen>,
}

/// What was seen of an agent when it was last stopped.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// The freeze for which it was.
    order: u64,
    halted: Halted,
    /// Its host, if that did not answer.
    unreached: Option<String>,
}

/// A place for an agent that is about to be started: a freeze that comes meanwhile waits for it.
#[derive(Debug)]
pub(super) struct Seat {
    team: TeamName,
    seen: watch::Sender<Seen>,
}

/// What a halter acts on.
pub(super) struct Target {
    /// The agent's session.
    pub session: SessionId,
    /// Where it runs, as it is shown.
    pub host: String,
    /// Its process here.
    pub pid: u32,
    /// Does it on its host, where that is another one; `None`: the host did not answer.
    pub far: Option<FarHalt>,
    /// Its supervisor is told when it has to be cut off.
    pub supervisor: mpsc::WeakSender<Command>,
}

/// Stops an agent on another host, or lets it go on.
pub(super) type FarHalt = Box<dyn Fn(Halt) -> BoxFuture<'static, Option<Halted>> + Send + Sync>;

/// Ends the halter when it is dropped, with its agent.
#[derive(Debug)]
pub(super) struct Attended(CancellationToken);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Halters {
    /// Before an agent is started.
    pub fn seat(&self, team: &TeamName) -> Seat {
        let (seen, receiver) = watch::channel(Seen::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those whose agent is gone.
        all.retain(|known| known.seen.has_changed().is_ok());
        all.push(Known {
            team: team.clone(),
            seen: receiver,
        });
        Seat {
            team: team.clone(),
            seen,
        }
    }

    /// What is seen of the agents of a team, or with `None` of all, under this freeze. Returns when each
    /// was looked at: within a second here, within a few on another host.
    pub async fn seen(&self, team: Option<&TeamName>, order: u64) -> Proof {
        let all = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let of = all
            .into_iter()
            .filter(|known| team.is_none_or(|team| known.team == *team));
        let looks = of.map(|mut known| async move {
            let seen = known.seen.wait_for(|seen| seen.order >= order).await;
            // Without a halter it has ended.
            seen.ok().map(|seen| seen.clone())
        });
        let mut proof = Proof::default();
        for seen in join_all(looks).await.into_iter().flatten() {
            proof.found += seen.halted.found;
            proof.stopped += seen.halted.stopped;
            if let Some(host) = seen.unreached {
                *proof.unreached.entry(host).or_default() += 1;
            }
        }
        proof
    }
}

impl Seat {
    /// From now on this agent stands still while its team is frozen, for as long as the result is held.
    pub fn attend(
        self,
        frozen: watch::Receiver<Arc<Frozen>>,
        target: Target,
        tasks: &TaskTracker,
    ) -> Attended {
        let gone = CancellationToken::new();
        let halter = Halter {
            seat: self,
            frozen,
            target,
            gone: gone.clone(),
        };
        tasks.spawn(halter.run());
        Attended(gone)
    }
}

struct Halter {
    seat: Seat,
    frozen: watch::Receiver<Arc<Frozen>>,
    target: Target,
    gone: CancellationToken,
}

impl Halter {
    async fn run(mut self) {
        let mut done = None;
        loop {
            let wanted = self.frozen.borrow_and_update().order_for(&self.seat.team);
            if wanted != done {
                let what = match wanted {
                    Some(_) => Halt::Stop,
                    None => Halt::GoOn,
                };
                let halted = self.halt(what, wanted).await;
                done = wanted;
                // Only what is wanted still is told of: the next thing may be the opposite.
                if self.frozen.borrow().order_for(&self.seat.team) != wanted {
                    continue;
                }
                self.tell(wanted, halted);
            }
            tokio::select! {
                () = self.gone.cancelled() => return,
                changed = self.frozen.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// What the process tables show then; `None`: they could not be seen.
    async fn halt(&self, what: Halt, wanted: Option<u64>) -> Option<Halted> {
        if let Some(far) = &self.target.far {
            return far(what).await;
        }
        let (pid, mark) = (self.target.pid, claude::mark(self.target.session));
        // By another order for this team: this look need not be finished then.
        let (frozen, team) = (self.frozen.clone(), self.seat.team.clone());
        let overtaken = move || frozen.borrow().order_for(&team) != wanted;
        let looking = tokio::task::spawn_blocking(move || match what {
            Halt::Stop => process::halt(pid, &mark, overtaken),
            Halt::GoOn => {
                process::go_on(pid, &mark);
                Halted::default()
            }
        });
        let looked = looking.await;
        looked
            .inspect_err(|error| warn!(%error, "an agent could not be looked at"))
            .ok()
    }

    fn tell(&self, order: Option<u64>, halted: Option<Halted>) {
        let unreached = halted.is_none().then(|| self.target.host.clone());
        if let Some(host) = &unreached
            && !self.gone.is_cancelled()
            && let Some(supervisor) = self.target.supervisor.upgrade()
            && supervisor.try_send(Command::CutOff(host.clone())).is_err()
        {
            // A mailbox so full belongs to a supervisor that does nothing any more.
            warn!(team = %self.seat.team, host, "an agent that cannot be reached is not cut off");
        }
        if let Some(order) = order {
            self.seat.seen.send_replace(Seen {
                order,
                halted: halted.unwrap_or_default(),
                unreached,
            });
        }
    }
}
