//! What leases and surfaces see of a link.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use iris_domain::{
    Problem,
    ids::TeamName,
    session::Failure,
    snapshot::{LinkState, LinkView},
};
use jiff::Timestamp;
use tokio::sync::watch;

use super::{LinkViews, task::Wish, tunnel::Wanted};

/// Told to a reader who cares about nothing else than that the team's tunnel is in plain HTTP.
const PLAIN: &str = "Plain HTTP inside the tunnel (allowHttp): other users of that host who can listen in could read the team's token.";

/// What leases wait for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Status {
    pub state: LinkState,
    pub problem: Option<Problem>,
    pub tunnels: BTreeMap<Wanted, Result<u16, Failure>>,
    /// The last proof that came back, and how long it took.
    pub verified: Option<(Timestamp, Duration)>,
}

/// What is shown of a link now.
pub(super) struct Shown {
    status: watch::Sender<Arc<Status>>,
    /// Of all links.
    views: Arc<watch::Sender<Arc<LinkViews>>>,
    /// The teams that were shown last.
    teams: BTreeSet<TeamName>,
}

impl Shown {
    /// Nothing yet; `views` is what all links have in common.
    pub fn new(views: Arc<watch::Sender<Arc<LinkViews>>>) -> (Self, watch::Receiver<Arc<Status>>) {
        let (status, seen) = watch::channel(Arc::default());
        let shown = Self {
            status,
            views,
            teams: BTreeSet::new(),
        };
        (shown, seen)
    }

    /// Tells surfaces, and then leases, what holds now.
    pub fn publish<'a>(
        &mut self,
        status: Status,
        wishes: impl Iterator<Item = &'a Wish>,
        retry_at: Option<Timestamp>,
    ) {
        let views: LinkViews = wishes
            .map(|wish| (wish.team.clone(), view(wish, &status, retry_at)))
            .collect();
        let before = std::mem::replace(&mut self.teams, views.keys().cloned().collect());
        self.views.send_if_modified(|all| {
            let mut next = LinkViews::clone(all);
            next.retain(|team, _| !before.contains(team));
            next.extend(views);
            let changed = **all != next;
            if changed {
                *all = Arc::new(next);
            }
            changed
        });
        self.status.send_if_modified(|now| {
            let changed = **now != status;
            if changed {
                *now = Arc::new(status);
            }
            changed
        });
    }
}

/// The link as the team of this wish sees it.
fn view(wish: &Wish, status: &Status, retry_at: Option<Timestamp>) -> LinkView {
    let tunnel = wish.tunnel.and_then(|wanted| status.tunnels.get(&wanted));
    let good = matches!(status.state, LinkState::Up | LinkState::Degraded);
    LinkView {
        state: status.state,
        verified_at: status.verified.map(|(at, _)| at),
        rtt_ms: status
            .verified
            .filter(|_| good)
            .map(|(_, took)| took.as_secs_f64() * 1000.0),
        port: tunnel.and_then(|tunnel| tunnel.as_ref().ok()).copied(),
        retry_at,
        problem: tunnel
            .and_then(|tunnel| tunnel.as_ref().err())
            .map(|failure| &failure.problem)
            .or(status.problem.as_ref())
            .cloned(),
        warning: (wish.allow_http && wish.tunnel.is_some()).then(|| PLAIN.to_owned()),
    }
}
