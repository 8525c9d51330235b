//! One entry put into, and taken out of, Claude Code's `.claude.json`, by changing the text at that
//! place and nowhere else: whatever else stands there, and how it is laid out, stays byte for byte.

use std::{collections::BTreeMap, ops::Range};

use jsonc_parser::{
    ParseOptions,
    ast::{Object, ObjectProp, Value as Ast},
    common::Ranged as _,
    parse_to_ast,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

const SECTION: &str = "mcpServers";
const NAME: &str = "iris";

/// The entry, in the order in which `claude mcp add` writes it (Claude Code 2.1.330).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `http`
    #[serde(rename = "type")]
    pub kind: String,
    /// Iris's endpoint.
    pub url: String,
    /// A command that prints the headers.
    pub headers_helper: String,
}

/// What is needed to take the entry out again exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undo {
    /// The text of the entry that stood there before.
    previous: Option<String>,
    /// Whether `mcpServers` was made for it.
    made_section: bool,
    /// The white space in the object that was empty before.
    inner: Option<String>,
}

/// Why the file is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Claude Code could not read it either.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// Not the shape that Claude Code writes.
    #[error("its {0} is not an object")]
    NotObject(&'static str),
    /// There is no entry to take out.
    #[error("it has no MCP server `{NAME}`")]
    Gone,
    /// The entry is not the one that was put in.
    #[error("its MCP server `{NAME}` was changed since")]
    Changed,
}

/// The text with the entry, and how to undo it.
pub fn add(text: &str, entry: &Entry) -> Result<(String, Undo), SpliceError> {
    let place = Place::find(text)?;
    match (&place.section, place.entry()) {
        (_, Some(prop)) => {
            let range = range_of(prop.value.range());
            let layout = place.layout();
            let depth = if layout.is_some() { 2 } else { 0 };
            let new = render(entry, layout.as_deref(), depth)?;
            let undo = Undo {
                previous: Some(text[range.clone()].to_owned()),
                ..Undo::default()
            };
            Ok((replace(text, range, &new), undo))
        }
        (Some(section), None) => {
            let (new, inner) = place.insert(section, 1, NAME, entry)?;
            Ok((
                new,
                Undo {
                    inner,
                    ..Undo::default()
                },
            ))
        }
        (None, None) => {
            let section = BTreeMap::from([(NAME, entry)]);
            let (new, inner) = place.insert(&place.root, 0, SECTION, &section)?;
            Ok((
                new,
                Undo {
                    made_section: true,
                    inner,
                    ..Undo::default()
                },
            ))
        }
    }
}

/// The text without the entry, as it was before [`add`].
pub fn remove(text: &str, entry: &Entry, undo: &Undo) -> Result<String, SpliceError> {
    let place = Place::find(text)?;
    let (Some(section), Some(prop)) = (&place.section, place.entry()) else {
        return Err(SpliceError::Gone);
    };
    let range = range_of(prop.value.range());
    if serde_json::from_str::<Entry>(&text[range.clone()])
        .ok()
        .as_ref()
        != Some(entry)
    {
        return Err(SpliceError::Changed);
    }
    if let Some(previous) = &undo.previous {
        return Ok(replace(text, range, previous));
    }
    let inner = undo.inner.as_deref().unwrap_or_default();
    Ok(if undo.made_section && section.properties.len() == 1 {
        take_out(text, &place.root, SECTION, inner)
    } else {
        take_out(
            text,
            section,
            NAME,
            if undo.made_section { "" } else { inner },
        )
    })
}

/// The entry that stands in the text, whatever its shape.
pub fn current(text: &str) -> Result<Option<Value>, SpliceError> {
    let place = Place::find(text)?;
    let Some(prop) = place.entry() else {
        return Ok(None);
    };
    serde_json::from_str(&text[range_of(prop.value.range())])
        .map(Some)
        .map_err(|error| SpliceError::NotJson(error.to_string()))
}

struct Place<'a> {
    text: &'a str,
    root: Object<'a>,
    section: Option<Object<'a>>,
}

impl<'a> Place<'a> {
    fn find(text: &'a str) -> Result<Self, SpliceError> {
        // Strictly, as Claude Code reads it; the other parser forgives, but knows places.
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|error| SpliceError::NotJson(error.to_string()))?;
        let parsed = parse_to_ast(text, &Default::default(), &ParseOptions::default())
            .map_err(|error| SpliceError::NotJson(error.to_string()))?;
        let Some(Ast::Object(root)) = parsed.value else {
            return Err(SpliceError::NotObject("content"));
        };
        let section = match property(&root, SECTION).map(|prop| &prop.value) {
            None => None,
            Some(Ast::Object(section)) => Some(section.clone()),
            Some(_) => return Err(SpliceError::NotObject(SECTION)),
        };
        Ok(Self {
            text,
            root,
            section,
        })
    }

    fn entry(&self) -> Option<&ObjectProp<'a>> {
        property(self.section.as_ref()?, NAME)
    }

    /// How the root's properties are set apart: a line break and an indentation; `None` when the
    /// file is written without line breaks.
    fn layout(&self) -> Option<String> {
        match self.root.properties.first() {
            None => Some("\n  ".to_owned()),
            Some(first) => {
                let gap = &self.text[self.root.range.start + 1..first.range.start];
                gap.contains('\n').then(|| gap.to_owned())
            }
        }
    }

    /// Puts a property at the end of an object that is `depth` levels below the root. With it comes
    /// what was inside the object, if it was empty.
    fn insert(
        &self,
        object: &Object<'a>,
        depth: usize,
        key: &str,
        value: &impl Serialize,
    ) -> Result<(String, Option<String>), SpliceError> {
        let layout = self.layout();
        let value = render(value, layout.as_deref(), depth + 1)?;
        let space = if layout.is_some() { " " } else { "" };
        let property = format!("\"{key}\":{space}{value}");
        Ok(match object.properties.last() {
            Some(last) => {
                let first = object.properties.first().unwrap_or(last);
                let gap = &self.text[object.range.start + 1..first.range.start];
                let at = last.range.end;
                (
                    replace(self.text, at..at, &format!(",{gap}{property}")),
                    None,
                )
            }
            None => {
                let inside = object.range.start + 1..object.range.end - 1;
                let inner = self.text[inside.clone()].to_owned();
                let new = match &layout {
                    Some(layout) => {
                        let (open, close) = (indent(layout, depth + 1), indent(layout, depth));
                        format!("{open}{property}{close}")
                    }
                    None => property,
                };
                (replace(self.text, inside, &new), Some(inner))
            }
        })
    }
}

/// The last property of that name: the one that counts when JSON has it twice.
fn property<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o ObjectProp<'a>> {
    object
        .properties
        .iter()
        .rfind(|prop| prop.name.as_str() == name)
}

fn take_out(text: &str, object: &Object<'_>, name: &str, inner: &str) -> String {
    let Some(index) = object
        .properties
        .iter()
        .rposition(|prop| prop.name.as_str() == name)
    else {
        return text.to_owned();
    };
    let props = &object.properties;
    let own = &props[index].range;
    let (range, new) = match (
        index.checked_sub(1).map(|i| &props[i]),
        props.get(index + 1),
    ) {
        (Some(before), _) => (before.range.end..own.end, ""),
        (None, Some(after)) => (own.start..after.range.start, ""),
        (None, None) => (object.range.start + 1..object.range.end - 1, inner),
    };
    replace(text, range, new)
}

/// A value as it looks in this file, `depth` levels below the root's own.
fn render(
    value: &impl Serialize,
    layout: Option<&str>,
    depth: usize,
) -> Result<String, SpliceError> {
    let failed = |error: serde_json::Error| SpliceError::NotJson(error.to_string());
    let Some(layout) = layout else {
        return serde_json::to_string(value).map_err(failed);
    };
    // Two spaces a level, and a line break only between parts: in texts they are escaped.
    let pretty = serde_json::to_string_pretty(value).map_err(failed)?;
    let mut lines = pretty.lines();
    let mut text = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let inner = line.trim_start();
        text.push_str(&indent(layout, depth + (line.len() - inner.len()) / 2));
        text.push_str(inner);
    }
    Ok(text)
}

/// A line break and so many indentations.
fn indent(layout: &str, depth: usize) -> String {
    let newline = if layout.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let unit = layout.rsplit('\n').next().unwrap_or_default();
    format!("{newline}{}", unit.repeat(depth))
}

fn range_of(range: jsonc_parser::common::Range) -> Range<usize> {
    range.start..range.end
}

fn replace(text: &str, range: Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..range.start], &text[range.end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            kind: "http".into(),
            url: "http://127.0.0.1:1615/mcp".into(),
            headers_helper: "'/opt/my \"iris\": x' headers".into(),
        }
    }

    const FILES: &[&str] = &[
        "{}",
        "{ }",
        "{\n}\n",
        "  {\n\n}\n\n",
        "{\"a\":1}",
        "{\"a\":1,\"mcpServers\":{}}",
        "{\"mcpServers\":{\"x\":{\"type\":\"http\"}},\"z\":[1, 2]}",
        "{\n  \"a\": 1\n}",
        "{\n  \"mcpServers\": {}\n}\n",
        "{\n  \"mcpServers\": { },\n  \"b\": {}\n}\n",
        "{\n\t\"ü\": \"日本 \\u0041\",\n\t\"mcpServers\": {\n\t\t\"x\": {}\n\t},\n\t\"n\": 1e400\n}\n",
        "{\r\n    \"a\": 1.50,\r\n    \"mcpServers\": {\r\n        \"x\": {}\r\n    }\r\n}\r\n",
        "{\n  \"mcpServers\": {\n    \"iris\": { \"type\":\"stdio\",  \"command\": \"old\" },\n    \"y\": {}\n  }\n}",
        "{\"mcpServers\":{\"iris\":null}}",
        "{ \"big\": 123456789012345678901234567890, \"mcpServers\": {\"iris\": 7, \"k\": 1} }",
        "{\"iris\": 1, \"projects\": {\"/p\": {\"mcpServers\": {\"iris\": {}}}}}",
    ];

    #[test]
    fn what_was_put_in_is_taken_out_to_the_byte() {
        for before in FILES {
            let (with, undo) = add(before, &entry()).unwrap();
            let value: Value = serde_json::from_str(&with.replace("1e400", "1")).unwrap();
            assert_eq!(
                value.pointer("/mcpServers/iris"),
                Some(&serde_json::to_value(entry()).unwrap()),
                "{before:?} became {with:?}"
            );
            assert_eq!(
                remove(&with, &entry(), &undo).unwrap(),
                *before,
                "through {with:?}"
            );
        }
    }

    #[test]
    fn it_looks_as_if_claude_had_written_it() {
        let before = "{\n  \"a\": 1\n}\n";
        let (with, _) = add(
            before,
            &Entry {
                headers_helper: "/x headers".into(),
                ..entry()
            },
        )
        .unwrap();
        let expected = r#"{
  "a": 1,
  "mcpServers": {
    "iris": {
      "type": "http",
      "url": "http://127.0.0.1:1615/mcp",
      "headersHelper": "/x headers"
    }
  }
}
"#;
        assert_eq!(with, expected);
    }

    #[test]
    fn what_was_done_to_the_file_since_stays() {
        let (with, undo) = add("{\n  \"a\": 1\n}\n", &entry()).unwrap();
        // Claude Code rewrote it, sorted otherwise, and another server came.
        let iris = serde_json::to_string(&entry()).unwrap();
        assert!(with.contains("mcpServers"));
        let later = format!("{{\"mcpServers\": {{\"iris\": {iris}, \"new\": {{}}}}, \"a\": 2}}");
        assert_eq!(
            remove(&later, &entry(), &undo).unwrap(),
            "{\"mcpServers\": {\"new\": {}}, \"a\": 2}"
        );
        let later = format!("{{\"mcpServers\": {{\"iris\": {iris}}}, \"a\": 2}}");
        assert_eq!(remove(&later, &entry(), &undo).unwrap(), "{\"a\": 2}");
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let (with, undo) = add("{}", &entry()).unwrap();
        let changed = with.replace("1615", "1616");
        assert_eq!(remove(&changed, &entry(), &undo), Err(SpliceError::Changed));
        assert_eq!(remove("{}", &entry(), &undo), Err(SpliceError::Gone));
        assert!(matches!(
            add("{ // note\n}", &entry()),
            Err(SpliceError::NotJson(_))
        ));
        assert!(matches!(add("", &entry()), Err(SpliceError::NotJson(_))));
        assert_eq!(add("[]", &entry()), Err(SpliceError::NotObject("content")));
        assert_eq!(
            add("{\"mcpServers\":[]}", &entry()),
            Err(SpliceError::NotObject(SECTION))
        );
    }
}
