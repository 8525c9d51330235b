//! The caller's side: blocking, for the command line and the desktop's second start.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use iris_domain::{Problem, problem::Code};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Command, Reply, path, socket_problem};
use crate::{home::Home, socket};

/// What answers at once answers well within this, even on a busy machine.
const QUICK_WAIT: Duration = Duration::from_secs(30);

/// Calls the running Iris; one connection per call.
#[derive(Debug, Clone)]
pub struct Client {
    home: Home,
}

impl Client {
    /// For the Iris that runs on this home.
    pub fn new(home: &Home) -> Self {
        Self { home: home.clone() }
    }

    /// Says a command and waits for the reply.
    ///
    /// # Errors
    /// What the running Iris answered; [`Code::Unavailable`] when none runs, [`Code::Timeout`] when
    /// it hangs.
    pub fn call(&self, command: &Command) -> Result<Value, Problem> {
        self.watch(command, |_| {})
    }

    /// Like [`Client::call`], and `step` hears what is known before the reply.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn watch(&self, command: &Command, step: impl FnMut(Value)) -> Result<Value, Problem> {
        let mut stream = self.connect()?;
        let wait = command.is_quick().then_some(QUICK_WAIT);
        self.exchange(&mut stream, command, wait, step)
            .map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Problem::new(
                    Code::Timeout,
                    format!(
                        "the running Iris did not answer within {} s",
                        QUICK_WAIT.as_secs()
                    ),
                    "Look at its log in IRIS_HOME/logs; if it hangs, end it and start it again.",
                ),
                io::ErrorKind::InvalidData => Problem::new(
                    Code::Internal,
                    format!("the running Iris gave an answer that cannot be read: {error}"),
                    "If `iris` was updated since, restart Iris so that both have the same version.",
                ),
                _ => Problem::new(
                    Code::Unavailable,
                    format!("the running Iris ended before it answered: {error}"),
                    "Start it again (`iris serve`, or the desktop app) and repeat the command.",
                ),
            })?
    }

    /// Like [`Client::call`], with the reply as the type that the command's page names.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn ask<T: DeserializeOwned>(&self, command: &Command) -> Result<T, Problem> {
        read(self.call(command)?)
    }

    fn connect(&self) -> Result<UnixStream, Problem> {
        let connected: io::Result<UnixStream> = socket::connect(&path(&self.home));
        connected.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Problem::new(
                Code::Unavailable,
                format!("Iris is not running on {}", self.home.root().display()),
                "Start the desktop app, or `iris serve`; with another IRIS_HOME, set it here too.",
            ),
            _ => socket_problem("reach", &self.home, &error),
        })
    }

    fn exchange(
        &self,
        stream: &mut UnixStream,
        command: &Command,
        wait: Option<Duration>,
        mut step: impl FnMut(Value),
    ) -> io::Result<Result<Value, Problem>> {
        stream.set_write_timeout(Some(QUICK_WAIT))?;
        stream.set_read_timeout(wait)?;
        let mut line = Zeroizing::new(serde_json::to_vec(command)?);
        line.push(b'\n');
        // A refused caller may find the door closed while it still speaks: the reply says why.
        let said = stream.write_all(&line);
        let mut reader = BufReader::new(stream);
        let mut text = String::new();
        loop {
            text.clear();
            if reader.read_line(&mut text)? == 0 {
                said?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let reply = serde_json::from_str(&text)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            match reply {
                Reply::Step(value) => step(value),
                Reply::Ok(value) => return Ok(Ok(value)),
                Reply::Error(problem) => return Ok(Err(problem)),
            }
        }
    }
}

/// A reply, or a step, as the type that the command's page names.
///
/// # Errors
/// When it is another.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| {
        Problem::new(
            Code::Internal,
            format!("the running Iris gave an answer of another version: {error}"),
            "Restart Iris so that it and `iris` have the same version.",
        )
    })
}

/// Asks the running Iris to show its window.
///
/// # Errors
/// [`Code::Unavailable`] when none runs; [`Code::Conflict`] when it runs without a window.
pub fn ask_to_show(home: &Home) -> Result<(), Problem> {
    Client::new(home).call(&Command::Show {}).map(|_| ())
}
