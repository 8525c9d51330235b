//! What a surface changes of a team.

use iris_domain::{
    config::{
        GrantPermission, RemoteOptions, ReverseMcpPermissions, Set, StrictHostKeyChecking, Team,
    },
    ids::TeamName,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A change that a surface makes. `None`: left as it is; an empty text, an empty list and a zero
/// remove an optional field.
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
    /// The `claude` to run.
    pub claude_path: Option<String>,
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

impl TeamEdit {
    /// What a team is set to. A list of what is allowed that allows nothing looks like one that
    /// is not there; nothing changes it as long as it is not set.
    pub(super) fn of(name: &TeamName, team: &Team) -> Self {
        let options = team.remote_options.clone().unwrap_or_default();
        let permissions = team.reverse_mcp_permissions.clone().unwrap_or_default();
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
            claude_path: team.claude_path.clone(),
        }
    }

    /// The fields to set and to remove in the file. An empty `path` stays, to be refused.
    pub(super) fn fields(self) -> Set {
        let options = self.remote_options.unwrap_or_default();
        let permissions = self.reverse_mcp_permissions.unwrap_or_default();
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
            ("claudePath", self.claude_path.map(text)),
        ];
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

impl RemoteOptionsEdit {
    fn of(options: RemoteOptions) -> Self {
        Self {
            identity: options.identity,
            port: options.port,
            connect_timeout: options.connect_timeout,
            strict_host_key_checking: options.strict_host_key_checking,
            extra_ssh_args: Some(options.extra_ssh_args),
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

fn list(items: Vec<String>) -> Option<Value> {
    (!items.is_empty()).then(|| items.into())
}
