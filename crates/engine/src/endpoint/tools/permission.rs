//! `permissions__approve`: Claude Code asks whether a tool call may run.

use iris_domain::{Problem, problem::Code, request::ToolRequest};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Name, Tools, failed, read, unusable};
use crate::{claude::permission_answer, tokens::Caller};

/// What Claude Code sends (measured with 2.1.330: the first three, always).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// The tool that wants to run.
    tool_name: String,
    /// Its input.
    input: Map<String, Value>,
    /// Claude's id of the tool call. The same id asked again joins the same request.
    tool_use_id: String,
    /// Why the agent asks. Taken and not advertised: what an agent says for its own call is shown to
    /// nobody who decides.
    #[serde(default)]
    #[schemars(skip)]
    reason: Option<String>,
}

/// Puts the request before the rules and, if need be, the human. Whatever cannot be decided is
/// denied in the words that Claude Code understands as a denial.
pub(super) async fn approve(
    tools: &Tools,
    caller: &Caller,
    arguments: JsonObject,
) -> CallToolResult {
    let name = Name::PermissionsApprove;
    let asker = match caller {
        Caller::Agent(asker) => asker.clone(),
        Caller::Console => {
            let problem = Problem::new(
                Code::Forbidden,
                "only agents that Iris started may ask for permission",
                "The console is you: nobody else decides for it.",
            );
            tools
                .refusals
                .call(caller, name.as_str(), "console", &problem.message);
            return failed(name, &problem);
        }
    };
    if let Err(refused) = tools.callbacks.ask(&asker) {
        return said(&json!({ "behavior": "deny", "message": refused.in_one_text() }));
    }
    match request(arguments) {
        Ok(request) => said(&permission_answer(
            &tools.approvals.ask(asker, request).await,
        )),
        Err(unread) => {
            let why = &unread.message;
            tools.refusals.permission(caller, why);
            let message = format!(
                "Iris denied this because it could not read the request: {why}. \
                 If this goes on, Iris is too old for this Claude Code."
            );
            said(&json!({ "behavior": "deny", "message": message }))
        }
    }
}

fn request(arguments: JsonObject) -> Result<ToolRequest, Problem> {
    let Arguments {
        tool_name,
        input,
        tool_use_id,
        reason,
    } = read(Name::PermissionsApprove, arguments)?;
    if let Some(reason) = reason {
        tracing::debug!(bytes = reason.len(), "a reason came with the request");
    }
    ToolRequest::new(tool_name, Value::Object(input), tool_use_id)
        .map_err(|error| unusable(Name::PermissionsApprove, &error.to_string()))
}

/// Exactly one text and nothing else: anything more makes Claude Code reject the answer (measured
/// with 2.1.330).
fn said(answer: &Value) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(answer.to_string())])
}
