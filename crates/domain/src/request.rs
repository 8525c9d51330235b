//! A tool call that an agent wants permission for.

mod circumstances;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    audit, display,
    ids::{Party, SessionId, TeamName},
};

pub use circumstances::Circumstances;

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
    /// As it came it is larger than [`REQUEST_MAX`].
    #[error("it is larger than {REQUEST_MAX} bytes")]
    TooLarge,
}

/// A request as it comes, bytes, whichever way it comes. Claude Code's largest tool inputs (a whole
/// file to write) are far below; each may wait for a human, and is kept for so long.
pub const REQUEST_MAX: usize = 4 * 1024 * 1024;

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

    /// The heart of the input, as [`summary`] shows it.
    pub fn summary(&self) -> String {
        summary(&self.tool, &self.input)
    }

    /// A question of the agent, or a plan to accept: it needs a human's answer, not a permission,
    /// so no rule and no mode answers it.
    pub fn is_question(&self) -> bool {
        matches!(self.tool.as_str(), "AskUserQuestion" | "ExitPlanMode")
    }
}

/// The heart of a tool's input in one line, safe to show: the command, the file, the URL, or the
/// whole input as JSON.
pub fn summary(tool: &str, input: &Value) -> String {
    let heart = heart(tool, input).map_or_else(|| Cow::Owned(canonical(input)), Cow::Borrowed);
    display::one_line(&heart, display::SUMMARY_MAX)
}

/// A call in one line, `TOOL: SUMMARY`, without the secrets that are known by their form. The tool's
/// name may be anything: nobody has checked it.
pub fn in_one_line(tool: &str, input: &Value) -> String {
    let heart = match heart(tool, input) {
        Some(heart) => audit::redact(heart),
        None => Cow::Owned(canonical(&audit::redacted(input))),
    };
    let tool = display::one_line(tool, TOOL_NAME_MAX);
    let heart = display::one_line(&heart, display::SUMMARY_MAX);
    format!("{tool}: {heart}")
}

/// What a tool's input is about; `None`: all of it.
fn heart<'a>(tool: &str, input: &'a Value) -> Option<&'a str> {
    let heart = match tool {
        "Bash" => input.get("command"),
        "Read" | "Write" | "Edit" | "MultiEdit" => input.get("file_path"),
        "NotebookEdit" => input.get("notebook_path"),
        "WebFetch" => input.get("url"),
        "WebSearch" => input.get("query"),
        "Task" | "Agent" => input.get("description"),
        "AskUserQuestion" => input.pointer("/questions/0/question"),
        _ => None,
    };
    heart.and_then(Value::as_str)
}

/// SHA-256, hex, of a text that is no request.
pub fn digest_of(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// JSON with the keys of every object sorted and no white space: equal values give equal text.
pub fn canonical(value: &Value) -> String {
    // serde_json's map is sorted by key as long as `preserve_order` is off; a test holds it.
    value.to_string()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)]));
    }
    text
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asker(team: &str, session: u128) -> Asker {
        Asker {
            team: team.parse().unwrap(),
            session: SessionId(uuid::Uuid::from_u128(session)),
            from: Party::Console,
            host: "local".into(),
        }
    }

    fn request(tool: &str, input: Value) -> ToolRequest {
        ToolRequest::new(tool.into(), input, "toolu_1".into()).unwrap()
    }

    #[test]
    fn the_canonical_text_does_not_depend_on_the_order_of_keys() {
        let one: Value = serde_json::from_str(r#"{"b": {"y": 1, "x": [2, 1]}, "a": "ä"}"#).unwrap();
        assert_eq!(canonical(&one), r#"{"a":"ä","b":{"x":[2,1],"y":1}}"#);
    }

    #[test]
    fn the_digest_binds_team_session_tool_and_input() {
        let digest =
            |team, session, tool, input| request(tool, input).digest(&asker(team, session));
        let one = digest("a", 1, "Bash", json!({"command": "ls"}));
        assert_eq!(one, digest("a", 1, "Bash", json!({"command": "ls"})));
        for other in [
            digest("b", 1, "Bash", json!({"command": "ls"})),
            digest("a", 2, "Bash", json!({"command": "ls"})),
            digest("a", 1, "Bas", json!({"command": "ls"})),
            digest("a", 1, "Bash", json!({"command": "ls "})),
            digest("a", 1, "Bash", json!({"command": "ls", "x": null})),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_cannot_be_decided_is_no_request() {
        let make = |tool: &str, input, id: &str| ToolRequest::new(tool.into(), input, id.into());
        let deep = (0..INPUT_DEPTH_MAX).fold(json!({}), |inner, _| json!({ "k": inner }));
        assert_eq!(make("", json!({}), "t"), Err(RequestError::ToolName));
        assert_eq!(make("Ba sh", json!({}), "t"), Err(RequestError::ToolName));
        assert_eq!(
            make(&"x".repeat(TOOL_NAME_MAX + 1), json!({}), "t"),
            Err(RequestError::ToolName)
        );
        assert_eq!(make("Bash", json!({}), "t\n"), Err(RequestError::ToolUseId));
        assert_eq!(make("Bash", json!([]), "t"), Err(RequestError::Input));
        assert_eq!(make("Bash", deep, "t"), Err(RequestError::Depth));
    }

    #[test]
    fn the_summary_is_the_heart_in_one_line() {
        for (tool, input, expected) in [
            (
                "Bash",
                json!({"command": "ls\nrm x", "description": "list"}),
                "ls⏎rm x",
            ),
            ("Write", json!({"file_path": "/a", "content": "x"}), "/a"),
            ("Other", json!({"b": 1, "a": 2}), r#"{"a":2,"b":1}"#),
            (
                "Bash",
                json!({"command": ["odd"]}),
                r#"{"command":["odd"]}"#,
            ),
        ] {
            assert_eq!(request(tool, input).summary(), expected);
        }
    }

    #[test]
    fn a_call_in_one_line_has_no_secret_and_nothing_invisible() {
        for (tool, input, expected) in [
            (
                "Bash",
                json!({"command": "curl -u me:hunter22 x\nrm y"}),
                "Bash: curl -u me:[redacted] x⏎rm y",
            ),
            (
                "mcp__db\nok",
                json!({"password": "hunter22"}),
                r#"mcp__db⏎ok: {"password":"[redacted]"}"#,
            ),
        ] {
            assert_eq!(in_one_line(tool, &input), expected);
        }
    }
}
