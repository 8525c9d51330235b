//! What is written about the config agrees with what it is.

use std::{fs, path::PathBuf};

use super::*;
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
    let text = fs::read_to_string(docs("CONFIG.md")).expect("docs/CONFIG.md is there");
    let mut examples = 0;
    for block in text.split("```jsonc\n").skip(1) {
        let (example, _) = block.split_once("```").expect("a code block ends");
        let problems = parse(example, vars).problems;
        assert_eq!(problems, [], "in this example:\n{example}");
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
