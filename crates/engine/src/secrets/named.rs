//! Secrets that a person put away: what `ssh` was told, and values for agents' environments.
//!
//! The keychain has the values, and cannot be relied on to list them, so their names stand in the
//! database.

use std::{collections::BTreeMap, sync::Arc};

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    config::KEYCHAIN,
    decision::{AllowedBy, Human},
    display,
    ids::Party,
    problem::Code,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

use super::{Kept, Secret, Secrets, SecretsError};
use crate::{clock, store::Store};

/// What values for environments are kept under: this and their name.
const ENV: &str = "env ";
/// What the answers to `ssh` are kept under.
const SSH: &str = "ssh ";
/// The longest name of a value for an environment.
const NAME_MAX: usize = 100;
/// The longest value for an environment, bytes: no variable is longer on Linux.
pub const VALUE_MAX: usize = 128 * 1024;
/// What of a name stands in a row, characters: anything may be asked for.
const NOTED_MAX: usize = 300;

/// Secrets by name; cheap to clone.
#[derive(Debug, Clone)]
pub struct NamedSecrets {
    secrets: Secrets,
    store: Store,
    changed: Arc<watch::Sender<()>>,
}

/// A secret as listed. Its value is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretItem {
    /// Its name.
    pub name: String,
    /// Where its value is.
    pub place: Place,
    /// Since when; null for one that is in memory.
    pub kept_at: Option<Timestamp>,
}

/// Where a secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// In the keychain of the operating system.
    Keychain,
    /// In memory, until this Iris ends: there is no keychain that takes it.
    ThisRun,
}

impl From<&Kept> for Place {
    fn from(kept: &Kept) -> Self {
        match kept {
            Kept::InKeychain => Self::Keychain,
            Kept::ForThisRun(_) => Self::ThisRun,
        }
    }
}

impl NamedSecrets {
    /// With the values there and the names here.
    pub fn new(secrets: Secrets, store: Store) -> Self {
        Self {
            secrets,
            store,
            changed: Arc::default(),
        }
    }

    /// Hears whenever a secret was put away or forgotten here.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The secret of this name.
    ///
    /// # Errors
    /// When the keychain cannot be asked.
    pub async fn get(&self, name: &str) -> Result<Option<Secret>, SecretsError> {
        self.secrets.get(name).await
    }

    /// Keeps a secret in place of the one that has its name.
    ///
    /// # Errors
    /// When its name cannot be written down: it is then not kept, because nobody would know of it.
    pub async fn keep(&self, name: &str, secret: Secret) -> Result<Kept, Problem> {
        let noted = self.noted().await?;
        let is_new = noted.iter().all(|(known, _)| known != name);
        self.store
            .note_secret(name.to_owned(), clock::now())
            .await
            .map_err(|error| error.problem())?;
        let kept = self.secrets.set(name, secret).await;
        if let Kept::ForThisRun(error) = &kept {
            tracing::warn!(name, %error, "a secret is kept in memory for this run");
            if is_new {
                self.unnote(name).await?;
            }
        }
        self.changed.send_replace(());
        Ok(kept)
    }

    /// Forgets a secret everywhere. `Ok(false)`: there was none.
    ///
    /// # Errors
    /// When the keychain cannot be asked, or the name cannot be taken out of the list.
    pub async fn forget(&self, name: &str) -> Result<bool, Problem> {
        if self.list().await?.iter().all(|item| item.name != name) {
            return Ok(false);
        }
        self.secrets.delete(name).await?;
        self.unnote(name).await?;
        self.changed.send_replace(());
        Ok(true)
    }

    /// Forgets the secret that a person means, because they said so; its whole name.
    ///
    /// # Errors
    /// As [`NamedSecrets::named`] and [`NamedSecrets::forget`]; and when it cannot be written down.
    pub async fn forget_for(&self, typed: &str, human: Human) -> Result<String, Problem> {
        let name = self.named(typed).await?;
        self.note("secret.forgotten", &name, human).await?;
        self.forget(&name).await?;
        Ok(name)
    }

    /// Keeps a value for environments, because a person said so.
    ///
    /// # Errors
    /// As [`NamedSecrets::keep_env`]; and when it cannot be written down.
    pub async fn keep_env_for(
        &self,
        name: &str,
        value: Secret,
        human: Human,
    ) -> Result<Kept, Problem> {
        self.note("secret.set", name, human).await?;
        self.keep_env(name, value).await
    }

    /// Writes down what is about to be done.
    async fn note(&self, event: &str, name: &str, human: Human) -> Result<(), Problem> {
        let row = Draft {
            caller: Party::CONSOLE.to_owned(),
            input: json!({ "secret": display::one_line(name, NOTED_MAX) }),
            decided_by: AllowedBy::Human(human).to_string(),
            ..Draft::event(clock::now(), Kind::Operation, event)
        };
        let noted = self.store.append(row).await;
        noted.map(drop).map_err(|error| error.problem())
    }

    /// Every secret that a person put away, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<SecretItem>, Problem> {
        let in_memory = self.secrets.in_memory();
        let mut items: BTreeMap<String, SecretItem> = BTreeMap::new();
        for (name, kept_at) in self.noted().await? {
            let item = SecretItem {
                name: name.clone(),
                place: Place::Keychain,
                kept_at: Some(kept_at),
            };
            items.insert(name, item);
        }
        for name in in_memory {
            // The token of the console is no person's.
            if name.starts_with(SSH) || name.starts_with(ENV) {
                let item = SecretItem {
                    name: name.clone(),
                    place: Place::ThisRun,
                    kept_at: None,
                };
                items.insert(name, item);
            }
        }
        Ok(items.into_values().collect())
    }

    /// Keeps a value that a team's `env` names with `keychain:NAME`.
    ///
    /// # Errors
    /// A name or a value that no environment can hold; and as [`NamedSecrets::keep`].
    pub async fn keep_env(&self, name: &str, value: Secret) -> Result<Kept, Problem> {
        let plain = !name.is_empty()
            && name.len() <= NAME_MAX
            && name.trim() == name
            && display::one_line(name, NAME_MAX) == name;
        if !plain {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("A secret's name has 1 to {NAME_MAX} visible characters in one line."),
                "Choose a short name; a team's `env` then says `keychain:NAME`.",
            ));
        }
        if value.expose().len() > VALUE_MAX {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("A value has {VALUE_MAX} bytes at most: no environment can hold more."),
                "Give the agent the path of a file instead.",
            ));
        }
        if value.expose().is_empty() || value.expose().contains('\0') {
            return Err(Problem::new(
                Code::InvalidInput,
                "The value is empty, or has a NUL, which no environment can hold.",
                "Give the value on standard input.",
            ));
        }
        self.keep(&format!("{ENV}{name}"), value).await
    }

    /// Where the value is that a team's `env` names with `keychain:NAME`; `None`: nowhere.
    ///
    /// # Errors
    /// When the keychain cannot be asked.
    pub async fn find_env(&self, name: &str) -> Result<Option<Place>, Problem> {
        let name = format!("{ENV}{name}");
        if self.secrets.in_memory().contains(&name) {
            return Ok(Some(Place::ThisRun));
        }
        let found = self.get(&name).await?;
        Ok(found.map(|_| Place::Keychain))
    }

    /// The whole name of what a person means: a name from the list, or that of an `env` value.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn named(&self, typed: &str) -> Result<String, Problem> {
        let env = format!("{ENV}{typed}");
        let list = self.list().await?;
        let known = |name: &str| list.iter().any(|item| item.name == name);
        match [typed, &env].into_iter().find(|name| known(name)) {
            Some(name) => Ok(name.to_owned()),
            None => Err(Problem::new(
                Code::NotFound,
                format!("There is no secret `{typed}`."),
                "`iris secrets list` shows the names.",
            )),
        }
    }

    /// The values of a team's `env` that the keychain has, by the variable's name.
    ///
    /// # Errors
    /// Which one is missing, or why the keychain does not say.
    pub async fn of_env(
        &self,
        env: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Secret>, Problem> {
        let mut found = BTreeMap::new();
        for (variable, value) in env {
            let Some(name) = value.strip_prefix(KEYCHAIN) else {
                continue;
            };
            let place = format!("`env.{variable}`");
            let secret = self.wanted(name, &place).await.map_err(|problem| Problem {
                hint: format!("{} Then start the team again.", problem.hint),
                ..problem
            })?;
            found.insert(variable.clone(), secret);
        }
        Ok(found)
    }

    /// The value that a place of the config names with `keychain:NAME`.
    ///
    /// # Errors
    /// That it is missing, or why the keychain does not say.
    pub async fn wanted(&self, name: &str, place: &str) -> Result<Secret, Problem> {
        match self.get(&format!("{ENV}{name}")).await {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(Problem::new(
                Code::Keychain,
                format!("{place} wants the secret `{name}`, which is not kept."),
                format!("Put it away in the window or with `iris secrets set {name}`."),
            )),
            Err(error) => {
                let problem = Problem::from(error);
                Err(Problem {
                    message: format!(
                        "{place} wants the secret `{name}`, but {}",
                        problem.sentence()
                    ),
                    hint: format!(
                        "{} For this run `iris secrets set {name}` is enough.",
                        problem.hint
                    ),
                    ..problem
                })
            }
        }
    }

    async fn noted(&self) -> Result<Vec<(String, Timestamp)>, Problem> {
        self.store
            .noted_secrets()
            .await
            .map_err(|error| error.problem())
    }

    async fn unnote(&self, name: &str) -> Result<(), Problem> {
        self.store
            .forget_secret(name.to_owned())
            .await
            .map_err(|error| error.problem())
    }
}

#[cfg(test)]
mod tests {
    use iris_domain::decision::Surface;

    use super::*;
    use crate::{home::Home, store::AuditQuery};

    async fn named(secrets: Secrets) -> (tempfile::TempDir, NamedSecrets) {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(&Home::at(tmp.path())).await.unwrap().store;
        (tmp, NamedSecrets::new(secrets, store))
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn without_a_keychain_a_secret_lasts_for_the_run_and_says_so() {
        let (_tmp, named) = named(Secrets::memory()).await;
        let kept = named.keep_env("npm", secret("v")).await.unwrap();
        assert_eq!(Place::from(&kept), Place::ThisRun);
        let listed = named.list().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].name.as_str(), listed[0].place),
            ("env npm", Place::ThisRun)
        );
        assert_eq!(
            named.store.noted_secrets().await.unwrap(),
            [],
            "the next run does not have it"
        );
        assert_eq!(named.find_env("npm").await, Ok(Some(Place::ThisRun)));
        assert_eq!(named.find_env("other").await, Ok(None));
        let whole = named.named("npm").await.unwrap();
        assert!(named.forget(&whole).await.unwrap());
        assert!(!named.forget(&whole).await.unwrap());
        assert_eq!(named.named("npm").await.unwrap_err().code, Code::NotFound);
    }

    #[tokio::test]
    async fn what_a_person_does_is_written_down_wherever_they_do_it() {
        let (_tmp, named) = named(Secrets::memory()).await;
        for surface in [Surface::Window, Surface::Cli] {
            let human = || Human {
                surface,
                user: "me".to_owned(),
            };
            let kept = named.keep_env_for("npm", secret("v"), human()).await;
            assert_eq!(kept.as_ref().map(Place::from), Ok(Place::ThisRun));
            let forgotten = named.forget_for("npm", human()).await.unwrap();
            assert_eq!(forgotten, "env npm");
            let unknown = named.forget_for("npm", human()).await.unwrap_err();
            assert_eq!(unknown.code, Code::NotFound, "nothing happens");
        }
        let rows = named.store.audit(AuditQuery::default()).await.unwrap();
        let rows = rows.iter().rev().map(|row| {
            let row = &row.draft;
            (row.tool.as_str(), row.decided_by.as_str())
        });
        assert_eq!(
            rows.collect::<Vec<_>>(),
            [
                ("secret.set", "human:window:me"),
                ("secret.forgotten", "human:window:me"),
                ("secret.set", "human:cli:me"),
                ("secret.forgotten", "human:cli:me"),
            ]
        );
    }

    #[tokio::test]
    async fn an_env_takes_its_values_from_the_keychain() {
        let (_tmp, named) = named(Secrets::memory()).await;
        named.keep_env("npm", secret("value")).await.unwrap();
        let env = |value: &str| {
            BTreeMap::from([
                ("TOKEN".to_owned(), value.to_owned()),
                ("PLAIN".to_owned(), "x".to_owned()),
            ])
        };
        let found = named.of_env(&env("keychain:npm")).await.unwrap();
        assert_eq!(
            found,
            BTreeMap::from([("TOKEN".to_owned(), secret("value"))])
        );
        let missing = named.of_env(&env("keychain:gone")).await.unwrap_err();
        assert_eq!(missing.code, Code::Keychain);
        assert!(missing.message.contains("env.TOKEN"), "{missing:?}");
        assert!(
            missing.hint.contains("iris secrets set gone"),
            "{missing:?}"
        );
    }

    #[tokio::test]
    async fn names_and_values_that_cannot_be_are_refused() {
        let (_tmp, named) = named(Secrets::memory()).await;
        for (name, value) in [
            ("", "v"),
            (" npm", "v"),
            ("a\nb", "v"),
            ("a\u{202e}b", "v"),
            ("npm", ""),
            ("npm", "a\0b"),
            ("npm", &"v".repeat(VALUE_MAX + 1)),
            (&"n".repeat(NAME_MAX + 1), "v"),
        ] {
            let refused = named.keep_env(name, secret(value)).await.unwrap_err();
            assert_eq!(refused.code, Code::InvalidInput, "{name:?}");
        }
    }
}
