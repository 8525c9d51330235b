//! The only place where tests wait by looking again and again. Everything else awaits an event.

use std::time::{Duration, Instant};

/// How long something may take before a test fails. Far more than it needs, because the machine
/// may be building at the same time; a test that passes never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks: short beside everything that is waited for, long enough to cost nothing.
const PAUSE: Duration = Duration::from_millis(40);

/// Looks until `probe` finds something and returns it; panics with `what` after [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain: {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// [`eventually`] where nothing can be awaited (`Drop`); `false` after `patience`.
#[must_use = "the condition may not have come true"]
pub fn blocking(patience: Duration, mut probe: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if probe() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}
