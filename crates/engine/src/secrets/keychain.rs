//! The OS keychain, behind a thread of its own: its calls block, on a dialog even, and must not
//! hold up a runtime, neither while it works nor when it ends.
//!
//! The stores are those that the `keyring` crate's authors offer to applications. They are built
//! here and not by that crate, which builds one once per process and keeps a failure for ever: an
//! Iris that starts at login may be there before the keychain is. Measured with gnome-keyring 42:
//! after its daemon restarted, an old store fails until a new one is built.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use keyring_core::{CredentialStore, Entry, Error};
use tokio::{sync::oneshot, time::timeout};

use super::{Secret, SecretsError};

/// The service under which entries stand in the user's keychain application.
const SERVICE: &str = "iris";
/// How long a caller waits. A locked keychain asks the user for a password; who starts Iris with
/// one should get on without it soon, and the dialog stays for the next time.
const WAIT: Duration = Duration::from_secs(15);

/// Makes a new connection to the keychain.
type Connect = Box<dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send>;

/// A handle on the thread; the thread ends with the last handle.
#[derive(Clone, Debug)]
pub(super) struct Keychain {
    calls: mpsc::Sender<Call>,
    wait: Duration,
}

struct Call {
    name: String,
    act: Act,
    reply: oneshot::Sender<Result<Option<Secret>, SecretsError>>,
}

enum Act {
    Get,
    Set(Secret),
    Delete,
}

impl Keychain {
    pub(super) fn of_the_system() -> Self {
        Self::connected_by(Box::new(system_store), WAIT)
    }

    fn connected_by(connect: Connect, wait: Duration) -> Self {
        let (calls, queue) = mpsc::channel();
        let started = thread::Builder::new()
            .name("keychain".to_owned())
            .spawn(move || {
                let mut store = None;
                for call in queue {
                    serve(&connect, &mut store, call);
                }
            });
        if let Err(error) = started {
            // Every call then fails with `Unavailable`, which is said where secrets are used.
            tracing::error!(%error, "keychain: its thread could not be started");
        }
        Self { calls, wait }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Secret>, SecretsError> {
        self.call(name, Act::Get).await
    }

    pub(super) async fn set(&self, name: &str, secret: Secret) -> Result<(), SecretsError> {
        self.call(name, Act::Set(secret)).await.map(|_| ())
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), SecretsError> {
        self.call(name, Act::Delete).await.map(|_| ())
    }

    async fn call(&self, name: &str, act: Act) -> Result<Option<Secret>, SecretsError> {
        let gone = || SecretsError::Unavailable("its thread has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        self.calls
            .send(Call {
                name: name.to_owned(),
                act,
                reply,
            })
            .map_err(|_| gone())?;
        match timeout(self.wait, answer).await {
            Ok(answer) => answer.map_err(|_| gone())?,
            Err(_) => Err(SecretsError::Locked(format!(
                "it did not answer within {} s; it may be asking for its password",
                self.wait.as_secs()
            ))),
        }
    }
}

fn serve(connect: &Connect, store: &mut Option<Arc<CredentialStore>>, call: Call) {
    if call.reply.is_closed() {
        // The caller gave up while an earlier call blocked; what it does not hear of must not happen.
        return;
    }
    let mut result = attempt(connect, store, &call);
    if matches!(result, Err(Error::PlatformFailure(_))) {
        // The keychain's daemon may have started anew: once more, with a new connection.
        *store = None;
        result = attempt(connect, store, &call);
    }
    let result = match result {
        Ok(secret) => Ok(secret),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => {
            *store = None;
            Err(meaning(&error))
        }
    };
    if call.reply.send(result).is_err() {
        tracing::warn!("keychain: it answered after the caller had given up");
    }
}

fn attempt(
    connect: &Connect,
    store: &mut Option<Arc<CredentialStore>>,
    call: &Call,
) -> keyring_core::Result<Option<Secret>> {
    let connected = match store {
        Some(connected) => connected.clone(),
        None => store.insert(connect()?).clone(),
    };
    let entry: Entry = connected.build(SERVICE, &call.name, None)?;
    match &call.act {
        Act::Get => entry.get_password().map(|text| Some(Secret::new(text))),
        Act::Set(secret) => entry.set_password(secret.expose()).map(|()| None),
        Act::Delete => entry.delete_credential().map(|()| None),
    }
}

/// What an error means for the user. None of these texts holds a secret; `BadEncoding` and
/// `BadDataFormat` carry one and are not printed.
fn meaning(error: &Error) -> SecretsError {
    match error {
        Error::PlatformFailure(_) | Error::NoDefaultStore => {
            SecretsError::Unavailable(error.to_string())
        }
        Error::NoStorageAccess(_) => SecretsError::Locked(error.to_string()),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            SecretsError::Denied("the entry holds something that Iris did not put there".to_owned())
        }
        Error::Ambiguous(_) => {
            SecretsError::Denied("it has more than one entry of that name".to_owned())
        }
        // `Error` is non-exhaustive: whatever else there is, it was not done.
        other => SecretsError::Denied(other.to_string()),
    }
}

#[cfg(target_os = "linux")]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn system_store() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(Error::NotSupportedByStore(
        "Iris knows no keychain of this system".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    fn platform_failure() -> Error {
        Error::PlatformFailure("the service is gone".into())
    }

    fn keychain(connect: Connect) -> Keychain {
        Keychain::connected_by(connect, Duration::from_secs(5))
    }

    #[tokio::test]
    async fn what_is_set_is_got_until_it_is_deleted() {
        let store = keyring_core::mock::Store::new().unwrap();
        let keychain = keychain(Box::new(move || Ok(store.clone())));
        let secret = Secret::random();
        assert_eq!(
            keychain.get("a").await,
            Ok(None),
            "nothing there is no error"
        );
        keychain.set("a", secret.clone()).await.unwrap();
        assert_eq!(keychain.get("a").await, Ok(Some(secret)));
        assert_eq!(keychain.get("b").await, Ok(None));
        keychain.delete("a").await.unwrap();
        assert_eq!(keychain.get("a").await, Ok(None));
        keychain.delete("a").await.expect("twice is fine");
    }

    #[tokio::test]
    async fn a_keychain_that_comes_later_is_found() {
        let store = keyring_core::mock::Store::new().unwrap();
        let there = Arc::new(Mutex::new(false));
        let asked = there.clone();
        let keychain = keychain(Box::new(move || {
            if *asked.lock().unwrap() {
                Ok(store.clone())
            } else {
                Err(platform_failure())
            }
        }));
        assert!(matches!(
            keychain.get("a").await,
            Err(SecretsError::Unavailable(_))
        ));
        *there.lock().unwrap() = true;
        assert_eq!(keychain.get("a").await, Ok(None));
    }

    #[tokio::test]
    async fn a_restarted_daemon_costs_one_retry() {
        let store = keyring_core::mock::Store::new().unwrap();
        let connections = Arc::new(AtomicU32::new(0));
        let count = connections.clone();
        let kept = store.clone();
        let keychain = keychain(Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(kept.clone())
        }));
        keychain.set("a", Secret::new("s".into())).await.unwrap();
        let entry =
            keyring_core::api::CredentialStoreApi::build(&*store, SERVICE, "a", None).unwrap();
        let cred: &keyring_core::mock::Cred = entry.as_any().downcast_ref().unwrap();
        cred.set_error(platform_failure());
        assert_eq!(keychain.get("a").await, Ok(Some(Secret::new("s".into()))));
        assert_eq!(
            connections.load(Ordering::SeqCst),
            2,
            "a new connection was made"
        );
    }

    #[tokio::test]
    async fn a_dialog_nobody_answers_holds_up_nobody() {
        let (release, block) = mpsc::channel::<()>();
        let block = Mutex::new(block);
        let connect: Connect = Box::new(move || {
            // Returns when the test drops its end.
            assert!(block.lock().unwrap().recv().is_err());
            Err(Error::NoStorageAccess("dismissed".into()))
        });
        let keychain = Keychain::connected_by(connect, Duration::from_millis(50));
        assert!(matches!(
            keychain.get("a").await,
            Err(SecretsError::Locked(_))
        ));
        drop(release);
    }
}
