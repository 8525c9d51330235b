//! The config file: what it may say, what it means, and how it is edited without losing what the
//! user wrote around it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Days that audit rows are kept.
    pub audit_retention_days: u32,
    /// What is written to the log.
    pub log_level: LogLevel,
    /// Native notifications for approvals.
    pub notifications: bool,
    /// Start Iris when the user signs in.
    pub start_at_login: bool,
    /// What a team has that does not say otherwise.
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
            log_level: LogLevel::Info,
            notifications: true,
            start_at_login: false,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// A team template: every field of [`Team`] but `path`, all optional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TeamDefaults {
    /// See [`Team::claude_path`].
    pub claude_path: Option<String>,
    /// See [`Team::grant_permission`].
    pub grant_permission: Option<GrantPermission>,
    /// See [`Team::approval_policy`].
    pub approval_policy: Option<ApprovalPolicy>,
    /// See [`Team::model`].
    pub model: Option<String>,
    /// See [`Team::append_system_prompt`].
    pub append_system_prompt: Option<String>,
    /// See [`Team::allowed_tools`].
    pub allowed_tools: Option<Vec<String>>,
    /// See [`Team::disallowed_tools`].
    pub disallowed_tools: Option<Vec<String>>,
    /// See [`Team::env`].
    pub env: Option<BTreeMap<String, String>>,
    /// See [`Team::inherit_mcp_servers`].
    pub inherit_mcp_servers: Option<bool>,
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

/// Rules in Claude Code's own syntax. `deny` wins over `requireApproval`, which wins over
/// `autoApprove`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApprovalPolicy {
    /// Allowed without asking.
    pub auto_approve: Vec<String>,
    /// Always asked.
    pub require_approval: Vec<String>,
    /// Denied without asking.
    pub deny: Vec<String>,
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            auto_approve: vec!["mcp__iris__*".into()],
            require_approval: ["session_fork", "session_delete", "session_reboot"]
                .map(String::from)
                .to_vec(),
            deny: Vec::new(),
        }
    }
}

/// How to reach a remote host. Times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RemoteOptions {
    /// Private key file (`ssh -i`).
    pub identity: Option<String>,
    /// Port (`ssh -p`).
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Seconds to wait for the connection.
    pub connect_timeout: Option<u64>,
    /// Seconds between keep-alives.
    pub server_alive_interval: Option<u64>,
    /// Missed keep-alives until the link counts as dead.
    pub server_alive_count_max: Option<u32>,
    /// Compress (`ssh -C`).
    pub compression: Option<bool>,
    /// Forward the SSH agent (`ssh -A`).
    pub forward_agent: Option<bool>,
    /// `ask` about an unknown host key, or refuse it (`yes`).
    pub strict_host_key_checking: Option<StrictHostKeyChecking>,
    /// Further arguments for `ssh`.
    pub extra_ssh_args: Vec<String>,
}

/// What happens on an unknown host key. There is no way to turn checking off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StrictHostKeyChecking {
    /// The human confirms the fingerprint.
    Ask,
    /// It is refused.
    Yes,
}

/// Which Iris tools a team may call, on which teams. Globs; deny wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReverseMcpPermissions {
    /// Tools it may call; absent: all.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools it may not call.
    pub denied_tools: Vec<String>,
    /// Teams it may call them on; absent: all.
    pub allowed_targets: Option<Vec<String>>,
    /// Teams it may not call them on.
    pub denied_targets: Vec<String>,
}

/// A bound on Iris tool calls of one team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimit {
    /// Calls per `duration`.
    pub points: u32,
    /// Seconds.
    pub duration: u64,
    /// Seconds without service after the bound was passed.
    pub block_duration: u64,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { points: 20, duration: 60, block_duration: 300 }
    }
}
