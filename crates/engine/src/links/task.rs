//! The task that owns a link's connections and executes the effects of its step function.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    future::pending,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use iris_domain::{
    Problem,
    ids::TeamName,
    link::{Effect, Event, Link, State, Timer},
    session::{Cure, Failure},
    snapshot::LinkState,
    target::Target,
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};

use super::{
    LinkViews, LinksDeps, failed,
    line::{Line, Seat, give},
    tunnel::{self, Tunnel, Wanted},
    view,
    work::{Opened, account, connect, open, prepare, prove},
};
use crate::{
    clock,
    remote::Run,
    ssh::{self, Connection, Resolved},
};

/// How long tidying the host may hold up the end of a link; what is left is tidied at the next
/// connect.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

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
    Seat(oneshot::Sender<Result<Seat, Failure>>),
    /// The host takes no more sessions on this connection.
    Full(Arc<Connection>),
    Nudge,
    /// Somebody wants to see a proof now; answered when it is under way.
    Prove(oneshot::Sender<()>),
    /// A run was cut off; its far end is ended.
    End(Run),
    Close(oneshot::Sender<()>),
}

/// What leases wait for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Status {
    pub state: LinkState,
    pub problem: Option<Problem>,
    pub tunnels: BTreeMap<Wanted, Result<u16, Problem>>,
    /// The last proof that came back, and how long it took.
    pub verified: Option<(Timestamp, Duration)>,
}

/// What came of the work that takes time.
enum Done {
    Connected(Result<Connection, Failure>),
    Prepared(Result<(Opened, Duration), Failure>),
    /// With a further connection, where the first one had no place for a small program.
    Opened(Result<Opened, Failure>, Option<Connection>),
    Proved(Result<Duration, Problem>),
}

pub(super) struct Task {
    deps: Arc<LinksDeps>,
    target: Target,
    /// Names this link on the host.
    key: String,
    /// Whose password `ssh` may ask for, whatever alias the config has for it.
    account: String,
    link: Link,
    wishes: HashMap<u64, Wish>,
    /// The first one carries the tunnels.
    lines: Vec<Line>,
    tunnels: BTreeMap<Wanted, Result<Tunnel, Problem>>,
    work: Option<BoxFuture<'static, Done>>,
    /// The connections that are being closed.
    closed: Option<oneshot::Receiver<()>>,
    /// The end of the first connection.
    ended: Option<BoxFuture<'static, ssh::Failure>>,
    /// The ends of the others, which are no end of the link.
    others_ended: FuturesUnordered<BoxFuture<'static, Arc<Connection>>>,
    /// A further connection on its way, for those who wait for a place.
    further: Option<BoxFuture<'static, Result<Connection, Failure>>>,
    seekers: VecDeque<oneshot::Sender<Result<Seat, Failure>>>,
    timer: Option<(Timer, Instant)>,
    retry_at: Option<Timestamp>,
    verified: Option<(Timestamp, Duration)>,
    status: watch::Sender<Arc<Status>>,
    views: Arc<watch::Sender<Arc<LinkViews>>>,
    /// The teams that were shown last.
    shown: BTreeSet<TeamName>,
}

impl Task {
    pub fn new(
        deps: Arc<LinksDeps>,
        target: Target,
        resolved: &Resolved,
        status: watch::Sender<Arc<Status>>,
        views: Arc<watch::Sender<Arc<LinkViews>>>,
    ) -> Self {
        Self {
            deps,
            target,
            key: resolved.key.to_string(),
            account: account(resolved),
            link: Link::default(),
            wishes: HashMap::new(),
            lines: Vec::new(),
            tunnels: BTreeMap::new(),
            work: None,
            closed: None,
            ended: None,
            others_ended: FuturesUnordered::new(),
            further: None,
            seekers: VecDeque::new(),
            timer: None,
            retry_at: None,
            verified: None,
            status,
            views,
            shown: BTreeSet::new(),
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
                failure = ready(&mut self.ended) => {
                    self.ended = None;
                    let failure = failed(&failure, self.target.destination());
                    info!(host = self.target.destination(), problem = %failure.problem, "the link ended");
                    self.step(Event::Failed(failure));
                }
                Some(connection) = self.others_ended.next() => self.lost(&connection),
                further = ready(&mut self.further) => {
                    self.further = None;
                    self.furthered(further);
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
            Told::Full(connection) => {
                if let Some(line) = self.lines.iter().find(|line| line.is(&connection)) {
                    line.is_full();
                }
            }
            Told::Nudge => self.step(Event::Nudged),
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
        match done {
            Done::Connected(Ok(connection)) => {
                let line = Line::new(connection);
                let first = Arc::clone(&line.connection);
                self.ended = Some(Box::pin(async move { first.closed().await }));
                self.lines.push(line);
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
                    self.add(connection);
                }
                match opened {
                    Ok(opened) => self.keep(opened),
                    Err(failure) => self.step(Event::Failed(failure)),
                }
            }
            Done::Proved(Ok(took)) => self.proved(took),
            Done::Proved(Err(problem)) => self.step(Event::NotProved(problem)),
        }
    }

    fn keep(&mut self, opened: Opened) {
        for (wanted, outcome) in opened {
            if let Err(problem) = &outcome {
                warn!(host = self.target.destination(), %problem, "no tunnel");
            }
            let tunnel = outcome.map(|(tunnel, _)| tunnel);
            self.tunnels.insert(wanted, tunnel);
        }
        // Somebody may have gone away meanwhile.
        self.close_unwanted();
    }

    fn proved(&mut self, took: Duration) {
        self.verified = Some((clock::now(), took));
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
                let connecting = connect(
                    Arc::clone(&self.deps),
                    self.target.clone(),
                    self.account.clone(),
                );
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
                let Some(line) = self.lines.first() else {
                    return;
                };
                let connection = Arc::clone(&line.connection);
                let (deps, wanted) = (Arc::clone(&self.deps), self.wanted());
                let link = self.key.clone();
                let destination = self.target.destination().to_owned();
                self.work = Some(Box::pin(async move {
                    Done::Prepared(prepare(&connection, &deps, &link, wanted, &destination).await)
                }));
            }
            Effect::Prove(at_most) => self.prove(at_most),
            Effect::Close => {
                let orderly = *self.link.state() == State::Down;
                let closing = self.take_all(orderly);
                let (done, closed) = oneshot::channel();
                self.closed = Some(closed);
                self.deps.tasks.spawn(async move {
                    closing.await;
                    if done.send(()).is_err() {
                        debug!("no connection follows");
                    }
                });
            }
            Effect::Arm(Timer::Proof(wait)) => {
                self.timer = Some((Timer::Proof(wait), Instant::now() + wait));
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
        let Some(line) = self.lines.first() else {
            return;
        };
        let connection = Arc::clone(&line.connection);
        let deps = Arc::clone(&self.deps);
        let destination = self.target.destination().to_owned();
        let proofs: Vec<_> = self
            .tunnels
            .values()
            .filter_map(|tunnel| tunnel.as_ref().ok())
            .map(|tunnel| tunnel.proof.clone())
            .collect();
        self.work = Some(Box::pin(async move {
            Done::Proved(prove(&connection, &deps, proofs, at_most, &destination).await)
        }));
    }

    /// Opens what is wanted and not there, when nothing else is being done.
    fn open_wanted(&mut self) {
        if !self.link.is_usable() || self.work.is_some() {
            return;
        }
        let wanted: BTreeSet<Wanted> = self
            .wanted()
            .into_iter()
            .filter(|wanted| !self.tunnels.contains_key(wanted))
            .collect();
        let (false, Some(line)) = (wanted.is_empty(), self.lines.first()) else {
            return;
        };
        let (first, deps) = (Arc::clone(&line.connection), Arc::clone(&self.deps));
        let programs = self.lines.iter().map(|line| Arc::clone(&line.connection));
        let programs: Vec<_> = programs.collect();
        let (target, account) = (self.target.clone(), self.account.clone());
        self.work = Some(Box::pin(async move {
            let (opened, further) = open(&first, programs, deps, target, account, wanted).await;
            Done::Opened(opened, further)
        }));
        // The proof's turn comes after it.
        if self.timer.is_none() {
            let wait = iris_domain::link::PROOF_AGAIN;
            self.timer = Some((Timer::Proof(wait), Instant::now() + wait));
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
        let Some(line) = self.lines.first() else {
            return;
        };
        let (kept, unwanted) = std::mem::take(&mut self.tunnels)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(tunnel, _)| wanted.contains(tunnel));
        self.tunnels = kept;
        for tunnel in unwanted.into_values().flatten() {
            let (connection, port) = (Arc::clone(&line.connection), self.deps.port);
            self.deps.tasks.spawn(async move {
                if let Err(error) = connection.cancel_forward(tunnel.port(), port).await {
                    debug!(%error, "a tunnel was not closed");
                }
            });
        }
    }

    fn seat(&mut self, reply: oneshot::Sender<Result<Seat, Failure>>) {
        if !self.link.is_usable() {
            give(reply, Err(self.gone()));
            return;
        }
        if let Some(seat) = self.lines.iter().find_map(Line::seat) {
            give(reply, Ok(seat));
            return;
        }
        self.seekers.push_back(reply);
        if self.further.is_none() {
            let connecting = connect(
                Arc::clone(&self.deps),
                self.target.clone(),
                self.account.clone(),
            );
            self.further = Some(Box::pin(connecting));
        }
    }

    fn furthered(&mut self, further: Result<Connection, Failure>) {
        match further {
            Ok(connection) => self.add(connection),
            Err(failure) => {
                for seeker in self.seekers.drain(..) {
                    give(seeker, Err(failure.clone()));
                }
            }
        }
        for seeker in std::mem::take(&mut self.seekers) {
            self.seat(seeker);
        }
    }

    /// A further connection: its end takes its sessions along, and nothing else.
    fn add(&mut self, connection: Connection) {
        let line = Line::new(connection);
        let connection = Arc::clone(&line.connection);
        self.lines.push(line);
        self.others_ended.push(Box::pin(async move {
            connection.closed().await;
            connection
        }));
    }

    fn lost(&mut self, connection: &Arc<Connection>) {
        info!(
            host = self.target.destination(),
            "a further connection ended"
        );
        self.lines.retain(|line| !line.is(connection));
        let connection = Arc::clone(connection);
        self.deps
            .tasks
            .spawn(async move { connection.close().await });
    }

    fn gone(&self) -> Failure {
        let problem = self.link.problem().cloned();
        Failure {
            problem: problem.unwrap_or_else(super::shutting_down),
            cure: Cure::Link,
        }
    }

    fn end(&self, run: Run) {
        let Some(line) = self.lines.first() else {
            return;
        };
        let (connection, deps) = (Arc::clone(&line.connection), Arc::clone(&self.deps));
        let destination = self.target.destination().to_owned();
        self.deps.tasks.spawn(async move {
            if let Err(failure) = tunnel::end(&connection, &deps, run, &destination).await {
                // The next connect does it.
                debug!(problem = %failure.problem, %run, "a run was not ended on its host");
            }
        });
    }

    /// Takes everything that belongs to the connections away; the result closes them.
    fn take_all(&mut self, orderly: bool) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.work = None;
        self.ended = None;
        self.others_ended.clear();
        self.further = None;
        self.tunnels.clear();
        let gone = self.gone();
        for seeker in self.seekers.drain(..) {
            give(seeker, Err(gone.clone()));
        }
        let lines = std::mem::take(&mut self.lines);
        let (deps, link) = (Arc::clone(&self.deps), self.key.clone());
        let destination = self.target.destination().to_owned();
        async move {
            if let (true, Some(line)) = (orderly, lines.first()) {
                let leaving = tunnel::leave(&line.connection, &deps, &link, &destination);
                match timeout(LEAVE_LIMIT, leaving).await {
                    Ok(Ok(())) => {}
                    Ok(Err(failure)) => {
                        debug!(problem = %failure.problem, "the host was not tidied")
                    }
                    Err(_) => debug!("the host was not tidied in time"),
                }
            }
            let closing = lines.iter().map(|line| line.connection.close());
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
        let views: LinkViews = self
            .wishes
            .values()
            .map(|wish| {
                (
                    wish.team.clone(),
                    view::of(wish, &status, self.verified, self.retry_at),
                )
            })
            .collect();
        let shown = std::mem::replace(&mut self.shown, views.keys().cloned().collect());
        self.views.send_if_modified(|all| {
            let mut next = LinkViews::clone(all);
            next.retain(|team, _| !shown.contains(team));
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

/// The wait, up to a fifth longer: hosts that went away together are not tried all at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    if let Err(error) = getrandom::fill(&mut byte) {
        debug!(%error, "no random numbers; no jitter");
    }
    wait + wait.mul_f64(f64::from(byte[0]) / 255.0 / 5.0)
}

async fn ready<T>(future: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match future {
        Some(future) => future.as_mut().await,
        None => pending().await,
    }
}
