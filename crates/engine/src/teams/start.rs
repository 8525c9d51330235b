//! Starting an agent's process, here or on another host.

use std::{collections::BTreeMap, net::Ipv4Addr};

use iris_domain::{
    Problem,
    config::Team,
    ids::{Party, SessionId},
    session::{Cure, Failure},
};
use tokio::sync::mpsc;
use tracing::info;

use super::{TeamsDeps, agent::Far};
use crate::{
    claude::{self, Invocation},
    links::Reach,
    process::{Output, Process},
    remote,
    secrets::Secret,
};

/// What an agent is started with.
pub(super) struct Start<'a> {
    pub deps: &'a TeamsDeps,
    pub team: &'a Team,
    pub session: SessionId,
    /// Who talks to it.
    pub from: &'a Party,
    /// Whether Claude Code has the conversation on disk.
    pub resume: bool,
    pub token: &'a Secret,
    /// The values of the team's `env` that the keychain has.
    pub secrets: &'a Values,
}

pub(super) type Values = BTreeMap<String, Secret>;

pub(super) type Started = Result<(Process, mpsc::Receiver<Output>, Option<Far>), Failure>;

impl Start<'_> {
    /// On this computer.
    pub fn here(&self) -> Started {
        let endpoint = self.deps.endpoint.as_deref();
        let program = self.invocation(endpoint).program().map_err(human)?;
        let (process, output) = self
            .deps
            .processes
            .start(program)
            .map_err(|error| claude::not_started(&error))?;
        Ok((process, output, None))
    }

    /// On another host: the program that starts it there goes first, then the conversation.
    pub fn there(&self, reach: Reach) -> Started {
        let team = self.team;
        let scheme = if team.allow_http { "http" } else { "https" };
        let endpoint = reach
            .port
            .map(|port| format!("{scheme}://{}:{port}/mcp", Ipv4Addr::LOCALHOST));
        let args = self.invocation(endpoint.as_deref()).args();
        let (nonce, run) = (remote::Nonce::random(), remote::Run::of(self.session));
        let tunnel = endpoint.is_some();
        let line = remote::Launch {
            team,
            run,
            args: &args,
            token: tunnel.then_some(self.token),
            ca_pem: (tunnel && !team.allow_http).then_some(self.deps.ca_pem.as_str()),
            env: &values(&team.env, self.secrets),
            instance: &self.deps.instance,
            nonce: &nonce,
        }
        .first_line()
        .map_err(human)?;
        let program = reach.program(remote::COMMAND);
        let (process, output) = self
            .deps
            .processes
            .start(program)
            .map_err(|error| claude::not_started(&error))?;
        if process.write_line(&line).is_err() {
            // It ended at once; its end says why.
            info!(
                pid = process.pid(),
                "the program for the host was not taken"
            );
        }
        Ok((process, output, Some(Far::new(nonce, run, reach))))
    }

    fn invocation<'a>(&'a self, endpoint: Option<&'a str>) -> Invocation<'a> {
        Invocation {
            team: self.team,
            session: self.session,
            from: self.from,
            resume: self.resume,
            endpoint,
            token: self.token,
            env: &self.deps.env,
            secrets: self.secrets,
            base: self.deps.home.root(),
        }
    }
}

/// All values of a team's `env`.
pub(super) fn values(env: &BTreeMap<String, String>, secrets: &Values) -> Values {
    env.iter()
        .map(|(name, value)| {
            let secret = secrets.get(name).cloned();
            (
                name.clone(),
                secret.unwrap_or_else(|| Secret::new(value.clone())),
            )
        })
        .collect()
}

fn human(problem: Problem) -> Failure {
    Failure {
        problem,
        cure: Cure::Human,
    }
}
