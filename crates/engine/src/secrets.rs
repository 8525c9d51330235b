//! Secrets in memory and in the OS keychain.

mod keychain;
mod named;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use iris_domain::{Problem, problem::Code};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::home::Home;
use keychain::Keychain;

pub use named::{NamedSecrets, Place, SecretItem, VALUE_MAX};

/// A secret text. `Debug` shows `[redacted]`; to read it is to write `expose`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// 256 random bits, base64url: 43 characters that need no escaping anywhere.
    pub fn random() -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        if let Err(error) = getrandom::fill(bytes.as_mut()) {
            // A guessable token is worse than no Iris.
            tracing::error!(%error, "the system has no random numbers; Iris cannot run");
            std::process::abort();
        }
        Self::new(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The text itself: grep for the callers.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A secret as it is said over one of Iris's private sockets, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken(pub Secret);

impl Serialize for Spoken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Spoken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// Why the keychain did not do what was asked. (That nothing is kept under a name is no error.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// There is no keychain service in this session.
    #[error("no OS keychain answers: {0}")]
    Unavailable(String),
    /// It is locked and was not unlocked, or the user is still being asked.
    #[error("the OS keychain is locked: {0}")]
    Locked(String),
    /// It refused.
    #[error("the OS keychain refused: {0}")]
    Denied(String),
}

impl From<SecretsError> for Problem {
    fn from(error: SecretsError) -> Self {
        let hint = match &error {
            SecretsError::Unavailable(_) => {
                "Start one in your desktop session (gnome-keyring, KWallet or KeePassXC with the Secret Service) and restart Iris."
            }
            SecretsError::Locked(_) => {
                "Unlock it (sign in to the desktop, or open \"Passwords and Keys\") and restart Iris."
            }
            SecretsError::Denied(_) => {
                "Open your keychain application and look for the entries of the service \"iris\"."
            }
        };
        Problem::new(Code::Keychain, error.to_string(), hint)
    }
}

/// Where a secret was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In the OS keychain.
    InKeychain,
    /// In memory until Iris ends, because of this.
    ForThisRun(SecretsError),
}

/// Where secrets are kept; cheap to clone. What the OS keychain does not take is kept in memory for
/// this run, and [`Secrets::problem`] says so.
#[derive(Clone, Debug)]
pub struct Secrets {
    keychain: Option<Keychain>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    kept: BTreeMap<String, Secret>,
    /// The last answer of the keychain, when it was an error.
    error: Option<SecretsError>,
}

impl Secrets {
    /// The OS keychain; falls back to memory for this run where there is none.
    pub fn keychain() -> Self {
        Self {
            keychain: Some(Keychain::of_the_system()),
            memory: Arc::default(),
        }
    }

    /// For this run only.
    pub fn memory() -> Self {
        Self {
            keychain: None,
            memory: Arc::default(),
        }
    }

    fn here(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<T>(&self, result: &Result<T, SecretsError>) {
        self.here().error = result.as_ref().err().cloned();
    }

    /// The secret of this name: from memory if it had to be put there, else from the keychain.
    ///
    /// # Errors
    /// When the keychain cannot be asked: whether it has the secret is then not known.
    pub async fn get(&self, name: &str) -> Result<Option<Secret>, SecretsError> {
        if let Some(secret) = self.here().kept.get(name) {
            return Ok(Some(secret.clone()));
        }
        let Some(keychain) = &self.keychain else {
            return Ok(None);
        };
        let result = keychain.get(name).await;
        self.note(&result);
        result
    }

    /// Keeps a secret, in the keychain if it takes it, else for this run.
    pub async fn set(&self, name: &str, secret: Secret) -> Kept {
        let error = match &self.keychain {
            Some(keychain) => {
                let result = keychain.set(name, secret.clone()).await;
                self.note(&result);
                match result {
                    Ok(()) => {
                        self.here().kept.remove(name);
                        return Kept::InKeychain;
                    }
                    Err(error) => error,
                }
            }
            None => SecretsError::Unavailable("it is not used in this run".to_owned()),
        };
        self.here().kept.insert(name.to_owned(), secret);
        Kept::ForThisRun(error)
    }

    /// Forgets a secret everywhere; one that is not there is fine.
    ///
    /// # Errors
    /// When the keychain cannot be asked: it may still have it.
    pub async fn delete(&self, name: &str) -> Result<(), SecretsError> {
        self.here().kept.remove(name);
        let Some(keychain) = &self.keychain else {
            return Ok(());
        };
        let result = keychain.delete(name).await;
        self.note(&result);
        result
    }

    /// The names of what had to be put into memory.
    pub fn in_memory(&self) -> Vec<String> {
        self.here().kept.keys().cloned().collect()
    }

    /// The console's token for this home: the one in the keychain, or a new one.
    pub async fn console_token(&self, home: &Home) -> Secret {
        let name = console_token_name(home);
        match self.get(&name).await {
            Ok(Some(token)) if !token.expose().is_empty() => token,
            Ok(_) => {
                let token = Secret::random();
                if let Kept::ForThisRun(error) = self.set(&name, token.clone()).await {
                    tracing::warn!(%error, "the console's token is kept in memory for this run");
                }
                token
            }
            // Whether there is one is not known, so what is there is left alone.
            Err(error) => {
                tracing::warn!(%error, "the console's token is kept in memory for this run");
                let token = Secret::random();
                self.here().kept.insert(name, token.clone());
                token
            }
        }
    }

    /// What is wrong with the keychain, and what it means; `None` while it works.
    pub fn problem(&self) -> Option<Problem> {
        let problem = Problem::from(self.here().error.clone()?);
        Some(Problem {
            message: format!(
                "{} Secrets last until Iris ends; programs that use its MCP server must ask `iris headers` again after a restart",
                problem.sentence()
            ),
            ..problem
        })
    }

    /// Asks the keychain whether it answers, for `iris doctor`.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn probe(&self) -> Result<(), SecretsError> {
        self.get("probe").await.map(|_| ())
    }
}

/// Two homes are two Irises: each has its own token.
fn console_token_name(home: &Home) -> String {
    let root = home
        .root()
        .canonicalize()
        .unwrap_or_else(|_| home.root().to_owned());
    format!("console-token {}", root.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_secrets_are_long_and_differ_and_do_not_print() {
        let (a, b) = (Secret::random(), Secret::random());
        assert_ne!(a, b);
        assert_eq!(a.expose().len(), 43, "256 bits");
        assert_eq!(format!("{a:?}"), "[redacted]");
    }

    #[tokio::test]
    async fn without_a_keychain_the_token_lasts_for_the_run() {
        let secrets = Secrets::memory();
        let home = Home::at("/nowhere/a");
        let token = secrets.console_token(&home).await;
        assert_eq!(
            secrets.console_token(&home).await,
            token,
            "the same all through the run"
        );
        let other = secrets.console_token(&Home::at("/nowhere/b")).await;
        assert_ne!(other, token, "another home, another token");
        assert!(matches!(
            secrets.set("x", Secret::random()).await,
            Kept::ForThisRun(SecretsError::Unavailable(_))
        ));
        secrets.delete("x").await.unwrap();
        assert_eq!(secrets.get("x").await.unwrap(), None);
    }
}
