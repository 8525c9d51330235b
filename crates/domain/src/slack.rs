//! The life of the connection to Slack as a step function.
//!
//! ```text
//! off ─wanted→ connecting ─hello→ up ⇄ refreshing (Slack wants a new connection; the old one lasts until
//!  ↑               │               │               the new one says hello)
//!  └─ unwanted ────┴── failed ─────┴→ backing off, or needs you → connecting
//! ```
//!
//! What is written in the channel is [`Messages`]; how it looks, [`blocks`]; what a button means, [`Press`].

pub mod blocks;
mod error;
mod messages;
mod press;

use std::time::Duration;

use crate::{Problem, backoff, snapshot::SlackState};

pub use self::{
    error::{Refusal, refusal},
    messages::{Call, Messages, Now, Outcome, POSTED_MAX, Place},
    press::{Action, Asked, Press},
};

#[cfg(test)]
mod tests;

/// What only a human can mend is tried again all the same, so that somebody who mends it at Slack need not
/// come back here. Seldom: nobody waits for it.
pub const MENDED_EVERY: Duration = Duration::from_secs(300);

/// Where the connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Not configured.
    #[default]
    Off,
    /// A connection is being made.
    Connecting,
    /// Slack said hello, and is heard of.
    Up,
    /// The same, and another connection is being made in its place.
    Refreshing,
    /// It failed and is tried again soon.
    BackingOff,
    /// Only a human can mend it.
    NeedsYou,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is configured, or somebody mended something.
    Wanted,
    /// It is not configured any more, or Iris ends.
    Unwanted,
    /// Slack took the connection.
    Hello,
    /// Slack is about to close the connection and wants another one.
    Refresh,
    /// The connection that was up is gone.
    Lost(Problem),
    /// A connection could not be made.
    Failed(Problem),
    /// The same, or a call was refused, and only a human can mend it.
    Refused(Problem),
    /// The timer ran out.
    TimedOut,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Make a connection; it replaces one that is there when Slack says hello.
    Connect,
    /// End the connection, and one that is being made.
    Close,
    /// Start a timer; it replaces the one that runs.
    Arm(Duration),
    /// Stop the timer.
    Disarm,
}

/// The connection's life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    state: State,
    failures: u32,
    problem: Option<Problem>,
}

impl Life {
    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// What went wrong last, until Slack says hello.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The word that surfaces show; `None`: off.
    pub fn shown(&self) -> Option<SlackState> {
        match self.state {
            State::Off => None,
            State::Connecting => Some(SlackState::Connecting),
            State::Up | State::Refreshing => Some(SlackState::Up),
            State::BackingOff => Some(SlackState::Reconnecting),
            State::NeedsYou => Some(SlackState::NeedsYou),
        }
    }

    /// One step.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        match (self.state, event) {
            (State::Off, Event::Wanted) => {
                self.state = State::Connecting;
                vec![Effect::Connect]
            }
            (State::BackingOff | State::NeedsYou, Event::Wanted | Event::TimedOut) => {
                self.state = State::Connecting;
                vec![Effect::Disarm, Effect::Connect]
            }
            (
                State::Connecting
                | State::Up
                | State::Refreshing
                | State::BackingOff
                | State::NeedsYou,
                Event::Unwanted,
            ) => {
                *self = Self::default();
                vec![Effect::Disarm, Effect::Close]
            }
            (State::Connecting | State::Refreshing, Event::Hello) => {
                *self = Self {
                    state: State::Up,
                    ..Self::default()
                };
                vec![]
            }
            (State::Up, Event::Refresh) => {
                self.state = State::Refreshing;
                vec![Effect::Connect]
            }
            // The new one is on its way.
            (State::Refreshing, Event::Lost(problem)) => {
                self.state = State::Connecting;
                self.problem = Some(problem);
                vec![]
            }
            (
                State::Connecting | State::Up | State::Refreshing,
                Event::Failed(problem) | Event::Lost(problem),
            ) => {
                self.failures = self.failures.saturating_add(1);
                self.problem = Some(problem);
                self.state = State::BackingOff;
                vec![Effect::Close, Effect::Arm(backoff::delay(self.failures))]
            }
            (
                State::Connecting | State::Up | State::Refreshing | State::BackingOff,
                Event::Refused(problem),
            ) => {
                self.problem = Some(problem);
                self.state = State::NeedsYou;
                vec![Effect::Close, Effect::Arm(MENDED_EVERY)]
            }
            // What is over, or was said already.
            (
                State::Off
                | State::Connecting
                | State::Up
                | State::Refreshing
                | State::BackingOff
                | State::NeedsYou,
                Event::Wanted
                | Event::Unwanted
                | Event::Hello
                | Event::Refresh
                | Event::Lost(_)
                | Event::Failed(_)
                | Event::Refused(_)
                | Event::TimedOut,
            ) => vec![],
        }
    }
}
