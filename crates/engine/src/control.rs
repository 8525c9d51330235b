//! Control of a running Iris through a private socket, `$IRIS_HOME/run/control.sock`.
//!
//! A conversation is one JSON line each way: a [`Command`], then `{"ok":…}` or
//! `{"error":{code,message,hint}}`. The caller keeps the connection open until it has the reply;
//! hanging up cancels the command.
//!
//! The socket answers the user who runs Iris and nobody else, and no program that Iris itself
//! started: an agent must not approve its own requests (the peer's process id comes from the
//! kernel and is walked up to see whether it leads to Iris).

mod client;
mod commands;
mod protocol;
mod server;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use iris_domain::{Problem, problem::Code};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use client::{Client, ask_to_show};
pub use protocol::{Command, PendingItem, Reply, StatusReply, StatusTeam};

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

/// The longest path that a socket address holds on every system that we build for (Linux: 108
/// bytes with the final zero, macOS: 104).
const ADDRESS_MAX: usize = 103;

/// A path under which the socket can be bound or reached, however long the home's path is.
struct Address {
    path: PathBuf,
    /// Keeps `/proc/self/fd/N` meaningful.
    _dir: Option<File>,
}

impl Address {
    fn of(home: &Home) -> io::Result<Self> {
        let path = home.run().join(SOCKET);
        if path.as_os_str().len() <= ADDRESS_MAX {
            return Ok(Self { path, _dir: None });
        }
        Self::through_descriptor(&home.run())
    }

    #[cfg(target_os = "linux")]
    fn through_descriptor(run: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        let dir = File::open(run)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()));
        Ok(Self {
            path,
            _dir: Some(dir),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn through_descriptor(run: &Path) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the path {} is too long for a socket; set IRIS_HOME to a shorter one",
                run.display()
            ),
        ))
    }
}

fn socket_problem(doing: &str, home: &Home, error: &io::Error) -> Problem {
    Problem::new(
        Code::Storage,
        format!(
            "cannot {doing} the control socket {}: {error}",
            home.run().join(SOCKET).display()
        ),
        "Check that IRIS_HOME is a directory of your own on a local disk, or set it to another one.",
    )
}
