//! Conversations as they are listed, and what became of one that was begun anew, deleted, or opened
//! in a terminal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Problem,
    ids::{Party, SessionId, TeamName},
    snapshot::TeamState,
    transcript::Spent,
};

/// A conversation as listed, whether or not it was used since Iris started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(rename = "ListedSession"))]
pub struct Listed {
    /// Whose it is.
    pub from: Party,
    /// The team it is with.
    pub to: TeamName,
    /// The Claude session.
    pub id: SessionId,
    /// Whether anything was said in it.
    pub begun: bool,
    /// Its state.
    pub state: TeamState,
    /// The agent's process, while there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub pid: Option<u32>,
    /// Messages that wait.
    pub queued: u32,
    /// When it was last used.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub last_used: Timestamp,
    /// How many messages went this way, of those that are still known of.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub messages: u64,
    /// What it cost; absent: nothing yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub spent: Option<Spent>,
}

/// What became of Claude Code's own record of a conversation, on the disk of the team's host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Removal {
    /// Files and folders that are gone.
    pub removed: Vec<String>,
    /// Why something is left, and where.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub left: Option<Problem>,
}

/// A pair has a new conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Rebooted {
    /// Whose it is.
    pub from: Party,
    /// The team it is with.
    pub to: TeamName,
    /// The conversation before; none had begun without it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub old: Option<SessionId>,
    /// The conversation now.
    pub new: SessionId,
    /// Whether a process of the old one was ended.
    pub ended: bool,
    /// What became of the old one's record.
    pub record: Removal,
}

/// A copy of a conversation is open in the user's terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Forked {
    /// Whose the conversation is.
    pub from: Party,
    /// The team it is with.
    pub to: TeamName,
    /// The conversation that was copied.
    pub session: SessionId,
    /// The folder it is open in.
    pub path: String,
    /// `local`, or the ssh destination.
    pub host: String,
    /// The program of the terminal.
    pub terminal: String,
    /// The same by hand.
    pub command: String,
}

/// A pair has no conversation any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Deleted {
    /// Whose it was.
    pub from: Party,
    /// The team it was with.
    pub to: TeamName,
    /// The conversation; without it there was none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub session: Option<SessionId>,
    /// Whether its process was ended.
    pub ended: bool,
    /// What became of its record.
    pub record: Removal,
}
