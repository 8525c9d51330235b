//! JSON Schemas of the tools' arguments and results, as MCP clients like them.

use std::sync::Arc;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The schema of `T`: one object without references.
pub(super) fn of<T: JsonSchema>() -> Arc<Map<String, Value>> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    without_number_formats(&mut schema);
    match schema {
        Value::Object(mut schema) => {
            schema.remove("title");
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

/// `"format": "int64"` and its like mean nothing to JSON Schema, and clients warn about them.
fn without_number_formats(schema: &mut Value) {
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
            map.values_mut().for_each(without_number_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(without_number_formats),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}
