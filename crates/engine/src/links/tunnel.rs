//! A tunnel on a link: the reverse forward, where it listens, and the proof that it leads to us.

use std::{sync::Arc, time::Duration};

use iris_domain::{Problem, link::PROOF_LIMIT, problem::Code, session::Failure};

use super::{
    host::Host,
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
#[derive(Debug, Clone)]
pub(super) struct Tunnel {
    /// How it proved itself, and does again.
    pub proof: Proof,
    _own: Arc<PortGuard>,
}

impl Tunnel {
    /// Its port on the host.
    pub fn port(&self) -> u16 {
        self.proof.port
    }
}

/// When the host is tidied.
pub(super) enum Tidying {
    /// At each connect: what this Iris left there is ended. Shows, too, that programs can be run.
    Arriving,
    /// Before an orderly end: nothing of this link stays.
    Leaving,
    /// The `ssh` of this run had to be killed: it is ended there.
    Ended(remote::Run),
}

/// Opens a tunnel and proves it. `programs` is the connection that runs programs on the host.
///
/// # Errors
/// Why there is none; what was opened is closed again.
pub(super) async fn open(
    connection: &Connection,
    programs: &Connection,
    host: &Host,
    wanted: Wanted,
) -> Result<(Tunnel, Duration), Failure> {
    let own = host.deps.port;
    let port = forward(connection, own, wanted)
        .await
        .map_err(|failure| match failure.reason {
            Reason::PortTaken => super::human(taken(wanted.unwrap_or(PORT), host.destination())),
            _ => host.failed(&failure),
        })?;
    let proved = seen_and_proved(connection, programs, host, port).await;
    if proved.is_err()
        && let Err(error) = connection.cancel_forward(port, own).await
    {
        // An open door is worse than no link.
        tracing::warn!(%error, port, "a tunnel could not be closed: its connection is");
        connection.close().await;
    }
    proved
}

/// Looks where the port listens, then sends a nonce through it.
async fn seen_and_proved(
    connection: &Connection,
    programs: &Connection,
    host: &Host,
    port: u16,
) -> Result<(Tunnel, Duration), Failure> {
    if let Some(problem) = exposure(programs, host, port).await? {
        return Err(super::human(problem));
    }
    let socket = connection
        .probe_socket(port)
        .await
        .map_err(|failure| host.failed(&failure))?;
    let mut proof = Proof {
        port,
        way: Way::Forward(socket),
    };
    let mut sent = proof.send(programs, host, PROOF_LIMIT).await?;
    if sent == Err(ProbeFailure::NothingListens) {
        // The port was seen to listen: it is the way to it that the host refuses (`AllowTcpForwarding
        // remote`, `PermitOpen`).
        proof.way = Way::Program;
        sent = proof.send(programs, host, PROOF_LIMIT).await?;
    }
    match sent {
        Ok(took) => {
            let own = Arc::new(host.deps.own_ports.admit(port));
            Ok((Tunnel { proof, _own: own }, took))
        }
        Err(failure) => Err(proof.failure(host.destination(), &failure)),
    }
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
    host: &Host,
    port: u16,
) -> Result<Option<Problem>, Failure> {
    let nonce = remote::Nonce::random();
    let line = remote::listening(&nonce, port);
    let destination = host.destination();
    Ok(match ask(connection, host, &nonce, &line).await? {
        // It was just opened: whoever sees nothing there looks at another network than sshd's.
        Some(remote::Said::Listening(Some(addresses))) if addresses.is_empty() => {
            Some(unknown_exposure(port, destination))
        }
        Some(remote::Said::Listening(Some(addresses))) => addresses
            .into_iter()
            .find(|address| !address.to_canonical().is_loopback())
            .map(|address| exposed(port, destination, &address.to_string())),
        Some(remote::Said::Listening(None)) => Some(unknown_exposure(port, destination)),
        _ => return Err(super::human(no_shell(destination))),
    })
}

/// Ends and removes what Iris left on the host.
pub(super) async fn tidy(
    connection: &Connection,
    host: &Host,
    tidying: Tidying,
) -> Result<(), Failure> {
    let (nonce, deps, link) = (remote::Nonce::random(), &host.deps, &host.link);
    let line = match tidying {
        Tidying::Arriving => {
            remote::sweep(&nonce, &deps.instance, link, &deps.live.elsewhere(link))
        }
        Tidying::Leaving => remote::leave(&nonce, &deps.instance, link, &deps.live.elsewhere(link)),
        Tidying::Ended(run) => remote::end(&nonce, &deps.instance, run),
    };
    let Some(remote::Said::Swept {
        ended,
        stuck,
        stale_link,
    }) = ask(connection, host, &nonce, &line).await?
    else {
        return Err(super::human(no_shell(host.destination())));
    };
    if ended + stuck > 0 || stale_link {
        tracing::warn!(
            destination = host.destination(),
            ended,
            stuck,
            stale_link,
            "something of an earlier connection was left on the host"
        );
    }
    Ok(())
}

/// Runs a small program on the host; what it said in a line of its own.
pub(super) async fn ask(
    connection: &Connection,
    host: &Host,
    nonce: &remote::Nonce,
    line: &str,
) -> Result<Option<remote::Said>, Failure> {
    let mut stdin = line.as_bytes().to_vec();
    stdin.push(b'\n');
    let ran = connection
        .run(remote::COMMAND, &stdin, REMOTE_LIMIT)
        .await
        .map_err(|failure| host.failed(&failure))?;
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
        "Install `netstat` or `lsof` there, or see that sessions share the network of sshd (a container has its own); then start the team again.",
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
