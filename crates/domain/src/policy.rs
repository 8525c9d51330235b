//! A team's policy: which requests rules decide, and which are asked.

use crate::{
    config::Team,
    decision::{AllowedBy, DeniedBy},
    request::ToolRequest,
};

/// What the policy says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs.
    Allow(AllowedBy),
    /// It does not run; the text is told to the agent.
    Deny(DeniedBy, String),
    /// A human decides; the text says why they are asked.
    Ask(String),
}

/// A team's rules and mode, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {}

impl Policy {
    /// The policy of a team. Rules that do not parse were refused when the config was read; one
    /// that gets here all the same makes every request ask (fail closed).
    pub fn of(_team: &Team) -> Self {
        Self {}
    }

    /// What it says to this request. Total: it never fails and never panics.
    pub fn evaluate(&self, _request: &ToolRequest) -> Verdict {
        Verdict::Ask(String::new())
    }

    /// SHA-256, hex, of the policy: the audit log says which policy held.
    pub fn hash(&self) -> &str {
        ""
    }
}
