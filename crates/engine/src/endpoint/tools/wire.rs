//! What the team tools take and give, as published.

use iris_domain::ids::TeamName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of `team_status`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StatusArguments {
    /// Only this team; all when left out.
    #[serde(default)]
    pub(super) team: Option<TeamName>,
    /// Whether to count the permission requests that wait for the human. Default: true.
    #[serde(default)]
    #[schemars(extend("default" = true))]
    pub(super) include_notifications: Option<bool>,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    pub(super) from_team: Option<String>,
}

/// Of `team_wake`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WakeArguments {
    /// The team to wake.
    pub(super) team: TeamName,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    pub(super) from_team: Option<String>,
}

/// Of `team_sleep`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SleepArguments {
    /// The team to put to sleep.
    pub(super) team: TeamName,
    /// Also when it is working or waits for the human. Default: false.
    #[serde(default)]
    pub(super) force: bool,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    pub(super) from_team: Option<String>,
}

/// A team as configured.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TeamConfig {
    /// The project directory, on the team's host.
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) color: Option<String>,
    /// The SSH destination of a remote team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remote: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listed {
    /// What `toTeam` and `team` of the other tools take.
    pub(super) name: String,
    pub(super) config: TeamConfig,
}

/// Of `list_teams`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TeamList {
    /// Every configured team, by name.
    pub(super) teams: Vec<Listed>,
    pub(super) total_teams: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TeamNow {
    pub(super) name: String,
    /// `awake`: it has an agent process, yours or another's; `asleep`: it has none.
    pub(super) status: &'static str,
    /// `asleep`, `waking`, `idle`, `working`, `waiting` (for the human) or `trouble`.
    pub(super) state: &'static str,
    /// `local`, or the SSH destination.
    pub(super) host: String,
    /// Permission requests of the team that wait for the human.
    pub(super) waiting: i64,
    /// The process of your conversation with the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<i64>,
    /// Your conversation with the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<String>,
    /// Your messages to the team that Iris keeps.
    pub(super) message_count: i64,
    /// When that conversation last did something, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_activity: Option<i64>,
    /// Why it does not work, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    pub(super) config: TeamConfig,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pool {
    /// Agents that run, of all teams.
    pub(super) active_processes: i64,
    /// How many may run at the same time.
    pub(super) max_processes: i64,
    /// Messages that Iris keeps, of all teams.
    pub(super) total_messages: i64,
    /// Of these, messages that wait for their turn.
    pub(super) queued_messages: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Notifications {
    /// Permission requests, of all teams, that wait for the human.
    pub(super) pending: i64,
    /// Those, and the latest that were answered.
    pub(super) total: i64,
}

/// Of `team_status`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    /// By name.
    pub(super) teams: Vec<TeamNow>,
    pub(super) pool: Pool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notifications: Option<Notifications>,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
}

/// Of `team_wake`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Woken {
    pub(super) team: String,
    /// `awake`: it is ready.
    pub(super) status: &'static str,
    pub(super) session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<i64>,
    pub(super) message: String,
    /// Milliseconds.
    pub(super) duration: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
}

/// Of `team_sleep`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Slept {
    pub(super) team: String,
    /// `asleep`, or `already_asleep`.
    pub(super) status: &'static str,
    pub(super) message: String,
    /// Milliseconds.
    pub(super) duration: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
}
