//! What a sender is told about a message.

use serde::{Deserialize, Serialize};

use crate::{
    Problem,
    ids::{MessageId, Party, SessionId, TeamName},
};

/// The largest message text, bytes: what one stdin line to the agent carries without trouble.
pub const MESSAGE_MAX: usize = 1024 * 1024;

/// The truth about a message at the moment of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum MessageStatus {
    /// Accepted; the agent has not got it yet.
    Queued,
    /// The agent answered.
    Answered,
    /// The sender stopped waiting; the agent goes on.
    Timeout,
    /// It will not be answered; `error` says why.
    Failed,
    /// Someone interrupted the turn.
    Cancelled,
}

/// The outcome of one `send`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct SendOutcome {
    /// The message's identity.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub id: MessageId,
    /// The sender.
    pub from: Party,
    /// The team it went to.
    pub to: TeamName,
    /// The conversation it went into.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub session: Option<SessionId>,
    /// What became of it.
    pub status: MessageStatus,
    /// The agent's answer: all text of its last turn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub response: Option<String>,
    /// Why it failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub error: Option<Problem>,
    /// Wall time of the call, start-up included, milliseconds.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub duration: u64,
}
