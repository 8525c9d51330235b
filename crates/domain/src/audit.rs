//! What is written down: one row for each decision, refused call and change of the rules, each
//! chained to the one before it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decision::Verb;

/// What kind of event a row records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Kind {
    /// A permission request was decided.
    Permission,
    /// An Iris tool call was refused.
    Call,
    /// Someone came without a token, or with one that is not theirs.
    Auth,
    /// The config changed, or could not be read.
    Config,
    /// Iris started or stopped; a team was started or stopped by a human.
    Operation,
}

impl Kind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Call => "call",
            Self::Auth => "auth",
            Self::Config => "config",
            Self::Operation => "operation",
        }
    }
}

/// A row before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Draft {
    /// When it happened.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub time: Timestamp,
    /// What kind of event it is.
    pub kind: Kind,
    /// Who caused it: `console`, a team, `iris`, or `unknown`.
    pub caller: String,
    /// The team it concerns; empty when none.
    pub team: String,
    /// The session it concerns; empty when none.
    pub session: String,
    /// Where the tool runs; empty when nowhere.
    pub host: String,
    /// The tool, or the event's name (`config.changed`).
    pub tool: String,
    /// Digest of the request (`crate::request::ToolRequest::digest`); empty when none.
    pub digest: String,
    /// The input that ran or would have run; for events, their details. Null when none.
    #[cfg_attr(feature = "bindings", ts(type = "unknown"))]
    pub input: Value,
    /// Allow, deny, or noted.
    pub decision: Verb,
    /// The rule, the human and surface, `timeout`, … as `crate::decision` prints them.
    pub decided_by: String,
    /// Hash of the policy that held; empty when none.
    pub policy_hash: String,
    /// From asked to decided, milliseconds.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub wait_ms: u64,
}

/// A row in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Row {
    /// Its place, from 1, without gaps.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub draft: Draft,
    /// The hash of the row before; 64 zeros for the first.
    pub prev: String,
    /// SHA-256, hex, over `prev`, `seq` and the draft's canonical JSON.
    pub hash: String,
}
