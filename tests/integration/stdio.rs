//! Agents that have no way to Iris but their own control channel: their requests for permission
//! come to the same approvals.

use std::path::PathBuf;

use iris_domain::{
    callback::PERMISSION_LIMIT,
    config::{GrantPermission, RateLimit},
    decision::{Answer, Human, Surface, Verb},
    message::{MessageStatus, SendOutcome},
    snapshot::ApprovalView,
};
use iris_engine::{control::PendingItem, store::AuditQuery};
use iris_tests::{FakeModel, eventually, require};
use serde_json::json;

use crate::supervisor::house::{House, name, within};

impl House {
    /// The approval that waits, when there is one.
    async fn waiting(&self) -> ApprovalView {
        let mut view = self.approvals.watch();
        let view = within(view.wait_for(|view| !view.pending.is_empty())).await;
        ApprovalView::clone(&view.unwrap().pending[0])
    }

    /// Who or what decided the last request, when none waits any more.
    async fn decided_by(&self) -> String {
        let mut view = self.approvals.watch();
        let ended = |view: &std::sync::Arc<iris_engine::approvals::ApprovalsView>| {
            view.pending.is_empty() && !view.recent.is_empty()
        };
        let view = within(view.wait_for(ended)).await.unwrap();
        view.recent[0].decided_by.clone()
    }

    /// Sends a task that asks for permission, and answers.
    pub async fn decide(&self, text: &str, answer: Answer) -> (ApprovalView, SendOutcome) {
        let answering = async {
            let asked = self.waiting().await;
            let human = Human {
                surface: Surface::Cli,
                user: "ann".into(),
            };
            let answered = self.approvals.answer(asked.id.clone(), answer, human);
            within(answered).await.unwrap();
            asked
        };
        tokio::join!(answering, self.send(text))
    }
}

fn allow() -> Answer {
    Answer::ALLOW_ONCE
}

fn deny(message: &str) -> Answer {
    Answer::Deny {
        message: Some(message.into()),
    }
}

#[tokio::test]
async fn a_request_on_the_control_channel_is_put_to_the_human() {
    let house = House::without_endpoint("mcp-failed", |_| {}).await;
    let args = house.answer("args").await;
    assert!(args.contains("--permission-prompt-tool=stdio"), "{args}");
    assert!(!args.contains("mcp-config"), "{args}");
    assert_eq!(
        house.answer("sh echo [$IRIS_TOKEN]").await,
        "[]",
        "nothing to prove"
    );

    let (asked, outcome) = house.decide("ask touch x", allow()).await;
    assert_eq!(
        (asked.tool.as_str(), asked.summary.as_str()),
        ("Bash", "touch x")
    );
    let said = outcome.response.unwrap();
    assert!(
        said.contains(r#""behavior":"allow","updatedInput":{}"#),
        "{said}"
    );

    let (_, outcome) = house.decide("ask touch y", deny("not today")).await;
    let said = outcome.response.unwrap();
    assert!(
        said.contains(r#""behavior":"deny""#) && said.contains("not today"),
        "{said}"
    );
    house.end().await;
}

#[tokio::test]
async fn what_is_said_beside_a_request_is_shown_and_decides_nothing() {
    let house = House::without_endpoint("", |_| {}).await;
    let request = json!({
        "tool_name": "Bash", "input": {"command": "touch x"}, "tool_use_id": "t1",
        "permission_suggestions": [
            {"type": "addRules", "behavior": "allow", "destination": "localSettings",
             "rules": [{"toolName": "Bash", "ruleContent": "touch \u{202e}x *"}]},
            {"type": "setMode", "mode": "bypassPermissions", "destination": "session"},
        ],
        "blocked_path": "/srv/\u{1b}[2Jx", "decision_reason": "outside\nof it", "agent_id": "sub\u{200b}1",
    });
    let (asked, outcome) = house
        .decide(&format!("ask-raw {request}"), deny("no"))
        .await;
    let shown = serde_json::to_value(PendingItem::from(&asked)).unwrap();
    for (name, want) in [
        ("suggestedRules", json!(["Bash(touch ⟨U+202E⟩x *)"])),
        ("blockedPath", json!("/srv/⟨U+001B⟩[2Jx")),
        ("decisionReason", json!("outside⏎of it")),
        ("agentId", json!("sub⟨U+200B⟩1")),
    ] {
        assert_eq!(shown[name], want, "{shown:#}");
    }
    let said = outcome.response.unwrap();
    assert!(said.contains(r#""behavior":"deny""#), "{said}");

    // Without them the fields are not there, and a request is the same one.
    let (plain, _) = house.decide("ask touch x", deny("no")).await;
    let shown = serde_json::to_value(PendingItem::from(&plain)).unwrap();
    assert!(shown.get("suggestedRules").is_none(), "{shown:#}");
    assert_eq!(plain.digest, asked.digest);
    house.end().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_denied_on_record() {
    let house = House::without_endpoint("", |config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.grant_permission = GrantPermission::Yes;
    })
    .await;
    let secret = "hunter2-4711";
    for request in [
        json!({"tool_name": "Bash", "input": secret, "tool_use_id": "t1"}),
        json!({"tool_name": "Ba\u{202e}sh x", "input": {"token": secret}, "tool_use_id": "t1"}),
        json!({"tool_name": "Bash", "input": {"command": secret}}),
    ] {
        let said = house.answer(&format!("ask-raw {request}")).await;
        assert!(said.contains(r#""behavior":"deny""#), "{said}");
        assert!(said.contains("could not read the request"), "{said}");
        let rows = house.store.audit(AuditQuery::default()).await.unwrap();
        let row = &rows[0].draft;
        assert_eq!(row.decision, Verb::Deny, "{row:?}");
        assert_eq!(
            (row.decided_by.as_str(), row.team.as_str()),
            ("iris:unreadable", "api")
        );
        assert!(
            row.tool.starts_with("Ba") && !row.tool.contains('\u{202e}'),
            "{row:?}"
        );
        assert!(!format!("{row:?}").contains(secret), "{row:?}");
        assert_eq!(row.digest.len(), 64, "of the whole request");
    }
    house.end().await;
}

#[tokio::test]
async fn the_rules_of_the_team_hold_there_too() {
    let house = House::without_endpoint("", |config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.grant_permission = GrantPermission::Yes;
    })
    .await;
    let said = house.answer("ask ls").await;
    assert!(said.contains(r#""behavior":"allow""#), "{said}");
    house.edit(|config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.approval_policy.deny = vec!["Bash".into()];
    });
    let said = house.answer("ask ls").await;
    assert!(said.contains(r#""behavior":"deny""#), "{said}");
    house.end().await;
}

#[tokio::test]
async fn what_the_agent_no_longer_asks_is_withdrawn() {
    let house = House::without_endpoint("", |_| {}).await;
    let interrupting = async {
        house.waiting().await;
        let from = iris_domain::ids::Party::Console;
        within(house.teams.interrupt(from, name("api")))
            .await
            .unwrap();
    };
    let ((), outcome) = tokio::join!(interrupting, house.send("ask touch x"));
    assert_ne!(outcome.status, MessageStatus::Answered, "{outcome:?}");
    assert!(house.decided_by().await.starts_with("withdrawn"));
    assert_eq!(house.answer("hello").await, "hello", "the agent goes on");

    let sleeping = async {
        house.waiting().await;
        within(house.teams.sleep(None, name("api"))).await.unwrap();
    };
    let ((), outcome) = tokio::join!(sleeping, house.send("ask touch y"));
    assert_ne!(outcome.status, MessageStatus::Answered, "{outcome:?}");
    assert!(house.decided_by().await.starts_with("withdrawn"));
    house.end().await;
}

#[tokio::test]
async fn the_real_claude_code_asks_on_its_control_channel() {
    require!("claude");
    let model = FakeModel::start().await;
    let claude: PathBuf = require::claude().unwrap();
    let house = House::without_endpoint("", |config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.claude_path = Some(claude.display().to_string());
        for (variable, value) in [
            ("ANTHROPIC_API_KEY", "fake"),
            ("ANTHROPIC_BASE_URL", model.url().as_str()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
        ] {
            team.env.insert(variable.into(), value.into());
        }
    })
    .await;
    let project = house.dir.path().join("project");

    let (asked, outcome) = house.decide("FAKE:bash touch made", allow()).await;
    assert_eq!(asked.summary, "touch made");
    assert!(outcome.response.unwrap().starts_with("done: OK"));
    assert!(project.join("made").exists(), "an allowed command runs");

    let (_, outcome) = house
        .decide("FAKE:write denied text", deny("not today"))
        .await;
    let said = outcome.response.unwrap();
    assert!(said.contains("not today"), "the agent is told why: {said}");
    assert!(!project.join("denied").exists());

    // It is interrupted while it asks: the question goes, the agent stays.
    let interrupting = async {
        house.waiting().await;
        let from = iris_domain::ids::Party::Console;
        within(house.teams.interrupt(from, name("api")))
            .await
            .unwrap();
    };
    let ((), outcome) = tokio::join!(interrupting, house.send("FAKE:bash touch never"));
    assert_ne!(outcome.status, MessageStatus::Answered, "{outcome:?}");
    assert!(house.decided_by().await.starts_with("withdrawn"));
    assert_eq!(house.answer("hello").await, "echo: hello");
    assert!(!project.join("never").exists());
    house.end().await;
}

#[tokio::test]
async fn requests_on_the_control_channel_have_the_bound_of_all_requests() {
    let house = House::without_endpoint("", |config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.grant_permission = GrantPermission::No;
        // Of a host that may be hostile, as far as this goes.
        team.reverse_mcp_rate_limit = Some(RateLimit::default());
    })
    .await;
    for _ in 0..PERMISSION_LIMIT.points {
        let denied = house.answer("ask touch x").await;
        assert!(
            denied.contains("deny") && !denied.contains("too many"),
            "{denied}"
        );
    }
    let busy = house.answer("ask touch x").await;
    assert!(busy.contains("too many permission requests"), "{busy}");
    let refused = |row: &iris_domain::audit::Row| row.draft.decided_by == "callback:rate";
    eventually("it is written down", async || {
        let rows = house.store.audit(AuditQuery::default()).await.unwrap();
        rows.iter().any(refused).then_some(())
    })
    .await;
    house.end().await;
}
