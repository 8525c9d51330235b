//! Trying whether a team's agent can be started: each step of its start, and no model turn.

use std::time::Duration;

use iris_domain::{
    Problem,
    config::Team,
    ids::{Party, SessionId, TeamName},
    problem::Code,
    request::Asker,
    session::{Event, MCP_POLL, Mcp},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tracing::debug;

use super::{
    Teams,
    agent::{Agent, Far, Heard},
    start::{Start, values},
};
use crate::{
    claude,
    links::Reach,
    process::{Output, Process},
    remote::{self, Said},
    secrets::Secret,
    tokens::Tokens,
};

/// Looking for Claude Code may ask the user's shell twice, five seconds each; then it says its
/// version.
const CHECK_LIMIT: Duration = Duration::from_secs(30);
/// What is left to do when the last line was said: files are removed.
const END_LIMIT: Duration = Duration::from_secs(5);
/// An agent that was asked to end is killed sooner than this.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The program on a host that says whether an agent could be started there.
#[derive(Debug)]
pub(crate) struct Check {
    // Dropping it ends it.
    _process: Process,
    output: mpsc::Receiver<Output>,
    nonce: remote::Nonce,
    far: Far,
    team: Team,
    until: Instant,
}

/// A session that exists for a trial only.
struct Minted<'a> {
    tokens: &'a Tokens,
    token: Secret,
}

impl Drop for Minted<'_> {
    fn drop(&mut self) {
        self.tokens.revoke(&self.token);
    }
}

impl Teams {
    /// Starts the check on the team's host.
    pub(crate) fn check(
        &self,
        team: &Team,
        session: SessionId,
        reach: Reach,
    ) -> Result<Check, Problem> {
        // It does without what the keychain has.
        let mut env = team.env.clone();
        env.retain(|_, value| !value.starts_with("keychain:"));
        let (nonce, run) = (remote::Nonce::random(), remote::Run::of(session));
        let line = remote::Launch {
            team,
            run,
            args: &[],
            token: None,
            ca_pem: None,
            env: &values(&env, &Default::default()),
            instance: &self.deps.instance,
            nonce: &nonce,
        }
        .check_line()?;
        let program = reach.program(remote::COMMAND);
        let (mut process, output) = self
            .deps
            .processes
            .start(program)
            .map_err(|error| claude::not_started(&error).problem)?;
        if process.write_line(&line).is_err() {
            debug!(pid = process.pid(), "the check was not taken");
        }
        process.end_input();
        Ok(Check {
            _process: process,
            output,
            far: Far::new(nonce.clone(), run, reach),
            nonce,
            team: team.clone(),
            until: Instant::now() + CHECK_LIMIT,
        })
    }

    /// Starts an agent of the team as for a message, waits until it says that it is ready, and ends
    /// it. No model turn is spent. The result is whether it has the tools of Iris.
    pub(crate) async fn try_agent(
        &self,
        name: &TeamName,
        team: &Team,
        session: SessionId,
        reach: Option<Reach>,
    ) -> Result<bool, Problem> {
        let deps = &*self.deps;
        let (limit, max) = {
            let config = deps.config.borrow();
            let max = usize::try_from(config.settings.max_processes).unwrap_or(usize::MAX);
            (Duration::from_secs(config.settings.spawn_timeout), max)
        };
        let secrets = deps.secrets.of_env(&team.env).await?;
        // It is never idle, so nobody asks it to leave.
        let (mailbox, _commands) = mpsc::channel(1);
        let slot = self.slots.take(mailbox.downgrade(), max.max(1)).await?;
        let asker = Asker {
            team: name.clone(),
            session,
            from: Party::Console,
            host: team.host().to_owned(),
        };
        let minted = Minted {
            tokens: &deps.tokens,
            token: deps.tokens.mint(asker.clone()),
        };
        if deps.freeze.is_frozen(name) {
            return Err(iris_domain::freeze::problem(name));
        }
        deps.callbacks.may_run(name)?;
        let start = Start {
            deps,
            team,
            session,
            from: &Party::Console,
            resume: false,
            token: &minted.token,
            secrets: &secrets,
        };
        let started = match reach {
            None => start.here(),
            Some(reach) => start.there(reach),
        };
        let (process, output, far) = started.map_err(|failure| failure.problem)?;
        let has_tools = match &far {
            Some(far) => far.reach.port.is_some(),
            None => deps.endpoint.is_some(),
        };
        let mut agent = Agent::new(process, output, minted.token.clone(), slot);
        if !has_tools {
            agent = agent.asks_on_its_channel(deps, asker);
        }
        agent.far = far;
        agent.initialize();
        let outcome = tokio::select! {
            outcome = timeout(limit, ready(&mut agent, team)) => outcome,
            // It stands still by ending: nobody waits for it to go on.
            () = deps.freeze.begun(name) => Ok(Err(Unready::Unusable(iris_domain::freeze::problem(name)))),
        };
        if !matches!(outcome, Ok(Err(Unready::Ended(_)))) {
            agent.stop();
            if timeout(STOP_LIMIT, end(&mut agent)).await.is_err() {
                debug!(pid = agent.pid(), "the agent of a trial does not end");
            }
        }
        match outcome {
            Ok(Ok(())) => Ok(has_tools),
            Ok(Err(Unready::Ended(problem))) => Err(problem),
            Ok(Err(Unready::Unusable(problem))) => Err(match team.remote {
                Some(_) => elsewhere(problem, team.host()),
                None => problem,
            }),
            Err(_) => Err(Problem::new(
                Code::Timeout,
                format!("The agent was not ready within {} s.", limit.as_secs()),
                "Try again; on a slow machine raise `settings.spawnTimeout`.",
            )),
        }
    }
}

/// What Claude Code says of itself does not say where it runs; a terminal here is of no use then.
fn elsewhere(problem: Problem, host: &str) -> Problem {
    Problem {
        message: format!("On {host}: {}", problem.message),
        hint: format!("On {host}: {}", problem.hint),
        ..problem
    }
}

/// Why an agent is not ready.
enum Unready {
    Ended(Problem),
    Unusable(Problem),
}

async fn ready(agent: &mut Agent, team: &Team) -> Result<(), Unready> {
    let mut reconnected = false;
    loop {
        let output = agent.next().await;
        match agent.hear(output, None) {
            Heard::Event(Event::Initialized | Event::Reconnected) => agent.mcp_status(),
            Heard::Event(Event::Mcp(Mcp::Connected)) => return Ok(()),
            Heard::Event(Event::Mcp(Mcp::Pending)) => {
                sleep(MCP_POLL).await;
                agent.mcp_status();
            }
            Heard::Event(Event::Mcp(Mcp::Failed(_))) if !reconnected => {
                reconnected = true;
                agent.mcp_reconnect();
            }
            Heard::Event(Event::Mcp(Mcp::Failed(reason))) => {
                return Err(Unready::Unusable(Problem::new(
                    Code::Agent,
                    format!("The agent cannot reach Iris: {reason}."),
                    "See that no proxy variable in the team's `env` catches 127.0.0.1.",
                )));
            }
            Heard::Event(Event::Unusable(failure)) => {
                return Err(Unready::Unusable(failure.problem));
            }
            Heard::Ended(ended) => {
                let own = claude::ended(&ended);
                let failure = match &agent.far {
                    Some(far) => far.ended(&ended, team, own),
                    None => own,
                };
                return Err(Unready::Ended(failure.problem));
            }
            Heard::Event(_) | Heard::Started | Heard::TakenBefore | Heard::Nothing => {}
        }
    }
}

async fn end(agent: &mut Agent) {
    while !matches!(agent.next().await, Output::Ended(_)) {}
}

impl Check {
    /// Where Claude Code is, and what it says of its version.
    pub async fn claude(&mut self) -> Result<(String, String), Problem> {
        let mut version = String::new();
        loop {
            match self.next().await? {
                Said::Version(said) => version = said,
                Said::Found(path) => return Ok((path, version)),
                other => debug!(?other, "not of this check"),
            }
        }
    }

    /// The project's folder, entered.
    pub async fn folder(&mut self) -> Result<String, Problem> {
        loop {
            match self.next().await? {
                Said::Entered(folder) => return Ok(folder),
                other => debug!(?other, "not of this check"),
            }
        }
    }

    /// Waits for its end; gives the way to the host back.
    pub async fn end(mut self) -> Reach {
        let ended = async {
            while let Some(output) = self.output.recv().await {
                if matches!(output, Output::Ended(_)) {
                    break;
                }
            }
        };
        if timeout(END_LIMIT, ended).await.is_err() {
            self.far.end();
        }
        self.far.reach
    }

    async fn next(&mut self) -> Result<Said, Problem> {
        loop {
            let Ok(output) = tokio::time::timeout_at(self.until, self.output.recv()).await else {
                self.far.end();
                return Err(silent(self.team.host()));
            };
            match output {
                Some(Output::Line(line)) => match remote::read(&self.nonce, &line) {
                    Some(Said::Failed(why)) => return Err(why.problem(&self.team)),
                    Some(said) => return Ok(said),
                    None => {}
                },
                Some(Output::TooLong(_)) => {}
                Some(Output::Ended(ended)) => {
                    let own = claude::ended(&ended);
                    let failure = self.far.ended(&ended, &self.team, own);
                    return Err(failure.problem);
                }
                None => return Err(super::shutting_down()),
            }
        }
    }
}

fn silent(host: &str) -> Problem {
    Problem::new(
        Code::Timeout,
        format!(
            "{host} did not say within {} s where Claude Code is.",
            CHECK_LIMIT.as_secs()
        ),
        "See that `claude --version` and the startup files of your shell there do not wait for something.",
    )
}
