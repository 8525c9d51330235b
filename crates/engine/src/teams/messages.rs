//! Messages: accepted on disk first, then given to the pair's session.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use iris_domain::{
    Problem,
    ids::{MessageId, Party, SessionId, TeamName},
    message::{self, AtStart, Flow, Message, MessageState, MessageStatus, SendOutcome},
    problem::Code,
    session::{QUEUE_MAX, Settled, queue_full},
};
use tokio::{
    sync::{broadcast, broadcast::error::RecvError, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use tracing::{info, warn};

use super::{Teams, shutting_down, supervisor::Command};
use crate::{clock, store::OpenMessage};

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The sender.
    pub from: Party,
    /// The agent's session that sends it; `None`: a human, or a program of theirs.
    pub session: Option<SessionId>,
    /// The team it goes to.
    pub to: TeamName,
    /// What is said.
    pub text: String,
    /// `Some`: it waits for a team that cannot take it, across restarts, for so many days.
    pub ttl_days: Option<u32>,
}

/// What a supervisor tells a sender.
#[derive(Debug)]
pub(super) enum Told {
    /// It ended.
    Settled(SessionId, Settled),
    /// It waits until its team can take it; why it cannot now.
    Waits(Problem),
}

/// How far a message is that has not ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HowFar {
    /// It waits because its team is frozen.
    Frozen,
    /// It waits.
    Waits,
    /// It is being answered; what the agent wrote up to now.
    Said(String),
}

impl HowFar {
    fn said(self) -> Option<String> {
        match self {
            Self::Said(text) if !text.is_empty() => Some(text),
            Self::Said(_) | Self::Frozen | Self::Waits => None,
        }
    }
}

/// A message that was accepted.
struct Posted {
    session: SessionId,
    told: oneshot::Receiver<Told>,
}

/// Which messages ended, said when that is on disk; shared with the supervisors.
#[derive(Debug, Clone)]
pub(super) struct Ends(broadcast::Sender<MessageId>);

/// Ends that one who waits may be behind. Beyond that it looks at the database.
const ENDS: usize = 256;

impl Default for Ends {
    fn default() -> Self {
        Self(broadcast::Sender::new(ENDS))
    }
}

impl Ends {
    pub fn ended(&self, id: MessageId) {
        // Without a listener nobody waits.
        drop(self.0.send(id));
    }

    fn subscribe(&self) -> broadcast::Receiver<MessageId> {
        self.0.subscribe()
    }
}

/// Who talks in circles: the ways on which messages were stopped, and why.
pub type Circles = BTreeMap<(Party, TeamName), Problem>;

/// What goes round; shared with the supervisors.
#[derive(Debug, Clone)]
pub(super) struct Circling {
    flow: Arc<Mutex<Flow>>,
    stopped: watch::Sender<Arc<Circles>>,
}

impl Default for Circling {
    fn default() -> Self {
        Self {
            flow: Arc::default(),
            stopped: watch::Sender::new(Arc::default()),
        }
    }
}

impl Circling {
    pub fn with<T>(&self, act: impl FnOnce(&mut Flow) -> T) -> T {
        // No code that holds it can panic half-way.
        act(&mut self.flow.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn admit(&self, letter: &Letter) -> Result<u32, Problem> {
        let Letter {
            from,
            session,
            to,
            text,
            ..
        } = letter;
        let now = clock::now();
        self.with(|flow| flow.admit((from, *session), to, text, now))
            .map_err(|why| {
                let shown = why.shown(from, to);
                warn!(%from, %to, ?why, "a message was stopped");
                self.stopped.send_modify(|stopped| {
                    Arc::make_mut(stopped).insert((from.clone(), to.clone()), shown);
                });
                why.problem(from, to)
            })
    }

    /// A human did something with this team: they know.
    pub fn seen(&self, team: &TeamName) {
        self.stopped.send_if_modified(|stopped| {
            let concerns =
                |(from, to): &(Party, TeamName)| to == team || *from == Party::Team(team.clone());
            let any = stopped.keys().any(concerns);
            if any {
                Arc::make_mut(stopped).retain(|way, _| !concerns(way));
            }
            any
        });
    }
}

impl Teams {
    /// Sends a message and waits for the answer, at most `timeout` (`None`: for ever), start-up
    /// included. After a timeout the agent goes on. A caller that goes away does not take its
    /// message with it.
    pub async fn send(
        &self,
        from: Party,
        to: TeamName,
        text: String,
        at_most: Option<Duration>,
    ) -> SendOutcome {
        let letter = Letter {
            from,
            session: None,
            to,
            text,
            ttl_days: None,
        };
        self.deliver(letter, at_most).await
    }

    /// As [`Teams::send`], with everything that can be said about a message.
    pub async fn deliver(&self, letter: Letter, at_most: Option<Duration>) -> SendOutcome {
        let mut sending = Sending::of(&letter);
        let (id, to, from) = (sending.id, letter.to.clone(), letter.from.clone());
        let answered = async {
            let posted = self.post(id, letter).await?;
            sending.session = Some(posted.session);
            posted.told.await.map_err(|_| shutting_down())
        };
        let told = match at_most {
            Some(limit) => timeout(limit, answered).await.ok(),
            None => Some(answered.await),
        };
        match told {
            Some(Ok(Told::Settled(session, settled))) => {
                sending.session = Some(session);
                let (state, response, error) = message::settled(settled);
                let status = match state {
                    MessageState::Answered => MessageStatus::Answered,
                    MessageState::Cancelled => MessageStatus::Cancelled,
                    MessageState::Expired => MessageStatus::Expired,
                    MessageState::Queued | MessageState::Delivered | MessageState::Failed => {
                        MessageStatus::Failed
                    }
                };
                sending.ends(status, response, error)
            }
            Some(Ok(Told::Waits(why))) => sending.ends(MessageStatus::Queued, None, Some(why)),
            Some(Err(problem)) => sending.ends(MessageStatus::Failed, None, Some(problem)),
            None => match self.how_far(id, &from, &to).await {
                Some(HowFar::Frozen) => sending.ends(MessageStatus::Queued, None, Some(waits(&to))),
                far => SendOutcome {
                    so_far: far.and_then(HowFar::said),
                    ..sending.ends(MessageStatus::Timeout, None, Some(not_yet(&to)))
                },
            },
        }
    }

    /// Sends a message and returns when it is accepted and on disk; its id says later what became of
    /// it.
    pub async fn submit(&self, letter: Letter) -> SendOutcome {
        let mut sending = Sending::of(&letter);
        match self.post(sending.id, letter).await {
            Ok(posted) => {
                sending.session = Some(posted.session);
                sending.ends(MessageStatus::Queued, None, None)
            }
            Err(problem) => sending.ends(MessageStatus::Failed, None, Some(problem)),
        }
    }

    async fn post(&self, id: MessageId, letter: Letter) -> Result<Posted, Problem> {
        message::check(&letter.text)?;
        let teams = self.clone();
        // A task of its own: a caller that goes away between the steps takes nothing with it.
        self.to_the_end(async move { teams.accept(id, letter).await })
            .await
    }

    async fn accept(&self, id: MessageId, letter: Letter) -> Result<Posted, Problem> {
        let session = self.session(letter.from.clone(), letter.to.clone()).await?;
        // The session decides; but who does not wait for its word is to hear it too.
        if self.is_full(&letter) {
            return Err(queue_full());
        }
        if letter.from == Party::Console {
            self.circling.seen(&letter.to);
        }
        let depth = self.circling.admit(&letter)?;
        let now = clock::now();
        let message = Message {
            id,
            from: letter.from,
            to: letter.to,
            text: letter.text,
            persist: letter.ttl_days.is_some(),
            depth,
            state: MessageState::Queued,
            session: None,
            created_at: now,
            expires_at: letter.ttl_days.map(|days| message::expiry(now, days)),
            delivered_at: None,
            settled_at: None,
            response: None,
            error: None,
        };
        self.deps.store.accept(message.clone()).await?;
        let (reply, told) = oneshot::channel();
        let id = session.id();
        session
            .send(Command::Send {
                message: Box::new(message),
                parked: false,
                reply: Some(reply),
            })
            .await?;
        Ok(Posted { session: id, told })
    }

    fn is_full(&self, letter: &Letter) -> bool {
        self.view(&letter.from, &letter.to)
            .is_some_and(|view| view.queued as usize >= QUEUE_MAX)
    }

    /// Goes on with what an earlier Iris had accepted: what was to persist is delivered, or waits on;
    /// everything else ends, and says so.
    pub async fn take_up(&self) {
        let open = match self.deps.store.open_messages().await {
            Ok(open) => open,
            Err(error) => {
                warn!(%error, "the messages of an earlier Iris cannot be read; the next start tries again");
                return;
            }
        };
        for OpenMessage { message, parked } in open {
            let (id, now) = (message.id, clock::now());
            let end = match message.found_at_start(now) {
                AtStart::IsOver => continue,
                AtStart::Ends(state, why) => Some((state, why)),
                AtStart::GoesOn => self
                    .give_back(message, parked)
                    .await
                    .err()
                    .map(|why| (MessageState::Failed, why)),
            };
            let Some((state, why)) = end else { continue };
            info!(message = %id, state = state.as_str(), %why, "a message of an earlier Iris ends");
            let ended = self.deps.store.settled(id, now, (state, None, Some(why)));
            if let Err(error) = ended.on_disk().await {
                warn!(%error, message = %id, "how a message ended cannot be kept");
            }
        }
    }

    async fn give_back(&self, message: Message, parked: bool) -> Result<(), Problem> {
        let session = self
            .session(message.from.clone(), message.to.clone())
            .await?;
        session
            .send(Command::Send {
                message: Box::new(message),
                parked,
                reply: None,
            })
            .await
    }

    /// What is known of a message; `None`: nothing, or not any more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, Problem> {
        Ok(self.deps.store.message(id).await?)
    }

    /// The latest messages, newest first; with `from`, only that sender's, with `to`, only those to that
    /// team.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn messages(
        &self,
        from: Option<Party>,
        to: Option<TeamName>,
        limit: u32,
    ) -> Result<Vec<Message>, Problem> {
        Ok(self.deps.store.messages(from, to, limit).await?)
    }

    /// How many messages of each pair are kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn message_counts(&self) -> Result<Vec<(Party, TeamName, u64)>, Problem> {
        Ok(self.deps.store.message_counts().await?)
    }

    /// A message as soon as it has ended, or as it is when this time is over.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ended(
        &self,
        id: MessageId,
        at_most: Duration,
    ) -> Result<Option<Message>, Problem> {
        // Before the look: an end in between is heard.
        let mut ends = self.ends.subscribe();
        let until = Instant::now() + at_most;
        loop {
            let message = self.message(id).await?;
            if message.as_ref().is_none_or(|m| m.state.is_settled()) || Instant::now() >= until {
                return Ok(message);
            }
            let ended = async {
                loop {
                    match ends.recv().await {
                        Ok(ended) if ended != id => {}
                        // Too many to hear them all: it may have been among them.
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            if timeout_at(until, ended).await.is_err() {
                return self.message(id).await;
            }
        }
    }

    /// Cancels a message: one that waits is taken back, one that is being answered is interrupted.
    /// `Ok(false)`: it had ended.
    ///
    /// # Errors
    /// When the pair's team is not there, or Iris ends.
    pub async fn cancel(&self, id: MessageId, from: Party, to: TeamName) -> Result<bool, Problem> {
        let Some(session) = self.existing(Some(from), to).await?.pop() else {
            return Ok(false);
        };
        let (reply, answer) = oneshot::channel();
        session.send(Command::Cancel(id, reply)).await?;
        answer.await.map_err(|_| shutting_down())
    }

    /// On which ways teams talk in circles, until a human does something with one of them.
    pub fn circles(&self) -> watch::Receiver<Arc<Circles>> {
        self.circling.stopped.subscribe()
    }

    /// How far a message of this pair is; `None`: it ended, or Iris does.
    async fn how_far(&self, id: MessageId, from: &Party, to: &TeamName) -> Option<HowFar> {
        let session = self
            .existing(Some(from.clone()), to.clone())
            .await
            .ok()?
            .pop()?;
        let (reply, answer) = oneshot::channel();
        session.send(Command::HowFar(id, reply)).await.ok()?;
        answer.await.ok()
    }
}

/// What is known of a message while it is being sent.
struct Sending {
    begun: Instant,
    id: MessageId,
    from: Party,
    to: TeamName,
    session: Option<SessionId>,
}

impl Sending {
    fn of(letter: &Letter) -> Self {
        Self {
            begun: Instant::now(),
            id: MessageId::new_v4(),
            from: letter.from.clone(),
            to: letter.to.clone(),
            session: None,
        }
    }

    fn ends(
        self,
        status: MessageStatus,
        response: Option<String>,
        error: Option<Problem>,
    ) -> SendOutcome {
        SendOutcome {
            id: self.id,
            from: self.from,
            to: self.to,
            session: self.session,
            status,
            response,
            so_far: None,
            error,
            duration: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn waits(to: &TeamName) -> Problem {
    Problem::new(
        Code::Conflict,
        format!("{to} is frozen: the message waits, and is delivered when the user thaws it."),
        "Do not send it again. Look at the team later, or go on without its answer.",
    )
}

fn not_yet(to: &TeamName) -> Problem {
    Problem::new(
        Code::Timeout,
        format!("{to} has not answered yet; it goes on working."),
        "Ask for its answer later with `message_status`, or wait longer next time.",
    )
}
