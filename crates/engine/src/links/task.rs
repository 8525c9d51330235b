//! The task that owns a link's connections and executes the effects of its step function.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use iris_domain::{
    Problem,
    ids::TeamName,
    link::{Effect, Event, Link, State, Timer},
    problem::Code,
    prompt::PromptView,
    session::{Cure, Failure},
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};

use super::{
    host::Host,
    lines::{Lines, Seeker, give},
    ready,
    tunnel::{self, Tidying, Tunnel, Wanted},
    view::{Shown, Status},
    work::{Opened, open, prepare, prove},
};
use crate::{clock, remote::Run, ssh::Connection};

/// How long tidying the host may hold up the end of a link; what is left is tidied at the next
/// connect.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// Between two tries of it on a host that is full: sshd frees a session within milliseconds.
const LEAVE_AGAIN: Duration = Duration::from_millis(100);

/// What a lease wants.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub team: TeamName,
    /// None: no tunnel.
    pub tunnel: Option<Wanted>,
    pub allow_http: bool,
}

/// What the task is told.
pub(super) enum Told {
    Want(u64, Wish, oneshot::Sender<()>),
    Release(u64),
    /// A place for a session.
    Seat(Seeker),
    /// The host takes no more sessions on this connection.
    Full(Arc<Connection>),
    Nudge,
    /// The tunnel of this team is closed.
    Cut(TeamName),
    /// Somebody wants to see a proof now; answered when it is under way.
    Prove(oneshot::Sender<()>),
    /// A run was cut off; its far end is ended.
    End(Run),
    Close(oneshot::Sender<()>),
}

/// What came of the work that takes time.
enum Done {
    Connected(Result<Connection, Failure>),
    Prepared(Result<(Opened, Duration), Failure>),
    /// With a further connection, where the first one had no place for a small program.
    Opened(Opened, Option<Connection>),
}

pub(super) struct Task {
    host: Arc<Host>,
    link: Link,
    wishes: HashMap<u64, Wish>,
    lines: Lines,
    tunnels: BTreeMap<Wanted, Result<Tunnel, Failure>>,
    work: Option<BoxFuture<'static, Done>>,
    /// Beside the work: an opening may wait for a human, and the link may die meanwhile.
    proof: Option<BoxFuture<'static, Result<Duration, Problem>>>,
    /// The ports that are being closed on the host. The next one is opened after them: it may be the
    /// same.
    closing: Vec<oneshot::Receiver<()>>,
    /// The connections that are being closed.
    closed: Option<oneshot::Receiver<()>>,
    timer: Option<(Timer, Instant)>,
    retry_at: Option<Timestamp>,
    verified: Option<(Timestamp, Duration)>,
    /// What `ssh` asks humans.
    asked: watch::Receiver<Arc<Vec<PromptView>>>,
    shown: Shown,
}

impl Task {
    pub fn new(host: Host, shown: Shown) -> Self {
        let host = Arc::new(host);
        Self {
            lines: Lines::new(Arc::clone(&host)),
            link: Link::default(),
            wishes: HashMap::new(),
            tunnels: BTreeMap::new(),
            work: None,
            proof: None,
            closing: Vec::new(),
            closed: None,
            timer: None,
            retry_at: None,
            verified: None,
            asked: host.deps.prompts.watch(),
            host,
            shown,
        }
    }

    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Told>) {
        loop {
            tokio::select! {
                told = inbox.recv() => match told {
                    Some(Told::Close(done)) => {
                        self.close().await;
                        self.wishes.clear();
                        self.publish();
                        if done.send(()).is_err() {
                            debug!("nobody waits for the end of the link");
                        }
                        return;
                    }
                    Some(told) => self.told(told),
                    None => return self.close().await,
                },
                done = ready(&mut self.work) => {
                    self.work = None;
                    self.done(done);
                }
                proved = ready(&mut self.proof) => {
                    self.proof = None;
                    match proved {
                        Ok(took) => self.proved(took),
                        Err(problem) => self.step(Event::NotProved(problem)),
                    }
                }
                failure = self.lines.ended() => {
                    let failure = self.host.failed(&failure);
                    self.host.deps.metrics.link_lost(self.host.destination());
                    info!(host = self.host.destination(), problem = %failure.problem, "the link ended");
                    self.step(Event::Failed(failure));
                }
                Ok(()) = self.asked.changed() => {
                    let is_asking = self.host.is_asking(&self.asked.borrow_and_update());
                    if is_asking {
                        self.step(Event::Asked);
                    }
                }
                () = clock::reached(self.timer.map(|(_, at)| at)) => {
                    if let Some((timer, _)) = self.timer.take() {
                        self.retry_at = None;
                        self.step(Event::TimedOut(timer));
                    }
                }
            }
            self.open_wanted();
            self.publish();
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Want(id, wish, heard) => {
                self.wishes.insert(id, wish);
                self.forget_failed_tunnels();
                self.step(Event::Wanted);
                self.publish();
                if heard.send(()).is_err() {
                    debug!("who wanted the link is gone");
                }
            }
            Told::Release(id) => {
                self.wishes.remove(&id);
                if self.wishes.is_empty() {
                    self.step(Event::Unwanted);
                } else {
                    self.close_unwanted();
                }
            }
            Told::Seat(reply) => self.seat(reply),
            Told::Full(connection) => self.lines.is_full(&connection),
            Told::Nudge => self.step(Event::Nudged),
            Told::Cut(team) => {
                for wish in self.wishes.values_mut().filter(|wish| wish.team == team) {
                    wish.tunnel = None;
                }
                self.close_unwanted();
            }
            Told::Prove(heard) => {
                self.step(Event::Nudged);
                self.publish();
                if heard.send(()).is_err() {
                    debug!("who wanted a proof is gone");
                }
            }
            Told::End(run) => self.end(run),
            Told::Close(_) => {}
        }
    }

    fn done(&mut self, done: Done) {
        if let Done::Connected(outcome) = &done {
            let metrics = &self.host.deps.metrics;
            metrics.link_connected(self.host.destination(), outcome.is_ok());
        }
        match done {
            Done::Connected(Ok(connection)) => {
                self.lines.add(connection);
                self.step(Event::Connected);
            }
            Done::Connected(Err(failure)) | Done::Prepared(Err(failure)) => {
                self.step(Event::Failed(failure));
            }
            Done::Prepared(Ok((opened, took))) => {
                self.keep(opened);
                self.proved(took);
            }
            Done::Opened(opened, further) => {
                if let Some(connection) = further {
                    self.lines.add(connection);
                }
                self.keep(opened);
            }
        }
    }

    fn keep(&mut self, opened: Opened) {
        for (wanted, outcome) in opened {
            if let Err(failure) = &outcome {
                warn!(host = self.host.destination(), problem = %failure.problem, "no tunnel");
            }
            let tunnel = outcome.map(|(tunnel, _)| tunnel);
            self.tunnels.insert(wanted, tunnel);
        }
        // Somebody may have gone away meanwhile.
        self.close_unwanted();
    }

    fn proved(&mut self, took: Duration) {
        self.verified = Some((clock::now(), took));
        // The host is there: what did not work for a moment is tried again.
        self.tunnels
            .retain(|_, tunnel| !matches!(tunnel, Err(failure) if failure.cure != Cure::Human));
        self.step(Event::Proved);
    }

    fn step(&mut self, event: Event) {
        for effect in self.link.on(event) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Connect => {
                self.retry_at = None;
                let connecting = Arc::clone(&self.host).connect();
                let closed = self.closed.take();
                self.work = Some(Box::pin(async {
                    // The one before may still hold the tunnel's port. Dropped is closed, too.
                    if let Some(closed) = closed
                        && closed.await.is_err()
                    {
                        debug!("the connection before was given up");
                    }
                    Done::Connected(connecting.await)
                }));
            }
            Effect::Prepare => {
                let Some(connection) = self.lines.first() else {
                    return;
                };
                let (host, wanted) = (Arc::clone(&self.host), self.wanted());
                self.work = Some(Box::pin(async move {
                    Done::Prepared(prepare(&connection, &host, wanted).await)
                }));
            }
            Effect::Prove(at_most) => self.prove(at_most),
            Effect::Close => {
                let orderly = *self.link.state() == State::Down;
                let closing = self.take_all(orderly);
                let (done, closed) = oneshot::channel();
                self.closed = Some(closed);
                self.host.deps.tasks.spawn(async move {
                    closing.await;
                    if done.send(()).is_err() {
                        debug!("no connection follows");
                    }
                });
            }
            Effect::Arm(timer @ (Timer::Proof(wait) | Timer::SignIn(wait))) => {
                self.timer = Some((timer, Instant::now() + wait));
            }
            Effect::Arm(Timer::BackOff(wait)) => {
                let wait = jittered(wait);
                self.timer = Some((Timer::BackOff(wait), Instant::now() + wait));
                let wait = SignedDuration::try_from(wait).unwrap_or_default();
                self.retry_at = clock::now().checked_add(wait).ok();
            }
            Effect::Disarm => {
                self.timer = None;
                self.retry_at = None;
            }
        }
    }

    fn prove(&mut self, at_most: Duration) {
        let Some(connection) = self.lines.first() else {
            return;
        };
        let host = Arc::clone(&self.host);
        let proofs: Vec<_> = self
            .tunnels
            .values()
            .filter_map(|tunnel| tunnel.as_ref().ok())
            .map(|tunnel| tunnel.proof.clone())
            .collect();
        self.proof = Some(Box::pin(async move {
            prove(&connection, &host, proofs, at_most).await
        }));
    }

    /// Opens what is wanted and not there, when nothing else is being done.
    fn open_wanted(&mut self) {
        if !self.link.is_usable() || self.work.is_some() {
            return;
        }
        self.share_named_ports();
        let wanted: BTreeSet<Wanted> = self
            .wanted()
            .into_iter()
            .filter(|wanted| !self.tunnels.contains_key(wanted))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let (Some(first), Some(latest)) = (self.lines.first(), self.lines.latest()) else {
            return;
        };
        let (host, closing) = (Arc::clone(&self.host), std::mem::take(&mut self.closing));
        self.work = Some(Box::pin(async move {
            // One that was given up is as good as closed.
            futures::future::join_all(closing).await;
            let (opened, further) = open(&first, &latest, &host, wanted).await;
            Done::Opened(opened, further)
        }));
    }

    /// A team names the port that another one's tunnel was given: it is one tunnel. To the host, and to
    /// `ssh` where the host chose the port, it would be taken.
    fn share_named_ports(&mut self) {
        for wanted in self.wanted() {
            let is_it = |tunnel: &&Tunnel| Some(tunnel.port()) == wanted;
            if !self.tunnels.contains_key(&wanted)
                && let Some(tunnel) = self.tunnels.values().flatten().find(is_it).cloned()
            {
                self.tunnels.insert(wanted, Ok(tunnel));
            }
        }
    }

    fn wanted(&self) -> BTreeSet<Wanted> {
        self.wishes
            .values()
            .filter_map(|wish| wish.tunnel)
            .collect()
    }

    fn forget_failed_tunnels(&mut self) {
        self.tunnels.retain(|_, tunnel| tunnel.is_ok());
    }

    fn close_unwanted(&mut self) {
        let wanted = self.wanted();
        let Some(first) = self.lines.first() else {
            return;
        };
        let (kept, unwanted) = std::mem::take(&mut self.tunnels)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(tunnel, _)| wanted.contains(tunnel));
        self.tunnels = kept;
        for tunnel in unwanted.into_values().flatten() {
            let port = tunnel.port();
            // One team named the port that another one just got: it is one tunnel, and still wanted.
            let is_shared = |kept: &Tunnel| kept.port() == port;
            if self.tunnels.values().flatten().any(is_shared) {
                continue;
            }
            let (connection, host) = (Arc::clone(&first), Arc::clone(&self.host));
            let (done, closed) = oneshot::channel();
            self.closing.push(closed);
            self.host.deps.tasks.spawn(async move {
                if let Err(error) = connection.cancel_forward(port, host.deps.port).await {
                    warn!(host = host.destination(), port, %error, "a tunnel was not closed; it is when the link ends");
                }
                if done.send(()).is_err() {
                    debug!("nobody opens a tunnel after it");
                }
            });
        }
    }

    fn seat(&mut self, seeker: Seeker) {
        if self.link.is_usable() {
            self.lines.seat(seeker);
        } else {
            give(seeker, Err(self.gone()));
        }
    }

    fn gone(&self) -> Failure {
        let problem = self.link.problem().cloned();
        Failure {
            problem: problem.unwrap_or_else(super::shutting_down),
            cure: Cure::Link,
        }
    }

    fn end(&self, run: Run) {
        let Some(connection) = self.lines.first() else {
            return;
        };
        let host = Arc::clone(&self.host);
        self.host.deps.tasks.spawn(async move {
            let ended = tunnel::tidy(&connection, &host, Tidying::Ended(run));
            if let Err(failure) = ended.await {
                // The next connect does it.
                debug!(problem = %failure.problem, %run, "a run was not ended on its host");
            }
        });
    }

    /// Takes everything that belongs to the connections away; the result closes them.
    fn take_all(&mut self, orderly: bool) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.work = None;
        self.proof = None;
        self.closing.clear();
        self.tunnels.clear();
        let connections = self.lines.take(&self.gone());
        let host = Arc::clone(&self.host);
        async move {
            if let (true, Some(first)) = (orderly, connections.first()) {
                match timeout(LEAVE_LIMIT, leave(first, &host)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => {
                        debug!(problem = %failure.problem, "the host was not tidied")
                    }
                    Err(_) => debug!("the host was not tidied in time"),
                }
            }
            let closing = connections.iter().map(|connection| connection.close());
            futures::future::join_all(closing).await;
        }
    }

    async fn close(&mut self) {
        let orderly = self.link.is_usable();
        self.link = Link::default();
        self.take_all(orderly).await;
    }

    /// Tells leases and surfaces what holds now.
    fn publish(&mut self) {
        let status = Status {
            state: self.link.shown(),
            problem: self.link.problem().cloned(),
            tunnels: self
                .tunnels
                .iter()
                .map(|(wanted, tunnel)| {
                    let port = tunnel.as_ref().map(Tunnel::port);
                    (*wanted, port.map_err(Clone::clone))
                })
                .collect(),
            verified: self.verified,
        };
        self.shown
            .publish(status, self.wishes.values(), self.retry_at);
    }
}

/// Tidies the host at the end. A full one may not have noticed yet that the last session is over.
async fn leave(connection: &Connection, host: &Host) -> Result<(), Failure> {
    loop {
        match tunnel::tidy(connection, host, Tidying::Leaving).await {
            Err(failure) if failure.problem.code == Code::Busy => {
                tokio::time::sleep(LEAVE_AGAIN).await;
            }
            left => return left,
        }
    }
}

/// The wait, up to a fifth longer: hosts that went away together are not tried all at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    if let Err(error) = getrandom::fill(&mut byte) {
        debug!(%error, "no random numbers; no jitter");
    }
    wait + wait.mul_f64(f64::from(byte[0]) / 255.0 / 5.0)
}
