//! The program that `ssh` runs to ask (`SSH_ASKPASS`): Iris itself, started again. It carries the
//! question to the running Iris through a private socket, and the answer back to `ssh`.
//!
//! A conversation is one frame each way: a length (four bytes, big endian) and so many bytes. The
//! question is JSON; the answer is one byte that says whether there is one, and then its text. The
//! connection stays open until then; hanging up withdraws the question.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::process::parent_id,
    path::Path,
    process::ExitCode,
};

use iris_domain::{display, prompt::ANSWER_MAX};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    environment::Environment,
    secrets::{Secret, Spoken},
    socket,
};

/// The variable with the path of the socket. Where it is set, `iris` and `iris-desktop` are this
/// program and nothing else.
pub const SOCKET_VAR: &str = "IRIS_ASKPASS";
/// The variable with the token of the connection attempt.
pub const TOKEN_VAR: &str = "IRIS_ASKPASS_TOKEN";
/// The variable by which `ssh` says that it wants no text.
const HINT_VAR: &str = "SSH_ASKPASS_PROMPT";

/// The longest question, bytes: a server's may have any length, and nobody reads so much.
pub(crate) const TEXT_MAX: usize = 32 * 1024;
/// The longest question with all around it: each byte of the text may be six in JSON.
pub(crate) const QUESTION_MAX: usize = 8 * TEXT_MAX;
/// Says that the frame holds an answer.
pub(crate) const ANSWERED: u8 = b'+';
/// Says that there is none.
pub(crate) const CANCELLED: u8 = b'-';

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Question {
    pub token: Spoken,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The process that wants to know: our parent.
    pub asker: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// A human said so, or the attempt is over.
    #[error("cancelled")]
    Cancelled,
    /// It was not started by Iris as it should be.
    #[error("{TOKEN_VAR} is not set")]
    NoToken,
    /// The running Iris does not answer.
    #[error("the running Iris does not answer: {0}")]
    Io(#[from] io::Error),
    /// The question cannot be written down.
    #[error("the question cannot be asked: {0}")]
    Json(#[from] serde_json::Error),
}

/// The first thing in `main`: where Iris was started by `ssh` to ask, this asks, and the program
/// ends with what is returned. `args` are those of the process, its own name first.
pub fn answer_ssh(env: &Environment, args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    env.get(SOCKET_VAR)?;
    let prompt = args.into_iter().nth(1).unwrap_or_default();
    Some(askpass_main(env, &prompt.to_string_lossy()))
}

/// Asks the running Iris and prints the answer. Anything but success means to `ssh` that there is
/// none.
pub fn askpass_main(env: &Environment, prompt: &str) -> ExitCode {
    let answered = ask(env, prompt).and_then(|answer| print(&answer).map_err(AskError::Io));
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(AskError::Cancelled) => ExitCode::FAILURE,
        Err(error) => {
            // ssh's own stderr: what it says of the connection begins here.
            if writeln!(io::stderr(), "iris askpass: {error}").is_err() {
                tracing::debug!("nobody reads stderr");
            }
            ExitCode::FAILURE
        }
    }
}

/// Asks the running Iris; returns when there is an answer.
pub(crate) fn ask(env: &Environment, prompt: &str) -> Result<Secret, AskError> {
    let socket = env.get(SOCKET_VAR).map(Path::new).unwrap_or(Path::new(""));
    let token = env.text(TOKEN_VAR).ok_or(AskError::NoToken)?;
    let question = Question {
        token: Spoken(Secret::new(token.to_owned())),
        text: cut(prompt),
        hint: env.text(HINT_VAR).map(str::to_owned),
        asker: parent_id(),
    };
    let frame = frame(&serde_json::to_vec(&question).map(Zeroizing::new)?);
    let mut stream = socket::connect(socket)?;
    stream.write_all(&frame)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > ANSWER_MAX + 1 {
        return Err(io::Error::from(io::ErrorKind::InvalidData).into());
    }
    let mut answer = Zeroizing::new(vec![0; length]);
    stream.read_exact(&mut answer)?;
    match answer.split_first() {
        Some((&ANSWERED, text)) => {
            let text = str::from_utf8(text)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            Ok(Secret::new(text.to_owned()))
        }
        Some(_) | None => Err(AskError::Cancelled),
    }
}

/// The bytes with their length before them.
pub(crate) fn frame(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut frame = Zeroizing::new(Vec::with_capacity(4 + bytes.len()));
    // No frame of ours comes near the limit; one that did would be refused by its reader.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

fn cut(prompt: &str) -> String {
    if prompt.len() <= TEXT_MAX {
        return prompt.to_owned();
    }
    display::one_line(prompt, TEXT_MAX / 4)
}

/// Past the buffer of the standard library, which would keep a copy.
fn print(answer: &Secret) -> io::Result<()> {
    let mut line = Zeroizing::new(Vec::with_capacity(answer.expose().len() + 1));
    line.extend_from_slice(answer.expose().as_bytes());
    line.push(b'\n');
    let stdout = io::stdout();
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        let written = rustix::io::write(&stdout, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
