//! What a link's task does that takes time. Each is a future of its own, which the task awaits
//! beside its inbox; dropping it gives it up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use iris_domain::{Problem, link::PROOF_LIMIT, problem::Code, session::Failure, target::Target};
use tokio::time::{Instant, timeout};

use super::{
    LinksDeps, failed, human,
    proof::Proof,
    tunnel::{self, Tunnel, Wanted},
};
use crate::ssh::{self, Connection, Resolved};

/// How long signing in may take, a human's answers included.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(600);

/// Tunnels that were opened, with the time of the last round trip.
pub(super) type Opened = BTreeMap<Wanted, Result<(Tunnel, Duration), Problem>>;

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
) -> Result<Connection, Failure> {
    let attempt = deps.prompts.attempt(&account);
    let env = attempt.env();
    match timeout(SIGN_IN_LIMIT, deps.ssh.connect(&target, &env)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(mut failure)) => {
            if attempt.cancelled() {
                failure.reason = ssh::Reason::Cancelled;
            }
            Err(failed(&failure, target.destination()))
        }
        Err(_) => Err(human(unfinished(target.destination()))),
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
    let opened = open_all(connection, connection, deps, wanted, destination).await?;
    let slowest = opened
        .values()
        .filter_map(|tunnel| tunnel.as_ref().ok())
        .map(|(_, took)| *took)
        .max();
    Ok((opened, slowest.unwrap_or(took)))
}

async fn open_all(
    connection: &Connection,
    programs: &Connection,
    deps: &LinksDeps,
    wanted: BTreeSet<Wanted>,
    destination: &str,
) -> Result<Opened, Failure> {
    let mut opened = Opened::new();
    for wanted in wanted {
        let tunnel = tunnel::open(connection, programs, deps, wanted, destination).await?;
        opened.insert(wanted, tunnel);
    }
    Ok(opened)
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
        // Agents have all its sessions; that it says so proves as much.
        Ok(Err(failure)) if failure.reason == ssh::Reason::TooManySessions => Ok(begun.elapsed()),
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

/// Opens tunnels on the first connection; `all` are those that there are. Where no one has room for
/// the small program that looks where a tunnel listens, a further connection is made for it.
pub(super) async fn open(
    first: &Connection,
    mut all: Vec<Arc<Connection>>,
    deps: Arc<LinksDeps>,
    target: Target,
    account: String,
    wanted: BTreeSet<Wanted>,
) -> (Result<Opened, Failure>, Option<Connection>) {
    let destination = target.destination();
    let last = all.pop();
    // The latest has room, if any has.
    let programs = last.as_deref().unwrap_or(first);
    let opened = open_all(first, programs, &deps, wanted.clone(), destination).await;
    let is_full = |failure: &Failure| failure.problem.code == Code::Busy;
    if !opened.as_ref().is_err_and(is_full) {
        return (opened, None);
    }
    // Agents have all its sessions: no reason to cut them off.
    match connect(Arc::clone(&deps), target.clone(), account).await {
        Ok(further) => {
            let opened = open_all(first, &further, &deps, wanted, destination).await;
            (opened, Some(further))
        }
        Err(failure) => (Err(failure), None),
    }
}

/// Sends a nonce through each of these tunnels; how long the slowest took.
pub(super) async fn prove(
    connection: &Connection,
    deps: &LinksDeps,
    proofs: Vec<Proof>,
    at_most: Duration,
    destination: &str,
) -> Result<Duration, Problem> {
    if proofs.is_empty() {
        return prove_without_tunnel(connection, at_most, destination).await;
    }
    let mut longest = Duration::ZERO;
    for proof in proofs {
        match proof.send(connection, deps, at_most, destination).await {
            Ok(Ok(took)) => longest = longest.max(took),
            Ok(Err(failure)) => return Err(proof.problem(destination, &failure)),
            // As without a tunnel: agents have all its sessions. The host is there, and says so.
            Err(failure) if failure.problem.code == Code::Busy => {}
            Err(failure) => return Err(failure.problem),
        }
    }
    Ok(longest)
}
