//! The task that owns the book of approvals and executes its effects.

mod grants;
mod health;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use iris_domain::{
    Problem,
    approval::{Answerer, Asked, Book, Effect, Event, FROZEN, Ticket, deny_by_iris, waited},
    audit::Draft,
    decision::{Answer, Decision, DeniedBy, Human, Verb},
    grant::{GrantView, Live},
    ids::{ApprovalId, GrantId, SessionId, TeamName},
    policy::Policy,
    problem::Code,
    request::ToolRequest,
    snapshot::{EndedApproval, MissedView},
};
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{ApprovalsView, policies::Policies};
use crate::{
    clock,
    freeze::Freeze,
    short_id,
    store::{Store, StoreError, WaitingRecord},
    tokens::Tokens,
};
use grants::Grants;

/// How many messages are taken before what changed is shown: a burst is one change.
const BURST: usize = 256;

/// What the owner is told.
pub(super) enum Message {
    Ask(Box<Asked>, oneshot::Sender<Reply>),
    Answer {
        ticket: Ticket,
        id: ApprovalId,
        answer: Answer,
        by: Answerer,
        /// For an answer that allows.
        rules: Option<Rules>,
        reply: oneshot::Sender<Result<EndedApproval, Problem>>,
    },
    Missed {
        ticket: Ticket,
        id: ApprovalId,
        allow: Option<Human>,
        reply: oneshot::Sender<Result<MissedView, Problem>>,
    },
    /// These grants allowed a request with this heart.
    Hit(String, String),
    Revoke(GrantId, oneshot::Sender<Result<GrantView, Problem>>),
    Extend(GrantId, oneshot::Sender<Result<GrantView, Problem>>),
    Gone(Ticket),
    Withdraw(SessionId, &'static str),
    /// The team is frozen, or with `None` everything.
    Freeze(Option<TeamName>),
    /// A caller's own row was or was not written.
    Wrote(Result<(), StoreError>),
    Shutdown(oneshot::Sender<()>),
}

/// The rules of a team as they were when somebody looked where the paths of a request lead.
pub(super) struct Rules {
    /// Those that held.
    pub hold: Arc<Policy>,
    /// The same, knowing that.
    pub knowing: Arc<Policy>,
}

/// What an asker gets.
pub(super) enum Reply {
    /// Its row is on disk, or it is denied because that failed.
    Decided(Decision),
    /// A denial that is still to be recorded.
    Refused(Decision),
}

/// What came of a write.
struct Written {
    /// What the book is to be told; `None`: it was only to say that the log works again.
    event: Option<Event>,
    outcome: Result<(), StoreError>,
}

pub(super) struct Owner {
    policies: Policies,
    freeze: Freeze,
    store: Store,
    inbox: mpsc::UnboundedReceiver<Message>,
    view: watch::Sender<Arc<ApprovalsView>>,
    book: Book,
    askers: HashMap<Ticket, oneshot::Sender<Reply>>,
    answerers: HashMap<Ticket, oneshot::Sender<Result<EndedApproval, Problem>>>,
    missers: HashMap<Ticket, oneshot::Sender<Result<MissedView, Problem>>>,
    grants: Grants,
    /// In flight together, so that they share a commit. First in, first queued.
    writes: FuturesUnordered<BoxFuture<'static, Written>>,
    timers: BTreeSet<(Instant, ApprovalId)>,
    armed: HashMap<ApprovalId, Instant>,
    /// Why nothing can be recorded, and how many writes failed for it.
    problem: Option<(Problem, u64)>,
    probe: Option<Instant>,
    changed: bool,
    /// Told after the change that they belong to is on show.
    outbox: Vec<Effect>,
    closers: Vec<oneshot::Sender<()>>,
}

impl Owner {
    pub(super) fn new(
        (policies, freeze): (Policies, Freeze),
        store: Store,
        tokens: Tokens,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        Self {
            grants: Grants::new(policies.clone(), tokens),
            policies,
            freeze,
            store,
            inbox,
            view: watch::Sender::new(Arc::default()),
            book: Book::default(),
            askers: HashMap::new(),
            answerers: HashMap::new(),
            missers: HashMap::new(),
            writes: FuturesUnordered::new(),
            timers: BTreeSet::new(),
            armed: HashMap::new(),
            problem: None,
            probe: None,
            changed: false,
            outbox: Vec::new(),
            closers: Vec::new(),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Arc<ApprovalsView>> {
        self.view.subscribe()
    }

    pub(super) fn watch_grants(&self) -> watch::Receiver<Arc<[Live]>> {
        self.grants.watch()
    }

    /// Gives each approval that the last Iris did not see to its end its row.
    pub(super) async fn record_lost(&mut self, lost: Vec<WaitingRecord>) {
        let now = clock::now();
        let rows = lost.into_iter().map(|waiting| {
            let store = self.store.clone();
            async move {
                let asked = waiting.draft;
                let row = Draft {
                    time: now,
                    decision: Verb::Deny,
                    decided_by: DeniedBy::Lost.to_string(),
                    wait_ms: waited(asked.time, now),
                    ..asked
                };
                let outcome = store.end_waiting(waiting.id.clone(), row.clone(), None);
                (waiting.id, row, outcome.await)
            }
        });
        for (id, row, outcome) in futures::future::join_all(rows).await {
            let ended = ended(&id, &row);
            match outcome {
                Ok(seq) => tracing::warn!(approval = %id, seq,
                    "An approval waited when Iris last ended; it is recorded as lost."),
                // It stays in the store as waiting, and the next start tries again.
                Err(error) => self.wrote(Err(error)),
            }
            let missed = self.book.remember_lost(id.clone(), &row);
            match ended.zip(missed) {
                Some((ended, ())) => self.book.remember(ended),
                None => {
                    tracing::error!(approval = %id, "The record of a lost approval names no team or session.")
                }
            }
        }
        self.changed = true;
        self.show();
    }

    /// Runs until it is shut down and all is recorded, or until no handle is left.
    pub(super) async fn run(mut self) {
        let mut messages = Vec::new();
        loop {
            let timer = self.timers.first().map(|(at, _)| *at);
            let wake = [timer, self.probe, self.grants.next_end()];
            let wake = wake.into_iter().flatten().min();
            tokio::select! {
                received = self.inbox.recv_many(&mut messages, BURST) => {
                    if received == 0 {
                        return;
                    }
                    messages.drain(..).for_each(|message| self.take(message));
                }
                Some(written) = self.writes.next(), if !self.writes.is_empty() => {
                    self.written(written);
                    while let Some(Some(written)) = self.writes.next().now_or_never() {
                        self.written(written);
                    }
                }
                over = self.grants.changed() => self.grants_ended(over),
                () = clock::reached(wake) => self.time_passed(Instant::now()),
            }
            self.show();
            if !self.closers.is_empty() && self.book.is_empty() && self.writes.is_empty() {
                break;
            }
        }
        // What comes from now on finds nobody, and is denied where it comes from.
        self.inbox.close();
        while let Ok(message) = self.inbox.try_recv() {
            self.take(message);
        }
        self.show();
        for closer in self.closers {
            if closer.send(()).is_err() {
                tracing::debug!("Nobody waited for the approvals to end.");
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask(asked, reply) if self.freeze.is_frozen(&asked.view.team) => {
                send(reply, Reply::Refused(deny_by_iris("frozen", FROZEN)));
            }
            Message::Ask(mut asked, reply) => {
                let free = short_id::free(|id| self.book.knows(&ApprovalId(id.to_owned())));
                let Ok(id) =
                    free.inspect_err(|error| tracing::error!(%error, "No random numbers."))
                else {
                    let denied = deny_by_iris("random", "the system gives no random numbers.");
                    send(reply, Reply::Refused(denied));
                    return;
                };
                tracing::info!(team = %asked.view.team, session = %asked.view.session, approval = %id,
                    digest = asked.view.digest, "An agent asks.");
                Arc::make_mut(&mut asked.view).id = ApprovalId(id);
                self.askers.insert(asked.ticket, reply);
                self.step(Event::Asked(asked));
            }
            Message::Answer {
                ticket,
                id,
                answer,
                by,
                rules,
                reply,
            } => {
                let asked = self.book.asked_of(&id);
                let policy = match asked.map(|asked| self.rules_now(asked, &answer, rules)) {
                    Some(Err(problem)) => return send(reply, Err(problem)),
                    Some(Ok(policy)) => policy,
                    // It is told that there is no such approval.
                    None => None,
                };
                let grant = asked
                    .zip(policy.as_deref())
                    .map(|(asked, policy)| self.grants.of_answer(asked, &answer, &by, policy));
                let grant = match grant {
                    Some(Err(problem)) => return send(reply, Err(problem)),
                    Some(Ok(grant)) => grant,
                    None => None,
                };
                self.answerers.insert(ticket, reply);
                self.step(Event::Answered {
                    ticket,
                    id,
                    answer,
                    by,
                    policy,
                    grant,
                });
            }
            Message::Missed {
                ticket,
                id,
                allow,
                reply,
            } => {
                self.missers.insert(ticket, reply);
                self.step(Event::Missed { ticket, id, allow });
            }
            Message::Hit(ids, summary) => {
                self.changed |= self.grants.hit(&ids, &summary, clock::now());
            }
            Message::Revoke(id, reply) => {
                let revoked = self.grants.revoke(&id);
                self.changed |= revoked.is_ok();
                self.show();
                send(reply, revoked);
            }
            Message::Extend(id, reply) => {
                let extended = self.grants.extend(&id, clock::now());
                self.changed |= extended.is_ok();
                self.show();
                send(reply, extended);
            }
            Message::Gone(ticket) => {
                self.askers.remove(&ticket);
                self.step(Event::Gone(ticket));
            }
            Message::Withdraw(session, why) => self.step(Event::Withdrawn(session, why)),
            Message::Freeze(team) => self.step(Event::Frozen(team)),
            Message::Wrote(outcome) => self.wrote(outcome),
            Message::Shutdown(done) => {
                self.closers.push(done);
                self.step(Event::Shutdown);
            }
        }
    }

    /// The rules that an answer is held against: those that hold now, if they are those with which
    /// somebody looked at the disk. `None`: there is no such team any more.
    fn rules_now(
        &self,
        asked: &Asked,
        answer: &Answer,
        rules: Option<Rules>,
    ) -> Result<Option<Arc<Policy>>, Problem> {
        let now = self.policies.now().of(&asked.view.team);
        match (now, rules, answer) {
            (None, ..) => Ok(None),
            (now, _, Answer::Deny { .. }) => Ok(now),
            (Some(now), Some(rules), Answer::Allow { .. }) if Arc::ptr_eq(&now, &rules.hold) => {
                Ok(Some(rules.knowing))
            }
            (Some(_), _, Answer::Allow { .. }) => Err(Problem::new(
                Code::Conflict,
                "The rules were changed at this very moment.",
                "Look at it again, and answer once more.",
            )),
        }
    }

    fn step(&mut self, event: Event) {
        let now = clock::now();
        for effect in self.book.step(event, now) {
            self.perform(effect, now);
        }
    }

    fn perform(&mut self, effect: Effect, now: Timestamp) {
        match effect {
            Effect::KeepWaiting(id, draft) => {
                let store = self.store.clone();
                self.write(async move {
                    let waiting = WaitingRecord {
                        id: id.clone(),
                        draft: *draft,
                    };
                    let outcome = store.keep_waiting(waiting).await;
                    let event = if outcome.is_ok() {
                        Event::Kept(id)
                    } else {
                        Event::NotKept(id)
                    };
                    Written {
                        event: Some(event),
                        outcome,
                    }
                });
            }
            Effect::Record(id, draft, granted) => {
                tracing::info!(team = draft.team, session = draft.session, approval = %id,
                    decision = draft.decision.as_str(), by = draft.decided_by, "An approval is decided.");
                let store = self.store.clone();
                self.write(async move {
                    let granted = granted.map(|row| *row);
                    let outcome = store.end_waiting(id.clone(), *draft, granted);
                    let outcome = outcome.await.map(drop);
                    Written {
                        event: Some(Event::Recorded(id, outcome.is_ok())),
                        outcome,
                    }
                });
            }
            Effect::Arm(id, at) => {
                let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                // What is too far away for the clock is for ever.
                if let Some(at) = Instant::now().checked_add(wait) {
                    self.armed.insert(id.clone(), at);
                    self.timers.insert((at, id));
                }
            }
            Effect::Disarm(id) => {
                if let Some(at) = self.armed.remove(&id) {
                    self.timers.remove(&(at, id));
                }
            }
            Effect::Grant(grant) => {
                self.grants.add(*grant);
                // What it was given to may have ended while its row was written.
                let over = self.grants.swept();
                self.grants_ended(over);
                self.changed = true;
            }
            Effect::Publish => self.changed = true,
            Effect::Reply(..) | Effect::Refuse(..) | Effect::Answer(..) | Effect::Missed(..) => {
                self.outbox.push(effect);
            }
        }
    }

    fn write(&self, write: impl Future<Output = Written> + Send + 'static) {
        self.writes.push(write.boxed());
    }

    fn written(&mut self, written: Written) {
        match written.event {
            Some(event) => {
                self.wrote(written.outcome);
                self.step(event);
            }
            None => self.probed(written.outcome),
        }
    }

    fn time_passed(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.pop_first() {
            if at > now {
                self.timers.insert((at, id));
                break;
            }
            self.armed.remove(&id);
            self.step(Event::Due(id));
        }
        let over = self.grants.expired(clock::now());
        self.grants_ended(over);
        if self.probe.is_some_and(|at| at <= now) {
            self.probe = None;
            let failed = self.problem.as_ref().map_or(0, |(_, failed)| *failed);
            self.write(health::probe(self.store.clone(), failed));
        }
    }

    /// Writes down that grants are over. They are, whether or not that can be written.
    fn grants_ended(&mut self, rows: Vec<Draft>) {
        self.changed |= !rows.is_empty();
        for row in rows {
            let store = self.store.clone();
            self.write(async move {
                let outcome = store.append(row).await.map(drop);
                Written {
                    event: Some(Event::Noted),
                    outcome,
                }
            });
        }
    }

    /// Shows what changed, then tells those who wait for it.
    fn show(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.view.send_replace(Arc::new(ApprovalsView {
                pending: self.book.pending(),
                recent: self.book.recent(),
                missed: self.book.missed(),
                grants: self.grants.views(),
                problem: self.problem.as_ref().map(|(problem, _)| problem.clone()),
            }));
        }
        for effect in std::mem::take(&mut self.outbox) {
            match effect {
                Effect::Reply(ticket, decision) => {
                    self.reply(ticket, Reply::Decided(decision));
                }
                Effect::Refuse(ticket, decision) => self.reply(ticket, Reply::Refused(decision)),
                Effect::Answer(ticket, outcome) => {
                    if let Some(answerer) = self.answerers.remove(&ticket) {
                        send(answerer, outcome);
                    }
                }
                Effect::Missed(ticket, outcome) => {
                    if let Some(misser) = self.missers.remove(&ticket) {
                        send(misser, outcome);
                    }
                }
                Effect::KeepWaiting(..)
                | Effect::Grant(_)
                | Effect::Record(..)
                | Effect::Arm(..)
                | Effect::Disarm(_)
                | Effect::Publish => {}
            }
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        if let Some(asker) = self.askers.remove(&ticket) {
            send(asker, reply);
        }
    }
}

fn send<T>(to: oneshot::Sender<T>, what: T) {
    if to.send(what).is_err() {
        tracing::debug!("A caller did not wait for its answer.");
    }
}

/// What surfaces show of an approval that was lost; its record is all there is of it.
fn ended(id: &ApprovalId, row: &Draft) -> Option<EndedApproval> {
    let request = ToolRequest {
        tool: row.tool.clone(),
        input: row.input.clone(),
        tool_use_id: String::new(),
    };
    Some(EndedApproval {
        id: id.clone(),
        team: row.team.parse().ok()?,
        summary: request.summary(),
        tool: request.tool,
        decision: row.decision,
        decided_by: row.decided_by.clone(),
        time: row.time,
    })
}
