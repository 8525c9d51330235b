//! Messages: sending them, and what became of them.

use std::time::Duration;

use iris_domain::{
    Problem, display,
    ids::{MessageId, TeamName},
    message::{self, Message, MessageStatus, SendOutcome, TTL_DAYS_DEFAULT, TTL_DAYS_MAX},
    problem::Code,
};
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Name, Tools, result, teams::now};
use crate::{teams::Letter, tokens::Caller};

/// The published default of `timeout`, milliseconds.
const SEND_TIMEOUT_DEFAULT: i64 = 30_000;
/// The published largest `timeout`, milliseconds: an hour. Longer waits are `0`.
const SEND_TIMEOUT_MAX: i64 = 3_600_000;
/// The published `timeout` of who does not wait.
const DO_NOT_WAIT: i64 = -1;
/// How much of a message is repeated in its result, characters: the sender has it, and Claude Code
/// refuses large results.
const ECHO_MAX: usize = 1000;

/// Of `send_message` and `ask_message`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SendArguments {
    /// The team to send to.
    to_team: TeamName,
    /// The task or question, 1 MiB at most. The team reads this and nothing else of what you know;
    /// your conversation with it goes on where it was.
    message: String,
    /// How long to wait for the answer, milliseconds, the team's start-up included. Default:
    /// 30000. 0 waits for ever; -1 returns at once. After a timeout the team goes on with its work.
    #[serde(default)]
    #[schemars(range(min = -1, max = 3_600_000), extend("default" = SEND_TIMEOUT_DEFAULT))]
    timeout: Option<i64>,
    /// Whether the message waits for a team that is stopped, full or unreachable, also across
    /// restarts of Iris. Default: false; such a message fails then.
    #[serde(default)]
    persist: bool,
    /// With `persist` only: for how many days it may wait. Default: 30.
    #[serde(default)]
    #[schemars(range(min = 1, max = 365), extend("default" = TTL_DAYS_DEFAULT))]
    ttl_days: Option<u32>,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

/// Of `quick_message`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct QuickArguments {
    /// The team to send to.
    to_team: TeamName,
    /// The task or question, 1 MiB at most. The team reads this and nothing else of what you know;
    /// your conversation with it goes on where it was.
    message: String,
    /// Whether the message waits for a team that is stopped, full or unreachable, also across
    /// restarts of Iris. Default: false; such a message fails then.
    #[serde(default)]
    persist: bool,
    /// With `persist` only: for how many days it may wait. Default: 30.
    #[serde(default)]
    #[schemars(range(min = 1, max = 365), extend("default" = TTL_DAYS_DEFAULT))]
    ttl_days: Option<u32>,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

impl From<QuickArguments> for SendArguments {
    fn from(quick: QuickArguments) -> Self {
        let QuickArguments {
            to_team,
            message,
            persist,
            ttl_days,
            from_team,
        } = quick;
        Self {
            to_team,
            message,
            timeout: Some(DO_NOT_WAIT),
            persist,
            ttl_days,
            from_team,
        }
    }
}

/// Of `message_status`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StatusArguments {
    /// The `messageId` that sending it gave.
    #[schemars(with = "String")]
    message_id: MessageId,
    /// How long to wait for its end, milliseconds. Default: 0, tells how it is now.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3_600_000), extend("default" = 0))]
    timeout: Option<u32>,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

/// Of `send_message`, `ask_message` and `quick_message`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    from: String,
    to: String,
    /// The beginning and the end of what was sent.
    message: String,
    /// `answered`; `timeout`: the team goes on; `queued`: it is kept and not answered yet; `failed`;
    /// `cancelled`; `expired`.
    status: &'static str,
    /// The team's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    /// After a timeout: what the team wrote up to then.
    #[serde(skip_serializing_if = "Option::is_none")]
    so_far: Option<String>,
    /// Why there is no answer, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The conversation it went into.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// The message's identity, for `message_status`.
    message_id: String,
    /// Milliseconds, start-up included.
    duration: i64,
    /// Milliseconds since 1970.
    timestamp: i64,
}

/// Of `message_status`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    message_id: String,
    from: String,
    to: String,
    /// The beginning and the end of what was sent.
    message: String,
    /// `queued`, `delivered`, `answered`, `failed`, `expired` or `cancelled`.
    status: &'static str,
    /// The team's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    /// Why it was not answered, or why it waits, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The conversation it went into.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// Milliseconds since 1970, as the following.
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<i64>,
    /// Until when it may wait to be delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    timestamp: i64,
}

impl Tools {
    /// `send_message`, `ask_message` and `quick_message`.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        name: Name,
        arguments: Result<SendArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let SendArguments {
            to_team,
            message,
            timeout,
            persist,
            ttl_days,
            from_team,
        } = arguments?;
        let timeout = patience(timeout)?;
        let echo = sendable(&message)?;
        let ttl_days = waits_for(persist, ttl_days)?;
        let letter = Letter {
            from: self.pair(caller, name, from_team.as_deref(), &to_team)?,
            session: caller.session(),
            to: to_team,
            text: message,
            ttl_days,
        };
        let outcome = match timeout {
            Patience::None => self.teams.submit(letter).await,
            Patience::Until(limit) => self.teams.deliver(letter, Some(limit)).await,
            Patience::ForEver => self.teams.deliver(letter, None).await,
        };
        sent(outcome, echo)
    }

    /// `message_status`: to the sender only.
    pub(super) async fn message_status(
        &self,
        caller: &Caller,
        arguments: Result<StatusArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let StatusArguments {
            message_id,
            timeout,
            from_team,
        } = arguments?;
        let me = self.acting(caller, Name::MessageStatus, from_team.as_deref())?;
        let limit = Duration::from_millis(timeout.unwrap_or(0).into());
        // Another's message is as unknown as one that never was, and nobody waits for it.
        let sent = self.teams.message(message_id).await?;
        let now = match sent.filter(|message| message.from == me) {
            Some(_) => self.teams.ended(message_id, limit).await?,
            None => None,
        };
        let Some(message) = now else {
            return Err(Problem::new(
                Code::NotFound,
                format!("you sent no message {message_id}, or it ended long ago"),
                "session_report lists your messages to a team.",
            ));
        };
        result(&status(message))
    }
}

/// How a message is.
fn status(message: Message) -> Status {
    let milliseconds = |time: Option<jiff::Timestamp>| time.map(jiff::Timestamp::as_millisecond);
    Status {
        message_id: message.id.to_string(),
        from: message.from.to_string(),
        to: message.to.into(),
        message: echo(&message.text),
        status: message.state.as_str(),
        response: message.response,
        error: message.error.as_ref().map(Problem::in_one_text),
        session_id: message.session.map(|session| session.to_string()),
        created_at: message.created_at.as_millisecond(),
        delivered_at: milliseconds(message.delivered_at),
        completed_at: milliseconds(message.settled_at),
        expires_at: milliseconds(message.expires_at),
        timestamp: now(),
    }
}

/// For how long a message may wait, days.
fn waits_for(persist: bool, ttl_days: Option<u32>) -> Result<Option<u32>, Problem> {
    match (persist, ttl_days) {
        (false, None) => Ok(None),
        (true, None) => Ok(Some(TTL_DAYS_DEFAULT)),
        (true, Some(days @ 1..=TTL_DAYS_MAX)) => Ok(Some(days)),
        (true, Some(days)) => Err(Problem::new(
            Code::InvalidInput,
            format!("ttlDays {days} is not 1 to {TTL_DAYS_MAX}"),
            "Leave it out for 30 days.",
        )),
        (false, Some(_)) => Err(Problem::new(
            Code::InvalidInput,
            "ttlDays means nothing without persist",
            "Say persist: true too, or leave ttlDays out.",
        )),
    }
}

/// How long a sender waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Not at all.
    None,
    /// As long as this.
    Until(Duration),
    /// Until there is an end.
    ForEver,
}

/// How long a sender waits, from what it says.
pub(super) fn patience(timeout: Option<i64>) -> Result<Patience, Problem> {
    match timeout.unwrap_or(SEND_TIMEOUT_DEFAULT) {
        DO_NOT_WAIT => Ok(Patience::None),
        0 => Ok(Patience::ForEver),
        ms @ 1..=SEND_TIMEOUT_MAX => Ok(Patience::Until(Duration::from_millis(ms.unsigned_abs()))),
        other => Err(Problem::new(
            Code::InvalidInput,
            format!(
                "timeout {other} is none of -1 (do not wait), 0 (for ever) and 1 to {SEND_TIMEOUT_MAX} milliseconds"
            ),
            "Leave it out for 30 seconds.",
        )),
    }
}

/// A message that can be sent, as it is repeated in the result.
pub(super) fn sendable(text: &str) -> Result<String, Problem> {
    message::check(text)?;
    Ok(echo(text))
}

pub(super) fn echo(message: &str) -> String {
    if message.chars().count() <= ECHO_MAX {
        return message.to_owned();
    }
    display::one_line(message, ECHO_MAX)
}

/// What the sender is told.
pub(super) fn sent(outcome: SendOutcome, echo: String) -> Result<CallToolResult, Problem> {
    let ok = match outcome.status {
        MessageStatus::Queued | MessageStatus::Answered | MessageStatus::Timeout => true,
        MessageStatus::Failed | MessageStatus::Cancelled | MessageStatus::Expired => false,
    };
    let mut said = result(&Sent {
        from: outcome.from.to_string(),
        to: outcome.to.into(),
        message: echo,
        status: outcome.status.as_str(),
        response: outcome.response,
        so_far: outcome.so_far,
        error: outcome.error.as_ref().map(Problem::in_one_text),
        session_id: outcome.session.map(|session| session.to_string()),
        message_id: outcome.id.to_string(),
        duration: i64::try_from(outcome.duration).unwrap_or(i64::MAX),
        timestamp: now(),
    })?;
    said.is_error = Some(!ok);
    Ok(said)
}
