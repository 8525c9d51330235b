//! An entry as it is kept: without secrets, and not longer than it is worth.

use serde_json::Value;

use super::Entry;
use crate::{
    audit::{redact, redacted},
    display::{one_line, shortened},
};

/// A text that is looked at, bytes: what is longer loses its middle before secrets are looked for, so
/// that a flood of output costs little.
pub const RAW_MAX: usize = 256 * 1024;
/// Characters of a message, or of what an agent said: some thirty pages, more than anybody reads.
pub const TEXT_MAX: usize = 64 * 1024;
/// Characters of a thought: thoughts are many and long, and what follows from them is kept.
pub const THINKING_MAX: usize = 4 * 1024;
/// Characters of a tool's answer: what it began with and how it ended.
pub const TOOL_RESULT_MAX: usize = 8 * 1024;
/// Bytes of a tool's input, as JSON: a file that is written is in the project.
pub const INPUT_MAX: usize = 16 * 1024;
/// Characters of a name, an id, or a reason.
const WORD_MAX: usize = 400;

impl Entry {
    /// Cuts what is far too long out of the middle of its texts, at once and without looking at them.
    pub fn cut(&mut self) {
        match self {
            Self::Message { text, .. }
            | Self::Text { text }
            | Self::Thinking { text }
            | Self::ToolResult { text, .. } => cut(text),
            Self::ToolCall { input, .. } => cut_value(input),
            Self::TurnEnd { error, .. } => error.iter_mut().for_each(cut),
            Self::Ended { why } => why.iter_mut().for_each(cut),
            Self::Decision { .. }
            | Self::Started { .. }
            | Self::Interrupted {}
            | Self::HostLost { .. }
            | Self::Missing { .. } => {}
        }
    }

    /// As it is kept.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.cut();
        match self {
            Self::Message { message, text } => Self::Message {
                message,
                text: text_of(&text, TEXT_MAX),
            },
            Self::Text { text } => Self::Text {
                text: text_of(&text, TEXT_MAX),
            },
            Self::Thinking { text } => Self::Thinking {
                text: text_of(&text, THINKING_MAX),
            },
            Self::ToolCall { call, tool, input } => Self::ToolCall {
                call: word(&call),
                tool: word(&tool),
                input: input_of(&input),
            },
            Self::ToolResult { call, text, error } => Self::ToolResult {
                call: word(&call),
                text: text_of(&text, TOOL_RESULT_MAX),
                error,
            },
            Self::Decision {
                call,
                tool,
                decision,
                by,
            } => Self::Decision {
                call: word(&call),
                tool: word(&tool),
                decision,
                by: by_of(&by),
            },
            Self::TurnEnd {
                messages,
                cost_usd,
                tokens,
                duration_ms,
                model,
                error,
            } => Self::TurnEnd {
                messages,
                cost_usd,
                tokens,
                duration_ms,
                model: word(&model),
                error: error.map(|error| text_of(&error, THINKING_MAX)),
            },
            Self::Ended { why } => Self::Ended {
                why: why.map(|why| text_of(&why, THINKING_MAX)),
            },
            Self::Started { .. }
            | Self::Interrupted {}
            | Self::HostLost { .. }
            | Self::Missing { .. } => self,
        }
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Message { text, .. } | Self::Text { text } | Self::Thinking { text } => {
                text.len()
            }
            Self::ToolResult { call, text, .. } => call.len() + text.len(),
            Self::ToolCall { call, tool, input } => call.len() + tool.len() + value_bytes(input),
            Self::Decision { call, tool, by, .. } => call.len() + tool.len() + by.len(),
            Self::TurnEnd { model, error, .. } => {
                model.len() + error.as_ref().map_or(0, String::len)
            }
            Self::Ended { why } => why.as_ref().map_or(0, String::len),
            Self::Started { host, .. } | Self::HostLost { host } => host.len(),
            Self::Interrupted {} | Self::Missing { .. } => 0,
        }
    }
}

fn text_of(text: &str, max: usize) -> String {
    shortened(&redact(text), max)
}

fn word(text: &str) -> String {
    one_line(text, WORD_MAX)
}

/// Of who decided, only a rule's text is somebody's own.
fn by_of(by: &str) -> String {
    if by.starts_with("rule:") {
        word(&redact(by))
    } else {
        word(by)
    }
}

fn input_of(input: &Value) -> Value {
    let input = redacted(input);
    let text = input.to_string();
    if text.len() <= INPUT_MAX {
        input
    } else {
        // A text in place of the object: nothing can take it for the whole.
        Value::String(shortened(&text, INPUT_MAX))
    }
}

fn cut(text: &mut String) {
    if text.len() <= RAW_MAX {
        return;
    }
    let whole = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (head, tail) = (whole(RAW_MAX / 2), whole(text.len() - RAW_MAX / 2));
    let gap = format!("\n…{} bytes…\n", tail - head);
    text.replace_range(head..tail, &gap);
}

fn cut_value(value: &mut Value) {
    match value {
        Value::String(text) => cut(text),
        Value::Array(items) => items.iter_mut().for_each(cut_value),
        Value::Object(fields) => fields.values_mut().for_each(cut_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn value_bytes(value: &Value) -> usize {
    // What each value takes beside its text.
    const EACH: usize = 32;
    EACH + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(value_bytes).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| name.len() + value_bytes(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
