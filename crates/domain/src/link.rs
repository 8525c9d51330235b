//! The life of a link as a step function.
//!
//! [`Link::on`] takes what happened and says what to do about it. It reads no clock and does no
//! I/O: the link's task feeds it events and carries its effects out, in order.
//!
//! ```text
//! down ─wanted→ connecting ─connected→ verifying ─verified→ up ⇄ degraded
//!   ↑               │                     │                  │       │
//!   └─ unwanted ────┴── failed: backing off → connecting ←───┴───────┘
//!                       or needs you, when only a human can mend it
//! ```

use std::time::Duration;

use crate::{
    Problem, backoff,
    session::{Cure, Failure},
    snapshot::LinkState,
};

#[cfg(test)]
mod tests;

/// Between two proofs of a link that is up.
pub const PROOF_EVERY: Duration = Duration::from_secs(15);
/// Between two proofs of a link whose last one failed: soon, because somebody waits for the truth.
pub const PROOF_AGAIN: Duration = Duration::from_secs(5);
/// How long a proof may take. A round trip to the other side of the world over a bad line takes a
/// second or two.
pub const PROOF_LIMIT: Duration = Duration::from_secs(8);
/// How long the proof may take that follows a wake-up or a change of the network: the link is
/// probably dead, and a working one answers at once.
pub const PROOF_LIMIT_NUDGED: Duration = Duration::from_secs(2);
/// After so many failed proofs in a row the link is lost. With the times above a silent link is
/// found out within 15 + 8 + 5 + 8 = 36 s.
pub const PROOFS_MISSED_MAX: u32 = 2;

/// Where a link is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nobody needs it.
    Down,
    /// `ssh` signs in.
    Connecting,
    /// Signed in; the tunnels are made and prove themselves.
    Verifying,
    /// The last proof came back.
    Up,
    /// So many proofs in a row did not come back.
    Degraded(u32),
    /// It failed and is tried again soon.
    BackingOff,
    /// Only a human can mend it.
    NeedsYou,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A team needs it.
    Wanted,
    /// The last team that needed it does not any more.
    Unwanted,
    /// Signed in.
    Connected,
    /// A proof came back.
    Proved,
    /// A proof did not come back; the problem says what answered instead, if anything did.
    NotProved(Problem),
    /// It could not be made, or ended.
    Failed(Failure),
    /// The computer woke up, the network changed, or a human wants it tried now.
    Nudged,
    /// The timer ran out.
    TimedOut(Timer),
}

/// What the link's task may be timing; one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Until the next proof.
    Proof(Duration),
    /// Until the next attempt; the task adds jitter.
    BackOff(Duration),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start `ssh`.
    Connect,
    /// Tidy the remote host, make the tunnels, prove them.
    Prepare,
    /// Prove the tunnels; at most this long.
    Prove(Duration),
    /// End the connection.
    Close,
    /// Start a timer; it replaces the one that runs.
    Arm(Timer),
    /// Stop the timer.
    Disarm,
}

/// A link's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    state: State,
    failures: u32,
    problem: Option<Problem>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            state: State::Down,
            failures: 0,
            problem: None,
        }
    }
}

impl Link {
    /// Where it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What went wrong last, until a proof comes back.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The word that surfaces show. Only a proof that came back is `Up`.
    pub fn shown(&self) -> LinkState {
        match self.state {
            State::Down => LinkState::Down,
            State::Connecting => LinkState::Connecting,
            State::Verifying => LinkState::Verifying,
            State::Up => LinkState::Up,
            State::Degraded(_) => LinkState::Degraded,
            State::BackingOff => LinkState::Reconnecting,
            State::NeedsYou => LinkState::NeedsYou,
        }
    }

    /// Whether sessions can be opened on it.
    pub fn is_usable(&self) -> bool {
        matches!(self.state, State::Up | State::Degraded(_))
    }

    /// One step.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Wanted => match self.state {
                // Who wants it now has perhaps mended what was wrong.
                State::Down | State::NeedsYou | State::BackingOff => self.connect(),
                State::Up | State::Degraded(_) | State::Connecting | State::Verifying => vec![],
            },
            Event::Unwanted => {
                let closes = self.has_connection();
                *self = Self::default();
                let mut effects = vec![Effect::Disarm];
                effects.extend(closes.then_some(Effect::Close));
                effects
            }
            Event::Connected => match self.state {
                State::Connecting => {
                    self.state = State::Verifying;
                    vec![Effect::Prepare]
                }
                _ => vec![],
            },
            Event::Proved => match self.state {
                State::Verifying | State::Up | State::Degraded(_) => {
                    self.proved();
                    vec![Effect::Arm(Timer::Proof(PROOF_EVERY))]
                }
                State::Down | State::Connecting | State::BackingOff | State::NeedsYou => vec![],
            },
            Event::NotProved(problem) => self.not_proved(problem),
            Event::Failed(failure) => match self.state {
                State::Down | State::BackingOff | State::NeedsYou => vec![],
                State::Connecting | State::Verifying | State::Up | State::Degraded(_) => {
                    self.failed(failure)
                }
            },
            Event::Nudged => match self.state {
                State::Up | State::Degraded(_) => {
                    vec![Effect::Disarm, Effect::Prove(PROOF_LIMIT_NUDGED)]
                }
                State::BackingOff => {
                    self.failures = 0;
                    self.connect()
                }
                // A changed network does not mend what only a human can.
                State::Down | State::Connecting | State::Verifying | State::NeedsYou => vec![],
            },
            Event::TimedOut(timer) => match (timer, &self.state) {
                (Timer::Proof(_), State::Up | State::Degraded(_)) => {
                    vec![Effect::Prove(PROOF_LIMIT)]
                }
                (Timer::BackOff(_), State::BackingOff) => self.connect(),
                // A timer that ran out just when what it timed was over.
                (Timer::Proof(_) | Timer::BackOff(_), _) => vec![],
            },
        }
    }

    fn has_connection(&self) -> bool {
        match self.state {
            State::Connecting | State::Verifying | State::Up | State::Degraded(_) => true,
            State::Down | State::BackingOff | State::NeedsYou => false,
        }
    }

    fn connect(&mut self) -> Vec<Effect> {
        self.state = State::Connecting;
        vec![Effect::Disarm, Effect::Connect]
    }

    fn proved(&mut self) {
        self.state = State::Up;
        self.failures = 0;
        self.problem = None;
    }

    fn not_proved(&mut self, problem: Problem) -> Vec<Effect> {
        let missed = match self.state {
            State::Up => 1,
            State::Degraded(missed) => missed + 1,
            // The first proof decides whether it was ever up.
            State::Verifying => PROOFS_MISSED_MAX,
            State::Down | State::Connecting | State::BackingOff | State::NeedsYou => {
                return vec![];
            }
        };
        if missed >= PROOFS_MISSED_MAX {
            return self.failed(Failure {
                problem,
                cure: Cure::Retry,
            });
        }
        self.state = State::Degraded(missed);
        self.problem = Some(problem);
        vec![Effect::Arm(Timer::Proof(PROOF_AGAIN))]
    }

    fn failed(&mut self, failure: Failure) -> Vec<Effect> {
        self.problem = Some(failure.problem);
        match failure.cure {
            Cure::Human => {
                self.state = State::NeedsYou;
                self.failures = 0;
                vec![Effect::Disarm, Effect::Close]
            }
            // The others belong to sessions; for a link they all mean: try again.
            Cure::Retry
            | Cure::Link
            | Cure::Seat
            | Cure::Room
            | Cure::NewConversation
            | Cure::ResumeConversation => {
                // A link that was up is tried again at once: usually only the network changed.
                let was_up = self.is_usable();
                self.failures = self.failures.saturating_add(1);
                if was_up {
                    let mut effects = vec![Effect::Close];
                    effects.extend(self.connect());
                    return effects;
                }
                self.state = State::BackingOff;
                vec![
                    Effect::Close,
                    Effect::Arm(Timer::BackOff(backoff::delay(self.failures))),
                ]
            }
        }
    }
}
