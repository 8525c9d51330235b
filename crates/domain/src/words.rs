//! The words of what is written down, and the terms by which an index finds them.
//!
//! A term is a word, or a field as `team:api`. No word has a colon, so that no text of an agent can
//! pass for a field. Terms are letters, digits, `_` and `:`.

use std::collections::BTreeSet;

use serde_json::Value;

/// Terms are cut to this many characters: what is longer is a digest or a key, and is compared whole
/// with what was found.
const TERM_MAX: usize = 40;

/// The words of a text, in lower case.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    runs(text).map(str::to_lowercase)
}

/// Whether each word of the search begins a word of the texts that `texts` hands out.
pub(crate) fn found(search: &str, texts: impl FnOnce(&mut dyn FnMut(&str))) -> bool {
    let mut all = BTreeSet::new();
    texts(&mut |text| all.extend(words(text)));
    words(search).all(|word| {
        all.range(word.clone()..)
            .next()
            .is_some_and(|next| next.starts_with(&word))
    })
}

/// The term of a word in lower case.
pub(crate) fn term(word: &str) -> String {
    word.chars().take(TERM_MAX).collect()
}

/// The term of a field. Signs become `_`.
pub(crate) fn field(name: &str, value: &str) -> String {
    let mut terms = Terms::default();
    terms.field(name, value);
    terms.into()
}

/// Hands out the texts of a value, the names of its fields among them. As deep as the limits of the
/// endpoint let an input be.
pub(crate) fn texts_of(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => each(&value.to_string()),
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, each)),
        Value::Object(fields) => {
            for (name, item) in fields {
                each(name);
                texts_of(item, each);
            }
        }
    }
}

/// Terms with a blank between them, as an index takes them. One may stand there twice: the index puts up
/// with it, and to find that out costs more.
#[derive(Debug, Default)]
pub(crate) struct Terms(String);

impl Terms {
    /// Adds the words of a text.
    pub(crate) fn words(&mut self, text: &str) {
        for word in runs(text) {
            let begin = self.next();
            if word.is_ascii() {
                self.0.push_str(word.get(..TERM_MAX).unwrap_or(word));
                if let Some(added) = self.0.get_mut(begin..) {
                    added.make_ascii_lowercase();
                }
            } else {
                self.0.push_str(&term(&word.to_lowercase()));
            }
        }
    }

    /// Adds a field.
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        self.next();
        self.0.push_str(name);
        self.0.push(':');
        let room = TERM_MAX.saturating_sub(name.len() + 1);
        let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
        if value.is_ascii() {
            let lower = value.chars().map(|c| c.to_ascii_lowercase());
            self.0.extend(lower.map(plain).take(room));
        } else {
            self.0
                .extend(value.to_lowercase().chars().map(plain).take(room));
        }
    }

    /// Makes room for the next; says where it begins.
    fn next(&mut self) -> usize {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.len()
    }
}

impl From<Terms> for String {
    fn from(terms: Terms) -> Self {
        terms.0
    }
}

/// Runs of letters and digits.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|run| !run.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn terms(text: &str) -> String {
        let mut terms = Terms::default();
        terms.words(text);
        terms.into()
    }

    #[test]
    fn words_are_cut_and_in_lower_case() {
        assert_eq!(terms("git PUSH, Ärger_2 ΑΣ!"), "git push ärger 2 ας");
        assert_eq!(terms(&"X".repeat(90)), "x".repeat(40));
        assert_eq!(terms(&"Ä".repeat(90)), "ä".repeat(40));
        assert_eq!(terms(" - "), "");
    }

    #[test]
    fn a_field_is_one_term() {
        assert_eq!(field("tool", "mcp__X a"), "tool:mcp__x_a");
        assert_eq!(field("tool", "Ä b"), "tool:ä_b");
        assert_eq!(field("tool", &"a".repeat(90)).len(), TERM_MAX);
    }

    #[test]
    fn every_text_of_a_value_is_handed_out() {
        let mut all = Vec::new();
        let value = json!({"a": ["b", 1.5, true, null], "c": {"d": "e"}});
        texts_of(&value, &mut |text| all.push(text.to_owned()));
        assert_eq!(all, ["a", "b", "1.5", "true", "c", "d", "e"]);
    }

    proptest! {
        /// What a search asks an index for is what the index was given.
        #[test]
        fn each_word_has_its_term(text in ".{0,60}") {
            let all = terms(&text);
            let all: Vec<&str> = all.split(' ').collect();
            for word in words(&text) {
                prop_assert!(all.contains(&term(&word).as_str()), "{word:?} of {text:?}");
            }
            prop_assert!(found(&text, |each| each(&text)));
        }
    }
}
