//! What is written about the config agrees with what it is.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{mistakes::BAD, *};
use crate::config::shape::{Field, ROOT, Shape};

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test may be told to rewrite its file"
)]
fn the_schema_in_docs_is_the_generated_one() {
    let file = docs("config.schema.json");
    if std::env::var("IRIS_UPDATE").is_ok_and(|v| v == "1") {
        fs::write(&file, schema()).expect("the schema can be written");
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == schema(),
        "docs/config.schema.json is old; run this test with IRIS_UPDATE=1"
    );
}

#[test]
fn every_example_in_docs_is_a_config() {
    let pages = ["CONFIG.md", "CI.md"].map(|page| fs::read_to_string(docs(page)));
    let text = pages.map(|page| page.expect("it is there")).join("\n");
    let mut examples = 0;
    for block in text.split("```jsonc\n").skip(1) {
        let (example, _) = block.split_once("```").expect("a code block ends");
        let problems = parse(example, vars).problems;
        assert_eq!(problems, [], "in this example:\n{example}");
        assert_eq!(
            against_schema(example),
            Ok(()),
            "the schema takes this example:\n{example}"
        );
        examples += 1;
    }
    assert!(examples >= 5, "the page has examples; {examples} found");
}

#[test]
fn every_key_is_in_the_docs() {
    let text = fs::read_to_string(docs("CONFIG.md")).expect("docs/CONFIG.md is there");
    let mut keys = Vec::new();
    collect(&ROOT, &mut keys);
    for key in keys {
        assert!(
            text.contains(&format!("`{key}`")),
            "docs/CONFIG.md explains `{key}`"
        );
    }
}

#[test]
fn the_policy_templates_are_explained_in_their_own_words() {
    let text = fs::read_to_string(docs("CONFIG.md")).expect("docs/CONFIG.md is there");
    let (_, section) = text
        .split_once("### Policy templates")
        .expect("the page has them");
    for template in PolicyTemplate::all() {
        let words = template
            .allows
            .iter()
            .chain(template.asks)
            .chain(template.denies);
        for word in words.copied().chain(template.mind) {
            assert!(
                section.contains(word),
                "docs/CONFIG.md explains {}: {word}",
                template.name
            );
        }
    }
}

fn collect(shape: &Shape, keys: &mut Vec<&'static str>) {
    match shape {
        Shape::Object(object) => {
            for Field(key, shape) in object.fields() {
                keys.push(key);
                collect(shape, keys);
            }
        }
        Shape::Map(_, shape) | Shape::List(shape) => collect(shape, keys),
        Shape::Text(_) | Shape::Whole(..) | Shape::Truth | Shape::Word(_) => {}
    }
}

/// What an editor that has the schema says. Patterns other than the placeholder's are not looked
/// at: the domain has no regular expressions.
fn against_schema(text: &str) -> Result<(), String> {
    let syntax = &crate::config::parse::SYNTAX;
    let tree = jsonc_parser::cst::CstRootNode::parse(text, syntax).map_err(|e| e.to_string())?;
    let value = tree.to_serde_value().ok_or("no value")?;
    let root: Value = serde_json::from_str(&schema()).expect("the schema is JSON");
    validate(&root, &root, &value, "")
}

fn validate(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fail = |why: &str| Err(format!("{at}: {why}"));
    let rules = schema.as_object().expect("a schema is an object");
    for (rule, says) in rules {
        let list = || says.as_array().into_iter().flatten();
        match rule.as_str() {
            "type" => {
                let fits = match says.as_str().expect("one type") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    other => panic!("a type nobody thought of: {other}"),
                };
                if !fits {
                    return fail(&format!("not of type {says}"));
                }
            }
            "$ref" => {
                let name = says
                    .as_str()
                    .and_then(|s| s.strip_prefix("#/$defs/"))
                    .expect("local");
                validate(root, &root["$defs"][name], value, at)?;
            }
            "anyOf" if !list().any(|one| validate(root, one, value, at).is_ok()) => {
                return fail("none of anyOf");
            }
            "enum" if !list().any(|one| one == value) => return fail("not in enum"),
            "minimum" if value.as_i64() < says.as_i64() => return fail("too small"),
            "maximum" if value.as_i64() > says.as_i64() => return fail("too large"),
            "minLength" if value == "" => return fail("empty"),
            "pattern" if says.as_str().is_some_and(|p| p.starts_with(r"\$\{")) => {
                if !value.as_str().is_some_and(|v| v.contains("${")) {
                    return fail("not a placeholder");
                }
            }
            "required" => {
                for key in list() {
                    if value.get(key.as_str().expect("a key")).is_none() {
                        return fail(&format!("{key} is missing"));
                    }
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, says, item, &format!("{at}[{i}]"))?;
                }
            }
            "additionalProperties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}.{key}");
                    match (schema["properties"].get(key), says) {
                        (Some(known), _) => validate(root, known, value, &at)?,
                        (None, Value::Bool(false)) => return Err(format!("{at}: unknown")),
                        (None, other) => validate(root, other, value, &at)?,
                    }
                }
            }
            "anyOf" | "enum" | "minimum" | "maximum" | "minLength" | "pattern" | "properties"
            | "propertyNames" | "default" | "description" | "title" | "$schema" | "$defs" => {}
            other => panic!("a rule nobody thought of: {other}"),
        }
    }
    Ok(())
}

#[test]
fn the_schema_refuses_wrong_types_ranges_and_keys() {
    let mut refused = 0;
    for (text, _, _, place, message, _) in BAD {
        let structural = ["found", "unknown", "whole", "is missing"];
        if structural.iter().any(|word| message.contains(word)) && !text.contains("${") {
            assert!(against_schema(text).is_err(), "{place}: {text}");
            refused += 1;
        }
    }
    assert!(
        refused >= 10,
        "the table has such mistakes; {refused} found"
    );
    assert_eq!(
        against_schema(r#"{ "settings": { "httpPort": "${PORT}" } }"#),
        Ok(())
    );
    let default = json!({ "teams": { "a": { "path": "" } } }).to_string();
    assert!(against_schema(&default).is_err(), "an empty path");
}
