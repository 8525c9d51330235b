//! The life of a session as a step function.
//!
//! [`Session::on`] takes what happened and says what to do about it. It reads no clock and does no
//! I/O: a supervisor feeds it events and carries its effects out, in order.
//!
//! ```text
//! asleep ─wake→ waking ─ready→ idle ⇄ working
//!   ↑             │              │       │
//!   └─ stopping ←─┴──────────────┴───────┘      an unexpected end: backing off → waking,
//!                                               or trouble when only a human can mend it
//! ```

use std::{collections::VecDeque, time::Duration};

use crate::{Problem, backoff, ids::MessageId, problem::Code, snapshot::TeamState};

mod held;
mod renew;
mod words;
pub use words::*;

use renew::Renewing;

#[cfg(test)]
mod tests;

/// How many messages may wait for one session. More than that is a loop, not work.
pub const QUEUE_MAX: usize = 100;
/// After so many quick ends in a row a session is in trouble: the next attempt would end alike.
pub const QUICK_FAILURES_MAX: u32 = 5;
/// A process that lived longer than this did start properly: its end is not one more quick end.
pub const LIVED_LONG: Duration = Duration::from_secs(60);
/// How often an MCP connection that is being made is looked at. Claude Code connects in about
/// half a second (measured with 2.1.330) and does not say when it has.
pub const MCP_POLL: Duration = Duration::from_millis(100);

/// A session's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    state: State,
    queue: VecDeque<MessageId>,
    quick_failures: u32,
    /// The conversation's record was corrected since it was last ready. Once: two corrections that
    /// undo each other would go round for ever.
    corrected: bool,
    /// A new conversation is wanted, or begun and not ready yet.
    renewing: Renewing,
    /// Why nothing is started or delivered, and no time passes: its team is frozen.
    held: Option<Problem>,
    problem: Option<Problem>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            state: State::Asleep,
            queue: VecDeque::new(),
            quick_failures: 0,
            corrected: false,
            renewing: Renewing::No,
            held: None,
            problem: None,
        }
    }
}

impl Session {
    /// Where it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How many messages wait behind the running one.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether this message waits for its turn.
    pub fn is_queued(&self, message: MessageId) -> bool {
        self.queue.contains(&message)
    }

    /// Whether its team is frozen.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// What went wrong last, until it is ready again.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The message whose turn runs.
    pub fn running(&self) -> Option<MessageId> {
        match &self.state {
            State::Working { message, .. } => Some(*message),
            State::Asleep
            | State::Waking(_)
            | State::Idle
            | State::Stopping(_)
            | State::BackingOff
            | State::Trouble => None,
        }
    }

    /// The word that surfaces show; `waiting`: an approval of this session waits.
    pub fn shown(&self, waiting: bool) -> TeamState {
        match &self.state {
            State::Asleep | State::Stopping(Then::Asleep) => TeamState::Asleep,
            // The host cannot be reached, and the problem says why.
            State::Waking(Waking::Reaching) if self.problem.is_some() => TeamState::Trouble,
            State::Waking(_) | State::Stopping(Then::Wake) => TeamState::Waking,
            State::Idle if waiting => TeamState::Waiting,
            State::Idle => TeamState::Idle,
            State::Working { .. } if waiting => TeamState::Waiting,
            State::Working { .. } => TeamState::Working,
            State::Stopping(Then::Retry(_) | Then::Trouble(_))
            | State::BackingOff
            | State::Trouble => TeamState::Trouble,
        }
    }

    /// One step.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        // There what is not ready is a refusal, and ends nothing.
        let asked = matches!(event, Event::Wake | Event::Reboot);
        let mut effects = self.react(event);
        if !asked {
            self.renewed(&mut effects);
        }
        if self.is_held() {
            // Begun anew when it is released.
            effects.retain(|effect| !matches!(effect, Effect::Arm(_)));
        }
        effects
    }

    fn react(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Wake => self.wake(),
            Event::Message(id) => self.message(id),
            Event::Interrupt => self.interrupt(Ending::Asked),
            Event::Sleep => self.sleep(&put_to_sleep()),
            Event::Evict => self.evict(),
            Event::Reboot => self.reboot(),
            Event::Delete => self.delete(),
            Event::Held(why) => {
                self.held = Some(why);
                vec![Effect::Disarm]
            }
            Event::Released => self.released(),
            Event::Restart(why) => self.restart(why),
            Event::Unreached(problem) => match self.state {
                State::Waking(Waking::Reaching) => {
                    self.problem = Some(problem.clone());
                    vec![Effect::NotReady(problem)]
                }
                _ => vec![],
            },
            Event::Moved => match self.state {
                State::Waking(Waking::Reaching) => {
                    // It was about where the team no longer is.
                    self.problem = None;
                    vec![Effect::Spawn]
                }
                _ => vec![],
            },
            Event::Spawned => match self.state {
                State::Waking(Waking::Reaching) => {
                    self.state = State::Waking(Waking::Starting);
                    vec![Effect::Arm(Timer::Spawn), Effect::Initialize]
                }
                _ => vec![],
            },
            Event::Initialized => match self.state {
                State::Waking(Waking::Starting) => {
                    self.state = State::Waking(Waking::Connecting { reconnected: false });
                    vec![Effect::AskMcp(Duration::ZERO)]
                }
                _ => vec![],
            },
            Event::Unusable(failure) => match self.state {
                State::Waking(_) => self.give_up(failure),
                _ => vec![],
            },
            Event::Mcp(mcp) => self.mcp(mcp),
            Event::Reconnected => match self.state {
                State::Waking(Waking::Connecting { .. }) => vec![Effect::AskMcp(Duration::ZERO)],
                _ => vec![],
            },
            Event::Output => match self.state {
                State::Working { ending: None, .. } => vec![Effect::Arm(Timer::Silence)],
                _ => vec![],
            },
            Event::TurnEnded(end) => self.turn_ended(end),
            Event::Exited { failure, lived } => self.exited(failure, lived),
            Event::TimedOut(timer) => self.timed_out(timer),
        }
    }

    fn start(&mut self) -> Vec<Effect> {
        self.state = State::Waking(Waking::Reaching);
        let mut effects = self.renew();
        effects.extend([Effect::Disarm, Effect::Spawn]);
        effects
    }

    fn wake(&mut self) -> Vec<Effect> {
        if let Some(why) = &self.held {
            return vec![Effect::NotReady(why.clone())];
        }
        match &self.state {
            State::Asleep | State::BackingOff | State::Trouble => self.start(),
            State::Idle | State::Working { .. } => vec![Effect::Ready],
            State::Stopping(Then::Asleep) => {
                self.state = State::Stopping(Then::Wake);
                vec![]
            }
            State::Waking(_) | State::Stopping(Then::Wake | Then::Retry(_) | Then::Trouble(_)) => {
                vec![]
            }
        }
    }

    fn message(&mut self, id: MessageId) -> Vec<Effect> {
        if self.queue.len() >= QUEUE_MAX {
            return vec![Effect::Settle(id, Settled::Failed(queue_full()))];
        }
        self.queue.push_back(id);
        if self.is_held() {
            return vec![];
        }
        self.want()
    }

    /// What waits in the queue is to be done.
    fn want(&mut self) -> Vec<Effect> {
        match &self.state {
            State::Idle => self.next(),
            State::Asleep | State::Trouble => self.start(),
            State::Stopping(Then::Asleep | Then::Trouble(_)) => {
                self.state = State::Stopping(Then::Wake);
                vec![]
            }
            State::Waking(_)
            | State::Working { .. }
            | State::Stopping(Then::Wake | Then::Retry(_))
            | State::BackingOff => vec![],
        }
    }

    /// The next message, or idle.
    fn next(&mut self) -> Vec<Effect> {
        let next = match self.held {
            None => self.queue.pop_front(),
            Some(_) => None,
        };
        match next {
            Some(message) => {
                self.state = State::Working {
                    message,
                    ending: None,
                };
                vec![Effect::Deliver(message), Effect::Arm(Timer::Silence)]
            }
            None => {
                self.state = State::Idle;
                vec![Effect::Arm(Timer::Idle)]
            }
        }
    }

    fn interrupt(&mut self, why: Ending) -> Vec<Effect> {
        match &mut self.state {
            State::Working {
                ending: ending @ None,
                ..
            } => {
                *ending = Some(why);
                vec![
                    // First the interrupt: the agent must not go on with a denial.
                    Effect::Interrupt,
                    Effect::Withdraw(match why {
                        Ending::Asked => "interrupted",
                        Ending::Silent => "the agent was silent for too long",
                    }),
                    Effect::Arm(Timer::Interrupt),
                ]
            }
            _ => vec![],
        }
    }

    fn sleep(&mut self, why: &Problem) -> Vec<Effect> {
        let mut effects = self.settle_all(&Settled::Failed(why.clone()));
        match &self.state {
            State::Asleep => {}
            State::BackingOff | State::Trouble => {
                self.state = State::Asleep;
                self.problem = None;
                self.quick_failures = 0;
                effects.push(Effect::Disarm);
                effects.push(Effect::NotReady(why.clone()));
            }
            State::Waking(_) | State::Idle | State::Working { .. } => {
                // Who woke a ready one was told so.
                if matches!(self.state, State::Waking(_)) {
                    effects.push(Effect::NotReady(why.clone()));
                }
                self.state = State::Stopping(Then::Asleep);
                self.problem = None;
                effects.extend([
                    Effect::Withdraw("the agent was put to sleep"),
                    Effect::Disarm,
                    Effect::Stop,
                ]);
            }
            State::Stopping(then) => {
                if *then != Then::Asleep {
                    effects.push(Effect::NotReady(why.clone()));
                }
                self.state = State::Stopping(Then::Asleep);
                self.problem = None;
            }
        }
        effects
    }

    fn evict(&mut self) -> Vec<Effect> {
        match &self.state {
            State::Idle => {
                // What waits while it is held waits on.
                self.state = State::Stopping(Then::Asleep);
                vec![Effect::Disarm, Effect::Stop]
            }
            State::Asleep
            | State::Waking(_)
            | State::Working { .. }
            | State::Stopping(_)
            | State::BackingOff
            | State::Trouble => vec![Effect::Stay],
        }
    }

    fn mcp(&mut self, mcp: Mcp) -> Vec<Effect> {
        let State::Waking(Waking::Connecting { reconnected }) = self.state else {
            return vec![];
        };
        match mcp {
            Mcp::Connected => {
                self.corrected = false;
                self.problem = None;
                let mut effects = vec![Effect::Ready];
                effects.extend(self.next());
                effects
            }
            Mcp::Pending => vec![Effect::AskMcp(MCP_POLL)],
            Mcp::Failed(_) if !reconnected => {
                self.state = State::Waking(Waking::Connecting { reconnected: true });
                vec![Effect::ReconnectMcp]
            }
            Mcp::Failed(reason) => self.give_up(Failure {
                problem: Problem::new(
                    Code::Agent,
                    format!("The agent cannot reach Iris: {reason}."),
                    "See that no proxy variable in the team's `env` catches 127.0.0.1, then start the team again.",
                ),
                cure: Cure::Human,
            }),
        }
    }

    fn turn_ended(&mut self, end: TurnEnd) -> Vec<Effect> {
        let State::Working { message, ending } = self.state else {
            return vec![];
        };
        let settled = match (end, ending) {
            (TurnEnd::Answer(text), _) => Settled::Answered(text),
            (TurnEnd::Error(_), Some(Ending::Asked)) => Settled::Cancelled,
            (TurnEnd::Error(_), Some(Ending::Silent)) => Settled::Failed(silent()),
            (TurnEnd::Error(problem), None) => Settled::Failed(problem),
        };
        let mut effects = vec![Effect::Settle(message, settled)];
        effects.extend(self.next());
        effects
    }

    fn exited(&mut self, failure: Failure, lived: Duration) -> Vec<Effect> {
        let mut effects = vec![Effect::Withdraw("the agent ended")];
        effects.extend(match std::mem::replace(&mut self.state, State::Asleep) {
            State::Stopping(Then::Asleep) => vec![],
            State::Stopping(Then::Wake) => self.start(),
            State::Stopping(Then::Retry(why)) => self.retry(why, lived),
            State::Stopping(Then::Trouble(why)) => self.trouble(why.problem),
            State::Working { message, ending } => {
                let settled = match ending {
                    Some(Ending::Asked) => Settled::Cancelled,
                    Some(Ending::Silent) => Settled::Failed(silent()),
                    None => Settled::Failed(failure.problem.clone()),
                };
                let mut effects = vec![Effect::Settle(message, settled)];
                effects.extend(self.failed(failure, lived));
                effects
            }
            State::Waking(_) | State::Idle => self.failed(failure, lived),
            // No process: nothing can have ended.
            state @ (State::Asleep | State::BackingOff | State::Trouble) => {
                self.state = state;
                vec![]
            }
        });
        effects
    }

    /// A process ended that should not have.
    fn failed(&mut self, failure: Failure, lived: Duration) -> Vec<Effect> {
        let mut effects = vec![];
        let correction = match failure.cure {
            Cure::NewConversation if !self.corrected => Some(Effect::NewConversation),
            Cure::ResumeConversation if !self.corrected => Some(Effect::ResumeConversation),
            Cure::NewConversation
            | Cure::ResumeConversation
            | Cure::Retry
            | Cure::Human
            | Cure::Link
            | Cure::Seat
            | Cure::Room => None,
        };
        if let Some(correction) = correction {
            self.corrected = true;
            effects.push(correction);
            effects.extend(self.start());
            return effects;
        }
        effects.extend(match failure.cure {
            Cure::Human => self.trouble(failure.problem),
            // Not counted: the link has a back-off of its own.
            Cure::Link => {
                self.problem = Some(failure.problem);
                self.start()
            }
            Cure::Room => {
                let mut effects = self.settle_all(&Settled::Failed(failure.problem.clone()));
                effects.extend([Effect::NotReady(failure.problem), Effect::Disarm]);
                effects
            }
            Cure::Retry | Cure::Seat | Cure::NewConversation | Cure::ResumeConversation => {
                self.retry(failure, lived)
            }
        });
        effects
    }

    fn retry(&mut self, failure: Failure, lived: Duration) -> Vec<Effect> {
        if lived > LIVED_LONG {
            self.quick_failures = 0;
        }
        self.quick_failures = self.quick_failures.saturating_add(1);
        if self.quick_failures >= QUICK_FAILURES_MAX {
            return self.trouble(failure.problem);
        }
        self.state = State::BackingOff;
        self.problem = Some(failure.problem.clone());
        let mut effects = vec![];
        if failure.cure != Cure::Seat {
            // Whoever waits for a wake hears of the first failure; queued messages wait on.
            effects.push(Effect::NotReady(failure.problem));
        }
        let pause = backoff::delay(self.quick_failures);
        effects.push(Effect::Arm(Timer::BackOff(pause)));
        effects
    }

    fn trouble(&mut self, problem: Problem) -> Vec<Effect> {
        let mut effects = self.settle_all(&Settled::Failed(problem.clone()));
        self.state = State::Trouble;
        self.problem = Some(problem.clone());
        effects.extend([Effect::NotReady(problem), Effect::Disarm]);
        effects
    }

    /// The process runs but is of no use: end it, and be in trouble.
    fn give_up(&mut self, failure: Failure) -> Vec<Effect> {
        let mut effects = self.settle_all(&Settled::Failed(failure.problem.clone()));
        self.problem = Some(failure.problem.clone());
        effects.extend([
            Effect::NotReady(failure.problem.clone()),
            Effect::Disarm,
            Effect::Stop,
        ]);
        self.state = State::Stopping(Then::Trouble(failure));
        effects
    }

    fn timed_out(&mut self, timer: Timer) -> Vec<Effect> {
        match (timer, self.state.clone()) {
            (Timer::Spawn, State::Waking(how_far)) => self.give_up(Failure {
                problem: Problem::new(
                    Code::Timeout,
                    match how_far {
                        Waking::Reaching | Waking::Starting => "Claude Code did not answer in `spawnTimeout` after its start.",
                        Waking::Connecting { .. } => {
                            "Claude Code started, but did not connect to Iris in `spawnTimeout`."
                        }
                    },
                    "Run `claude` in the project directory to see what it waits for; on a slow machine raise `settings.spawnTimeout`.",
                ),
                cure: Cure::Human,
            }),
            (Timer::Silence, State::Working { ending: None, .. }) => {
                self.interrupt(Ending::Silent)
            }
            (Timer::Interrupt, State::Working { message, ending }) => {
                let settled = match ending {
                    Some(Ending::Asked) => Settled::Cancelled,
                    Some(Ending::Silent) | None => Settled::Failed(silent()),
                };
                self.problem = Some(silent());
                self.state = State::Stopping(Then::Retry(Failure {
                    problem: silent(),
                    cure: Cure::Retry,
                }));
                vec![Effect::Settle(message, settled), Effect::Disarm, Effect::Stop]
            }
            (Timer::Idle, State::Idle) => {
                self.state = State::Stopping(Then::Asleep);
                vec![Effect::Disarm, Effect::Stop]
            }
            (Timer::BackOff(_), State::BackingOff) => self.start(),
            // A timer that ran out just when what it timed was over.
            (Timer::Spawn | Timer::Silence | Timer::Interrupt | Timer::Idle | Timer::BackOff(_), _) => {
                vec![]
            }
        }
    }

    /// Settles the running and all queued messages.
    fn settle_all(&mut self, settled: &Settled) -> Vec<Effect> {
        let running = self.running();
        running
            .into_iter()
            .chain(self.queue.drain(..))
            .map(|id| Effect::Settle(id, settled.clone()))
            .collect()
    }
}

fn queue_full() -> Problem {
    Problem::new(
        Code::Busy,
        format!("{QUEUE_MAX} messages wait for this team already."),
        "Wait until it has answered some of them, or stop the team to drop them.",
    )
}

fn put_to_sleep() -> Problem {
    Problem::new(
        Code::Agent,
        "The team was stopped before it answered.",
        "Start the team and send the message again.",
    )
}

fn silent() -> Problem {
    Problem::new(
        Code::Timeout,
        "The agent wrote nothing for `responseTimeout`, so its turn was ended.",
        "Send the message again; if the work takes long in silence, raise `settings.responseTimeout`.",
    )
}
