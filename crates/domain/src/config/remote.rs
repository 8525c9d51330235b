//! Settings of teams on other hosts, and of what they may call here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach a remote host. Times in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RemoteOptions {
    /// Private key file (`ssh -i`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Port (`ssh -p`).
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Seconds to wait for the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<u64>,
    /// Seconds between keep-alives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_alive_interval: Option<u64>,
    /// Missed keep-alives until the link counts as dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_alive_count_max: Option<u32>,
    /// Compress (`ssh -C`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<bool>,
    /// Forward the SSH agent (`ssh -A`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_agent: Option<bool>,
    /// `ask` about an unknown host key, or refuse it (`yes`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_host_key_checking: Option<StrictHostKeyChecking>,
    /// Further arguments for `ssh`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// Tools it may not call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied_tools: Vec<String>,
    /// Teams it may call them on; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_targets: Option<Vec<String>>,
    /// Teams it may not call them on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
        Self {
            points: 20,
            duration: 60,
            block_duration: 300,
        }
    }
}
