//! The Messages API, as much of it as Claude Code reads.

use serde_json::{Value, json};
use uuid::Uuid;

use super::script::Turn;

const MODEL: &str = "claude-fake";

/// The answer as server-sent events.
pub(super) fn events(turn: &Turn) -> Vec<String> {
    let mut message = envelope();
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    let mut events = vec![event("message_start", json!({"message": message}))];
    for (index, block) in blocks(turn).into_iter().enumerate() {
        let deltas = deltas(turn, &block);
        let mut empty = block;
        if empty["type"] == "text" {
            empty["text"] = json!("");
        } else {
            empty["input"] = json!({});
        }
        events.push(event(
            "content_block_start",
            json!({"index": index, "content_block": empty}),
        ));
        for delta in deltas {
            events.push(event(
                "content_block_delta",
                json!({"index": index, "delta": delta}),
            ));
        }
        events.push(event("content_block_stop", json!({"index": index})));
    }
    let delta = json!({"stop_reason": stop_reason(turn), "stop_sequence": null});
    events.push(event(
        "message_delta",
        json!({"delta": delta, "usage": {"output_tokens": 5}}),
    ));
    events.push(event("message_stop", json!({})));
    events
}

/// The answer in one piece.
pub(super) fn whole(turn: &Turn) -> Value {
    let mut message = envelope();
    message["content"] = Value::Array(blocks(turn));
    message["stop_reason"] = json!(stop_reason(turn));
    message
}

fn envelope() -> Value {
    json!({
        "id": format!("msg_{}", Uuid::new_v4().simple()),
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    })
}

fn blocks(turn: &Turn) -> Vec<Value> {
    match turn {
        Turn::Say(text) => vec![json!({"type": "text", "text": text})],
        Turn::Slow(words) => vec![json!({"type": "text", "text": "word ".repeat(*words as usize)})],
        Turn::Call(calls) => calls
            .iter()
            .map(|call| {
                let id = format!("toolu_{}", Uuid::new_v4().simple());
                json!({"type": "tool_use", "id": id, "name": call.tool, "input": call.input})
            })
            .collect(),
    }
}

fn deltas(turn: &Turn, block: &Value) -> Vec<Value> {
    if block["type"] == "tool_use" {
        return vec![
            json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}),
        ];
    }
    match turn {
        Turn::Slow(words) => (0..*words)
            .map(|_| json!({"type": "text_delta", "text": "word "}))
            .collect(),
        Turn::Say(_) | Turn::Call(_) => {
            vec![json!({"type": "text_delta", "text": block["text"]})]
        }
    }
}

fn stop_reason(turn: &Turn) -> &'static str {
    match turn {
        Turn::Call(_) => "tool_use",
        Turn::Say(_) | Turn::Slow(_) => "end_turn",
    }
}

fn event(name: &str, mut data: Value) -> String {
    data["type"] = json!(name);
    format!("event: {name}\ndata: {data}\n\n")
}
