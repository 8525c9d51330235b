//! What a person asks for that concerns more than one owner.

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    decision::{AllowedBy, Human},
    ids::Party,
    target::Target,
};
use serde_json::json;

use super::Engine;
use crate::{
    clock,
    config_file::RemoteOptionsEdit,
    secrets::{Kept, Secret},
    ssh::Resolved,
};

impl Engine {
    /// What `ssh -G` says of a host as it would be written into a team's config: nothing is connected,
    /// nothing is written.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub async fn resolve_host(
        &self,
        remote: &str,
        options: RemoteOptionsEdit,
    ) -> Result<Resolved, Problem> {
        let template = self.config.watch().borrow().settings.defaults.clone();
        let template = template.and_then(|it| it.remote_options);
        let options = options.onto(template.unwrap_or_default());
        let target = Target::of(remote, Some(&options)).map_err(|error| error.problem())?;
        let resolved = self.links.ssh().resolve(&target).await;
        resolved.map_err(|failure| failure.problem(target.destination()))
    }

    /// Keeps a value for agents' environments because a human gave it: `keychain:NAME` in a team's
    /// `env` then means it. Says where it was put.
    ///
    /// # Errors
    /// As [`NamedSecrets::keep_env`](crate::secrets::NamedSecrets::keep_env); and when it cannot be
    /// written down.
    pub async fn keep_secret(
        &self,
        name: &str,
        value: Secret,
        human: Human,
    ) -> Result<Kept, Problem> {
        self.note_secret("secret.set", name, human).await?;
        self.named_secrets.keep_env(name, value).await
    }

    /// Forgets a secret because a human said so; returns its whole name.
    ///
    /// # Errors
    /// `NotFound`: there is none; and when it cannot be forgotten or written down.
    pub async fn forget_secret(&self, typed: &str, human: Human) -> Result<String, Problem> {
        let name = self.named_secrets.named(typed).await?;
        self.note_secret("secret.forgotten", &name, human).await?;
        self.named_secrets.forget(&name).await?;
        Ok(name)
    }

    async fn note_secret(&self, event: &str, name: &str, human: Human) -> Result<(), Problem> {
        let row = Draft {
            caller: Party::CONSOLE.to_owned(),
            input: json!({ "secret": name }),
            decided_by: AllowedBy::Human(human).to_string(),
            ..Draft::event(clock::now(), Kind::Operation, event)
        };
        let noted = self.store.append(row).await;
        noted.map(drop).map_err(|error| error.problem())
    }
}
