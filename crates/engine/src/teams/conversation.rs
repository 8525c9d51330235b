//! What is done with a whole conversation: begun anew, deleted, opened in a terminal.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    config::Team,
    conversation::{Deleted, Rebooted, Removal},
    decision::{AllowedBy, Human},
    ids::{Party, SessionId, TeamName},
    problem::Code,
};
use serde_json::json;
use tokio::{sync::oneshot, time::timeout};

use super::{Teams, TeamsDeps, owner::Question, shutting_down, start::values, supervisor::Command};
use crate::{claude, clock, config_file::expand, remote, secrets::Secret, tokens::Caller};

/// How long a host may take to be reached and to remove a record.
const FORGET_LIMIT: Duration = Duration::from_secs(30);

/// Who asked for something, for the record.
#[derive(Debug, Clone)]
pub struct Asked {
    caller: String,
    by: String,
}

impl Asked {
    /// A person.
    pub fn by_human(human: Human) -> Self {
        Self {
            caller: Party::CONSOLE.to_owned(),
            by: AllowedBy::Human(human).to_string(),
        }
    }

    /// Who calls a tool. What let an agent do so stands in the row of its call.
    pub(crate) fn by_caller(caller: &Caller) -> Self {
        let caller = caller.party().to_string();
        Self {
            by: format!("tool:{caller}"),
            caller,
        }
    }
}

impl Teams {
    /// Begins a new conversation for a pair, and returns when it is ready. The old one is the current
    /// one until then, and stays so if the new one does not start; afterwards its record is removed.
    /// What waits for the team goes to the new one. A caller that goes away changes nothing.
    ///
    /// # Errors
    /// Why the new conversation is not ready.
    pub async fn reboot(
        &self,
        asked: Asked,
        from: Party,
        to: TeamName,
    ) -> Result<Rebooted, Problem> {
        let teams = self.clone();
        self.to_the_end(async move { teams.rebooted(asked, from, to).await })
            .await
    }

    /// Deletes the conversation of a pair: its process, its record here, and Claude Code's own. What
    /// waits for it is told so. A caller that goes away changes nothing.
    ///
    /// # Errors
    /// When it is not deleted. That something of Claude Code's record is left is no error.
    pub async fn delete(
        &self,
        asked: Asked,
        from: Party,
        to: TeamName,
    ) -> Result<Deleted, Problem> {
        let teams = self.clone();
        self.to_the_end(async move { teams.deleted(asked, from, to).await })
            .await
    }

    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let done = self.deps.tasks.spawn(work).await;
        done.map_err(|_| shutting_down())?
    }

    async fn rebooted(self, asked: Asked, from: Party, to: TeamName) -> Result<Rebooted, Problem> {
        let session = self.session(from.clone(), to.clone()).await?;
        self.note("session.reboot", asked, &from, &to).await?;
        let (before, was) = oneshot::channel();
        let (ready, is) = oneshot::channel();
        session.send(Command::Reboot { before, ready }).await?;
        let was = was.await.map_err(|_| shutting_down())?;
        let new = is.await.map_err(|_| shutting_down())??.id;
        let record = match was.session {
            Some(old) => self.forget(&to, old).await,
            None => Removal::default(),
        };
        Ok(Rebooted {
            from,
            to,
            old: was.session,
            new,
            ended: was.ran,
            record,
        })
    }

    async fn deleted(self, asked: Asked, from: Party, to: TeamName) -> Result<Deleted, Problem> {
        // A team that is not there is no row.
        self.existing(Some(from.clone()), to.clone()).await?;
        self.note("session.delete", asked, &from, &to).await?;
        let (reply, answer) = oneshot::channel();
        let question = Question::Delete {
            from: from.clone(),
            to: to.clone(),
            reply,
        };
        self.ask(question).await?;
        let was = answer.await.map_err(|_| shutting_down())??;
        let session = was.and_then(|was| was.session);
        let record = match session {
            Some(session) => self.forget(&to, session).await,
            None => Removal::default(),
        };
        Ok(Deleted {
            from,
            to,
            session,
            ended: was.is_some_and(|was| was.ran),
            record,
        })
    }

    /// Writes down who does what, before it is done: what cannot be is not done.
    pub(super) async fn note(
        &self,
        event: &str,
        asked: Asked,
        from: &Party,
        to: &TeamName,
    ) -> Result<(), Problem> {
        let row = Draft {
            caller: asked.caller,
            team: to.to_string(),
            input: json!({ "from": from }),
            decided_by: asked.by,
            ..Draft::event(clock::now(), Kind::Operation, event)
        };
        self.deps.store.append(row).await?;
        Ok(())
    }

    /// Removes Claude Code's record of a conversation that has no process any more.
    async fn forget(&self, to: &TeamName, session: SessionId) -> Removal {
        let team = self.deps.config.borrow().teams.get(to).cloned();
        let forgotten = match team {
            None => Err(shutting_down()),
            Some(team) if team.remote.is_some() => self.forget_there(to, &team, session).await,
            Some(team) => self.forget_here(&team, session).await,
        };
        forgotten.unwrap_or_else(|why| Removal {
            removed: vec![],
            left: Some(Problem {
                message: format!("The record of Claude Code was not removed: {}", why.message),
                ..why
            }),
        })
    }

    async fn forget_here(&self, team: &Team, session: SessionId) -> Result<Removal, Problem> {
        let Some(dir) = self.deps.records(team).await? else {
            return Ok(Removal::default());
        };
        tokio::task::spawn_blocking(move || claude::forget(&dir, session))
            .await
            .map_err(|_| shutting_down())
    }

    async fn forget_there(
        &self,
        to: &TeamName,
        team: &Team,
        session: SessionId,
    ) -> Result<Removal, Problem> {
        let (env, secrets) = self.deps.whereabouts(team).await?;
        let nonce = remote::Nonce::random();
        let line = remote::Forget {
            session,
            folder: &team.path,
            env: &values(&env, &secrets),
            nonce: &nonce,
        }
        .line()?;
        let host = team.host();
        let said = async {
            let lease = self.deps.links.lease(to, team).await;
            let lease = lease.map_err(|failure| failure.problem)?;
            let reach = lease.ready(session, |_| {}).await;
            let reach = reach.map_err(|failure| failure.problem)?;
            let ran = reach.run(&line, FORGET_LIMIT).await;
            ran.map_err(|failure| failure.problem(host))
        };
        match timeout(FORGET_LIMIT, said).await {
            Ok(said) => Ok(remote::forgotten(&nonce, host, &said?)),
            Err(_) => Err(Problem::new(
                Code::Network,
                format!(
                    "{host} was not reached within {} s.",
                    FORGET_LIMIT.as_secs()
                ),
                format!(
                    "When it can be reached, remove there `~/.claude/projects/*/{session}.jsonl` and the folder `{session}` beside it."
                ),
            )),
        }
    }
}

impl TeamsDeps {
    /// Where Claude Code keeps the records of a team on this computer; `None` without a home.
    ///
    /// # Errors
    /// The team's path or `env` cannot be used.
    pub(super) async fn records(&self, team: &Team) -> Result<Option<PathBuf>, Problem> {
        let (env, secrets) = self.whereabouts(team).await?;
        let home = self.env.home_dir();
        let folder = expand(&team.path, home.as_deref(), self.home.root())?;
        claude::config_dir(&self.env, &env, &secrets, &folder)
    }

    /// What the team's `env` says of where Claude Code keeps its records.
    async fn whereabouts(&self, team: &Team) -> Result<(Env, BTreeMap<String, Secret>), Problem> {
        let mut env = team.env.clone();
        env.retain(|name, _| claude::CONFIG_VARS.contains(&name.as_str()));
        let secrets = self.secrets.of_env(&env).await?;
        Ok((env, secrets))
    }
}

type Env = BTreeMap<String, String>;
