//! A user account on a host, and the commands that sshd runs there.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
    process::Stdio,
};

use iris_domain::{Problem, config::Team, ids::SessionId};
use iris_engine::{
    claude,
    remote::{self, Launch, Nonce, Run, Said},
    secrets::Secret,
};
use iris_tests::{eventually, processes};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// What no process may show.
pub const TOKEN: &str = "iris-token-that-nobody-sees";

/// A user account on a host.
pub struct Account {
    dir: tempfile::TempDir,
}

/// A command that sshd runs. `sshd` is its parent.
pub struct Session {
    pub sshd: Child,
    pub stdin: Option<ChildStdin>,
    /// Of an agent.
    pub run: Option<Run>,
    lines: Lines<BufReader<ChildStdout>>,
    nonce: Nonce,
}

pub fn team(path: &str) -> Team {
    let mut team = Team::at(path);
    team.remote = Some("me@far".into());
    team.claude_path = Some("~/fake-claude".into());
    team
}

pub fn session(n: u128) -> SessionId {
    SessionId(uuid::Uuid::from_u128(n))
}

impl Account {
    pub fn new() -> Self {
        let account = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(account.home().join("project")).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_fake-claude"),
            account.home().join("fake-claude"),
        )
        .unwrap();
        account
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The Iris that uses it. Every test has another: a sweep looks at all processes of the user.
    pub fn instance(&self) -> String {
        let name = self.dir.path().file_name().unwrap();
        format!("t{}", name.to_str().unwrap().trim_start_matches('.'))
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Runs a program there.
    pub async fn run(&self, shell: &str, line: &str, nonce: Nonce) -> Session {
        let mut sshd = Command::new("/bin/sh")
            .args([
                "-c",
                "setsid \"$@\"; exit $?",
                "sshd",
                shell,
                "-c",
                remote::COMMAND,
            ])
            .env_clear()
            .envs([
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("USER", "me"),
                ("LOGNAME", "me"),
                ("SSH_CLIENT", "127.0.0.1 1 22"),
                ("SSH_CONNECTION", "127.0.0.1 1 127.0.0.1 22"),
                ("SSH_AUTH_SOCK", "/run/agent"),
                ("DISPLAY", ":9"),
                ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/bus"),
                ("LC_ALL", "C"),
                ("CLAUDE_CODE_SESSION_ID", "another"),
                ("CLAUDE_CODE_MAX_RETRIES", "3"),
                ("https_proxy", "http://proxy"),
            ])
            .env("HOME", self.home())
            .env("SHELL", shell)
            .current_dir(self.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = sshd.stdin.take().unwrap();
        // A shell that ends at once does not take it; whoever needs it started sees that it is not.
        stdin.write_all(format!("{line}\n").as_bytes()).await.ok();
        Session {
            lines: BufReader::new(sshd.stdout.take().unwrap()).lines(),
            stdin: Some(stdin),
            run: None,
            sshd,
            nonce,
        }
    }

    pub async fn launch(&self, shell: &str, team: &Team, id: SessionId) -> Session {
        let args = args(id);
        let instance = self.instance();
        self.launch_with(shell, team, id, &args, &instance).await
    }

    pub async fn launch_with(
        &self,
        shell: &str,
        team: &Team,
        id: SessionId,
        args: &[OsString],
        instance: &str,
    ) -> Session {
        let (nonce, run) = (Nonce::random(), Run::of(id));
        let env: BTreeMap<_, _> = team
            .env
            .iter()
            .map(|(name, value)| (name.clone(), Secret::new(value.clone())))
            .collect();
        let launch = Launch {
            team,
            run,
            args,
            token: Some(&Secret::new(TOKEN.into())),
            ca_pem: Some("-----BEGIN\nIRIS\n-----END"),
            env: &env,
            instance,
            nonce: &nonce,
        };
        let line = launch.first_line().unwrap();
        let mut session = self.run(shell, &line, nonce).await;
        session.run = Some(run);
        session
    }

    pub async fn sweep(&self, live: &[SessionId]) -> Said {
        let nonce = Nonce::random();
        let line = remote::sweep(&nonce, &self.instance(), "link", live);
        self.said(&line, nonce).await
    }

    /// What a program says that ends by itself.
    pub async fn said(&self, line: &str, nonce: Nonce) -> Said {
        let mut session = self.run("/bin/sh", line, nonce).await;
        let said = session.said().await.unwrap();
        session.ends().await;
        said
    }

    /// What runs there: the account's own, however it was started.
    pub fn running(&self) -> Vec<processes::Process> {
        processes::marked(self.dir.path())
    }

    /// Waits until nothing runs there and nothing is left on disk.
    pub async fn clean(&self) {
        eventually("nothing of the run is left", async || {
            let clean = self.running().is_empty() && !self.home().join(".iris-agent").exists();
            clean.then_some(())
        })
        .await;
    }

    pub async fn problem(&self, team: &Team) -> Problem {
        let mut session = self.launch("/bin/bash", team, session(1)).await;
        let Some(Said::Failed(why)) = session.said().await else {
            panic!("it did not fail")
        };
        assert_eq!(session.ends().await, Some(1));
        self.clean().await;
        why.problem(team)
    }
}

pub fn args(id: SessionId) -> Vec<OsString> {
    vec![
        format!("--session-id={id}").into(),
        "two words '\"\\\nü".into(),
    ]
}

impl Session {
    /// What it says to Iris next; `None`: it ended.
    pub async fn said(&mut self) -> Option<Said> {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if let Some(said) = remote::read(&self.nonce, &line) {
                return Some(said);
            }
        }
        None
    }

    /// The connection breaks: nobody hears what it says any more, and its input ends.
    pub async fn breaks(mut self) {
        drop(self.lines);
        drop(self.stdin.take());
        let limit = iris_tests::wait::PATIENCE;
        let ended = tokio::time::timeout(limit, self.sshd.wait()).await;
        ended.unwrap().unwrap();
    }

    pub async fn started(&mut self) -> u32 {
        match self.said().await {
            Some(Said::Started { pgid, .. }) => pgid,
            other => panic!("not started: {other:?}"),
        }
    }

    /// Gives the agent a message and returns its answer.
    pub async fn answer(&mut self, text: &str) -> String {
        let id = uuid::Uuid::new_v4();
        let line = claude::user_message(id, text) + "\n";
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).await.unwrap();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            let Ok(event) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            if event["type"] == "result" {
                return event["result"].as_str().unwrap().to_owned();
            }
        }
        panic!("no answer to {text}")
    }

    /// Ends its input and waits; its exit code.
    pub async fn ends(&mut self) -> Option<i32> {
        self.stdin = None;
        let mut rest = Vec::new();
        let ended = async {
            self.lines.get_mut().read_to_end(&mut rest).await.unwrap();
            self.sshd.wait().await.unwrap()
        };
        let limit = iris_tests::wait::PATIENCE;
        tokio::time::timeout(limit, ended).await.unwrap().code()
    }
}
