//! The tools for a whole conversation, which is always the caller's own with a team.

use iris_domain::{
    Problem,
    conversation::{Deleted, Forked, Rebooted, Removal},
    ids::{Party, TeamName},
};
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Name, Tools, result, teams::now};
use crate::{teams::Asked, tokens::Caller};

/// Of `session_fork`, `session_reboot` and `session_delete`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// The team that your conversation is with.
    to_team: TeamName,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

/// Of `session_fork`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ForkedOut {
    success: bool,
    from: String,
    to: String,
    /// The conversation that was copied.
    session_id: String,
    /// The program of the terminal that was opened.
    spawn_script_path: String,
    /// The folder that it is open in, on the team's host.
    team_path: String,
    /// Whether the team runs on another host.
    remote: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh_host: Option<String>,
    message: String,
    /// Milliseconds since 1970.
    timestamp: i64,
}

/// Of `session_reboot`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RebootedOut {
    from: String,
    to: String,
    had_previous_session: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_session_id: Option<String>,
    new_session_id: String,
    /// A process of the old conversation was ended.
    process_terminated: bool,
    #[serde(flatten)]
    record: Record,
    message: String,
    /// Milliseconds since 1970.
    timestamp: i64,
}

/// Of `session_delete`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedOut {
    from: String,
    to: String,
    /// Whether there was a conversation.
    had_session: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// Its process was ended.
    process_terminated: bool,
    #[serde(flatten)]
    record: Record,
    message: String,
    /// Milliseconds since 1970.
    timestamp: i64,
}

/// What became of Claude Code's own record of the old conversation.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// Files and folders of Claude Code's record, on the team's host, that are gone.
    removed: Vec<String>,
    /// Why something of it is left, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_removed: Option<String>,
}

impl From<Removal> for Record {
    fn from(removal: Removal) -> Self {
        Self {
            removed: removal.removed,
            not_removed: removal.left.as_ref().map(Problem::in_one_text),
        }
    }
}

impl Tools {
    /// `session_fork`.
    pub(super) async fn fork(
        &self,
        caller: &Caller,
        arguments: Result<Arguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let (me, to_team) = self.own(caller, Name::SessionFork, arguments)?;
        let done = self.teams.fork(Asked::by_caller(caller), me, to_team);
        result(&forked(done.await?))
    }

    /// `session_reboot`.
    pub(super) async fn reboot(
        &self,
        caller: &Caller,
        arguments: Result<Arguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let (me, to_team) = self.own(caller, Name::SessionReboot, arguments)?;
        let done = self.teams.reboot(Asked::by_caller(caller), me, to_team);
        result(&rebooted(done.await?))
    }

    /// `session_delete`.
    pub(super) async fn delete(
        &self,
        caller: &Caller,
        arguments: Result<Arguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let (me, to_team) = self.own(caller, Name::SessionDelete, arguments)?;
        let done = self.teams.delete(Asked::by_caller(caller), me, to_team);
        result(&deleted(done.await?))
    }

    fn own(
        &self,
        caller: &Caller,
        name: Name,
        arguments: Result<Arguments, Problem>,
    ) -> Result<(Party, TeamName), Problem> {
        let Arguments { to_team, from_team } = arguments?;
        let me = self.pair(caller, name, from_team.as_deref(), &to_team)?;
        Ok((me, to_team))
    }
}

/// What `session_fork` says.
pub(super) fn forked(done: Forked) -> ForkedOut {
    let remote = done.host != "local";
    ForkedOut {
        success: true,
        message: format!(
            "A copy of your conversation with {} is open in the user's terminal.",
            done.to
        ),
        from: done.from.to_string(),
        to: done.to.into(),
        session_id: done.session.to_string(),
        spawn_script_path: done.terminal,
        team_path: done.path,
        remote,
        ssh_host: remote.then_some(done.host),
        timestamp: now(),
    }
}

/// What `session_reboot` says.
pub(super) fn rebooted(done: Rebooted) -> RebootedOut {
    RebootedOut {
        message: format!("Your new conversation with {} is ready.", done.to),
        from: done.from.to_string(),
        to: done.to.into(),
        had_previous_session: done.old.is_some(),
        old_session_id: done.old.map(|id| id.to_string()),
        new_session_id: done.new.to_string(),
        process_terminated: done.ended,
        record: done.record.into(),
        timestamp: now(),
    }
}

/// What `session_delete` says.
pub(super) fn deleted(done: Deleted) -> DeletedOut {
    DeletedOut {
        message: match done.session {
            Some(_) => format!("Your conversation with {} is deleted.", done.to),
            None if done.ended => format!(
                "Your conversation with {} is gone; nothing was said in it yet.",
                done.to
            ),
            None => format!("You had no conversation with {}.", done.to),
        },
        from: done.from.to_string(),
        to: done.to.into(),
        had_session: done.session.is_some(),
        session_id: done.session.map(|id| id.to_string()),
        process_terminated: done.ended,
        record: done.record.into(),
        timestamp: now(),
    }
}
