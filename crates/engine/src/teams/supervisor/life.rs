//! The start and the end of a session's process.

use std::time::Duration;

use iris_domain::{
    Problem,
    config::Team,
    problem::Code,
    request::Asker,
    session::{Cure, Event, Failure},
};
use tracing::{info, warn};

use super::{Agent, Slot, Supervisor, exited};
use crate::{
    claude::{self, Invocation},
    clock,
    process::Ended,
    store::StoreError,
};

impl Supervisor {
    /// Starts the process, now that there is a place for it.
    pub(super) async fn launch(&mut self, place: Result<Slot, Problem>) -> Event {
        let slot = match place {
            Ok(slot) => slot,
            Err(problem) => return exited(problem, Cure::Room),
        };
        let team = self
            .deps
            .config
            .borrow()
            .teams
            .get(&self.record.to)
            .cloned();
        let Some(team) = team else {
            return exited(removed(), Cure::Human);
        };
        self.record.last_used_at = clock::now();
        // Before the start: a conversation that nobody knows of could never be resumed.
        if let Err(error) = self.deps.store.save_session(self.record.clone()).await {
            return exited(not_saved(&error), Cure::Human);
        }
        let token = self.deps.tokens.mint(self.asker(&team));
        let started = Invocation {
            team: &team,
            session: self.record.id,
            resume: self.record.started,
            endpoint: self.deps.endpoint.as_deref(),
            token: &token,
            env: &self.deps.env,
            base: self.deps.home.root(),
        }
        .program()
        .map_err(|problem| Failure {
            problem,
            cure: Cure::Human,
        })
        .and_then(|program| {
            self.processes
                .start(program)
                .map_err(|e| claude::not_started(&e))
        });
        let (process, output) = match started {
            Ok(started) => started,
            Err(failure) => {
                self.deps.tokens.revoke(&token);
                return Event::Exited {
                    failure,
                    lived: Duration::ZERO,
                };
            }
        };
        let mut agent = Agent::new(process, output, token, slot);
        if self.deps.endpoint.is_none() {
            agent = agent.asks_on_its_channel(self.deps.approvals.clone(), self.asker(&team));
        }
        info!(team = %self.record.to, session = %self.record.id, pid = agent.pid(), "agent started");
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
        self.started_with = Some(claude::started_with(&team));
        Event::Spawned
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
        let failure = claude::ended(&ended);
        self.ask_mcp_at = None;
        if let Some(agent) = self.agent.take() {
            self.deps.tokens.revoke(&agent.token);
            info!(
                team = %self.record.to, session = %self.record.id, pid = agent.pid(),
                lived = ?ended.lived, status = ?ended.status, "the agent ended"
            );
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

fn not_saved(error: &StoreError) -> Problem {
    Problem::new(
        Code::Storage,
        format!("The conversation cannot be kept: {error}."),
        "See that the disk is not full and that Iris may write to its home.",
    )
}
