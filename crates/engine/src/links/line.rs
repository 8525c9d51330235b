//! A connection with places for sessions.

use std::sync::{Arc, Mutex, PoisonError};

use iris_domain::session::Failure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::debug;

use crate::ssh::Connection;

/// Sessions on one connection: sshd's `MaxSessions` is 10, and the link's own small programs need
/// room too.
const SESSIONS_MAX: usize = 8;

/// One of a link's connections.
pub(super) struct Line {
    pub connection: Arc<Connection>,
    places: Arc<Semaphore>,
}

/// A place for a session on one of the link's connections.
#[derive(Debug)]
pub(super) struct Seat {
    pub connection: Arc<Connection>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Line {
    pub fn new(connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
            places: Arc::new(Semaphore::new(SESSIONS_MAX)),
        }
    }

    pub fn is(&self, connection: &Arc<Connection>) -> bool {
        Arc::ptr_eq(&self.connection, connection)
    }

    pub fn seat(&self) -> Option<Seat> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Seat {
            connection: Arc::clone(&self.connection),
            permit: Mutex::new(Some(permit)),
        })
    }

    /// The host takes no more than the sessions that it has.
    pub fn is_full(&self) {
        self.places.forget_permits(SESSIONS_MAX);
    }
}

impl Seat {
    /// There was no such place: nobody gets it after this.
    pub fn was_none(&self) {
        let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permit) = permit.take() {
            permit.forget();
        }
    }
}

/// Tells who waits for a place.
pub(super) fn give(to: oneshot::Sender<Result<Seat, Failure>>, seat: Result<Seat, Failure>) {
    if to.send(seat).is_err() {
        debug!("who wanted a place is gone");
    }
}
