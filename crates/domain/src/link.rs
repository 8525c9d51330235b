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
//!
//! A nudge (the computer woke up, its network changed) has the link proved at once: up → nudged,
//! and when that proof does not come back → settling, which is shown as degraded. A harmless change
//! costs nothing; one that killed the connection is over 7 s later; a network that settles in
//! between cuts nobody off.

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
/// How long the proof may take that follows when that one did not come back. A network needs up to
/// three seconds to settle, and TCP sends again 3 or 6 s after the first try: a connection that lives
/// is heard of within 2 + 5 s.
pub const PROOF_LIMIT_SETTLING: Duration = Duration::from_secs(5);
/// After so many failed proofs in a row the link is lost. With the times above a silent link is
/// found out within 15 + 8 + 5 + 8 = 36 s, and after a nudge within 2 + 5 s, or 2 + 5 + 5 s when
/// the network changed again meanwhile.
pub const PROOFS_MISSED_MAX: u32 = 2;
/// When the network changes while `ssh` connects, it may wait for an answer to an address that the
/// computer had before; it is started again when it is not signed in after this. Signing in takes a
/// second or two.
pub const SIGN_IN_AGAIN: Duration = Duration::from_secs(5);

/// Where a link is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nobody needs it.
    Down,
    /// `ssh` signs in.
    Connecting(Attempt),
    /// Signed in; the tunnels are made and prove themselves.
    Verifying,
    /// The last proof came back.
    Up,
    /// The last proof came back, but then something changed: a short proof is under way.
    Nudged,
    /// That one did not come back: another one is under way. `again`: the network changed meanwhile,
    /// so it was begun once more. Only once, because a network may change every second.
    Settling {
        /// It was begun once more.
        again: bool,
    },
    /// So many proofs in a row did not come back.
    Degraded(u32),
    /// It failed and is tried again soon.
    BackingOff,
    /// Only a human can mend it.
    NeedsYou,
}

/// An attempt to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing is known against it.
    Fresh,
    /// The network changed since it began.
    Doubtful,
    /// It comes to its end, whatever the network does: a human is asked, or it was started again
    /// already. Only once, or a network that always changes would let none come to its end.
    Sure,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A team needs it.
    Wanted,
    /// The last team that needed it does not any more.
    Unwanted,
    /// `ssh` asks a human: the host did answer.
    Asked,
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
    /// Until an attempt that the network changed under is started again.
    SignIn(Duration),
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
            State::Connecting(_) => LinkState::Connecting,
            State::Verifying => LinkState::Verifying,
            State::Up | State::Nudged => LinkState::Up,
            State::Settling { .. } | State::Degraded(_) => LinkState::Degraded,
            State::BackingOff => LinkState::Reconnecting,
            State::NeedsYou => LinkState::NeedsYou,
        }
    }

    /// Whether sessions can be opened on it.
    pub fn is_usable(&self) -> bool {
        matches!(
            self.state,
            State::Up | State::Nudged | State::Settling { .. } | State::Degraded(_)
        )
    }

    /// One step.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Wanted => match self.state {
                // Who wants it now has perhaps mended what was wrong.
                State::Down | State::NeedsYou | State::BackingOff => self.connect(Attempt::Fresh),
                _ => vec![],
            },
            Event::Unwanted => {
                let closes = self.has_connection();
                *self = Self::default();
                let mut effects = vec![Effect::Disarm];
                effects.extend(closes.then_some(Effect::Close));
                effects
            }
            Event::Asked => match self.state {
                State::Connecting(_) => {
                    self.state = State::Connecting(Attempt::Sure);
                    vec![Effect::Disarm]
                }
                _ => vec![],
            },
            Event::Connected => match self.state {
                State::Connecting(_) => {
                    self.state = State::Verifying;
                    vec![Effect::Disarm, Effect::Prepare]
                }
                _ => vec![],
            },
            Event::Proved => match self.state {
                State::Verifying
                | State::Up
                | State::Nudged
                | State::Settling { .. }
                | State::Degraded(_) => {
                    self.proved();
                    vec![Effect::Arm(Timer::Proof(PROOF_EVERY))]
                }
                State::Down | State::Connecting(_) | State::BackingOff | State::NeedsYou => vec![],
            },
            Event::NotProved(problem) => self.not_proved(problem),
            Event::Failed(failure) => {
                if self.has_connection() {
                    self.failed(failure)
                } else {
                    vec![]
                }
            }
            Event::Nudged => self.nudged(),
            Event::TimedOut(timer) => match (timer, &self.state) {
                (Timer::Proof(_), State::Up | State::Degraded(_)) => {
                    vec![Effect::Prove(PROOF_LIMIT)]
                }
                (Timer::BackOff(_), State::BackingOff) => self.connect(Attempt::Fresh),
                (Timer::SignIn(_), State::Connecting(Attempt::Doubtful)) => {
                    self.connect_anew(Attempt::Sure)
                }
                // A timer that ran out just when what it timed was over.
                (Timer::Proof(_) | Timer::BackOff(_) | Timer::SignIn(_), _) => vec![],
            },
        }
    }

    /// It is looked at at once. What a nudge began goes on when the next one comes: a network that
    /// changes every second must not keep a proof from ever being missed.
    fn nudged(&mut self) -> Vec<Effect> {
        match self.state {
            State::Up => {
                self.state = State::Nudged;
                vec![Effect::Disarm, Effect::Prove(PROOF_LIMIT_NUDGED)]
            }
            State::Degraded(_) => self.settle(false),
            State::Settling { again: false } => self.settle(true),
            // The pauses go on growing where that does not help either: a network may change all day.
            State::BackingOff => self.connect(Attempt::Fresh),
            State::Connecting(Attempt::Fresh) => {
                self.state = State::Connecting(Attempt::Doubtful);
                vec![Effect::Arm(Timer::SignIn(SIGN_IN_AGAIN))]
            }
            // A changed network does not mend what only a human can.
            State::NeedsYou
            | State::Down
            | State::Connecting(Attempt::Doubtful | Attempt::Sure)
            | State::Verifying
            | State::Nudged
            | State::Settling { again: true } => vec![],
        }
    }

    fn has_connection(&self) -> bool {
        match self.state {
            State::Connecting(_)
            | State::Verifying
            | State::Up
            | State::Nudged
            | State::Settling { .. }
            | State::Degraded(_) => true,
            State::Down | State::BackingOff | State::NeedsYou => false,
        }
    }

    fn settle(&mut self, again: bool) -> Vec<Effect> {
        self.state = State::Settling { again };
        vec![Effect::Disarm, Effect::Prove(PROOF_LIMIT_SETTLING)]
    }

    fn connect_anew(&mut self, attempt: Attempt) -> Vec<Effect> {
        let mut effects = vec![Effect::Close];
        effects.extend(self.connect(attempt));
        effects
    }

    fn connect(&mut self, attempt: Attempt) -> Vec<Effect> {
        self.state = State::Connecting(attempt);
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
            State::Nudged => {
                self.problem = Some(problem);
                return self.settle(false);
            }
            // The first proof decides whether it was ever up.
            State::Verifying | State::Settling { .. } => PROOFS_MISSED_MAX,
            State::Down | State::Connecting(_) | State::BackingOff | State::NeedsYou => {
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
                    return self.connect_anew(Attempt::Fresh);
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
