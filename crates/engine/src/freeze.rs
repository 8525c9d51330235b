//! What is frozen, and that it stays so: across restarts, too.
//!
//! The state stands in `$IRIS_HOME/frozen.json` while something is frozen. A file that cannot be read
//! means that everything is: nobody knows what the user had stopped.

use std::{io, path::PathBuf, sync::Arc};

use iris_domain::{
    Problem,
    freeze::{Frozen, FrozenView, Proof},
    ids::TeamName,
    problem::Code,
};
use tokio::sync::watch;

use crate::{clock, home::Home};

/// A handle on what is frozen; cheap to clone.
#[derive(Debug, Clone)]
pub struct Freeze {
    path: PathBuf,
    state: Arc<watch::Sender<Arc<Frozen>>>,
    keeping: Arc<tokio::sync::Mutex<()>>,
}

impl Freeze {
    /// As the last Iris left it.
    pub fn load(home: &Home) -> Self {
        let path = home.frozen();
        let kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Frozen::default()),
            Err(error) => Err(error),
        };
        let frozen = kept.unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "What was frozen cannot be read: everything is.");
            let mut frozen = Frozen::default();
            frozen.freeze(None, clock::now(), "iris");
            frozen
        });
        Self {
            path,
            state: Arc::new(watch::Sender::new(Arc::new(frozen))),
            keeping: Arc::default(),
        }
    }

    /// Whether this team's agents are frozen.
    pub fn is_frozen(&self, team: &TeamName) -> bool {
        self.state.borrow().is(team)
    }

    /// What is frozen.
    pub fn watch(&self) -> watch::Receiver<Arc<Frozen>> {
        self.state.subscribe()
    }

    /// Returns when this team's agents are frozen.
    pub(crate) async fn begun(&self, team: &TeamName) {
        self.until(|frozen| frozen.is(team)).await;
    }

    /// Returns when this freeze of a team, or with `None` of everything, is not the one that holds: it
    /// was thawed, or frozen anew.
    pub(crate) async fn is_over(&self, team: Option<&TeamName>, order: u64) {
        self.until(|frozen| frozen.order(team) != Some(order)).await;
    }

    async fn until(&self, so: impl Fn(&Frozen) -> bool) {
        let mut state = self.state.subscribe();
        if state.wait_for(|frozen| so(frozen)).await.is_err() {
            // The sender is part of this handle.
            tracing::debug!("nobody freezes any more");
        }
    }

    /// From now on it is frozen, `None`: everything. Who watches sees it.
    pub(crate) fn begin(&self, team: Option<&TeamName>, by: &str) {
        self.change(|frozen| {
            frozen.freeze(team, clock::now(), by);
        });
    }

    /// Which freeze of a team, or with `None` of everything, holds.
    pub(crate) fn order(&self, team: Option<&TeamName>) -> Option<u64> {
        self.state.borrow().order(team)
    }

    /// Notes what was seen of this freeze; what is shown then. `None`: another one holds, or none.
    pub(crate) fn proved(
        &self,
        team: Option<&TeamName>,
        order: u64,
        proof: Proof,
    ) -> Option<FrozenView> {
        let mut view = None;
        self.change(|frozen| view = frozen.proved(team, order, proof).cloned());
        view
    }

    /// It is not frozen any more.
    ///
    /// # Errors
    /// `Conflict`: it was not.
    pub(crate) fn end(&self, team: Option<&TeamName>) -> Result<(), Problem> {
        let mut done = Ok(());
        self.change(|frozen| done = frozen.thaw(team));
        done
    }

    fn change(&self, change: impl FnOnce(&mut Frozen)) {
        self.state
            .send_modify(|frozen| change(Arc::make_mut(frozen)));
    }

    /// Keeps it for the next start.
    ///
    /// # Errors
    /// `Storage`: it holds, but a restart would not know.
    pub(crate) async fn keep(&self) -> Result<(), Problem> {
        // One after the other: the last one writes what holds last.
        let _turn = self.keeping.lock().await;
        let (path, frozen) = (self.path.clone(), Arc::clone(&self.state.borrow()));
        let kept = tokio::task::spawn_blocking(move || {
            if frozen.is_nothing() {
                return match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                };
            }
            let text = serde_json::to_vec(&*frozen)?;
            // Whole or not at all: a torn file would freeze everything.
            let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            io::Write::write_all(&mut file, &text)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        });
        let kept = match kept.await {
            Ok(kept) => kept,
            Err(error) => Err(io::Error::other(error)),
        };
        kept.map_err(|error| {
            Problem::new(
                Code::Storage,
                format!("{} cannot be written: {error}.", self.path.display()),
                "It holds now, but not after a restart of Iris: free some disk space, then do it again.",
            )
        })
    }
}
