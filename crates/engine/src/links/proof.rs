//! The proof of a tunnel: a nonce goes to its remote end, and must come in at our own listener.

use std::{path::PathBuf, time::Duration};

use iris_domain::{
    Problem,
    problem::Code,
    session::{Cure, Failure},
};
use tokio::time::{Instant, timeout};

use super::{host::Host, tunnel};
use crate::{
    endpoint::{ProbeFailure, probe},
    remote,
    ssh::Connection,
};

/// How the nonce gets to the remote end of a tunnel.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// Through a local forward, whose local end this is. Nothing runs on the host for it.
    Forward(PathBuf),
    /// A small program on the host sends it: the host allows no such forward.
    Program,
}

/// What is to be proved: a tunnel's port, and the way there.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub port: u16,
    pub way: Way,
}

impl Proof {
    /// Sends a nonce and waits until it came in; how long that took. `programs` is the connection
    /// that runs programs on the host.
    ///
    /// # Errors
    /// The link failed. Why the nonce did not come in is in the value.
    pub async fn send(
        &self,
        programs: &Connection,
        host: &Host,
        at_most: Duration,
    ) -> Result<Result<Duration, ProbeFailure>, Failure> {
        match &self.way {
            Way::Forward(socket) => {
                let deps = &host.deps;
                Ok(probe(socket, deps.tls.client(), &deps.probes, at_most).await)
            }
            Way::Program => {
                let sent = self.by_program(programs, host, at_most);
                timeout(at_most, sent)
                    .await
                    .unwrap_or(Ok(Err(ProbeFailure::TimedOut(at_most))))
            }
        }
    }

    async fn by_program(
        &self,
        programs: &Connection,
        host: &Host,
        at_most: Duration,
    ) -> Result<Result<Duration, ProbeFailure>, Failure> {
        let deps = &host.deps;
        let expected = deps.probes.expect();
        let nonce = remote::Nonce::random();
        let errand = remote::Errand {
            port: self.port,
            own_port: deps.port,
            secret: expected.nonce(),
            ca_pem: deps.tls.ca_pem(),
            at_most,
        };
        let line = remote::prove(&nonce, &deps.instance, &errand);
        let begun = Instant::now();
        match tunnel::ask(programs, host, &nonce, &line).await? {
            // Whoever took it has our certificate: true only if the nonce is here.
            Some(remote::Said::Sent) => expected.seen().await,
            Some(remote::Said::Unsent(None)) => return Ok(Err(ProbeFailure::Barred)),
            Some(remote::Said::Unsent(Some(words))) => {
                return Ok(Err(ProbeFailure::NotSent(words)));
            }
            _ => return Err(super::human(tunnel::no_shell(host.destination()))),
        }
        Ok(Ok(begun.elapsed()))
    }

    /// Why the nonce did not come in. What the host forbids only a human can mend; the next try may
    /// find anything else gone.
    pub fn failure(&self, destination: &str, failure: &ProbeFailure) -> Failure {
        Failure {
            problem: self.problem(destination, failure),
            cure: match failure {
                ProbeFailure::Barred => Cure::Human,
                _ => Cure::Retry,
            },
        }
    }

    /// The same in words.
    pub fn problem(&self, destination: &str, failure: &ProbeFailure) -> Problem {
        let port = self.port;
        if *failure == ProbeFailure::Barred {
            return Problem::new(
                Code::Forbidden,
                format!(
                    "{destination} opened the tunnel, but lets nobody through to its port {port} to prove that it leads here."
                ),
                "Install `curl` or `wget` on that host, or set `AllowTcpForwarding yes` (and no `PermitOpen`) in its sshd_config; then start the team again.",
            );
        }
        Problem::new(
            Code::Network,
            format!(
                "The way back from {destination} through its port {port} does not work: {failure}."
            ),
            "Iris tries again; if it goes on, another program on that host may hold the port: set `reverseMcpPort` to a free one.",
        )
    }
}
