//! The connections of a link: they have places for sessions, and a further one is made when there is
//! no place left.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use iris_domain::session::Failure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::{debug, info};

use super::{host::Host, ready};
use crate::ssh::{self, Connection};

/// Sessions on one connection: sshd's `MaxSessions` is 10, and the link's own small programs need
/// room too.
const SESSIONS_MAX: usize = 8;

/// The connections of a link.
pub(super) struct Lines {
    host: Arc<Host>,
    /// The first one carries the tunnels. Its end is the end of the link; that of another one takes
    /// its sessions along, and nothing else.
    all: Vec<Line>,
    ends: FuturesUnordered<BoxFuture<'static, (Arc<Connection>, ssh::Failure)>>,
    /// One on its way, for those who wait for a place.
    further: Option<BoxFuture<'static, Result<Connection, Failure>>>,
    seekers: VecDeque<Seeker>,
}

/// Waits for a place.
pub(super) type Seeker = oneshot::Sender<Result<Seat, Failure>>;

/// One of a link's connections.
struct Line {
    connection: Arc<Connection>,
    places: Arc<Semaphore>,
}

/// A place for a session on one of the link's connections.
#[derive(Debug)]
pub(super) struct Seat {
    pub connection: Arc<Connection>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Lines {
    pub fn new(host: Arc<Host>) -> Self {
        Self {
            host,
            all: Vec::new(),
            ends: FuturesUnordered::new(),
            further: None,
            seekers: VecDeque::new(),
        }
    }

    /// The one that carries the tunnels.
    pub fn first(&self) -> Option<Arc<Connection>> {
        self.all.first().map(|line| Arc::clone(&line.connection))
    }

    /// The one that has room for a small program, if any has.
    pub fn latest(&self) -> Option<Arc<Connection>> {
        self.all.last().map(|line| Arc::clone(&line.connection))
    }

    pub fn add(&mut self, connection: Connection) {
        let connection = Arc::new(connection);
        self.all.push(Line {
            connection: Arc::clone(&connection),
            places: Arc::new(Semaphore::new(SESSIONS_MAX)),
        });
        self.ends.push(Box::pin(async move {
            let why = connection.closed().await;
            (connection, why)
        }));
    }

    /// Looks after the further ones until the first one ends; why it did. Cancellation safe.
    pub async fn ended(&mut self) -> ssh::Failure {
        loop {
            tokio::select! {
                Some((connection, why)) = self.ends.next() => {
                    if self.all.first().is_some_and(|line| line.is(&connection)) {
                        return why;
                    }
                    self.lost(connection);
                }
                further = ready(&mut self.further) => {
                    self.further = None;
                    self.furthered(further);
                }
            }
        }
    }

    /// Gives a place, as soon as there is one.
    pub fn seat(&mut self, seeker: Seeker) {
        if let Some(seat) = self.all.iter().find_map(Line::seat) {
            give(seeker, Ok(seat));
            return;
        }
        self.seekers.push_back(seeker);
        if self.further.is_none() {
            self.further = Some(Box::pin(Arc::clone(&self.host).connect()));
        }
    }

    /// The host takes no more sessions on this connection than it has.
    pub fn is_full(&self, connection: &Arc<Connection>) {
        if let Some(line) = self.all.iter().find(|line| line.is(connection)) {
            line.places.forget_permits(SESSIONS_MAX);
        }
    }

    /// Takes all of them; who waits for a place hears why there is none.
    pub fn take(&mut self, gone: &Failure) -> Vec<Arc<Connection>> {
        self.ends.clear();
        self.further = None;
        for seeker in self.seekers.drain(..) {
            give(seeker, Err(gone.clone()));
        }
        self.all.drain(..).map(|line| line.connection).collect()
    }

    fn furthered(&mut self, further: Result<Connection, Failure>) {
        match further {
            Ok(connection) => {
                self.add(connection);
                for seeker in std::mem::take(&mut self.seekers) {
                    self.seat(seeker);
                }
            }
            Err(failure) => {
                for seeker in self.seekers.drain(..) {
                    give(seeker, Err(failure.clone()));
                }
            }
        }
    }

    fn lost(&mut self, connection: Arc<Connection>) {
        info!(host = self.host.destination(), "a further connection ended");
        self.all.retain(|line| !line.is(&connection));
        let tasks = &self.host.deps.tasks;
        tasks.spawn(async move { connection.close().await });
    }
}

impl Line {
    fn is(&self, connection: &Arc<Connection>) -> bool {
        Arc::ptr_eq(&self.connection, connection)
    }

    fn seat(&self) -> Option<Seat> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Seat {
            connection: Arc::clone(&self.connection),
            permit: Mutex::new(Some(permit)),
        })
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
pub(super) fn give(to: Seeker, seat: Result<Seat, Failure>) {
    if to.send(seat).is_err() {
        debug!("who wanted a place is gone");
    }
}
