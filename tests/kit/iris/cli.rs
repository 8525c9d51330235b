//! The `iris` command, as a program.

use std::{fmt, path::Path, process::Stdio};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::timeout,
};

use super::{Iris, setup::Variables};
use crate::{require, wait::PATIENCE};

/// What a command said, and how it ended.
#[derive(Debug, Clone)]
#[must_use = "read what it said, or assert how it ended"]
pub struct Cli {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    command: String,
}

impl Cli {
    /// It succeeded; its stdout.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self}");
        self.stdout
    }

    /// Its stdout as JSON, however it ended.
    pub fn json(self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {self}"))
    }

    /// It failed, and said what and what to do: its stderr.
    pub fn refused(self) -> String {
        assert_ne!(self.code, 0, "this should not have worked: {self}");
        assert!(!self.stderr.trim().is_empty(), "a failure says why: {self}");
        self.stderr
    }
}

impl fmt::Display for Cli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
            command,
        } = self;
        write!(
            f,
            "`{command}` ended with {code}\nstdout: {stdout}\nstderr: {stderr}"
        )
    }
}

/// Runs `iris ARGS`; it ends when the caller stops waiting.
pub(super) async fn run(env: &Variables, args: &[&str]) -> Cli {
    run_with(env, args, "").await
}

/// Runs the real Claude Code as the user of that environment does.
async fn run_claude(env: &Variables, dir: &Path, args: &[&str]) -> Cli {
    let claude = require::claude().expect("the test requires it");
    let mut command = Command::new(claude);
    command.args(args).current_dir(dir);
    ended(command, env, format!("claude {}", args.join(" ")), "").await
}

/// [`run`], with something on its standard input.
async fn run_with(env: &Variables, args: &[&str], input: &str) -> Cli {
    let mut command = Command::new(require::built("iris"));
    command.args(args);
    ended(command, env, format!("iris {}", args.join(" ")), input).await
}

async fn ended(mut program: Command, env: &Variables, command: String, input: &str) -> Cli {
    let output = async {
        let mut child = program
            .env_clear()
            .envs(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that wants no input may have ended already.
            let _unread = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = timeout(PATIENCE * 2, output)
        .await
        .unwrap_or_else(|_| panic!("`{command}` does not end"))
        .unwrap_or_else(|e| panic!("`{command}` does not start: {e}"));
    Cli {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        command,
    }
}

impl Iris {
    /// Runs `iris ARGS` against this Iris.
    pub async fn cli(&self, args: &[&str]) -> Cli {
        run(&self.env, args).await
    }

    /// Runs Claude Code as the user's own, in that directory.
    pub async fn claude(&self, dir: &Path, args: &[&str]) -> Cli {
        run_claude(&self.env, dir, args).await
    }

    /// The same as [`Self::cli`], with something on its standard input.
    pub async fn cli_with(&self, args: &[&str], input: &str) -> Cli {
        run_with(&self.env, args, input).await
    }

    /// Starts `iris ARGS` against this Iris, to be read while it runs; it ends with what is returned.
    ///
    /// # Panics
    /// When it does not start.
    pub fn cli_running(&self, args: &[&str]) -> Child {
        Command::new(require::built("iris"))
            .args(args)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("iris starts")
    }

    /// The environment of a command of this Iris, for a program that a test starts itself.
    pub(crate) fn variables(&self) -> &Variables {
        &self.env
    }
}
