//! The teams' sessions: one supervisor task each.
//!
//! The owner task knows which sessions exist; each `supervisor` owns one session and its process.
//! A change of a team's settings takes effect when its process is next started; a team that is
//! removed from the config is stopped.

use std::{collections::BTreeMap, sync::Arc};

use iris_domain::{
    Problem,
    config::Config,
    freeze::{self, Proof},
    ids::{Party, SessionId, TeamName},
    problem::Code,
    snapshot::SessionView,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::{
    approvals::Approvals,
    claude,
    endpoint::Callbacks,
    environment::Environment,
    freeze::Freeze,
    home::Home,
    links::Links,
    process::{self, Processes},
    secrets::NamedSecrets,
    store::Store,
    tokens::Tokens,
    transcripts::Transcripts,
};

mod agent;
mod conversation;
mod fork;
mod halter;
mod messages;
mod owner;
mod slots;
mod start;
mod supervisor;
mod trial;

pub use conversation::Asked;
use halter::Halters;
pub use messages::{Circles, Letter};
use messages::{Circling, Ends};
use owner::{Handle, Owner};
use slots::Slots;
use supervisor::Command;

/// Questions that wait for the owner; each is answered at once, but for a look at the database.
const MAILBOX: usize = 64;

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
    /// Who may be started, and may ask.
    pub callbacks: Callbacks,
    /// Withdraws what a dead process asked.
    pub approvals: Approvals,
    /// What is frozen: nothing is started there.
    pub freeze: Freeze,
    /// The values that a team's `env` names.
    pub secrets: NamedSecrets,
    /// Starts and ends their processes.
    pub processes: Processes,
    /// The ways to other hosts.
    pub links: Links,
    /// The certificate authority that remote agents are told to trust, PEM.
    pub ca_pem: String,
    /// This Iris among those that may use the same account on a host.
    pub instance: String,
    /// `http://127.0.0.1:PORT/mcp`; an agent gets `…/mcp/{session}`. `None`: agents have no tools of
    /// Iris, and ask for permission on their control channel.
    pub endpoint: Option<String>,
    /// What happens in each session.
    pub transcripts: Transcripts,
    /// Every task is spawned here.
    pub tasks: TaskTracker,
}

/// A handle on the teams; cheap to clone.
#[derive(Debug, Clone)]
pub struct Teams {
    owner: mpsc::Sender<owner::Question>,
    views: watch::Receiver<Arc<SessionViews>>,
    deps: Arc<TeamsDeps>,
    slots: Slots,
    halters: Halters,
    circling: Circling,
    ends: Ends,
}

/// What the supervisors share.
#[derive(Debug, Clone, Default)]
struct Shared {
    slots: Slots,
    halters: Halters,
    circling: Circling,
    ends: Ends,
}

/// The sessions of each team.
pub type SessionViews = BTreeMap<TeamName, Vec<SessionView>>;

impl Teams {
    /// Ends what the last Iris left behind, and starts the owner task. No agent is started.
    pub async fn start(deps: TeamsDeps) -> Self {
        end_left_behind(&deps.store).await;
        let (views_tx, views) = watch::channel(Arc::default());
        let (owner, questions) = mpsc::channel(MAILBOX);
        let tasks = deps.tasks.clone();
        let shared = Shared::default();
        let own = Owner::new(deps.clone(), shared.clone(), views_tx);
        tasks.spawn(own.run(questions));
        Self {
            owner,
            views,
            deps: Arc::new(deps),
            slots: shared.slots,
            halters: shared.halters,
            circling: shared.circling,
            ends: shared.ends,
        }
    }

    /// Starts the pair's process unless it runs; returns when it is ready, or why it is not.
    pub async fn wake(&self, from: Party, to: TeamName) -> Result<SessionView, Problem> {
        if self.deps.freeze.is_frozen(&to) {
            return Err(freeze::problem(&to));
        }
        if from == Party::Console {
            self.circling.seen(&to);
        }
        let session = self.session(from, to).await?;
        let (reply, answer) = oneshot::channel();
        session.send(Command::Wake(reply)).await?;
        answer.await.map_err(|_| shutting_down())?
    }

    /// Ends every process of the team in order; returns when they are gone. With `from`, only that
    /// pair's. `Ok(false)`: there was none.
    pub async fn sleep(&self, from: Option<Party>, to: TeamName) -> Result<bool, Problem> {
        self.circling.seen(&to);
        let sessions = self.existing(from, to).await?;
        let ends = sessions.into_iter().map(|session| async move {
            let (reply, answer) = oneshot::channel();
            session.send(Command::Sleep(reply)).await?;
            answer.await.map_err(|_| shutting_down())
        });
        Ok(futures::future::try_join_all(ends).await?.contains(&true))
    }

    /// What the process tables show of the agents of a team, or with `None` of all, under this freeze.
    pub(crate) async fn seen(&self, team: Option<&TeamName>, order: u64) -> Proof {
        self.halters.seen(team, order).await
    }

    /// Starts every agent of a team anew, in its conversation: what waits for it waits on, a turn that
    /// runs is cut short for this reason. Returns the senders of those that there were.
    pub(crate) async fn restart(
        &self,
        team: &TeamName,
        why: &Problem,
    ) -> Result<Vec<Party>, Problem> {
        let views = Arc::clone(&self.views.borrow());
        let sessions = views.get(team).into_iter().flatten();
        let mut restarted = Vec::new();
        for from in sessions.map(|session| &session.from) {
            let existing = self.existing(Some(from.clone()), team.clone()).await?;
            for session in existing {
                let (reply, answer) = oneshot::channel();
                session.send(Command::Restart(why.clone(), reply)).await?;
                if answer.await.map_err(|_| shutting_down())? {
                    restarted.push(from.clone());
                }
            }
        }
        Ok(restarted)
    }

    /// Interrupts the running turn of a pair. `Ok(false)`: nothing ran.
    pub async fn interrupt(&self, from: Party, to: TeamName) -> Result<bool, Problem> {
        let Some(session) = self.existing(Some(from), to).await?.pop() else {
            return Ok(false);
        };
        let (reply, answer) = oneshot::channel();
        session.send(Command::Interrupt(reply)).await?;
        answer.await.map_err(|_| shutting_down())
    }

    /// Whether there is such a team.
    ///
    /// # Errors
    /// `NotFound`, with the teams that there are.
    pub fn known(&self, team: &TeamName) -> Result<(), Problem> {
        owner::known(&self.deps.config.borrow(), team)
    }

    /// A pair's session, if it was used in this run.
    pub fn view(&self, from: &Party, to: &TeamName) -> Option<SessionView> {
        let views = self.views.borrow();
        let mut sessions = views.get(to)?.iter();
        sessions.find(|session| session.from == *from).cloned()
    }

    /// Whether a pair's session has a process.
    pub fn is_awake(&self, from: &Party, to: &TeamName) -> bool {
        self.view(from, to).is_some_and(|view| view.pid.is_some())
    }

    /// A pair's conversation, if it has one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session_id(
        &self,
        from: &Party,
        to: &TeamName,
    ) -> Result<Option<SessionId>, Problem> {
        let record = self.deps.store.session(from, to).await?;
        Ok(record.map(|record| record.id))
    }

    /// How many agents may run at the same time.
    pub fn places(&self) -> usize {
        let max = self.deps.config.borrow().settings.max_processes;
        usize::try_from(max).unwrap_or(usize::MAX).max(1)
    }

    /// How many agents may be started before one must give way.
    pub fn free_places(&self) -> usize {
        self.slots.free(self.places())
    }

    /// The sessions.
    pub fn watch(&self) -> watch::Receiver<Arc<SessionViews>> {
        self.views.clone()
    }

    /// Ends every process in order, all at once; returns when they are gone.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        if self
            .owner
            .send(owner::Question::Shutdown(reply))
            .await
            .is_err()
        {
            debug!("the teams are shut down already");
            return;
        }
        if done.await.is_err() {
            warn!("the owner of the teams ended early");
        }
    }

    async fn session(&self, from: Party, to: TeamName) -> Result<Handle, Problem> {
        let (reply, answer) = oneshot::channel();
        self.ask(owner::Question::Session { from, to, reply })
            .await?;
        answer.await.map_err(|_| shutting_down())?
    }

    async fn existing(&self, from: Option<Party>, to: TeamName) -> Result<Vec<Handle>, Problem> {
        let (reply, answer) = oneshot::channel();
        self.ask(owner::Question::Existing { from, to, reply })
            .await?;
        answer.await.map_err(|_| shutting_down())?
    }

    async fn ask(&self, question: owner::Question) -> Result<(), Problem> {
        self.owner.send(question).await.map_err(|_| shutting_down())
    }
}

async fn end_left_behind(store: &Store) {
    let noted = match store.noted_groups().await {
        Ok(noted) => noted,
        Err(error) => {
            warn!(%error, "cannot see what an earlier Iris left behind");
            return;
        }
    };
    if noted.is_empty() {
        return;
    }
    // What an agent started may have left its group, and stand still since a freeze.
    match store.session_ids().await {
        Ok(sessions) => {
            let marks: Vec<String> = sessions.into_iter().map(claude::mark).collect();
            let ended = tokio::task::spawn_blocking(move || process::end_marked(&marks)).await;
            match ended {
                Ok(0) => {}
                Ok(ended) => warn!(ended, "ended what agents of an earlier Iris left behind"),
                Err(error) => warn!(%error, "cannot look for what an earlier Iris left behind"),
            }
        }
        Err(error) => warn!(%error, "cannot see whose processes an earlier Iris left behind"),
    }
    for (pgid, started) in noted {
        process::end_left_behind(pgid, started);
        if let Err(error) = store.forget_group(pgid).await {
            warn!(%error, pgid, "cannot forget a process group");
        }
    }
}

fn shutting_down() -> Problem {
    Problem::new(
        Code::Unavailable,
        "Iris is shutting down, or the team was just removed.",
        "Start Iris again, and see that the team is in the config.",
    )
}
