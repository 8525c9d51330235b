//! The places for processes: `settings.maxProcesses` of them. Who has work keeps its place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use iris_domain::{Problem, problem::Code};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::supervisor::Command;

/// The places; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    taken: HashMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    idle_since: Option<Instant>,
    /// It was asked to leave and has not answered.
    asked: bool,
    owner: mpsc::WeakSender<Command>,
}

/// A place. Dropping it makes it free.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    slots: Slots,
}

enum Attempt {
    Got(u64),
    Evicting,
    Full,
}

impl Slots {
    /// Takes a place; if all are taken, the longest idle process is asked to leave.
    pub async fn take(
        &self,
        owner: mpsc::WeakSender<Command>,
        max: usize,
    ) -> Result<Slot, Problem> {
        loop {
            // Registered before the table is read, so that no change is missed.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            match self.attempt(&owner, max) {
                Attempt::Got(id) => {
                    return Ok(Slot {
                        id,
                        slots: self.clone(),
                    });
                }
                Attempt::Evicting => changed.await,
                Attempt::Full => {
                    return Err(Problem::new(
                        Code::Busy,
                        match max {
                            1 => "The one agent that may run is at work.".to_owned(),
                            _ => format!("All {max} agents that may run are at work."),
                        },
                        "Wait until one is done, stop a team, or raise `settings.maxProcesses`.",
                    ));
                }
            }
        }
    }

    /// How many are free.
    pub fn free(&self, max: usize) -> usize {
        max.saturating_sub(self.table().taken.len())
    }

    fn attempt(&self, owner: &mpsc::WeakSender<Command>, max: usize) -> Attempt {
        let mut table = self.table();
        if table.taken.len() < max {
            let id = table.next;
            table.next += 1;
            table.taken.insert(
                id,
                Taken {
                    idle_since: None,
                    asked: false,
                    owner: owner.clone(),
                },
            );
            return Attempt::Got(id);
        }
        // One eviction at a time would be slow for many who wait; one per call is enough, because
        // every change lets all who wait look again.
        let idle = table
            .taken
            .values_mut()
            .filter(|t| t.idle_since.is_some() && !t.asked);
        if let Some(longest) = idle.min_by_key(|t| t.idle_since) {
            // A full mailbox means work.
            if longest
                .owner
                .upgrade()
                .is_some_and(|o| o.try_send(Command::Evict).is_ok())
            {
                longest.asked = true;
            } else {
                longest.idle_since = None;
            }
            return Attempt::Evicting;
        }
        if table.taken.values().any(|t| t.asked) {
            Attempt::Evicting
        } else {
            Attempt::Full
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that holds it can panic half-way.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// It has nothing to do since now: it may be asked to leave.
    pub fn idle(&self) {
        if let Some(taken) = self.slots.table().taken.get_mut(&self.id) {
            taken.idle_since.get_or_insert_with(Instant::now);
        }
        self.slots.0.changed.notify_waiters();
    }

    /// It has work, and stays.
    pub fn busy(&self) {
        if let Some(taken) = self.slots.table().taken.get_mut(&self.id) {
            taken.idle_since = None;
            taken.asked = false;
        }
        self.slots.0.changed.notify_waiters();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.table().taken.remove(&self.id);
        self.slots.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_idle_leaves_and_who_works_stays() {
        let slots = Slots::default();
        let (one_tx, mut one) = mpsc::channel(4);
        let (two_tx, mut two) = mpsc::channel(4);
        let (new_tx, _new) = mpsc::channel(4);
        let first = slots.take(one_tx.downgrade(), 2).await.unwrap();
        let second = slots.take(two_tx.downgrade(), 2).await.unwrap();
        let full = slots.take(new_tx.downgrade(), 2).await.unwrap_err();
        assert_eq!(full.code, Code::Busy, "nobody is idle");

        second.idle();
        first.idle();
        let third = tokio::join!(slots.take(new_tx.downgrade(), 2), async {
            assert!(
                matches!(two.recv().await, Some(Command::Evict)),
                "the longest idle is asked"
            );
            // It has got work meanwhile: the next one is asked.
            second.busy();
            assert!(matches!(one.recv().await, Some(Command::Evict)));
            drop(first);
        })
        .0;
        assert!(third.is_ok());
        assert!(
            slots.take(new_tx.downgrade(), 2).await.is_err(),
            "the third is not idle"
        );
    }
}
