//! Where Iris keeps its files: everything lies in `$IRIS_HOME`.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// `$IRIS_HOME`, `~/.iris` by default: a directory that only the user can enter.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
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

    /// Logs, one file a day.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Sockets and the lock of the running Iris.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }
}
