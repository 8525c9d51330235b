//! Values for tests.

use iris_domain::snapshot::{LinkState, LinkView};
use jiff::Timestamp;

/// A link that was verified 56 s after the epoch.
pub fn link() -> LinkView {
    LinkView {
        state: LinkState::Up,
        verified_at: Timestamp::from_second(56).ok(),
        rtt_ms: Some(11.6),
        port: Some(1615),
        retry_at: None,
        problem: None,
        warning: None,
    }
}
