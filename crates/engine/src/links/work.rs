//! What a link's task does that takes time. Each is a future of its own, which the task awaits
//! beside its inbox; dropping it gives it up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use iris_domain::{
    Problem,
    link::PROOF_LIMIT,
    problem::Code,
    session::{Cure, Failure},
};
use tokio::time::{Instant, timeout};

use super::{
    host::Host,
    proof::Proof,
    tunnel::{self, Tunnel, Wanted},
};
use crate::ssh::{Connection, Reason};

/// Tunnels that were opened, with the time of the last round trip, and why others were not.
pub(super) type Opened = BTreeMap<Wanted, Result<(Tunnel, Duration), Failure>>;

/// Tidies the host and makes the tunnels; how long a round trip took.
pub(super) async fn prepare(
    connection: &Connection,
    host: &Host,
    wanted: BTreeSet<Wanted>,
) -> Result<(Opened, Duration), Failure> {
    let begun = Instant::now();
    tunnel::tidy(connection, host, tunnel::Tidying::Arriving).await?;
    let took = begun.elapsed();
    let opened = open_all(connection, connection, host, wanted).await;
    // What only a human can mend is wrong with that tunnel only; anything else is tried again with a
    // new connection.
    let passing = |failure: &&Failure| failure.cure != Cure::Human;
    let failure = opened
        .values()
        .filter_map(|tunnel| tunnel.as_ref().err())
        .find(passing);
    if let Some(failure) = failure {
        return Err(failure.clone());
    }
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
    host: &Host,
    wanted: BTreeSet<Wanted>,
) -> Opened {
    let mut opened = Opened::new();
    for wanted in wanted {
        let tunnel = tunnel::open(connection, programs, host, wanted).await;
        opened.insert(wanted, tunnel);
    }
    opened
}

/// A link without a tunnel proves itself by running nothing on the host.
async fn prove_without_tunnel(
    connection: &Connection,
    host: &Host,
    at_most: Duration,
) -> Result<Duration, Problem> {
    let begun = Instant::now();
    match timeout(at_most, connection.run(":", b"", PROOF_LIMIT)).await {
        Ok(Ok(_)) => Ok(begun.elapsed()),
        // Agents have all its sessions; that it says so proves as much.
        Ok(Err(failure)) if failure.reason == Reason::TooManySessions => Ok(begun.elapsed()),
        Ok(Err(failure)) => Err(failure.problem(host.destination())),
        Err(_) => Err(silent(host.destination())),
    }
}

fn silent(destination: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("{destination} does not answer."),
        "Iris tries again by itself; see whether that host and your network are up.",
    )
}

/// Opens tunnels on the first connection. Where the latest one has no room for the small program that
/// looks where a tunnel listens, a further one is made for it.
pub(super) async fn open(
    first: &Connection,
    latest: &Connection,
    host: &Arc<Host>,
    wanted: BTreeSet<Wanted>,
) -> (Opened, Option<Connection>) {
    let mut opened = open_all(first, latest, host, wanted).await;
    // Agents have all its sessions: no reason to cut them off.
    let is_full = |failure: &Failure| failure.problem.code == Code::Busy;
    let without_room: BTreeSet<Wanted> = opened
        .iter()
        .filter(|(_, tunnel)| tunnel.as_ref().is_err_and(is_full))
        .map(|(wanted, _)| *wanted)
        .collect();
    if without_room.is_empty() {
        return (opened, None);
    }
    match Arc::clone(host).connect().await {
        Ok(further) => {
            opened.extend(open_all(first, &further, host, without_room).await);
            (opened, Some(further))
        }
        Err(failure) => {
            let failed = |wanted| (wanted, Err(failure.clone()));
            opened.extend(without_room.into_iter().map(failed));
            (opened, None)
        }
    }
}

/// Sends a nonce through each of these tunnels; how long the slowest took.
pub(super) async fn prove(
    connection: &Connection,
    host: &Host,
    proofs: Vec<Proof>,
    at_most: Duration,
) -> Result<Duration, Problem> {
    if proofs.is_empty() {
        return prove_without_tunnel(connection, host, at_most).await;
    }
    let mut longest = Duration::ZERO;
    for proof in proofs {
        match proof.send(connection, host, at_most).await {
            Ok(Ok(took)) => longest = longest.max(took),
            Ok(Err(failure)) => return Err(proof.problem(host.destination(), &failure)),
            // As without a tunnel: agents have all its sessions. The host is there, and says so.
            Err(failure) if failure.problem.code == Code::Busy => {}
            Err(failure) => return Err(failure.problem),
        }
    }
    Ok(longest)
}
