//! Control of a running Iris through a private socket, `$IRIS_HOME/run/control.sock`.
//!
//! A conversation is one JSON line each way: a [`Command`], then `{"ok":…}` or
//! `{"error":{code,message,hint}}`; a command that takes time may say `{"step":…}` before it, in as many
//! lines as it has steps. The caller keeps the connection open until it has the reply;
//! hanging up cancels the command.
//!
//! The socket answers the user who runs Iris and nobody else, and no program that Iris itself
//! started: an agent must not approve its own requests (the peer's process id comes from the
//! kernel and is walked up to see whether it leads to Iris).

mod client;
mod commands;
mod protocol;
mod server;
mod sessions;

use std::{io, path::PathBuf};

use iris_domain::{Problem, problem::Code};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use client::{Client, ask_to_show, read};
pub use protocol::{AnswerReply, Command, PendingItem, Reply, StatusReply, StatusTeam, TestReply};
pub use sessions::SessionAct;

use crate::{Engine, home::Home};

/// Accepts commands until `shutdown`. `show` hears of a second start of the desktop app; when its
/// receiver is dropped, this Iris has no window and says so.
///
/// # Errors
/// When the socket cannot be made. Call it with the home's lock held: what lies in the socket's
/// place is then the leftover of an Iris that was killed, and is replaced.
pub fn listen(
    home: &Home,
    engine: Engine,
    show: mpsc::Sender<()>,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Result<(), Problem> {
    server::listen(
        home,
        commands::EngineCommands::new(engine, show),
        crate::process::is_descendant,
        tasks,
        shutdown,
    )
}

/// The socket's name in `run/`.
const SOCKET: &str = "control.sock";

fn path(home: &Home) -> PathBuf {
    home.run().join(SOCKET)
}

fn socket_problem(doing: &str, home: &Home, error: &io::Error) -> Problem {
    Problem::new(
        Code::Storage,
        format!(
            "cannot {doing} the control socket {}: {error}",
            path(home).display()
        ),
        "Check that IRIS_HOME is a directory of your own on a local disk, or set it to another one.",
    )
}
