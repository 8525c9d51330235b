//! The one place that reads the wall clock, and how timers are waited for.

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

/// Now, in UTC.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Returns at this time; never without one.
pub(crate) async fn reached(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
