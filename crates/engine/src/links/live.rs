//! The remote sessions that run now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use iris_domain::ids::SessionId;

/// The sessions that run on remote hosts; cheap to clone. A session is in it from before its start
/// until after its end, so that a sweep never takes a running one for a leftover.
#[derive(Debug, Clone, Default)]
pub struct Live(Arc<Mutex<HashMap<SessionId, usize>>>);

/// Keeps a session in it.
#[derive(Debug)]
pub struct Alive {
    live: Live,
    session: SessionId,
}

impl Live {
    /// This session runs until the result is dropped.
    pub fn hold(&self, session: SessionId) -> Alive {
        *self.table().entry(session).or_default() += 1;
        Alive {
            live: self.clone(),
            session,
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<SessionId> {
        self.table().keys().copied().collect()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SessionId, usize>> {
        // No code that holds it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut table = self.live.table();
        if let Some(count) = table.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.session);
            }
        }
    }
}
