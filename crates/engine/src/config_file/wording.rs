//! What a human is told about a config that cannot be used.

use iris_domain::{
    Problem,
    config::{ConfigProblem, EditError},
    problem::Code,
};

/// One problem out of all those of a file.
pub(super) fn broken(problems: &[ConfigProblem]) -> Problem {
    match problems {
        [] => Problem::new(
            Code::Config,
            "config.json has errors",
            "Run `iris config check`.",
        ),
        [only] => Problem::new(Code::Config, format!("config.json, {only}"), &*only.hint),
        [first, rest @ ..] => Problem::new(
            Code::Config,
            format!("config.json, {first} (and {} more)", rest.len()),
            format!("{} `iris config check` lists all of them.", first.hint),
        ),
    }
}

/// Why an edit was not made.
pub(super) fn refused(error: EditError) -> Problem {
    match &error {
        EditError::Broken(problems) => broken(problems),
        EditError::WouldBreak(problems) => match problems.first() {
            Some(first) => {
                let message = format!("{}: {}", first.path, first.message);
                Problem::new(Code::InvalidInput, message, &*first.hint)
            }
            None => Problem::new(Code::InvalidInput, error.to_string(), "Change the input."),
        },
        EditError::NoSuchTeam(_) => Problem::new(
            Code::NotFound,
            error.to_string(),
            "`iris team list` shows the teams there are.",
        ),
        EditError::NoSuchWebhook(_) => {
            Problem::new(Code::NotFound, error.to_string(), "Look at the list again.")
        }
        EditError::NameTaken(_) => {
            Problem::new(Code::Conflict, error.to_string(), "Choose another name.")
        }
    }
}
