//! One session's supervisor: feeds the lifecycle of [`iris_domain::session`] and carries out what
//! it says. It owns the session's process.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use iris_domain::{
    Problem,
    config::Team,
    ids::{MessageId, SessionId},
    message::Message,
    problem::Code,
    session::{Cure, Effect, Event, Failure, Session, State, Timer},
    snapshot::SessionView,
    transcript::Entry,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tracing::{debug, info, warn};

use super::{
    SessionViews, Shared, TeamsDeps,
    agent::{Agent, Heard},
    halter::Halters,
    messages::{Circling, Ends, HowFar, Told},
    slots::Slots,
};
use crate::{approvals::ApprovalsView, clock, links::Lease, store::SessionRecord};

/// How long an interrupted turn may take to end. Claude Code ends a turn at once (measured); a tool
/// that does not let itself be killed takes longer.
const INTERRUPT_GRACE: Duration = Duration::from_secs(10);

mod freeze;
mod life;
mod place;
mod post;
mod renew;
mod transcript;
mod view;

use place::Place;
use post::Open;
use renew::Deleting;

/// What a supervisor is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Be ready.
    Wake(oneshot::Sender<Result<SessionView, Problem>>),
    /// Give the agent a message.
    Send {
        message: Box<Message>,
        /// An earlier Iris found that the team must be woken first.
        parked: bool,
        /// `None`: nobody waits for the answer.
        reply: Option<oneshot::Sender<Told>>,
    },
    /// Take a message back, or end its turn.
    Cancel(MessageId, oneshot::Sender<bool>),
    /// How far a message is.
    HowFar(MessageId, oneshot::Sender<HowFar>),
    /// End the running turn.
    Interrupt(oneshot::Sender<bool>),
    /// End the process.
    Sleep(oneshot::Sender<bool>),
    /// Start the agent anew, for this reason; answers whether there was one.
    Restart(Problem, oneshot::Sender<bool>),
    /// Begin a new conversation; answers what there was, and whether the new one is ready.
    Reboot {
        before: oneshot::Sender<Before>,
        ready: oneshot::Sender<Result<SessionView, Problem>>,
    },
    /// End the process, the session and the supervisor; answers what there was.
    Delete(oneshot::Sender<Result<Option<Before>, Problem>>),
    /// Its host does not answer: the agent may do nothing more.
    CutOff(String),
    /// Leave the place if there is nothing to do.
    Evict,
    /// End the process and the supervisor.
    Close,
}

/// What there was before a session was begun anew or deleted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// The conversation, if one had begun.
    pub session: Option<SessionId>,
    /// A process ran.
    pub ran: bool,
}

type Taking = BoxFuture<'static, Result<Place, Failure>>;

/// A session and its process.
pub(super) struct Supervisor {
    deps: TeamsDeps,
    slots: Slots,
    halters: Halters,
    circling: Circling,
    ends: Ends,
    views: Arc<watch::Sender<Arc<SessionViews>>>,
    id: watch::Sender<SessionId>,
    mailbox: mpsc::WeakSender<Command>,
    record: SessionRecord,
    /// The conversation that is current until the new one is ready.
    previous: Option<SessionRecord>,
    /// Who waits for the session to be gone for good.
    deleting: Option<Deleting>,
    session: Session,
    /// While it waits for a place: for the team as it was configured when it began to.
    taking: Option<(Team, Taking)>,
    /// Why that takes long.
    unreached: Option<mpsc::Receiver<Problem>>,
    /// Its share of the link, while it is to run.
    lease: Option<Lease>,
    /// What the agent is told with the next message: its work was cut short.
    cut_short: Option<String>,
    agent: Option<Agent>,
    /// What the process was started with.
    started_with: Option<Team>,
    /// The messages that have not ended.
    open: HashMap<MessageId, Open>,
    /// How many had to wait for better times so far.
    places: u64,
    /// When those are tried again.
    try_again_at: Option<Instant>,
    /// When one of them waited for too long.
    expired_at: Option<Instant>,
    wakers: Vec<oneshot::Sender<Result<SessionView, Problem>>>,
    /// Set when the wakers are to be told, after the view was published.
    ready: Option<Result<(), Problem>>,
    sleepers: Vec<oneshot::Sender<bool>>,
    timer: Option<(Timer, Instant)>,
    ask_mcp_at: Option<Instant>,
    /// An approval of this session waits.
    waiting: bool,
    /// The tool call that its agent runs, and what that is in one line.
    doing: Option<(String, String)>,
    stderr_tail: Vec<String>,
    last_activity: jiff::Timestamp,
    closing: bool,
}

/// What woke the supervisor up.
enum Woken {
    Told(Option<Command>),
    Place(Result<Place, Failure>),
    Unreached(Problem),
    Output(crate::process::Output),
    Approvals(bool),
    Config(bool),
    AskMcp,
    Frozen,
    TryAgain,
    Expired,
    Timer,
}

impl Supervisor {
    pub fn new(
        deps: TeamsDeps,
        shared: Shared,
        views: Arc<watch::Sender<Arc<SessionViews>>>,
        record: SessionRecord,
        id: watch::Sender<SessionId>,
        mailbox: mpsc::WeakSender<Command>,
    ) -> Self {
        Self {
            deps,
            slots: shared.slots,
            halters: shared.halters,
            circling: shared.circling,
            ends: shared.ends,
            views,
            id,
            mailbox,
            last_activity: record.last_used_at,
            record,
            previous: None,
            deleting: None,
            session: Session::default(),
            taking: None,
            unreached: None,
            lease: None,
            cut_short: None,
            agent: None,
            started_with: None,
            open: HashMap::new(),
            places: 0,
            try_again_at: None,
            expired_at: None,
            wakers: Vec::new(),
            ready: None,
            sleepers: Vec::new(),
            timer: None,
            ask_mcp_at: None,
            waiting: false,
            doing: None,
            stderr_tail: Vec::new(),
            closing: false,
        }
    }

    pub async fn run(mut self, mut mailbox: mpsc::Receiver<Command>) {
        let mut approvals = self.deps.approvals.watch();
        let mut approvals_live = true;
        let mut config = self.deps.config.clone();
        let mut config_live = true;
        let mut frozen = self.deps.freeze.watch();
        self.see_frozen();
        loop {
            let woken = tokio::select! {
                command = mailbox.recv(), if !self.closing => Woken::Told(command),
                place = taken(&mut self.taking), if !self.session.is_held() => Woken::Place(place),
                Some(problem) = why(&mut self.unreached) => Woken::Unreached(problem),
                output = heard(&mut self.agent) => Woken::Output(output),
                changed = approvals.changed(), if approvals_live => Woken::Approvals(changed.is_ok()),
                changed = config.changed(), if config_live => Woken::Config(changed.is_ok()),
                Ok(()) = frozen.changed() => Woken::Frozen,
                () = clock::reached(self.ask_mcp_at) => Woken::AskMcp,
                () = clock::reached(self.try_again_at) => Woken::TryAgain,
                () = clock::reached(self.expired_at) => Woken::Expired,
                () = clock::reached(self.timer.map(|(_, when)| when)) => Woken::Timer,
            };
            match woken {
                Woken::Told(Some(command)) => self.told(command),
                Woken::Told(None) => self.close(),
                Woken::Unreached(problem) => self.step(Event::Unreached(problem)),
                Woken::Place(place) => {
                    // A change of the config may be heard after this.
                    if !self.retake() {
                        self.taking = None;
                        self.unreached = None;
                        if let Some(event) = self.launch(place).await {
                            self.step(event);
                        }
                    }
                }
                Woken::Output(output) => self.output(output).await,
                Woken::Approvals(live) => {
                    approvals_live = live;
                    self.see_approvals(&approvals.borrow_and_update().clone());
                }
                Woken::Config(live) => {
                    config_live = live;
                    config.mark_unchanged();
                    self.retake();
                    if self.is_outdated() {
                        self.step(Event::Evict);
                    }
                }
                Woken::Frozen => {
                    frozen.mark_unchanged();
                    self.see_frozen();
                }
                Woken::AskMcp => {
                    self.ask_mcp_at = None;
                    if let Some(agent) = &mut self.agent {
                        agent.mcp_status();
                    }
                }
                Woken::TryAgain => self.try_again(),
                Woken::Expired => self.look_for_expired(),
                Woken::Timer => self.timed_out(),
            }
            if self.closing && self.is_gone() {
                break;
            }
        }
        self.unpublish();
        self.deleted().await;
    }

    fn is_gone(&self) -> bool {
        self.agent.is_none() && self.taking.is_none()
    }

    fn told(&mut self, command: Command) {
        match command {
            Command::Wake(reply) => {
                self.wakers.push(reply);
                self.step(Event::Wake);
            }
            Command::Send {
                message,
                parked,
                reply,
            } => self.take(message, parked, reply),
            Command::Cancel(id, reply) => {
                if reply.send(self.cancel(id)).is_err() {
                    debug!("who cancelled a message is gone");
                }
            }
            Command::HowFar(id, reply) => {
                if reply.send(self.how_far(id)).is_err() {
                    debug!("who asked for a message is gone");
                }
            }
            Command::Interrupt(reply) => {
                let running = self.session.running().is_some();
                self.step(Event::Interrupt);
                if reply.send(running).is_err() {
                    debug!("who interrupted is gone");
                }
            }
            Command::Sleep(reply) => {
                let was_asleep = self.is_gone() && *self.session.state() == State::Asleep;
                if was_asleep {
                    if reply.send(false).is_err() {
                        debug!("who put it to sleep is gone");
                    }
                    return;
                }
                self.sleepers.push(reply);
                self.step(Event::Sleep);
            }
            Command::Restart(why, reply) => self.restart(why, reply),
            Command::Reboot { before, ready } => self.reboot(before, ready),
            Command::Delete(reply) => self.delete(reply),
            Command::CutOff(host) => self.cut_off(&host),
            Command::Evict => self.step(Event::Evict),
            Command::Close => self.close(),
        }
    }

    fn close(&mut self) {
        self.closing = true;
        self.step(Event::Sleep);
    }

    async fn output(&mut self, output: crate::process::Output) {
        let running = self.running_as();
        let Some(agent) = &mut self.agent else { return };
        let heard = agent.hear(output, running);
        self.note_said();
        if !matches!(heard, Heard::Ended(_)) {
            self.step(Event::Output);
        }
        match heard {
            Heard::Event(event) => {
                let event = self.adopted(event).await;
                self.step(event);
            }
            Heard::Started => self.mark_started().await,
            Heard::TakenBefore => {
                if let Some(event) = self.taken_before().await {
                    self.step(event);
                }
            }
            Heard::Ended(ended) => {
                let event = self.ended(ended).await;
                self.step(event);
            }
            Heard::Nothing => {}
        }
    }

    /// Steps, and what follows from the steps, until nothing does.
    fn step(&mut self, event: Event) {
        // An agent may write thousands of lines a second.
        let quiet = event == Event::Output;
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.session.on(event) {
                let ready = effect == Effect::Ready;
                events.extend(self.perform(effect));
                if ready {
                    events.extend(self.unpark());
                }
            }
        }
        if !quiet {
            self.last_activity = clock::now();
            self.publish();
        }
        if let Some(ready) = self.ready.take() {
            let answer = ready.map(|()| self.view());
            for waker in self.wakers.drain(..) {
                if waker.send(answer.clone()).is_err() {
                    debug!("who woke it is gone");
                }
            }
        }
        if self.is_gone() && matches!(self.session.state(), State::Asleep | State::Trouble) {
            self.lease = None;
        }
        if self.is_gone() {
            for sleeper in self.sleepers.drain(..) {
                if sleeper.send(true).is_err() {
                    debug!("who put it to sleep is gone");
                }
            }
        }
    }

    /// Carries out an effect; returns what follows at once.
    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn => {
                self.stderr_tail.clear();
                return self.take_place();
            }
            Effect::Stop => {
                if let Some(agent) = &self.agent {
                    agent.stop();
                } else {
                    // It had no process yet.
                    self.taking = None;
                    self.unreached = None;
                    return Some(exited(no_process(), Cure::Retry));
                }
            }
            Effect::Initialize => self.with_agent(Agent::initialize),
            Effect::AskMcp(after) => self.ask_mcp_at = Some(Instant::now() + after),
            Effect::ReconnectMcp => self.with_agent(Agent::mcp_reconnect),
            Effect::Deliver(id) => {
                self.deliver(id);
                self.note_message(id);
            }
            Effect::Interrupt => {
                self.note(Entry::Interrupted {});
                self.with_agent(Agent::interrupt);
            }
            Effect::Withdraw(why) => self.deps.approvals.withdraw(self.record.id, why),
            Effect::Arm(timer) => {
                if timer == Timer::Idle
                    && let Some(agent) = &self.agent
                {
                    agent.slot.idle();
                }
                self.timer = self
                    .limit(timer)
                    .map(|limit| (timer, Instant::now() + limit));
                if timer == Timer::Idle && self.is_outdated() {
                    return Some(Event::Evict);
                }
            }
            Effect::Disarm => self.timer = None,
            Effect::Ready => self.ready = Some(Ok(())),
            Effect::NotReady(problem) => {
                info!(team = %self.record.to, session = %self.record.id, %problem, "not ready");
                self.ready = Some(Err(problem));
            }
            Effect::Settle(id, settled) => self.settle(id, settled),
            Effect::Stay => self.with_agent(|agent| agent.slot.busy()),
            Effect::NewConversation => {
                let old = self.record.id;
                self.record.id = SessionId(uuid::Uuid::new_v4());
                self.record.started = false;
                self.id.send_replace(self.record.id);
                warn!(
                    team = %self.record.to, %old, new = %self.record.id,
                    "Claude Code does not have the conversation any more: a new one begins"
                );
            }
            Effect::Renew => self.renew(),
            Effect::Restore => return self.restore(),
            Effect::ResumeConversation => self.record.started = true,
        }
        None
    }

    fn with_agent(&mut self, act: impl FnOnce(&mut Agent)) {
        // Without one there is nothing to ask; its end is on its way to the lifecycle.
        if let Some(agent) = &mut self.agent {
            act(agent);
        }
    }

    /// How long each timer runs; 0 in the config: for ever.
    fn limit(&self, timer: Timer) -> Option<Duration> {
        let config = self.deps.config.borrow();
        let seconds = |s: u64| (s > 0).then(|| Duration::from_secs(s));
        match timer {
            Timer::Spawn => seconds(config.settings.spawn_timeout),
            Timer::Silence => seconds(config.settings.response_timeout),
            Timer::Interrupt => Some(INTERRUPT_GRACE),
            Timer::Idle => {
                let team = config.teams.get(&self.record.to);
                seconds(
                    team.and_then(|t| t.idle_timeout)
                        .unwrap_or(config.settings.idle_timeout),
                )
            }
            Timer::BackOff(delay) => Some(delay),
        }
    }

    fn timed_out(&mut self) {
        let Some((timer, _)) = self.timer.take() else {
            return;
        };
        if timer == Timer::Silence && self.waiting {
            // The agent waits for a human: its silence is right.
            self.timer = self
                .limit(timer)
                .map(|limit| (timer, Instant::now() + limit));
            return;
        }
        self.step(Event::TimedOut(timer));
    }

    fn see_approvals(&mut self, view: &ApprovalsView) {
        let waiting = view.pending.iter().any(|a| a.session == self.record.id);
        if waiting != self.waiting {
            self.waiting = waiting;
            // The silence is counted from the answer on.
            if let Some((Timer::Silence, _)) = self.timer {
                self.timer = self
                    .limit(Timer::Silence)
                    .map(|l| (Timer::Silence, Instant::now() + l));
            }
            self.last_activity = clock::now();
            self.publish();
        }
    }
}

async fn taken(taking: &mut Option<(Team, Taking)>) -> Result<Place, Failure> {
    match taking {
        Some((_, taking)) => Pin::new(taking).await,
        None => pending().await,
    }
}

async fn why(unreached: &mut Option<mpsc::Receiver<Problem>>) -> Option<Problem> {
    match unreached {
        Some(unreached) => unreached.recv().await,
        None => pending().await,
    }
}

async fn heard(agent: &mut Option<Agent>) -> crate::process::Output {
    match agent {
        Some(agent) => agent.next().await,
        None => pending().await,
    }
}

fn exited(problem: Problem, cure: Cure) -> Event {
    Event::Exited {
        failure: Failure { problem, cure },
        lived: Duration::ZERO,
    }
}

fn no_process() -> Problem {
    Problem::new(
        Code::Agent,
        "The team was stopped before its agent was started.",
        "Start the team again.",
    )
}
