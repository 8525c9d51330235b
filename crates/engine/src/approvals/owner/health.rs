//! Whether the audit log can be written: said while it cannot, and tried again until it can.

use std::time::Duration;

use iris_domain::audit::{Draft, Kind};
use serde_json::json;
use tokio::time::Instant;

use super::{Owner, Written};
use crate::{
    approvals::unwritable,
    clock,
    store::{Store, StoreError},
};

/// How often it is tried whether the audit log can be written again, so that the trouble does not
/// stay on show until the next agent asks.
const PROBE_EVERY: Duration = Duration::from_secs(5);

impl Owner {
    /// Keeps what surfaces show of the audit log's health.
    pub(super) fn wrote(&mut self, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) => {
                if let Some(failed) = self.healthy() {
                    self.write(probe(self.store.clone(), failed));
                }
            }
            Err(error) => {
                tracing::error!(%error, "A record could not be written; what it was for is denied.");
                let failed = self.problem.take().map_or(0, |(_, failed)| failed);
                self.unhealthy(&error, failed + 1);
            }
        }
    }

    /// A row that only says that the log works again was or was not written.
    pub(super) fn probed(&mut self, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) => drop(self.healthy()),
            Err(error) => {
                let failed = self.problem.take().map_or(0, |(_, failed)| failed);
                self.unhealthy(&error, failed);
            }
        }
    }

    /// How many writes failed until now; `None`: it was healthy.
    fn healthy(&mut self) -> Option<u64> {
        let (_, failed) = self.problem.take()?;
        self.probe = None;
        self.changed = true;
        Some(failed)
    }

    fn unhealthy(&mut self, error: &StoreError, failed: u64) {
        self.problem = Some((unwritable(error), failed));
        self.probe
            .get_or_insert_with(|| Instant::now() + PROBE_EVERY);
        self.changed = true;
    }
}

/// Writes a row that says that rows are missing: what was denied meanwhile could not be recorded.
pub(super) async fn probe(store: Store, failed: u64) -> Written {
    let row = Draft {
        input: json!({"failedWrites": failed}),
        ..Draft::event(clock::now(), Kind::Operation, "audit.recovered")
    };
    Written {
        event: None,
        outcome: store.append(row).await.map(drop),
    }
}
