use std::collections::{BTreeMap, BTreeSet};

use iris_domain::{
    Problem,
    approval::deny_by_iris,
    decision::{AllowedBy, Decision, DeniedBy, Human, RuleList, Surface, Verb},
    ids::{ApprovalId, Party, SessionId},
    problem::Code,
    snapshot::{LinkState, LinkView, SessionView, Snapshot, TeamState, TeamView},
};
use tokio::sync::watch;

use super::*;

const DOCUMENTED: &str = include_str!("../../../../docs/METRICS.md");
const ALERTS: &str = include_str!("../../../../docs/alerts.yml");

fn team() -> TeamName {
    "alpha".parse().unwrap()
}

fn decided(by: &str, wait_ms: u64) -> Draft {
    Draft {
        team: "alpha".into(),
        decision: Verb::Deny,
        decided_by: by.into(),
        wait_ms,
        ..Draft::event(clock::now(), Kind::Permission, "Bash")
    }
}

/// A state in which every gauge has something to say.
fn busy() -> Snapshot {
    let at = clock::now();
    let problem = || Problem::new(Code::Storage, "full", "free some space");
    Snapshot {
        version: "1.2.3".into(),
        teams: vec![TeamView {
            name: team(),
            state: TeamState::Trouble,
            host: "box".into(),
            waiting: 3,
            problem: None,
            description: None,
            color: None,
            path: "p".into(),
            mode: iris_domain::config::GrantPermission::Ask,
            link: Some(LinkView {
                state: LinkState::NeedsYou,
                verified_at: Some(at),
                rtt_ms: Some(12.5),
                port: None,
                retry_at: None,
                problem: None,
                warning: None,
            }),
            frozen: None,
            spent: None,
            sessions: vec![SessionView {
                id: SessionId(uuid::Uuid::from_u128(1)),
                from: Party::Console,
                state: TeamState::Trouble,
                doing: None,
                pid: None,
                queued: 0,
                problem: None,
                stderr_tail: Vec::new(),
                last_activity: at,
                spent: None,
            }],
        }],
        problems: vec![problem(), problem()],
        ..Snapshot::default()
    }
}

/// Everything that can be counted, counted once.
fn counted() -> Metrics {
    let metrics = Metrics::default();
    metrics.recorded(&decided("timeout", 60_000));
    metrics.waited(&decided("timeout", 60_000));
    metrics.committed(Duration::from_millis(2));
    metrics.write_failed();
    metrics.refused(Kind::Auth, "token:unknown");
    metrics.answered(http::StatusCode::UNAUTHORIZED);
    metrics.called("list_teams", true);
    metrics.connections().inc();
    metrics.agent_started(&team());
    metrics.agent_ended(&team(), false);
    metrics.link_connected("box", true);
    metrics.link_lost("box");
    metrics.webhook("delivered");
    metrics
}

fn page(metrics: Metrics, snapshot: Snapshot) -> String {
    let (_sender, snapshot) = watch::channel(Arc::new(snapshot));
    Page::new(metrics, snapshot).text().unwrap()
}

/// The metrics of a page with their types, as its `# TYPE` lines tell.
fn types(page: &str) -> BTreeMap<String, String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn the_page_says_what_was_counted_and_what_is() {
    let page = page(counted(), busy());
    for line in [
        r#"iris_decisions_total{team="alpha",decision="deny",by="timeout",detail=""} 1"#,
        r#"iris_approval_wait_seconds_bucket{by="timeout",le="60"} 1"#,
        r#"iris_approval_wait_seconds_sum{by="timeout"} 60.0"#,
        r#"iris_audit_rows_total{kind="permission"} 1"#,
        "iris_store_failed_writes_total 1",
        r#"iris_refused_total{kind="auth",why="token:unknown"} 1"#,
        r#"iris_http_answers_total{status="401"} 1"#,
        r#"iris_tool_calls_total{tool="list_teams",outcome="ok"} 1"#,
        "iris_connections 1",
        r#"iris_agents_ended_total{team="alpha",outcome="failed"} 1"#,
        r#"iris_link_connects_total{host="box",outcome="ok"} 1"#,
        r#"iris_webhook_events_total{outcome="delivered"} 1"#,
        r#"iris_build_info{version="1.2.3"} 1"#,
        r#"iris_approvals_pending{team="alpha"} 3.0"#,
        r#"iris_sessions{team="alpha",state="trouble"} 1.0"#,
        r#"iris_link_state{team="alpha",state="needs_you"} 1.0"#,
        r#"iris_link_rtt_seconds{team="alpha"} 0.0125"#,
        r#"iris_problems{code="storage"} 2.0"#,
        "iris_approval_oldest_seconds 0.0",
    ] {
        assert!(
            page.lines().any(|it| it == line),
            "{line} is not in\n{page}"
        );
    }
}

#[test]
fn every_line_of_the_page_is_in_prometheus_format() {
    let page = page(counted(), busy());
    let types = types(&page);
    for line in page.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part))
            .filter(|base| types.contains_key(*base))
            .unwrap_or(name);
        assert!(types.contains_key(base), "{line} has no type");
        assert!(name == base || types[base] == "histogram", "{line}");
    }
}

#[test]
fn every_metric_is_documented_with_its_type_and_nothing_else_is() {
    let there = types(&page(counted(), busy()));
    let documented: BTreeMap<String, String> = DOCUMENTED
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.trim_end_matches('`');
            Some((name.to_owned(), cells.next()?.to_owned()))
        })
        .filter(|(name, _)| name.starts_with("iris_"))
        .collect();
    assert_eq!(documented, there);
}

#[test]
fn every_alert_is_about_metrics_that_are_there() {
    let there = types(&page(counted(), busy()));
    let mut alerts = 0;
    let mut used = BTreeSet::new();
    for line in ALERTS.lines().map(str::trim) {
        alerts += usize::from(line.starts_with("- alert: "));
        let Some(expression) = line.strip_prefix("expr: ") else {
            assert!(!line.starts_with("expr:"), "an expression is one line");
            continue;
        };
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("iris_")) {
            let base = word.trim_end_matches("_bucket");
            assert!(there.contains_key(base), "no {word}: {expression}");
            used.insert(base.to_owned());
        }
    }
    assert!(
        alerts >= 8 && used.len() >= 8,
        "{alerts} alerts on {used:?}"
    );
    assert_eq!(
        ALERTS.matches("summary: ").count(),
        alerts,
        "each says what it is"
    );
    assert_eq!(
        ALERTS.matches("description: ").count(),
        alerts,
        "and what to do"
    );
}

#[test]
fn what_decided_is_two_labels_and_no_text_of_anybody() {
    let human = |surface| Human {
        surface,
        user: "ann".into(),
    };
    let allow = |by| Decision::Allow { by, edited: None }.by();
    let deny = |by: DeniedBy| by.to_string();
    for (text, labels) in [
        (
            allow(AllowedBy::Rule(RuleList::AutoApprove, "Bash(a:b)".into())),
            ("rule", "autoApprove"),
        ),
        (allow(AllowedBy::Grant("g1,g2".into())), ("grant", "")),
        (allow(AllowedBy::ModeYes), ("mode", "yes")),
        (
            allow(AllowedBy::Human(human(Surface::Tray))),
            ("human", "tray"),
        ),
        (
            allow(AllowedBy::Human(human(Surface::Notification))),
            ("human", "notification"),
        ),
        (
            deny(DeniedBy::Human(human(Surface::Window))),
            ("human", "window"),
        ),
        (deny(DeniedBy::Human(human(Surface::Cli))), ("human", "cli")),
        (
            allow(AllowedBy::Session(team(), SessionId(uuid::Uuid::nil()))),
            ("session", ""),
        ),
        (
            deny(DeniedBy::Rule(RuleList::Deny, "x".into())),
            ("rule", "deny"),
        ),
        (
            deny(DeniedBy::Rule(RuleList::RequireApproval, "x".into())),
            ("rule", "requireApproval"),
        ),
        (deny(DeniedBy::Mode("no")), ("mode", "no")),
        (deny(DeniedBy::Timeout), ("timeout", "")),
        (deny(DeniedBy::Withdrawn("hung up")), ("withdrawn", "")),
        (deny(DeniedBy::Lost), ("lost", "")),
        (deny_by_iris("limit", "x").by(), ("iris", "limit")),
        ("iris:what an agent wrote".into(), ("iris", "other")),
        ("anything".into(), ("other", "")),
        (ApprovalId("k3".into()).to_string(), ("other", "")),
    ] {
        assert_eq!(decided_by(&text), labels, "{text}");
    }
}

/// The codes of Iris's own denials are looked for in the sources: one that is not known would be `other`.
#[test]
fn every_denial_of_iris_itself_has_a_label() {
    let mut codes = BTreeSet::new();
    let mut folders = vec![
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().contains("tests") {
                let text = std::fs::read_to_string(path).unwrap();
                let calls = text.split("deny_by_iris(\"").skip(1);
                codes.extend(calls.filter_map(|it| Some(it.split_once('"')?.0.to_owned())));
            }
        }
    }
    assert!(codes.len() >= 5, "they are still found: {codes:?}");
    for code in codes {
        let (by, detail) = decided_by(&format!("iris:{code}"));
        assert_eq!(
            (by, detail),
            ("iris", code.as_str()),
            "add it to the details"
        );
    }
}

#[test]
fn counting_costs_nothing_beside_a_write() {
    let metrics = Metrics::default();
    let row = decided("human:cli:ann", 5);
    let began = std::time::Instant::now();
    for _ in 0..10_000 {
        metrics.recorded(&row);
    }
    // In a debug build on a busy machine; a commit takes a hundred times as long.
    let each = began.elapsed() / 10_000;
    assert!(each < Duration::from_micros(50), "{each:?}");
}
