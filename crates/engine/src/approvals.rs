//! The one owner of waiting approvals.
//!
//! What the policy decides is recorded and answered in the caller's own task. What it wants asked
//! goes to the owner task (`owner`), which executes the step function of
//! [`iris_domain::approval`].

mod forwarded;
mod grants;
mod looks;
mod owner;
mod policies;
mod together;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use iris_domain::{
    Problem,
    approval::{
        AUDIT, Answerer, Asked, Asks, FROZEN, SHUTDOWN, Ticket, deny_by_iris, likeness,
        not_waiting, waited,
    },
    audit::{Draft, Kind},
    config::Config,
    decision::{AllowedBy, Answer, Decision, DeniedBy, Human, Verb},
    display,
    grant::{GrantView, Live, Offers},
    ids::{ApprovalId, Party, SessionId, TeamName},
    policy::{Policy, Verdict},
    problem::Code,
    request::{Asker, Circumstances, TOOL_NAME_MAX, ToolRequest, digest_of},
    snapshot::{ApprovalView, EndedApproval, MissedView},
    transcript::{Conversation, Entry},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::{
    clock,
    freeze::Freeze,
    store::{Store, StoreError, WaitingRecord},
    tokens::Tokens,
    transcripts::Transcripts,
};
use looks::Looks;
use owner::{Message, Owner, Reply, Rules};
use policies::Policies;

pub use policies::{Ground, no_such_team};

/// Told to an agent whose team was removed.
const GONE: &str = "this team is no longer in the config. Stop here.";

/// What surfaces show of approvals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApprovalsView {
    /// Waiting, oldest first.
    pub pending: Vec<Arc<ApprovalView>>,
    /// Ended, newest first.
    pub recent: Vec<EndedApproval>,
    /// Missed, newest first.
    pub missed: Vec<MissedView>,
    /// What humans granted and holds.
    pub grants: Vec<GrantView>,
    /// Set while the audit log cannot be written: everything is denied.
    pub problem: Option<Problem>,
}

/// A handle on the approvals; cheap to clone.
#[derive(Debug, Clone)]
pub struct Approvals {
    policies: Policies,
    looks: Looks,
    store: Store,
    tokens: Tokens,
    freeze: Freeze,
    view: watch::Receiver<Arc<ApprovalsView>>,
    /// The grants, as the policy sees them.
    grants: watch::Receiver<Arc<[Live]>>,
    /// Not bounded: a caller has at most a question and its withdrawal in it, and callers are
    /// bounded at the endpoint. A withdrawal must never be lost to a full queue.
    inbox: mpsc::UnboundedSender<Message>,
    tickets: Arc<AtomicU64>,
    /// Where decisions stand beside the calls that they are about.
    transcripts: Option<Transcripts>,
}

impl Approvals {
    /// Records what was lost at the last end, and starts the owner task.
    pub async fn start(
        config: watch::Receiver<Arc<Config>>,
        ground: Ground,
        store: Store,
        tokens: Tokens,
        freeze: Freeze,
        lost: Vec<WaitingRecord>,
        tasks: &TaskTracker,
    ) -> Self {
        let (inbox, messages) = mpsc::unbounded_channel();
        let looks = Looks::new(ground.follow);
        let policies = Policies::of(config, ground);
        let asked = (policies.clone(), freeze.clone());
        let mut owner = Owner::new(asked, store.clone(), tokens.clone(), messages);
        owner.record_lost(lost).await;
        let (view, grants) = (owner.watch(), owner.watch_grants());
        tasks.spawn(owner.run());
        Self {
            policies,
            looks,
            store,
            tokens,
            freeze,
            view,
            grants,
            inbox,
            tickets: Arc::default(),
            transcripts: None,
        }
    }

    /// From now on decisions are noted there as well, each beside the call that it is about.
    #[must_use]
    pub fn noted_in(self, transcripts: Transcripts) -> Self {
        Self {
            transcripts: Some(transcripts),
            ..self
        }
    }

    /// Puts a request through policy and, if need be, before the human. Returns when it is decided
    /// **and** its audit row is on disk; if that cannot be written, the decision is deny.
    /// Dropping the future withdraws the request.
    pub async fn ask(&self, asker: Asker, request: ToolRequest) -> Decision {
        self.ask_with(asker, request, Circumstances::default())
            .await
    }

    /// The same, with what is said beside the call.
    pub async fn ask_with(
        &self,
        asker: Asker,
        request: ToolRequest,
        circumstances: Circumstances,
    ) -> Decision {
        let Some(transcripts) = &self.transcripts else {
            return self
                .put(asker, request, circumstances, Asks::AtPrompt)
                .await;
        };
        let conversation = Arc::new(Conversation {
            session: asker.session,
            from: asker.from.clone(),
            to: asker.team.clone(),
        });
        let (call, tool) = (request.tool_use_id.clone(), request.tool.clone());
        let decision = self
            .put(asker, request, circumstances, Asks::AtPrompt)
            .await;
        let entry = Entry::Decision {
            call,
            tool,
            decision: decision.verb(),
            by: decision.by(),
        };
        transcripts.note(&conversation, entry);
        decision
    }

    /// A call of one of Iris's own tools has come: whether its permission prompt was asked is the
    /// agent's word only, so it is put before the rules and, if need be, before the human here as well.
    /// What a human just allowed at the prompt is not asked again. `None`: it may run, and there is
    /// nothing to write that the prompt did not write. Dropping the future withdraws it.
    pub async fn arrived(&self, asker: &Asker, mut request: ToolRequest) -> Option<Decision> {
        let policies = self.policies.now();
        if !self.freeze.is_frozen(&asker.team)
            && let Some(policy) = policies.of(&asker.team)
            && let Verdict::Allow { .. } =
                policy.evaluate_with(&request, &self.held_by(asker).refs())
        {
            return None;
        }
        // Each call is one of its own, whatever id it says it has.
        request.tool_use_id = format!("arrived-{}", self.ticket().0);
        let put = self.put(
            asker.clone(),
            request,
            Circumstances::default(),
            Asks::OnArrival,
        );
        // Few calls wait here, and all of them would carry its size.
        Some(Box::pin(put).await)
    }

    async fn put(
        &self,
        asker: Asker,
        request: ToolRequest,
        circumstances: Circumstances,
        asks: Asks,
    ) -> Decision {
        let asked_at = clock::now();
        let policies = self.policies.now();
        let digest = request.digest(&asker);
        let (Some(team), Some(policy)) = (
            policies.config.teams.get(&asker.team),
            policies.of(&asker.team),
        ) else {
            let row = row(&asker, &request, digest, asked_at);
            return self.record(row, deny_by_iris("team", GONE)).await;
        };
        let held = self.held_by(&asker);
        let decide = |policy: &Policy| policy.evaluate_with(&request, &held.refs());
        let seen = self.looks.seen(&asker.team, &policy, decide).await;
        // Not before: a look may take a while.
        if self.freeze.is_frozen(&asker.team) {
            let row = row(&asker, &request, digest, asked_at);
            return self.record(row, deny_by_iris("frozen", FROZEN)).await;
        }
        let verdict = seen.verdict();
        let decided = |why: String| Draft {
            policy_hash: policy.hash().to_owned(),
            why,
            ..row(&asker, &request, digest.clone(), asked_at)
        };
        let (why, forwarded_to) = match verdict {
            Verdict::Allow { by, why } => {
                let granted = match &by {
                    AllowedBy::Grant(ids) => Some((ids.clone(), request.summary())),
                    AllowedBy::Rule(..)
                    | AllowedBy::ModeYes
                    | AllowedBy::Human(_)
                    | AllowedBy::Session(..) => None,
                };
                let allow = Decision::Allow { by, edited: None };
                let decision = self.record(decided(why), allow).await;
                if let (Decision::Allow { .. }, Some((ids, summary))) = (&decision, granted) {
                    self.tell(Message::Hit(ids, summary));
                }
                return decision;
            }
            Verdict::Deny { by, message, why } => {
                return self
                    .record(decided(why), Decision::Deny { by, message })
                    .await;
            }
            Verdict::Ask { why } => (why, None),
            Verdict::Forward { why } => (why, self.above(&asker)),
        };
        let offers = Offers::of(&seen.policy, &request);
        let view = ApprovalView {
            // The owner gives it one that is free.
            id: ApprovalId(String::new()),
            team: asker.team.clone(),
            session: asker.session,
            from: asker.from.clone(),
            host: asker.host.clone(),
            path: team.path.clone(),
            tool: request.tool.clone(),
            input: request.input.clone(),
            summary: request.summary(),
            why,
            like: likeness(&asker.team, &request, &offers),
            offers,
            forwarded_to,
            circumstances,
            digest: digest.clone(),
            created_at: asked_at,
            expires_at: expires_at(asked_at, policies.config.settings.permission_timeout),
        };
        let why = view.why.clone();
        let asked = Asked {
            ticket: self.ticket(),
            tool_use_id: request.tool_use_id.clone(),
            asks,
            view: Arc::new(view),
            policy_hash: policy.hash().to_owned(),
        };
        match self.wait(asked).await {
            Reply::Decided(decision) => decision,
            Reply::Refused(decision) => self.record(decided(why), decision).await,
        }
    }

    /// The team whose session is asked first: it gave the agent its task, and runs.
    fn above(&self, asker: &Asker) -> Option<TeamName> {
        let Party::Team(team) = &asker.from else {
            return None;
        };
        let runs = self.tokens.agents().iter().any(|agent| agent.team == *team);
        runs.then(|| team.clone())
    }

    fn held_by(&self, asker: &Asker) -> Held {
        let all = Arc::clone(&self.grants.borrow());
        let now = if all.is_empty() {
            Timestamp::UNIX_EPOCH
        } else {
            clock::now()
        };
        let held = |live: &Live| live.holds_for(&asker.team, asker.session, now);
        let places = (0..all.len()).filter(|at| all.get(*at).is_some_and(held));
        Held {
            places: places.collect(),
            all,
        }
    }

    /// Denies what came in place of a request that can be decided, and says why. Of `text`, the whole
    /// of it, only the digest is kept: what cannot be read cannot be searched for secrets.
    pub async fn refuse(
        &self,
        asker: Asker,
        code: &'static str,
        tool: &str,
        text: &str,
        why: &str,
    ) -> Decision {
        let request = ToolRequest {
            tool: display::one_line(tool, TOOL_NAME_MAX),
            input: json!({ "refused": why, "bytes": text.len() }),
            tool_use_id: String::new(),
        };
        let row = row(&asker, &request, digest_of(text), clock::now());
        self.record(row, deny_by_iris(code, why)).await
    }

    /// A human's answer. The first one wins; later ones get `AlreadyDecided` with who answered.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyDecided`; `InvalidInput` and `Forbidden` for an answer that cannot hold
    /// (the approval goes on waiting); `Storage` when the answer could not be recorded and the
    /// request was denied instead; `Unavailable` when Iris is shutting down.
    pub async fn answer(
        &self,
        id: ApprovalId,
        answer: Answer,
        human: Human,
    ) -> Result<EndedApproval, Problem> {
        self.answered(id, answer, Answerer::Human(human)).await
    }

    /// What waits under this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn waiting(&self, id: &ApprovalId) -> Result<Arc<ApprovalView>, Problem> {
        let view = self.view.borrow();
        let approval = view.pending.iter().find(|approval| approval.id == *id);
        approval.cloned().ok_or_else(|| not_waiting(id))
    }

    async fn answered(
        &self,
        id: ApprovalId,
        answer: Answer,
        by: Answerer,
    ) -> Result<EndedApproval, Problem> {
        let rules = match &answer {
            Answer::Allow { input, .. } => self.rules_for(&id, input.as_ref()).await?,
            // No rule can hold against it.
            Answer::Deny { .. } => None,
        };
        let ticket = self.ticket();
        self.asked(|reply| Message::Answer {
            ticket,
            id,
            answer,
            by,
            rules,
            reply,
        })
        .await
    }

    /// The rules that may hold against an answer that allows this, knowing where its paths lead. `None`:
    /// nothing waits under this id, or its team is gone, of which the owner tells.
    async fn rules_for(
        &self,
        id: &ApprovalId,
        input: Option<&Value>,
    ) -> Result<Option<Rules>, Problem> {
        let Ok(view) = self.waiting(id) else {
            return Ok(None);
        };
        let Some(hold) = self.policies.now().of(&view.team) else {
            return Ok(None);
        };
        let runs = ToolRequest {
            tool: view.tool.clone(),
            input: input.cloned().unwrap_or_else(|| view.input.clone()),
            tool_use_id: String::new(),
        };
        let seen = self.looks.seen(&view.team, &hold, |p| p.look(&runs)).await;
        let (_, policy) = seen.certain()?;
        Ok(Some(Rules {
            hold,
            knowing: Arc::new(policy),
        }))
    }

    async fn asked<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<T, Problem>>) -> Message,
    ) -> Result<T, Problem> {
        let (reply, outcome) = oneshot::channel();
        self.inbox.send(message(reply)).map_err(|_| shut_down())?;
        outcome.await.map_err(|_| shut_down())?
    }

    fn tell(&self, message: Message) {
        if self.inbox.send(message).is_err() {
            tracing::debug!("Nobody is told: the approvals are shut down.");
        }
    }

    /// The session's process ended or was interrupted: its requests are withdrawn.
    pub fn withdraw(&self, session: SessionId, why: &'static str) {
        self.tell(Message::Withdraw(session, why));
    }

    /// The team, or with `None` everything, is frozen: what waits is denied.
    pub(crate) fn freeze(&self, team: Option<TeamName>) {
        self.tell(Message::Freeze(team));
    }

    /// What surfaces show.
    pub fn watch(&self) -> watch::Receiver<Arc<ApprovalsView>> {
        self.view.clone()
    }

    /// Denies and records what waits; nothing can be asked afterwards.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.inbox.send(Message::Shutdown(done)).is_ok() && ended.await.is_err() {
            tracing::error!("The approvals ended without recording what waited.");
        }
    }

    async fn wait(&self, asked: Asked) -> Reply {
        let closed = || Reply::Refused(deny_by_iris("shutdown", SHUTDOWN));
        let mut withdrawal = Withdrawal {
            inbox: &self.inbox,
            ticket: Some(asked.ticket),
        };
        let (reply, decided) = oneshot::channel();
        if self
            .inbox
            .send(Message::Ask(Box::new(asked), reply))
            .is_err()
        {
            return closed();
        }
        let reply = decided.await;
        withdrawal.ticket = None;
        reply.unwrap_or_else(|_| closed())
    }

    /// Writes the row, then lets the decision out; deny when it cannot be written.
    async fn record(&self, row: Draft, decision: Decision) -> Decision {
        let now = clock::now();
        let row = Draft {
            time: now,
            decision: decision.verb(),
            decided_by: decision.by(),
            wait_ms: waited(row.time, now),
            ..row
        };
        tracing::info!(
            team = row.team,
            session = row.session,
            tool = row.tool,
            digest = row.digest,
            decision = row.decision.as_str(),
            by = row.decided_by,
            "A request was decided without asking."
        );
        let written = self.store.append(row).await.map(drop);
        let failed = written.is_err();
        // The owner is told only when that changes what surfaces show.
        if failed != self.view.borrow().problem.is_some() {
            self.tell(Message::Wrote(written));
        }
        if failed {
            deny_by_iris("audit", AUDIT)
        } else {
            decision
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }
}

/// The grants that hold for an agent now.
struct Held {
    all: Arc<[Live]>,
    places: Vec<usize>,
}

impl Held {
    fn refs(&self) -> Vec<&Live> {
        let live = self.places.iter();
        live.filter_map(|at| self.all.get(*at)).collect()
    }
}

/// Tells the owner that its caller went away.
struct Withdrawal<'a> {
    inbox: &'a mpsc::UnboundedSender<Message>,
    ticket: Option<Ticket>,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket
            && self.inbox.send(Message::Gone(ticket)).is_err()
        {
            tracing::debug!("A caller went away after the approvals were shut down.");
        }
    }
}

/// The row of a request, but for the decision; `time` is when it was asked.
fn row(asker: &Asker, request: &ToolRequest, digest: String, asked_at: Timestamp) -> Draft {
    Draft {
        time: asked_at,
        kind: Kind::Permission,
        caller: asker.team.to_string(),
        team: asker.team.to_string(),
        session: asker.session.to_string(),
        host: asker.host.clone(),
        tool: request.tool.clone(),
        digest,
        input: request.input.clone(),
        decision: Verb::Deny,
        decided_by: DeniedBy::Lost.to_string(),
        policy_hash: String::new(),
        wait_ms: 0,
        why: String::new(),
    }
}

/// `None` (for ever) for 0, and for what is longer than the calendar.
fn expires_at(asked_at: Timestamp, seconds: u64) -> Option<Timestamp> {
    if seconds == 0 {
        return None;
    }
    let duration = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    asked_at.checked_add(duration).ok()
}

fn shut_down() -> Problem {
    Problem::new(
        Code::Unavailable,
        "Iris is shutting down; what waited was denied.",
        "Start Iris again; the agent can then ask again.",
    )
}

/// What surfaces say while the audit log cannot be written.
fn unwritable(error: &StoreError) -> Problem {
    let problem = error.problem();
    let message = format!(
        "Every request is denied, because the audit log cannot be written: {}",
        problem.message
    );
    Problem { message, ..problem }
}

#[cfg(test)]
mod tests;
