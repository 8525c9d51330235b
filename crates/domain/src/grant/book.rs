//! The grants that hold.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;

use super::{EXTENSION_MINUTES, GRANTS_MAX, Grant, GrantView, Live, MINUTES_MAX, later};
use crate::{
    Problem,
    ids::{GrantId, SessionId, TeamName},
    policy::Policy,
    problem::Code,
};

/// Why a grant is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Its time is over.
    Expired,
    /// A human took it back.
    Revoked,
    /// The agent that it was given to ended, or has another token.
    AgentEnded,
    /// No agent of the team runs any more.
    TeamStopped,
    /// The rules changed so that they contradict it.
    Contradicted,
    /// The team is no longer configured.
    TeamGone,
}

impl Over {
    /// In words, for the record and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "its time is over",
            Self::Revoked => "it was taken back",
            Self::AgentEnded => "the agent that it was given to ended",
            Self::TeamStopped => "the team stopped",
            Self::Contradicted => "the rules changed and contradict it",
            Self::TeamGone => "the team was removed",
        }
    }
}

/// The grants that hold, in the order in which they were given.
#[derive(Debug, Default)]
pub struct Book {
    grants: Vec<Grant>,
}

impl Book {
    /// Adds one.
    pub fn add(&mut self, grant: Grant) {
        self.grants.push(grant);
    }

    /// Whether one more may be given.
    ///
    /// # Errors
    /// `Busy`: there are too many.
    pub fn has_room(&self) -> Result<(), Problem> {
        if self.grants.len() >= GRANTS_MAX {
            return Err(Problem::new(
                Code::Busy,
                format!("{GRANTS_MAX} grants hold already, which is the most."),
                "Take some back, or write a rule for what is often allowed.",
            ));
        }
        Ok(())
    }

    /// Whether one has this name.
    pub fn knows(&self, id: &GrantId) -> bool {
        self.grants.iter().any(|grant| grant.view.id == *id)
    }

    /// What surfaces show.
    pub fn views(&self) -> Vec<GrantView> {
        self.grants.iter().map(|grant| grant.view.clone()).collect()
    }

    /// As the policy sees them.
    pub fn live(&self) -> Vec<Live> {
        self.grants.iter().map(Grant::live).collect()
    }

    /// When the next one ends by the clock.
    pub fn next_end(&self) -> Option<Timestamp> {
        let ends = self.grants.iter().filter_map(|grant| grant.view.expires_at);
        ends.min()
    }

    /// It allowed a request. Says whether it is still there.
    pub fn hit(&mut self, id: &GrantId, summary: &str, now: Timestamp) -> bool {
        let grant = self.grants.iter_mut().find(|grant| grant.view.id == *id);
        let Some(grant) = grant else {
            return false;
        };
        grant.view.hits = grant.view.hits.saturating_add(1);
        grant.view.last_used = Some(now);
        grant.view.last_summary = Some(summary.to_owned());
        true
    }

    /// Five minutes more for one that ends by the clock, but never further off than a human grants
    /// at once.
    ///
    /// # Errors
    /// `NotFound`; `Conflict`: it does not end by the clock.
    pub fn extend(&mut self, id: &GrantId, now: Timestamp) -> Result<GrantView, Problem> {
        let grant = self.grants.iter_mut().find(|grant| grant.view.id == *id);
        let view = &mut grant.ok_or_else(|| not_found(id))?.view;
        let Some(at) = view.expires_at else {
            return Err(Problem::new(
                Code::Conflict,
                format!("The grant {id} does not end by the clock."),
                "It holds until what it was given to ends; there is nothing to extend.",
            ));
        };
        view.expires_at = Some(later(at, EXTENSION_MINUTES).min(later(now, MINUTES_MAX)));
        Ok(view.clone())
    }

    /// Takes one back.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn revoke(&mut self, id: &GrantId) -> Result<GrantView, Problem> {
        let at = self.grants.iter().position(|grant| grant.view.id == *id);
        let at = at.ok_or_else(|| not_found(id))?;
        Ok(self.grants.remove(at).view)
    }

    /// Those whose time is over.
    pub fn expire(&mut self, now: Timestamp) -> Vec<(GrantView, Over)> {
        self.end(|grant| {
            grant
                .view
                .expires_at
                .is_some_and(|at| at <= now)
                .then_some(Over::Expired)
        })
    }

    /// Those whose agent has ended: `live` are the agents that have a token, and its serial number.
    pub fn agents(&mut self, live: &[(TeamName, SessionId, u64)]) -> Vec<(GrantView, Over)> {
        let serials: HashSet<u64> = live.iter().map(|(_, _, serial)| *serial).collect();
        self.end(|grant| match grant.token {
            Some(token) => (!serials.contains(&token)).then_some(Over::AgentEnded),
            None => {
                let runs = live.iter().any(|(team, ..)| *team == grant.view.team);
                (!runs).then_some(Over::TeamStopped)
            }
        })
    }

    /// Those that the rules that hold now contradict. `None`: there is no such team.
    pub fn rules(
        &mut self,
        policy: impl Fn(&TeamName) -> Option<Arc<Policy>>,
    ) -> Vec<(GrantView, Over)> {
        self.end(|grant| match policy(&grant.view.team) {
            None => Some(Over::TeamGone),
            Some(policy) => policy
                .contradicts(&grant.given_for)
                .then_some(Over::Contradicted),
        })
    }

    fn end(&mut self, over: impl Fn(&Grant) -> Option<Over>) -> Vec<(GrantView, Over)> {
        let mut ended = Vec::new();
        self.grants.retain(|grant| match over(grant) {
            Some(why) => {
                ended.push((grant.view.clone(), why));
                false
            }
            None => true,
        });
        ended
    }
}

fn not_found(id: &GrantId) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("There is no grant {id} any more."),
        "`iris grants` lists those that hold.",
    )
}
