//! Approvals in Slack: shown in a channel, answered there by the people whom the config names.
//!
//! One task owns it. It carries out what [`iris_domain::slack`] decides: makes the connection, keeps each message
//! true, one call at a time, and has presses looked at. While Slack is not configured it only waits for the config.
//!
//! No crate for Slack: the one that is kept up (`slack-morphism`) brings a second HTTP stack and its own idea of
//! reconnecting, for five calls.

mod api;
mod presses;
mod socket;

use std::{pin::Pin, sync::Arc, time::Duration};

use iris_domain::{
    Problem, backoff,
    config::{Config, SlackSettings},
    decision::Human,
    problem::Code,
    slack::{
        Call, Effect, Event, Life, Messages, Now, Outcome, Place, Press, Refusal, State, blocks,
    },
    snapshot::{SlackState, SlackView},
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    api::{Api, ApiError},
    presses::Presses,
    socket::{Heard, Socket},
};
use crate::{
    Engine,
    approvals::ApprovalsView,
    clock::{self, reached},
    https::Https,
    secrets::NamedSecrets,
};

/// How long the end may take to make messages true: nobody who quits waits longer.
const FAREWELL: Duration = Duration::from_secs(3);
/// Between two calls that change the channel. Slack allows one message a second there, and now and then more.
const BETWEEN_CALLS: Duration = Duration::from_millis(1100);

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;
type Shown = watch::Sender<Option<SlackView>>;

/// A call, and how it went.
type Called = (Call, Result<Place, ApiError>);

/// The end of Slack, for who ends Iris.
#[derive(Debug, Clone)]
pub(crate) struct Slack {
    stop: CancellationToken,
    ended: CancellationToken,
}

impl<'n> From<&'n ApprovalsView> for Now<'n> {
    fn from(view: &'n ApprovalsView) -> Self {
        Self {
            approvals: &view.pending,
            recent: &view.recent,
        }
    }
}

impl Slack {
    /// Before anything is started.
    pub fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Follows the config: Slack is on while it says so. `view` is what surfaces show.
    pub fn follow(&self, engine: Engine, view: Shown) {
        let (tasks, slack) = (engine.tasks.clone(), self.clone());
        tasks.spawn(async move {
            let _ended = slack.ended.drop_guard();
            let mut config = engine.config.watch();
            while !slack.stop.is_cancelled() && config.has_changed().is_ok() {
                let settings = config.borrow_and_update().settings.slack.clone();
                match settings {
                    Some(settings) => {
                        let owner = Owner::new(&engine, settings, &view);
                        Box::pin(owner.run(&mut config, &slack.stop)).await;
                        view.send_replace(None);
                    }
                    None => tokio::select! {
                        () = slack.stop.cancelled() => return,
                        changed = config.changed() => if changed.is_err() {
                            return;
                        },
                    },
                }
            }
        });
    }

    /// Makes the messages true once more, and ends.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}

/// Writes a line into the channel, and tries the connection's token: everything that Slack is needed for, once.
///
/// # Errors
/// What does not work, and what to do.
pub(crate) async fn test(
    settings: Option<SlackSettings>,
    secrets: &NamedSecrets,
    human: &Human,
) -> Result<(), Problem> {
    let Some(settings) = settings else {
        return Err(Problem::new(
            Code::NotFound,
            "Slack is not configured.",
            "Add `settings.slack`; docs/CONFIG.md says how to make the app.",
        ));
    };
    let api = reach(&settings, secrets).await?;
    let told = api.post(&settings.channel, blocks::test(&human.user)).await;
    told.map_err(|error| unusable(&error))?;
    let opened = api.open().await;
    opened.map(drop).map_err(|error| unusable(&error))
}

async fn reach(settings: &SlackSettings, secrets: &NamedSecrets) -> Result<Api, Problem> {
    let https = Https::of_the_system()
        .await
        .map_err(|error| unusable(&error.into()))?;
    Api::new(https, settings, secrets).await
}

/// What does not work, where no one tries again by themselves.
fn unusable(error: &ApiError) -> Problem {
    match error.refusal() {
        Refusal::Never => Problem::new(
            Code::Network,
            format!("Slack does not take it: {error}."),
            "Look the code up in Slack's documentation of its Web API.",
        ),
        Refusal::Token(_) | Refusal::Channel(_) | Refusal::Gone | Refusal::Later => error.problem(),
    }
}

struct Owner<'e> {
    engine: &'e Engine,
    settings: SlackSettings,
    view: &'e Shown,
    approvals: watch::Receiver<Arc<ApprovalsView>>,
    life: Life,
    messages: Messages,
    presses: Presses,
    api: Option<Api>,
    socket: Option<Socket>,
    connecting: Option<Future<Made>>,
    call: Option<Future<Called>>,
    /// Of the connection's life.
    timer: Option<Instant>,
    retry_at: Option<Timestamp>,
    /// Until when no call is made.
    pause: Option<Instant>,
    /// Calls in a row that did not do.
    misses: u32,
    /// The channel cannot be written to.
    channel: Option<Problem>,
}

/// What came of an attempt to connect.
enum Made {
    Up(Api, Socket),
    Failed(Problem),
    Refused(Problem),
}

impl<'e> Owner<'e> {
    fn new(engine: &'e Engine, settings: SlackSettings, view: &'e Shown) -> Self {
        Self {
            engine,
            settings,
            view,
            approvals: engine.approvals.watch(),
            life: Life::default(),
            messages: Messages::default(),
            presses: Presses::default(),
            api: None,
            socket: None,
            connecting: None,
            call: None,
            timer: None,
            retry_at: None,
            pause: None,
            misses: 0,
            channel: None,
        }
    }

    /// Until the settings change, or Iris ends.
    async fn run(mut self, config: &mut watch::Receiver<Arc<Config>>, stop: &CancellationToken) {
        let mut secrets = self.engine.named_secrets.changes();
        self.on(Event::Wanted);
        self.see();
        loop {
            self.publish();
            self.start_call();
            tokio::select! {
                () = stop.cancelled() => break,
                changed = config.changed() => {
                    let now = config.borrow_and_update().settings.slack.clone();
                    if changed.is_err() || !self.goes_on_with(now) {
                        break;
                    }
                }
                changed = self.approvals.changed() => match changed {
                    Ok(()) => self.see(),
                    Err(_) => break,
                },
                heard = hear(&mut self.socket) => self.heard(heard),
                made = ready(&mut self.connecting) => self.made(made),
                called = ready(&mut self.call) => self.called(called),
                () = reached(self.timer) => {
                    self.timer = None;
                    self.on(Event::TimedOut);
                }
                () = reached(self.pause) => self.pause = None,
                // Perhaps the token that was missing.
                changed = secrets.changed() => if changed.is_ok() {
                    self.begin_anew();
                },
                () = self.presses.settled() => {}
            }
        }
        self.farewell().await;
    }

    /// Tries at once. An attempt that is under way may have looked into the keychain too early.
    fn begin_anew(&mut self) {
        self.pause = None;
        if self.connecting.is_some() {
            self.connecting = Some(self.connect());
        }
        self.on(Event::Wanted);
    }

    /// Whether other settings need no other connection; they hold then.
    fn goes_on_with(&mut self, settings: Option<SlackSettings>) -> bool {
        let Some(settings) = settings else {
            return false;
        };
        let same = SlackSettings {
            approvers: self.settings.approvers.clone(),
            ..settings.clone()
        } == self.settings;
        if same {
            self.settings = settings;
        }
        same
    }

    fn see(&mut self) {
        let now = Arc::clone(&self.approvals.borrow_and_update());
        self.messages.see(&*now);
    }

    fn on(&mut self, event: Event) {
        for effect in self.life.on(event) {
            match effect {
                Effect::Connect => self.connecting = Some(self.connect()),
                Effect::Close => {
                    self.connecting = None;
                    self.socket = None;
                }
                Effect::Arm(wait) => {
                    self.timer = Some(Instant::now() + wait);
                    let wait = SignedDuration::try_from(wait).ok();
                    self.retry_at = wait.and_then(|wait| clock::now().checked_add(wait).ok());
                }
                Effect::Disarm => {
                    self.timer = None;
                    self.retry_at = None;
                }
            }
        }
    }

    fn connect(&self) -> Future<Made> {
        let settings = self.settings.clone();
        let secrets = self.engine.named_secrets.clone();
        let tasks = self.engine.tasks.clone();
        Box::pin(async move { connected(&settings, &secrets, &tasks).await })
    }

    fn made(&mut self, made: Made) {
        match made {
            Made::Up(api, socket) => {
                tracing::info!("Slack is connected.");
                self.api = Some(api);
                self.socket = Some(socket);
                self.on(Event::Hello);
            }
            Made::Failed(problem) => {
                tracing::warn!(%problem, "Slack cannot be reached.");
                self.on(Event::Failed(problem));
            }
            Made::Refused(problem) => {
                tracing::warn!(%problem, "Slack needs somebody.");
                self.on(Event::Refused(problem));
            }
        }
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Pressed(payload) => {
                let Some(api) = self.api.clone() else {
                    return;
                };
                for press in Press::read(&payload) {
                    let known = self.messages.has(&press.place.ts);
                    let (engine, settings) = (self.engine.clone(), &self.settings);
                    self.presses
                        .take(engine, api.clone(), settings, press, known);
                }
            }
            Heard::Refresh => self.on(Event::Refresh),
            Heard::TurnedOff => self.on(Event::Refused(Problem::new(
                Code::Forbidden,
                "Socket Mode is turned off for the Slack app.",
                "Turn it on again in the app's settings at Slack.",
            ))),
            Heard::Gone(problem) => {
                tracing::info!(%problem, "The connection to Slack is gone.");
                self.socket = None;
                self.on(Event::Lost(problem));
            }
        }
    }

    fn start_call(&mut self) {
        let is_up = matches!(self.life.state(), State::Up | State::Refreshing);
        let (true, None, None, Some(api)) = (is_up, &self.call, self.pause, &self.api) else {
            return;
        };
        let now = Arc::clone(&self.approvals.borrow());
        let can_answer = !self.settings.approvers.is_empty();
        if let Some(call) = self.messages.next(&*now, can_answer) {
            self.call = Some(make(api.clone(), self.settings.channel.clone(), call));
        }
    }

    fn called(&mut self, (call, result): Called) {
        let error = match result {
            Ok(place) => {
                self.misses = 0;
                self.channel = None;
                self.messages.done(&call, Outcome::Done(place));
                self.pause = Some(Instant::now() + BETWEEN_CALLS);
                self.see();
                return;
            }
            Err(error) => error,
        };
        self.misses = self.misses.saturating_add(1);
        let mut wait = backoff::delay(self.misses);
        let outcome = match error.refusal() {
            Refusal::Token(problem) => {
                self.on(Event::Refused(problem));
                Outcome::Later
            }
            // A message that is to be changed, in a channel that cannot be written to any more.
            Refusal::Channel(_) if matches!(call, Call::Update(..)) => Outcome::Never,
            Refusal::Channel(problem) => {
                self.channel = Some(problem);
                Outcome::Later
            }
            Refusal::Later => {
                if let ApiError::Busy(pause) = error {
                    wait = pause;
                }
                Outcome::Later
            }
            Refusal::Gone | Refusal::Never => Outcome::Never,
        };
        tracing::warn!(%error, ?outcome, "Slack did not take a message.");
        self.messages.done(&call, outcome);
        self.pause = Some(Instant::now() + wait);
        self.see();
    }

    fn publish(&self) {
        let shown = self.life.shown().map(|state| {
            let (state, problem) = match (state, &self.channel) {
                (SlackState::Up, Some(problem)) => (SlackState::NeedsYou, Some(problem)),
                (state, _) => (state, self.life.problem()),
            };
            SlackView {
                state,
                channel: self.settings.channel.clone(),
                approvers: u32::try_from(self.settings.approvers.len()).unwrap_or(u32::MAX),
                retry_at: self.retry_at,
                problem: problem.cloned(),
            }
        });
        self.view.send_if_modified(|now| {
            let changed = *now != shown;
            *now = shown;
            changed
        });
    }

    /// Makes the messages true once more: how they ended, or that answers are not taken here any more.
    async fn farewell(mut self) {
        let until = Instant::now() + FAREWELL;
        self.messages.close();
        self.see();
        loop {
            self.pause = None;
            self.start_call();
            let Ok(Some(called)) = timeout_at(until, last(&mut self.call)).await else {
                break;
            };
            self.called(called);
            if self.misses > 0 {
                break;
            }
        }
        self.on(Event::Unwanted);
    }
}

async fn connected(settings: &SlackSettings, secrets: &NamedSecrets, tasks: &TaskTracker) -> Made {
    let api = match reach(settings, secrets).await {
        Ok(api) => api,
        // Of the keychain, or of the system's authorities: nothing that time mends.
        Err(problem) => return Made::Refused(problem),
    };
    if let Err(error) = api.test().await {
        return failed(&error);
    }
    let url = match api.open().await {
        Ok(url) => url,
        Err(error) => return failed(&error),
    };
    match Socket::open(&api, &url, tasks).await {
        Ok(socket) => Made::Up(api, socket),
        Err(problem) => Made::Failed(problem),
    }
}

fn failed(error: &ApiError) -> Made {
    match error.refusal() {
        Refusal::Token(problem) | Refusal::Channel(problem) => Made::Refused(problem),
        Refusal::Never | Refusal::Gone | Refusal::Later => Made::Failed(error.problem()),
    }
}

fn make(api: Api, channel: String, call: Call) -> Future<Called> {
    Box::pin(async move {
        let result = match &call {
            Call::Post(message) => api.post(&channel, message.clone()).await,
            Call::Update(place, message) => {
                let updated = api.update(place, message.clone()).await;
                updated.map(|()| place.clone())
            }
        };
        (call, result)
    })
}

/// What comes of it, once; never without one.
async fn ready<T>(future: &mut Option<Future<T>>) -> T {
    match future {
        Some(running) => {
            let out = running.await;
            *future = None;
            out
        }
        None => std::future::pending().await,
    }
}

/// What comes of it, if there is one.
async fn last<T>(future: &mut Option<Future<T>>) -> Option<T> {
    match future {
        Some(_) => Some(ready(future).await),
        None => None,
    }
}

async fn hear(socket: &mut Option<Socket>) -> Heard {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}
