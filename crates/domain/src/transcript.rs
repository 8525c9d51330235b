//! What happens in a session, entry by entry: what it was told, said and ran, who decided what, and what
//! each turn cost.
//!
//! It is the agent's word, kept for people to read: nothing is decided by it. Secrets that are known by
//! their form are taken out, as in the audit record, and what is long is shortened.

mod bound;
mod query;
mod spent;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decision::Verb,
    ids::{MessageId, Party, SessionId, TeamName},
};

pub use bound::{INPUT_MAX, RAW_MAX, TEXT_MAX, THINKING_MAX, TOOL_RESULT_MAX};
pub use query::{LIMIT_DEFAULT, LIMIT_MAX, Page, Query, terms_of};
pub use spent::{Spent, Tokens};

#[cfg(test)]
mod tests;

/// Which conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Conversation {
    /// The Claude session.
    pub session: SessionId,
    /// Who started it.
    pub from: Party,
    /// The team that it runs in.
    pub to: TeamName,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Line {
    /// Its place among all: later ones have higher numbers, and none is ever given again.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub id: u64,
    /// When Iris heard of it.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub time: Timestamp,
    /// The Claude session.
    pub session: SessionId,
    /// Who started it.
    pub from: Party,
    /// The team that it runs in.
    pub to: TeamName,
    /// The tool call whose subagent this is of; absent: the agent itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub within: Option<String>,
    /// What happened.
    pub entry: Entry,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Entry {
    /// The agent got a message.
    Message {
        /// The message.
        #[cfg_attr(feature = "bindings", ts(type = "string"))]
        message: MessageId,
        /// What it says.
        text: String,
    },
    /// The agent said something.
    Text {
        /// What.
        text: String,
    },
    /// The agent thought something.
    Thinking {
        /// What, as far as it is shown.
        text: String,
    },
    /// The agent calls a tool.
    ToolCall {
        /// The call.
        call: String,
        /// The tool.
        tool: String,
        /// Its input.
        #[cfg_attr(feature = "bindings", ts(type = "unknown"))]
        input: Value,
    },
    /// A tool answered.
    ToolResult {
        /// The call.
        call: String,
        /// Head and tail of what it answered.
        text: String,
        /// It failed, or was not run.
        error: bool,
    },
    /// It was decided whether a tool may run.
    Decision {
        /// The call.
        call: String,
        /// The tool.
        tool: String,
        /// Allowed or denied.
        decision: Verb,
        /// By whom or what, as in the audit record.
        by: String,
    },
    /// A turn ended.
    TurnEnd {
        /// The messages that it answers; none: it was a turn of the agent's own.
        #[cfg_attr(feature = "bindings", ts(type = "Array<string>"))]
        messages: Vec<MessageId>,
        /// What it cost, US dollars, as Claude Code reckons it.
        cost_usd: f64,
        /// Its tokens.
        tokens: Tokens,
        /// How long it took, milliseconds.
        #[cfg_attr(feature = "bindings", ts(type = "number"))]
        duration_ms: u64,
        /// The models that worked in it.
        #[serde(skip_serializing_if = "String::is_empty", default)]
        model: String,
        /// Why it failed; absent: it did not.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[cfg_attr(feature = "bindings", ts(optional))]
        error: Option<String>,
    },
    /// The agent's process was started.
    Started {
        /// Where: `local`, or the SSH destination.
        host: String,
        /// It goes on with the conversation.
        resumed: bool,
    },
    /// The running turn was to be ended.
    Interrupted {},
    /// The agent's process ended.
    Ended {
        /// Why, where nobody wanted it to.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[cfg_attr(feature = "bindings", ts(optional))]
        why: Option<String>,
    },
    /// The way to the agent's host was lost, and the agent with it.
    HostLost {
        /// The SSH destination.
        host: String,
    },
    /// Entries are missing here: they came faster than they could be written, or could not be written.
    Missing {
        /// How many.
        #[cfg_attr(feature = "bindings", ts(type = "number"))]
        entries: u64,
    },
}

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum EntryKind {
    /// [`Entry::Message`].
    Message,
    /// [`Entry::Text`].
    Text,
    /// [`Entry::Thinking`].
    Thinking,
    /// [`Entry::ToolCall`].
    ToolCall,
    /// [`Entry::ToolResult`].
    ToolResult,
    /// [`Entry::Decision`].
    Decision,
    /// [`Entry::TurnEnd`].
    TurnEnd,
    /// [`Entry::Started`].
    Started,
    /// [`Entry::Interrupted`].
    Interrupted,
    /// [`Entry::Ended`].
    Ended,
    /// [`Entry::HostLost`].
    HostLost,
    /// [`Entry::Missing`].
    Missing,
}

impl EntryKind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Text => "text",
            Self::Thinking => "thinking",
            Self::ToolCall => "toolCall",
            Self::ToolResult => "toolResult",
            Self::Decision => "decision",
            Self::TurnEnd => "turnEnd",
            Self::Started => "started",
            Self::Interrupted => "interrupted",
            Self::Ended => "ended",
            Self::HostLost => "hostLost",
            Self::Missing => "missing",
        }
    }
}

/// How much is lost with an entry that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// A detail: a tool's answer, a thought.
    Low,
    /// What the agent said and did.
    Middle,
    /// What it was told, what it cost, where it began and ended.
    High,
}

impl Entry {
    /// Its kind.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Message { .. } => EntryKind::Message,
            Self::Text { .. } => EntryKind::Text,
            Self::Thinking { .. } => EntryKind::Thinking,
            Self::ToolCall { .. } => EntryKind::ToolCall,
            Self::ToolResult { .. } => EntryKind::ToolResult,
            Self::Decision { .. } => EntryKind::Decision,
            Self::TurnEnd { .. } => EntryKind::TurnEnd,
            Self::Started { .. } => EntryKind::Started,
            Self::Interrupted {} => EntryKind::Interrupted,
            Self::Ended { .. } => EntryKind::Ended,
            Self::HostLost { .. } => EntryKind::HostLost,
            Self::Missing { .. } => EntryKind::Missing,
        }
    }

    /// What goes first when not all can be kept.
    pub fn worth(&self) -> Worth {
        match self {
            Self::Thinking { .. } | Self::ToolResult { .. } => Worth::Low,
            Self::Text { .. } | Self::ToolCall { .. } | Self::Decision { .. } => Worth::Middle,
            Self::Message { .. }
            | Self::TurnEnd { .. }
            | Self::Started { .. }
            | Self::Interrupted {}
            | Self::Ended { .. }
            | Self::HostLost { .. }
            | Self::Missing { .. } => Worth::High,
        }
    }
}
