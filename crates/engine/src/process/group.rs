//! A process group, from the start of its leader until it is empty.

use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::{KILL_GRACE, LOOK, Processes, TERM_GRACE};

/// A process group that is to be emptied.
#[derive(Debug)]
pub(super) struct Group {
    pgid: i32,
    processes: Processes,
    empty: bool,
}

impl Group {
    /// The group of this leader, known to `processes` until it is empty.
    pub fn new(pgid: i32, processes: &Processes) -> Self {
        processes.groups().insert(pgid);
        Self {
            pgid,
            processes: processes.clone(),
            empty: false,
        }
    }

    pub fn signal(&self, signal: Signal) {
        let Some(pgid) = Pid::from_raw(self.pgid) else {
            return;
        };
        if let Err(error) = rustix::process::kill_process_group(pgid, signal) {
            debug!(pgid = self.pgid, %error, "the group was gone already");
        }
    }

    fn is_empty(&self) -> bool {
        self.processes.reap_now();
        Pid::from_raw(self.pgid)
            .is_none_or(|pgid| rustix::process::test_kill_process_group(pgid).is_err())
    }

    async fn wait_empty(&self, at_most: Duration) -> bool {
        let begun = Instant::now();
        while !self.is_empty() {
            if begun.elapsed() > at_most {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    /// Ends what the leader left in it, then what carries the mark outside of it.
    pub async fn end(&mut self, mark: &str) {
        if !self.is_empty() {
            self.signal(Signal::TERM);
            // What is stopped hears it when it goes on.
            self.signal(Signal::CONT);
            if !self.wait_empty(TERM_GRACE).await {
                self.signal(Signal::KILL);
                if !self.wait_empty(KILL_GRACE).await {
                    warn!(pgid = self.pgid, "a process does not end even when killed");
                }
            }
        }
        self.empty = true;
        self.processes.groups().remove(&self.pgid);
        self.processes.end_strangers(mark).await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.empty {
            // The owning task was dropped with the runtime: no time for the ladder.
            self.signal(Signal::KILL);
            self.processes.groups().remove(&self.pgid);
        }
    }
}
