//! Conversations: what was said in them, and ending a turn.

use iris_domain::{
    Problem,
    ids::{MessageId, SessionId, TeamName},
    message::{Message, MessageState},
    transcript::{Line, Query},
};
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Name, Tools, messages, result,
    said::{self, Said},
    teams::{count, now},
};
use crate::tokens::Caller;

/// How many messages a report has: Claude Code refuses large results.
const REPORTED_MAX: u32 = 20;

/// Of `session_report`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReportArguments {
    /// The team that your conversation is with.
    team: TeamName,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

/// Of `session_cancel`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CancelArguments {
    /// The team that your conversation is with.
    team: TeamName,
    /// Only this message, be it waiting or at work. Left out: whatever is at work.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    message_id: Option<MessageId>,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

/// Of `session_report`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    team: String,
    from_team: String,
    /// Whether there is a conversation.
    has_session: bool,
    /// Whether it has an agent process now.
    has_process: bool,
    /// `asleep`, `waking`, `idle`, `working`, `waiting` (for the human) or `trouble`.
    #[serde(skip_serializing_if = "Option::is_none")]
    process_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// Whether every message has ended.
    all_complete: bool,
    /// The latest messages, oldest first.
    entries: Vec<Entry>,
    stats: Stats,
    /// Milliseconds since 1970.
    timestamp: i64,
}

/// A message in a report.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// `tell`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The beginning and the end of what you sent.
    tell_string: String,
    /// `active`, `completed` or `terminated`.
    status: &'static str,
    is_complete: bool,
    /// How much was said and run for it. `messages` may have less: the latest that fits.
    message_count: i64,
    /// What was said and run for it, oldest first.
    messages: Vec<Said>,
    /// For `message_status`.
    message_id: String,
    /// `queued`, `delivered`, `answered`, `failed`, `expired` or `cancelled`.
    state: &'static str,
    /// Why it was not answered, or why it waits, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Milliseconds since 1970, as the following.
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<i64>,
}

/// The messages of a report, counted.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Stats {
    total_entries: i64,
    active_entries: i64,
    completed_entries: i64,
    terminated_entries: i64,
}

/// Of `session_cancel`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cancelled {
    team: String,
    from_team: String,
    /// Whether there was a turn to end, or a message to take back.
    attempted: bool,
    /// Whether your conversation with the team has an agent process.
    process_found: bool,
    message: String,
    /// Milliseconds since 1970.
    timestamp: i64,
}

impl Tools {
    /// `session_report`.
    pub(super) async fn session_report(
        &self,
        caller: &Caller,
        arguments: Result<ReportArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let ReportArguments { team, from_team } = arguments?;
        let me = self.pair(caller, Name::SessionReport, from_team.as_deref(), &team)?;
        self.teams.known(&team)?;
        let mut latest = self
            .teams
            .messages(Some(me.clone()), Some(team.clone()), REPORTED_MAX)
            .await?;
        latest.reverse();
        let session = self.teams.view(&me, &team);
        let id = match &session {
            Some(view) => Some(view.id),
            None => self.teams.session_id(&me, &team).await?,
        };
        let said = said::of(&latest, &self.transcript(id).await?);
        let counted = |phase| count(latest.iter().filter(|m| self::phase(m) == phase).count());
        let stats = Stats {
            total_entries: count(latest.len()),
            active_entries: counted("active"),
            completed_entries: counted("completed"),
            terminated_entries: counted("terminated"),
        };
        result(&Report {
            team: team.into(),
            from_team: me.to_string(),
            has_session: id.is_some(),
            has_process: session.as_ref().is_some_and(|view| view.pid.is_some()),
            process_state: session.as_ref().map(|view| view.state.as_str()),
            session_id: id.map(|id| id.to_string()),
            all_complete: stats.active_entries == 0,
            entries: latest.iter().zip(said).map(entry).collect(),
            stats,
            timestamp: now(),
        })
    }

    /// The latest of a conversation.
    async fn transcript(&self, session: Option<SessionId>) -> Result<Vec<Line>, Problem> {
        let Some(session) = session else {
            return Ok(Vec::new());
        };
        let latest = Query {
            session: Some(session),
            limit: Some(said::LOOKED_AT),
            ..Query::default()
        };
        Ok(self.transcripts.page(latest).await?.lines)
    }

    /// `session_cancel`: of the caller's own pair only.
    pub(super) async fn session_cancel(
        &self,
        caller: &Caller,
        arguments: Result<CancelArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let CancelArguments {
            team,
            message_id,
            from_team,
        } = arguments?;
        let me = self.pair(caller, Name::SessionCancel, from_team.as_deref(), &team)?;
        let process_found = self.teams.is_awake(&me, &team);
        let attempted = match message_id {
            Some(id) => self.teams.cancel(id, me.clone(), team.clone()).await?,
            None => self.teams.interrupt(me.clone(), team.clone()).await?,
        };
        let message = match (attempted, message_id) {
            (true, Some(_)) => format!("The message to {team} is being cancelled."),
            (true, None) => {
                format!("The turn of {team} is being ended; the next message is answered.")
            }
            (false, Some(_)) => "There is no such message of yours that has not ended.".to_owned(),
            (false, None) => format!("Nothing runs in your conversation with {team}."),
        };
        result(&Cancelled {
            team: team.into(),
            from_team: me.to_string(),
            attempted,
            process_found,
            message,
            timestamp: now(),
        })
    }
}

fn entry((message, said): (&Message, said::All)) -> Entry {
    Entry {
        kind: "tell",
        tell_string: messages::echo(&message.text),
        status: phase(message),
        is_complete: message.state.is_settled(),
        message_count: said.count,
        messages: said.kept,
        message_id: message.id.to_string(),
        state: message.state.as_str(),
        error: message.error.as_ref().map(Problem::in_one_text),
        created_at: message.created_at.as_millisecond(),
        completed_at: message.settled_at.map(jiff::Timestamp::as_millisecond),
    }
}

/// The published words.
fn phase(message: &Message) -> &'static str {
    match message.state {
        MessageState::Queued | MessageState::Delivered => "active",
        MessageState::Answered => "completed",
        MessageState::Failed | MessageState::Expired | MessageState::Cancelled => "terminated",
    }
}
