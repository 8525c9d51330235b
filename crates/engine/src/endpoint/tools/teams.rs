//! The team tools.

use std::time::Duration;

use iris_domain::{
    Problem,
    ids::{Party, TeamName},
    problem::Code,
    snapshot::{Snapshot, TeamState, TeamView},
};
use rmcp::model::CallToolResult;
use tokio::time::Instant;

use super::{
    Name, Tools, result,
    wire::{
        Listed, Notifications, Pool, SleepArguments, Slept, Status, StatusArguments, TeamConfig,
        TeamList, TeamNow, WakeArguments, Woken,
    },
};
use crate::{clock, tokens::Caller};

impl Tools {
    /// `team_status`.
    pub(super) async fn status(
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
        let places = self.teams.places();
        let messages = self.teams.message_counts().await?;
        result(&status(
            &snapshot,
            &me,
            team.as_ref(),
            notifications,
            places,
            &messages,
        )?)
    }

    /// `team_wake` and `team_launch`.
    pub(super) async fn wake(
        &self,
        caller: &Caller,
        name: Name,
        arguments: Result<WakeArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let WakeArguments { team, from_team } = arguments?;
        let me = self.pair(caller, name, from_team.as_deref(), &team)?;
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
        let me = self.pair(caller, Name::TeamSleep, from_team.as_deref(), &team)?;
        if !force {
            not_busy(&self.snapshot.borrow(), &me, &team)?;
        }
        let started = Instant::now();
        let ended = self.teams.sleep(Some(me), team.clone()).await?;
        let (status, message) = if ended {
            (
                "asleep",
                format!("{team} sleeps; your conversation with it is kept."),
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
    places: usize,
    messages: &[(Party, TeamName, u64)],
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
        teams: teams.map(|team| now_of(team, me, messages)).collect(),
        pool: Pool {
            active_processes: count(sessions().filter(|session| session.pid.is_some()).count()),
            max_processes: count(places),
            total_messages: all(messages.iter()),
            queued_messages: sessions().map(|session| i64::from(session.queued)).sum(),
        },
        notifications: notifications.then(|| Notifications {
            pending: count(snapshot.approvals.len()),
            total: count(snapshot.approvals.len() + snapshot.recent.len()),
        }),
        timestamp: now(),
    })
}

/// All of these messages.
fn all<'m>(of: impl Iterator<Item = &'m (Party, TeamName, u64)>) -> i64 {
    i64::try_from(of.map(|(_, _, count)| count).sum::<u64>()).unwrap_or(i64::MAX)
}

fn now_of(team: &TeamView, me: &Party, messages: &[(Party, TeamName, u64)]) -> TeamNow {
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
        message_count: all(messages
            .iter()
            .filter(|(from, to, _)| from == me && *to == team.name)),
        last_activity: mine.map(|session| session.last_activity.as_millisecond()),
        problem: team.problem.as_ref().map(Problem::in_one_text),
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

/// Whether the caller's agent of a team can be put to sleep without taking its work from it.
pub(super) fn not_busy(snapshot: &Snapshot, me: &Party, team: &TeamName) -> Result<(), Problem> {
    let sessions = &find(snapshot, team)?.sessions;
    let Some(mine) = sessions.iter().find(|session| session.from == *me) else {
        return Ok(());
    };
    match mine.state {
        TeamState::Working | TeamState::Waiting | TeamState::Waking => Err(Problem::new(
            Code::Busy,
            format!("{team} is {}", mine.state.as_str()),
            "Wait until it is idle, or say force: true.",
        )),
        TeamState::Asleep | TeamState::Idle | TeamState::Trouble => Ok(()),
    }
}

pub(super) fn now() -> i64 {
    clock::now().as_millisecond()
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
