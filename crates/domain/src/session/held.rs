//! A session whose team is frozen and goes on later, and one that is started anew.

use super::{Effect, Session, Settled, State, Then, Timer, Waking};
use crate::{Problem, backoff};

#[cfg(test)]
mod tests;

impl Session {
    /// It goes on from where it was held; the time that it has begins anew.
    pub(super) fn released(&mut self) -> Vec<Effect> {
        if self.held.take().is_none() {
            return vec![];
        }
        let timer = match &self.state {
            State::Waking(Waking::Starting | Waking::Connecting { .. }) => Timer::Spawn,
            State::Idle if self.queue.is_empty() => Timer::Idle,
            State::Working { ending: None, .. } => Timer::Silence,
            State::Working {
                ending: Some(_), ..
            } => Timer::Interrupt,
            State::BackingOff => Timer::BackOff(backoff::delay(self.quick_failures)),
            State::Waking(Waking::Reaching) => return vec![],
            State::Idle | State::Asleep | State::Stopping(_) | State::Trouble => {
                return match self.queue.is_empty() {
                    true => vec![],
                    false => self.want(),
                };
            }
        };
        vec![Effect::Arm(timer)]
    }

    /// Its process is ended and started anew, in its conversation. What waits goes on waiting; the
    /// turn that runs is cut short, for this reason.
    pub(super) fn restart(&mut self, why: Problem) -> Vec<Effect> {
        let mut effects = match &self.state {
            State::Working { message, .. } => {
                vec![Effect::Settle(*message, Settled::Failed(why))]
            }
            State::Idle | State::Waking(Waking::Starting | Waking::Connecting { .. }) => vec![],
            // Without a process there is nothing to end.
            State::Waking(Waking::Reaching)
            | State::Asleep
            | State::Stopping(_)
            | State::BackingOff
            | State::Trouble => return vec![],
        };
        self.state = State::Stopping(Then::Wake);
        effects.extend([
            Effect::Withdraw("the agent is started anew"),
            Effect::Disarm,
            Effect::Stop,
        ]);
        effects
    }
}
