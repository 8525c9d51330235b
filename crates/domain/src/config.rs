//! The config file: what it may say, what it means, and how it is edited without losing what the
//! user wrote around it.
//!
//! The types here are the config as it holds. [`parse`] makes them from a file's text, and says
//! everything that is wrong with it, with line and column; [`edit`] changes a file's text;
//! [`schema`] describes the file to editors.

mod changes;
mod debug;
mod desktop;
mod edit;
mod lists;
mod outside;
mod parse;
mod placeholder;
mod problem;
mod read;
mod remote;
mod rules;
mod schema;
mod shape;
mod shown;
mod sources;
mod templates;
mod text;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::problem::line_and_column;
pub use self::{
    changes::{Changes, changes},
    desktop::{NoTimeOfDay, Press, QuietHours, Shortcut, ShortcutError, Shortcuts, TimeOfDay},
    edit::{Change, EditError, Set, edit},
    outside::{KEYCHAIN, KeychainName, SLACK_API, SlackSettings, UrlError, Webhook, safe_url},
    parse::{Parsed, parse},
    problem::ConfigProblem,
    remote::{RateLimit, RemoteOptions, ReverseMcpPermissions, StrictHostKeyChecking},
    rules::{ListView, RuleMistake, RuleView, RulesView},
    schema::schema,
    shown::shown,
    sources::{RuleSource, RuleSources},
    templates::PolicyTemplate,
};
use crate::ids::TeamName;

/// `$IRIS_HOME/config.json`, read: placeholders replaced, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// What holds for all of Iris.
    pub settings: Settings,
    /// The teams by name.
    pub teams: BTreeMap<TeamName, Team>,
}

/// What holds for all of Iris.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Port of the MCP endpoint on 127.0.0.1. `IRIS_HTTP_PORT` and `iris serve --port` win over it.
    pub http_port: u16,
    /// How many agent processes may run at once.
    pub max_processes: u32,
    /// Seconds after which an idle agent is put to sleep.
    pub idle_timeout: u64,
    /// Seconds an agent may take until it is ready.
    pub spawn_timeout: u64,
    /// Seconds of silence after which a running turn counts as hung.
    pub response_timeout: u64,
    /// Seconds a permission request waits for a human before it is denied; 0: for ever.
    pub permission_timeout: u64,
    /// Days that audit rows are kept; 0: for ever.
    pub audit_retention_days: u32,
    /// Days that transcripts of sessions are kept; 0: for ever.
    pub transcript_retention_days: u32,
    /// What is written to the log.
    pub log_level: LogLevel,
    /// Native notifications for approvals.
    pub notifications: bool,
    /// When no notification is shown; absent: never. What came meanwhile is told of at their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// Keys that are heard whatever program is in front; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortcuts: Option<Shortcuts>,
    /// Start Iris when the user signs in.
    pub start_at_login: bool,
    /// How a terminal is started, for a conversation that is opened in one: its program and options, and
    /// `{command}` where the command goes, if not at the end. Absent: `$TERMINAL`, or one that is
    /// there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// A Slack app that shows approvals and takes answers; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackSettings>,
    /// Where events are posted to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<Webhook>,
    /// What a team has that does not say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<TeamDefaults>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http_port: 1615,
            max_processes: 10,
            idle_timeout: 3600,
            spawn_timeout: 60,
            response_timeout: 600,
            permission_timeout: 3600,
            audit_retention_days: 90,
            transcript_retention_days: 30,
            log_level: LogLevel::Info,
            notifications: true,
            quiet_hours: None,
            shortcuts: None,
            start_at_login: false,
            terminal: None,
            slack: None,
            webhooks: Vec::new(),
            defaults: None,
        }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what is broken.
    Error,
    /// Also what is odd.
    Warn,
    /// Also what happens.
    #[default]
    Info,
    /// Also how.
    Debug,
    /// Everything.
    Trace,
}

/// A team's settings.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Team {
    /// The project directory. `~` is the home directory (of the remote host for a remote team);
    /// for a local team a relative path starts at the config file's folder.
    pub path: String,
    /// For people and for other teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^#[0-9a-fA-F]{6}$"))]
    pub color: Option<String>,
    /// `ssh user@host …` or `user@host`: the team runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// How to reach the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_options: Option<RemoteOptions>,
    /// The `claude` to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claude_path: Option<String>,
    /// Carry the MCP endpoint to the remote host. Requires `remote`.
    #[serde(default)]
    pub enable_reverse_mcp: bool,
    /// The remote port of the tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub reverse_mcp_port: Option<u16>,
    /// Plain HTTP inside the tunnel.
    #[serde(default)]
    pub allow_http: bool,
    /// What happens to a request that no rule decides.
    #[serde(default)]
    pub grant_permission: GrantPermission,
    /// Rules that decide before anybody is asked.
    #[serde(default)]
    pub approval_policy: ApprovalPolicy,
    /// Which Iris tools the team may call, on which teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_mcp_permissions: Option<ReverseMcpPermissions>,
    /// How often it may call Iris tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_mcp_rate_limit: Option<RateLimit>,
    /// The model, as `claude --model` takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Added to Claude Code's system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
    /// Tools that Claude Code runs without asking Iris, in its own rule syntax.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_tools: Vec<String>,
    /// Tools that the agent does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disallowed_tools: Vec<String>,
    /// Further directories that the agent may work in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_dirs: Vec<String>,
    /// Added to the agent's otherwise clean environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Also the MCP servers that the project and the user configured.
    #[serde(default = "yes")]
    pub inherit_mcp_servers: bool,
    /// Seconds; wins over `settings.idleTimeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u64>,
}

fn yes() -> bool {
    true
}

impl Team {
    /// A team with the defaults, in this directory.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            description: None,
            color: None,
            remote: None,
            remote_options: None,
            claude_path: None,
            enable_reverse_mcp: false,
            reverse_mcp_port: None,
            allow_http: false,
            grant_permission: GrantPermission::default(),
            approval_policy: ApprovalPolicy::default(),
            reverse_mcp_permissions: None,
            reverse_mcp_rate_limit: None,
            model: None,
            append_system_prompt: None,
            allowed_tools: Vec::new(),
            disallowed_tools: Vec::new(),
            add_dirs: Vec::new(),
            env: BTreeMap::new(),
            inherit_mcp_servers: true,
            idle_timeout: None,
        }
    }

    /// Where it runs: `local`, or the destination as written.
    pub fn host(&self) -> &str {
        self.remote.as_deref().unwrap_or("local")
    }
}

/// A team template: what a team has that does not say otherwise. Every field of [`Team`] but
/// `path`, `description`, `color` and `remote`, all optional. A team that has an object of its own
/// (`env`, `remoteOptions`, …) still gets the fields that it leaves out in it. The rules of `approvalPolicy` are added to
/// the team's own: a rule that holds for all teams holds.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TeamDefaults {
    /// See [`Team::remote_options`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_options: Option<RemoteOptions>,
    /// See [`Team::claude_path`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claude_path: Option<String>,
    /// See [`Team::enable_reverse_mcp`]. Only teams with `remote` take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_reverse_mcp: Option<bool>,
    /// See [`Team::reverse_mcp_port`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_mcp_port: Option<u16>,
    /// See [`Team::allow_http`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_http: Option<bool>,
    /// See [`Team::grant_permission`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_permission: Option<GrantPermission>,
    /// See [`Team::approval_policy`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_policy: Option<ApprovalPolicy>,
    /// See [`Team::reverse_mcp_permissions`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_mcp_permissions: Option<ReverseMcpPermissions>,
    /// See [`Team::reverse_mcp_rate_limit`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_mcp_rate_limit: Option<RateLimit>,
    /// See [`Team::model`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// See [`Team::append_system_prompt`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
    /// See [`Team::allowed_tools`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// See [`Team::disallowed_tools`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_tools: Option<Vec<String>>,
    /// See [`Team::add_dirs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_dirs: Option<Vec<String>>,
    /// See [`Team::env`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// See [`Team::inherit_mcp_servers`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherit_mcp_servers: Option<bool>,
    /// See [`Team::idle_timeout`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u64>,
}

/// What happens to a request that no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum GrantPermission {
    /// Allow it.
    Yes,
    /// Deny it.
    No,
    /// Ask the human.
    #[default]
    Ask,
    /// Ask the session that gave the agent its task.
    Forward,
}

impl GrantPermission {
    /// As written in the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Ask => "ask",
            Self::Forward => "forward",
        }
    }
}

/// Rules in Claude Code's own syntax: a tool (`Read`, `mcp__github__*`), or a tool and what it is
/// used for (`Bash(git push:*)`, `Edit(/src/**)`, `WebFetch(domain:docs.rs)`). `deny` wins over `requireApproval`, which wins over
/// `autoApprove`. The rules of `settings.defaults` hold for every team, besides the team's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApprovalPolicy {
    /// Allowed without asking.
    pub auto_approve: Vec<String>,
    /// Always asked.
    pub require_approval: Vec<String>,
    /// Denied without asking.
    pub deny: Vec<String>,
    /// Where each rule stands in the file.
    #[serde(skip)]
    pub sources: RuleSources,
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            auto_approve: vec!["mcp__iris__*".into()],
            require_approval: ["session_fork", "session_delete", "session_reboot"]
                .map(String::from)
                .to_vec(),
            deny: Vec::new(),
            sources: RuleSources::default(),
        }
    }
}

#[cfg(test)]
mod tests;
