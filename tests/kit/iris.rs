//! A throw-away Iris: its own home, its own fake model, and verbs that read like its user's.

mod agent;
mod bridge;
mod cli;
mod setup;
mod verbs;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

pub use agent::Agent;
pub use bridge::Bridge;
pub use cli::Cli;
pub use setup::{API_KEY, Setup, user};
pub use verbs::{Pending, Row, Sending};

use crate::{
    desktop::WebDriver,
    dying::Dying,
    model::FakeModel,
    network::Inside,
    processes::{self, Process},
    program::Program,
    wait,
};
use setup::Variables;

/// How long an orderly stop may take: the agents' stop ladder and room for a busy machine.
const STOP: Duration = Duration::from_secs(30);

/// How long the processes of a window may outlive the application.
const WEBKIT: Duration = Duration::from_secs(5);

/// A running Iris with all that belongs to it. Dropping it stops it in order, and fails the test
/// when a process is left behind.
#[derive(Debug)]
pub struct Iris {
    runner: Runner,
    env: Variables,
    inside: Inside,
    endpoint: String,
    /// The fake model that the agents talk to.
    pub model: FakeModel,
    // The last field: the directory goes when nothing uses it any more.
    dir: TempDir,
}

/// How this Iris runs.
#[derive(Debug)]
enum Runner {
    /// `iris serve`.
    Serve(Program),
    /// The desktop application.
    Desktop(Program),
    /// The desktop application, started by a WebDriver that waits for its window.
    Driven(WebDriver),
    /// It was killed or has ended.
    Gone,
}

impl Iris {
    /// The way to a throw-away Iris.
    pub async fn prepare() -> Setup {
        Setup::new().await
    }

    /// `iris serve` with nothing special.
    pub async fn start() -> Self {
        Self::prepare().await.serve().await
    }

    /// `$IRIS_HOME`.
    pub fn home(&self) -> PathBuf {
        setup::home(self.dir.path())
    }

    /// Everything of this Iris lies below this directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `http://127.0.0.1:PORT/mcp`, as it was said at the start or by `status`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where that is.
    pub fn address(&self) -> SocketAddr {
        address(&self.endpoint)
    }

    /// A project directory by name; made when it is not there.
    pub fn project(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join("projects").join(name);
        std::fs::create_dir_all(&path).expect("a project directory can be made");
        path
    }

    /// The agents that run: Claude Code processes of this Iris.
    pub fn agents(&self) -> Vec<Process> {
        let claude = crate::require::claude().and_then(|path| path.canonicalize().ok());
        let mut running = processes::marked(self.dir.path());
        running.retain(|process| {
            Some(&process.exe) == claude.as_ref() && process.command.contains("stream-json")
        });
        running
    }

    /// The process id of Iris itself.
    pub fn pid(&self) -> u32 {
        match &self.runner {
            Runner::Serve(program) | Runner::Desktop(program) => program.pid(),
            Runner::Driven(_) => {
                self.desktop_process()
                    .expect("the driven desktop application runs")
                    .pid
            }
            Runner::Gone => panic!("this Iris does not run"),
        }
    }

    fn desktop_process(&self) -> Option<Process> {
        let exe = crate::require::built("iris-desktop");
        processes::marked(self.dir.path())
            .into_iter()
            .find(|process| process.exe == exe)
    }

    /// The WebDriver that started it.
    pub fn driver(&self) -> &WebDriver {
        match &self.runner {
            Runner::Driven(driver) => driver,
            Runner::Serve(_) | Runner::Desktop(_) | Runner::Gone => {
                panic!("this Iris was not started by a WebDriver")
            }
        }
    }

    /// What Iris wrote to stdout.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("logs/iris.out")).unwrap_or_default()
    }

    /// What Iris wrote to stderr.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("logs/iris.err")).unwrap_or_default()
    }

    /// Kills Iris without warning. What it started is left as it is.
    pub fn kill9(&mut self) {
        match std::mem::replace(&mut self.runner, Runner::Gone) {
            Runner::Serve(mut program) | Runner::Desktop(mut program) => program.kill(),
            Runner::Driven(_) => panic!("kill a driven application by its pid"),
            Runner::Gone => {}
        }
    }

    /// Starts `iris serve` again on the same home.
    pub async fn restart(&mut self) {
        drop(std::mem::replace(&mut self.runner, Runner::Gone));
        let (program, endpoint) = setup::serve(self.dir.path(), &self.env, &self.inside).await;
        self.runner = Runner::Serve(program);
        self.endpoint = endpoint;
    }

    /// Starts `iris serve` again on the same home, so that it dies where `dying` says; returns when
    /// it is ready, or has died.
    pub async fn restart_dying(&mut self, dying: &Dying) {
        drop(std::mem::replace(&mut self.runner, Runner::Gone));
        let mut env = self.env.clone();
        for (name, value) in dying.variables() {
            env.insert(name.into(), value.into());
        }
        let program = setup::begin(self.dir.path(), &env, &self.inside);
        self.runner = Runner::Serve(program);
        let endpoint = wait::eventually("Iris is ready or has died", async || {
            let said = self.stdout();
            let ready = said
                .lines()
                .find_map(|line| line.strip_prefix(setup::READY));
            match ready {
                Some(endpoint) => Some(Some(endpoint.trim().to_owned())),
                None => self.has_died().then_some(None),
            }
        })
        .await;
        if let Some(endpoint) = endpoint {
            self.endpoint = endpoint;
        }
    }

    /// Whether it ended by itself.
    pub fn has_died(&mut self) -> bool {
        match &mut self.runner {
            Runner::Serve(program) | Runner::Desktop(program) => program.ended().is_some(),
            Runner::Driven(_) => self.desktop_process().is_none(),
            Runner::Gone => true,
        }
    }

    /// Ends Iris as its user does, and checks that it ends well and leaves nothing running.
    pub fn stop(&mut self) {
        let wrong = self.stop_in_order();
        assert!(
            wrong.is_none(),
            "{}\n{}",
            wrong.unwrap_or_default(),
            self.stderr()
        );
    }

    /// Ends Iris as its user does, where its agents cannot be reached and stay.
    pub fn stop_alone(&mut self) {
        match std::mem::replace(&mut self.runner, Runner::Gone) {
            Runner::Serve(mut program) | Runner::Desktop(mut program) => {
                let status = program.terminate(STOP);
                let well = status.is_some_and(|status| status.success());
                assert!(well, "{status:?}\n{}", self.stderr());
            }
            Runner::Driven(_) => panic!("end a driven application by its pid"),
            Runner::Gone => {}
        }
    }

    fn stop_in_order(&mut self) -> Option<String> {
        let wrong = match std::mem::replace(&mut self.runner, Runner::Gone) {
            Runner::Serve(mut program) | Runner::Desktop(mut program) => {
                match program.terminate(STOP) {
                    Some(status) if status.success() => None,
                    Some(status) => Some(format!("Iris ended with {status}")),
                    None => Some(format!("Iris did not end within {STOP:?} of SIGTERM")),
                }
            }
            Runner::Driven(driver) => {
                if let Some(process) = self.desktop_process() {
                    process.signal(Signal::SIGTERM);
                }
                let ended = wait::blocking(STOP, || self.desktop_process().is_none());
                drop(driver);
                (!ended).then(|| format!("the desktop application runs on {STOP:?} after SIGTERM"))
            }
            Runner::Gone => return None,
        };
        // WebKit's own processes notice the end of the application a moment later.
        let webkit = |process: &Process| process.exe.to_string_lossy().contains("WebKit");
        let mut left = Vec::new();
        let ended = wait::blocking(WEBKIT, || {
            left = processes::marked(self.dir.path());
            !left.iter().any(webkit)
        });
        if ended && left.is_empty() {
            return wrong;
        }
        let left: Vec<_> = left
            .iter()
            .map(|p| format!("{} {}", p.pid, p.command))
            .collect();
        Some(format!(
            "{}\nleft behind: {left:#?}",
            wrong.unwrap_or_default()
        ))
    }
}

impl Drop for Iris {
    fn drop(&mut self) {
        let wrong = self.stop_in_order();
        for process in processes::marked(self.dir.path()) {
            process.signal(Signal::SIGKILL);
        }
        if std::thread::panicking() {
            eprintln!(
                "--- iris wrote ---\n{}{}\n---",
                self.stdout(),
                self.stderr()
            );
        } else {
            assert!(
                wrong.is_none(),
                "{}\n{}",
                wrong.unwrap_or_default(),
                self.stderr()
            );
        }
    }
}

/// Where `http://ADDRESS:PORT/mcp` is.
pub fn address(endpoint: &str) -> SocketAddr {
    let authority = endpoint
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/mcp"));
    authority
        .and_then(|authority| authority.parse().ok())
        .unwrap_or_else(|| panic!("{endpoint} is an endpoint"))
}
