//! A tunnel on a link: the reverse forward, where it listens, and the proof that it leads to us.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use iris_domain::{Problem, link::PROOF_LIMIT, problem::Code, session::Failure};

use super::{LinksDeps, failed};
use crate::{
    endpoint::{PortGuard, ProbeFailure, probe},
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
    /// Its port on the host.
    pub port: u16,
    /// The local end of the way to that port.
    pub socket: PathBuf,
    _own: PortGuard,
}

/// Opens a tunnel and proves it.
///
/// # Errors
/// The link failed. What is wrong with this tunnel only is in the value.
pub(super) async fn open(
    connection: &Connection,
    deps: &LinksDeps,
    wanted: Wanted,
    destination: &str,
) -> Result<Result<(Tunnel, Duration), Problem>, Failure> {
    let port = match forward(connection, deps.port, wanted).await {
        Ok(port) => port,
        Err(failure) => {
            return match failure.reason {
                Reason::PortTaken => {
                    let port = wanted.unwrap_or(PORT);
                    let holder = listening(connection, port).await;
                    Ok(Err(taken(port, destination, holder.ok().as_ref())))
                }
                Reason::ForwardingForbidden => Ok(Err(failure.problem(destination))),
                _ => Err(failed(&failure, destination)),
            };
        }
    };
    let heard = listening(connection, port).await?;
    if let Some(address) = heard.addresses.iter().find(|address| !is_loopback(address)) {
        let problem = exposed(port, destination, address);
        if let Err(failure) = connection.cancel_forward(port, deps.port).await {
            // Then the whole connection has to go: an open door is worse than no link.
            return Err(failed(&failure, destination));
        }
        return Ok(Err(problem));
    }
    let socket = connection
        .probe_socket(port)
        .await
        .map_err(|failure| failed(&failure, destination))?;
    match probe(&socket, deps.tls.client(), &deps.probes, PROOF_LIMIT).await {
        Ok(took) => Ok(Ok((
            Tunnel {
                port,
                socket,
                _own: deps.own_ports.admit(port),
            },
            took,
        ))),
        Err(failure) => Ok(Err(not_proved(port, destination, &failure))),
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

/// Tidies what this Iris left on the host, and finds out whether programs can be run there.
pub(super) async fn sweep(
    connection: &Connection,
    deps: &LinksDeps,
    destination: &str,
) -> Result<(), Failure> {
    let nonce = remote::Nonce::random();
    let line = remote::sweep_line(&deps.instance, &deps.live.all(), &nonce);
    match ask(connection, &line, &nonce).await? {
        Some(remote::Said::Swept(swept)) => {
            tracing::info!(destination, ?swept, "the host is tidy");
            Ok(())
        }
        Some(remote::Said::Failed(problem)) => Err(super::human(problem)),
        _ => Err(super::human(no_shell(destination))),
    }
}

async fn listening(connection: &Connection, port: u16) -> Result<remote::Listening, Failure> {
    let nonce = remote::Nonce::random();
    let line = remote::listening_line(port, &nonce);
    match ask(connection, &line, &nonce).await? {
        Some(remote::Said::Listening(listening)) => Ok(listening),
        Some(remote::Said::Failed(problem)) => Err(super::human(problem)),
        _ => Err(super::human(no_shell("the host"))),
    }
}

/// Runs a small program on the host; what it said in a line of its own.
async fn ask(
    connection: &Connection,
    line: &str,
    nonce: &remote::Nonce,
) -> Result<Option<remote::Said>, Failure> {
    let mut stdin = line.as_bytes().to_vec();
    stdin.push(b'\n');
    let ran = connection
        .run(remote::COMMAND, &stdin, REMOTE_LIMIT)
        .await
        .map_err(|failure| failed(&failure, "the host"))?;
    Ok(ran
        .stdout
        .lines()
        .find_map(|line| remote::read(nonce, line)))
}

/// `127.0.0.0/8` and `::1`; what cannot be read is not.
fn is_loopback(address: &str) -> bool {
    address
        .trim_matches(['[', ']'])
        .parse()
        .is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
}

/// Why a proof did not come back.
pub(super) fn not_proved(port: u16, destination: &str, failure: &ProbeFailure) -> Problem {
    Problem::new(
        Code::Network,
        format!("The way back from {destination} through its port {port} does not work: {failure}."),
        "Iris tries again; if it goes on, another program on that host may hold the port: set `reverseMcpPort` to a free one.",
    )
}

fn taken(port: u16, destination: &str, holder: Option<&remote::Listening>) -> Problem {
    let holder = holder
        .and_then(|listening| listening.holder.as_deref())
        .map_or_else(|| "another program".to_owned(), ToOwned::to_owned);
    Problem::new(
        Code::Network,
        format!("Port {port} on {destination} is taken by {holder}."),
        "End that program, or set another `reverseMcpPort`; without one, Iris takes a free port.",
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

fn no_shell(destination: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("{destination} lets Iris sign in, but runs no program of it."),
        "See that the account has a normal login shell and no forced command (`command=` in authorized_keys, `ForceCommand`).",
    )
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_addresses_are_loopback() {
        for (address, loopback) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("[::1]", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("*", false),
            ("10.0.0.2", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(address), loopback, "{address}");
        }
    }
}
