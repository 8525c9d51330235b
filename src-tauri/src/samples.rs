//! Values for tests.

use std::sync::Arc;

use iris_domain::{
    Problem,
    config::GrantPermission,
    grant::{GrantView, Lifetime, Offers},
    ids::{ApprovalId, GrantId, Party, SessionId},
    problem::Code,
    prompt::{PromptId, PromptKind, PromptView},
    request::Circumstances,
    snapshot::{ApprovalView, LinkState, LinkView, MissedView, Snapshot, TeamState, TeamView},
};
use serde_json::json;

pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        version: "0.1.0".into(),
        endpoint: "http://127.0.0.1:1615/mcp".into(),
        teams: Vec::new(),
        approvals: Vec::new(),
        recent: Vec::new(),
        missed: Vec::new(),
        grants: Vec::new(),
        frozen: None,
        prompts: Vec::new(),
        slack: None,
        webhooks: Vec::new(),
        problems: Vec::new(),
    }
}

pub(crate) fn team(name: &str, state: TeamState) -> TeamView {
    TeamView {
        name: name.parse().expect("a team name"),
        state,
        host: "local".into(),
        waiting: u32::from(state == TeamState::Waiting),
        problem: (state == TeamState::Trouble).then(|| problem("claude was not found")),
        description: None,
        color: None,
        path: format!("/srv/{name}"),
        mode: GrantPermission::Ask,
        link: None,
        frozen: None,
        spent: None,
        sessions: Vec::new(),
    }
}

pub(crate) fn approval(id: &str, tool: &str, summary: &str) -> Arc<ApprovalView> {
    Arc::new(ApprovalView {
        id: ApprovalId(id.into()),
        team: "alpha".parse().expect("a team name"),
        session: SessionId(uuid::Uuid::nil()),
        from: Party::Console,
        host: "local".into(),
        path: "/srv/alpha".into(),
        tool: tool.into(),
        input: json!({ "command": summary }),
        summary: summary.into(),
        why: "mode ask".into(),
        offers: Offers::default(),
        like: None,
        forwarded_to: None,
        circumstances: Circumstances::default(),
        digest: "00".into(),
        created_at: "2026-01-01T10:00:00Z".parse().expect("a time"),
        expires_at: Some("2026-01-01T11:00:00Z".parse().expect("a time")),
    })
}

pub(crate) fn remote_team(name: &str, state: TeamState, link: LinkState) -> TeamView {
    TeamView {
        host: "me@box".into(),
        link: Some(LinkView {
            state: link,
            verified_at: None,
            rtt_ms: None,
            port: None,
            retry_at: None,
            problem: (link == LinkState::NeedsYou).then(|| problem("me@box refused the key")),
            warning: None,
        }),
        ..team(name, state)
    }
}

pub(crate) fn missed(id: &str) -> MissedView {
    MissedView {
        id: ApprovalId(id.into()),
        team: "alpha".parse().expect("a team name"),
        session: SessionId(uuid::Uuid::nil()),
        host: "local".into(),
        tool: "Bash".into(),
        input: json!({ "command": "ls" }),
        summary: "ls".into(),
        why: "mode ask".into(),
        time: "2026-01-01T10:00:00Z".parse().expect("a time"),
        allowed_until: None,
    }
}

pub(crate) fn grant(id: &str) -> GrantView {
    GrantView {
        id: GrantId(id.into()),
        team: "alpha".parse().expect("a team name"),
        session: None,
        rules: vec!["Bash(ls:*)".into()],
        tool: "Bash".into(),
        summary: "ls".into(),
        until: Lifetime::Team {},
        expires_at: None,
        granted_by: "human:window:me".into(),
        granted_at: "2026-01-01T10:00:00Z".parse().expect("a time"),
        hits: 0,
        last_used: None,
        last_summary: None,
    }
}

pub(crate) fn prompt(id: &str, kind: PromptKind) -> PromptView {
    PromptView {
        id: PromptId(id.into()),
        kind,
        host: "me@box".into(),
        text: "Enter passphrase for key '/home/me/.ssh/id_ed25519':".into(),
        rememberable: true,
        retry: false,
        created_at: "2026-01-01T10:00:00Z".parse().expect("a time"),
    }
}

pub(crate) fn problem(message: &str) -> Problem {
    Problem::new(Code::Agent, message, "install it & try again")
}
