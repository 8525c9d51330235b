//! The stream of JSON lines: what Iris writes to an agent, and what it takes from its output.
//! Claude Code writes about 45 types of events; what Iris has no use for is ignored.

use iris_domain::{
    ids::MessageId,
    request::{Circumstances, REQUEST_MAX, RequestError, ToolRequest},
    session::Mcp,
};
use serde_json::{Value, json};

use super::{
    SERVER,
    entries::{Said, entries},
};

/// The request by which an agent asks for permission on its control channel.
const CAN_USE_TOOL: &str = "can_use_tool";

/// Where a message is inside Claude Code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// It was read.
    Queued,
    /// A turn took it; the conversation is on disk from here on.
    Started,
    /// Its turn is over.
    Completed,
    /// It was dropped, or its turn failed.
    Cancelled,
}

/// The end of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnResult {
    /// The messages that it answers.
    pub messages: Vec<MessageId>,
    /// The text of the last answer, or of the error.
    pub text: String,
    /// It did not end well. Not only `subtype` says so: an API error is a "success" with `is_error`.
    pub is_error: bool,
}

/// The agent did not do what a control request asked for, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// A request for permission that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The tool, as far as it has one.
    pub tool: String,
    /// The whole request.
    pub text: String,
    /// What is wrong with it.
    pub why: RequestError,
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer to a control request of ours.
    Control {
        /// Our id.
        id: String,
        /// What it answered.
        answer: Result<Value, Refused>,
    },
    /// A control request of the agent, which waits for an answer.
    Request {
        /// Its id.
        id: String,
        /// What it wants.
        subtype: String,
    },
    /// The agent asks whether a tool may run (`can_use_tool`).
    Permission {
        /// The id of the request.
        id: String,
        /// What it wants to run, with what is said beside it; or what cannot be read, and why.
        request: Result<(ToolRequest, Circumstances), Unreadable>,
    },
    /// A request of the agent no longer wants an answer.
    Cancelled {
        /// Its id.
        id: String,
    },
    /// What became of a message.
    Message(MessageId, MessageState),
    /// Text of the agent itself (not of a subagent).
    Text(String),
    /// A turn ended.
    Result(TurnResult),
    /// Anything else.
    Other,
}

/// Reads a line: what it means, and what of it is kept. `None`: it is not JSON, or no event: a hook or a
/// library wrote to stdout.
pub fn decode(line: &str) -> Option<(Event, Vec<Said>)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let event = event(&value, line.len())?;
    Some((event, entries(&value)))
}

fn event(value: &Value, bytes: usize) -> Option<Event> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let owned = |pointer: &str| text(pointer).unwrap_or_default().to_owned();
    Some(match text("/type")? {
        "control_response" => Event::Control {
            id: owned("/response/request_id"),
            answer: if text("/response/subtype") == Some("success") {
                Ok(value
                    .pointer("/response/response")
                    .cloned()
                    .unwrap_or_default())
            } else {
                Err(Refused(owned("/response/error")))
            },
        },
        "control_request" if text("/request/subtype") == Some(CAN_USE_TOOL) => {
            let input = value.pointer("/request/input").cloned();
            let tool = owned("/request/tool_name");
            let request = if bytes > REQUEST_MAX {
                Err(RequestError::TooLarge)
            } else {
                ToolRequest::new(
                    tool.clone(),
                    input.unwrap_or_default(),
                    owned("/request/tool_use_id"),
                )
            };
            Event::Permission {
                id: owned("/request_id"),
                request: match request {
                    Ok(request) => Ok((request, circumstances(&value["request"]))),
                    Err(why) => Err(Unreadable {
                        tool,
                        text: value["request"].to_string(),
                        why,
                    }),
                },
            }
        }
        "control_cancel_request" => Event::Cancelled {
            id: owned("/request_id"),
        },
        "control_request" => Event::Request {
            id: owned("/request_id"),
            subtype: owned("/request/subtype"),
        },
        "command_lifecycle" => {
            let state = match text("/state") {
                Some("queued") => MessageState::Queued,
                Some("started") => MessageState::Started,
                Some("completed") => MessageState::Completed,
                Some("cancelled") => MessageState::Cancelled,
                _ => return Some(Event::Other),
            };
            match text("/command_uuid").and_then(|id| id.parse().ok()) {
                Some(id) => Event::Message(id, state),
                None => Event::Other,
            }
        }
        "assistant" if value.get("parent_tool_use_id").is_none_or(Value::is_null) => {
            let blocks = value.pointer("/message/content").and_then(Value::as_array);
            let texts: Vec<&str> = blocks
                .into_iter()
                .flatten()
                .filter(|b| b.get("type").and_then(Value::as_str) == Some("text"))
                .filter_map(|b| b.get("text").and_then(Value::as_str))
                .collect();
            if texts.is_empty() {
                Event::Other
            } else {
                Event::Text(texts.join("\n\n"))
            }
        }
        "result" => Event::Result(result(value)),
        _ => Event::Other,
    })
}

/// What `can_use_tool` says beside the call.
fn circumstances(request: &Value) -> Circumstances {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let list = |of: &Value, name: &str| {
        let list = of.get(name).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let rules = list(request, "permission_suggestions")
        .into_iter()
        .filter(|it| it["type"] == "addRules" && it["behavior"] == "allow")
        .flat_map(|it| list(&it, "rules"))
        .filter_map(|rule| {
            let tool = rule["toolName"].as_str()?;
            Some(match rule["ruleContent"].as_str() {
                Some(content) => format!("{tool}({content})"),
                None => tool.to_owned(),
            })
        });
    Circumstances::new(
        rules,
        text("blocked_path"),
        text("decision_reason"),
        text("agent_id"),
    )
}

/// Reads the end of a turn.
pub(super) fn result(value: &Value) -> TurnResult {
    let ids = |pointer: &str| {
        value
            .get(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    // The one stands among the many, too.
    let mut messages = Vec::new();
    for id in ids("user_message_uuids").chain(value.get("user_message_uuid")) {
        if let Some(id) = id.as_str().and_then(|id| id.parse().ok())
            && !messages.contains(&id)
        {
            messages.push(id);
        }
    }
    let errors: Vec<&str> = ids("errors").filter_map(Value::as_str).collect();
    let text = match value.get("result").and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => errors.join("; "),
    };
    // What is not clearly a success is an error.
    let is_error = value.get("subtype").and_then(Value::as_str) != Some("success")
        || value.get("is_error").and_then(Value::as_bool) != Some(false);
    TurnResult {
        messages,
        text,
        is_error,
    }
}

/// The line that gives the agent a message. The `uuid` makes it traceable, and delivered at most
/// once.
pub fn user_message(id: MessageId, text: &str) -> String {
    json!({
        "type": "user",
        "uuid": id,
        "session_id": "",
        "parent_tool_use_id": null,
        "message": { "role": "user", "content": [{ "type": "text", "text": text }] },
    })
    .to_string()
}

/// The line of a control request.
fn request(id: &str, request: Value) -> String {
    json!({ "type": "control_request", "request_id": id, "request": request }).to_string()
}

/// Asks whether it is there, without a model turn.
pub fn initialize(id: &str) -> String {
    request(id, json!({ "subtype": "initialize" }))
}

/// Ends the running turn.
pub fn interrupt(id: &str) -> String {
    request(id, json!({ "subtype": "interrupt" }))
}

/// Asks how its MCP servers are. The answer holds tokens: it is never logged.
pub fn mcp_status(id: &str) -> String {
    request(id, json!({ "subtype": "mcp_status" }))
}

/// Has it connect to Iris again.
pub fn mcp_reconnect(id: &str) -> String {
    request(
        id,
        json!({ "subtype": "mcp_reconnect", "serverName": SERVER }),
    )
}

/// The answer to a request for permission; `decision` as [`super::permission_answer`] writes it.
pub fn answer_permission(id: &str, decision: &Value) -> String {
    let response = json!({ "subtype": "success", "request_id": id, "response": decision });
    json!({ "type": "control_response", "response": response }).to_string()
}

/// The answer to another request of the agent. Nothing is ever granted here. Unanswered, a request
/// blocks the agent (measured with elicitation).
pub fn answer_request(id: &str, subtype: &str) -> String {
    let response = match subtype {
        "elicitation" => json!({
            "subtype": "success", "request_id": id, "response": { "action": "decline" },
        }),
        _ => json!({
            "subtype": "error", "request_id": id, "error": "Iris does not answer this",
        }),
    };
    json!({ "type": "control_response", "response": response }).to_string()
}

/// Reads the answer to [`mcp_status`].
pub fn mcp_state(answer: &Value) -> Mcp {
    let servers = answer.get("mcpServers").and_then(Value::as_array);
    let iris = servers
        .into_iter()
        .flatten()
        .find(|s| s.get("name").and_then(Value::as_str) == Some(SERVER));
    let Some(iris) = iris else {
        return Mcp::Failed("Claude Code does not list Iris among its MCP servers".into());
    };
    match iris.get("status").and_then(Value::as_str) {
        Some("connected") => Mcp::Connected,
        Some("pending") => Mcp::Pending,
        status => {
            let error = iris.get("error").and_then(Value::as_str);
            let reason = error.or(status).unwrap_or("for an unknown reason");
            Mcp::Failed(
                iris_domain::display::one_line(reason, 200)
                    .trim_end_matches('.')
                    .into(),
            )
        }
    }
}

/// Whether the answer to [`initialize`] says that Claude Code has no way to reach its model.
/// Measured: `{"tokenSource":"none","apiProvider":"firstParty"}` without, and `apiKeySource`
/// beside it with ANTHROPIC_API_KEY. What says neither is taken as signed in; the first turn tells.
pub fn is_signed_out(answer: &Value) -> bool {
    let Some(account) = answer.get("account") else {
        return false;
    };
    let field = |name: &str| account.get(name).and_then(Value::as_str);
    field("apiProvider") == Some("firstParty")
        && field("tokenSource") == Some("none")
        && field("apiKeySource").is_none_or(|source| source == "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(line: &str) -> Option<Event> {
        super::decode(line).map(|(event, _)| event)
    }

    const ID: &str = "22222222-2222-4222-8222-222222222222";

    #[test]
    fn what_is_used_is_read_and_the_rest_is_ignored() {
        let id: MessageId = ID.parse().unwrap();
        for (line, want) in [
            (r#"{"type":"control_response","response":{"subtype":"success","request_id":"i","response":{"a":1}}}"#.to_owned(),
                Some(Event::Control { id: "i".into(), answer: Ok(json!({"a":1})) })),
            (r#"{"type":"control_response","response":{"subtype":"error","request_id":"i","error":"no"}}"#.to_owned(),
                Some(Event::Control { id: "i".into(), answer: Err(Refused("no".into())) })),
            (r#"{"type":"control_request","request_id":"r","request":{"subtype":"elicitation"}}"#.to_owned(),
                Some(Event::Request { id: "r".into(), subtype: "elicitation".into() })),
            (format!(r#"{{"type":"command_lifecycle","command_uuid":"{ID}","state":"started"}}"#),
                Some(Event::Message(id, MessageState::Started))),
            (format!(r#"{{"type":"command_lifecycle","command_uuid":"{ID}","state":"novel"}}"#), Some(Event::Other)),
            (r#"{"type":"assistant","parent_tool_use_id":null,"message":{"content":[{"type":"thinking"},{"type":"text","text":"a"},{"type":"text","text":"b"}]}}"#.to_owned(),
                Some(Event::Text("a\n\nb".into()))),
            (r#"{"type":"assistant","parent_tool_use_id":"toolu_1","message":{"content":[{"type":"text","text":"a subagent"}]}}"#.to_owned(),
                Some(Event::Other)),
            (r#"{"type":"system","subtype":"init"}"#.to_owned(), Some(Event::Other)),
            (r#"{"type":"brand_new"}"#.to_owned(), Some(Event::Other)),
            ("npm notice".to_owned(), None),
            ("{}".to_owned(), None),
            ("42".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(decode(&line), want, "{line}");
        }
    }

    #[test]
    fn only_a_clear_success_is_one() {
        let id: MessageId = ID.parse().unwrap();
        for (line, text, is_error) in [
            (
                format!(
                    r#"{{"type":"result","subtype":"success","is_error":false,"result":"done","user_message_uuid":"{ID}","user_message_uuids":["{ID}"]}}"#
                ),
                "done",
                false,
            ),
            (
                format!(
                    r#"{{"type":"result","subtype":"success","is_error":true,"result":"API Error","user_message_uuid":"{ID}"}}"#
                ),
                "API Error",
                true,
            ),
            (
                format!(
                    r#"{{"type":"result","subtype":"error_during_execution","is_error":false,"errors":["a","b"],"user_message_uuids":["{ID}"]}}"#
                ),
                "a; b",
                true,
            ),
            (
                format!(r#"{{"type":"result","user_message_uuids":["{ID}"]}}"#),
                "",
                true,
            ),
        ] {
            let want = TurnResult {
                messages: vec![id],
                text: text.into(),
                is_error,
            };
            assert_eq!(decode(&line), Some(Event::Result(want)), "{line}");
        }
    }

    #[test]
    fn a_message_is_one_line_whatever_it_says() {
        let line = user_message(ID.parse().unwrap(), "a\nb\u{2028}\"\0\u{1b}");
        assert!(!line.contains('\n'));
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            back["message"]["content"][0]["text"],
            "a\nb\u{2028}\"\0\u{1b}"
        );
    }

    #[test]
    fn a_request_for_permission_is_read_or_says_why_not() {
        let line = |request: &str| {
            format!(r#"{{"type":"control_request","request_id":"r","request":{request}}}"#)
        };
        let asked = decode(&line(
            r#"{"subtype":"can_use_tool","tool_name":"Bash","display_name":"Bash","input":{"command":"ls"},"tool_use_id":"t","blocked_path":"/x",
            "permission_suggestions":[{"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"ls *"},{"toolName":"Read"},{}],"behavior":"allow"},
              {"type":"addRules","rules":[{"toolName":"Edit"}],"behavior":"deny"},{"type":"setMode","mode":"acceptEdits"},7],
            "decision_reason":"outside","agent_id":"a1"}"#,
        ));
        let want = ToolRequest::new("Bash".into(), json!({"command":"ls"}), "t".into()).unwrap();
        let beside = Circumstances {
            suggested_rules: vec!["Bash(ls *)".into(), "Read".into()],
            blocked_path: Some("/x".into()),
            decision_reason: Some("outside".into()),
            agent_id: Some("a1".into()),
        };
        assert_eq!(
            asked,
            Some(Event::Permission {
                id: "r".into(),
                request: Ok((want, beside))
            })
        );
        for (request, why) in [
            (r#"{"subtype":"can_use_tool"}"#, RequestError::ToolName),
            (
                r#"{"subtype":"can_use_tool","tool_name":"Bash","tool_use_id":"t"}"#,
                RequestError::Input,
            ),
            (
                r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{}}"#,
                RequestError::ToolUseId,
            ),
        ] {
            let Some(Event::Permission {
                id,
                request: Err(unreadable),
            }) = decode(&line(request))
            else {
                panic!("{request}")
            };
            assert_eq!((id.as_str(), unreadable.why), ("r", why), "{request}");
            assert!(unreadable.text.contains("can_use_tool"), "{request}");
        }
        for (more, fits) in [(0, true), (1, false)] {
            let request = |text: &str| {
                line(&format!(
                    r#"{{"subtype":"can_use_tool","tool_name":"Write","input":{{"a":"{text}"}},"tool_use_id":"t"}}"#
                ))
            };
            let long = "x".repeat(REQUEST_MAX - request("").len() + more);
            let Some(Event::Permission { request, .. }) = decode(&request(&long)) else {
                panic!("it has an id to answer to")
            };
            assert_eq!(request.is_ok(), fits, "the bound itself fits");
        }
        let cancelled = r#"{"type":"control_cancel_request","request_id":"r"}"#;
        assert_eq!(decode(cancelled), Some(Event::Cancelled { id: "r".into() }));
    }

    #[test]
    fn nothing_is_granted_on_the_control_channel() {
        for subtype in [CAN_USE_TOOL, "elicitation", "hook_callback", ""] {
            let line = answer_request("r", subtype);
            assert!(
                !line.contains("allow") && !line.contains("accept"),
                "{line}"
            );
            assert!(line.contains(r#""request_id":"r""#));
        }
    }

    #[test]
    fn the_connection_is_read() {
        for (servers, want) in [
            (
                json!([{"name":"iris","status":"connected"}]),
                Mcp::Connected,
            ),
            (
                json!([{"name":"x","status":"connected"},{"name":"iris","status":"pending"}]),
                Mcp::Pending,
            ),
            (
                json!([{"name":"iris","status":"failed","error":"refused."}]),
                Mcp::Failed("refused".into()),
            ),
            (
                json!([{"name":"iris","status":"needs-auth"}]),
                Mcp::Failed("needs-auth".into()),
            ),
        ] {
            assert_eq!(mcp_state(&json!({ "mcpServers": servers })), want);
        }
        assert!(matches!(
            mcp_state(&json!({"mcpServers":[{"name":"x","status":"connected"}]})),
            Mcp::Failed(_)
        ));
        assert!(matches!(mcp_state(&Value::Null), Mcp::Failed(_)));
    }

    #[test]
    fn signed_out_is_said_only_when_it_is_sure() {
        for (account, out) in [
            (
                json!({"tokenSource":"none","apiProvider":"firstParty"}),
                true,
            ),
            (
                json!({"tokenSource":"none","apiKeySource":"ANTHROPIC_API_KEY","apiProvider":"firstParty"}),
                false,
            ),
            (
                json!({"tokenSource":"claude.ai","apiProvider":"firstParty"}),
                false,
            ),
            (json!({"tokenSource":"none","apiProvider":"bedrock"}), false),
            (json!({}), false),
        ] {
            assert_eq!(
                is_signed_out(&json!({ "account": account })),
                out,
                "{account}"
            );
        }
        assert!(!is_signed_out(&Value::Null));
    }
}
