//! `permissions_pending`, `permissions_decide`: a session answers for the agents that it gave a task
//! (`grantPermission: forward`).

use iris_domain::{Problem, decision::Answer, ids::ApprovalId, problem::Code, request::Asker};
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Name, Tools, result};
use crate::tokens::Caller;

/// What waits for the caller.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Pending {
    /// Oldest first.
    approvals: Vec<Item>,
}

/// A tool call that waits.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Item {
    /// What permissions_decide takes.
    id: String,
    /// Whose agent wants to run it.
    team: String,
    /// Where it would run: `local`, or the SSH destination.
    host: String,
    /// The tool.
    tool: String,
    /// Its input, as it would run.
    input: Value,
    /// Why it is asked.
    why: String,
    /// When it was asked, ISO 8601.
    created_at: String,
}

/// A decision.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideArguments {
    /// Of permissions_pending.
    id: String,
    /// What you decide.
    decision: Choice,
    /// Told to the agent that asks, with a denial: why, and what to do instead.
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Choice {
    /// It runs once, as it is.
    Allow,
    /// It does not run.
    Deny,
}

/// How it ended.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    /// Which one.
    id: String,
    /// `allow` or `deny`.
    decision: String,
}

impl Tools {
    pub(super) fn forwarded_to(
        &self,
        caller: &Caller,
        name: Name,
    ) -> Result<CallToolResult, Problem> {
        let approvals = self.approvals.forwarded(agent(caller, name)?);
        let items = approvals.into_iter().map(|approval| Item {
            id: approval.id.0,
            team: approval.team.to_string(),
            host: approval.host,
            tool: approval.tool,
            input: approval.input.clone(),
            why: approval.why,
            created_at: approval.created_at.to_string(),
        });
        result(&Pending {
            approvals: items.collect(),
        })
    }

    pub(super) async fn decide(
        &self,
        caller: &Caller,
        name: Name,
        arguments: Result<DecideArguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let by = agent(caller, name)?;
        let DecideArguments {
            id,
            decision,
            message,
        } = arguments?;
        let answer = match decision {
            Choice::Allow => Answer::ALLOW_ONCE,
            Choice::Deny => Answer::Deny { message },
        };
        let ended = self.approvals.decide(by, ApprovalId(id), answer).await;
        let ended = ended.inspect_err(|problem| {
            if problem.code == Code::Forbidden {
                self.refusals
                    .call(caller, name.as_str(), "forward", &problem.message);
            }
        })?;
        result(&Decided {
            id: ended.id.0,
            decision: ended.decision.as_str().to_owned(),
        })
    }
}

fn agent(caller: &Caller, name: Name) -> Result<&Asker, Problem> {
    match caller {
        Caller::Agent(asker) => Ok(asker),
        Caller::Console => Err(Problem::new(
            Code::Forbidden,
            format!(
                "{} is for agents that gave another team a task",
                name.as_str()
            ),
            "You decide in the window, the tray, or with `iris approve` and `iris deny`.",
        )),
    }
}
