//! The start and the end of a session's process.

use std::time::Duration;

use iris_domain::{
    Problem,
    config::Team,
    problem::Code,
    request::Asker,
    session::{Cure, Event, Failure},
    transcript::Entry,
};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{Agent, Place, Supervisor, exited, freeze::cut_short, place};
use crate::{
    claude, clock,
    process::Ended,
    store::StoreError,
    teams::{halter::Target, start::Start},
};

impl Supervisor {
    pub(super) fn configured(&self) -> Option<Team> {
        let config = self.deps.config.borrow();
        config.teams.get(&self.record.to).cloned()
    }

    /// Begins to wait for a place.
    pub(super) fn take_place(&mut self) -> Option<Event> {
        let Some(team) = self.configured() else {
            self.taking = None;
            return Some(exited(removed(), Cure::Human));
        };
        if let Err(problem) = self.deps.callbacks.may_run(&self.record.to) {
            return Some(exited(problem, Cure::Human));
        }
        // One is enough: the surfaces show what follows.
        let (trouble, unreached) = mpsc::channel(1);
        self.unreached = Some(unreached);
        let place = place::take(
            self.deps.clone(),
            self.slots.clone(),
            self.record.to.clone(),
            team.clone(),
            self.record.id,
            self.mailbox.clone(),
            trouble,
        );
        self.taking = Some((team, Box::pin(place)));
        None
    }

    /// Waits anew when the team moved: the place would be on a host that it has left, but the agent
    /// would be started with the settings for the other one. Says whether it does.
    pub(super) fn retake(&mut self) -> bool {
        let now = self.configured();
        let moved = |team: &Team| now.as_ref().is_none_or(|now| !place::same_way(team, now));
        if !self.taking.as_ref().is_some_and(|(team, _)| moved(team)) {
            return false;
        }
        info!(team = %self.record.to, "the team moved while it waited for the way to where it was");
        self.lease = None;
        self.step(Event::Moved);
        true
    }

    /// Starts the process, now that there is a place for it; what came of that. `None`: it was frozen
    /// meanwhile, and its place waits with it.
    pub(super) async fn launch(&mut self, place: Result<Place, Failure>) -> Option<Event> {
        match place {
            Ok(place) => self.launch_in(place).await,
            Err(Failure { problem, cure }) => Some(exited(problem, cure)),
        }
    }

    async fn launch_in(&mut self, place: Place) -> Option<Event> {
        let Some(team) = self.configured() else {
            return Some(exited(removed(), Cure::Human));
        };
        self.record.last_used_at = clock::now();
        // Before the start: a conversation that nobody knows of could never be resumed. One that takes
        // the place of another is kept when it is ready.
        if self.previous.is_none()
            && let Err(error) = self.deps.store.save_session(self.record.clone()).await
        {
            return Some(exited(not_saved(&error), Cure::Human));
        }
        let secrets = match self.deps.secrets.of_env(&team.env).await {
            Ok(secrets) => secrets,
            Err(problem) => return Some(exited(problem, Cure::Human)),
        };
        // A freeze from here on waits for the agent, and stops it as soon as there is one.
        let seat = self.halters.seat(&self.record.to);
        if self.is_frozen() {
            let waits = async { Ok(place) };
            self.taking = Some((team, Box::pin(waits)));
            return None;
        }
        let Place { slot, remote } = place;
        let (lease, reach) = remote.unzip();
        self.lease = lease;
        let token = self.deps.tokens.mint(self.asker(&team));
        if let Err(problem) = self.deps.callbacks.may_run(&self.record.to) {
            self.deps.tokens.revoke(&token);
            return Some(exited(problem, Cure::Human));
        }
        let start = Start {
            deps: &self.deps,
            team: &team,
            session: self.record.id,
            from: &self.record.from,
            resume: self.record.started,
            token: &token,
            secrets: &secrets,
        };
        let started = match reach {
            None => start.here(),
            Some(reach) => start.there(reach),
        };
        let (process, output, far) = match started {
            Ok(started) => started,
            Err(failure) => {
                self.deps.tokens.revoke(&token);
                return Some(Event::Exited {
                    failure,
                    lived: Duration::ZERO,
                });
            }
        };
        let without_tunnel = match &far {
            Some(far) => far.reach.port.is_none(),
            None => self.deps.endpoint.is_none(),
        };
        let mut agent = Agent::new(process, output, token, slot);
        if without_tunnel {
            agent = agent.asks_on_its_channel(&self.deps, self.asker(&team));
        }
        let target = Target {
            session: self.record.id,
            host: team.host().to_owned(),
            pid: agent.pid(),
            far: far.as_ref().map(|far| far.halting(&self.deps.instance)),
            supervisor: self.mailbox.clone(),
        };
        agent.far = far;
        let frozen = self.deps.freeze.watch();
        agent = agent.attended(seat.attend(frozen, target, &self.deps.tasks));
        info!(team = %self.record.to, session = %self.record.id, pid = agent.pid(), host = team.host(), "agent started");
        if let Some(started) = agent.started()
            && let Err(error) = self
                .deps
                .store
                .note_group(agent.pid().cast_signed(), started)
                .await
        {
            warn!(%error, "cannot note the agent's process group");
        }
        self.agent = Some(agent);
        self.note(Entry::Started {
            host: team.host().to_owned(),
            resumed: self.record.started,
        });
        self.deps.store.metrics().agent_started(&self.record.to);
        self.started_with = Some(claude::started_with(&team));
        Some(Event::Spawned)
    }

    /// Whether its process was started with settings that are not the team's any more: rules that
    /// Claude Code enforces by itself, the model, the environment. An idle one leaves; the next
    /// message starts it anew.
    pub(super) fn is_outdated(&self) -> bool {
        let config = self.deps.config.borrow();
        let team = config.teams.get(&self.record.to);
        self.agent.is_some() && team.map(claude::started_with) != self.started_with
    }

    fn asker(&self, team: &Team) -> Asker {
        Asker {
            team: self.record.to.clone(),
            session: self.record.id,
            from: self.record.from.clone(),
            host: team.host().to_owned(),
        }
    }

    pub(super) async fn mark_started(&mut self) {
        if self.record.started {
            return;
        }
        self.record.started = true;
        if let Err(error) = self.deps.store.save_session(self.record.clone()).await {
            // The next start finds out: Claude Code says that the conversation exists.
            warn!(%error, "cannot keep that the conversation has begun");
        }
    }

    /// The process is gone: its token is worth nothing, its group is forgotten, its place is free.
    pub(super) async fn ended(&mut self, ended: Ended) -> Event {
        let mut failure = claude::ended(&ended);
        self.ask_mcp_at = None;
        if let Some(agent) = self.agent.take() {
            self.deps.tokens.revoke(&agent.token);
            if let (Some(far), Some(team)) = (&agent.far, &self.started_with) {
                failure = far.ended(&ended, team, failure);
                if failure.cure == Cure::Link && self.session.running().is_some() {
                    self.cut_short = Some(cut_short(&format!(
                        "The connection to {} was lost.",
                        team.host()
                    )));
                }
            }
            info!(
                team = %self.record.to, session = %self.record.id, pid = agent.pid(),
                lived = ?ended.lived, status = ?ended.status, "the agent ended"
            );
            let well = ended.status.is_some_and(|status| status.success());
            self.deps.store.metrics().agent_ended(&self.record.to, well);
            let host = self
                .started_with
                .as_ref()
                .map_or("local", Team::host)
                .to_owned();
            self.note_end(&failure, &host);
            if let Err(error) = self
                .deps
                .store
                .forget_group(agent.pid().cast_signed())
                .await
            {
                warn!(%error, "cannot forget a process group");
            }
        }
        self.stderr_tail = ended.stderr;
        Event::Exited {
            failure,
            lived: ended.lived,
        }
    }
}

fn removed() -> Problem {
    Problem::new(
        Code::NotFound,
        "The team was removed from the config.",
        "Add it again with `iris team add NAME PATH`.",
    )
}

pub(super) fn not_saved(error: &StoreError) -> Problem {
    Problem::new(
        Code::Storage,
        format!("The conversation cannot be kept: {error}."),
        "See that the disk is not full and that Iris may write to its home.",
    )
}
