//! How long to wait before trying again.

use std::time::Duration;

/// First wait after a failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest wait: a user who mends the cause should not wait longer than this to see it work.
pub const CAP: Duration = Duration::from_secs(60);

/// The wait before attempt number `attempt` (from 1): 1, 2, 4 … 60 s.
pub fn delay(attempt: u32) -> Duration {
    let factor = 1u32
        .checked_shl(attempt.saturating_sub(1))
        .unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(CAP)
}
