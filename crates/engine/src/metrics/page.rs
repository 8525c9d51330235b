//! What a scraper gets: what was counted, and how everything is now.

use std::sync::Arc;

use iris_domain::snapshot::Snapshot;
use jiff::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text},
    metrics::{family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use tokio::sync::watch;

use super::{Metrics, OfTeam};
use crate::clock;

/// Prometheus' text format, which OpenTelemetry collectors, VictoriaMetrics and others read as well.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

type Number = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Makes the page; cheap to clone.
#[derive(Debug, Clone)]
pub struct Page {
    metrics: Metrics,
    snapshot: watch::Receiver<Arc<Snapshot>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    team: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCode {
    code: String,
}

impl Page {
    /// Of these counters and this state.
    pub fn new(metrics: Metrics, snapshot: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { metrics, snapshot }
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The page as it is now.
    ///
    /// # Errors
    /// Never with a writer that takes everything, as a text does.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_text::encode(&mut text, &self.metrics.0.registry)?;
        let snapshot = Arc::clone(&self.snapshot.borrow());
        prometheus_text::encode(&mut text, &state(&snapshot, clock::now()))?;
        Ok(text)
    }
}

/// How everything is, as gauges of its own: what is not there any more leaves no line behind.
fn state(snapshot: &Snapshot, now: Timestamp) -> Registry {
    let mut registry = Registry::default();
    let age = |since: Timestamp| now.duration_since(since).as_secs_f64().max(0.0);
    registry.register(
        "iris_build",
        "The running Iris",
        Info::new([("version", snapshot.version.clone())]),
    );

    let pending = Family::<OfTeam, Number>::default();
    let sessions = Family::<InState, Number>::default();
    let teams = Family::<InState, Number>::default();
    let links = Family::<InState, Number>::default();
    let round_trips = Family::<OfTeam, Number>::default();
    let proofs = Family::<OfTeam, Number>::default();
    for view in &snapshot.teams {
        let team = || view.name.to_string();
        let of_team = OfTeam { team: team() };
        let in_state = |state: &str| InState {
            team: team(),
            state: state.replace(' ', "_"),
        };
        pending.get_or_create(&of_team).set(f64::from(view.waiting));
        teams.get_or_create(&in_state(view.state.as_str())).set(1.0);
        for session in &view.sessions {
            let state = in_state(session.state.as_str());
            sessions.get_or_create(&state).inc();
        }
        let Some(link) = &view.link else { continue };
        links.get_or_create(&in_state(link.state.as_str())).set(1.0);
        if let Some(milliseconds) = link.rtt_ms {
            round_trips.get_or_create(&of_team).set(milliseconds / 1e3);
        }
        if let Some(at) = link.verified_at {
            proofs.get_or_create(&of_team).set(age(at));
        }
    }
    registry.register(
        "iris_approvals_pending",
        "Requests that wait for an answer",
        pending,
    );
    registry.register(
        "iris_team_state",
        "1 for the state that a team is in",
        teams,
    );
    registry.register(
        "iris_sessions",
        "Conversations that were woken in this run, by state",
        sessions,
    );
    registry.register(
        "iris_link_state",
        "1 for the state that a link is in",
        links,
    );
    registry.register(
        "iris_link_rtt_seconds",
        "The round trip of the last proof through the link",
        round_trips,
    );
    registry.register(
        "iris_link_proof_age_seconds",
        "How long ago the last proof came back",
        proofs,
    );

    let problems = Family::<OfCode, Number>::default();
    for problem in &snapshot.problems {
        // As `iris status --json` spells it.
        let code = serde_json::to_value(problem.code);
        let code = code.ok().and_then(|code| code.as_str().map(str::to_owned));
        problems
            .get_or_create(&OfCode {
                code: code.unwrap_or_default(),
            })
            .inc();
    }
    registry.register(
        "iris_problems",
        "What is wrong with Iris itself and shown in every surface, by code",
        problems,
    );

    let oldest = snapshot.approvals.iter().map(|it| it.created_at).min();
    for (name, help, value) in [
        (
            "iris_approval_oldest_seconds",
            "How long the oldest request has been waiting; 0 where none waits",
            oldest.map_or(0.0, age),
        ),
        (
            "iris_approvals_missed",
            "Requests that nobody answered in time, and that are still listed",
            count(snapshot.missed.len()),
        ),
        (
            "iris_grants",
            "Grants that hold",
            count(snapshot.grants.len()),
        ),
        (
            "iris_prompts_pending",
            "What ssh asks and nobody answered yet",
            count(snapshot.prompts.len()),
        ),
    ] {
        let gauge = Number::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
    registry
}

fn count(of: usize) -> f64 {
    u32::try_from(of).map_or(f64::INFINITY, f64::from)
}
