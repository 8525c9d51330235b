//! `$IRIS_HOME/config.json` on disk: read, watched, and edited without losing comments.

use std::sync::Arc;

use iris_domain::{
    Problem,
    config::{Config, GrantPermission},
    ids::TeamName,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{environment::Environment, home::Home, store::Store};

/// A change that a surface makes. `None`: left as it is; an empty text removes an optional field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TeamEdit {
    /// New name.
    pub name: Option<TeamName>,
    /// Project directory.
    pub path: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// `#rrggbb`.
    pub color: Option<String>,
    /// What happens to undecided requests.
    pub grant_permission: Option<GrantPermission>,
}

/// A handle on the config file; cheap to clone.
#[derive(Debug, Clone)]
pub struct ConfigFile {}

impl ConfigFile {
    /// Reads the file (a missing one is an empty config) and watches it. A broken file at start:
    /// the config is empty and `problem` says why, with line and column.
    pub async fn open(_home: &Home, _env: &Environment, _store: Store, _tasks: &TaskTracker) -> Self {
        Self {}
    }
    /// The config that holds: the last good one.
    pub fn watch(&self) -> watch::Receiver<Arc<Config>> {
        unimplemented!()
    }
    /// Why the file on disk is not the config that holds.
    pub fn problem(&self) -> watch::Receiver<Option<Problem>> {
        unimplemented!()
    }
    /// Adds a team.
    pub async fn add_team(&self, _name: TeamName, _edit: TeamEdit) -> Result<(), Problem> {
        unimplemented!()
    }
    /// Changes a team.
    pub async fn edit_team(&self, _name: TeamName, _edit: TeamEdit) -> Result<(), Problem> {
        unimplemented!()
    }
    /// Removes a team from the config; its directory and conversations stay.
    pub async fn remove_team(&self, _name: TeamName) -> Result<(), Problem> {
        unimplemented!()
    }
}
