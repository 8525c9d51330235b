//! An `ssh` that runs to its end.

use std::time::Duration;

use tokio::time::timeout;

use super::{Failure, Reason};
use crate::process::{Output, Processes, Program, SpawnError};

/// What a command of Iris's own prints is far below this; what is longer is cut, because the host
/// may not be honest.
const OUTPUT_MAX: usize = 1024 * 1024;

/// What a program that ended did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// What it wrote, at most a mebibyte.
    pub stdout: String,
    /// The last lines of its stderr.
    pub stderr: String,
}

/// Starts it, gives it its input, and waits for its end. Dropping the future ends it.
pub(super) async fn to_the_end(
    processes: &Processes,
    program: Program,
    stdin: &[u8],
    at_most: Duration,
) -> Result<Ran, Failure> {
    let (mut process, mut output) = processes
        .start(program)
        .map_err(|error| not_started(&error))?;
    if !stdin.is_empty() && process.write(stdin).is_err() {
        // It ended already, and says why.
        tracing::debug!(pid = process.pid(), "input was not taken");
    }
    process.end_input();
    let mut stdout = String::new();
    let ending = async {
        while let Some(heard) = output.recv().await {
            match heard {
                Output::Line(line) if stdout.len() + line.len() < OUTPUT_MAX => {
                    stdout.push_str(&line);
                    stdout.push('\n');
                }
                Output::Line(_) | Output::TooLong(_) => {}
                Output::Ended(ended) => return Some(ended),
            }
        }
        None
    };
    let Ok(ended) = timeout(at_most, ending).await else {
        return Err(Failure::new(
            Reason::TimedOut,
            &format!("no answer within {} s", at_most.as_secs()),
        ));
    };
    let ended = ended.ok_or_else(|| Failure::new(Reason::Closed, "Iris is ending"))?;
    Ok(Ran {
        status: ended.status.and_then(|status| status.code()),
        stdout,
        stderr: ended.stderr.join("\n"),
    })
}

pub(super) fn not_started(error: &SpawnError) -> Failure {
    Failure::new(Reason::NoSsh, &error.to_string())
}
