//! From nothing to a running Iris.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Iris, Runner, cli};
use crate::{
    desktop::{Desktop, WebDriver},
    eventually,
    model::FakeModel,
    network::{Inside, Network},
    program::Program,
    require,
    sshd::{SshUser, free_port},
};

/// The key that the agents sign in with, and a secret that must appear nowhere.
pub const API_KEY: &str = "sk-ant-fake-6f1d2c9b7a";

/// The login name of whoever runs the tests, as the audit log records it.
pub fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid());
    user.ok()
        .flatten()
        .map_or_else(|| "unknown".into(), |user| user.name)
}

/// An environment.
pub(super) type Variables = BTreeMap<OsString, OsString>;

/// A home that was prepared but where no Iris runs yet.
#[derive(Debug)]
pub struct Setup {
    model: FakeModel,
    env: Variables,
    inside: Inside,
    dir: TempDir,
}

/// A space and letters outside ASCII: they must not matter anywhere.
pub(super) fn home(dir: &Path) -> PathBuf {
    dir.join("Iris hörme")
}

impl Setup {
    /// A directory, a fake model, and a clean environment. `claude` on the PATH is the real one,
    /// where there is one.
    pub(super) async fn new() -> Self {
        let model = FakeModel::start().await;
        let dir = tempfile::Builder::new()
            .prefix("iris-test-")
            .tempdir()
            .expect("a directory");
        let root = dir.path();
        for name in ["home", "bin", "tmp", "logs", "projects"] {
            fs::create_dir(root.join(name)).expect("a directory can be made");
        }
        if let Some(claude) = require::claude() {
            symlink(claude, root.join("bin/claude")).expect("a link can be made");
        }
        let mut path = root.join("bin").into_os_string();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        let mut env = Variables::new();
        let mut set = |name: &str, value: OsString| env.insert(name.into(), value);
        set("PATH", path);
        set("HOME", root.join("home").into());
        set("TMPDIR", root.join("tmp").into());
        set("IRIS_HOME", home(root).into());
        for (name, value) in [
            ("USER", user().as_str()),
            ("LOGNAME", &user()),
            ("SHELL", "/bin/bash"),
            ("LANG", "C.UTF-8"),
            ("ANTHROPIC_API_KEY", API_KEY),
            ("ANTHROPIC_BASE_URL", &model.url()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("DISABLE_TELEMETRY", "1"),
            ("DISABLE_ERROR_REPORTING", "1"),
            // Without an address, programs look for the bus of whoever runs the tests.
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus"),
        ] {
            set(name, value.into());
        }
        Self {
            model,
            env,
            inside: Inside::default(),
            dir,
        }
    }

    /// `$IRIS_HOME`.
    pub fn home(&self) -> PathBuf {
        home(self.dir.path())
    }

    /// Everything of this Iris lies below this directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What its agents talk to.
    pub fn model(&self) -> &FakeModel {
        &self.model
    }

    /// With this user's `ssh`: their keys, their config, the hosts that they know.
    #[must_use = "it is prepared, not started"]
    pub fn ssh(mut self, user: &SshUser) -> Self {
        let mut path = user.bin().into_os_string();
        path.push(":");
        path.push(&self.env[OsStr::new("PATH")]);
        self.env.insert("PATH".into(), path);
        self
    }

    /// On the near computer of that network; the model is on the far one, where the agents are.
    pub async fn across(mut self, network: &Network) -> Self {
        self.inside = network.near();
        self.model = FakeModel::start_inside(&network.far()).await;
        self
    }

    /// Sets or replaces a variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Writes a setting into the config that Iris will find.
    pub fn setting(self, name: &str, value: impl Into<Value>) -> Self {
        let mut config = self.read_config();
        config.entry("settings").or_insert_with(|| json!({}))[name] = value.into();
        self.write_config(&config)
    }

    /// Writes a team into the config that Iris will find; its project directory is made.
    pub fn team(self, name: &str, mut fields: Value) -> Self {
        let project = self.dir.path().join("projects").join(name);
        fs::create_dir_all(&project).expect("a project directory can be made");
        fields["path"] = json!(project);
        let mut config = self.read_config();
        config.entry("teams").or_insert_with(|| json!({}))[name] = fields;
        self.write_config(&config)
    }

    /// Writes a file into `$IRIS_HOME`.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::create_dir_all(self.home()).expect("the home can be made");
        fs::write(self.home().join(name), content).expect("a file can be written");
        self
    }

    fn read_config(&self) -> Map<String, Value> {
        fs::read(self.home().join("config.json"))
            .map(|text| serde_json::from_slice(&text).expect("the kit wrote it"))
            .unwrap_or_default()
    }

    fn write_config(self, config: &Map<String, Value>) -> Self {
        let text = serde_json::to_string_pretty(config).expect("JSON prints");
        self.file("config.json", text + "\n")
    }

    /// Starts `iris serve` and returns when it is ready.
    pub async fn serve(self) -> Iris {
        let (program, endpoint) = serve(self.dir.path(), &self.env, &self.inside).await;
        self.running(Runner::Serve(program), endpoint)
    }

    /// Starts `iris serve` with these arguments where it should refuse: how it ended, and its
    /// stderr.
    pub async fn refused(&self, args: &[&str]) -> (ExitStatus, String) {
        let mut command = Command::new(require::built("iris"));
        command.arg("serve").args(args);
        let logs = self.dir.path().join("tmp");
        let mut program = Program::start("refused", &mut command, &self.env, &logs, None);
        let status = eventually("iris serve refuses to start", async || program.ended()).await;
        (status, program.stderr())
    }

    /// The environment of a command on this home, for a program that a test starts itself.
    pub(super) fn variables(&self) -> &Variables {
        &self.env
    }

    /// Runs a command of `iris` on this home.
    pub async fn cli(&self, args: &[&str]) -> cli::Cli {
        cli::run(&self.env, args).await
    }

    /// Starts the desktop application on that desktop; returns when it answers its command line.
    pub async fn desktop(self, desktop: &Desktop) -> Iris {
        let setup = self.on(desktop);
        let mut command = Command::new(require::built("iris-desktop"));
        let logs = setup.dir.path().join("logs");
        let program = Program::start("iris", &mut command, &setup.env, &logs, None);
        setup.answering(Runner::Desktop(program)).await
    }

    /// Starts the desktop application through a WebDriver, which takes hold of the first window
    /// that opens.
    pub async fn driven(self, desktop: &Desktop) -> Iris {
        let setup = self.on(desktop);
        let app = require::built("iris-desktop");
        let driver = WebDriver::start(&app, &setup.env, &setup.dir.path().join("logs")).await;
        setup.answering(Runner::Driven(driver)).await
    }

    /// A second start of the desktop application on the home of a running one: how it ended.
    pub async fn second(iris: &Iris, desktop: &Desktop) -> ExitStatus {
        let mut command = Command::new(require::built("iris-desktop"));
        let logs = iris.dir.path().join("logs");
        let mut env = iris.env.clone();
        env.extend(desktop.env());
        let mut program = Program::start("second", &mut command, &env, &logs, None);
        eventually("the second start ends", async || program.ended()).await
    }

    /// On that desktop: its bus, its keyring, its screen.
    #[must_use = "it is prepared, not started"]
    pub fn on(mut self, desktop: &Desktop) -> Self {
        self.env.extend(desktop.env());
        // Two desktops may be tested at once; the config has no word for "any port".
        let port = free_port();
        self.env("IRIS_HTTP_PORT", port.to_string())
    }

    async fn answering(self, runner: Runner) -> Iris {
        let mut iris = self.running(runner, String::new());
        let status = eventually(
            "the desktop application answers `iris status`",
            async || {
                let status = iris.cli(&["status", "--json"]).await;
                if let Runner::Desktop(program) = &mut iris.runner
                    && let Some(ended) = program.ended()
                {
                    panic!("iris-desktop ended with {ended}");
                }
                (status.code == 0).then(|| status.json())
            },
        )
        .await;
        iris.endpoint = status["endpoint"]
            .as_str()
            .expect("status names the endpoint")
            .to_owned();
        iris
    }

    fn running(self, runner: Runner, endpoint: String) -> Iris {
        Iris {
            runner,
            env: self.env,
            inside: self.inside,
            endpoint,
            model: self.model,
            dir: self.dir,
        }
    }
}

/// Starts `iris serve` on any port and waits until it is ready; its endpoint.
pub(super) async fn serve(dir: &Path, env: &Variables, inside: &Inside) -> (Program, String) {
    let mut program = begin(dir, env, inside);
    let endpoint = program.line(READY).await;
    (program, endpoint)
}

/// What `iris serve` says when it is ready, before its endpoint.
pub(super) const READY: &str = "ready ";

/// Starts `iris serve` on any port. Signals for a file that grew too large are ignored, so that a
/// test can fill the disk (`prlimit --fsize`) and see an error where a full disk would give one.
pub(super) fn begin(dir: &Path, env: &Variables, inside: &Inside) -> Program {
    let mut command = inside.command("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" serve --port 0"])
        .arg(require::built("iris"));
    let logs = dir.join("logs");
    // What an earlier run said must not be taken for this one's.
    for old in ["iris.out", "iris.err"] {
        let path = logs.join(old);
        if path.exists() {
            fs::rename(&path, logs.join(format!("{old}.before"))).expect("a log can be moved");
        }
    }
    Program::start("iris", &mut command, env, &logs, None)
}
