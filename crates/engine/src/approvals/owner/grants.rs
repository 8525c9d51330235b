//! The grants that hold, and what ends them: the clock, the end of an agent, a change of the rules.

use std::{sync::Arc, time::Duration};

use iris_domain::{
    Problem,
    approval::{Answerer, Asked},
    audit::Draft,
    config::Config,
    decision::Answer,
    grant::{Book, Given, Grant, GrantView, Lifetime, Live, Offers, Over},
    ids::{GrantId, SessionId, TeamName},
    policy::RULES_JOINED,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use super::super::policies::Policies;
use crate::{clock, short_id, tokens::Tokens};

pub(super) struct Grants {
    book: Book,
    live: watch::Sender<Arc<[Live]>>,
    policies: Policies,
    config: watch::Receiver<Arc<Config>>,
    tokens: Tokens,
    agents: watch::Receiver<u64>,
}

impl Grants {
    pub fn new(policies: Policies, tokens: Tokens) -> Self {
        Self {
            book: Book::default(),
            live: watch::Sender::new(Arc::default()),
            config: policies.changes(),
            policies,
            agents: tokens.changes(),
            tokens,
        }
    }

    pub fn watch(&self) -> watch::Receiver<Arc<[Live]>> {
        self.live.subscribe()
    }

    /// What surfaces show.
    pub fn views(&self) -> Vec<GrantView> {
        self.book.views()
    }

    /// The grant that an answer gives with it; `None`: it gives none.
    pub fn of_answer(
        &self,
        asked: &Asked,
        answer: &Answer,
        by: &Answerer,
    ) -> Result<Option<Box<Grant>>, Problem> {
        let (
            Answer::Allow {
                input,
                remember: Some(remember),
            },
            Answerer::Human(human),
        ) = (answer, by)
        else {
            return Ok(None);
        };
        // A rule in the config is written once the answer has decided.
        if let Lifetime::Always {} = remember.until {
            return Ok(None);
        }
        let (view, runs) = (&asked.view, asked.runs(input.clone())?);
        let Some(policy) = self.policies.now().of(&view.team) else {
            // It is told that the team is gone.
            return Ok(None);
        };
        let id = short_id::free(|id| self.book.knows(&GrantId(id.to_owned())))
            .map_err(|error| short_id::no_random(&error))?;
        let grant = Grant::new(
            Given {
                id: GrantId(id),
                team: &view.team,
                session: view.session,
                token: self.token_of(&view.team, view.session),
                request: &runs,
                offers: &Offers::of(&policy, &runs),
                human,
                now: clock::now(),
            },
            remember,
        )?;
        grant.holds(&policy)?;
        self.book.has_room()?;
        Ok(Some(Box::new(grant)))
    }

    fn token_of(&self, team: &TeamName, session: SessionId) -> Option<u64> {
        let agents = self.tokens.agents().into_iter();
        agents
            .filter(|agent| agent.team == *team && agent.session == session)
            .map(|agent| agent.serial)
            .max()
    }

    /// It is on record.
    pub fn add(&mut self, grant: Grant) {
        tracing::info!(grant = %grant.view.id, team = %grant.view.team, "A grant holds.");
        self.book.add(grant);
        self.publish();
    }

    /// Those with these ids allowed a request. Says whether one of them is still there.
    pub fn hit(&mut self, ids: &str, summary: &str, now: Timestamp) -> bool {
        let ids = ids.split(RULES_JOINED);
        let hits = ids.filter(|id| self.book.hit(&GrantId((*id).to_owned()), summary, now));
        hits.count() > 0
    }

    pub fn revoke(&mut self, id: &GrantId) -> Result<GrantView, Problem> {
        let revoked = self.book.revoke(id);
        self.publish();
        revoked
    }

    pub fn extend(&mut self, id: &GrantId, now: Timestamp) -> Result<GrantView, Problem> {
        let extended = self.book.extend(id, now);
        self.publish();
        extended
    }

    /// When the next one ends by the clock.
    pub fn next_end(&self) -> Option<Instant> {
        let wait = self.book.next_end()?.duration_since(clock::now());
        Instant::now().checked_add(Duration::try_from(wait).unwrap_or_default())
    }

    /// The rows of those whose time is over.
    pub fn expired(&mut self, now: Timestamp) -> Vec<Draft> {
        let over = self.book.expire(now);
        self.ended(over)
    }

    /// Waits until an agent began or ended, or the rules changed: the rows of those that ended by that.
    pub async fn changed(&mut self) -> Vec<Draft> {
        let gone = tokio::select! {
            changed = self.agents.changed() => changed.is_err(),
            changed = self.config.changed() => changed.is_err(),
        };
        if gone {
            // Iris is ending; the owner is told on its own.
            return std::future::pending().await;
        }
        self.swept()
    }

    /// The rows of those whose agent ended, or that the rules contradict.
    pub fn swept(&mut self) -> Vec<Draft> {
        let agents: Vec<_> = self
            .tokens
            .agents()
            .into_iter()
            .map(|agent| (agent.team, agent.session, agent.serial))
            .collect();
        let mut over = self.book.agents(&agents);
        let policies = self.policies.now();
        over.extend(self.book.rules(|team| policies.of(team)));
        self.ended(over)
    }

    fn ended(&self, over: Vec<(GrantView, Over)>) -> Vec<Draft> {
        if over.is_empty() {
            return Vec::new();
        }
        self.publish();
        let now = clock::now();
        let row = |(view, why): (GrantView, Over)| {
            tracing::info!(grant = %view.id, team = %view.team, why = why.as_str(), "A grant is over.");
            view.row("grant.ended", "iris", now, json!({ "why": why.as_str() }))
        };
        over.into_iter().map(row).collect()
    }

    fn publish(&self) {
        self.live.send_replace(self.book.live().into());
    }
}
