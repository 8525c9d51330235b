//! The one place that knows the `ssh` program: the user's own OpenSSH, with their configuration,
//! known hosts, jump hosts, agents and hardware keys. Measured with OpenSSH 9.2.
//!
//! A [`Connection`] is a *master*: signed in once, with nothing on it. Everything else (tunnels,
//! sessions) goes over its control socket, needs no second sign-in, and fails when it is gone. An
//! OpenSSH without control sockets, as that of Windows, cannot be used so.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use iris_domain::target::Target;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{
    environment::Environment,
    process::{self, Environ, Processes, Program, is_program},
};

mod connection;
mod failure;
mod hosts;
mod options;
mod resolved;
mod run;

pub use connection::Connection;
pub use failure::{Failure, Reason};
pub use resolved::{LinkKey, Resolved};
pub use run::Ran;

use resolved::Settings;

/// The oldest that says of a server's question whose it is. With an older one a server could ask in
/// the words in which `ssh` asks for a key's passphrase, and would be given the stored one.
const OLDEST: Version = Version { major: 8, minor: 5 };
/// `ssh -V` and `ssh -G` ask nobody; only a `Match exec` of the user's own takes time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// Where it is when the `PATH` of a desktop session is odd.
const USUAL: &str = "/usr/bin/ssh";

/// A version of OpenSSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
}

impl Version {
    /// Of what `ssh -V` says, when it is new enough.
    ///
    /// # Errors
    /// [`Reason::TooOld`], with the version or what was said instead.
    pub fn of(said: &str) -> Result<Self, Failure> {
        let version = Self::parse(said).ok_or_else(|| {
            Failure::new(Reason::TooOld, said.trim().lines().next().unwrap_or(""))
        })?;
        if version < OLDEST {
            return Err(Failure::new(
                Reason::TooOld,
                &format!("this is OpenSSH {version}"),
            ));
        }
        Ok(version)
    }

    /// Of what `ssh -V` says: `OpenSSH_9.2p1 Debian-2, OpenSSL …`, `OpenSSH_for_Windows_8.6p1 …`.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("OpenSSH_")?;
        let rest = rest.strip_prefix("for_Windows_").unwrap_or(rest);
        let (major, rest) = rest.split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The ssh program in this environment; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ssh {
    env: Environment,
    processes: Processes,
    private: PathBuf,
    /// Once it is known to be new enough: nobody replaces it by an older one.
    checked: Arc<OnceCell<Version>>,
}

impl Ssh {
    /// Control sockets go into fresh directories below `private`. Keep it short: the path of a
    /// socket holds about 100 bytes.
    pub fn new(env: Environment, processes: Processes, private: PathBuf) -> Self {
        Self {
            env,
            processes,
            private,
            checked: Arc::default(),
        }
    }

    /// Its version, when it is new enough.
    ///
    /// # Errors
    /// [`Reason::NoSsh`] and [`Reason::TooOld`].
    pub async fn version(&self) -> Result<Version, Failure> {
        let ran = self.ask(&["-V".into()]).await?;
        let said = format!("{}\n{}", ran.stderr, ran.stdout);
        Version::of(&said)
    }

    /// Where a target leads once the user's configuration has been read, without connecting.
    ///
    /// # Errors
    /// When `ssh` is missing or does not take the options or the configuration.
    pub async fn resolve(&self, target: &Target) -> Result<Resolved, Failure> {
        self.settings(target).await?.resolved()
    }

    /// The names of hosts in the user's `~/.ssh/config`, to be suggested.
    pub async fn hosts(&self) -> Vec<String> {
        // `ssh` itself goes by the home of the password file, which is the same for all but tests.
        let Some(home) = self.env.home_dir() else {
            return Vec::new();
        };
        let reading = tokio::task::spawn_blocking(move || hosts::names(&home));
        reading.await.unwrap_or_else(|error| {
            tracing::error!(%error, "no hosts are suggested");
            Vec::new()
        })
    }

    /// Signs in, and keeps the connection with nothing on it. `askpass` is the environment of
    /// this attempt's questions; while a human thinks it takes as long as they do, so the caller
    /// bounds it. Dropping the future ends the attempt.
    ///
    /// # Errors
    /// Why it did not work, as `ssh` says it; [`Reason::TooOld`] before it was asked to connect.
    pub async fn connect(
        &self,
        target: &Target,
        askpass: &[(OsString, OsString)],
    ) -> Result<Connection, Failure> {
        self.checked.get_or_try_init(|| self.version()).await?;
        let settings = self.settings(target).await?;
        Connection::open(self, target, &settings, askpass).await
    }

    /// Ends the masters that an Iris which is no more left in `private` (nothing else ends them:
    /// they read no stdin), and removes what they leave there. Call before the first connection.
    pub async fn end_left_behind(&self) {
        connection::end_left_behind(self).await;
    }

    /// What `ssh -G` says.
    async fn settings(&self, target: &Target) -> Result<Settings, Failure> {
        let mut args = vec!["-G".into()];
        args.extend(target.words().iter().map(OsString::from));
        let ran = self.ask(&args).await?;
        if ran.status != Some(0) {
            // It connects to nothing, so whatever it does not like was written by a human.
            return Err(Failure {
                reason: Reason::BadConfig,
                ..Failure::of(&ran.stderr)
            });
        }
        Ok(Settings::parse(&ran.stdout))
    }

    /// The words with which a person signs in to run a command in their own terminal, with a
    /// connection of its own: it lasts for as long as they want, and asks them what ssh asks.
    ///
    /// # Errors
    /// There is no `ssh`.
    pub fn in_a_terminal(&self, target: &Target, command: String) -> Result<Vec<String>, Failure> {
        let mut words = vec![self.find()?.display().to_string(), "-t".to_owned()];
        for option in ["ClearAllForwardings=yes", "RemoteCommand=none"] {
            words.extend(["-o".to_owned(), option.to_owned()]);
        }
        words.extend_from_slice(target.words());
        words.push(command);
        Ok(words)
    }

    /// Runs it where it asks nothing.
    async fn ask(&self, args: &[OsString]) -> Result<Ran, Failure> {
        let program = self.program(args.to_vec(), &[])?;
        run::to_the_end(&self.processes, program, &[], ANSWERS_WITHIN).await
    }

    /// The program with these arguments.
    fn program(
        &self,
        args: Vec<OsString>,
        askpass: &[(OsString, OsString)],
    ) -> Result<Program, Failure> {
        Ok(self.program_at(self.find()?, args, askpass))
    }

    /// In Iris's own environment: `ssh` needs its HOME, agent socket, display and bus for agents
    /// and hardware keys.
    fn program_at(
        &self,
        path: PathBuf,
        args: Vec<OsString>,
        askpass: &[(OsString, OsString)],
    ) -> Program {
        let mark = Uuid::new_v4().to_string();
        let mut env: BTreeMap<OsString, OsString> = self
            .env
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // The texts that `failure` knows are the untranslated ones.
        env.insert("LC_ALL".into(), "C".into());
        // Questions never go to a terminal from which Iris may have been started; without a
        // program to ask them, each is refused.
        env.insert("SSH_ASKPASS_REQUIRE".into(), "force".into());
        env.insert("SSH_ASKPASS".into(), "false".into());
        env.extend(askpass.iter().cloned());
        env.insert(MARK.into(), mark.clone().into());
        Program {
            path,
            args,
            dir: self.dir(),
            env: Environ(env),
            mark: format!("{MARK}={mark}"),
        }
    }

    /// The first of that name on the `PATH`, else the system's.
    fn find(&self) -> Result<PathBuf, Failure> {
        process::find(self.env.get("PATH"), "ssh")
            .or_else(|| Some(PathBuf::from(USUAL)).filter(|usual| is_program(usual)))
            .ok_or_else(|| Failure::new(Reason::NoSsh, "there is no program `ssh`"))
    }

    /// Relative paths in options start at home, as in the user's configuration.
    fn dir(&self) -> PathBuf {
        self.env
            .home_dir()
            .filter(|home| home.is_dir())
            .unwrap_or_else(|| Path::new("/").to_owned())
    }
}

/// By this variable what an `ssh` leaves behind is known.
const MARK: &str = "IRIS_SSH";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tokio_util::task::TaskTracker;

    use super::*;

    #[test]
    fn a_version_is_read_of_what_ssh_says() {
        for (text, want) in [
            (
                "OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19",
                Some((9, 2)),
            ),
            ("OpenSSH_10.0p2, LibreSSL 3.3.6", Some((10, 0))),
            ("OpenSSH_for_Windows_8.6p1, LibreSSL 3.4.3", Some((8, 6))),
            ("noise\nOpenSSH_8.3p1", Some((8, 3))),
            ("Sun_SSH_1.1", None),
            ("", None),
        ] {
            let want = want.map(|(major, minor)| Version { major, minor });
            assert_eq!(Version::parse(text), want, "{text}");
        }
        assert!(
            Version {
                major: 10,
                minor: 0
            } > OLDEST
                && Version { major: 8, minor: 4 } < OLDEST
        );
    }

    #[tokio::test]
    async fn one_that_is_too_old_is_not_asked_to_connect() {
        let dir = tempfile::tempdir().unwrap();
        let (program, ran) = (dir.path().join("ssh"), dir.path().join("ran"));
        let script = format!(
            "#!/bin/sh\necho \"$1\" >>'{}'\ncase $1 in -V) echo OpenSSH_8.4p1 >&2 ;; esac\n",
            ran.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let env = [("PATH".into(), dir.path().into())].into_iter().collect();
        let tasks = TaskTracker::new();
        let ssh = Ssh::new(env, Processes::new(&tasks), dir.path().join("s"));
        let target = Target::of("me@far", None).unwrap();
        let failure = ssh.connect(&target, &[]).await.unwrap_err();
        assert_eq!(failure.reason, Reason::TooOld);
        let problem = failure.problem("far");
        assert!(problem.message.contains("OpenSSH 8.4"), "{problem:?}");
        assert!(problem.hint.contains("8.5 or newer"), "{problem:?}");
        assert_eq!(std::fs::read_to_string(&ran).unwrap(), "-V\n");
    }
}
