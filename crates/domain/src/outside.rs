//! The one place through which what an agent asked for leaves this machine: for Slack and for webhooks.
//!
//! Secrets that are known by their form are taken out here, and nowhere else.

use serde_json::Value;

use crate::{audit, display, snapshot::ApprovalView};

/// So many fields of an input are shown; more are counted.
const FIELDS_MAX: usize = 20;
/// A field's name, characters.
const NAME_MAX: usize = 60;

/// A field of an input as text that is safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value; of a long one, the head and the tail.
    pub text: String,
}

/// An input as it is shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its fields.
    pub fields: Vec<Field>,
    /// Something of it was left out.
    pub is_cut: bool,
}

/// The heart of what is asked for, in one line.
pub fn summary(view: &ApprovalView) -> String {
    audit::redact(&view.summary).into_owned()
}

/// The input itself, where its JSON is no longer than `max` bytes.
pub fn small_input(view: &ApprovalView, max: usize) -> Option<Value> {
    let input = audit::redacted(&view.input);
    (input.to_string().len() <= max).then_some(input)
}

/// The input in `max` characters at most, the names of its fields not counted. Short fields stay whole; the others share
/// what is left.
pub fn input(view: &ApprovalView, max: usize) -> Shown {
    let text_of = |value: &Value| match value {
        Value::String(text) => display::visible(text.trim_end()),
        other => display::visible(&other.to_string()),
    };
    let input = audit::redacted(&view.input);
    let mut fields: Vec<Field> = match &input {
        Value::Object(map) => map
            .iter()
            .take(FIELDS_MAX)
            .map(|(name, value)| Field {
                name: display::one_line(name, NAME_MAX),
                text: text_of(value),
            })
            .collect(),
        other => vec![Field {
            name: "input".to_owned(),
            text: text_of(other),
        }],
    };
    let all = input.as_object().map_or(1, serde_json::Map::len);
    let mut is_cut = all > fields.len();
    let mut by_length: Vec<usize> = (0..fields.len()).collect();
    by_length.sort_by_key(|at| fields.get(*at).map_or(0, |field| field.text.len()));
    let mut left = max;
    let mut to_come = by_length.len();
    for at in by_length {
        let Some(field) = fields.get_mut(at) else {
            continue;
        };
        let short = display::shortened(&field.text, left / to_come.max(1));
        is_cut |= short != field.text;
        field.text = short;
        left = left.saturating_sub(field.text.chars().count());
        to_come -= 1;
    }
    Shown { fields, is_cut }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_fields_stay_whole_and_long_ones_keep_head_and_tail() {
        let long = format!("head{}tail", "x".repeat(9000));
        let mut view = crate::snapshot::tests::approval("k3fq");
        view.input = json!({ "command": long, "description": "lists\u{202e} it", "timeout": 5 });
        let shown = input(&view, 300);
        let texts: Vec<&str> = shown.fields.iter().map(|f| f.text.as_str()).collect();
        assert!(shown.is_cut);
        assert_eq!(texts[1..], ["lists⟨U+202E⟩ it", "5"]);
        assert!(texts[0].starts_with("headx") && texts[0].ends_with("xtail"));
        let count: usize = texts.iter().map(|text| text.chars().count()).sum();
        assert!((200..=300).contains(&count), "{count}");
        view.input = json!({ "command": "ls" });
        assert!(!input(&view, 300).is_cut);
        view.input = json!({ "command": "curl -u me:hunter2 x", "password": "hunter2" });
        view.summary = "curl -u me:hunter2 x".to_owned();
        let told = format!(
            "{:?} {:?} {}",
            input(&view, 300),
            small_input(&view, 300),
            summary(&view)
        );
        assert!(
            told.contains(audit::MARK) && !told.contains("hunter2"),
            "{told}"
        );
        view.input = json!({ "command": "ls" });
        assert_eq!(small_input(&view, 300), Some(view.input.clone()));
        view.input = json!({ "command": long });
        assert_eq!(small_input(&view, 300), None);
    }

    #[test]
    fn more_fields_than_can_be_shown_are_said_to_be_there() {
        let mut view = crate::snapshot::tests::approval("k3fq");
        let map = (0..1000).map(|n| (format!("f{n}"), json!("v".repeat(99))));
        view.input = Value::Object(map.collect());
        let shown = input(&view, 300);
        assert!(shown.is_cut);
        assert_eq!(shown.fields.len(), FIELDS_MAX);
    }
}
