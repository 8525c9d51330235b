//! The owner of the sessions: knows which exist, makes them, and removes them with their team.

use std::{collections::HashMap, sync::Arc};

use iris_domain::{
    Problem,
    config::Config,
    ids::{Party, SessionId, TeamName},
    problem::Code,
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info};

use super::{
    SessionViews, TeamsDeps,
    halter::Halters,
    shutting_down,
    slots::Slots,
    supervisor::{Before, Command, Supervisor},
};
use crate::{clock, store::SessionRecord};

/// Commands that wait for a supervisor: more than its message queue holds.
const MAILBOX: usize = 256;

/// What the owner is asked.
#[derive(Debug)]
pub(super) enum Question {
    /// The session of a pair, made if there is none.
    Session {
        from: Party,
        to: TeamName,
        reply: oneshot::Sender<Result<Handle, Problem>>,
    },
    /// The sessions of a team that were made in this run.
    Existing {
        from: Option<Party>,
        to: TeamName,
        reply: oneshot::Sender<Result<Vec<Handle>, Problem>>,
    },
    /// Ends the session of a pair for good; answers what there was, if anything.
    Delete {
        from: Party,
        to: TeamName,
        reply: oneshot::Sender<Result<Option<Before>, Problem>>,
    },
    /// End everything.
    Shutdown(oneshot::Sender<()>),
}

/// A way to a supervisor.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    commands: mpsc::Sender<Command>,
    id: watch::Receiver<SessionId>,
}

impl Handle {
    pub async fn send(&self, command: Command) -> Result<(), Problem> {
        self.commands
            .send(command)
            .await
            .map_err(|_| shutting_down())
    }

    pub fn id(&self) -> SessionId {
        *self.id.borrow()
    }

    /// Has it end its process and itself; returns when it has.
    async fn close(self) {
        if self.commands.send(Command::Close).await.is_ok() {
            self.commands.closed().await;
        }
    }
}

type Key = (Party, TeamName);

/// The owner's state.
pub(super) struct Owner {
    deps: TeamsDeps,
    slots: Slots,
    halters: Halters,
    views: Arc<watch::Sender<Arc<SessionViews>>>,
    sessions: HashMap<Key, Handle>,
    /// Of removed teams, until they are gone: a session has never two processes.
    leaving: HashMap<Key, Handle>,
}

impl Owner {
    pub fn new(
        deps: TeamsDeps,
        (slots, halters): (Slots, Halters),
        views: watch::Sender<Arc<SessionViews>>,
    ) -> Self {
        Self {
            deps,
            slots,
            halters,
            views: Arc::new(views),
            sessions: HashMap::new(),
            leaving: HashMap::new(),
        }
    }

    pub async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        let mut config = self.deps.config.clone();
        let mut configured = true;
        loop {
            tokio::select! {
                question = questions.recv() => match question {
                    Some(Question::Session { from, to, reply }) => {
                        if reply.send(self.session(from, to).await).is_err() {
                            debug!("who asked for a session is gone");
                        }
                    }
                    Some(Question::Existing { from, to, reply }) => {
                        if reply.send(self.existing(from.as_ref(), &to)).is_err() {
                            debug!("who asked for sessions is gone");
                        }
                    }
                    Some(Question::Delete { from, to, reply }) => self.delete((from, to), reply).await,
                    Some(Question::Shutdown(reply)) => {
                        self.close().await;
                        if reply.send(()).is_err() {
                            debug!("nobody waits for the end of the teams");
                        }
                        return;
                    }
                    // Every handle is gone: nobody can ask for anything any more.
                    None => return self.close().await,
                },
                changed = config.changed(), if configured => match changed {
                    Ok(()) => self.drop_removed(&config.borrow_and_update().clone()),
                    Err(_) => configured = false,
                },
            }
        }
    }

    async fn session(&mut self, from: Party, to: TeamName) -> Result<Handle, Problem> {
        let known = self.deps.config.borrow().teams.contains_key(&to);
        if !known {
            return Err(self.no_such_team(&to));
        }
        let key = (from, to);
        if let Some(handle) = self.sessions.get(&key) {
            return Ok(handle.clone());
        }
        if let Some(leaving) = self.leaving.remove(&key) {
            leaving.commands.closed().await;
        }
        let now = clock::now();
        let record = self.record(&key).await?.unwrap_or_else(|| SessionRecord {
            id: SessionId(uuid::Uuid::new_v4()),
            from: key.0.clone(),
            to: key.1.clone(),
            started: false,
            created_at: now,
            last_used_at: now,
        });
        let (commands, mailbox) = mpsc::channel(MAILBOX);
        let (id_tx, id) = watch::channel(record.id);
        let supervisor = Supervisor::new(
            self.deps.clone(),
            (self.slots.clone(), self.halters.clone()),
            self.views.clone(),
            record,
            id_tx,
            commands.downgrade(),
        );
        self.deps.tasks.spawn(supervisor.run(mailbox));
        let handle = Handle { commands, id };
        self.sessions.insert(key, handle.clone());
        Ok(handle)
    }

    async fn delete(&mut self, key: Key, reply: oneshot::Sender<Result<Option<Before>, Problem>>) {
        let known = match self.sessions.contains_key(&key) {
            true => Ok(true),
            false => self.record(&key).await.map(|record| record.is_some()),
        };
        let handle = match known {
            Ok(true) => self.session(key.0.clone(), key.1.clone()).await.map(Some),
            Ok(false) if self.deps.config.borrow().teams.contains_key(&key.1) => Ok(None),
            Ok(false) => Err(self.no_such_team(&key.1)),
            Err(problem) => Err(problem),
        };
        match handle {
            Ok(Some(handle)) => {
                self.sessions.remove(&key);
                let leaving = handle.clone();
                self.deps.tasks.spawn(async move {
                    if leaving.commands.send(Command::Delete(reply)).await.is_err() {
                        debug!("the session to delete is gone");
                    }
                });
                self.leaving.insert(key, handle);
            }
            nothing => {
                if reply.send(nothing.map(|_| None)).is_err() {
                    debug!("who deleted a session is gone");
                }
            }
        }
    }

    async fn record(&self, (from, to): &Key) -> Result<Option<SessionRecord>, Problem> {
        self.deps.store.session(from, to).await.map_err(|error| {
            Problem::new(
                Code::Storage,
                format!("The conversation cannot be looked up: {error}."),
                "See that the disk is not full and that Iris may write to its home.",
            )
        })
    }

    fn existing(&self, from: Option<&Party>, to: &TeamName) -> Result<Vec<Handle>, Problem> {
        let sessions: Vec<Handle> = self
            .sessions
            .iter()
            .filter(|((f, t), _)| t == to && from.is_none_or(|from| from == f))
            .map(|(_, handle)| handle.clone())
            .collect();
        if sessions.is_empty() && !self.deps.config.borrow().teams.contains_key(to) {
            return Err(self.no_such_team(to));
        }
        Ok(sessions)
    }

    fn no_such_team(&self, name: &TeamName) -> Problem {
        let config = self.deps.config.borrow();
        let names: Vec<&str> = config.teams.keys().map(TeamName::as_str).collect();
        let hint = if names.is_empty() {
            "Add a team with `iris team add NAME PATH`.".to_owned()
        } else {
            format!("The teams are: {}.", names.join(", "))
        };
        Problem::new(Code::NotFound, format!("There is no team {name}."), hint)
    }

    fn drop_removed(&mut self, config: &Config) {
        let removed = self
            .sessions
            .extract_if(|(_, to), _| !config.teams.contains_key(to));
        for (key, handle) in removed {
            info!(team = %key.1, from = %key.0, "the team was removed: its session stops");
            self.deps.tasks.spawn(handle.clone().close());
            self.leaving.insert(key, handle);
        }
        self.leaving
            .retain(|_, handle| !handle.commands.is_closed());
    }

    async fn close(&mut self) {
        let all = self.sessions.drain().chain(self.leaving.drain());
        futures::future::join_all(all.map(|(_, handle)| handle.close())).await;
    }
}
