//! What Claude Code is answered when it asks whether a tool may run.

use iris_domain::decision::Decision;
use serde_json::{Value, json};

/// The decision in Claude Code's words. `"updatedInput": {}` means "unchanged" (measured with
/// 2.1.197 and 2.1.330; the first wants the key, and a large input must not be echoed). The same over
/// MCP and on the control channel.
pub fn permission_answer(decision: &Decision) -> Value {
    match decision {
        Decision::Allow {
            by: _,
            edited: None,
        } => json!({ "behavior": "allow", "updatedInput": {} }),
        Decision::Allow {
            by: _,
            edited: Some(Value::Object(input)),
        } if !input.is_empty() => {
            json!({ "behavior": "allow", "updatedInput": input })
        }
        // An empty input would be read as "unchanged", and the input that was replaced would run.
        Decision::Allow {
            by: _,
            edited: Some(_),
        } => {
            tracing::error!("an edited input that is no object, or empty, cannot be passed on");
            json!({
                "behavior": "deny",
                "message": "Iris denied this: the edited input is empty and cannot be passed on.",
            })
        }
        Decision::Deny { by: _, message } => json!({ "behavior": "deny", "message": message }),
    }
}
