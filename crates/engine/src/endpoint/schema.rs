//! JSON Schemas of the tools' arguments and results, as MCP clients like them.

use std::sync::Arc;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The schema of `T`: one object without references, and with what a model needs to read only.
pub(super) fn of<T: JsonSchema>() -> Arc<Map<String, Value>> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tidy(&mut schema);
    match schema {
        Value::Object(mut schema) => {
            schema.remove("title");
            // The tool's own description says it.
            schema.remove("description");
            // MCP wants an object here, also where there is nothing to say.
            schema
                .entry("properties")
                .or_insert_with(|| Value::Object(Map::new()));
            Arc::new(schema)
        }
        other => {
            tracing::error!(%other, "a tool's schema is no object");
            Arc::default()
        }
    }
}

/// `"format": "int64"` and its like mean nothing to JSON Schema, and clients warn about them. A
/// default of null is none. Where a line of the source ends means nothing.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let of_number = map
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|format| {
                    ["int", "uint", "float", "double"]
                        .iter()
                        .any(|kind| format.starts_with(kind))
                });
            if of_number {
                map.remove("format");
            }
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}
