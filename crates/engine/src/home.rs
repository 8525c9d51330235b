//! Where Iris keeps its files: everything lies in `$IRIS_HOME`, and one Iris at a time uses it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use iris_domain::{Problem, problem::Code};

use crate::environment::Environment;

/// Only the user may enter.
const DIR_MODE: u32 = 0o700;
/// Only the user may read.
const FILE_MODE: u32 = 0o600;
/// What group and others have.
const SHARED_BITS: u32 = 0o077;

/// SQLite's names are at most 512 bytes; room for `/iris.db.corrupt-…` and what it puts beside it.
const ROOT_MAX: usize = 450;

/// `$IRIS_HOME`, `~/.iris` by default: a directory that only the user can enter.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

/// Why the home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Another Iris holds the lock.
    #[error("Iris is already running{} on {}", pid_words(*.pid), .root.display())]
    Running {
        /// Its process id, when it could be read.
        pid: Option<u32>,
        /// The home.
        root: PathBuf,
    },
    /// It is another user's directory.
    #[error("{} belongs to another user (uid {uid})", .path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// A file stands where a directory must be.
    #[error("{} is not a directory", .path.display())]
    NotDirectory {
        /// The path.
        path: PathBuf,
    },
    /// SQLite could not name its files there.
    #[error("the path of IRIS_HOME has {bytes} bytes; {ROOT_MAX} is the most")]
    TooLong {
        /// The length of the path.
        bytes: usize,
    },
    /// The file system said no.
    #[error("cannot {doing} {}: {error}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

fn pid_words(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

impl From<HomeError> for Problem {
    fn from(error: HomeError) -> Self {
        let message = error.to_string();
        let (code, hint) = match error {
            HomeError::Running { .. } => (
                Code::Conflict,
                "Use the running one (`iris status`), end it first, or give this one another IRIS_HOME.",
            ),
            HomeError::Owner { .. } => (
                Code::Forbidden,
                "Give IRIS_HOME a directory of your own, for example ~/.iris.",
            ),
            HomeError::NotDirectory { .. } => (
                Code::Storage,
                "Move that file away, or give IRIS_HOME another directory.",
            ),
            HomeError::TooLong { .. } => (
                Code::InvalidInput,
                "Give IRIS_HOME a shorter path, for example ~/.iris.",
            ),
            HomeError::Io { .. } => (
                Code::Storage,
                "Check that the directory is yours, writable and not on a full disk, or set IRIS_HOME to another one.",
            ),
        };
        Problem::new(code, message, hint)
    }
}

/// Held while an Iris runs on this home. The kernel releases it when the process ends, however it
/// ends.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

impl Home {
    /// The home that the environment names.
    pub fn of(env: &Environment) -> Option<Self> {
        let root = match env.get("IRIS_HOME").filter(|s| !s.is_empty()) {
            Some(root) => std::path::absolute(root).ok()?,
            None => env.home_dir()?.join(".iris"),
        };
        Some(Self { root })
    }

    /// This home.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.json`.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.json")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("iris.db")
    }

    /// What finds rows of the audit log; made anew when it is not there.
    pub fn audit_index(&self) -> PathBuf {
        self.root.join("audit-index.db")
    }

    /// What happened in each session.
    pub fn transcripts(&self) -> PathBuf {
        self.root.join("transcripts.db")
    }

    /// What is frozen; not there while nothing is.
    pub fn frozen(&self) -> PathBuf {
        self.root.join("frozen.json")
    }

    /// The user's own templates for agents; there need not be any.
    pub fn templates(&self) -> PathBuf {
        self.root.join("templates")
    }

    /// Logs, one file a day.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The key and the certificate of this Iris's own certificate authority.
    pub fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// Sockets and the lock of the running Iris.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Control sockets of the links' `ssh`; short, because a socket's path has to be.
    pub fn ssh(&self) -> PathBuf {
        self.run().join("s")
    }

    /// Makes the directories that only the user can enter. Says what it had to tighten, for the log
    /// (which lies inside and is opened later).
    ///
    /// # Errors
    /// Refuses a home that is another user's or is not a directory.
    pub fn prepare(&self) -> Result<Vec<String>, HomeError> {
        let bytes = self.root.as_os_str().len();
        if bytes > ROOT_MAX {
            return Err(HomeError::TooLong { bytes });
        }
        let mut tightened = Vec::new();
        for dir in [self.root.clone(), self.run(), self.logs()] {
            tightened.extend(private_dir(&dir)?);
        }
        Ok(tightened)
    }

    /// Prepares the home and takes its lock.
    ///
    /// # Errors
    /// [`HomeError::Running`] while another Iris holds it.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        for line in self.prepare()? {
            tracing::warn!("{line}");
        }
        let path = self.run().join("lock");
        let io = |doing| {
            let path = path.clone();
            move |error| HomeError::Io { doing, path, error }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The pid is a courtesy: without it the message is still true.
                let pid = match file.read_to_string(&mut text) {
                    Ok(_) => text.trim().parse().ok(),
                    Err(_) => None,
                };
                return Err(HomeError::Running {
                    pid,
                    root: self.root.clone(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io("lock")(error)),
        }
        file.set_len(0).map_err(io("write"))?;
        file.rewind().map_err(io("write"))?;
        writeln!(file, "{}", std::process::id()).map_err(io("write"))?;
        Ok(HomeLock { _file: file })
    }
}

/// Makes sure that the directory exists, is the user's, and that only they can enter it.
pub(crate) fn private_dir(path: &Path) -> Result<Option<String>, HomeError> {
    let io = |doing| {
        move |error| HomeError::Io {
            doing,
            path: path.to_owned(),
            error,
        }
    };
    match fs::DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(path)
    {
        Ok(()) => {}
        // Something else than a directory is there: said better below.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io("create")(error)),
    }
    let meta = fs::metadata(path).map_err(io("look at"))?;
    if !meta.is_dir() {
        return Err(HomeError::NotDirectory {
            path: path.to_owned(),
        });
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(HomeError::Owner {
            path: path.to_owned(),
            uid: meta.uid(),
        });
    }
    let mode = meta.mode() & 0o7777;
    if mode & SHARED_BITS == 0 {
        return Ok(None);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(DIR_MODE)).map_err(io("tighten"))?;
    Ok(Some(format!(
        "{} could be entered by other users (mode {mode:o}); it is now yours alone",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn directories_are_private_whatever_their_names() {
        let tmp = tempfile::tempdir().unwrap();
        for name in ["plain", "with space", "ünï-ços-日本", &"long".repeat(50)] {
            let home = Home::at(tmp.path().join(name));
            assert_eq!(
                home.prepare().unwrap(),
                Vec::<String>::new(),
                "{name}: nothing to tighten"
            );
            for dir in [home.root(), &home.run(), &home.logs()] {
                assert_eq!(mode(dir), 0o700, "{}", dir.display());
            }
        }
    }

    #[test]
    fn a_home_that_is_too_long_for_its_database_says_so() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::at(tmp.path().join("long/".repeat(ROOT_MAX)));
        assert!(matches!(home.prepare(), Err(HomeError::TooLong { .. })));
    }

    #[test]
    fn an_open_home_is_tightened_and_said_once() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::at(tmp.path());
        fs::set_permissions(tmp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(home.prepare().unwrap().len(), 1, "the root was open");
        assert_eq!(mode(tmp.path()), 0o700);
        assert!(home.prepare().unwrap().is_empty(), "and is not any more");
    }

    #[test]
    fn a_file_is_not_a_home() {
        let tmp = tempfile::NamedTempFile::new().unwrap();
        let problem = Problem::from(Home::at(tmp.path()).prepare().unwrap_err());
        assert_eq!(problem.code, Code::Storage);
        assert!(
            problem.message.contains("is not a directory"),
            "{}",
            problem.message
        );
    }

    #[test]
    fn the_second_is_told_who_holds_it_and_the_lock_ends_with_its_holder() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::at(tmp.path());
        let held = home.lock().unwrap();
        let problem = Problem::from(home.lock().unwrap_err());
        assert_eq!(problem.code, Code::Conflict);
        assert!(
            problem
                .message
                .contains(&format!("already running (pid {})", std::process::id())),
            "{}",
            problem.message
        );
        drop(held);
        home.lock().expect("the lock is free again");
    }
}
