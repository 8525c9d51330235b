//! The task that owns the config file.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    config::{self, Change, Changes, Config},
    problem::Code,
};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    disk::{self, SaveError},
    team_path::{check_directory, expand},
    watcher::Watcher,
    wording::{broken, refused},
};
use crate::{clock, environment::Environment, home::Home, store::StoreError};

/// An editor's save is several events within a few milliseconds; after this much quiet it is over.
const QUIET: Duration = Duration::from_millis(50);
/// A file that is written to all the time is read all the same.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often an edit is made anew because the file changed under it. Two in a row is a
/// coincidence; more is a program that writes all the time.
const ATTEMPTS: usize = 4;

/// Writes an audit row.
pub(super) type Recorder =
    Box<dyn Fn(Draft) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

/// What the handles ask for.
#[derive(Debug)]
pub(super) enum Command {
    /// Change the file.
    Change {
        /// What.
        change: Change,
        /// Told when the changed config holds, or why it does not.
        reply: oneshot::Sender<Result<(), Problem>>,
    },
    /// Say what a change would make of the file.
    Preview {
        /// Which.
        change: Change,
        /// The file's text now, and then; or why it cannot be changed so.
        reply: oneshot::Sender<Result<(String, String), Problem>>,
    },
    /// End.
    Close,
}

/// Why the config may be another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Iris starts: what it finds is not a change.
    Start,
    /// Somebody wrote the file.
    File,
    /// The human changed it through Iris.
    Console,
}

pub(super) struct Keeper {
    home: Home,
    env: Environment,
    recorder: Recorder,
    config: watch::Sender<Arc<Config>>,
    problem: watch::Sender<Option<Problem>>,
    /// What was last read.
    seen: Result<Option<String>, Problem>,
    watcher: Option<Watcher>,
    poke: mpsc::Sender<()>,
    pokes: mpsc::Receiver<()>,
}

impl Keeper {
    /// Reads the file for the first time. The watch begins before, so that no change falls between.
    pub async fn start(
        home: &Home,
        env: &Environment,
        recorder: Recorder,
    ) -> (
        Self,
        watch::Receiver<Arc<Config>>,
        watch::Receiver<Option<Problem>>,
    ) {
        let (config, holds) = watch::channel(Arc::new(Config::default()));
        let (problem, broken) = watch::channel(None);
        let (poke, pokes) = mpsc::channel(1);
        let mut keeper = Self {
            home: home.clone(),
            env: env.clone(),
            recorder,
            config,
            problem,
            seen: Ok(None),
            watcher: None,
            poke,
            pokes,
        };
        let folder = home.root().to_owned();
        let made = blocking(move || {
            disk::make_folder(&folder).map_err(|error| {
                Problem::new(
                    Code::Storage,
                    format!("cannot make the folder {}: {error}", folder.display()),
                    "Make it yourself, or let IRIS_HOME name a folder that you may write to.",
                )
            })
        });
        match made.await {
            Ok(()) => keeper.reload(Cause::Start).await,
            Err(problem) => {
                keeper.seen = Err(problem.clone());
                keeper.refuse(problem, Cause::Start).await;
            }
        }
        (keeper, holds, broken)
    }

    pub async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut burst: Option<Burst> = None;
        loop {
            let due = burst.as_ref().map(Burst::due);
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Change { change, reply }) => {
                        let answer = self.change(&change).await;
                        if reply.send(answer).is_err() {
                            tracing::debug!("who asked for a config change did not wait for it");
                        }
                    }
                    Some(Command::Preview { change, reply }) => {
                        if reply.send(self.preview(&change)).is_err() {
                            tracing::debug!("who asked for a preview did not wait for it");
                        }
                    }
                    Some(Command::Close) | None => return,
                },
                Some(()) = self.pokes.recv() => burst = Some(Burst::more(burst)),
                () = clock::reached(due) => {
                    burst = None;
                    self.reload(Cause::File).await;
                }
            }
        }
    }

    /// Reads the file again, and lets it hold if it is good.
    async fn reload(&mut self, cause: Cause) {
        self.watch_target();
        let path = self.home.config();
        let read = blocking(move || disk::read(&path)).await;
        if cause != Cause::Start && read == self.seen {
            return;
        }
        self.seen = read.clone();
        let judged = read.and_then(|text| self.judge(text.as_deref()));
        match judged {
            Ok(config) => self.accept(config, cause).await,
            Err(problem) => self.refuse(problem, cause).await,
        }
    }

    /// Follows a symbolic link that now leads somewhere else.
    fn watch_target(&mut self) {
        let path = self.home.config();
        if self
            .watcher
            .as_ref()
            .is_some_and(|watcher| watcher.fits(&path))
        {
            return;
        }
        self.watcher = match Watcher::new(&path, self.poke.clone()) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::error!(%error, "the config file is not watched: changes to it hold after a restart, or with the next edit through Iris");
                None
            }
        };
    }

    fn judge(&self, text: Option<&str>) -> Result<Config, Problem> {
        let holds_nothing = **self.config.borrow() == Config::default();
        let shown = self.home.config();
        let shown = shown.display();
        match text {
            // A config does not become empty by itself: something is writing it, or lost it.
            None if !holds_nothing => Err(Problem::new(
                Code::Config,
                format!("{shown} is gone"),
                "Put it back (config.json.bak is an older one), or write `{}` to start anew.",
            )),
            Some(text) if text.trim().is_empty() && !holds_nothing => Err(Problem::new(
                Code::Config,
                format!("{shown} is empty"),
                "Put it back (config.json.bak is an older one), or write `{}` to start anew.",
            )),
            None => Ok(Config::default()),
            Some(text) => {
                let parsed = config::parse(text, self.vars());
                parsed.config.ok_or_else(|| broken(&parsed.problems))
            }
        }
    }

    fn vars(&self) -> impl Fn(&str) -> Option<String> + use<'_> {
        |name| self.env.get(name)?.to_str().map(String::from)
    }

    async fn accept(&self, config: Config, cause: Cause) {
        let changes = config::changes(&self.config.borrow(), &config);
        if !changes.is_empty() && cause != Cause::Start {
            self.record_changes(&changes, cause).await;
        }
        // Also when only the lines moved on which the rules stand.
        self.config.send_replace(Arc::new(config));
        let mended = self
            .problem
            .send_if_modified(|problem| problem.take().is_some());
        tracing::info!(mended, changed = !changes.is_empty(), "config read");
    }

    async fn refuse(&self, problem: Problem, cause: Cause) {
        tracing::warn!(
            problem.message,
            problem.hint,
            "the config file cannot be used"
        );
        let details = json!({ "problem": problem.message });
        self.record("config.broken", "", details, cause).await;
        let holds = match cause {
            Cause::Start => "Until it is mended there are no teams, and nothing is allowed.",
            Cause::File | Cause::Console => "Until it is mended the last good config holds.",
        };
        let hint = format!("{} {holds}", problem.hint);
        self.problem.send_replace(Some(Problem { hint, ..problem }));
    }

    async fn record_changes(&self, changes: &Changes, cause: Cause) {
        let team = changes
            .only_team()
            .map(ToString::to_string)
            .unwrap_or_default();
        let details = serde_json::to_value(changes).unwrap_or_else(|error| {
            tracing::error!(%error, "config changes do not serialise");
            Value::Null
        });
        self.record("config.changed", &team, details, cause).await;
    }

    /// A config that holds although its row could not be written is no danger by itself: no
    /// decision is made without a row of its own.
    async fn record(&self, event: &str, team: &str, input: Value, cause: Cause) {
        let (caller, by) = match cause {
            Cause::Start | Cause::File => ("unknown", "file"),
            Cause::Console => ("console", "console"),
        };
        let draft = Draft {
            caller: caller.into(),
            team: team.into(),
            input,
            decided_by: by.into(),
            ..Draft::event(clock::now(), Kind::Config, event)
        };
        if let Err(error) = (self.recorder)(draft).await {
            tracing::error!(
                event,
                %error,
                "a change of the config is not in the audit log"
            );
        }
    }

    /// Makes a change to the file as it is on disk now, and lets the result hold.
    async fn change(&mut self, change: &Change) -> Result<(), Problem> {
        for _ in 0..ATTEMPTS {
            self.reload(Cause::File).await;
            if let Some(problem) = self.problem.borrow().clone() {
                let message = format!("the config cannot be changed now: {}", problem.message);
                return Err(Problem { message, ..problem });
            }
            let before = self.seen.clone()?;
            let text = before.as_deref().unwrap_or_default();
            let after = config::edit(text, change, self.vars()).map_err(refused)?;
            if before.as_deref() == Some(&after) {
                return Ok(());
            }
            let parsed = config::parse(&after, self.vars());
            let config = parsed.config.ok_or_else(|| broken(&parsed.problems))?;
            self.check_folder(change, &config).await?;
            let (path, backup) = (self.home.config(), self.backup());
            let text = after.clone();
            match blocking(move || Ok(disk::save(&path, &backup, before.as_deref(), &text))).await?
            {
                Ok(()) => {
                    self.seen = Ok(Some(after));
                    self.watch_target();
                    self.accept(config, Cause::Console).await;
                    return Ok(());
                }
                Err(SaveError::ChangedMeanwhile) => {}
                Err(SaveError::Failed(problem)) => return Err(problem),
            }
        }
        Err(Problem::new(
            Code::Busy,
            "another program keeps writing the config file",
            "Close it there, and try again.",
        ))
    }

    fn preview(&self, change: &Change) -> Result<(String, String), Problem> {
        let text = self.seen.clone()?.unwrap_or_default();
        let after = config::edit(&text, change, self.vars()).map_err(refused)?;
        Ok((text, after))
    }

    /// A local team's new folder must be one.
    async fn check_folder(&self, change: &Change, after: &Config) -> Result<(), Problem> {
        let (name, fields) = match change {
            Change::AddTeam { team, fields } => (team, fields),
            Change::EditTeam {
                team,
                rename,
                fields,
            } => (rename.as_ref().unwrap_or(team), fields),
            Change::RemoveTeam { .. }
            | Change::AddRules { .. }
            | Change::AddWebhook { .. }
            | Change::RemoveWebhook { .. }
            | Change::Settings { .. } => {
                return Ok(());
            }
        };
        let Some(team) = after.teams.get(name) else {
            return Ok(());
        };
        // A team that comes from another host has a folder that nobody looked at here.
        let moved = fields
            .iter()
            .any(|(field, _)| matches!(field.as_ref(), "path" | "remote"));
        if team.remote.is_some() || !moved {
            return Ok(());
        }
        let home = self.env.home_dir();
        let folder = expand(&team.path, home.as_deref(), self.home.root())?;
        blocking(move || check_directory(&folder)).await
    }

    fn backup(&self) -> PathBuf {
        self.home.root().join("config.json.bak")
    }
}

/// File changes that come one upon the other.
struct Burst {
    first: Instant,
    last: Instant,
}

impl Burst {
    fn more(burst: Option<Self>) -> Self {
        let last = Instant::now();
        Self {
            first: burst.map_or(last, |burst| burst.first),
            last,
        }
    }

    fn due(&self) -> Instant {
        (self.last + QUIET).min(self.first + PATIENCE)
    }
}

/// Disk work, off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(Problem::new(
                Code::Internal,
                format!("work on the config file failed: {error}"),
                "This is a defect in Iris; please report it with the log.",
            ))
        })
}
