//! A tool call that an agent wants permission for.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    display,
    ids::{Party, SessionId, TeamName},
};

/// Who asks: proven by the token of the call, never by what the call says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The team whose agent asks.
    pub team: TeamName,
    /// The conversation it asks in.
    pub session: SessionId,
    /// Who gave that agent its task.
    pub from: Party,
    /// `local`, or the SSH destination.
    pub host: String,
}

/// One tool call, as Claude Code puts it to the permission tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolRequest {
    /// The tool's name: `Bash`, `mcp__github__create_issue`, …
    pub tool: String,
    /// The tool's input: always a JSON object.
    pub input: Value,
    /// Claude's id of the call. The same id asked again is the same request.
    pub tool_use_id: String,
}

/// Why a call is not a request that can be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No tool, or a name no tool has.
    #[error("tool_name must be 1 to {TOOL_NAME_MAX} printable characters without spaces")]
    ToolName,
    /// The input is not an object.
    #[error("input must be a JSON object")]
    Input,
    /// The input is nested deeper than [`INPUT_DEPTH_MAX`].
    #[error("input is nested deeper than {INPUT_DEPTH_MAX} levels")]
    Depth,
    /// No id, or one that no call has.
    #[error("tool_use_id must be 1 to {TOOL_USE_ID_MAX} printable characters")]
    ToolUseId,
}

/// MCP tool names stay well below this.
pub const TOOL_NAME_MAX: usize = 256;
/// Claude's ids have about 30 characters.
pub const TOOL_USE_ID_MAX: usize = 256;
/// Deeper JSON has no honest use, and every renderer of it recurses.
pub const INPUT_DEPTH_MAX: usize = 64;

impl ToolRequest {
    /// Checks the parts of a call and makes a request of them.
    pub fn new(tool: String, input: Value, tool_use_id: String) -> Result<Self, RequestError> {
        if !is_token(&tool, TOOL_NAME_MAX) {
            return Err(RequestError::ToolName);
        }
        if !is_token(&tool_use_id, TOOL_USE_ID_MAX) {
            return Err(RequestError::ToolUseId);
        }
        if !input.is_object() {
            return Err(RequestError::Input);
        }
        if depth(&input) > INPUT_DEPTH_MAX {
            return Err(RequestError::Depth);
        }
        Ok(Self {
            tool,
            input,
            tool_use_id,
        })
    }

    /// SHA-256, hex, over who asks, the tool and the canonical input. An answer is bound to it:
    /// what was shown is what runs.
    pub fn digest(&self, asker: &Asker) -> String {
        let mut hash = Sha256::new();
        for part in [
            asker.team.as_str(),
            &asker.session.to_string(),
            &self.tool,
            &canonical(&self.input),
        ] {
            // The length first, so that no two lists of parts give the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex(&hash.finalize())
    }

    /// The heart of the input in one line, safe to show: the command, the file, the URL, or the
    /// whole input as JSON.
    pub fn summary(&self) -> String {
        display::one_line(&self.heart(), display::SUMMARY_MAX)
    }

    /// A question of the agent, or a plan to accept: it needs a human's answer, not a permission,
    /// so no rule and no mode answers it.
    pub fn is_question(&self) -> bool {
        matches!(self.tool.as_str(), "AskUserQuestion" | "ExitPlanMode")
    }

    fn heart(&self) -> String {
        let text = |key: &str| {
            self.input
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let heart = match self.tool.as_str() {
            "Bash" => text("command"),
            "Read" | "Write" | "Edit" | "MultiEdit" => text("file_path"),
            "NotebookEdit" => text("notebook_path"),
            "WebFetch" => text("url"),
            "WebSearch" => text("query"),
            "Task" | "Agent" => text("description"),
            "AskUserQuestion" => self
                .input
                .pointer("/questions/0/question")
                .and_then(Value::as_str)
                .map(str::to_owned),
            _ => None,
        };
        heart.unwrap_or_else(|| canonical(&self.input))
    }
}

/// JSON with the keys of every object sorted and no white space: equal values give equal text.
pub fn canonical(value: &Value) -> String {
    // serde_json's map is sorted by key as long as `preserve_order` is off; a test holds it.
    value.to_string()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn is_token(s: &str, max: usize) -> bool {
    !s.is_empty() && s.len() <= max && s.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
