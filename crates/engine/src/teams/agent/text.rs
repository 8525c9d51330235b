//! What an agent writes in a turn, for the turn that has no other answer.

/// So much of it is kept, bytes. The longest message that a model writes is half of this; an agent
/// that never stops must not fill the memory.
const TEXT_MAX: usize = 1024 * 1024;

/// The texts of one turn, each a paragraph.
#[derive(Debug, Default)]
pub(super) struct Text {
    kept: String,
    cut: bool,
}

impl Text {
    pub fn push(&mut self, text: &str) {
        // What comes after something that is missing would mislead.
        if self.cut {
            return;
        }
        if !self.kept.is_empty() {
            self.kept.push_str("\n\n");
        }
        let room = TEXT_MAX.saturating_sub(self.kept.len());
        self.cut = text.len() > room;
        let ends = (0..=room.min(text.len())).rev();
        let end = ends.into_iter().find(|end| text.is_char_boundary(*end));
        self.kept.push_str(&text[..end.unwrap_or_default()]);
    }

    /// As the answer; says so when something is missing.
    pub fn answer(&self) -> String {
        if self.cut {
            format!(
                "{}\n\n[Iris: the agent wrote more than {TEXT_MAX} bytes in this turn; the rest was not kept.]",
                self.kept
            )
        } else {
            self.kept.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Text {
        let mut text = Text::default();
        for each in texts {
            text.push(each);
        }
        text
    }

    #[test]
    fn texts_are_paragraphs_and_the_rest_of_too_many_is_missing_and_said() {
        assert_eq!(of(&[]).answer(), "");
        assert_eq!(of(&["one", "two"]).answer(), "one\n\ntwo");
        let whole = "x".repeat(TEXT_MAX);
        assert_eq!(of(&[&whole]).answer(), whole, "exactly so much");
        // The bound falls into a character of two bytes.
        let long = format!("y{}", "ü".repeat(TEXT_MAX / 2));
        for texts in [&[&*long][..], &[&whole, "z"], &["a", &long, "z"]] {
            let mut text = of(texts);
            for _ in 0..100 {
                text.push(&long);
            }
            assert!(text.kept.len() <= TEXT_MAX + 2, "{}", text.kept.len());
            let answer = text.answer();
            assert!(answer.contains("[Iris: the agent wrote more than"));
            assert!(!answer.contains('z'), "nothing after the gap");
        }
    }
}
