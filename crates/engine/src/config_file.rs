//! `$IRIS_HOME/config.json` on disk: read, watched, and edited without losing comments.
//!
//! One task owns it (`keeper`). The config that holds is always a good one: a file with errors,
//! or one that is suddenly gone, changes nothing but [`ConfigFile::problem`].

mod attention;
mod disk;
mod keeper;
mod outside_edit;
mod rules_edit;
mod team_edit;
mod team_path;
mod watcher;
mod wording;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use iris_domain::{
    Problem,
    config::{Change, Config, RulesView},
    decision::RuleList,
    ids::TeamName,
    problem::Code,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

pub use self::attention::{Attention, HoursEdit};
use self::keeper::{Command, Keeper, Recorder};
pub use self::outside_edit::{OutsideSettings, SlackEdit, WebhookEdit, WebhookItem};
pub use self::rules_edit::{CommonEdit, RulesEdit};
pub use self::team_edit::{
    EnvEdit, PermissionsEdit, RateLimitEdit, RemoteOptionsEdit, Removable, TeamEdit,
};
pub(crate) use self::team_path::check_directory;
pub use self::team_path::expand;
use crate::{approvals::no_such_team, environment::Environment, home::Home, store::Store};

/// Edits that may wait for the one before: humans make them, one at a time.
const EDITS_WAITING: usize = 16;

/// A handle on the config file; cheap to clone. The file's task ends with [`ConfigFile::close`],
/// or when the last handle is gone.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    commands: mpsc::Sender<Command>,
    config: watch::Receiver<Arc<Config>>,
    problem: watch::Receiver<Option<Problem>>,
}

impl ConfigFile {
    /// Reads the file (a missing one is an empty config) and watches it. A broken file at start:
    /// the config is empty and `problem` says why, with line and column.
    pub async fn open(home: &Home, env: &Environment, store: Store, tasks: &TaskTracker) -> Self {
        let recorder: Recorder = Box::new(move |draft| {
            let store = store.clone();
            Box::pin(async move { store.append(draft).await.map(drop) })
        });
        Self::open_with(home, env, recorder, tasks).await
    }

    async fn open_with(
        home: &Home,
        env: &Environment,
        recorder: Recorder,
        tasks: &TaskTracker,
    ) -> Self {
        let (commands, inbox) = mpsc::channel(EDITS_WAITING);
        let (keeper, config, problem) = Keeper::start(home, env, recorder).await;
        tasks.spawn(keeper.run(inbox));
        Self {
            commands,
            config,
            problem,
        }
    }

    /// The config that holds: the last good one.
    pub fn watch(&self) -> watch::Receiver<Arc<Config>> {
        self.config.clone()
    }

    /// Why the file on disk is not the config that holds.
    pub fn problem(&self) -> watch::Receiver<Option<Problem>> {
        self.problem.clone()
    }

    /// Adds a team; returns when the config with it holds. `edit.path` must be there, and, for a
    /// local team, be a directory that can be read. `Conflict`: the name is taken; `InvalidInput`: a field cannot
    /// be used; `Config`: the file has errors.
    pub async fn add_team(&self, name: TeamName, edit: TeamEdit) -> Result<(), Problem> {
        if edit.name.as_ref().is_some_and(|other| *other != name) {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("a new team cannot be called both `{name}` and something else"),
                "Leave the name out of its fields.",
            ));
        }
        if edit.path.is_none() {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("the team `{name}` needs a project folder"),
                "Choose its folder.",
            ));
        }
        self.change(Change::AddTeam {
            team: name,
            fields: edit.fields(),
        })
        .await
    }

    /// Changes a team; returns when the changed config holds. `NotFound`: there is no such team;
    /// otherwise as [`ConfigFile::add_team`].
    pub async fn edit_team(&self, name: TeamName, mut edit: TeamEdit) -> Result<(), Problem> {
        let rename = edit.name.take();
        self.change(Change::EditTeam {
            team: name,
            rename,
            fields: edit.fields(),
        })
        .await
    }

    /// What a team is set to, as an edit that would change nothing; for a surface to start from.
    /// `NotFound`: there is no such team.
    pub fn settings_of(&self, name: &TeamName) -> Result<TeamEdit, Problem> {
        let config = self.config.borrow();
        let team = config.teams.get(name).ok_or_else(|| {
            Problem::new(
                Code::NotFound,
                format!("there is no team `{name}`"),
                "`iris team list` shows the teams there are.",
            )
        })?;
        Ok(TeamEdit::of(name, team, config.settings.defaults.as_ref()))
    }

    /// Removes a team from the config; its directory and conversations stay.
    pub async fn remove_team(&self, name: TeamName) -> Result<(), Problem> {
        self.change(Change::RemoveTeam { team: name }).await
    }

    /// Adds rules to one of a team's lists; returns when the changed config holds. Rules that are there
    /// already stay as they are. `NotFound`: there is no such team.
    pub async fn add_rules(
        &self,
        team: TeamName,
        list: RuleList,
        rules: Vec<String>,
    ) -> Result<(), Problem> {
        self.change(Change::AddRules { team, list, rules }).await
    }

    /// What [`ConfigFile::add_rules`] would make of the file: its text now, and then.
    pub async fn preview_rules(
        &self,
        team: TeamName,
        list: RuleList,
        rules: Vec<String>,
    ) -> Result<(String, String), Problem> {
        self.preview(Change::AddRules { team, list, rules }).await
    }

    /// Other rules for all teams; returns when the changed config holds. `InvalidInput`: one cannot be used;
    /// `Config`: the file has errors.
    pub async fn edit_common_rules(&self, edit: CommonEdit) -> Result<(), Problem> {
        self.change(common_rules(edit)).await
    }

    /// What [`ConfigFile::edit_common_rules`] would make of the file: its text now, and then.
    pub async fn preview_common(&self, edit: CommonEdit) -> Result<(String, String), Problem> {
        self.preview(common_rules(edit)).await
    }

    /// What [`ConfigFile::edit_team`] would make of the file: its text now, and then.
    pub async fn preview_team(
        &self,
        name: TeamName,
        mut edit: TeamEdit,
    ) -> Result<(String, String), Problem> {
        let rename = edit.name.take();
        self.preview(Change::EditTeam {
            team: name,
            rename,
            fields: edit.fields(),
        })
        .await
    }

    async fn preview(&self, change: Change) -> Result<(String, String), Problem> {
        self.ask(|reply| Command::Preview { change, reply }).await
    }

    /// Stops watching and editing. The config that holds stays readable.
    pub async fn close(&self) {
        if self.commands.send(Command::Close).await.is_err() {
            tracing::debug!("the config file was closed already");
        }
        self.commands.closed().await;
    }

    /// The rules of a team, its own and those that hold besides; `None`: of a new team.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub fn rules_of(&self, team: Option<&TeamName>) -> Result<RulesView, Problem> {
        let config = self.config.borrow();
        match team {
            None => Ok(RulesView::of_new_team(&config)),
            Some(name) => RulesView::of_team(&config, name).ok_or_else(|| no_such_team(name)),
        }
    }

    /// The rules that hold for all teams.
    pub fn common_rules(&self) -> RulesView {
        RulesView::of_all_teams(&self.config.borrow())
    }

    async fn change(&self, change: Change) -> Result<(), Problem> {
        self.ask(|reply| Command::Change { change, reply }).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Problem>>) -> Command,
    ) -> Result<T, Problem> {
        let shutting_down = || {
            Problem::new(
                Code::Unavailable,
                "Iris is shutting down",
                "Start it again and retry.",
            )
        };
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_closed| shutting_down())?;
        answer.await.map_err(|_closed| shutting_down())?
    }
}

fn common_rules(edit: CommonEdit) -> Change {
    Change::Settings {
        fields: edit.fields(),
    }
}
