//! Bounds the audit rows of what strangers do; what is left out is counted.

use std::time::{Duration, Instant};

/// Rows per [`PERIOD`]: enough to see somebody try, too few to fill a disk.
pub(crate) const ROWS_MAX: u32 = 20;
/// See [`ROWS_MAX`].
const PERIOD: Duration = Duration::from_secs(60);

/// What was written and what was not.
#[derive(Debug, Default)]
pub(crate) struct RowLimit {
    since: Option<Instant>,
    written: u32,
    unwritten: u64,
}

impl RowLimit {
    /// Whether this one is written, and how many before it were not.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        if self
            .since
            .is_none_or(|since| now.duration_since(since) >= PERIOD)
        {
            self.since = Some(now);
            self.written = 0;
        }
        if self.written == ROWS_MAX {
            self.unwritten += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_bounded_and_the_others_counted() {
        let mut limit = RowLimit::default();
        let start = Instant::now();
        for _ in 0..ROWS_MAX {
            assert_eq!(limit.admit(start), Some(0));
        }
        assert_eq!(limit.admit(start), None, "one too many");
        assert_eq!(limit.admit(start), None);
        assert_eq!(
            limit.admit(start + PERIOD),
            Some(2),
            "the next period's first row says how many were left out"
        );
    }
}
