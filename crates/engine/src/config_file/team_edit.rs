//! What a surface changes of a team.

use std::collections::BTreeMap;

use iris_domain::{
    config::{
        GrantPermission, KEYCHAIN, RateLimit, RemoteOptions, ReverseMcpPermissions, Set,
        StrictHostKeyChecking, Team, TeamDefaults,
    },
    ids::TeamName,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::rules_edit::RulesEdit;
use crate::secrets::Spoken;

/// A change that a surface makes. `None`: left as it is; an empty text, an empty list and a zero
/// remove an optional field. Where a zero means something, the field is [`Removable`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TeamEdit {
    /// New name.
    pub name: Option<TeamName>,
    /// Project directory.
    pub path: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// `#rrggbb`.
    pub color: Option<String>,
    /// What happens to undecided requests.
    pub grant_permission: Option<GrantPermission>,
    /// `user@host`, or as typed after `ssh`; empty: the team runs here.
    pub remote: Option<String>,
    /// How to reach the host.
    pub remote_options: Option<RemoteOptionsEdit>,
    /// Carry the MCP endpoint to the host.
    pub enable_reverse_mcp: Option<bool>,
    /// The remote port of the tunnel.
    pub reverse_mcp_port: Option<u16>,
    /// Plain HTTP inside the tunnel.
    pub allow_http: Option<bool>,
    /// What the team may call here.
    pub reverse_mcp_permissions: Option<PermissionsEdit>,
    /// How often it may call Iris tools.
    pub reverse_mcp_rate_limit: Option<RateLimitEdit>,
    /// The `claude` to run.
    pub claude_path: Option<String>,
    /// Variables of its agent's environment; those that are not here stay.
    pub env: Option<BTreeMap<String, EnvEdit>>,
    /// Its own rules.
    pub approval_policy: Option<RulesEdit>,
}

/// `None`: left as it is; `Some(None)`, in JSON `null`: removed.
pub type Removable<T> = Option<Option<T>>;

pub(super) fn removable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Removable<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The same for how its host is reached. What is not here stays as the file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RemoteOptionsEdit {
    /// Private key file.
    pub identity: Option<String>,
    /// The port of the host's `sshd`.
    pub port: Option<u16>,
    /// Seconds to wait for the connection.
    pub connect_timeout: Option<u64>,
    /// Seconds between keep-alives; 0: none.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub server_alive_interval: Removable<u64>,
    /// Missed keep-alives until the link counts as dead.
    pub server_alive_count_max: Option<u32>,
    /// As `ssh -C`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub compression: Removable<bool>,
    /// As `ssh -A`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub forward_agent: Removable<bool>,
    /// What happens on an unknown host key.
    pub strict_host_key_checking: Option<StrictHostKeyChecking>,
    /// Further arguments for `ssh`, a jump host among them.
    pub extra_ssh_args: Option<Vec<String>>,
}

/// The same for what it may call here. Empty lists of what is allowed: everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PermissionsEdit {
    /// Tools it may call.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools it may not call.
    pub denied_tools: Option<Vec<String>>,
    /// Teams it may call them on.
    pub allowed_targets: Option<Vec<String>>,
    /// Teams it may not call them on.
    pub denied_targets: Option<Vec<String>>,
}

/// The same for how often it may call Iris tools.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RateLimitEdit {
    /// Calls in each `duration`.
    pub points: Option<u32>,
    /// Seconds.
    pub duration: Option<u64>,
    /// Seconds without service after there were too many; 0: until `duration` is over.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub block_duration: Removable<u64>,
}

/// A variable of an agent's environment: where its value is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "camelCase", deny_unknown_fields)]
pub enum EnvEdit {
    /// In the config file. It may be secret all the same, and a placeholder stands for what is: no
    /// surface is told. `None`: as it is.
    Text {
        /// The new value.
        value: Option<Spoken>,
    },
    /// In the keychain, where a person put it.
    Keychain {
        /// Under this name.
        name: String,
    },
    /// Nowhere: the variable goes.
    Nowhere,
}

impl TeamEdit {
    /// What a team is set to. A list of what is allowed that allows nothing looks like one that
    /// is not there; nothing changes it as long as it is not set. Variables that it has of the
    /// template are left out: they are not set here, and cannot be removed here.
    pub(super) fn of(name: &TeamName, team: &Team, template: Option<&TeamDefaults>) -> Self {
        let options = team.remote_options.clone().unwrap_or_default();
        let permissions = team.reverse_mcp_permissions.clone().unwrap_or_default();
        let inherited = template.and_then(|template| template.env.as_ref());
        let env = team
            .env
            .iter()
            .filter(|(name, value)| inherited.and_then(|env| env.get(*name)) != Some(value));
        Self {
            name: Some(name.clone()),
            path: Some(team.path.clone()),
            description: team.description.clone(),
            color: team.color.clone(),
            grant_permission: Some(team.grant_permission),
            remote: team.remote.clone(),
            remote_options: Some(RemoteOptionsEdit::of(options)),
            enable_reverse_mcp: Some(team.enable_reverse_mcp),
            reverse_mcp_port: team.reverse_mcp_port,
            allow_http: Some(team.allow_http),
            reverse_mcp_permissions: Some(PermissionsEdit::of(permissions)),
            reverse_mcp_rate_limit: team.reverse_mcp_rate_limit.map(RateLimitEdit::of),
            claude_path: team.claude_path.clone(),
            env: Some(env.map(|(k, v)| (k.clone(), EnvEdit::of(v))).collect()),
            // A surface that edits them asks for where they stand, too.
            approval_policy: None,
        }
    }

    /// The fields to set and to remove in the file. An empty `path` stays, to be refused.
    pub(super) fn fields(self) -> Set {
        let options = self.remote_options.unwrap_or_default();
        let permissions = self.reverse_mcp_permissions.unwrap_or_default();
        let limit = self.reverse_mcp_rate_limit.unwrap_or_default();
        let fields = [
            ("path", self.path.map(|path| Some(Value::String(path)))),
            ("description", self.description.map(text)),
            ("color", self.color.map(text)),
            (
                "grantPermission",
                self.grant_permission.map(|mode| Some(mode.as_str().into())),
            ),
            ("remote", self.remote.map(text)),
            ("remoteOptions.identity", options.identity.map(text)),
            ("remoteOptions.port", options.port.map(number)),
            (
                "remoteOptions.connectTimeout",
                options.connect_timeout.map(number),
            ),
            (
                "remoteOptions.serverAliveInterval",
                options.server_alive_interval.map(any),
            ),
            (
                "remoteOptions.serverAliveCountMax",
                options.server_alive_count_max.map(number),
            ),
            ("remoteOptions.compression", options.compression.map(any)),
            ("remoteOptions.forwardAgent", options.forward_agent.map(any)),
            (
                "remoteOptions.strictHostKeyChecking",
                options
                    .strict_host_key_checking
                    .map(|checking| Some(json!(checking))),
            ),
            (
                "remoteOptions.extraSshArgs",
                options.extra_ssh_args.map(list),
            ),
            (
                "enableReverseMcp",
                self.enable_reverse_mcp.map(|on| Some(on.into())),
            ),
            ("reverseMcpPort", self.reverse_mcp_port.map(number)),
            ("allowHttp", self.allow_http.map(|on| Some(on.into()))),
            (
                "reverseMcpPermissions.allowedTools",
                permissions.allowed_tools.map(list),
            ),
            (
                "reverseMcpPermissions.deniedTools",
                permissions.denied_tools.map(list),
            ),
            (
                "reverseMcpPermissions.allowedTargets",
                permissions.allowed_targets.map(list),
            ),
            (
                "reverseMcpPermissions.deniedTargets",
                permissions.denied_targets.map(list),
            ),
            ("reverseMcpRateLimit.points", limit.points.map(number)),
            ("reverseMcpRateLimit.duration", limit.duration.map(number)),
            (
                "reverseMcpRateLimit.blockDuration",
                limit.block_duration.map(any),
            ),
            ("claudePath", self.claude_path.map(text)),
        ];
        let variables = self.env.unwrap_or_default().into_iter();
        let rules = self.approval_policy.unwrap_or_default().fields("");
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.into(), value?)))
            .chain(variables.filter_map(|(name, edit)| {
                let value = edit.value()?;
                Some((format!("env.{name}").into(), value))
            }))
            .chain(rules)
            .collect()
    }
}

impl RemoteOptionsEdit {
    fn of(options: RemoteOptions) -> Self {
        Self {
            identity: options.identity,
            port: options.port,
            connect_timeout: options.connect_timeout,
            server_alive_interval: options.server_alive_interval.map(Some),
            server_alive_count_max: options.server_alive_count_max,
            compression: options.compression.map(Some),
            forward_agent: options.forward_agent.map(Some),
            strict_host_key_checking: options.strict_host_key_checking,
            extra_ssh_args: Some(options.extra_ssh_args),
        }
    }

    /// What a team has whose config is changed so, where it had these.
    pub fn onto(self, options: RemoteOptions) -> RemoteOptions {
        RemoteOptions {
            identity: filled(self.identity, options.identity, String::is_empty),
            port: filled(self.port, options.port, |port| *port == 0),
            connect_timeout: filled(self.connect_timeout, options.connect_timeout, |s| *s == 0),
            server_alive_interval: self
                .server_alive_interval
                .unwrap_or(options.server_alive_interval),
            server_alive_count_max: filled(
                self.server_alive_count_max,
                options.server_alive_count_max,
                |count| *count == 0,
            ),
            compression: self.compression.unwrap_or(options.compression),
            forward_agent: self.forward_agent.unwrap_or(options.forward_agent),
            strict_host_key_checking: self
                .strict_host_key_checking
                .or(options.strict_host_key_checking),
            extra_ssh_args: self.extra_ssh_args.unwrap_or(options.extra_ssh_args),
        }
    }
}

/// An edit of a field onto what it was.
fn filled<T>(edit: Option<T>, was: Option<T>, removes: impl Fn(&T) -> bool) -> Option<T> {
    match edit {
        Some(value) => Some(value).filter(|value| !removes(value)),
        None => was,
    }
}

impl RateLimitEdit {
    fn of(limit: RateLimit) -> Self {
        Self {
            points: Some(limit.points),
            duration: Some(limit.duration),
            block_duration: Some(Some(limit.block_duration)),
        }
    }
}

impl EnvEdit {
    fn of(value: &str) -> Self {
        match value.strip_prefix(KEYCHAIN) {
            Some(name) => Self::Keychain { name: name.into() },
            None => Self::Text { value: None },
        }
    }

    /// What the config then says; `None`: what it says now.
    fn value(self) -> Option<Option<Value>> {
        match self {
            Self::Text { value } => value.map(|text| Some(text.0.expose().into())),
            Self::Keychain { name } => Some(Some(format!("{KEYCHAIN}{name}").into())),
            Self::Nowhere => Some(None),
        }
    }
}

impl PermissionsEdit {
    fn of(permissions: ReverseMcpPermissions) -> Self {
        Self {
            allowed_tools: permissions.allowed_tools,
            denied_tools: Some(permissions.denied_tools),
            allowed_targets: permissions.allowed_targets,
            denied_targets: Some(permissions.denied_targets),
        }
    }
}

fn text(text: String) -> Option<Value> {
    (!text.is_empty()).then_some(Value::String(text))
}

fn number(number: impl Into<u64>) -> Option<Value> {
    let number = number.into();
    (number != 0).then(|| number.into())
}

fn any(value: Option<impl Into<Value>>) -> Option<Value> {
    value.map(Into::into)
}

fn list(items: Vec<String>) -> Option<Value> {
    (!items.is_empty()).then(|| items.into())
}
