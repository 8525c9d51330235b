//! What was asked: how it is recorded, and what may run for it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Ticket;
use crate::{
    Problem,
    audit::{Draft, Kind},
    decision::{AllowedBy, Decision, DeniedBy, Verb},
    ids::SessionId,
    policy::IRIS,
    problem::Code,
    request::{Asker, REQUEST_MAX, ToolRequest, canonical},
    snapshot::ApprovalView,
};

/// A request that the policy wants asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Who gets the decision.
    pub ticket: Ticket,
    /// Claude's id of the call: the same one asked again joins.
    pub tool_use_id: String,
    /// Where.
    pub asks: Asks,
    /// What is shown.
    pub view: Arc<ApprovalView>,
    /// The policy that wanted it asked.
    pub policy_hash: String,
}

/// Where a request is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// At the agent's permission prompt: the tool runs there.
    AtPrompt,
    /// Where a tool of Iris itself runs: whether the prompt was asked is the agent's word only.
    OnArrival,
}

impl Asked {
    /// The request as it was asked.
    pub fn request(&self) -> ToolRequest {
        ToolRequest {
            tool: self.view.tool.clone(),
            input: self.view.input.clone(),
            tool_use_id: self.tool_use_id.clone(),
        }
    }

    /// A tool of Iris that somebody allowed at the prompt will come here next: what it will look like,
    /// and who allowed it. What a rule, a grant or the mode allows needs no such pass: they are asked again.
    pub(super) fn pass(&self, decision: &Decision) -> Option<(String, AllowedBy)> {
        let Decision::Allow { by, edited } = decision else {
            return None;
        };
        if self.asks == Asks::OnArrival || !self.view.tool.starts_with(IRIS) {
            return None;
        }
        let asker = Asker {
            team: self.view.team.clone(),
            session: self.view.session,
            from: self.view.from.clone(),
            host: self.view.host.clone(),
        };
        let runs = self.runs(edited.clone()).ok()?;
        Some((runs.digest(&asker), by.clone()))
    }

    pub(super) fn call(&self) -> (SessionId, String) {
        (self.view.session, self.tool_use_id.clone())
    }

    /// What runs when this edit is allowed; `None`: what was asked for.
    ///
    /// # Errors
    /// `InvalidInput`: it is no input of a tool.
    pub fn runs(&self, edited: Option<Value>) -> Result<ToolRequest, Problem> {
        let hint = "Give the whole input as a JSON object, as it is shown, with your changes.";
        if let Some(Value::Object(map)) = &edited
            && map.is_empty()
        {
            // To Claude Code an empty `updatedInput` means "unchanged" (measured with 2.1.330 and
            // 2.1.197): the record would show nothing while the agent's own input runs.
            return Err(Problem::new(
                Code::InvalidInput,
                "An edited input cannot be empty.",
                hint,
            ));
        }
        if let Some(edited) = &edited
            && canonical(edited).len() > REQUEST_MAX
        {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("An edited input has {REQUEST_MAX} bytes at most, as every request."),
                "Put what is long into a file, and let the agent read that.",
            ));
        }
        let input = edited.unwrap_or_else(|| self.view.input.clone());
        ToolRequest::new(self.view.tool.clone(), input, self.tool_use_id.clone()).map_err(|error| {
            Problem::new(
                Code::InvalidInput,
                format!("The edited input cannot be used: {error}."),
                hint,
            )
        })
    }

    /// The heart of what runs, or of what does not.
    pub(super) fn summary(&self, decision: &Decision) -> String {
        match decision {
            Decision::Allow {
                edited: Some(ran), ..
            } => self
                .runs(Some(ran.clone()))
                .map_or_else(|_| self.view.summary.clone(), |request| request.summary()),
            Decision::Allow { edited: None, .. } | Decision::Deny { .. } => {
                self.view.summary.clone()
            }
        }
    }

    /// The row without a decision, as kept while it waits.
    pub(super) fn draft(&self, now: Timestamp) -> Draft {
        let view = &self.view;
        Draft {
            time: now,
            kind: Kind::Permission,
            caller: view.team.to_string(),
            team: view.team.to_string(),
            session: view.session.to_string(),
            host: view.host.clone(),
            tool: view.tool.clone(),
            digest: view.digest.clone(),
            input: view.input.clone(),
            decision: Verb::Deny,
            decided_by: DeniedBy::Lost.to_string(),
            policy_hash: self.policy_hash.clone(),
            wait_ms: waited(view.created_at, now),
            why: view.why.clone(),
        }
    }

    pub(super) fn decided(&self, decision: &Decision, now: Timestamp) -> Draft {
        let input = match decision {
            Decision::Allow {
                edited: Some(ran), ..
            } => {
                json!({"asked": self.view.input, "ran": ran})
            }
            Decision::Allow { edited: None, .. } | Decision::Deny { .. } => self.view.input.clone(),
        };
        Draft {
            input,
            decision: decision.verb(),
            decided_by: decision.by(),
            ..self.draft(now)
        }
    }
}

/// Milliseconds between; 0 when the clock was set back.
pub fn waited(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(since).as_millis()).unwrap_or(0)
}
