//! `docs/TOOLS.md` is what clients are told, for people to read.

use std::{fmt::Write as _, path::Path};

use serde_json::Value;

use super::Name;

const HEAD: &str = "\
# The MCP tools of Iris

Written from the program by a test (`IRIS_UPDATE=1 cargo test -p iris-engine tools::docs`): this is what
clients are told. Agents see all of them; your own Claude Code, and every other client with the console's
token, sees those that say so. Times are milliseconds; names of teams are those of `list_teams`.

A call that does not do what was asked is a tool error with `error`, `hint` and `code`. A call that takes
long sends progress, when the client asks for it: `waking api`, `api is running Bash: cargo test`,
`api waits for the user to decide on Bash: git push`.
";

/// Run with `IRIS_UPDATE=1` it writes the file.
#[test]
fn the_page_of_the_tools_is_up_to_date() {
    let mut page = HEAD.to_owned();
    for name in Name::ALL {
        describe(&mut page, name);
    }
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/TOOLS.md"));
    if std::env::var_os("IRIS_UPDATE").is_some() {
        std::fs::write(file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(kept == page, "docs/TOOLS.md is old: run with IRIS_UPDATE=1");
}

fn describe(page: &mut String, name: Name) {
    let tool = name.definition();
    let who = if name.is_for_console() {
        "agents and the console"
    } else {
        "agents"
    };
    let description = tool.description.unwrap_or_default();
    writeln!(page, "\n## `{}`\n\n{description}\n\nFor {who}.", tool.name).unwrap();
    let input = Value::Object((*tool.input_schema).clone());
    fields(page, "Takes", &input);
    if let Some(output) = tool.output_schema {
        fields(page, "Gives", &Value::Object((*output).clone()));
    }
}

fn fields(page: &mut String, what: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    if properties.is_empty() {
        return;
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    writeln!(page, "\n| {what} | | |\n| --- | --- | --- |").unwrap();
    for (name, field) in properties {
        let kind = kind(schema, field);
        let need = if required.contains(&&**name) {
            ""
        } else {
            ", optional"
        };
        let text = field["description"].as_str().unwrap_or_default();
        let text = text.replace('\n', " ").replace('|', "\\|");
        writeln!(page, "| `{name}` | {kind}{need} | {text} |").unwrap();
    }
}

/// The type of a field in a word or two.
fn kind(schema: &Value, field: &Value) -> String {
    if let Some(reference) = field["$ref"].as_str() {
        let place = reference.trim_start_matches('#');
        return schema
            .pointer(place)
            .map_or_else(|| "object".into(), |of| kind(schema, of));
    }
    if let Some(one_of) = field["anyOf"].as_array().or(field["oneOf"].as_array()) {
        let mut kinds: Vec<String> = one_of.iter().map(|each| kind(schema, each)).collect();
        kinds.retain(|kind| kind != "null");
        kinds.dedup();
        return kinds.join(" or ");
    }
    if let Some(words) = field["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str);
        return words
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    if let Some(word) = field["const"].as_str() {
        return format!("`{word}`");
    }
    let of = |kind: &str| match kind {
        "array" => format!("list of {}", self::kind(schema, &field["items"])),
        kind => kind.to_owned(),
    };
    match &field["type"] {
        Value::String(kind) => of(kind),
        Value::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            let kinds: Vec<String> = kinds.filter(|kind| *kind != "null").map(of).collect();
            kinds.join(" or ")
        }
        _ => "any".to_owned(),
    }
}
