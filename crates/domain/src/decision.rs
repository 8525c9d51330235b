//! Allow or deny, and who or what said so.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a human answers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Surface {
    /// A button of a native notification.
    Notification,
    /// The tray menu.
    Tray,
    /// The Approvals view.
    Window,
    /// The `iris` command.
    Cli,
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notification => "notification",
            Self::Tray => "tray",
            Self::Window => "window",
            Self::Cli => "cli",
        })
    }
}

/// The person at a surface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Human {
    /// Where they answered.
    pub surface: Surface,
    /// Their login name.
    pub user: String,
}

/// A list of [`crate::config::ApprovalPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum RuleList {
    /// `deny`: wins over everything.
    Deny,
    /// `requireApproval`: a human must say so.
    RequireApproval,
    /// `autoApprove`.
    AutoApprove,
}

impl fmt::Display for RuleList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deny => "deny",
            Self::RequireApproval => "requireApproval",
            Self::AutoApprove => "autoApprove",
        })
    }
}

/// What allowed a request. There is no allow without one of these (invariant 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedBy {
    /// A rule of the team's policy, with its text.
    Rule(RuleList, String),
    /// `grantPermission: yes`.
    ModeYes,
    /// A person.
    Human(Human),
}

/// What denied a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeniedBy {
    /// A rule of the team's policy, with its text.
    Rule(RuleList, String),
    /// `grantPermission: no`, or `forward` with nobody to forward to.
    Mode(&'static str),
    /// A person.
    Human(Human),
    /// Nobody answered in time.
    Timeout,
    /// The agent stopped waiting: its process ended, it was interrupted, or it hung up.
    Withdrawn(&'static str),
    /// Iris ended while the approval waited; found at the next start.
    Lost,
    /// Iris could not do what allowing needs; `audit`, `limit`, `shutdown`, `input`.
    Iris(&'static str),
}

impl fmt::Display for AllowedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(list, rule) => write!(f, "rule:{list}:{rule}"),
            Self::ModeYes => f.write_str("mode:yes"),
            Self::Human(h) => write!(f, "human:{}:{}", h.surface, h.user),
        }
    }
}

impl fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(list, rule) => write!(f, "rule:{list}:{rule}"),
            Self::Mode(mode) => write!(f, "mode:{mode}"),
            Self::Human(h) => write!(f, "human:{}:{}", h.surface, h.user),
            Self::Timeout => f.write_str("timeout"),
            Self::Withdrawn(why) => write!(f, "withdrawn:{why}"),
            Self::Lost => f.write_str("lost"),
            Self::Iris(why) => write!(f, "iris:{why}"),
        }
    }
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The tool runs.
    Allow {
        /// Who or what allowed it.
        by: AllowedBy,
        /// The input that runs instead of the one that was asked for; `None`: unchanged.
        edited: Option<Value>,
    },
    /// The tool does not run.
    Deny {
        /// Who or what denied it.
        by: DeniedBy,
        /// What the agent is told: who denied, why, and what it can do instead.
        message: String,
    },
}

impl Decision {
    /// `allow` or `deny`, as in the audit log.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Allow { .. } => Verb::Allow,
            Self::Deny { .. } => Verb::Deny,
        }
    }

    /// Who or what decided, as in the audit log.
    pub fn by(&self) -> String {
        match self {
            Self::Allow { by, .. } => by.to_string(),
            Self::Deny { by, .. } => by.to_string(),
        }
    }
}

/// The bare outcome, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Verb {
    /// Allowed, or let in.
    Allow,
    /// Denied, or refused.
    Deny,
    /// Nothing was decided: an event worth a row (config changed, Iris started).
    Noted,
}

impl Verb {
    /// As written in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Noted => "noted",
        }
    }
}

/// What a human says to an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Answer {
    /// Allow this one call.
    Allow {
        /// Runs instead of what was asked for, and is what the record shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(optional, type = "unknown"))]
        input: Option<Value>,
    },
    /// Deny this one call.
    Deny {
        /// Told to the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(optional))]
        message: Option<String>,
    },
}
