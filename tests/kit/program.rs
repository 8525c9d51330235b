//! A background program of a test: its output goes to a file, and it ends with its owner.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{processes::signal_pid, wait};

/// How long a program may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running program. Dropping it ends it.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Program {
    /// Starts it with exactly this environment. Its output goes to `NAME.out` and `NAME.err` in
    /// `logs`. `input` is all that it reads.
    pub fn start<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        name: &str,
        command: &mut Command,
        env: impl IntoIterator<Item = (K, V)>,
        logs: &Path,
        input: Option<&str>,
    ) -> Self {
        let stdout = logs.join(format!("{name}.out"));
        let stderr = logs.join(format!("{name}.err"));
        let create = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .expect("a log can be written")
        };
        let stdin = if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut child = command
            .env_clear()
            .envs(env)
            .stdin(stdin)
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("it reads its input");
        }
        Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it wrote to stdout.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// All that it wrote to stderr.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Its exit status, when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until the first whole line that starts so stands on its stdout; the rest of that line.
    pub async fn line(&mut self, start: &str) -> String {
        let what = format!("`{start}…` on the stdout of {}", self.name);
        wait::eventually(&what, async || {
            let found = first_line(&self.stdout(), start);
            if found.is_none()
                && let Some(status) = self.ended()
            {
                panic!(
                    "{} ended with {status}:\n{}{}",
                    self.name,
                    self.stdout(),
                    self.stderr()
                );
            }
            found
        })
        .await
    }

    /// Kills it without warning and waits until it is gone.
    pub fn kill(&mut self) {
        signal_pid(self.pid(), Signal::SIGKILL);
        self.child.wait().expect("a killed child ends");
    }

    /// Asks it to end; `None` when it did not within `patience`.
    pub fn terminate(&mut self, patience: Duration) -> Option<ExitStatus> {
        if self.ended().is_none() {
            signal_pid(self.pid(), Signal::SIGTERM);
        }
        let mut status = None;
        let ended = wait::blocking(patience, || {
            status = self.ended();
            status.is_some()
        });
        if ended { status } else { None }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.terminate(GRACE).is_none() {
            self.kill();
        }
    }
}

fn first_line(text: &str, start: &str) -> Option<String> {
    let whole = &text[..text.rfind('\n')? + 1];
    whole
        .lines()
        .find_map(|line| line.strip_prefix(start))
        .map(|rest| rest.trim().to_owned())
}
