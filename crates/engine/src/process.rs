//! Starting and ending programs: the one place that spawns.
//!
//! A [`Process`] leads a process group of its own. Exactly one task owns it, and that task does not
//! end before the group is empty. On Linux Iris is also a *child subreaper*: what a program
//! daemonises becomes a child of Iris instead of vanishing to init, so it can be ended too, and a
//! double fork does not hide where a process comes from ([`is_descendant`]).

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};
use zeroize::Zeroizing;

mod find;
mod group;
mod halt;
mod handed;
mod lines;
mod orphans;
mod pipes;
mod tree;

pub use find::{find, is_program, on_path};
use group::Group;
pub use halt::{Halted, go_on, halt};
pub use handed::NotHandedOver;
use pipes::{feed, passed_since, read_err, read_out};
pub use tree::{end_left_behind, end_marked, is_descendant, started};

/// A longer line of stdout is no message of Claude Code: its largest carry a tool's output, which
/// it caps far below this.
pub const LINE_MAX: usize = 16 * 1024 * 1024;
/// So many last lines of stderr are kept: the reason stands at the end.
pub const STDERR_LINES: usize = 20;
/// A longer stderr line is cut: it is shown in a status.
pub const STDERR_LINE_MAX: usize = 2048;
/// An idle Claude Code ends 0.05 s after EOF on its stdin (measured with 2.1.330); one in a turn
/// would finish the turn first, and nobody waits for that when the process is to end.
const EOF_GRACE: Duration = Duration::from_secs(3);
/// After SIGTERM Claude Code ends its tools and itself; what ignores SIGTERM this long ignores it.
const TERM_GRACE: Duration = Duration::from_secs(3);
/// How often a group that is being ended is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// After SIGKILL only a process that hangs in the kernel is still there; Iris does not wait for it.
const KILL_GRACE: Duration = Duration::from_secs(3);
/// What somebody else keeps open of the pipes of a process that is gone is not read for longer, even
/// if it never falls silent. Long, because the owner's time to take what was written counts too.
const FLOOD_LIMIT: Duration = Duration::from_secs(60);
/// Lines that wait for the process to read, and events that wait for the owner.
const CHANNEL: usize = 64;

/// What to start.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments. Never a secret: everybody can read them.
    pub args: Vec<OsString>,
    /// The directory it starts in.
    pub dir: PathBuf,
    /// Its whole environment.
    pub env: Environ,
    /// `NAME=value` of its environment by which what it leaves behind is known.
    pub mark: String,
}

/// An environment for a program. Its `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environ(pub BTreeMap<OsString, OsString>);

impl std::fmt::Debug for Environ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Why a program did not start.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The directory to start in is not there, not a directory, or closed to the user.
    #[error("cannot use the directory {0}: {1}")]
    Directory(PathBuf, io::Error),
    /// The executable is not there.
    #[error("{0} does not exist")]
    NotFound(PathBuf),
    /// It is there, but cannot be run.
    #[error("{0} cannot be run: {1}")]
    NotExecutable(PathBuf, io::Error),
}

/// What a process does, in order; `Ended` is the last.
#[derive(Debug)]
pub enum Output {
    /// A line of stdout, without its end; what is no UTF-8 in it is replaced.
    Line(String),
    /// A line of stdout with more than [`LINE_MAX`] bytes, which was dropped; its length.
    TooLong(u64),
    /// The process is gone, and its group with it.
    Ended(Ended),
}

/// The end of a process.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How it ended; `None` when the system did not say.
    pub status: Option<ExitStatus>,
    /// The last lines of its stderr.
    pub stderr: Vec<String>,
    /// How long it ran.
    pub lived: Duration,
}

/// What a process is given to read. It may hold a token: wiped when it was written.
type Input = Zeroizing<Vec<u8>>;

/// The process is gone, or has stopped reading.
#[derive(Debug, thiserror::Error)]
#[error("the process does not take input any more")]
pub struct NotTaken;

/// A running program. Dropping it stops the program, in order.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    started: Option<u64>,
    stdin: mpsc::Sender<Input>,
    stop: CancellationToken,
}

impl Process {
    /// Its process id, which is its group's id too.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it was started, in clock ticks since boot; `None` where the system does not say.
    pub fn started(&self) -> Option<u64> {
        self.started
    }

    /// Writes a line (the line end is added). Does not wait for the process to read it.
    pub fn write_line(&self, line: &str) -> Result<(), NotTaken> {
        // Room for all of it: a growing one would leave copies behind.
        let mut bytes = Input::new(Vec::with_capacity(line.len() + 1));
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.stdin.try_send(bytes).map_err(|_| NotTaken)
    }

    /// Writes bytes as they are. Does not wait for the process to read them.
    pub fn write(&self, bytes: &[u8]) -> Result<(), NotTaken> {
        self.stdin
            .try_send(Input::new(bytes.to_vec()))
            .map_err(|_| NotTaken)
    }

    /// EOF on its stdin after what was written; the process itself goes on.
    pub fn end_input(&mut self) {
        // The pipe is closed when the last sender is gone: this one belongs to no pipe.
        self.stdin = mpsc::channel(1).0;
    }

    /// Ends it: EOF on its stdin, then SIGTERM, then SIGKILL to its group. [`Output::Ended`] says
    /// when it is gone.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts programs and knows which run; cheap to clone.
#[derive(Debug, Clone)]
pub struct Processes {
    /// The groups that are not empty yet.
    groups: Arc<Mutex<HashSet<i32>>>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl Processes {
    /// Makes Iris the subreaper of its descendants and reaps those that come to it.
    pub fn new(tasks: &TaskTracker) -> Self {
        let processes = Self {
            groups: Arc::default(),
            tasks: tasks.clone(),
            closed: CancellationToken::new(),
        };
        #[cfg(target_os = "linux")]
        {
            // Any pid switches it on for the calling process.
            if let Err(error) =
                rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            {
                warn!(%error, "cannot become a subreaper: what agents daemonise will not be found");
            }
            tasks.spawn(processes.clone().reap());
        }
        processes
    }

    /// Starts a program. Its events come through the receiver.
    pub fn start(&self, program: Program) -> Result<(Process, mpsc::Receiver<Output>), SpawnError> {
        let mut child = spawn(&program)?;
        // `id` is `None` only after the child was waited for.
        let pid = child.id().unwrap_or_default();
        let group = Group::new(pid.cast_signed(), self);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdin, lines) = mpsc::channel(CHANNEL);
        let (events, output) = mpsc::channel(CHANNEL);
        let stop = CancellationToken::new();
        let process = Process {
            pid,
            started: started(pid.cast_signed()),
            stdin,
            stop: stop.clone(),
        };
        debug!(pid, program = %program.path.display(), "started");
        self.tasks.spawn(attend(
            child,
            group,
            pipes,
            lines,
            events,
            stop,
            program.mark,
        ));
        Ok((process, output))
    }

    /// Stops reaping. Call when all that was started has ended.
    pub fn close(&self) {
        self.closed.cancel();
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, HashSet<i32>> {
        // A panic while it was held cannot leave a set half changed.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
fn spawn(program: &Program) -> Result<Child, SpawnError> {
    let dir = |error| SpawnError::Directory(program.dir.clone(), error);
    // Asked first: a missing directory and a missing program give the same error otherwise.
    std::fs::read_dir(&program.dir).map_err(dir)?;
    Command::new(&program.path)
        .args(&program.args)
        .current_dir(&program.dir)
        .env_clear()
        .envs(&program.env.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if !program.path.exists() => {
                SpawnError::NotFound(program.path.clone())
            }
            _ => SpawnError::NotExecutable(program.path.clone(), error),
        })
}

type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

/// Owns a process from its start until its group is empty.
async fn attend(
    mut child: Child,
    mut group: Group,
    (stdin, stdout, stderr): Pipes,
    lines: mpsc::Receiver<Input>,
    events: mpsc::Sender<Output>,
    stop: CancellationToken,
    mark: String,
) {
    let (begun, pid) = (Instant::now(), child.id());
    let eof = CancellationToken::new();
    let gone = CancellationToken::new();
    let life = async {
        let status = tokio::select! {
            status = child.wait() => status,
            () = stop.cancelled() => {
                eof.cancel();
                ladder(&mut child, &group).await
            }
        };
        let lived = begun.elapsed();
        eof.cancel();
        group.end(&mark).await;
        gone.cancel();
        (
            status
                .inspect_err(|error| warn!(%error, "the end of a process is unknown"))
                .ok(),
            lived,
        )
    };
    let mut tail = VecDeque::new();
    let io = async {
        tokio::join!(
            feed(stdin, lines, eof.clone()),
            read_out(stdout, &events, &gone),
            read_err(stderr, &mut tail, &gone),
        )
    };
    let io = async {
        tokio::select! {
            _ = io => {}
            () = passed_since(&gone, FLOOD_LIMIT) => {
                warn!(pid, "a pipe of an ended process was not read to its end");
            }
        }
    };
    let ((status, lived), ()) = tokio::join!(life, io);
    let ended = Ended {
        status,
        stderr: tail.into(),
        lived,
    };
    debug!(status = ?ended.status, lived = ?ended.lived, "ended");
    if events.send(Output::Ended(ended)).await.is_err() {
        debug!("nobody waits for the end of the process");
    }
}

/// After EOF: wait, SIGTERM, wait, SIGKILL.
async fn ladder(child: &mut Child, group: &Group) -> io::Result<ExitStatus> {
    if let Ok(status) = timeout(EOF_GRACE, child.wait()).await {
        return status;
    }
    group.signal(Signal::TERM);
    // One that is stopped hears it when it goes on.
    group.signal(Signal::CONT);
    if let Ok(status) = timeout(TERM_GRACE, child.wait()).await {
        return status;
    }
    group.signal(Signal::KILL);
    child.wait().await
}
