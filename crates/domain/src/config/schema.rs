//! The JSON schema of the config file, for editors.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{
    Config,
    shape::{Field, Key, ROOT, Shape, Text},
};

/// The JSON schema (draft 2020-12) of the config file, pretty-printed, with a newline at the end.
/// Descriptions and defaults come from the types, constraints from the table that [`super::parse`]
/// checks a file against.
pub fn schema() -> String {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let derived = settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value();
    let mut out = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Iris config",
    });
    let mut body = describe(&ROOT, &derived);
    // `Config` does not keep it.
    body["properties"]["$schema"] =
        json!({ "type": "string", "description": "Where editors find this schema." });
    body["description"] = "Everything about it: docs/CONFIG.md.".into();
    borrow_descriptions(&mut body);
    merge(&mut out, body);
    out["$defs"] = json!({
        "placeholder": {
            "description": "The value of an environment variable.",
            "type": "string",
            "pattern": PLACEHOLDER,
        }
    });
    format!("{out:#}\n")
}

/// A text with at least one placeholder.
const PLACEHOLDER: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}";

/// A shape as a schema, with what the derived schema says about the place in words.
fn describe(shape: &Shape, derived: &Value) -> Value {
    let mut out = json!({});
    for key in ["description", "default"] {
        if let Some(said) = derived.get(key).filter(|said| !said.is_null()) {
            out[key] = said.clone();
        }
    }
    // The types' documentation links to code.
    if let Some(Value::String(said)) = out.get_mut("description") {
        *said = said.replace("[`", "`").replace("`]", "`");
    }
    merge(&mut out, constraint(shape, derived));
    out
}

fn constraint(shape: &Shape, derived: &Value) -> Value {
    match shape {
        Shape::Text(rule) => text(*rule),
        Shape::Whole(min, max) => {
            or_placeholder(json!({ "type": "integer", "minimum": min, "maximum": max }))
        }
        Shape::Truth => or_placeholder(json!({ "type": "boolean" })),
        Shape::Word(words) => or_placeholder(json!({ "enum": words })),
        Shape::List(item) => {
            json!({ "type": "array", "items": describe(item, part(derived, "items")) })
        }
        Shape::Map(key, value) => json!({
            "type": "object",
            "propertyNames": match key {
                Key::Team => json!({
                    "pattern": "^[A-Za-z0-9_@][A-Za-z0-9_@.-]{0,63}$",
                    "not": { "pattern": "^[Cc][Oo][Nn][Ss][Oo][Ll][Ee]$" },
                }),
                Key::Variable => json!({ "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
            },
            "additionalProperties": describe(value, part(derived, "additionalProperties")),
        }),
        Shape::Object(object) => {
            let properties: Map<String, Value> = object
                .fields()
                .map(|Field(name, shape)| {
                    let derived = part(derived, "properties")
                        .get(name)
                        .unwrap_or(&Value::Null);
                    ((*name).to_owned(), describe(shape, derived))
                })
                .collect();
            let mut out = json!({
                "type": "object",
                "properties": properties,
                "additionalProperties": false,
            });
            if !object.required.is_empty() {
                out["required"] = json!(object.required);
            }
            out
        }
    }
}

fn text(rule: Text) -> Value {
    match rule {
        Text::Any | Text::Variable => json!({ "type": "string" }),
        Text::Filled | Text::Remote | Text::Terminal => json!({ "type": "string", "minLength": 1 }),
        Text::Program => json!({ "type": "string", "pattern": "^[^-]" }),
        Text::Color => or_placeholder(json!({ "type": "string", "pattern": "^#[0-9a-fA-F]{6}$" })),
        Text::Rule => {
            or_placeholder(json!({ "type": "string", "pattern": "^[A-Za-z0-9_.*-]+([(].+[)])?$" }))
        }
        Text::Keychain => {
            or_placeholder(json!({ "type": "string", "pattern": "^keychain:.*[^ ]" }))
        }
        Text::Url => or_placeholder(json!({ "type": "string", "pattern": "^https?://" })),
        Text::SlackChannel => {
            or_placeholder(json!({ "type": "string", "pattern": "^[CGDUW][A-Z0-9]+$" }))
        }
        Text::SlackUser => {
            or_placeholder(json!({ "type": "string", "pattern": "^[UW][A-Z0-9]+$" }))
        }
        Text::Time => or_placeholder(
            json!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$" }),
        ),
        Text::Shortcut => or_placeholder(json!({ "type": "string", "pattern": "^.+[+].+$" })),
        Text::Glob => or_placeholder(json!({ "type": "string", "pattern": "^[A-Za-z0-9_.@*-]+$" })),
    }
}

fn or_placeholder(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "$ref": "#/$defs/placeholder" }] })
}

/// A part of a derived schema; an `Option` wraps it in `anyOf [it, null]`.
fn part<'v>(derived: &'v Value, key: &str) -> &'v Value {
    derived
        .get(key)
        .or_else(|| derived.get("anyOf")?.get(0)?.get(key))
        .unwrap_or(&Value::Null)
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// The template's fields mean what the team's fields of the same name mean.
fn borrow_descriptions(root: &mut Value) {
    let team = root["properties"]["teams"]["additionalProperties"]["properties"].clone();
    let settings = &mut root["properties"]["settings"]["properties"];
    if let Some(template) = settings["defaults"]["properties"].as_object_mut() {
        for (name, field) in template {
            field["description"] = team[name]["description"].clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of the table is a field of the types, and every field of the types is in the
    /// table: what the reader lets through, the types take, and nothing of theirs is out of reach.
    #[test]
    fn the_table_and_the_types_have_the_same_keys() {
        let mut settings = SchemaSettings::draft2020_12();
        settings.inline_subschemas = true;
        let derived = settings
            .into_generator()
            .into_root_schema_for::<Config>()
            .to_value();
        let mut objects = 0;
        compare("", &ROOT, &derived, &mut objects);
        assert_eq!(objects, 16, "all objects of the config were compared");
    }

    fn compare(path: &str, shape: &Shape, derived: &Value, objects: &mut usize) {
        match shape {
            Shape::Object(object) => {
                *objects += 1;
                let properties = part(derived, "properties").as_object().expect(path);
                let mut table: Vec<&str> = object
                    .fields()
                    .map(|Field(n, _)| *n)
                    .filter(|n| *n != "$schema")
                    .collect();
                let mut types: Vec<&str> = properties.keys().map(String::as_str).collect();
                table.sort_unstable();
                types.sort_unstable();
                assert_eq!(table, types, "the keys of {path:?}");
                for Field(name, shape) in object.fields().filter(|f| f.0 != "$schema") {
                    compare(
                        &format!("{path}.{name}"),
                        shape,
                        &properties[*name],
                        objects,
                    );
                }
            }
            Shape::Map(_, value) => {
                compare(path, value, part(derived, "additionalProperties"), objects);
            }
            Shape::List(item) => compare(path, item, part(derived, "items"), objects),
            Shape::Text(_) | Shape::Whole(..) | Shape::Truth | Shape::Word(_) => {}
        }
    }
}
