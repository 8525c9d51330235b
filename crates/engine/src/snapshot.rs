//! Puts together the one [`Snapshot`] that every surface renders.

use std::{collections::BTreeMap, sync::Arc};

use iris_domain::{
    Problem,
    config::{Config, Team},
    freeze::Frozen,
    ids::TeamName,
    prompt::PromptView,
    snapshot::{
        LinkState, LinkView, SessionView, SlackState, SlackView, Snapshot, TeamState, TeamView,
        WebhookView,
    },
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    approvals::ApprovalsView,
    links::LinkViews,
    teams::{Circles, SessionViews},
    transcripts::Sums,
};

/// What a snapshot is made from: one watch per owner, and what never changes in a run.
pub(crate) struct Sources {
    pub endpoint: String,
    /// Found at the start, holds for the run (a corrupt database was kept aside, …).
    pub found_at_start: Vec<Problem>,
    pub config: watch::Receiver<Arc<Config>>,
    pub config_problem: watch::Receiver<Option<Problem>>,
    pub sessions: watch::Receiver<Arc<SessionViews>>,
    /// Where teams were stopped that talk in circles.
    pub circles: watch::Receiver<Arc<Circles>>,
    pub approvals: watch::Receiver<Arc<ApprovalsView>>,
    pub links: watch::Receiver<Arc<LinkViews>>,
    /// Teams whose calls are not taken any more, and why.
    pub cut_off: watch::Receiver<Arc<BTreeMap<TeamName, Problem>>>,
    pub prompts: watch::Receiver<Arc<Vec<PromptView>>>,
    pub frozen: watch::Receiver<Arc<Frozen>>,
    pub slack: watch::Receiver<Option<SlackView>>,
    pub webhooks: watch::Receiver<Vec<WebhookView>>,
    /// What sessions cost.
    pub spent: watch::Receiver<Arc<Sums>>,
    /// What the desktop app could not do for the user.
    pub surfaces: watch::Receiver<Vec<Problem>>,
}

/// Publishes a new snapshot whenever a source changes, until `shutdown`.
pub(crate) fn publish(
    mut sources: Sources,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> watch::Receiver<Arc<Snapshot>> {
    let (tx, rx) = watch::channel(Arc::new(sources.compose()));
    tasks.spawn(async move {
        while sources.changed(&shutdown).await {
            let next = sources.compose();
            tx.send_if_modified(|now| {
                let changed = **now != next;
                if changed {
                    *now = Arc::new(next);
                }
                changed
            });
        }
    });
    rx
}

impl Sources {
    /// Waits for a change; false when there will be no more.
    async fn changed(&mut self, shutdown: &CancellationToken) -> bool {
        tokio::select! {
            () = shutdown.cancelled() => false,
            r = self.config.changed() => r.is_ok(),
            r = self.config_problem.changed() => r.is_ok(),
            r = self.sessions.changed() => r.is_ok(),
            r = self.circles.changed() => r.is_ok(),
            r = self.approvals.changed() => r.is_ok(),
            r = self.links.changed() => r.is_ok(),
            r = self.cut_off.changed() => r.is_ok(),
            r = self.prompts.changed() => r.is_ok(),
            r = self.frozen.changed() => r.is_ok(),
            r = self.slack.changed() => r.is_ok(),
            r = self.webhooks.changed() => r.is_ok(),
            r = self.spent.changed() => r.is_ok(),
            r = self.surfaces.changed() => r.is_ok(),
        }
    }

    fn compose(&mut self) -> Snapshot {
        let config = Arc::clone(&self.config.borrow_and_update());
        let sessions = Arc::clone(&self.sessions.borrow_and_update());
        let approvals = Arc::clone(&self.approvals.borrow_and_update());
        let links = Arc::clone(&self.links.borrow_and_update());
        let prompts = Arc::clone(&self.prompts.borrow_and_update());
        let frozen = Arc::clone(&self.frozen.borrow_and_update());
        let mut problems: Vec<Problem> = approvals.problem.iter().cloned().collect();
        problems.extend(self.cut_off.borrow_and_update().values().cloned());
        problems.extend(self.circles.borrow_and_update().values().cloned());
        problems.extend(self.config_problem.borrow_and_update().clone());
        let spent = Arc::clone(&self.spent.borrow_and_update());
        let slack = self.slack.borrow_and_update().clone();
        problems.extend(slack.as_ref().and_then(needs_you));
        problems.extend(self.surfaces.borrow_and_update().iter().cloned());
        problems.extend(self.found_at_start.iter().cloned());
        let teams = config
            .teams
            .iter()
            .map(|(name, team)| {
                let mut sessions = sessions.get(name).cloned().unwrap_or_default();
                for session in &mut sessions {
                    session.spent = spent.sessions.get(&session.id).copied();
                }
                let waiting = approvals.pending.iter();
                let waiting = waiting
                    .filter(|a| a.team == *name && a.is_for_human())
                    .count();
                TeamView {
                    frozen: frozen.of(name).cloned(),
                    spent: spent.teams.get(name).copied(),
                    ..team_view(name, team, links.get(name), sessions, waiting)
                }
            })
            .collect();
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            endpoint: self.endpoint.clone(),
            teams,
            approvals: approvals.pending.clone(),
            recent: approvals.recent.clone(),
            missed: approvals.missed.clone(),
            frozen: frozen.all.clone(),
            grants: approvals.grants.clone(),
            prompts: prompts.to_vec(),
            slack,
            webhooks: self.webhooks.borrow_and_update().clone(),
            problems,
        }
    }
}

/// What is wrong with Slack, where only a human can mend it.
fn needs_you(slack: &SlackView) -> Option<Problem> {
    match slack.state {
        SlackState::NeedsYou => slack.problem.clone(),
        SlackState::Connecting | SlackState::Up | SlackState::Reconnecting => None,
    }
}

/// A session in trouble without a process, while a later one of the team works: what was wrong is
/// mended, and the session finds out when it is next wanted.
fn overtaken(session: &SessionView, all: &[SessionView]) -> bool {
    let works = |s: &SessionView| {
        matches!(
            s.state,
            TeamState::Idle | TeamState::Working | TeamState::Waiting
        )
    };
    session.state == TeamState::Trouble
        && session.pid.is_none()
        && all
            .iter()
            .any(|other| works(other) && other.last_activity > session.last_activity)
}

/// The state as it can be shown: that an agent on another host is ready is known over its link only.
/// While that is not proved, it is on its way.
fn verified(state: TeamState, team: &Team, link: Option<&LinkView>) -> TeamState {
    let proved = link.is_some_and(|link| link.state == LinkState::Up);
    if state == TeamState::Idle && team.remote.is_some() && !proved {
        TeamState::Waking
    } else {
        state
    }
}

fn team_view(
    name: &TeamName,
    team: &Team,
    link: Option<&LinkView>,
    sessions: Vec<SessionView>,
    waiting: usize,
) -> TeamView {
    let shown = |session: &SessionView| verified(session.state, team, link);
    let worst = sessions
        .iter()
        .filter(|s| !overtaken(s, &sessions))
        .map(shown)
        .max()
        .unwrap_or(TeamState::Asleep);
    let state = if waiting > 0 {
        worst.max(TeamState::Waiting)
    } else {
        worst
    };
    TeamView {
        name: name.clone(),
        state,
        host: team.host().to_owned(),
        waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
        problem: sessions
            .iter()
            .filter(|s| !overtaken(s, &sessions))
            .find_map(|s| s.problem.clone()),
        description: team.description.clone(),
        color: team.color.clone(),
        path: team.path.clone(),
        mode: team.grant_permission,
        link: link.cloned(),
        frozen: None,
        spent: None,
        sessions: sessions
            .into_iter()
            .map(|session| SessionView {
                state: shown(&session),
                ..session
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use iris_domain::{
        ids::{Party, SessionId},
        problem::Code,
    };

    use super::*;

    fn session(state: TeamState, last_activity: i64) -> SessionView {
        SessionView {
            id: SessionId(uuid::Uuid::from_u128(1)),
            from: Party::Console,
            state,
            doing: None,
            pid: None,
            queued: 0,
            problem: (state == TeamState::Trouble)
                .then(|| Problem::new(Code::Agent, "It does not work.", "Mend it.")),
            stderr_tail: Vec::new(),
            last_activity: jiff::Timestamp::from_second(last_activity).unwrap(),
            spent: None,
        }
    }

    #[test]
    fn a_trouble_ends_when_the_team_works_again() {
        use TeamState::{Asleep, Idle, Trouble};
        for (sessions, shown) in [
            (vec![session(Trouble, 1)], Trouble),
            (vec![session(Trouble, 1), session(Idle, 2)], Idle),
            (vec![session(Trouble, 2), session(Idle, 1)], Trouble),
            (vec![session(Trouble, 1), session(Asleep, 2)], Trouble),
        ] {
            let view = team_view(&"api".parse().unwrap(), &Team::at("p"), None, sessions, 0);
            assert_eq!(view.state, shown);
            assert_eq!(view.problem.is_some(), shown == Trouble);
        }
    }

    #[test]
    fn an_agent_whose_link_is_not_proved_is_not_shown_as_ready() {
        use TeamState::{Idle, Trouble, Waking, Working};
        let mut there = Team::at("p");
        there.remote = Some("me@box".into());
        let link = |state| LinkView {
            state,
            verified_at: None,
            rtt_ms: None,
            port: None,
            retry_at: None,
            problem: None,
            warning: None,
        };
        for (team, link, is, shown) in [
            (&Team::at("p"), None, Idle, Idle),
            (&there, Some(link(LinkState::Up)), Idle, Idle),
            (&there, None, Idle, Waking),
            (&there, Some(link(LinkState::Degraded)), Idle, Waking),
            (&there, Some(link(LinkState::Connecting)), Idle, Waking),
            (&there, Some(link(LinkState::Degraded)), Working, Working),
            (&there, Some(link(LinkState::NeedsYou)), Trouble, Trouble),
        ] {
            let sessions = vec![session(is, 1)];
            let view = team_view(&"api".parse().unwrap(), team, link.as_ref(), sessions, 0);
            assert_eq!((view.state, view.sessions[0].state), (shown, shown));
        }
    }
}
