//! What waits to be written. Bounded: who notes never waits, so what is too much is thinned.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use iris_domain::{
    ids::SessionId,
    transcript::{Conversation, Entry, Worth},
};
use jiff::Timestamp;
use tokio::sync::oneshot;

/// Entries that wait: some seconds of a flood.
pub const ENTRIES_MAX: usize = 16 * 1024;
/// Bytes of what waits.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Entries that one transaction takes: some ten milliseconds.
const BATCH_MAX: usize = 1024;

/// What comes within this time of the first entry is written with it: a flood costs few large
/// transactions, not many small ones, each of which FTS5 pays for again when it merges them. Who reads
/// what was noted does not wait for it.
const GATHERED: Duration = Duration::from_millis(50);

/// An entry that waits.
#[derive(Debug)]
pub(super) struct Noted {
    pub time: Timestamp,
    pub conversation: Arc<Conversation>,
    pub within: Option<String>,
    pub entry: Entry,
}

pub(super) type Reply = oneshot::Sender<rusqlite::Result<()>>;

/// What the writer is to do when all before is written.
#[derive(Debug)]
pub(super) enum Order {
    Tell(oneshot::Sender<()>),
    Forget(SessionId, Reply),
    Prune(i64, Reply),
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
enum Item {
    Noted(Noted),
    Order(Order),
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    entries: usize,
    bytes: usize,
    /// What was not kept since the last batch.
    missing: BTreeMap<Arc<Conversation>, u64>,
    closed: bool,
}

/// What waits, with its one taker.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

/// What one transaction writes, and what is to be done then.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub entries: Vec<Noted>,
    pub missing: BTreeMap<Arc<Conversation>, u64>,
    pub order: Option<Order>,
}

impl Queue {
    pub fn push(&self, noted: Noted) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.entries += 1;
        state.bytes += noted.entry.bytes();
        state.items.push_back(Item::Noted(noted));
        if state.entries > ENTRIES_MAX || state.bytes > BYTES_MAX {
            state.thin();
        }
        // The ones between change nothing for who gathers.
        let wakes = state.items.len() == 1 || state.entries >= BATCH_MAX;
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// Dropped, so that who waits hears of it, when nobody takes any more.
    pub fn order(&self, order: Order) {
        let mut state = self.lock();
        if !state.closed {
            state.items.push_back(Item::Order(order));
            drop(state);
            self.filled.notify_one();
        }
    }

    /// So many could not be written.
    pub fn missed(&self, missing: BTreeMap<Arc<Conversation>, u64>) {
        let mut state = self.lock();
        for (conversation, entries) in missing {
            *state.missing.entry(conversation).or_default() += entries;
        }
    }

    /// Nobody takes any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.items.clear();
    }

    /// Takes what there is, up to an order; waits for something, and for what comes soon after it, only
    /// if `wait`.
    pub fn take(&self, wait: bool) -> Batch {
        let mut state = if wait { self.gathered() } else { self.lock() };
        let mut batch = Batch {
            missing: std::mem::take(&mut state.missing),
            ..Batch::default()
        };
        while batch.entries.len() < BATCH_MAX && batch.order.is_none() {
            match state.items.pop_front() {
                Some(Item::Noted(noted)) => {
                    state.entries -= 1;
                    state.bytes -= noted.entry.bytes();
                    batch.entries.push(noted);
                }
                Some(Item::Order(order)) => batch.order = Some(order),
                None => break,
            }
        }
        batch
    }

    fn gathered(&self) -> MutexGuard<'_, State> {
        let filled = self
            .filled
            .wait_while(self.lock(), |state| state.items.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        // An order ends it.
        let more =
            |state: &mut State| state.entries < BATCH_MAX && state.items.len() == state.entries;
        self.filled
            .wait_timeout_while(filled, GATHERED, more)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops what is worth least, the oldest first, until half of the room is free; of what is worth more
    /// only if that is not enough.
    fn thin(&mut self) {
        for worth in [Worth::Low, Worth::Middle, Worth::High] {
            let (entries, bytes, missing) = (&mut self.entries, &mut self.bytes, &mut self.missing);
            self.items.retain(|item| {
                let Item::Noted(noted) = item else {
                    return true;
                };
                let enough = *entries <= ENTRIES_MAX / 2 && *bytes <= BYTES_MAX / 2;
                if enough || noted.entry.worth() != worth {
                    return true;
                }
                *entries -= 1;
                *bytes -= noted.entry.bytes();
                *missing.entry(Arc::clone(&noted.conversation)).or_default() += 1;
                false
            });
        }
    }
}
