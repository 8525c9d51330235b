//! What it means when Claude Code does not start, ends, or ends a turn with an error: one sentence
//! and the next step.

use std::{
    io::{self, ErrorKind},
    os::unix::process::ExitStatusExt as _,
    path::Path,
};

use iris_domain::{
    Problem,
    problem::Code,
    session::{Cure, Failure},
};

use crate::process::{Ended, SpawnError};

/// A stderr line in a sentence is cut to this many characters.
const QUOTED_MAX: usize = 300;

/// Why the program did not start.
pub fn not_started(error: &SpawnError) -> Failure {
    let problem = match error {
        SpawnError::Directory(dir, error) => directory(dir, error),
        SpawnError::NotFound(path) => Problem::new(
            Code::Agent,
            format!("{} is gone.", path.display()),
            "Install Claude Code again, or set `claudePath` to where it is.",
        ),
        SpawnError::NotExecutable(path, error) => Problem::new(
            Code::Agent,
            format!("{} cannot be run: {error}.", path.display()),
            "Install Claude Code for this kind of computer, or set `claudePath` to where it is.",
        ),
    };
    Failure {
        problem,
        cure: Cure::Human,
    }
}

/// Why a team's folder cannot be worked in.
fn directory(dir: &Path, error: &io::Error) -> Problem {
    let dir = dir.display();
    let message = match error.kind() {
        ErrorKind::NotFound => format!("There is no folder {dir}."),
        ErrorKind::NotADirectory => format!("{dir} is not a folder."),
        ErrorKind::PermissionDenied => format!("You may not enter the folder {dir}."),
        _ => format!("The folder {dir} cannot be used: {error}."),
    };
    Problem::new(
        Code::Config,
        message,
        "Bring it back or make it readable, or choose another folder in the team's settings (`path`).",
    )
}

/// Why the process ended, which it should not have. Texts of Claude Code 2.1.330.
pub fn ended(ended: &Ended) -> Failure {
    let said = |text: &str| ended.stderr.iter().any(|line| line.contains(text));
    if said("No conversation found with session ID") {
        return Failure {
            problem: Problem::new(
                Code::Agent,
                "Claude Code does not have this conversation any more.",
                "Send the message again: it begins a new conversation.",
            ),
            cure: Cure::NewConversation,
        };
    }
    if said("Session ID") && said("is already in use") {
        return Failure {
            problem: Problem::new(
                Code::Agent,
                "Claude Code has this conversation already.",
                "Send the message again: it resumes the conversation.",
            ),
            cure: Cure::ResumeConversation,
        };
    }
    if is_sign_in(&ended.stderr.join("\n")) {
        return not_signed_in();
    }
    if let Some(line) = ended
        .stderr
        .iter()
        .find(|line| line.contains("unknown option"))
    {
        return Failure {
            problem: Problem::new(
                Code::Agent,
                format!("This Claude Code is too old for Iris: {}.", quoted(line)),
                "Run `claude update`, or set `claudePath` to a newer one.",
            ),
            cure: Cure::Human,
        };
    }
    if let Some(line) = ended
        .stderr
        .iter()
        .find(|line| line.contains("passed via --permission-prompt-tool) not found"))
    {
        return Failure {
            problem: Problem::new(
                Code::Agent,
                format!("The agent lost its connection to Iris: {}.", quoted(line)),
                "Start the team again.",
            ),
            cure: Cure::Retry,
        };
    }
    let how = match ended.status {
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("with exit code {code}"),
            (None, Some(signal)) => format!("by signal {signal}"),
            (None, None) => "in an unknown way".into(),
        },
        None => "in an unknown way".into(),
    };
    let last = ended
        .stderr
        .iter()
        .rev()
        .find(|line| !line.trim().is_empty());
    let message = match last {
        Some(line) => format!("Claude Code ended on its own {how}: {}.", quoted(line)),
        None => format!("Claude Code ended on its own {how} and said nothing."),
    };
    Failure {
        problem: Problem::new(
            Code::Agent,
            message,
            "Run `claude` in the project directory to see what is wrong, then start the team again.",
        ),
        cure: Cure::Retry,
    }
}

/// Claude Code runs, but nobody is signed in.
pub fn not_signed_in() -> Failure {
    Failure {
        problem: Problem::new(
            Code::Agent,
            "Claude Code is not signed in.",
            "Run `claude` in a terminal and sign in with /login, or set ANTHROPIC_API_KEY in the team's `env`; then start the team again.",
        ),
        cure: Cure::Human,
    }
}

/// Why a turn ended with an error.
pub fn turn_problem(text: &str) -> Problem {
    if is_sign_in(text) {
        return not_signed_in().problem;
    }
    let text = if text.trim().is_empty() {
        "Claude Code gave no reason"
    } else {
        text
    };
    Problem::new(
        Code::Agent,
        format!("The turn ended with an error: {}.", quoted(text)),
        "Send the message again; the agent goes on from where it was.",
    )
}

fn is_sign_in(text: &str) -> bool {
    [
        "Please run /login",
        "Not logged in",
        "Invalid API key",
        "OAuth token has expired",
    ]
    .iter()
    .any(|said| text.contains(said))
}

/// Safe to show, on one line, and not too long.
fn quoted(text: &str) -> String {
    let text = iris_domain::display::one_line(text.trim(), QUOTED_MAX);
    text.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus, time::Duration};

    use super::*;

    fn end(wait_status: i32, stderr: &[&str]) -> Failure {
        ended(&Ended {
            status: Some(ExitStatus::from_raw(wait_status)),
            stderr: stderr.iter().map(|s| (*s).to_owned()).collect(),
            lived: Duration::ZERO,
        })
    }

    #[test]
    fn each_end_has_its_sentence_and_its_cure() {
        let id = "11111111-1111-4111-8111-111111111111";
        for (wait_status, stderr, says, cure) in [
            (
                256,
                &["error: unknown option '--bogus-option'"][..],
                "too old",
                Cure::Human,
            ),
            (
                256,
                &[&*format!("No conversation found with session ID: {id}")],
                "does not have",
                Cure::NewConversation,
            ),
            (
                256,
                &[&*format!("Error: Session ID {id} is already in use.")],
                "already",
                Cure::ResumeConversation,
            ),
            (
                256,
                &["Not logged in · Please run /login"],
                "not signed in",
                Cure::Human,
            ),
            (
                256,
                &["Invalid API key · Fix external API key"],
                "not signed in",
                Cure::Human,
            ),
            (
                256,
                &[
                    "Error: MCP tool mcp__iris__permissions__approve (passed via --permission-prompt-tool) not found. Available MCP tools: none",
                ],
                "lost its connection",
                Cure::Retry,
            ),
            (
                256,
                &["noise", "Segfault in thread main.", ""],
                "exit code 1: Segfault in thread main.",
                Cure::Retry,
            ),
            (0, &[], "exit code 0 and said nothing", Cure::Retry),
            (9, &[], "signal 9", Cure::Retry),
        ] {
            let failure = end(wait_status, stderr);
            assert!(
                failure.problem.message.contains(says),
                "{stderr:?}: {failure:?}"
            );
            assert_eq!(failure.cure, cure, "{stderr:?}");
            assert!(!failure.problem.hint.is_empty());
        }
    }

    #[test]
    fn what_is_quoted_is_short_and_shows_control_characters() {
        let failure = end(256, &[&"x".repeat(5000)]);
        assert!(failure.problem.message.len() < 1000);
        let failure = end(256, &["a\u{1b}[31mb\u{202e}c"]);
        assert!(
            !failure.problem.message.contains(['\u{1b}', '\u{202e}']),
            "{failure:?}"
        );
    }

    #[test]
    fn a_program_that_does_not_start_is_for_a_human() {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        for (error, says) in [
            (SpawnError::Directory("/p".into(), gone()), "/p"),
            (SpawnError::NotFound("/c".into()), "/c is gone"),
            (
                SpawnError::NotExecutable("/c".into(), gone()),
                "/c cannot be run",
            ),
        ] {
            let failure = not_started(&error);
            assert!(failure.problem.message.contains(says), "{failure:?}");
            assert_eq!(failure.cure, Cure::Human);
        }
    }

    #[test]
    fn a_turn_that_fails_for_want_of_a_sign_in_says_so() {
        assert_eq!(
            turn_problem("Not logged in · Please run /login"),
            not_signed_in().problem
        );
        assert!(
            turn_problem("API Error: 529")
                .message
                .contains("API Error: 529")
        );
        assert!(turn_problem(" ").message.contains("no reason"));
    }
}
