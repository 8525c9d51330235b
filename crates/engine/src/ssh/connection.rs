//! A live master connection, and what goes over its control socket.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, Permissions},
    io,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use iris_domain::target::Target;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};
use tracing::{debug, warn};

use super::{
    Failure, Ran, Reason, Ssh,
    options::{UP, master, option, over, tunnel},
    resolved::Settings,
    run,
};
use crate::process::{Output, Process, Program};

/// The name of the control socket in its directory.
const SOCKET: &str = "c";
/// A request over the control socket is one round trip; a dead peer is noticed elsewhere.
const CONTROL_WITHIN: Duration = Duration::from_secs(20);
/// A master that was asked to exit is gone at once, unless it hangs.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// A live master connection. Dropping it ends it: its group, its socket, its directory.
#[derive(Debug)]
pub struct Connection {
    ssh: Ssh,
    /// The program that the master runs: other versions may not understand its socket.
    path: PathBuf,
    destination: String,
    /// Whether the user's settings forward their agent: sessions must ask for it.
    forwards_agent: bool,
    process: Process,
    output: tokio::sync::Mutex<mpsc::Receiver<Output>>,
    ended: OnceLock<Failure>,
    /// Tunnels whose port the host chose, as (port, where they lead): they are cancelled by the
    /// port that was asked for, which is 0.
    any: Mutex<BTreeSet<(u16, u16)>>,
    // The last field: the directory goes when nothing uses it any more.
    dir: TempDir,
}

impl Connection {
    pub(super) async fn open(
        ssh: &Ssh,
        target: &Target,
        settings: &Settings,
        askpass: &[(OsString, OsString)],
    ) -> Result<Self, Failure> {
        let dir = private_dir(&ssh.private)?;
        let socket = dir.path().join(SOCKET);
        let mut args = master(&socket, target, settings)?;
        args.extend(target.words().iter().map(OsString::from));
        let program = ssh.program(args, askpass)?;
        let path = program.path.clone();
        let (process, mut output) = ssh
            .processes
            .start(program)
            .map_err(|error| run::not_started(&error))?;
        loop {
            match output.recv().await {
                Some(Output::Line(line)) if line == UP => break,
                // The user's shell may have something to say before it runs a command.
                Some(Output::Line(_) | Output::TooLong(_)) => {}
                Some(Output::Ended(ended)) => return Err(Failure::of(&ended.stderr.join("\n"))),
                None => return Err(Failure::new(Reason::Closed, "Iris is ending")),
            }
        }
        debug!(
            pid = process.pid(),
            destination = target.destination(),
            "connected"
        );
        Ok(Self {
            ssh: ssh.clone(),
            path,
            destination: target.destination().to_owned(),
            forwards_agent: !matches!(settings.get("forwardagent"), None | Some("no" | "false")),
            process,
            output: output.into(),
            ended: OnceLock::new(),
            any: Mutex::default(),
            dir,
        })
    }

    /// The process id of the master.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A tunnel from this port of the host's loopback (0: any) to this one of ours; returns the
    /// port. The same tunnel twice is one tunnel.
    ///
    /// # Errors
    /// [`Reason::PortTaken`] or [`Reason::ForwardingForbidden`]; the connection stays.
    pub async fn forward(&self, remote_port: u16, to_port: u16) -> Result<u16, Failure> {
        let ran = self
            .control("forward", "-R", &tunnel(remote_port, to_port))
            .await?;
        if ran.status != Some(0) {
            return Err(self.not_forwarded(remote_port, to_port, &ran).await);
        }
        if remote_port != 0 {
            return Ok(remote_port);
        }
        let port = ran.stdout.trim().parse().map_err(|_| {
            Failure::new(
                Reason::Other,
                &format!("ssh names no port, but {:?}", ran.stdout),
            )
        })?;
        self.any().insert((port, to_port));
        Ok(port)
    }

    /// The protocol does not say why: where any port can be had, that one was taken.
    async fn not_forwarded(&self, remote_port: u16, to_port: u16, ran: &Ran) -> Failure {
        let failure = Failure::of(&ran.stderr);
        if failure.reason != Reason::PortTaken {
            return failure;
        }
        let forbidden = Failure {
            reason: Reason::ForwardingForbidden,
            ..failure.clone()
        };
        if remote_port == 0 {
            return forbidden;
        }
        if !self.any().is_empty() {
            return failure;
        }
        let tunnel = tunnel(0, to_port);
        match self.control("forward", "-R", &tunnel).await {
            Ok(tried) if tried.status == Some(0) => {
                match self.control("cancel", "-R", &tunnel).await {
                    Ok(_) => failure,
                    Err(error) => error,
                }
            }
            Ok(tried) if Failure::of(&tried.stderr).reason == Reason::PortTaken => forbidden,
            Ok(tried) => Failure::of(&tried.stderr),
            Err(error) => error,
        }
    }

    /// Ends a tunnel; one that is not there is as good.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn cancel_forward(&self, remote_port: u16, to_port: u16) -> Result<(), Failure> {
        let asked = if self.any().contains(&(remote_port, to_port)) {
            0
        } else {
            remote_port
        };
        let ran = self
            .control("cancel", "-R", &tunnel(asked, to_port))
            .await?;
        if ran.status != Some(0) {
            return Err(Failure::of(&ran.stderr));
        }
        self.any().remove(&(remote_port, to_port));
        Ok(())
    }

    /// A private socket here that leads to this port of the host's loopback: connections through
    /// it take the whole way of an agent's. It is there until the connection ends.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn probe_socket(&self, remote_port: u16) -> Result<PathBuf, Failure> {
        let socket = self.dir.path().join(format!("p{remote_port}"));
        if !socket.exists() {
            let mut forward = OsString::from(&socket);
            forward.push(format!(":127.0.0.1:{remote_port}"));
            let ran = self.control("forward", "-L", &forward).await?;
            if ran.status != Some(0) {
                return Err(Failure::of(&ran.stderr));
            }
        }
        Ok(socket)
    }

    /// A command on the host, to be started with [`Processes::start`]. When the connection is
    /// gone or takes no further session it ends with status 255, never with a connection of its
    /// own; [`Failure::of_session`] reads why.
    ///
    /// [`Processes::start`]: crate::process::Processes::start
    pub fn session(&self, command: &str) -> Program {
        let mut args = self.over_the_socket();
        if self.forwards_agent {
            args.extend(option("ForwardAgent", "yes"));
        }
        args.extend([
            "-T".into(),
            "--".into(),
            (&self.destination).into(),
            command.into(),
        ]);
        self.ssh.program_at(self.path.clone(), args, &[])
    }

    /// Runs a command on the host to its end.
    ///
    /// # Errors
    /// When the connection is gone or takes no further session, and when it takes too long. A
    /// command that fails is no error.
    pub async fn run(
        &self,
        command: &str,
        stdin: &[u8],
        at_most: Duration,
    ) -> Result<Ran, Failure> {
        let program = self.session(command);
        let ran = run::to_the_end(&self.ssh.processes, program, stdin, at_most).await?;
        match ran.status {
            Some(255) => Failure::of_session(&ran.stderr).map_or(Ok(ran), Err),
            _ => Ok(ran),
        }
    }

    /// Waits for the end of the master, and says why it ended: [`Reason::Lost`], whoever ended it.
    /// Cancellation safe.
    pub async fn closed(&self) -> Failure {
        let mut output = self.output.lock().await;
        loop {
            if let Some(failure) = self.ended.get() {
                return failure.clone();
            }
            let failure = match output.recv().await {
                Some(Output::Line(_) | Output::TooLong(_)) => continue,
                Some(Output::Ended(ended)) => Failure::of_master(&ended.stderr.join("\n")),
                None => Failure::new(Reason::Closed, "Iris is ending"),
            };
            return self.ended.get_or_init(|| failure).clone();
        }
    }

    /// Whether it has ended, even if [`Connection::closed`] has not said so yet: the master does not
    /// listen any more before what used it is told. What the host says has no part in this. (One
    /// that was killed leaves the file.)
    pub fn is_gone(&self) -> bool {
        self.ended.get().is_some() || UnixStream::connect(self.dir.path().join(SOCKET)).is_err()
    }

    /// Ends it in order, and waits until it is gone.
    pub async fn close(&self) {
        if self.ended.get().is_none() {
            let socket = self.dir.path().join(SOCKET);
            if timeout(EXIT_GRACE, exit(&self.ssh, &socket)).await.is_err()
                || timeout(EXIT_GRACE, self.closed()).await.is_err()
            {
                warn!(pid = self.pid(), "a connection does not exit when asked");
            }
            self.process.stop();
        }
        let why = self.closed().await;
        debug!(destination = %self.destination, %why, "disconnected");
    }

    async fn control(
        &self,
        request: &str,
        kind: &str,
        what: impl Into<OsString>,
    ) -> Result<Ran, Failure> {
        let mut args = self.over_the_socket();
        args.extend(["-O".into(), request.into(), kind.into(), what.into()]);
        args.extend(["--".into(), (&self.destination).into()]);
        let program = self.ssh.program_at(self.path.clone(), args, &[]);
        run::to_the_end(&self.ssh.processes, program, &[], CONTROL_WITHIN).await
    }

    fn over_the_socket(&self) -> Vec<OsString> {
        over(&self.dir.path().join(SOCKET))
    }

    fn any(&self) -> std::sync::MutexGuard<'_, BTreeSet<(u16, u16)>> {
        // A panic while it was held cannot leave a set half changed.
        self.any.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fresh directory for one connection: with a socket that is there already, `ssh` would
/// silently do without.
fn private_dir(private: &Path) -> Result<TempDir, Failure> {
    let make = || -> io::Result<TempDir> {
        fs::create_dir_all(private)?;
        fs::set_permissions(private, Permissions::from_mode(0o700))?;
        tempfile::Builder::new()
            .prefix("")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(private)
    };
    make().map_err(|error| {
        Failure::new(
            Reason::Other,
            &format!(
                "{} cannot hold a control socket: {error}",
                private.display()
            ),
        )
    })
}

async fn exit(ssh: &Ssh, socket: &Path) {
    let mut args = over(socket);
    args.extend(["-O".into(), "exit".into(), "--".into(), "iris".into()]);
    let asked = match ssh.program(args, &[]) {
        Ok(program) => run::to_the_end(&ssh.processes, program, &[], EXIT_GRACE).await,
        Err(error) => Err(error),
    };
    if let Err(error) = asked {
        debug!(%error, "a connection was not asked to exit");
    }
}

pub(super) async fn end_left_behind(ssh: &Ssh) {
    let entries = match fs::read_dir(&ssh.private) {
        Ok(entries) => entries,
        Err(error) => {
            debug!(%error, "no connection was left behind");
            return;
        }
    };
    for dir in entries.flatten().map(|entry| entry.path()) {
        let socket = dir.join(SOCKET);
        if socket.exists() {
            exit(ssh, &socket).await;
        }
        if let Err(error) = fs::remove_dir_all(&dir) {
            warn!(%error, dir = %dir.display(), "what a connection left cannot be removed");
        }
    }
}
