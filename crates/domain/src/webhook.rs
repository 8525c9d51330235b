//! What is posted to webhooks: which events there are, and which of them two snapshots differ by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EventKind {
    /// A request waits for a person.
    #[serde(rename = "approval.asked")]
    ApprovalAsked,
    /// It does not wait any more.
    #[serde(rename = "approval.ended")]
    ApprovalEnded,
    /// A team does not work.
    #[serde(rename = "team.trouble")]
    TeamTrouble,
    /// The link to a team's host is lost.
    #[serde(rename = "link.lost")]
    LinkLost,
    /// A team, or everything, is frozen.
    #[serde(rename = "freeze")]
    Freeze,
    /// It is not frozen any more.
    #[serde(rename = "thaw")]
    Thaw,
    /// Something is wrong with Iris itself.
    #[serde(rename = "iris.trouble")]
    IrisTrouble,
}

impl EventKind {
    /// The names, as the config takes them.
    pub const NAMES: &[&str] = &[
        "approval.asked",
        "approval.ended",
        "team.trouble",
        "link.lost",
        "freeze",
        "thaw",
        "iris.trouble",
    ];

    /// As written in the config, and in `X-Iris-Event`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalAsked => "approval.asked",
            Self::ApprovalEnded => "approval.ended",
            Self::TeamTrouble => "team.trouble",
            Self::LinkLost => "link.lost",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::IrisTrouble => "iris.trouble",
        }
    }
}
