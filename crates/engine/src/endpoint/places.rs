//! Who holds the endpoint's connections. All come from this computer's loopback, so nobody can be told
//! by an address: a connection belongs to whoever showed its token on it, and until then to nobody.
//!
//! When all places are taken, a newcomer takes one from whoever has most of them. So neither a host
//! that opens connections and says nothing nor one that lets its calls wait can shut others out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use iris_domain::ids::Party;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The places; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    held: Arc<Mutex<Held>>,
    open: Gauge,
}

/// By age.
type Held = BTreeMap<u64, Entry>;

#[derive(Debug)]
struct Entry {
    holder: Holder,
    dismissed: CancellationToken,
}

/// `None`: it has not shown a token.
type Holder = Option<Party>;

/// A connection's place; free when dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    held: Arc<Mutex<Held>>,
    /// Cancelled when another connection gets the place.
    pub dismissed: CancellationToken,
    open: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many; those that are taken are counted.
    pub(super) fn new(count: usize, open: Gauge) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            held: Arc::default(),
            open,
        }
    }

    /// A place for a newcomer, from whoever has most of them where none is free. `None`: never, as
    /// nobody closes the semaphore.
    pub(super) async fn take(&self) -> Option<Place> {
        if self.free.available_permits() == 0 {
            let held = lock(&self.held);
            if let Some(entry) = longest_held(&held).and_then(|number| held.get(&number)) {
                tracing::debug!(holder = ?entry.holder, "a connection gives its place to a newcomer");
                entry.dismissed.cancel();
            }
        }
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        let dismissed = CancellationToken::new();
        let mut held = lock(&self.held);
        let number = held.last_key_value().map_or(0, |(last, _)| last + 1);
        let entry = Entry {
            holder: None,
            dismissed: dismissed.clone(),
        };
        held.insert(number, entry);
        self.open.inc();
        Some(Place {
            number,
            held: Arc::clone(&self.held),
            dismissed,
            open: self.open.clone(),
            _permit: permit,
        })
    }
}

impl Place {
    /// This party showed its token on the connection.
    pub(super) fn is_of(&self, party: Party) {
        if let Some(entry) = lock(&self.held).get_mut(&self.number) {
            entry.holder = Some(party);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.held).remove(&self.number);
        self.open.dec();
    }
}

/// The oldest place of whoever has most; among equals of nobody, who has proved least.
fn longest_held(held: &Held) -> Option<u64> {
    // Those that were dismissed are as good as free.
    let staying = || held.iter().filter(|(_, it)| !it.dismissed.is_cancelled());
    let mut counts = BTreeMap::<&Holder, usize>::new();
    for (_, entry) in staying() {
        *counts.entry(&entry.holder).or_default() += 1;
    }
    // The last of equals counts, and nobody is the first in order.
    let (most, _) = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
    let oldest = staying().find(|(_, entry)| entry.holder == *most);
    oldest.map(|(number, _)| *number)
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    // No code that holds it can panic half-way.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_most_gives_the_oldest() {
        let team = |name: &str| Some(Party::Team(name.parse().unwrap()));
        let (nobody, console) = (None, Some(Party::Console));
        for (holders, dismissed, gives) in [
            (vec![], &[][..], None),
            (vec![team("a")], &[], Some(0)),
            (vec![team("a"), nobody.clone()], &[], Some(1)),
            (vec![console.clone(), team("a"), team("a")], &[], Some(1)),
            (
                vec![team("a"), team("b"), team("b"), nobody.clone()],
                &[],
                Some(1),
            ),
            (
                vec![console, nobody.clone(), team("b"), nobody.clone()],
                &[],
                Some(1),
            ),
            (vec![team("b"), nobody.clone(), nobody], &[1], Some(2)),
            (vec![team("b")], &[0], None),
        ] {
            let entries = holders.iter().cloned().map(|holder| Entry {
                holder,
                dismissed: CancellationToken::new(),
            });
            let held: Held = (0..).zip(entries).collect();
            for number in dismissed {
                held[number].dismissed.cancel();
            }
            assert_eq!(longest_held(&held), gives, "{holders:?}");
        }
    }
}
