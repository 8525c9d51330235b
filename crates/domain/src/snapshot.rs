//! The whole visible state of Iris, published as one value. Tray, window, CLI and tests render
//! it; none of them keeps state of its own.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Problem,
    config::GrantPermission,
    decision::Verb,
    freeze::FrozenView,
    grant::{GrantView, Offers},
    ids::{ApprovalId, Party, SessionId, TeamName},
    prompt::PromptView,
    request::Circumstances,
    transcript::Spent,
};

/// Everything a surface shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Snapshot {
    /// The version of the running Iris.
    pub version: String,
    /// Where agents and the console reach the MCP server, `http://127.0.0.1:PORT/mcp`.
    pub endpoint: String,
    /// Every configured team, by name.
    pub teams: Vec<TeamView>,
    /// Every approval that waits, oldest first; also those that another session is asked first.
    /// Shared: an input may be large, and every snapshot has it.
    pub approvals: Vec<Arc<ApprovalView>>,
    /// The latest approvals that ended, newest first, at most [`RECENT_MAX`]: so that a surface
    /// that still shows one can say who answered.
    pub recent: Vec<EndedApproval>,
    /// What was asked and nobody answered in time, newest first.
    #[serde(default)]
    pub missed: Vec<MissedView>,
    /// What humans granted and holds, in the order in which they did.
    #[serde(default)]
    pub grants: Vec<GrantView>,
    /// Set while everything is frozen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub frozen: Option<FrozenView>,
    /// What ssh asks and nobody answered yet, oldest first.
    pub prompts: Vec<PromptView>,
    /// The connection to Slack; absent: not configured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub slack: Option<SlackView>,
    /// The webhooks, as they are configured.
    #[serde(default)]
    pub webhooks: Vec<WebhookView>,
    /// What is wrong with Iris itself (config, keychain, audit), worst first.
    pub problems: Vec<Problem>,
}

/// How many ended approvals a snapshot carries.
pub const RECENT_MAX: usize = 20;

impl Snapshot {
    /// The approvals that wait for the human, oldest first: not those that another session is asked
    /// first.
    pub fn for_human(&self) -> impl Iterator<Item = &ApprovalView> {
        let all = self.approvals.iter().map(Arc::as_ref);
        all.filter(|view| view.is_for_human())
    }

    /// The state that the tray icon shows: the worst of all.
    pub fn overall(&self) -> TeamState {
        let worst = if !self.problems.is_empty() {
            TeamState::Trouble
        } else if self.for_human().next().is_some() || !self.prompts.is_empty() {
            TeamState::Waiting
        } else {
            TeamState::Asleep
        };
        self.teams
            .iter()
            .map(|t| t.state)
            .fold(worst, TeamState::max)
    }
}

/// A team's state in one word. The order is the order of urgency.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum TeamState {
    /// No process, or one that is being ended and takes no more work.
    #[default]
    Asleep,
    /// Ready, nothing to do.
    Idle,
    /// A process is starting.
    Waking,
    /// A turn is running.
    Working,
    /// The agent waits for a human's answer.
    Waiting,
    /// It does not work and says why.
    Trouble,
}

impl TeamState {
    /// The word that every surface uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asleep => "asleep",
            Self::Idle => "idle",
            Self::Waking => "waking",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Trouble => "trouble",
        }
    }
}

/// A team as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct TeamView {
    /// Its name.
    pub name: TeamName,
    /// The worst state of its sessions.
    pub state: TeamState,
    /// Where it runs: `local`, or the SSH destination.
    pub host: String,
    /// How many of its approvals wait for the human.
    pub waiting: u32,
    /// Why it is in trouble, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub problem: Option<Problem>,
    /// What the user wrote about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub description: Option<String>,
    /// `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub color: Option<String>,
    /// The project directory as configured.
    pub path: String,
    /// What happens to a request that no rule decides.
    pub mode: GrantPermission,
    /// The link to its host; absent for a local team, and while no agent of a remote one runs or is
    /// to run: then `problem` says what is wrong, if anything is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub link: Option<LinkView>,
    /// Set while its agents are frozen, by themselves or with everything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub frozen: Option<FrozenView>,
    /// What all its conversations cost; absent: nothing yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub spent: Option<Spent>,
    /// Its conversations that were ever woken in this run.
    pub sessions: Vec<SessionView>,
}

/// A link's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum LinkState {
    /// Nobody needs it.
    #[default]
    Down,
    /// `ssh` signs in.
    Connecting,
    /// Signed in; the way back proves itself.
    Verifying,
    /// The last proof came back.
    Up,
    /// The last proof did not come back.
    Degraded,
    /// It failed and is tried again soon.
    Reconnecting,
    /// Only a human can mend it.
    NeedsYou,
}

impl LinkState {
    /// The words that surfaces use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "not connected",
            Self::Connecting => "connecting",
            Self::Verifying => "verifying",
            Self::Up => "verified",
            Self::Degraded => "degraded",
            Self::Reconnecting => "reconnecting",
            Self::NeedsYou => "needs you",
        }
    }
}

/// A team's link as shown. What is known and since when: a surface says `verified 4 s ago`, never
/// just `good`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct LinkView {
    /// In one word.
    pub state: LinkState,
    /// When the last proof came back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string"))]
    pub verified_at: Option<Timestamp>,
    /// How long its round trip took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub rtt_ms: Option<f64>,
    /// The port of the tunnel on the remote host; absent without a tunnel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub port: Option<u16>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string"))]
    pub retry_at: Option<Timestamp>,
    /// What is wrong with it, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub problem: Option<Problem>,
    /// What works but should not stay so (`allowHttp`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub warning: Option<String>,
}

impl LinkView {
    /// The link in words, for a line of text: `verified 4 s ago, 12 ms`, `reconnecting in 8 s: …`.
    pub fn words(&self, now: Timestamp) -> String {
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs().max(0);
        let mut words = match (self.state, self.verified_at, self.retry_at) {
            (LinkState::Up, Some(at), _) => {
                let rtt = self
                    .rtt_ms
                    .map_or_else(String::new, |ms| format!(", {ms:.0} ms"));
                format!("verified {} s ago{rtt}", seconds(at, now))
            }
            (LinkState::Reconnecting, _, Some(at)) => {
                format!("reconnecting in {} s", seconds(now, at))
            }
            _ => self.state.as_str().to_owned(),
        };
        if let Some(problem) = &self.problem {
            words.push_str(": ");
            words.push_str(problem.message.trim_end_matches('.'));
        }
        words
    }
}

/// The state of the connection to Slack in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum SlackState {
    /// It is being made.
    Connecting,
    /// Slack said hello, and is heard of.
    Up,
    /// It failed and is tried again soon.
    Reconnecting,
    /// Only a human can mend it.
    NeedsYou,
}

impl SlackState {
    /// The words that surfaces use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "connected",
            Self::Reconnecting => "reconnecting",
            Self::NeedsYou => "needs you",
        }
    }
}

/// The connection to Slack as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct SlackView {
    /// In one word.
    pub state: SlackState,
    /// The id of the channel.
    pub channel: String,
    /// How many people may answer.
    pub approvers: u32,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string"))]
    pub retry_at: Option<Timestamp>,
    /// What is wrong with it, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub problem: Option<Problem>,
}

/// A webhook as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct WebhookView {
    /// Its address without the path, which may be as good as a password.
    pub url: String,
    /// Events that it did not get and will not get, in this run.
    pub lost: u32,
    /// Why the last post did not arrive, and what to do; absent: it did, or there was none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub problem: Option<Problem>,
}

/// A conversation `from -> to` as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct SessionView {
    /// The Claude session.
    pub id: SessionId,
    /// Who started it.
    pub from: Party,
    /// Its state.
    pub state: TeamState,
    /// What its agent runs now, in one line without known secrets: `Bash: cargo test`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub doing: Option<String>,
    /// The agent's process, while there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub pid: Option<u32>,
    /// Messages that wait for the running turn to end.
    pub queued: u32,
    /// Why it is in trouble, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub problem: Option<Problem>,
    /// The last lines of the agent's stderr, when it ended badly.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub stderr_tail: Vec<String>,
    /// When it last did something.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub last_activity: Timestamp,
    /// What it cost; absent: nothing yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub spent: Option<Spent>,
}

/// An approval that waits, with everything about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ApprovalView {
    /// Its short name.
    pub id: ApprovalId,
    /// The team whose agent asks.
    pub team: TeamName,
    /// The conversation it asks in.
    pub session: SessionId,
    /// Who gave that agent its task.
    pub from: Party,
    /// Where the tool would run: `local`, or the SSH destination.
    pub host: String,
    /// The project directory of the team.
    pub path: String,
    /// The tool, as Claude Code names it.
    pub tool: String,
    /// The input, as it would run.
    #[cfg_attr(feature = "bindings", ts(type = "unknown"))]
    pub input: Value,
    /// The heart of the input in one line, safe to show.
    pub summary: String,
    /// Why Iris asks: the rule or the mode.
    pub why: String,
    /// What can be granted with an answer.
    #[serde(default)]
    pub offers: Offers,
    /// The same for all approvals that are like one another ([`crate::approval::likeness`]); absent: it
    /// is like no other.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub like: Option<String>,
    /// The team whose session is asked first, because it gave the agent its task; absent: only the
    /// human is asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub forwarded_to: Option<TeamName>,
    /// What Claude Code says beside the call.
    #[serde(flatten)]
    #[cfg_attr(feature = "bindings", ts(flatten))]
    pub circumstances: Circumstances,
    /// SHA-256 over team, session, tool and canonical input, hex: what was shown is what runs.
    pub digest: String,
    /// When it was asked.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub created_at: Timestamp,
    /// When it is denied if nobody answers; `None`: it waits for ever.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string"))]
    pub expires_at: Option<Timestamp>,
}

impl ApprovalView {
    /// Whether it waits for the human now. One that is put to the session that gave the agent its task
    /// does not yet: the human may answer it, but nobody calls them for it.
    pub fn is_for_human(&self) -> bool {
        self.forwarded_to.is_none()
    }
}

/// A request that nobody answered in time, or that waited when the last Iris ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct MissedView {
    /// The short name of the approval that it was.
    pub id: ApprovalId,
    /// The team whose agent asked.
    pub team: TeamName,
    /// The conversation it asked in.
    pub session: SessionId,
    /// Where the tool would have run.
    pub host: String,
    /// The tool.
    pub tool: String,
    /// The input.
    #[cfg_attr(feature = "bindings", ts(type = "unknown"))]
    pub input: Value,
    /// The heart of the input in one line.
    pub summary: String,
    /// Why Iris asked.
    pub why: String,
    /// When it was denied.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub time: Timestamp,
    /// Until when the agent's next try is allowed; absent: nobody allowed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string"))]
    pub allowed_until: Option<Timestamp>,
}

/// An approval that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct EndedApproval {
    /// Its short name.
    pub id: ApprovalId,
    /// The team whose agent asked.
    pub team: TeamName,
    /// The tool.
    pub tool: String,
    /// The heart of the input in one line.
    pub summary: String,
    /// How it ended.
    pub decision: Verb,
    /// Who or what decided, as in the audit log.
    pub decided_by: String,
    /// When.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub time: Timestamp,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An approval that waits.
    pub(crate) fn approval(id: &str) -> ApprovalView {
        ApprovalView {
            id: ApprovalId(id.to_owned()),
            team: "api".parse().unwrap(),
            session: SessionId(uuid::Uuid::from_u128(1)),
            from: Party::Console,
            host: "local".to_owned(),
            path: "~/api".to_owned(),
            tool: "Bash".to_owned(),
            input: serde_json::json!({ "command": "git push" }),
            summary: "git push".to_owned(),
            why: "no rule covers it".to_owned(),
            offers: Offers::default(),
            like: None,
            forwarded_to: None,
            circumstances: Circumstances::default(),
            digest: format!("digest-of-{id}"),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
        }
    }

    /// One that ended.
    pub(crate) fn ended(id: &str, decision: Verb, decided_by: &str) -> EndedApproval {
        EndedApproval {
            id: ApprovalId(id.to_owned()),
            team: "api".parse().unwrap(),
            tool: "Bash".to_owned(),
            summary: "git push".to_owned(),
            decision,
            decided_by: decided_by.to_owned(),
            time: Timestamp::UNIX_EPOCH,
        }
    }
}
