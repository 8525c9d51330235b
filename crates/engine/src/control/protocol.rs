//! What is said over the control socket.

use iris_domain::{
    Problem,
    audit::{Filter, Format},
    connection_test::TestStep,
    decision::Answer,
    freeze::FrozenView,
    grant::{Offers, Remember},
    ids::{ApprovalId, MessageId, Party, SessionId, TeamName},
    request::Circumstances,
    snapshot::{ApprovalView, LinkView, SlackView, Snapshot, TeamState, TeamView, WebhookView},
    transcript::Query,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SessionAct;
use crate::{
    config_file::TeamEdit,
    secrets::{Kept, Place, Spoken},
    store::AuditQuery,
};

/// One command. A field that this Iris does not know is an error: a newer `iris` must not believe
/// that an older running one heard it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Command {
    /// The whole in one look: [`StatusReply`].
    Status {},
    /// What waits for a human: a list of [`PendingItem`].
    Pending {},
    /// Allows a request; answers with the ended approval.
    Approve {
        /// Its id, or the beginning of it when only one waiting approval begins so.
        id: String,
        /// Runs instead of what was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// Allow what is like it from now on, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remember: Option<Remember>,
    },
    /// Denies a request; answers with the ended approval.
    Deny {
        /// As for `Approve`.
        id: String,
        /// Told to the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Gives these requests one answer, each by itself: [`iris_domain::approval::Together`].
    AnswerAll {
        /// Their whole ids.
        ids: Vec<ApprovalId>,
        /// Allow once, or deny.
        answer: Answer,
    },
    /// What was missed: a list of [`iris_domain::snapshot::MissedView`].
    Missed {},
    /// Allows the next try of a missed request; answers with it.
    MissedAllow {
        /// As for `Approve`.
        id: String,
    },
    /// Takes a missed request off the list; answers with it.
    MissedDismiss {
        /// As for `Approve`.
        id: String,
    },
    /// What was granted and holds: a list of [`iris_domain::grant::GrantView`].
    Grants {},
    /// Takes a grant back; answers with it.
    GrantRevoke {
        /// As for `Approve`.
        id: String,
    },
    /// Gives a grant five minutes more; answers with it.
    GrantExtend {
        /// As for `Approve`.
        id: String,
    },
    /// What ssh asks: a list of [`iris_domain::prompt::PromptView`].
    Prompts {},
    /// Answers what ssh asks: [`AnswerReply`].
    Answer {
        /// As for `Approve`.
        id: String,
        /// What ssh is to hear; absent: nothing, the attempt is given up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Spoken>,
        /// Keep it for the next time.
        #[serde(default)]
        remember: bool,
    },
    /// The names of the secrets that a person put away: a list of [`crate::secrets::SecretItem`].
    SecretsList {},
    /// Forgets one; answers `{"forgotten": NAME}`.
    SecretsForget {
        /// Its name in the list, or that of an `env` value.
        name: String,
    },
    /// Keeps a value for `keychain:NAME` in a team's `env`: [`AnswerReply`].
    SecretsSet {
        /// Its name.
        name: String,
        /// What is kept.
        value: Spoken,
    },
    /// Tries Slack once; answers `{}`.
    SlackTest {},
    /// Posts a test to each webhook: a list of [`crate::webhook::WebhookTest`].
    WebhookTest {},
    /// Adds a team to the config.
    TeamAdd {
        /// Its name.
        name: TeamName,
        /// Its settings.
        edit: Box<TeamEdit>,
    },
    /// The teams, as in the snapshot.
    TeamList {},
    /// Starts the console's session of a team; answers with the session when it is ready.
    TeamStart {
        /// Which.
        team: TeamName,
    },
    /// Ends every process of a team; answers `{"stopped": bool}`.
    TeamStop {
        /// Which.
        team: TeamName,
    },
    /// Takes a team out of the config; its directory and conversations stay.
    TeamRemove {
        /// Which.
        team: TeamName,
    },
    /// Tests whether a team's agent can be started: [`TestReply`], and before it each
    /// [`TestStep`] as it happens.
    TeamTest {
        /// Which.
        team: TeamName,
    },
    /// Freezes a team, or everything: [`iris_domain::freeze::FrozenView`].
    Freeze {
        /// Which; absent: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<TeamName>,
    },
    /// Thaws a team, or everything; answers `{}`.
    Thaw {
        /// Which; absent: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<TeamName>,
    },
    /// Takes the keys of a team's agents: [`crate::Keys`].
    KeyRevoke {
        /// Whose.
        team: TeamName,
    },
    /// Gives a team's agents new keys: [`crate::Keys`].
    KeyRotate {
        /// Whose.
        team: TeamName,
    },
    /// Cuts a team's tunnel; answers `{}`.
    TunnelKill {
        /// Whose.
        team: TeamName,
    },
    /// Sends a message as the console and waits: [`iris_domain::message::SendOutcome`].
    Send {
        /// To whom.
        team: TeamName,
        /// What.
        text: String,
        /// How long to wait, start-up included; absent: for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Interrupts the running turn of a conversation; answers `{"interrupted": bool}`.
    Interrupt {
        /// The team it is with.
        team: TeamName,
        /// Whose it is.
        from: Party,
    },
    /// The latest messages, newest first: a list of [`iris_domain::message::Message`], as listed.
    Messages {
        /// To this team only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<TeamName>,
        /// Of this sender only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Party>,
        /// So many at most.
        limit: u32,
    },
    /// Cancels a message; answers `{"cancelled": bool}`.
    MessageCancel {
        /// Which.
        id: MessageId,
    },
    /// The conversations, of one team or all: a list of [`iris_domain::conversation::Listed`].
    Sessions {
        /// Of which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<TeamName>,
    },
    /// Does something with a whole conversation; the answer is what the act says.
    Session {
        /// What.
        act: SessionAct,
        /// The team it is with.
        team: TeamName,
        /// Whose it is.
        from: Party,
    },
    /// Audit rows, newest first.
    Audit {
        /// Which.
        query: AuditQuery,
    },
    /// Gives audit rows out: answers `{"rows": N}`, and before it pieces of the text as steps.
    AuditExport {
        /// Which.
        filter: Filter,
        /// As what.
        format: Format,
    },
    /// Checks the audit chain: [`crate::store::ChainCheck`].
    AuditVerify {},
    /// What happened in sessions: [`iris_domain::transcript::Page`].
    Log {
        /// Which entries.
        query: Query,
        /// Say all that comes, too, without an end: lists of [`iris_domain::transcript::Line`] as steps, the
        /// page first.
        #[serde(default)]
        follow: bool,
    },
    /// What would happen to a request: [`iris_domain::replay::Explained`].
    Explain {
        /// Of whose agents.
        team: TeamName,
        /// The tool.
        tool: String,
        /// Its input.
        input: Value,
    },
    /// What another config would have decided otherwise: [`iris_domain::replay::Replay`].
    PolicyReplay {
        /// Its text.
        draft: String,
        /// Of this team's requests only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team: Option<TeamName>,
        /// Of the last so many; 0: of all.
        limit: u32,
    },
    /// The headers that the console's MCP client sends.
    Headers {},
    /// The metrics, as a text in Prometheus' format.
    Metrics {},
    /// The token that reads them at `/metrics`, as a text.
    MetricsToken {},
    /// Shows the window.
    Show {},
}

impl Command {
    /// Its name in the audit log: `control.NAME`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status {} => "status",
            Self::Pending {} => "pending",
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::AnswerAll { .. } => "answerAll",
            Self::Missed {} => "missed",
            Self::MissedAllow { .. } => "missedAllow",
            Self::MissedDismiss { .. } => "missedDismiss",
            Self::Grants {} => "grants",
            Self::GrantRevoke { .. } => "grantRevoke",
            Self::GrantExtend { .. } => "grantExtend",
            Self::Prompts {} => "prompts",
            Self::Answer { .. } => "answer",
            Self::SecretsList {} => "secretsList",
            Self::SecretsForget { .. } => "secretsForget",
            Self::SecretsSet { .. } => "secretsSet",
            Self::SlackTest {} => "slackTest",
            Self::WebhookTest {} => "webhookTest",
            Self::TeamAdd { .. } => "teamAdd",
            Self::TeamList {} => "teamList",
            Self::TeamStart { .. } => "teamStart",
            Self::TeamStop { .. } => "teamStop",
            Self::TeamRemove { .. } => "teamRemove",
            Self::TeamTest { .. } => "teamTest",
            Self::Freeze { .. } => "freeze",
            Self::Thaw { .. } => "thaw",
            Self::KeyRevoke { .. } => "keyRevoke",
            Self::KeyRotate { .. } => "keyRotate",
            Self::TunnelKill { .. } => "tunnelKill",
            Self::Send { .. } => "send",
            Self::Interrupt { .. } => "interrupt",
            Self::Messages { .. } => "messages",
            Self::MessageCancel { .. } => "messageCancel",
            Self::Sessions { .. } => "sessions",
            Self::Session { act, .. } => act.name(),
            Self::Audit { .. } => "audit",
            Self::AuditExport { .. } => "auditExport",
            Self::AuditVerify {} => "auditVerify",
            Self::Log { .. } => "log",
            Self::Explain { .. } => "explain",
            Self::PolicyReplay { .. } => "policyReplay",
            Self::Headers {} => "headers",
            Self::Metrics {} => "metrics",
            Self::MetricsToken {} => "metricsToken",
            Self::Show {} => "show",
        }
    }

    /// Whether the reply comes at once, so that a silent Iris is a hung one. The others wait for
    /// agents, or read a log of any length.
    pub(super) fn is_quick(&self) -> bool {
        match self {
            Self::Status {}
            | Self::Pending {}
            | Self::Approve { .. }
            | Self::Deny { .. }
            | Self::AnswerAll { .. }
            | Self::Missed {}
            | Self::MissedAllow { .. }
            | Self::MissedDismiss { .. }
            | Self::Grants {}
            | Self::GrantRevoke { .. }
            | Self::GrantExtend { .. }
            | Self::Prompts {}
            | Self::Answer { .. }
            | Self::SecretsList {}
            | Self::SecretsForget { .. }
            | Self::SecretsSet { .. }
            | Self::TeamAdd { .. }
            | Self::TeamList {}
            | Self::TeamRemove { .. }
            | Self::Interrupt { .. }
            | Self::Messages { .. }
            | Self::MessageCancel { .. }
            | Self::Sessions { .. }
            | Self::Explain { .. }
            | Self::Headers {}
            | Self::Metrics {}
            | Self::MetricsToken {}
            | Self::Show {} => true,
            Self::SlackTest {}
            | Self::WebhookTest {}
            | Self::TeamStart { .. }
            | Self::TeamStop { .. }
            | Self::TeamTest { .. }
            | Self::Freeze { .. }
            | Self::Thaw { .. }
            | Self::KeyRevoke { .. }
            | Self::KeyRotate { .. }
            | Self::TunnelKill { .. }
            | Self::Send { .. }
            | Self::Session { .. }
            | Self::Audit { .. }
            | Self::AuditExport { .. }
            | Self::AuditVerify {}
            | Self::Log { .. }
            | Self::PolicyReplay { .. } => false,
        }
    }
}

/// One line of a reply. The last is `Ok` or `Error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// What is known before the end, for who looks on.
    Step(Value),
    /// What was asked for.
    Ok(Value),
    /// Why not.
    Error(Problem),
}

/// `iris status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReply {
    /// Of the running Iris.
    pub version: String,
    /// `http://127.0.0.1:PORT/mcp`.
    pub endpoint: String,
    /// Every team.
    pub teams: Vec<StatusTeam>,
    /// Set while everything is frozen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frozen: Option<FrozenView>,
    /// The connection to Slack, where it is configured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub slack: Option<SlackView>,
    /// The webhooks, as they are configured.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub webhooks: Vec<WebhookView>,
    /// What is wrong with Iris itself.
    pub problems: Vec<Problem>,
}

/// A team in `iris status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusTeam {
    /// Its name.
    pub name: TeamName,
    /// In one word.
    pub state: TeamState,
    /// `local`, or the SSH destination.
    pub host: String,
    /// How many approvals wait.
    pub waiting: u32,
    /// How many messages its sessions have not got yet.
    #[serde(default)]
    pub queued: u32,
    /// Why it is in trouble.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<Problem>,
    /// The link to its host, while it is wanted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<LinkView>,
    /// Set while its agents are frozen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frozen: Option<FrozenView>,
}

impl From<&TeamView> for StatusTeam {
    fn from(team: &TeamView) -> Self {
        Self {
            name: team.name.clone(),
            state: team.state,
            host: team.host.clone(),
            waiting: team.waiting,
            queued: team.sessions.iter().map(|session| session.queued).sum(),
            problem: team.problem.clone(),
            link: team.link.clone(),
            frozen: team.frozen.clone(),
        }
    }
}

impl From<&Snapshot> for StatusReply {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            version: snapshot.version.clone(),
            endpoint: snapshot.endpoint.clone(),
            teams: snapshot.teams.iter().map(StatusTeam::from).collect(),
            frozen: snapshot.frozen.clone(),
            slack: snapshot.slack.clone(),
            webhooks: snapshot.webhooks.clone(),
            problems: snapshot.problems.clone(),
        }
    }
}

/// How a connection test ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReply {
    /// Whether no step failed.
    pub ok: bool,
    /// Each step, as it ended.
    pub steps: Vec<TestStep>,
}

/// What became of an answer, or of a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerReply {
    /// Where it is kept; null: nowhere.
    pub kept: Option<Place>,
    /// Why it is not in the keychain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<Problem>,
}

impl From<Option<Kept>> for AnswerReply {
    fn from(kept: Option<Kept>) -> Self {
        Self {
            kept: kept.as_ref().map(Place::from),
            problem: match kept {
                Some(Kept::ForThisRun(error)) => Some(error.into()),
                Some(Kept::InKeychain) | None => None,
            },
        }
    }
}

/// An approval in `iris pending`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingItem {
    /// Its short name.
    pub id: ApprovalId,
    /// Whose agent asks.
    pub team: TeamName,
    /// In which conversation.
    pub session: SessionId,
    /// Who gave the agent its task.
    pub from: Party,
    /// Where the tool would run.
    pub host: String,
    /// The tool.
    pub tool: String,
    /// The input, as it would run.
    pub input: Value,
    /// The heart of the input in one line.
    pub summary: String,
    /// Why Iris asks.
    pub why: String,
    /// What can be granted with an answer.
    pub offers: Offers,
    /// The same for all that are like one another; absent: it is like no other.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub like: Option<String>,
    /// The team whose session is asked first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub forwarded_to: Option<TeamName>,
    /// What Claude Code says beside the call.
    #[serde(flatten)]
    pub circumstances: Circumstances,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it is denied if nobody answers; null: never.
    pub expires_at: Option<Timestamp>,
}

impl From<&ApprovalView> for PendingItem {
    fn from(view: &ApprovalView) -> Self {
        Self {
            id: view.id.clone(),
            team: view.team.clone(),
            session: view.session,
            from: view.from.clone(),
            host: view.host.clone(),
            tool: view.tool.clone(),
            input: view.input.clone(),
            summary: view.summary.clone(),
            why: view.why.clone(),
            offers: view.offers.clone(),
            like: view.like.clone(),
            forwarded_to: view.forwarded_to.clone(),
            circumstances: view.circumstances.clone(),
            created_at: view.created_at,
            expires_at: view.expires_at,
        }
    }
}

#[cfg(test)]
mod tests;
