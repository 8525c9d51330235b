//! What of an agent's output is kept in the record of its session.

use iris_domain::transcript::{Entry, Tokens};
use serde_json::Value;

/// An entry, and the tool call whose subagent it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Absent: the agent itself.
    pub within: Option<String>,
    /// What happened.
    pub entry: Entry,
}

/// What happened by this line. The cost of a turn is what the process cost until its end: Claude Code adds
/// it up (measured with 2.1.330).
pub fn entries(line: &Value) -> Vec<Said> {
    let within = line["parent_tool_use_id"].as_str().map(str::to_owned);
    let entries = match line["type"].as_str() {
        Some("assistant") => blocks(line, spoken),
        // What Iris wrote itself comes back with `isReplay`, and is noted where it is written.
        Some("user") => blocks(line, answered),
        Some("result") => vec![turn_end(line)],
        Some(_) | None => Vec::new(),
    };
    let said = |entry| Said {
        within: within.clone(),
        entry,
    };
    entries.into_iter().map(said).collect()
}

fn blocks(line: &Value, read: fn(&Value) -> Option<Entry>) -> Vec<Entry> {
    let blocks = line.pointer("/message/content").and_then(Value::as_array);
    blocks.into_iter().flatten().filter_map(read).collect()
}

fn spoken(block: &Value) -> Option<Entry> {
    match block["type"].as_str()? {
        "text" => Some(Entry::Text {
            text: text(&block["text"]),
        }),
        "thinking" => Some(Entry::Thinking {
            text: text(&block["thinking"]),
        }),
        "redacted_thinking" => Some(Entry::Thinking {
            text: String::new(),
        }),
        // The second is one that the model's API runs itself.
        "tool_use" | "server_tool_use" => Some(Entry::ToolCall {
            call: text(&block["id"]),
            tool: text(&block["name"]),
            input: block["input"].clone(),
        }),
        _ => None,
    }
}

fn answered(block: &Value) -> Option<Entry> {
    (block["type"] == "tool_result").then(|| Entry::ToolResult {
        call: text(&block["tool_use_id"]),
        text: content(&block["content"]),
        error: block["is_error"] == true,
    })
}

/// A text, or blocks of which the texts count and the others are named.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let block = |block: &Value| match block["text"].as_str() {
                Some(text) => text.to_owned(),
                None => format!("[{}]", text(&block["type"])),
            };
            blocks.iter().map(block).collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn turn_end(line: &Value) -> Entry {
    let result = super::stream::result(line);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let usage = &line["usage"];
    let models = line["modelUsage"].as_object();
    Entry::TurnEnd {
        messages: result.messages,
        cost_usd: line["total_cost_usd"].as_f64().unwrap_or(0.0),
        tokens: Tokens {
            input: number(&usage["input_tokens"]),
            output: number(&usage["output_tokens"]),
            cache_read: number(&usage["cache_read_input_tokens"]),
            cache_written: number(&usage["cache_creation_input_tokens"]),
        },
        duration_ms: number(&line["duration_ms"]),
        model: models
            .into_iter()
            .flat_map(|models| models.keys())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", "),
        error: result.is_error.then_some(result.text),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
