//! What a link does that takes time.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use iris_domain::{Problem, link::PROOF_LIMIT, problem::Code, session::Failure};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::{
    LinksDeps, failed,
    tunnel::{self, Tunnel, Wanted},
};
use crate::{
    endpoint::probe,
    ssh::{self, Connection, Resolved, Target},
};

/// How long signing in may take, a human's answers included.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(600);

/// How long tidying the host may hold up the end of a link; what is left is tidied at the next
/// connect.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// Tunnels that were opened, with the time of the last round trip.
pub(super) type Opened = BTreeMap<Wanted, Result<(Tunnel, Duration), Problem>>;

/// What came of the work that takes time.
pub(super) enum Done {
    Connected(Result<Arc<Connection>, Failure>),
    Prepared(Result<(Opened, Duration), Failure>),
    Opened(Result<Opened, Failure>),
    Proved(Result<Duration, Problem>),
}

/// `user@host`, with the port where it is not the usual one.
pub(super) fn account(resolved: &Resolved) -> String {
    let Resolved {
        user, host, port, ..
    } = resolved;
    match port {
        22 => format!("{user}@{host}"),
        _ => format!("{user}@{host}:{port}"),
    }
}

/// Signs in. What ssh asks is asked in the name of this attempt.
pub(super) async fn connect(
    deps: Arc<LinksDeps>,
    target: Target,
    account: String,
) -> Result<Arc<Connection>, Failure> {
    let attempt = deps.prompts.attempt(&account);
    let env = attempt.env();
    match timeout(SIGN_IN_LIMIT, deps.ssh.connect(&target, &env)).await {
        Ok(Ok(connection)) => Ok(Arc::new(connection)),
        Ok(Err(mut failure)) => {
            if attempt.cancelled() {
                failure.reason = ssh::Reason::Cancelled;
            }
            Err(failed(&failure, target.destination()))
        }
        Err(_) => Err(super::human(unfinished(target.destination()))),
    }
}

fn unfinished(destination: &str) -> Problem {
    Problem::new(
        Code::Timeout,
        format!(
            "Signing in to {destination} was not finished in {} minutes.",
            SIGN_IN_LIMIT.as_secs() / 60
        ),
        "Start the team again and answer what it asks; if nothing was asked, run `ssh -v` to that host in a terminal.",
    )
}

pub(super) async fn prepare(
    connection: &Connection,
    deps: &LinksDeps,
    link: &str,
    wanted: BTreeSet<Wanted>,
    destination: &str,
) -> Result<(Opened, Duration), Failure> {
    let begun = Instant::now();
    tunnel::sweep(connection, deps, link, destination).await?;
    let took = begun.elapsed();
    let opened = open_all(connection, deps, wanted, destination).await?;
    let slowest = opened
        .values()
        .filter_map(|tunnel| tunnel.as_ref().ok())
        .map(|(_, took)| *took)
        .max();
    Ok((opened, slowest.unwrap_or(took)))
}

pub(super) async fn open_all(
    connection: &Connection,
    deps: &LinksDeps,
    wanted: BTreeSet<Wanted>,
    destination: &str,
) -> Result<Opened, Failure> {
    let mut opened = Opened::new();
    for wanted in wanted {
        let tunnel = tunnel::open(connection, deps, wanted, destination).await?;
        opened.insert(wanted, tunnel);
    }
    Ok(opened)
}

/// Proves each tunnel; the longest round trip. A link without a tunnel runs nothing on the host.
pub(super) async fn prove(
    connection: &Connection,
    deps: &LinksDeps,
    ways: Vec<(u16, PathBuf)>,
    at_most: Duration,
    destination: &str,
) -> Result<Duration, Problem> {
    if ways.is_empty() {
        return prove_without_tunnel(connection, at_most, destination).await;
    }
    let mut longest = Duration::ZERO;
    for (port, socket) in ways {
        match probe(&socket, deps.tls.client(), &deps.probes, at_most).await {
            Ok(took) => longest = longest.max(took),
            Err(failure) => return Err(tunnel::not_proved(port, destination, &failure)),
        }
    }
    Ok(longest)
}

/// Before an orderly end: nothing stays on the host, if it answers in time.
pub(super) async fn leave(
    connection: &Connection,
    deps: &LinksDeps,
    link: &str,
    destination: &str,
) {
    let leaving = tunnel::leave(connection, deps, link, destination);
    match timeout(LEAVE_LIMIT, leaving).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => debug!(problem = %failure.problem, "the host was not tidied"),
        Err(_) => debug!("the host was not tidied in time"),
    }
}

/// A link without a tunnel proves itself by running nothing on the host.
async fn prove_without_tunnel(
    connection: &Connection,
    at_most: Duration,
    destination: &str,
) -> Result<Duration, Problem> {
    let begun = Instant::now();
    match timeout(at_most, connection.run(":", b"", PROOF_LIMIT)).await {
        Ok(Ok(_)) => Ok(begun.elapsed()),
        Ok(Err(failure)) => Err(failure.problem(destination)),
        Err(_) => Err(silent(destination)),
    }
}

fn silent(destination: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("{destination} does not answer."),
        "Iris tries again by itself; see whether that host and your network are up.",
    )
}

/// The wait, up to a fifth longer: hosts that went away together are not tried all at once.
pub(super) fn jittered(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    if let Err(error) = getrandom::fill(&mut byte) {
        debug!(%error, "no random numbers; no jitter");
    }
    wait + wait.mul_f64(f64::from(byte[0]) / 255.0 / 5.0)
}
