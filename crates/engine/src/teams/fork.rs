//! A copy of a conversation, opened in the user's terminal.

use std::{ffi::OsStr, path::Path};

use iris_domain::{
    Problem,
    config::Team,
    conversation::Forked,
    ids::{Party, SessionId, TeamName},
    problem::Code,
    target::Target,
    terminal::{any_shell, shown},
};

use super::{Asked, Teams};
use crate::{
    claude,
    config_file::{check_directory, expand},
    remote, terminal,
};

/// Runs a command in a folder, and keeps the window when the command fails: its words would be gone.
const HOLD: &str = r#"cd -- "$1" && shift && "$@" || { s=$?; printf "\nIt ended with status %s. Press Enter to close this. " "$s"; read -r _; exit "$s"; }"#;

/// What runs in the terminal.
struct Job {
    /// Where it begins, on this computer.
    folder: String,
    words: Vec<String>,
    /// The same, for a person to type.
    by_hand: String,
}

impl Teams {
    /// Opens a copy of a pair's conversation in a terminal on the user's desktop, in the team's folder
    /// on its host. It is the user's: it has their environment, no token of the session, and outlives
    /// Iris.
    ///
    /// # Errors
    /// There is no conversation, or no terminal opens; the problem then has the command to run by hand.
    pub async fn fork(&self, asked: Asked, from: Party, to: TeamName) -> Result<Forked, Problem> {
        let teams = self.clone();
        self.to_the_end(async move { teams.forked(asked, from, to).await })
            .await
    }

    async fn forked(self, asked: Asked, from: Party, to: TeamName) -> Result<Forked, Problem> {
        // A team that is not there is no row.
        self.existing(Some(from.clone()), to.clone()).await?;
        let record = self.deps.store.session(&from, &to).await?;
        let config = self.deps.config.borrow().clone();
        let (Some(record), Some(team)) = (record.filter(|it| it.started), config.teams.get(&to))
        else {
            return Err(Problem::new(
                Code::NotFound,
                format!("There is no conversation of {from} with {to} yet."),
                "Send the team a message first.",
            ));
        };
        let job = match &team.remote {
            None => self.job_here(team, record.id)?,
            Some(remote) => self.job_there(team, remote, record.id)?,
        };
        self.note("session.fork", asked, &from, &to).await?;
        let words = ["/bin/sh", "-c", HOLD, "iris", &job.folder].map(str::to_owned);
        let command: Vec<String> = words.into_iter().chain(job.words).collect();
        let terminal = terminal::open(
            &self.deps.processes,
            &self.deps.env,
            config.settings.terminal.as_deref(),
            &command,
            &job.by_hand,
        )
        .await?;
        Ok(Forked {
            from,
            to,
            session: record.id,
            path: team.path.clone(),
            host: team.host().to_owned(),
            terminal,
            command: job.by_hand,
        })
    }

    fn job_here(&self, team: &Team, session: SessionId) -> Result<Job, Problem> {
        let env = &self.deps.env;
        let (home, base) = (env.home_dir(), self.deps.home.root());
        let folder = expand(&team.path, home.as_deref(), base)?;
        check_directory(&folder)?;
        let given = team.claude_path.as_deref();
        // Where the team's agents find it.
        let path = team.env.get("PATH").map(OsStr::new);
        let path = path.or_else(|| env.get("PATH"));
        let claude = claude::find(given, path, home.as_deref(), base)?;
        let mut words = vec![text(&claude)?];
        words.extend(claude::fork_args(session));
        let told: Vec<String> = whereabouts(team)
            .into_iter()
            .zip(claude::CONFIG_VARS)
            .filter(|(value, _)| !value.is_empty())
            .map(|(value, name)| format!("{name}={value}"))
            .collect();
        if !told.is_empty() {
            words.splice(0..0, std::iter::once("/usr/bin/env".to_owned()).chain(told));
        }
        let folder = text(&folder)?;
        let enter = shown(&["cd".to_owned(), folder.clone()]);
        Ok(Job {
            by_hand: format!("{enter} && {}", shown(&words)),
            folder,
            words,
        })
    }

    fn job_there(&self, team: &Team, host: &str, session: SessionId) -> Result<Job, Problem> {
        let target = Target::of(host, team.remote_options.as_ref());
        let target = target.map_err(|error| error.problem())?;
        let command = remote::fork(
            &team.path,
            team.claude_path.as_deref(),
            whereabouts(team),
            &claude::fork_args(session),
        );
        let ssh = self.deps.links.ssh();
        let words = ssh
            .in_a_terminal(&target, any_shell(&command))
            .map_err(|failure| failure.problem(target.destination()))?;
        Ok(Job {
            by_hand: shown(&words),
            // Where relative paths of ssh's options begin.
            folder: match self.deps.env.home_dir() {
                Some(home) => text(&home)?,
                None => "/".to_owned(),
            },
            words,
        })
    }
}

/// What the team's `env` says of where Claude Code keeps its records. What is in the keychain does
/// not go into a command that everybody can read.
fn whereabouts(team: &Team) -> [&str; 2] {
    claude::CONFIG_VARS.map(|name| {
        let value = team.env.get(name).map_or("", String::as_str);
        match value.starts_with("keychain:") {
            true => "",
            false => value,
        }
    })
}

fn text(path: &Path) -> Result<String, Problem> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Problem::new(
            Code::Config,
            format!("{} is no valid text.", path.display()),
            "Give it a name of UTF-8.",
        )
    })
}
