//! What surfaces show of a link.

use std::time::Duration;

use iris_domain::snapshot::{LinkState, LinkView};
use jiff::Timestamp;

use super::task::{Status, Wish};

/// Told to a reader who cares about nothing else than that the team's tunnel is in plain HTTP.
const PLAIN: &str = "Plain HTTP inside the tunnel (allowHttp): other users of that host who can listen in could read the team's token.";

/// The link as the team of this wish sees it. `verified`: when the last proof came back, and how
/// long it took.
pub(super) fn of(
    wish: &Wish,
    status: &Status,
    verified: Option<(Timestamp, Duration)>,
    retry_at: Option<Timestamp>,
) -> LinkView {
    let tunnel = wish.tunnel.and_then(|wanted| status.tunnels.get(&wanted));
    let good = matches!(status.state, LinkState::Up | LinkState::Degraded);
    LinkView {
        state: status.state,
        verified_at: verified.map(|(at, _)| at),
        rtt_ms: verified
            .filter(|_| good)
            .map(|(_, took)| took.as_secs_f64() * 1000.0),
        port: tunnel.and_then(|tunnel| tunnel.as_ref().ok()).copied(),
        retry_at,
        problem: tunnel
            .and_then(|tunnel| tunnel.as_ref().err())
            .or(status.problem.as_ref())
            .cloned(),
        warning: (wish.allow_http && wish.tunnel.is_some()).then(|| PLAIN.to_owned()),
    }
}
