//! What is counted, for Prometheus and whatever reads its text format (docs/METRICS.md lists all of it).
//!
//! One value owns the registry. What happens is counted where it is certain: a decision where its
//! audit row is durable. What *is* (what waits, how teams and links are) is read from the snapshot
//! when somebody asks. Labels are bounded: teams and hosts by the config, everything else by the code;
//! no tool of an agent, no id and no text of anybody's is one.

mod page;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use iris_domain::{
    audit::{Draft, Kind},
    ids::TeamName,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::clock;

pub use page::{CONTENT_TYPE, Page};

/// How long people take, seconds: from a click on a notification to the next morning.
const WAITS: [f64; 10] = [
    1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 57_600.0,
];

/// How long a row takes to the disk, seconds: from a good SSD to a disk that is about to fail.
const COMMITS: [f64; 8] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 5.0];

/// The counters; cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Counted>);

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

struct Counted {
    registry: Registry,
    decisions: Family<Decided, Counter>,
    waits: Histograms<Waited>,
    rows: Family<OfKind, Counter>,
    commits: Histogram,
    failed_writes: Counter,
    refused: Family<Refused, Counter>,
    answers: Family<Answered, Counter>,
    tool_calls: Family<Called, Counter>,
    connections: Gauge,
    agents_started: Family<OfTeam, Counter>,
    agents_ended: Family<EndedHow, Counter>,
    link_connects: Family<Connected, Counter>,
    link_losses: Family<OfHost, Counter>,
    webhook_events: Family<Posted, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    team: String,
    decision: &'static str,
    by: &'static str,
    detail: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Waited {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    kind: &'static str,
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    tool: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTeam {
    team: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedHow {
    team: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connected {
    host: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Posted {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHost {
    host: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let waits: Histograms<Waited> = Family::new_with_constructor(|| Histogram::new(WAITS));
        let mut counted = Counted {
            decisions: Family::default(),
            waits,
            rows: Family::default(),
            commits: Histogram::new(COMMITS),
            failed_writes: Counter::default(),
            refused: Family::default(),
            answers: Family::default(),
            tool_calls: Family::default(),
            connections: Gauge::default(),
            agents_started: Family::default(),
            agents_ended: Family::default(),
            link_connects: Family::default(),
            link_losses: Family::default(),
            webhook_events: Family::default(),
            registry: Registry::default(),
        };
        registry.register(
            "iris_decisions",
            "Permission requests that were decided and recorded",
            counted.decisions.clone(),
        );
        registry.register(
            "iris_approval_wait_seconds",
            "How long requests waited for their answer",
            counted.waits.clone(),
        );
        registry.register(
            "iris_audit_rows",
            "Rows that the audit log got",
            counted.rows.clone(),
        );
        registry.register(
            "iris_audit_commit_seconds",
            "How long a row took until it was durable",
            counted.commits.clone(),
        );
        registry.register(
            "iris_store_failed_writes",
            "Writes that the database did not take; what depended on them was denied",
            counted.failed_writes.clone(),
        );
        registry.register(
            "iris_refused",
            "Calls that were turned away",
            counted.refused.clone(),
        );
        registry.register(
            "iris_http_answers",
            "Answers of the endpoint, by HTTP status",
            counted.answers.clone(),
        );
        registry.register(
            "iris_tool_calls",
            "Calls of Iris's own tools",
            counted.tool_calls.clone(),
        );
        registry.register(
            "iris_connections",
            "Open connections of the endpoint",
            counted.connections.clone(),
        );
        registry.register(
            "iris_agents_started",
            "Agent processes that were started",
            counted.agents_started.clone(),
        );
        registry.register(
            "iris_agents_ended",
            "Agent processes that ended",
            counted.agents_ended.clone(),
        );
        registry.register(
            "iris_link_connects",
            "Times that a link was made, or could not be",
            counted.link_connects.clone(),
        );
        registry.register(
            "iris_link_losses",
            "Times that a link was lost",
            counted.link_losses.clone(),
        );
        registry.register(
            "iris_webhook_events",
            "Events that webhooks got, or will not get",
            counted.webhook_events.clone(),
        );
        let started: Gauge = Gauge::default();
        started.set(clock::now().as_second());
        registry.register(
            "iris_start_time_seconds",
            "When this Iris started, seconds since 1970",
            started,
        );
        counted.registry = registry;
        Self(Arc::new(counted))
    }
}

impl Metrics {
    /// A row is durable.
    pub(crate) fn recorded(&self, row: &Draft) {
        let kind = row.kind.as_str();
        self.0.rows.get_or_create(&OfKind { kind }).inc();
        if row.kind != Kind::Permission {
            return;
        }
        let (by, detail) = decided_by(&row.decided_by);
        let decided = Decided {
            team: row.team.clone(),
            decision: row.decision.as_str(),
            by,
            detail,
        };
        self.0.decisions.get_or_create(&decided).inc();
    }

    /// A request that waited was answered, or is not waited for any more.
    pub(crate) fn waited(&self, row: &Draft) {
        let (by, _) = decided_by(&row.decided_by);
        let waited = Duration::from_millis(row.wait_ms);
        let histogram = self.0.waits.get_or_create(&Waited { by });
        histogram.observe(waited.as_secs_f64());
    }

    /// A row took so long to be durable.
    pub(crate) fn committed(&self, took: Duration) {
        self.0.commits.observe(took.as_secs_f64());
    }

    /// The database did not take a write.
    pub(crate) fn write_failed(&self) {
        self.0.failed_writes.inc();
    }

    /// A call was turned away, whether or not that has a row of its own.
    pub(crate) fn refused(&self, kind: Kind, why: &'static str) {
        let kind = kind.as_str();
        self.0.refused.get_or_create(&Refused { kind, why }).inc();
    }

    /// The endpoint answered.
    pub(crate) fn answered(&self, status: http::StatusCode) {
        let status = status.as_u16();
        self.0.answers.get_or_create(&Answered { status }).inc();
    }

    /// A tool of Iris was called.
    pub(crate) fn called(&self, tool: &'static str, worked: bool) {
        let outcome = outcome(worked);
        let called = Called { tool, outcome };
        self.0.tool_calls.get_or_create(&called).inc();
    }

    /// The open connections of the endpoint, to be counted by who holds them.
    pub(crate) fn connections(&self) -> Gauge {
        self.0.connections.clone()
    }

    /// A team's agent was started.
    pub(crate) fn agent_started(&self, team: &TeamName) {
        let team = team.to_string();
        self.0.agents_started.get_or_create(&OfTeam { team }).inc();
    }

    /// A team's agent ended; well, where it ended by itself and said so.
    pub(crate) fn agent_ended(&self, team: &TeamName, well: bool) {
        let ended = EndedHow {
            team: team.to_string(),
            outcome: outcome(well),
        };
        self.0.agents_ended.get_or_create(&ended).inc();
    }

    /// `ssh` signed in to a host, or did not.
    pub(crate) fn link_connected(&self, host: &str, worked: bool) {
        let connected = Connected {
            host: host.to_owned(),
            outcome: outcome(worked),
        };
        self.0.link_connects.get_or_create(&connected).inc();
    }

    /// A webhook got an event (`delivered`), did not take it (`failed`), or had too many (`dropped`).
    pub(crate) fn webhook(&self, outcome: &'static str) {
        self.0
            .webhook_events
            .get_or_create(&Posted { outcome })
            .inc();
    }

    /// A link that was there is gone.
    pub(crate) fn link_lost(&self, host: &str) {
        let host = host.to_owned();
        self.0.link_losses.get_or_create(&OfHost { host }).inc();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn outcome(worked: bool) -> &'static str {
    if worked { "ok" } else { "failed" }
}

/// `decidedBy` of a row as two labels: what decided, and of what kind that was. Rules, ids, people and
/// sentences stand in the record, not here: there is no end to them.
fn decided_by(text: &str) -> (&'static str, &'static str) {
    const DETAILS: [(&str, &[&str]); 4] = [
        ("rule", &["deny", "requireApproval", "autoApprove"]),
        ("mode", &["yes", "no"]),
        ("human", &["notification", "tray", "window", "cli", "slack"]),
        (
            "iris",
            &[
                "audit",
                "limit",
                "shutdown",
                "unreadable",
                "frozen",
                "input",
                "team",
                "random",
            ],
        ),
    ];
    const BARE: [&str; 5] = ["grant", "session", "timeout", "withdrawn", "lost"];
    let mut parts = text.split(':');
    let (by, detail) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    if let Some((by, details)) = DETAILS.iter().find(|(known, _)| *known == by) {
        let known = details.iter().find(|known| **known == detail);
        return (by, known.copied().unwrap_or("other"));
    }
    let bare = BARE.iter().find(|known| **known == by);
    (bare.copied().unwrap_or("other"), "")
}
