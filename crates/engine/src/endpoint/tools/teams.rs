//! The team tools.

use std::time::Duration;

use iris_domain::{
    Problem, display,
    ids::{Party, TeamName},
    message::{MESSAGE_MAX, MessageStatus, SendOutcome},
    problem::Code,
    snapshot::{Snapshot, TeamState, TeamView},
};
use rmcp::model::CallToolResult;
use tokio::time::Instant;

use super::{
    Name, Tools, result,
    wire::{
        Listed, Notifications, Pool, SendArguments, Sent, SleepArguments, Slept, Status,
        StatusArguments, TeamConfig, TeamList, TeamNow, WakeArguments, Woken,
    },
};
use crate::{clock, tokens::Caller};

/// The published default of `timeout`, milliseconds.
const SEND_TIMEOUT_DEFAULT: i64 = 30_000;
/// The published largest `timeout`, milliseconds: an hour. Longer waits are `0`.
const SEND_TIMEOUT_MAX: i64 = 3_600_000;
/// How much of a message is repeated in its result, characters: the sender has it, and Claude Code
/// refuses large results.
const ECHO_MAX: usize = 1000;

impl Tools {
    /// `team_status`.
    pub(super) fn status(
        &self,
        caller: &Caller,
        arguments: Result<StatusArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let StatusArguments {
            team,
            include_notifications,
            from_team,
        } = arguments?;
        let me = self.acting(caller, Name::TeamStatus, from_team.as_deref())?;
        if let Some(team) = &team {
            self.may_see(caller, Name::TeamStatus, team)?;
        }
        let snapshot = self.snapshot.borrow().clone();
        let notifications = include_notifications.unwrap_or(true);
        result(&status(&snapshot, &me, team.as_ref(), notifications)?)
    }

    /// `team_wake`.
    pub(super) async fn wake(
        &self,
        caller: &Caller,
        arguments: Result<WakeArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let WakeArguments { team, from_team } = arguments?;
        let me = self.acting(caller, Name::TeamWake, from_team.as_deref())?;
        self.may(caller, Name::TeamWake, &team)?;
        let started = Instant::now();
        let session = self.teams.wake(me, team.clone()).await?;
        result(&Woken {
            message: format!("{team} is ready."),
            team: team.into(),
            status: "awake",
            session_id: session.id.to_string(),
            pid: session.pid.map(i64::from),
            duration: milliseconds(started.elapsed()),
            timestamp: now(),
        })
    }

    /// `team_sleep`. Agents may do it to other teams: Claude Code asked the human, or a rule,
    /// before this call.
    pub(super) async fn sleep(
        &self,
        caller: &Caller,
        arguments: Result<SleepArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let SleepArguments {
            team,
            force,
            from_team,
        } = arguments?;
        self.acting(caller, Name::TeamSleep, from_team.as_deref())?;
        self.may(caller, Name::TeamSleep, &team)?;
        if !force {
            not_busy(&self.snapshot.borrow(), &team)?;
        }
        let started = Instant::now();
        let ended = self.teams.sleep(None, team.clone()).await?;
        let (status, message) = if ended {
            (
                "asleep",
                format!("{team} sleeps; its conversations are kept."),
            )
        } else {
            ("already_asleep", format!("{team} was asleep."))
        };
        result(&Slept {
            team: team.into(),
            status,
            message,
            duration: milliseconds(started.elapsed()),
            timestamp: now(),
        })
    }

    /// `send_message`.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        arguments: Result<SendArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let SendArguments {
            to_team,
            message,
            timeout,
            from_team,
        } = arguments?;
        let me = self.acting(caller, Name::SendMessage, from_team.as_deref())?;
        self.may(caller, Name::SendMessage, &to_team)?;
        let timeout = patience(timeout)?;
        let echo = sendable(&message)?;
        let outcome = self.teams.send(me, to_team, message, timeout).await;
        sent(outcome, echo)
    }
}

/// What `list_teams` says.
pub(super) fn list(snapshot: &Snapshot) -> TeamList {
    TeamList {
        teams: snapshot
            .teams
            .iter()
            .map(|team| Listed {
                name: team.name.to_string(),
                config: config(team),
            })
            .collect(),
        total_teams: count(snapshot.teams.len()),
        timestamp: now(),
    }
}

/// What `team_status` says to `me`.
pub(super) fn status(
    snapshot: &Snapshot,
    me: &Party,
    only: Option<&TeamName>,
    notifications: bool,
) -> Result<Status, Problem> {
    if let Some(team) = only {
        find(snapshot, team)?;
    }
    let sessions = || snapshot.teams.iter().flat_map(|team| &team.sessions);
    let teams = snapshot
        .teams
        .iter()
        .filter(|team| only.is_none_or(|only| team.name == *only));
    Ok(Status {
        teams: teams.map(|team| now_of(team, me)).collect(),
        pool: Pool {
            active_processes: count(sessions().filter(|session| session.pid.is_some()).count()),
            queued_messages: sessions().map(|session| i64::from(session.queued)).sum(),
        },
        notifications: notifications.then(|| Notifications {
            pending: count(snapshot.approvals.len()),
            total: count(snapshot.approvals.len() + snapshot.recent.len()),
        }),
        timestamp: now(),
    })
}

fn now_of(team: &TeamView, me: &Party) -> TeamNow {
    let mine = team.sessions.iter().find(|session| session.from == *me);
    let awake = team.sessions.iter().any(|session| session.pid.is_some());
    TeamNow {
        name: team.name.to_string(),
        status: if awake { "awake" } else { "asleep" },
        state: team.state.as_str(),
        host: team.host.clone(),
        waiting: team.waiting.into(),
        pid: mine.and_then(|session| session.pid).map(i64::from),
        session_id: mine.map(|session| session.id.to_string()),
        last_activity: mine.map(|session| session.last_activity.as_millisecond()),
        problem: team.problem.as_ref().map(in_one_text),
        config: config(team),
    }
}

fn config(team: &TeamView) -> TeamConfig {
    TeamConfig {
        path: team.path.clone(),
        description: team.description.clone(),
        color: team.color.clone(),
        remote: (team.host != "local").then(|| team.host.clone()),
    }
}

fn find<'s>(snapshot: &'s Snapshot, team: &TeamName) -> Result<&'s TeamView, Problem> {
    snapshot
        .teams
        .iter()
        .find(|view| view.name == *team)
        .ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                format!("there is no team {team}"),
                "list_teams shows the teams that there are.",
            )
        })
}

/// Whether a team can be put to sleep without taking its work from it.
pub(super) fn not_busy(snapshot: &Snapshot, team: &TeamName) -> Result<(), Problem> {
    let state = find(snapshot, team)?.state;
    match state {
        TeamState::Working | TeamState::Waiting | TeamState::Waking => Err(Problem::new(
            Code::Busy,
            format!("{team} is {}", state.as_str()),
            "Wait until it is idle, or say force: true.",
        )),
        TeamState::Asleep | TeamState::Idle | TeamState::Trouble => Ok(()),
    }
}

/// How long a sender waits; `None`: for ever.
pub(super) fn patience(timeout: Option<i64>) -> Result<Option<Duration>, Problem> {
    match timeout.unwrap_or(SEND_TIMEOUT_DEFAULT) {
        0 => Ok(None),
        ms @ 1..=SEND_TIMEOUT_MAX => Ok(Some(Duration::from_millis(ms.unsigned_abs()))),
        -1 => Err(Problem::new(
            Code::InvalidInput,
            "timeout -1 (send without waiting) is not available",
            "Say how many milliseconds you want to wait; after that the team goes on by itself.",
        )),
        other => Err(Problem::new(
            Code::InvalidInput,
            format!("timeout {other} is not 0 (for ever) to {SEND_TIMEOUT_MAX} milliseconds"),
            "Leave it out for 30 seconds.",
        )),
    }
}

/// A message that can be sent, as it is repeated in the result.
pub(super) fn sendable(message: &str) -> Result<String, Problem> {
    if message.trim().is_empty() {
        return Err(Problem::new(
            Code::InvalidInput,
            "the message is empty",
            "Say what to do.",
        ));
    }
    if message.len() > MESSAGE_MAX {
        return Err(Problem::new(
            Code::InvalidInput,
            format!(
                "the message has {} bytes; at most {MESSAGE_MAX} can be sent",
                message.len()
            ),
            "Put the text into a file and send its path.",
        ));
    }
    if message.chars().count() <= ECHO_MAX {
        return Ok(message.to_owned());
    }
    Ok(display::one_line(message, ECHO_MAX))
}

/// What the sender is told.
pub(super) fn sent(outcome: SendOutcome, echo: String) -> Result<CallToolResult, Problem> {
    let (status, ok) = match outcome.status {
        MessageStatus::Queued => ("queued", true),
        MessageStatus::Answered => ("answered", true),
        MessageStatus::Timeout => ("timeout", true),
        MessageStatus::Failed => ("failed", false),
        MessageStatus::Cancelled => ("cancelled", false),
        MessageStatus::Expired => ("expired", false),
    };
    let mut said = result(&Sent {
        from: outcome.from.to_string(),
        to: outcome.to.into(),
        message: echo,
        status,
        response: outcome.response,
        error: outcome.error.as_ref().map(in_one_text),
        session_id: outcome.session.map(|session| session.to_string()),
        message_id: outcome.id.to_string(),
        duration: i64::try_from(outcome.duration).unwrap_or(i64::MAX),
        timestamp: now(),
    })?;
    said.is_error = Some(!ok);
    Ok(said)
}

fn in_one_text(problem: &Problem) -> String {
    format!("{} {}", problem.message, problem.hint)
}

fn now() -> i64 {
    clock::now().as_millisecond()
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
