//! Which approvals have a message, and what each is to say.
//!
//! What a message should say follows from the snapshot; what it does say is remembered. The difference is
//! the next call, one at a time, so there is no queue that could grow.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::blocks::{self, Head};
use crate::{
    ids::ApprovalId,
    snapshot::{ApprovalView, EndedApproval, Snapshot},
};

/// What holds now.
#[derive(Debug, Clone, Copy)]
pub struct Now<'n> {
    /// What waits, oldest first.
    pub approvals: &'n [Arc<ApprovalView>],
    /// What ended, newest first.
    pub recent: &'n [EndedApproval],
}

impl<'n> From<&'n Snapshot> for Now<'n> {
    fn from(snapshot: &'n Snapshot) -> Self {
        Self {
            approvals: &snapshot.approvals,
            recent: &snapshot.recent,
        }
    }
}

impl<'n> Now<'n> {
    pub(super) fn waiting(self, id: &ApprovalId) -> Option<&'n ApprovalView> {
        let mut all = self.approvals.iter().map(Arc::as_ref);
        all.find(|view| view.id == *id)
    }

    /// How one ended, where that is still known.
    pub fn ended(self, id: &ApprovalId) -> Option<&'n EndedApproval> {
        self.recent.iter().find(|ended| ended.id == *id)
    }
}

/// So many waiting approvals have a message at once: more than a person reads in a channel, and Slack takes one
/// a second. The others get theirs when some of these have ended.
pub const POSTED_MAX: usize = 50;

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The id of its channel.
    pub channel: String,
    /// Its own.
    pub ts: String,
}

/// A call to be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// `chat.postMessage`.
    Post(Value),
    /// `chat.update`.
    Update(Place, Value),
}

/// How the call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The message is there and says it.
    Done(Place),
    /// Not now: it is made again.
    Later,
    /// It cannot be made, or the message is gone.
    Never,
}

/// The messages.
#[derive(Debug, Default)]
pub struct Messages {
    /// By when it was asked, so that the oldest comes first.
    known: BTreeMap<ApprovalId, Message>,
    order: Vec<ApprovalId>,
    calling: Option<ApprovalId>,
    closing: bool,
}

#[derive(Debug)]
struct Message {
    head: Head,
    waits: bool,
    says: Says,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Says {
    /// There is none yet.
    Nothing,
    /// There will be none: Slack does not take it.
    Never,
    /// That it waits.
    Waits(Place),
}

impl Messages {
    /// Compares with what holds now.
    pub fn see<'n>(&mut self, now: impl Into<Now<'n>>) {
        let now = now.into();
        let waiting: BTreeSet<&ApprovalId> = now.approvals.iter().map(|it| &it.id).collect();
        for (id, message) in &mut self.known {
            message.waits = waiting.contains(id);
        }
        let calling = self.calling.clone();
        self.known.retain(|id, message| {
            message.waits || matches!(message.says, Says::Waits(_)) || calling.as_ref() == Some(id)
        });
        self.order.retain(|id| self.known.contains_key(id));
        if self.closing {
            return;
        }
        // One that a session is asked first is not the person's yet.
        let theirs = now.approvals.iter().filter(|it| it.is_for_human());
        for view in theirs {
            if self.order.len() >= POSTED_MAX {
                break;
            }
            if !self.known.contains_key(&view.id) {
                self.order.push(view.id.clone());
                let message = Message {
                    head: Head::of(view),
                    waits: true,
                    says: Says::Nothing,
                };
                self.known.insert(view.id.clone(), message);
            }
        }
    }

    /// Posts nothing more; what still waits is to say that it cannot be answered here.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Nothing is to be done, now or when a call comes back.
    pub fn is_settled<'n>(&self, now: impl Into<Now<'n>>) -> bool {
        self.calling.is_none() && self.wanted(now.into(), true).is_none()
    }

    /// The next call; none while one is under way. What is over is said first: its buttons do nothing any more.
    pub fn next<'n>(&mut self, now: impl Into<Now<'n>>, can_answer: bool) -> Option<Call> {
        if self.calling.is_some() {
            return None;
        }
        let (id, call) = self.wanted(now.into(), can_answer)?;
        self.calling = Some(id);
        Some(call)
    }

    fn wanted(&self, now: Now<'_>, can_answer: bool) -> Option<(ApprovalId, Call)> {
        let messages = || {
            self.order
                .iter()
                .filter_map(|id| Some((id, self.known.get(id)?)))
        };
        for (id, message) in messages() {
            let Says::Waits(place) = &message.says else {
                continue;
            };
            let body = if !message.waits {
                blocks::ended(&message.head, now.ended(id))
            } else if self.closing {
                blocks::farewell(&message.head)
            } else {
                continue;
            };
            return Some((id.clone(), Call::Update(place.clone(), body)));
        }
        if self.closing {
            return None;
        }
        for (id, message) in messages() {
            if message.waits
                && message.says == Says::Nothing
                && let Some(view) = now.waiting(id)
            {
                let body = blocks::waiting(view, can_answer);
                return Some((id.clone(), Call::Post(body)));
            }
        }
        None
    }

    /// How the call that [`Messages::next`] gave went.
    pub fn done(&mut self, call: &Call, outcome: Outcome) {
        let Some(id) = self.calling.take() else {
            return;
        };
        let Some(message) = self.known.get_mut(&id) else {
            return;
        };
        match (call, outcome) {
            (Call::Post(_), Outcome::Done(place)) => message.says = Says::Waits(place),
            (Call::Post(_), Outcome::Never) => message.says = Says::Never,
            (Call::Update(..), Outcome::Done(_) | Outcome::Never) => {
                self.known.remove(&id);
                self.order.retain(|known| *known != id);
            }
            (Call::Post(_) | Call::Update(..), Outcome::Later) => {}
        }
    }

    /// Whether this message is one of these.
    pub fn has(&self, ts: &str) -> bool {
        self.known.values().any(|message| match &message.says {
            Says::Waits(place) => place.ts == ts,
            Says::Nothing | Says::Never => false,
        })
    }
}
