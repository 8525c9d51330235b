//! What is printed: tables and sentences for people, JSON for programs.

use std::io::{self, Write as _};

use iris_domain::{Problem, display::visible};
use serde::Serialize;

/// Stdout and stderr, in one of the two ways.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read it.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Prints `value` as JSON, or the text for people.
    pub fn show(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Problem> {
        if self.json {
            let json = serde_json::to_string_pretty(value).map_err(|error| {
                Problem::new(
                    iris_domain::problem::Code::Internal,
                    format!("the answer cannot be written as JSON: {error}"),
                    "This is a defect in Iris; please report it.",
                )
            })?;
            self.line(&json);
        } else {
            self.line(&text());
        }
        Ok(())
    }

    /// Prints text as it is, with a line break at its end.
    pub fn line(self, text: &str) {
        let text = text.trim_end_matches('\n');
        if text.is_empty() {
            return;
        }
        let mut out = io::stdout().lock();
        // Nobody reads (`iris status | head -1`): nothing to do, and no reason to fail.
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            tracing::debug!("nobody reads stdout");
        }
    }

    /// Prints a problem to stderr: two lines, or `{"error":…}`.
    pub fn problem(self, problem: &Problem) {
        let text = if self.json {
            serde_json::json!({ "error": problem }).to_string()
        } else {
            problem_text(problem)
        };
        if writeln!(io::stderr().lock(), "{text}").is_err() {
            tracing::debug!("nobody reads stderr");
        }
    }
}

/// `error: …` and `hint: …`, safe to show.
pub fn problem_text(problem: &Problem) -> String {
    format!(
        "error: {}\nhint: {}",
        visible(&problem.message),
        visible(&problem.hint)
    )
}

/// Columns aligned by two spaces; the last one is as long as it is. Cells are made safe to show and
/// stay on one line.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(rows)
        .map(|row| row.map(|cell| visible(&cell).replace('\n', "⏎").replace('\t', " ")))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_cannot_be_spoofed() {
        let text = table(
            ["TEAM", "STATE"],
            [
                ["api".to_owned(), "idle".to_owned()],
                ["a\u{1b}[31m\nx".to_owned(), "ü".to_owned()],
            ],
        );
        assert_eq!(
            text,
            "TEAM                STATE\n\
             api                 idle\n\
             a⟨U+001B⟩[31m⏎x  ü\n"
                .replace("api                 ", "api              ")
                .replace("TEAM                ", "TEAM             ")
        );
    }
}
