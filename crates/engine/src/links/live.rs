//! The remote sessions that run now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use iris_domain::ids::SessionId;

/// The sessions that run on remote hosts; cheap to clone. A session is in it from before its start
/// until after its end, so that a sweep never takes a running one for a leftover.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<Mutex<HashMap<Key, usize>>>);

/// A session, and the link that it takes.
type Key = (Arc<str>, SessionId);

/// Keeps a session in it.
#[derive(Debug)]
pub struct Alive {
    live: Live,
    key: Key,
}

impl Live {
    /// This session runs on that link until the result is dropped.
    pub fn hold(&self, link: &Arc<str>, session: SessionId) -> Alive {
        let key = (Arc::clone(link), session);
        *self.table().entry(key.clone()).or_default() += 1;
        Alive {
            live: self.clone(),
            key,
        }
    }

    /// Those of the other links. A link that has just been made, or ends, carries none: a run of its
    /// sessions on the host is one of an earlier connection, even if the session waits for this one.
    pub fn elsewhere(&self, link: &str) -> Vec<SessionId> {
        let table = self.table();
        let others = table.keys().filter(|(its, _)| **its != *link);
        others.map(|(_, session)| *session).collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        // No code that holds it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut table = self.live.table();
        if let Some(count) = table.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.key);
            }
        }
    }
}
