//! A tunnel on a link: the reverse forward, where it listens, and the proof that it leads to us.

use std::time::Duration;

use iris_domain::{Problem, link::PROOF_LIMIT, problem::Code, session::Failure};

use super::{
    LinksDeps, failed,
    proof::{Proof, Way},
};
use crate::{
    endpoint::{PortGuard, ProbeFailure},
    remote,
    ssh::{Connection, Reason},
};

/// The port that a team wants; `None`: the usual one, or a free one where it is taken.
pub(super) type Wanted = Option<u16>;

/// The port of a tunnel whose team names none.
pub const PORT: u16 = 1615;

/// How long a small program on the host may take. It does nothing that waits.
const REMOTE_LIMIT: Duration = Duration::from_secs(20);

/// An open tunnel that proved itself.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// How it proved itself, and does again.
    pub proof: Proof,
    _own: PortGuard,
}

impl Tunnel {
    /// Its port on the host.
    pub fn port(&self) -> u16 {
        self.proof.port
    }
}

/// Opens a tunnel and proves it. `programs` is the connection that runs programs on the host.
///
/// # Errors
/// The link failed. What is wrong with this tunnel only is in the value.
pub(super) async fn open(
    connection: &Connection,
    programs: &Connection,
    deps: &LinksDeps,
    wanted: Wanted,
    destination: &str,
) -> Result<Result<(Tunnel, Duration), Problem>, Failure> {
    let port = match forward(connection, deps.port, wanted).await {
        Ok(port) => port,
        Err(failure) => {
            return match failure.reason {
                Reason::PortTaken => Ok(Err(taken(wanted.unwrap_or(PORT), destination))),
                Reason::ForwardingForbidden => Ok(Err(failure.problem(destination))),
                _ => Err(failed(&failure, destination)),
            };
        }
    };
    let exposed = exposure(programs, port, destination).await;
    if !matches!(exposed, Ok(None)) {
        // If that fails the whole connection has to go: an open door is worse than no link.
        connection
            .cancel_forward(port, deps.port)
            .await
            .map_err(|failure| failed(&failure, destination))?;
    }
    if let Some(problem) = exposed? {
        return Ok(Err(problem));
    }
    let socket = connection
        .probe_socket(port)
        .await
        .map_err(|failure| failed(&failure, destination))?;
    let mut proof = Proof {
        port,
        way: Way::Forward(socket),
    };
    let mut sent = proof.send(programs, deps, PROOF_LIMIT, destination).await?;
    if sent == Err(ProbeFailure::NothingListens) {
        // The port was seen to listen: it is the way to it that the host refuses (`AllowTcpForwarding
        // remote`, `PermitOpen`).
        proof.way = Way::Program;
        sent = proof.send(programs, deps, PROOF_LIMIT, destination).await?;
    }
    Ok(match sent {
        Ok(took) => {
            let own = deps.own_ports.admit(port);
            let tunnel = Tunnel { proof, _own: own };
            Ok((tunnel, took))
        }
        Err(failure) => Err(proof.problem(destination, &failure)),
    })
}

async fn forward(
    connection: &Connection,
    to: u16,
    wanted: Wanted,
) -> Result<u16, crate::ssh::Failure> {
    match connection.forward(wanted.unwrap_or(PORT), to).await {
        Err(failure) if failure.reason == Reason::PortTaken && wanted.is_none() => {
            connection.forward(0, to).await
        }
        outcome => outcome,
    }
}

/// Whether others than the host itself can reach the tunnel: an sshd with `GatewayPorts yes` ignores
/// the address that it is told to bind.
async fn exposure(
    connection: &Connection,
    port: u16,
    destination: &str,
) -> Result<Option<Problem>, Failure> {
    let nonce = remote::Nonce::random();
    let line = remote::listening(&nonce, port);
    Ok(match ask(connection, &line, &nonce, destination).await? {
        Some(remote::Said::Listening(Some(addresses))) => addresses
            .into_iter()
            .find(|address| !address.to_canonical().is_loopback())
            .map(|address| exposed(port, destination, &address.to_string())),
        Some(remote::Said::Listening(None)) => Some(unknown_exposure(port, destination)),
        _ => return Err(super::human(no_shell(destination))),
    })
}

/// At each connect: tidies what this Iris left on the host, and finds out whether programs can be
/// run there.
pub(super) async fn sweep(
    connection: &Connection,
    deps: &LinksDeps,
    link: &str,
    destination: &str,
) -> Result<(), Failure> {
    let nonce = remote::Nonce::random();
    let line = remote::sweep(&nonce, &deps.instance, link, &deps.live.elsewhere(link));
    tidied(connection, &line, &nonce, destination).await
}

/// Before an orderly end: nothing of this link stays on the host.
pub(super) async fn leave(
    connection: &Connection,
    deps: &LinksDeps,
    link: &str,
    destination: &str,
) -> Result<(), Failure> {
    let nonce = remote::Nonce::random();
    let line = remote::leave(&nonce, &deps.instance, link, &deps.live.elsewhere(link));
    tidied(connection, &line, &nonce, destination).await
}

/// Ends a run whose `ssh` had to be killed.
pub(super) async fn end(
    connection: &Connection,
    deps: &LinksDeps,
    run: remote::Run,
    destination: &str,
) -> Result<(), Failure> {
    let nonce = remote::Nonce::random();
    let line = remote::end(&nonce, &deps.instance, run);
    tidied(connection, &line, &nonce, destination).await
}

async fn tidied(
    connection: &Connection,
    line: &str,
    nonce: &remote::Nonce,
    destination: &str,
) -> Result<(), Failure> {
    match ask(connection, line, nonce, destination).await? {
        Some(remote::Said::Swept {
            ended,
            stuck,
            stale_link,
        }) => {
            if ended + stuck > 0 || stale_link {
                tracing::warn!(
                    destination,
                    ended,
                    stuck,
                    stale_link,
                    "something of an earlier connection was left on the host"
                );
            }
            Ok(())
        }
        _ => Err(super::human(no_shell(destination))),
    }
}

/// Runs a small program on the host; what it said in a line of its own.
pub(super) async fn ask(
    connection: &Connection,
    line: &str,
    nonce: &remote::Nonce,
    destination: &str,
) -> Result<Option<remote::Said>, Failure> {
    let mut stdin = line.as_bytes().to_vec();
    stdin.push(b'\n');
    let ran = connection
        .run(remote::COMMAND, &stdin, REMOTE_LIMIT)
        .await
        .map_err(|failure| failed(&failure, destination))?;
    Ok(ran
        .stdout
        .lines()
        .find_map(|line| remote::read(nonce, line)))
}

fn taken(port: u16, destination: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("Port {port} on {destination} is taken by another program."),
        format!(
            "`ss -ltnp sport = :{port}` on that host names it. End it, or set another `reverseMcpPort`; without one, Iris takes a free port."
        ),
    )
}

fn unknown_exposure(port: u16, destination: &str) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("{destination} does not say who can reach port {port} there, so Iris closed it."),
        "Install `ss`, `netstat` or `lsof` on that host, then start the team again.",
    )
}

fn exposed(port: u16, destination: &str, address: &str) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!(
            "The SSH server of {destination} opened port {port} to others than that host ({address}), so Iris closed it."
        ),
        "Set `GatewayPorts no` (or `clientspecified`) in that host's sshd_config and reload sshd, then start the team again.",
    )
}

pub(super) fn no_shell(destination: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("{destination} lets Iris sign in, but runs no program of it."),
        "See that the account has a normal login shell and no forced command (`command=` in authorized_keys, `ForceCommand`).",
    )
}
