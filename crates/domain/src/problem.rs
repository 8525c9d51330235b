//! What a user is told when something does not work.

use serde::{Deserialize, Serialize};

/// An error at the edge of Iris (CLI, window, tray, MCP tool): what went wrong, and what to do
/// next. Inside, modules have their own error enums; they become a `Problem` where a human reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Problem {
    /// For programs that branch on it; stable.
    pub code: Code,
    /// One sentence: what is wrong, naming the thing.
    pub message: String,
    /// One sentence: the next step.
    pub hint: String,
}

impl Problem {
    /// A problem from its three parts.
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// What is wrong and what to do, for where there is one text.
    pub fn in_one_text(&self) -> String {
        format!("{} {}", self.sentence(), self.hint)
    }

    /// What is wrong, for where more follows. A message that is no whole sentence (it ends with what
    /// somebody else said) gets its full stop.
    pub fn sentence(&self) -> String {
        let ends = self.message.ends_with(['.', '!', '?', '…']);
        let stop = if ends { "" } else { "." };
        format!("{}{stop}", self.message)
    }
}

/// The kinds of problem that a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Code {
    /// The config file cannot be used, or an edit would break it.
    Config,
    /// No such team, session or approval.
    NotFound,
    /// The name is taken, or the thing already happened.
    Conflict,
    /// Somebody or something else answered this approval first.
    AlreadyDecided,
    /// The caller may not do this.
    Forbidden,
    /// What was given cannot be used as it is.
    InvalidInput,
    /// Claude Code is missing, too old, not signed in, or ended on its own.
    Agent,
    /// It took longer than it may.
    Timeout,
    /// A queue or a limit is full.
    Busy,
    /// The database, the disk or the file system.
    Storage,
    /// The port is taken, or nothing answers there.
    Network,
    /// The OS keychain.
    Keychain,
    /// Iris is not running, or is shutting down.
    Unavailable,
    /// A defect in Iris.
    Internal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_has_each_full_stop_once() {
        for (message, text) in [
            ("It is gone.", "It is gone. Look."),
            ("no such file", "no such file. Look."),
            ("is it?", "is it? Look."),
        ] {
            let problem = Problem::new(Code::NotFound, message, "Look.");
            assert_eq!(problem.in_one_text(), text);
        }
    }
}
