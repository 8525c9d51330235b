//! Allow or deny, and who or what said so.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    grant::Remember,
    ids::{SessionId, TeamName},
};

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
    /// A button of a message in Slack.
    Slack,
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notification => "notification",
            Self::Tray => "tray",
            Self::Window => "window",
            Self::Cli => "cli",
            Self::Slack => "slack",
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
    /// What a person granted before, by its id.
    Grant(String),
    /// `grantPermission: yes`.
    ModeYes,
    /// A person.
    Human(Human),
    /// The session of this team that gave the agent its task (`grantPermission: forward`).
    Session(TeamName, SessionId),
}

/// What denied a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeniedBy {
    /// A rule of the team's policy, with its text.
    Rule(RuleList, String),
    /// `grantPermission: no`.
    Mode(&'static str),
    /// A person.
    Human(Human),
    /// The session of this team that gave the agent its task (`grantPermission: forward`).
    Session(TeamName, SessionId),
    /// Nobody answered in time.
    Timeout,
    /// The agent stopped waiting: its process ended, it was interrupted, or it hung up.
    Withdrawn(&'static str),
    /// Iris ended while the approval waited; found at the next start.
    Lost,
    /// Iris could not do what allowing needs: `audit` (the log cannot be written), `limit` (too many
    /// wait), `shutdown`, `unreadable` (no request that can be decided), `frozen` (the user stopped everything), `input` (the same call came with another input), `team` (not configured), `random`
    /// (the system gives no random numbers).
    Iris(&'static str),
}

impl fmt::Display for AllowedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(list, rule) => write!(f, "rule:{list}:{rule}"),
            Self::Grant(id) => write!(f, "grant:{id}"),
            Self::ModeYes => f.write_str("mode:yes"),
            Self::Human(h) => write!(f, "human:{}:{}", h.surface, h.user),
            Self::Session(team, session) => write!(f, "session:{team}:{session}"),
        }
    }
}

impl fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(list, rule) => write!(f, "rule:{list}:{rule}"),
            Self::Mode(mode) => write!(f, "mode:{mode}"),
            Self::Human(h) => write!(f, "human:{}:{}", h.surface, h.user),
            Self::Session(team, session) => write!(f, "session:{team}:{session}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Withdrawn(why) => write!(f, "withdrawn:{why}"),
            Self::Lost => f.write_str("lost"),
            Self::Iris(why) => write!(f, "iris:{why}"),
        }
    }
}

/// `decidedBy` of the audit log in words, for people: `human:tray:ann` is `ann (tray)`.
pub fn who(decided_by: &str) -> String {
    let (kind, rest) = decided_by.split_once(':').unwrap_or((decided_by, ""));
    match kind {
        "human" => match rest.split_once(':') {
            Some((surface, user)) => format!("{user} ({surface})"),
            None => rest.to_owned(),
        },
        "rule" => format!("the rule {}", rest.replacen(':', " ", 1)),
        "grant" => format!("the grant {rest}"),
        "session" => format!("the team {}", rest.split(':').next().unwrap_or(rest)),
        "mode" => format!("the team's mode ({rest})"),
        "timeout" => "the time limit".into(),
        "withdrawn" => format!("its withdrawal ({rest})"),
        "lost" => "the end of the last Iris".into(),
        "iris" => format!("Iris ({rest})"),
        _ => decided_by.to_owned(),
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
    /// Allow this call.
    Allow {
        /// Runs instead of what was asked for, and is what the record shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(optional, type = "unknown"))]
        input: Option<Value>,
        /// Allow what is like it from now on, too; absent: this call only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(optional))]
        remember: Option<Remember>,
    },
    /// Deny this one call.
    Deny {
        /// Told to the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "bindings", ts(optional))]
        message: Option<String>,
    },
}

impl Answer {
    /// Allow this one call, as it is.
    pub const ALLOW_ONCE: Self = Self::Allow {
        input: None,
        remember: None,
    };
    /// Deny this one call, without words.
    pub const DENY: Self = Self::Deny { message: None };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_what_the_audit_log_says() {
        let ann = || Human {
            surface: Surface::Tray,
            user: "ann:x".into(),
        };
        for (by, words) in [
            (DeniedBy::Human(ann()), "ann:x (tray)"),
            (
                DeniedBy::Rule(RuleList::Deny, "mcp__a:b".into()),
                "the rule deny mcp__a:b",
            ),
            (DeniedBy::Mode("no"), "the team's mode (no)"),
            (DeniedBy::Timeout, "the time limit"),
            (DeniedBy::Withdrawn("hung up"), "its withdrawal (hung up)"),
            (DeniedBy::Lost, "the end of the last Iris"),
            (DeniedBy::Iris("audit"), "Iris (audit)"),
        ] {
            assert_eq!(who(&by.to_string()), words);
        }
        assert_eq!(who(&AllowedBy::Human(ann()).to_string()), "ann:x (tray)");
        assert_eq!(
            who(&AllowedBy::ModeYes.to_string()),
            "the team's mode (yes)"
        );
    }
}
