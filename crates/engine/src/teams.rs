//! The teams' sessions: one supervisor task each.
//!
//! The owner task knows which sessions exist; each `supervisor` owns one session and its process.
//! A change of a team's settings takes effect when its process is next started; a team that is
//! removed from the config is stopped.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use iris_domain::{
    Problem,
    config::Config,
    freeze::{self, Proof},
    ids::{MessageId, Party, SessionId, TeamName},
    message::{MESSAGE_MAX, MessageStatus, SendOutcome},
    problem::Code,
    session::Settled,
    snapshot::SessionView,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
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
mod halter;
mod owner;
mod slots;
mod start;
mod supervisor;
mod trial;

pub use conversation::Asked;
use halter::Halters;
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
        let slots = Slots::default();
        let halters = Halters::default();
        let shared = (slots.clone(), halters.clone());
        let own = Owner::new(deps.clone(), shared, views_tx);
        tasks.spawn(own.run(questions));
        Self {
            owner,
            views,
            deps: Arc::new(deps),
            slots,
            halters,
        }
    }

    /// Starts the pair's process unless it runs; returns when it is ready, or why it is not.
    pub async fn wake(&self, from: Party, to: TeamName) -> Result<SessionView, Problem> {
        if self.deps.freeze.is_frozen(&to) {
            return Err(freeze::problem(&to));
        }
        let session = self.session(from, to).await?;
        let (reply, answer) = oneshot::channel();
        session.send(Command::Wake(reply)).await?;
        answer.await.map_err(|_| shutting_down())?
    }

    /// Ends every process of the team in order; returns when they are gone. With `from`, only that
    /// pair's. `Ok(false)`: there was none.
    pub async fn sleep(&self, from: Option<Party>, to: TeamName) -> Result<bool, Problem> {
        let sessions = self.existing(from, to).await?;
        let ends = sessions.into_iter().map(|session| async move {
            let (reply, answer) = oneshot::channel();
            session.send(Command::Sleep(reply)).await?;
            answer.await.map_err(|_| shutting_down())
        });
        Ok(futures::future::try_join_all(ends).await?.contains(&true))
    }

    /// Sends a message and waits for the answer, at most `timeout` (`None`: for ever), start-up
    /// included. After a timeout the agent goes on. A caller that goes away does not take its
    /// message with it.
    pub async fn send(
        &self,
        from: Party,
        to: TeamName,
        text: String,
        at_most: Option<Duration>,
    ) -> SendOutcome {
        let begun = Instant::now();
        let id = MessageId::new_v4();
        let mut known = None;
        let sending = self.settle(id, &from, &to, text, &mut known);
        let settled = match at_most {
            Some(limit) => timeout(limit, sending).await.ok(),
            None => Some(sending.await),
        };
        let (status, response, error) = match settled {
            Some(Ok((session, settled))) => {
                known = Some(session);
                match settled {
                    Settled::Answered(text) => (MessageStatus::Answered, Some(text), None),
                    Settled::Cancelled => (MessageStatus::Cancelled, None, Some(interrupted())),
                    Settled::Failed(problem) => (MessageStatus::Failed, None, Some(problem)),
                }
            }
            Some(Err(problem)) => (MessageStatus::Failed, None, Some(problem)),
            None if self.waits(id, &from, &to).await => {
                (MessageStatus::Queued, None, Some(waits(&to)))
            }
            None => (MessageStatus::Timeout, None, Some(not_yet(&to))),
        };
        let duration = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        SendOutcome {
            id,
            from,
            to,
            session: known,
            status,
            response,
            error,
            duration,
        }
    }

    async fn settle(
        &self,
        id: MessageId,
        from: &Party,
        to: &TeamName,
        text: String,
        known: &mut Option<SessionId>,
    ) -> Result<(SessionId, Settled), Problem> {
        if text.len() > MESSAGE_MAX {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("The message is longer than {MESSAGE_MAX} bytes, which is the most."),
                "Put the text in a file of the project and send its path.",
            ));
        }
        if text.trim().is_empty() {
            return Err(Problem::new(
                Code::InvalidInput,
                "The message is empty.",
                "Say what the team is to do.",
            ));
        }
        let session = self.session(from.clone(), to.clone()).await?;
        *known = Some(session.id());
        let (reply, answer) = oneshot::channel();
        session.send(Command::Send { id, text, reply }).await?;
        answer.await.map_err(|_| shutting_down())
    }

    /// Whether a message was not delivered because the team is frozen.
    async fn waits(&self, id: MessageId, from: &Party, to: &TeamName) -> bool {
        let Ok(sessions) = self.existing(Some(from.clone()), to.clone()).await else {
            return false;
        };
        for session in sessions {
            let (reply, answer) = oneshot::channel();
            if session.send(Command::Waits(id, reply)).await.is_ok() && answer.await == Ok(true) {
                return true;
            }
        }
        false
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

fn interrupted() -> Problem {
    Problem::new(
        Code::Conflict,
        "Someone interrupted the turn.",
        "Send the message again if it still holds.",
    )
}

fn waits(to: &TeamName) -> Problem {
    Problem::new(
        Code::Conflict,
        format!("{to} is frozen: the message waits, and is delivered when the user thaws it."),
        "Do not send it again. Look at the team later, or go on without its answer.",
    )
}

fn not_yet(to: &TeamName) -> Problem {
    Problem::new(
        Code::Timeout,
        format!("{to} has not answered yet; it goes on working."),
        "Look at the team later, or wait longer next time.",
    )
}
