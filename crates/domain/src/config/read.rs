//! The reader: walks a file's syntax tree along [`super::shape`], collects every problem with its
//! place, and makes plain JSON of what is sound: placeholders replaced, numbers and booleans typed.

use std::{borrow::Cow, collections::HashMap};

use jsonc_parser::ast;
use serde_json::{Map, Value};

use super::{
    ConfigProblem,
    placeholder::{self, PlaceholderError},
    shape::{Field, Key, Object, Shape},
    text,
};

/// How alike a misspelt key must be to one that exists before it is suggested (Jaro–Winkler, 0 to
/// 1): `pth` for `path` is 0.93, `denied` for `deny` 0.83, and unrelated words stay below.
const ALIKE: f64 = 0.8;

pub(super) struct Reader<'a> {
    pub source: &'a str,
    pub vars: &'a dyn Fn(&str) -> Option<String>,
    pub problems: Vec<ConfigProblem>,
}

impl Reader<'_> {
    /// Notes a problem at a byte offset of the file.
    pub fn problem(
        &mut self,
        offset: usize,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems
            .push(ConfigProblem::at(self.source, offset, path, message, hint));
    }

    /// What stands at a place. `None`: nothing that can be used; a problem says why.
    pub fn value(&mut self, path: &str, value: &ast::Value, shape: &Shape) -> Option<Value> {
        match (shape, value) {
            (Shape::Object(object), ast::Value::Object(found)) => {
                Some(self.object(path, found, object))
            }
            (Shape::Map(key, shape), ast::Value::Object(found)) => {
                Some(self.map(path, found, *key, shape))
            }
            (Shape::List(shape), ast::Value::Array(found)) => {
                let items = found.elements.iter().enumerate();
                let read = items.map(|(i, item)| self.value(&format!("{path}[{i}]"), item, shape));
                Some(Value::Array(
                    read.collect::<Vec<_>>().into_iter().flatten().collect(),
                ))
            }
            (Shape::Truth, ast::Value::BooleanLit(found)) => Some(Value::Bool(found.value)),
            (Shape::Whole(min, max), ast::Value::NumberLit(found)) => self.whole(
                path,
                found.range.start,
                found.value,
                found.value,
                *min,
                *max,
            ),
            (_, ast::Value::StringLit(found)) => self.text(path, found, shape),
            (
                Shape::Object(_)
                | Shape::Map(..)
                | Shape::List(_)
                | Shape::Truth
                | Shape::Whole(..)
                | Shape::Text(_)
                | Shape::Word(_),
                _,
            ) => {
                self.wrong_type(path, value, shape);
                None
            }
        }
    }

    /// A text as it holds, without saying what is wrong with it.
    pub fn word(&self, value: &ast::Value) -> Option<String> {
        let word = value.as_string_lit()?;
        let replaced = placeholder::replace(&word.value, self.vars).ok()?;
        Some(replaced.into_owned())
    }

    fn wrong_type(&mut self, path: &str, value: &ast::Value, shape: &Shape) {
        let hint = match (shape, value) {
            (_, ast::Value::NullKeyword(_)) => "Leave the key out to say nothing.".to_owned(),
            (Shape::Text(_), ast::Value::NumberLit(_) | ast::Value::BooleanLit(_)) => {
                "Put it in double quotes.".to_owned()
            }
            (Shape::Truth | Shape::Whole(..), ast::Value::StringLit(_)) => {
                "Write it without quotes, or as a `${VARIABLE}`.".to_owned()
            }
            (Shape::List(_), ast::Value::StringLit(_)) => {
                "Put it in square brackets: [\"…\"].".to_owned()
            }
            (Shape::Word(words), _) if path.ends_with("strictHostKeyChecking") => {
                format!("Write {}. Host keys are always checked.", one_of(words))
            }
            (Shape::Word(words), _) => format!("Write {}.", one_of(words)),
            _ => format!("Write {} here.", expected(shape)),
        };
        let message = format!("expected {}, found {}", expected(shape), found(value));
        self.problem(start(value), path, message, hint);
    }

    fn object(&mut self, path: &str, found: &ast::Object, shape: &Object) -> Value {
        let mut out = Map::new();
        let mut misspelt = Vec::new();
        for (name, prop) in self.once_each(path, found) {
            let place = join(path, name);
            let Some(shape) = shape.get(name) else {
                let known: Vec<&str> = shape.fields().map(|Field(name, _)| *name).collect();
                misspelt.extend(nearest(name, &known).map(str::to_owned));
                let hint = suggestion(name, shape.fields().map(|Field(name, _)| *name));
                let message = format!("unknown key `{name}`");
                self.problem(prop.range.start, &place, message, hint);
                continue;
            };
            if let Some(value) = self.value(&place, &prop.value, shape) {
                out.insert(name.to_owned(), value);
            }
        }
        for key in shape.required {
            let is_there = found.properties.iter().any(|p| p.name.as_str() == *key);
            // One mistake, one problem: what is misspelt is told as that.
            if !is_there && !misspelt.iter().any(|meant| meant == key) {
                let message = format!("`{key}` is missing");
                let hint = format!("Add \"{key}\": {}.", example(key));
                self.problem(found.range.start, path, message, hint);
            }
        }
        Value::Object(out)
    }

    fn map(&mut self, path: &str, found: &ast::Object, key: Key, shape: &Shape) -> Value {
        let mut out = Map::new();
        for (name, prop) in self.once_each(path, found) {
            let place = join(path, name);
            if let Err((message, hint)) = text::check_key(key, name) {
                self.problem(prop.range.start, &place, message, hint);
            }
            if let Some(value) = self.value(&place, &prop.value, shape) {
                out.insert(name.to_owned(), value);
            }
        }
        Value::Object(out)
    }

    /// The properties, each key once: a second one of the same name is a problem, because which of
    /// the two holds is anybody's guess.
    fn once_each<'o>(
        &mut self,
        path: &str,
        found: &'o ast::Object,
    ) -> Vec<(&'o str, &'o ast::ObjectProp<'o>)> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut out = Vec::new();
        for prop in &found.properties {
            let name = prop.name.as_str();
            if let Some(first) = seen.get(name) {
                let (line, _) = super::line_and_column(self.source, *first);
                let message =
                    format!("`{name}` stands here a second time; the first is on line {line}");
                self.problem(
                    prop.range.start,
                    &join(path, name),
                    message,
                    "Keep one of the two.",
                );
                continue;
            }
            seen.insert(name, prop.range.start);
            out.push((name, prop));
        }
        out
    }

    /// A text, or something else written as a placeholder.
    fn text(&mut self, path: &str, lit: &ast::StringLit, shape: &Shape) -> Option<Value> {
        let at = lit.range.start;
        let replaced = match placeholder::replace(&lit.value, self.vars) {
            Ok(replaced) => replaced,
            Err(error) => {
                let (message, hint) = describe(error);
                self.problem(at, path, message, hint);
                return None;
            }
        };
        // What a variable holds may be secret: problems show what is written in the file.
        let written: &str = &lit.value;
        let from_variable = matches!(replaced, Cow::Owned(_));
        match shape {
            Shape::Text(rule) => match text::check(*rule, &replaced) {
                Ok(()) => Some(Value::String(replaced.into_owned())),
                Err((message, hint)) => {
                    let (message, hint) = if from_variable {
                        (
                            format!(
                                "{} is expected, and `{}` is not, once its variables are replaced",
                                text::expected(*rule),
                                excerpt(written)
                            ),
                            text::hint_of(*rule).map_or(hint, str::to_owned),
                        )
                    } else {
                        (message, hint)
                    };
                    self.problem(at, path, message, hint);
                    None
                }
            },
            Shape::Word(words) if words.contains(&&*replaced) => {
                Some(Value::String(replaced.into_owned()))
            }
            Shape::Word(words) => {
                let message = format!("`{}` is not possible here", excerpt(written));
                let hint = if path.ends_with("strictHostKeyChecking") {
                    format!("Write {}. Host keys are always checked.", one_of(words))
                } else {
                    suggestion_of_word(&replaced, words)
                };
                self.problem(at, path, message, hint);
                None
            }
            Shape::Whole(min, max) if from_variable => {
                self.whole(path, at, replaced.trim(), written, *min, *max)
            }
            Shape::Truth if from_variable => match replaced.trim() {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => {
                    let message = format!("`{}` is neither true nor false", excerpt(written));
                    self.problem(at, path, message, "Set the variable to true or false.");
                    None
                }
            },
            Shape::Whole(..)
            | Shape::Truth
            | Shape::List(_)
            | Shape::Map(..)
            | Shape::Object(_) => {
                self.wrong_type(path, &ast::Value::StringLit(lit.clone()), shape);
                None
            }
        }
    }

    fn whole(
        &mut self,
        path: &str,
        at: usize,
        digits: &str,
        written: &str,
        min: u64,
        max: u64,
    ) -> Option<Value> {
        match digits.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Some(Value::from(number)),
            Ok(_) | Err(_) => {
                let message = format!(
                    "`{}` is not a whole number from {min} to {max}",
                    excerpt(written)
                );
                let hint = format!("Write a whole number from {min} to {max}.");
                self.problem(at, path, message, hint);
                None
            }
        }
    }
}

fn describe(error: PlaceholderError) -> (String, String) {
    match error {
        PlaceholderError::Unterminated => (
            "a placeholder starts with `${` and does not end".into(),
            "Close it with `}`; a literal `${` is written `$${`.".into(),
        ),
        PlaceholderError::Name(name) => (
            format!(
                "`${{{}}}` does not name an environment variable",
                excerpt(&name)
            ),
            "Write `${NAME}` or `${NAME:-default}`; a literal `${` is written `$${`.".into(),
        ),
        PlaceholderError::Unset(name) => (
            format!("the environment variable `{name}` is not set"),
            format!("Set it before Iris starts, or give a default: `${{{name}:-default}}`."),
        ),
    }
}

/// The key that was probably meant, or all there are.
fn suggestion<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.filter(|k| !k.starts_with('$')).collect();
    match nearest(key, &known) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("The keys here are {}.", known.join(", ")),
    }
}

fn suggestion_of_word(word: &str, words: &[&'static str]) -> String {
    match nearest(word, words) {
        Some(near) => format!("Did you mean \"{near}\"? Possible are {}.", one_of(words)),
        None => format!("Write {}.", one_of(words)),
    }
}

fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |s: &str| s.to_lowercase().replace(['_', '-'], "");
    let word = plain(word);
    known
        .iter()
        .map(|k| (strsim::jaro_winkler(&word, &plain(k)), *k))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, near)| near)
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Text(_) => "a text".into(),
        Shape::Whole(min, max) => format!("a whole number from {min} to {max}"),
        Shape::Truth => "true or false".into(),
        Shape::Word(words) => one_of(words),
        Shape::List(_) => "a list".into(),
        Shape::Map(..) | Shape::Object(_) => "an object {…}".into(),
    }
}

fn found(value: &ast::Value) -> String {
    match value {
        ast::Value::StringLit(_) => "a text".into(),
        ast::Value::NumberLit(n) => format!("the number {}", excerpt(n.value)),
        ast::Value::BooleanLit(b) => b.value.to_string(),
        ast::Value::Object(_) => "an object {…}".into(),
        ast::Value::Array(_) => "a list […]".into(),
        ast::Value::NullKeyword(_) => "null".into(),
    }
}

fn start(value: &ast::Value) -> usize {
    use jsonc_parser::common::Ranged;
    value.range().start
}

fn example(key: &str) -> &'static str {
    match key {
        "path" => "\"~/projects/…\"",
        "channel" => "\"C…\"",
        "approvers" => "[\"U…\"]",
        "appToken" | "botToken" | "secret" => "\"keychain:NAME\"",
        "url" => "\"https://…\"",
        _ => "…",
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Enough of a text to find it again.
pub(super) fn excerpt(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
