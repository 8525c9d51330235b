//! A message from its acceptance to its end, and what a sender is told about it.
//!
//! ```text
//! queued ──→ delivered ──→ answered | failed | cancelled
//!    └─────────────────→ failed | expired | cancelled
//! ```

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Problem,
    display::shortened,
    ids::{MessageId, Party, SessionId, TeamName},
    problem::Code,
    session::Settled,
};

mod flow;
pub use flow::*;

/// The largest message text, bytes: what one stdin line to the agent carries without trouble.
pub const MESSAGE_MAX: usize = 1024 * 1024;

/// For how long a persistent message waits, days, unless its sender says otherwise: the published
/// default.
pub const TTL_DAYS_DEFAULT: u32 = 30;
/// The longest that a message may wait, days.
pub const TTL_DAYS_MAX: u32 = 365;
/// How long what became of a message is kept, days: a sender that asks later is told that nothing
/// is known.
pub const KEPT_DAYS: u32 = 30;

/// Messages that are listed at once, at most.
pub const LISTED_MAX: u32 = 200;
/// What a list tells of a text, characters.
const LISTED_TEXT_MAX: usize = 2000;

/// How far a message is. Kept in the database under these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum MessageState {
    /// Accepted and on disk; the agent has not got it yet.
    Queued,
    /// It was written to the agent.
    Delivered,
    /// The agent answered.
    Answered,
    /// It will not be answered; the error says why.
    Failed,
    /// Its time was over before it could be delivered.
    Expired,
    /// Someone cancelled it, or interrupted its turn.
    Cancelled,
}

impl MessageState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Delivered,
        Self::Answered,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_settled(self) -> bool {
        match self {
            Self::Queued | Self::Delivered => false,
            Self::Answered | Self::Failed | Self::Expired | Self::Cancelled => true,
        }
    }
}

/// A word that names no state of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no state of a message")]
pub struct UnknownState(String);

impl FromStr for MessageState {
    type Err = UnknownState;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| UnknownState(word.to_owned()))
    }
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Message {
    /// Its identity, and the `uuid` that is stamped on what is written to the agent.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub id: MessageId,
    /// The sender.
    pub from: Party,
    /// The team it goes to.
    pub to: TeamName,
    /// What is said.
    pub text: String,
    /// Whether it waits for a team that cannot take it, and outlives Iris.
    pub persist: bool,
    /// How many messages led to it: 1 for one that a human sent.
    pub depth: u32,
    /// How far it is.
    pub state: MessageState,
    /// The conversation that it was written into.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub session: Option<SessionId>,
    /// When it was accepted.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub created_at: Timestamp,
    /// Until when it may wait to be delivered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(type = "string", optional))]
    pub expires_at: Option<Timestamp>,
    /// When it was written to the agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(type = "string", optional))]
    pub delivered_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(type = "string", optional))]
    pub settled_at: Option<Timestamp>,
    /// The agent's answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub response: Option<String>,
    /// Why it was not answered, or why it waits, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub error: Option<Problem>,
}

impl Message {
    /// What becomes of it when an Iris starts that did not end it itself.
    pub fn found_at_start(&self, now: Timestamp) -> AtStart {
        match self.state {
            MessageState::Queued | MessageState::Delivered if !self.persist => {
                AtStart::Ends(MessageState::Failed, iris_ended(self.state))
            }
            MessageState::Queued if self.is_expired(now) => {
                AtStart::Ends(MessageState::Expired, expired())
            }
            MessageState::Queued | MessageState::Delivered => AtStart::GoesOn,
            MessageState::Answered
            | MessageState::Failed
            | MessageState::Expired
            | MessageState::Cancelled => AtStart::IsOver,
        }
    }

    /// As it is listed: of long texts the head and the tail.
    pub fn listed(self) -> Self {
        let short = |text: String| shortened(&text, LISTED_TEXT_MAX);
        Self {
            text: short(self.text),
            response: self.response.map(short),
            ..self
        }
    }

    /// Whether its time to be delivered is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// What becomes of a message that an earlier Iris left.
#[derive(Debug, Clone, PartialEq)]
pub enum AtStart {
    /// It is delivered, or delivered again: Claude Code says which messages it took before.
    GoesOn,
    /// It ends so.
    Ends(MessageState, Problem),
    /// It had ended.
    IsOver,
}

/// Until when a persistent message of this age may wait.
pub fn expiry(created_at: Timestamp, ttl_days: u32) -> Timestamp {
    let days = ttl_days.clamp(1, TTL_DAYS_MAX);
    created_at
        .checked_add(SignedDuration::from_hours(i64::from(days) * 24))
        .unwrap_or(Timestamp::MAX)
}

/// The id under which a message is given to an agent. Claude Code takes each once, and one whose turn
/// was cut short by an end of Iris not again either (measured): what is to go on then goes under the
/// next one. It follows from the message's own, so that no further end can make it two.
pub fn given_as(id: MessageId, times_before: u32) -> MessageId {
    MessageId::from_u128(id.as_u128().wrapping_add(times_before.into()))
}

/// The state, the answer and the error of a message that ended so.
pub fn settled(how: Settled) -> (MessageState, Option<String>, Option<Problem>) {
    match how {
        Settled::Answered(text) => (MessageState::Answered, Some(text), None),
        Settled::Cancelled => (MessageState::Cancelled, None, Some(cancelled())),
        Settled::Expired => (MessageState::Expired, None, Some(expired())),
        Settled::Failed(problem) => (MessageState::Failed, None, Some(problem)),
    }
}

/// Whether a text can be a message.
///
/// # Errors
/// `InvalidInput`: it is empty, or longer than [`MESSAGE_MAX`].
pub fn check(text: &str) -> Result<(), Problem> {
    if text.len() > MESSAGE_MAX {
        return Err(Problem::new(
            Code::InvalidInput,
            format!("The message is longer than {MESSAGE_MAX} bytes, which is the most."),
            "Put the text in a file of the project and send its path.",
        ));
    }
    if text.trim().is_empty() {
        return Err(Problem::new(
            Code::InvalidInput,
            "The message is empty.",
            "Say what the team is to do.",
        ));
    }
    Ok(())
}

fn cancelled() -> Problem {
    Problem::new(
        Code::Conflict,
        "Someone cancelled the message, or interrupted its turn.",
        "Send the message again if it still holds.",
    )
}

fn expired() -> Problem {
    Problem::new(
        Code::Timeout,
        "The message could not be delivered in its time (`ttlDays`).",
        "See why the team did not take it, and send it again if it still holds.",
    )
}

fn iris_ended(state: MessageState) -> Problem {
    let message = match state {
        MessageState::Queued => "Iris ended before the message was delivered.",
        _ => {
            "Iris ended while the message was being answered; what it asks for may be partly done."
        }
    };
    Problem::new(
        Code::Unavailable,
        message,
        "See how things are and send it again if it still holds; one with `persist` goes on by itself.",
    )
}

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
    /// Its time was over before it could be delivered.
    Expired,
}

impl MessageStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Answered => "answered",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
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
    /// After a timeout: what the agent wrote up to then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub so_far: Option<String>,
    /// Why it failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub error: Option<Problem>,
    /// Wall time of the call, start-up included, milliseconds.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub duration: u64,
}
