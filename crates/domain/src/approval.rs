//! The life of an approval as a step function.
//!
//! ```text
//! Asked ─► keeping ─(durable)─► shown ─► recording ─(durable)─► ended
//!             │                   │  answered, expired, withdrawn, shutdown
//!             └───────────────────┴─ an end may also come before it was shown
//! ```
//!
//! An approval is decided once: by what takes it from *keeping* or *shown* to *recording*. Nobody is
//! told of the decision before its audit row is durable; when the row cannot be written, the
//! decision is deny. [`Book`] does nothing itself: it answers each [`Event`] with [`Effect`]s.

mod alike;
mod answer;
mod asked;
mod missed;
mod passes;
mod telling;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    Problem,
    audit::Draft,
    decision::{AllowedBy, Answer, Decision, DeniedBy, Human},
    grant::Grant,
    ids::{ApprovalId, SessionId, TeamName},
    policy::Policy,
    snapshot::{ApprovalView, EndedApproval, MissedView, RECENT_MAX},
};

use answer::Outcome;
use missed::Missed;
use passes::Passes;

pub use alike::{NotAnswered, TOGETHER_MAX, Together, likeness, not_alike};
pub use answer::Answerer;
pub use asked::{Asked, Asks, waited};
pub use missed::{MISSED_MAX, NEXT_TRY, not_missed};
pub use telling::{AUDIT, FROZEN, SHUTDOWN, deny_by_iris, not_waiting, tell};

/// How many approvals of one team may wait: more than any honest agent asks at once, and as many
/// as a human can still look through.
pub const PENDING_PER_TEAM_MAX: usize = 50;
/// How many may wait in all, so that many teams cannot fill the memory either.
pub const PENDING_MAX: usize = 1000;
/// How many ended approvals are remembered, to tell a late answer who was first.
pub const ENDED_MAX: usize = 1000;

/// How long the session that gave an agent its task has before a human is asked as well: it may
/// itself be waiting for that agent, and then it will never answer.
pub const FORWARD_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// One caller that waits for an outcome: an agent's call, or a human's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An agent asks. Its id is not in the book.
    Asked(Box<Asked>),
    /// The waiting record is durable.
    Kept(ApprovalId),
    /// The waiting record could not be written.
    NotKept(ApprovalId),
    /// Somebody answers.
    Answered {
        /// Who is told how that went.
        ticket: Ticket,
        /// Which approval.
        id: ApprovalId,
        /// What they say.
        answer: Answer,
        /// Who they are.
        by: Answerer,
        /// The team's policy as it is now; `None`: the team is no longer configured.
        policy: Option<Arc<Policy>>,
        /// What they grant with it.
        grant: Option<Box<Grant>>,
    },
    /// A human allows the next try of a request that was missed, or has seen it.
    Missed {
        /// Who is told how that went.
        ticket: Ticket,
        /// Which.
        id: ApprovalId,
        /// Who allows it; `None`: it is only not shown any more.
        allow: Option<Human>,
    },
    /// A caller stopped waiting.
    Gone(Ticket),
    /// The session's process ended or was interrupted.
    Withdrawn(SessionId, &'static str),
    /// This team is frozen, or with `None` everything: what waits is denied.
    Frozen(Option<TeamName>),
    /// The time that was armed has come.
    Due(ApprovalId),
    /// The decision's row is durable (`true`), or could not be written.
    Recorded(ApprovalId, bool),
    /// A row that decides nothing was or was not written.
    Noted,
    /// Iris ends.
    Shutdown,
}

/// What is to be done about it, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make the waiting record durable, then report `Kept` or `NotKept`.
    KeepWaiting(ApprovalId, Box<Draft>),
    /// Write the decision's row, and that of a grant, and forget the waiting record, all at once; then
    /// report `Recorded`.
    Record(ApprovalId, Box<Draft>, Option<Box<Draft>>),
    /// Tell an agent; the row is durable, or the decision is deny.
    Reply(Ticket, Decision),
    /// The request does not enter the book: record this decision, then tell the agent.
    Refuse(Ticket, Decision),
    /// Tell who answered what became of that.
    Answer(Ticket, Result<EndedApproval, Problem>),
    /// Tell a human what became of their wish about a missed request.
    Missed(Ticket, Result<MissedView, Problem>),
    /// The answer that grants this is on record, and so is the grant.
    Grant(Box<Grant>),
    /// Report `Due` at this time, and at no other.
    Arm(ApprovalId, Timestamp),
    /// Its timer is not needed any more.
    Disarm(ApprovalId),
    /// What surfaces show has changed.
    Publish,
}

/// All approvals that wait.
#[derive(Debug, Default)]
pub struct Book {
    entries: HashMap<ApprovalId, Entry>,
    calls: HashMap<(SessionId, String), ApprovalId>,
    askers: HashMap<Ticket, ApprovalId>,
    ended: VecDeque<EndedApproval>,
    missed: Missed,
    passes: Passes,
    asked: u64,
    closing: bool,
}

#[derive(Debug)]
struct Entry {
    order: u64,
    asked: Asked,
    tickets: Vec<Ticket>,
    phase: Phase,
    /// Until when the session that it was forwarded to is asked alone.
    forwarded_until: Option<Timestamp>,
}

impl Entry {
    /// When something is to be done about it by itself.
    fn due(&self) -> Option<Timestamp> {
        let expires = self.asked.view.expires_at;
        expires.into_iter().chain(self.forwarded_until).min()
    }
}

#[derive(Debug)]
enum Phase {
    /// Its waiting record is being written; nobody sees it.
    Keeping,
    /// Surfaces show it.
    Shown,
    /// It is decided; the row is being written.
    Recording {
        decision: Decision,
        answerer: Option<Ticket>,
        grant: Option<Box<Grant>>,
        shown: bool,
    },
}

impl Book {
    /// One event, at this time.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Asked(asked) => self.asked(*asked, now),
            Event::Kept(id) => self.kept(&id, now),
            Event::NotKept(id) => self.not_kept(&id),
            Event::Answered {
                ticket,
                id,
                answer,
                by,
                policy,
                grant,
            } => match self.outcome_of(&id, answer, by, policy.as_deref()) {
                Ok(Outcome::Decided(decision)) => {
                    self.decide_with(&id, decision, Some(ticket), grant, now)
                }
                Ok(Outcome::Passed(above, told)) => {
                    let mut effects = self.forward(&id, above, now);
                    effects.push(Effect::Answer(ticket, Err(told)));
                    effects
                }
                Err(problem) => vec![Effect::Answer(ticket, Err(problem))],
            },
            Event::Missed { ticket, id, allow } => {
                let outcome = match allow {
                    Some(human) => self.missed.allow(&id, human, now),
                    None => self.missed.dismiss(&id),
                };
                vec![Effect::Publish, Effect::Missed(ticket, outcome)]
            }
            Event::Gone(ticket) => self.gone(ticket, now),
            Event::Withdrawn(session, why) => {
                self.decide_all(&tell(DeniedBy::Withdrawn(why), "it", None), now, |entry| {
                    entry.asked.view.session == session
                })
            }
            Event::Frozen(team) => self.decide_all(&deny_by_iris("frozen", FROZEN), now, |entry| {
                team.as_ref()
                    .is_none_or(|team| entry.asked.view.team == *team)
            }),
            Event::Due(id) => self.due(&id, now),
            Event::Noted => Vec::new(),
            Event::Recorded(id, durable) => self.recorded(&id, durable, now),
            Event::Shutdown => {
                self.closing = true;
                let denied = deny_by_iris("shutdown", SHUTDOWN);
                self.decide_all(&denied, now, |_| true)
            }
        }
    }

    /// What surfaces show as waiting, oldest first.
    pub fn pending(&self) -> Vec<Arc<ApprovalView>> {
        let mut shown: Vec<&Entry> = self
            .entries
            .values()
            .filter(|entry| match entry.phase {
                Phase::Keeping => false,
                Phase::Shown => true,
                Phase::Recording { shown, .. } => shown,
            })
            .collect();
        shown.sort_unstable_by_key(|entry| entry.order);
        shown
            .into_iter()
            .map(|entry| Arc::clone(&entry.asked.view))
            .collect()
    }

    /// The latest that ended, newest first.
    pub fn recent(&self) -> Vec<EndedApproval> {
        self.ended.iter().take(RECENT_MAX).cloned().collect()
    }

    /// What waits under this id.
    pub fn asked_of(&self, id: &ApprovalId) -> Option<&Asked> {
        self.entries.get(id).map(|entry| &entry.asked)
    }

    /// What was missed, newest first.
    pub fn missed(&self) -> Vec<MissedView> {
        self.missed.views()
    }

    /// One that was missed.
    pub fn missed_one(&self, id: &ApprovalId) -> Option<&MissedView> {
        self.missed.view(id)
    }

    /// One that waited when the last Iris ended can still be allowed for the next try.
    pub fn remember_lost(&mut self, id: ApprovalId, row: &Draft) -> Option<()> {
        self.missed.add_lost(id, row)
    }

    /// Whether nothing waits and nothing is being recorded.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether an approval with this id waits or is remembered.
    pub fn knows(&self, id: &ApprovalId) -> bool {
        self.entries.contains_key(id) || self.ended.iter().any(|ended| ended.id == *id)
    }

    /// Remembers an approval that ended outside of this book (`lost` ones of the last run).
    pub fn remember(&mut self, ended: EndedApproval) {
        self.ended.push_front(ended);
        self.ended.truncate(ENDED_MAX);
    }

    fn asked(&mut self, asked: Asked, now: Timestamp) -> Vec<Effect> {
        let ticket = asked.ticket;
        let refuse = |code, why: &str| vec![Effect::Refuse(ticket, deny_by_iris(code, why))];
        if self.closing {
            return refuse("shutdown", SHUTDOWN);
        }
        let call = (asked.view.session, asked.tool_use_id.clone());
        if let Some(entry) = self
            .calls
            .get(&call)
            .and_then(|id| self.entries.get_mut(id))
        {
            // The digest covers team, session, tool and input: the same call, or another one that
            // borrows its id.
            if entry.asked.view.digest != asked.view.digest {
                return refuse("input", telling::SWAPPED);
            }
            entry.tickets.push(ticket);
            self.askers.insert(ticket, entry.asked.view.id.clone());
            return Vec::new();
        }
        if self.entries.len() >= PENDING_MAX
            || self.waiting(&asked.view.team) >= PENDING_PER_TEAM_MAX
        {
            return refuse("limit", telling::LIMIT);
        }
        if asked.asks == Asks::OnArrival
            && let Some(by) = self.passes.take(&asked.view.digest, now)
        {
            // Its row was written when it was allowed at the prompt.
            return vec![Effect::Reply(ticket, Decision::Allow { by, edited: None })];
        }
        let allowed = self.missed.take(&asked.view.digest, now);
        let id = asked.view.id.clone();
        let draft = asked.draft(now);
        self.asked += 1;
        self.calls.insert(call, id.clone());
        self.askers.insert(ticket, id.clone());
        let entry = Entry {
            order: self.asked,
            asked,
            tickets: vec![ticket],
            phase: Phase::Keeping,
            forwarded_until: None,
        };
        self.entries.insert(id.clone(), entry);
        let Some((human, why)) = allowed else {
            return vec![Effect::KeepWaiting(id, Box::new(draft))];
        };
        if let Some(entry) = self.entries.get_mut(&id) {
            Arc::make_mut(&mut entry.asked.view).why = why;
        }
        let by = AllowedBy::Human(human);
        self.decide(&id, Decision::Allow { by, edited: None }, None, now)
    }

    fn waiting(&self, team: &TeamName) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.asked.view.team == *team)
            .count()
    }

    fn kept(&mut self, id: &ApprovalId, now: Timestamp) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(id) else {
            return Vec::new();
        };
        match entry.phase {
            Phase::Keeping => entry.phase = Phase::Shown,
            Phase::Shown | Phase::Recording { .. } => return Vec::new(),
        }
        if entry.asked.view.forwarded_to.is_some() {
            entry.forwarded_until = now.checked_add(FORWARD_PATIENCE).ok();
        }
        let timer = entry.due().map(|at| Effect::Arm(id.clone(), at));
        timer.into_iter().chain([Effect::Publish]).collect()
    }

    /// The time that was armed has come: who was asked first did not answer, or nobody did.
    fn due(&mut self, id: &ApprovalId, now: Timestamp) -> Vec<Effect> {
        let Some(entry) = self.entries.get(id) else {
            return Vec::new();
        };
        let view = &entry.asked.view;
        // What was armed is the earlier of the two.
        if entry.forwarded_until.is_some() && entry.due() != view.expires_at {
            return self.forward(id, None, now);
        }
        let denied = tell(DeniedBy::Timeout, &view.tool, None);
        let missed = matches!(entry.phase, Phase::Shown).then(|| view.clone());
        let effects = self.decide(id, denied, None, now);
        if let Some(view) = missed {
            self.missed.add(&view, now);
        }
        effects
    }

    /// Asks this team's session next; `None`: only the human is left.
    fn forward(&mut self, id: &ApprovalId, to: Option<TeamName>, now: Timestamp) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(id) else {
            return Vec::new();
        };
        let until = now.checked_add(FORWARD_PATIENCE).ok();
        entry.forwarded_until = to.as_ref().and(until);
        Arc::make_mut(&mut entry.asked.view).forwarded_to = to;
        let timer = entry.due().map(|at| Effect::Arm(id.clone(), at));
        [Effect::Disarm(id.clone())]
            .into_iter()
            .chain(timer)
            .chain([Effect::Publish])
            .collect()
    }

    fn not_kept(&mut self, id: &ApprovalId) -> Vec<Effect> {
        match self.entries.get(id).map(|entry| &entry.phase) {
            Some(Phase::Keeping) => {}
            // Decided meanwhile: that decision's own record tells how it ends.
            Some(Phase::Shown | Phase::Recording { .. }) | None => return Vec::new(),
        }
        let Some(entry) = self.remove(id) else {
            return Vec::new();
        };
        let denied = deny_by_iris("audit", AUDIT);
        entry
            .tickets
            .into_iter()
            .map(|t| Effect::Reply(t, denied.clone()))
            .collect()
    }

    fn decide_all(
        &mut self,
        decision: &Decision,
        now: Timestamp,
        which: impl Fn(&Entry) -> bool,
    ) -> Vec<Effect> {
        let mut ids: Vec<(u64, ApprovalId)> = self
            .entries
            .iter()
            .filter(|(_, entry)| which(entry))
            .map(|(id, entry)| (entry.order, id.clone()))
            .collect();
        ids.sort_unstable();
        ids.iter()
            .flat_map(|(_, id)| self.decide(id, decision.clone(), None, now))
            .collect()
    }

    fn decide(
        &mut self,
        id: &ApprovalId,
        decision: Decision,
        answerer: Option<Ticket>,
        now: Timestamp,
    ) -> Vec<Effect> {
        self.decide_with(id, decision, answerer, None, now)
    }

    /// The one way to a decision. A second one changes nothing.
    fn decide_with(
        &mut self,
        id: &ApprovalId,
        decision: Decision,
        answerer: Option<Ticket>,
        grant: Option<Box<Grant>>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(id) else {
            return Vec::new();
        };
        let shown = match entry.phase {
            Phase::Keeping => false,
            Phase::Shown => true,
            Phase::Recording { .. } => return Vec::new(),
        };
        let draft = entry.asked.decided(&decision, now);
        if let Decision::Deny {
            by: DeniedBy::Withdrawn(_),
            ..
        } = decision
        {
            // The same call, made again by a client that comes back, is a new request.
            self.calls.remove(&entry.asked.call());
        }
        let granted = grant.as_ref().map(|grant| Box::new(grant.row(id)));
        entry.phase = Phase::Recording {
            decision,
            answerer,
            grant,
            shown,
        };
        vec![
            Effect::Disarm(id.clone()),
            Effect::Record(id.clone(), Box::new(draft), granted),
        ]
    }

    fn gone(&mut self, ticket: Ticket, now: Timestamp) -> Vec<Effect> {
        let Some(id) = self.askers.remove(&ticket) else {
            return Vec::new();
        };
        let Some(entry) = self.entries.get_mut(&id) else {
            return Vec::new();
        };
        entry.tickets.retain(|t| *t != ticket);
        if !entry.tickets.is_empty() {
            return Vec::new();
        }
        let denied = tell(
            DeniedBy::Withdrawn("the agent hung up"),
            &entry.asked.view.tool,
            None,
        );
        self.decide(&id, denied, None, now)
    }

    fn recorded(&mut self, id: &ApprovalId, durable: bool, now: Timestamp) -> Vec<Effect> {
        match self.entries.get(id).map(|entry| &entry.phase) {
            Some(Phase::Recording { .. }) => {}
            Some(Phase::Keeping | Phase::Shown) | None => return Vec::new(),
        }
        let Some(entry) = self.remove(id) else {
            return Vec::new();
        };
        let Phase::Recording {
            decision,
            answerer,
            grant,
            ..
        } = entry.phase
        else {
            return Vec::new();
        };
        let decision = if durable {
            decision
        } else {
            deny_by_iris("audit", AUDIT)
        };
        let summary = entry.asked.summary(&decision);
        if let Some((digest, by)) = entry.asked.pass(&decision) {
            self.passes.add(digest, by, now);
        }
        let view = entry.asked.view;
        let ended = EndedApproval {
            id: view.id.clone(),
            team: view.team.clone(),
            tool: view.tool.clone(),
            summary,
            decision: decision.verb(),
            decided_by: decision.by(),
            time: now,
        };
        self.remember(ended.clone());
        let mut effects = vec![Effect::Publish];
        // Before the agent hears of it: its next call may come at once.
        if let (true, Some(grant)) = (durable, grant) {
            effects.push(Effect::Grant(grant));
        }
        effects.extend(
            entry
                .tickets
                .iter()
                .map(|t| Effect::Reply(*t, decision.clone())),
        );
        if let Some(ticket) = answerer {
            let outcome = if durable {
                Ok(ended)
            } else {
                Err(telling::not_recorded(id))
            };
            effects.push(Effect::Answer(ticket, outcome));
        }
        effects
    }

    fn remove(&mut self, id: &ApprovalId) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        for ticket in &entry.tickets {
            self.askers.remove(ticket);
        }
        let call = entry.asked.call();
        if self.calls.get(&call) == Some(id) {
            self.calls.remove(&call);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
