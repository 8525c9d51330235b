//! Refused calls become audit rows, but a flood of them cannot fill the disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use iris_domain::{
    audit::{Draft, Kind},
    decision::Verb,
    display,
    ids::Party,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{clock, metrics::Metrics, store::Store, tokens::Caller};

/// How many rows are written in which time; what comes beyond is counted, and the count is one
/// more row.
#[derive(Debug, Clone, Copy)]
struct Pace {
    rows: u32,
    window: Duration,
}

/// A row takes about 500 bytes: a flood that nobody stops writes 130 MB a month, an honest month a
/// few rows. An attack is as plain from 60 rows and a count as from all of them.
const PACE: Pace = Pace {
    rows: 60,
    window: Duration::from_secs(600),
};
/// Refusals that wait for the database; beyond that they are only counted.
const QUEUE: usize = 64;
/// What of a stranger's text stands in a row, characters.
const DETAIL_MAX: usize = 200;

/// A handle on the task that writes refused calls down; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Refusals {
    rows: mpsc::Sender<Draft>,
    uncounted: Arc<AtomicU64>,
    metrics: Metrics,
}

impl Refusals {
    /// Starts the task.
    pub(super) fn start(store: Store, tasks: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (refusals, rows) = Self::counted_by(store.metrics().clone());
        let uncounted = Arc::clone(&refusals.uncounted);
        tasks.spawn(async move {
            write(rows, &uncounted, PACE, shutdown, |draft| async {
                if let Err(error) = store.append(draft).await {
                    tracing::error!(%error, "a refused call could not be written to the audit log");
                }
            })
            .await;
        });
        refusals
    }

    /// The handle, and what comes out at the other end.
    #[cfg(test)]
    pub(super) fn channel() -> (Self, mpsc::Receiver<Draft>) {
        Self::counted_by(Metrics::default())
    }

    /// The same, counted there.
    pub(super) fn counted_by(metrics: Metrics) -> (Self, mpsc::Receiver<Draft>) {
        let (rows, receiver) = mpsc::channel(QUEUE);
        (
            Self {
                rows,
                uncounted: Arc::default(),
                metrics,
            },
            receiver,
        )
    }

    /// Someone without a token, or with one that is not for this place.
    pub(super) fn stranger(&self, caller: Option<&Caller>, why: &'static str, path: &str) {
        let details = json!({ "path": display::one_line(path, DETAIL_MAX) });
        self.send(Kind::Auth, caller, "endpoint", why, details);
    }

    /// A caller that we know asked for what it may not have.
    pub(super) fn call(&self, caller: &Caller, tool: &str, why: &'static str, details: &str) {
        let details = json!({ "reason": display::one_line(details, DETAIL_MAX) });
        self.send(Kind::Call, Some(caller), tool, why, details);
    }

    /// A permission request that is none.
    pub(super) fn permission(&self, caller: &Caller, details: &str) {
        let details = json!({ "reason": display::one_line(details, DETAIL_MAX) });
        let tool = "permissions__approve";
        self.send(Kind::Permission, Some(caller), tool, "iris:input", details);
    }

    fn send(
        &self,
        kind: Kind,
        caller: Option<&Caller>,
        tool: &str,
        why: &'static str,
        input: Value,
    ) {
        self.metrics.refused(kind, why);
        let draft = draft(kind, caller, tool, why, input);
        if self.rows.try_send(draft).is_err() {
            // The queue is full, or Iris ends: counted, and said with the next row.
            self.uncounted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn draft(kind: Kind, caller: Option<&Caller>, tool: &str, why: &str, input: Value) -> Draft {
    let refused = Draft {
        caller: "unknown".to_owned(),
        input,
        decision: Verb::Deny,
        decided_by: why.to_owned(),
        ..Draft::event(clock::now(), kind, tool)
    };
    match caller {
        None => refused,
        Some(Caller::Console) => Draft {
            caller: Party::CONSOLE.to_owned(),
            ..refused
        },
        Some(Caller::Agent(asker)) => Draft {
            caller: asker.team.to_string(),
            team: asker.team.to_string(),
            session: asker.session.to_string(),
            host: asker.host.clone(),
            ..refused
        },
    }
}

/// Writes rows at this pace, and the number of the others.
async fn write<F: Future<Output = ()>>(
    mut rows: mpsc::Receiver<Draft>,
    uncounted: &AtomicU64,
    pace: Pace,
    shutdown: CancellationToken,
    append: impl Fn(Draft) -> F,
) {
    let mut window_end = Instant::now() + pace.window;
    let mut written = 0_u32;
    let mut unwritten = 0_u64;
    loop {
        unwritten += uncounted.swap(0, Ordering::Relaxed);
        let next = tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            // Only while something is left to say: an idle Iris has no timers.
            () = tokio::time::sleep_until(window_end), if unwritten > 0 => {
                append(summary(std::mem::take(&mut unwritten))).await;
                window_end = Instant::now() + pace.window;
                written = 1;
                continue;
            }
            row = rows.recv() => row,
        };
        let Some(row) = next else {
            rows.close();
            while rows.try_recv().is_ok() {
                unwritten += 1;
            }
            unwritten += uncounted.swap(0, Ordering::Relaxed);
            if unwritten > 0 {
                append(summary(unwritten)).await;
            }
            return;
        };
        if Instant::now() >= window_end && unwritten == 0 {
            window_end = Instant::now() + pace.window;
            written = 0;
        }
        if written < pace.rows {
            written += 1;
            tracing::warn!(
                caller = row.caller,
                tool = row.tool,
                why = row.decided_by,
                "refused"
            );
            append(row).await;
        } else {
            unwritten += 1;
        }
    }
}

/// One row for the refusals that have none of their own.
fn summary(unwritten: u64) -> Draft {
    draft(
        Kind::Auth,
        None,
        "endpoint",
        "flood",
        json!({ "refusedToo": unwritten }),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Bounded by ten seconds, which only a defect needs.
    async fn until(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline, "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_flood_is_counted_in_one_row() {
        let (refusals, rows) = Refusals::channel();
        let uncounted = Arc::clone(&refusals.uncounted);
        let written = Arc::new(Mutex::new(Vec::new()));
        let tasks = TaskTracker::new();
        let shutdown = CancellationToken::new();
        let (sink, stop) = (Arc::clone(&written), shutdown.clone());
        let pace = Pace {
            rows: 3,
            window: Duration::from_millis(500),
        };
        tasks.spawn(async move {
            write(rows, &uncounted, pace, stop, |draft| {
                sink.lock().unwrap().push(draft);
                std::future::ready(())
            })
            .await;
        });
        for _ in 0..1000 {
            refusals.stranger(None, "token:unknown", "/mcp");
        }
        let count = || written.lock().unwrap().len();
        until("the flood's rows and their sum", || count() == 4).await;
        let sum = written.lock().unwrap()[3].input["refusedToo"].clone();
        assert_eq!(sum, 997, "what has no row of its own is counted");
        refusals.stranger(None, "token:unknown", "/mcp");
        until("a later refusal is a row again", || count() == 5).await;
        for _ in 0..10 {
            refusals.stranger(None, "token:unknown", "/mcp");
        }
        shutdown.cancel();
        tasks.close();
        tasks.wait().await;
        let refused: u64 = written
            .lock()
            .unwrap()
            .iter()
            .map(|row| row.input["refusedToo"].as_u64().unwrap_or(1))
            .sum();
        assert_eq!(refused, 1011, "none is forgotten, at the end neither");
    }
}
