//! A session that begins a new conversation, and one that is deleted.

use super::{Effect, Session, Settled, State, Then, Waking};
use crate::{Problem, problem::Code};

#[cfg(test)]
mod tests;

/// How far a new conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewing {
    /// None is wanted.
    No,
    /// It begins with the next start.
    Wanted,
    /// It begins; the old one is kept until it is ready.
    Begun,
}

impl Session {
    /// Begins a new conversation. What waits goes on waiting, for the new one; a turn that runs is cut
    /// short.
    pub(super) fn reboot(&mut self) -> Vec<Effect> {
        if let Some(why) = &self.held {
            return vec![Effect::NotReady(why.clone())];
        }
        self.renewing = Renewing::Wanted;
        let mut effects = match &self.state {
            State::Asleep
            | State::BackingOff
            | State::Trouble
            | State::Waking(Waking::Reaching) => return self.start(),
            State::Stopping(_) => {
                self.state = State::Stopping(Then::Wake);
                return vec![];
            }
            State::Working { message, .. } => {
                vec![Effect::Settle(*message, Settled::Failed(started_anew()))]
            }
            State::Idle | State::Waking(Waking::Starting | Waking::Connecting { .. }) => vec![],
        };
        self.state = State::Stopping(Then::Wake);
        effects.extend([
            Effect::Withdraw("a new conversation begins"),
            Effect::Disarm,
            Effect::Stop,
        ]);
        effects
    }

    /// Ends it for good: nothing waits for it any more.
    pub(super) fn delete(&mut self) -> Vec<Effect> {
        self.sleep(&deleted())
    }

    /// At a start: the new conversation that was wanted begins.
    pub(super) fn renew(&mut self) -> Vec<Effect> {
        match self.renewing {
            Renewing::Wanted => {
                self.renewing = Renewing::Begun;
                vec![Effect::Renew]
            }
            Renewing::No | Renewing::Begun => vec![],
        }
    }

    /// The first word on whether it is ready decides: a new conversation that is not gives its place
    /// back to the old one.
    pub(super) fn renewed(&mut self, effects: &mut Vec<Effect>) {
        let ready = effects.contains(&Effect::Ready);
        let not_ready = effects.iter().any(|e| matches!(e, Effect::NotReady(_)));
        if !(ready || not_ready) {
            return;
        }
        let begun = std::mem::replace(&mut self.renewing, Renewing::No) == Renewing::Begun;
        if begun && !ready {
            effects.insert(0, Effect::Restore);
        }
    }
}

fn started_anew() -> Problem {
    Problem::new(
        Code::Conflict,
        "A new conversation was begun before the agent answered.",
        "Send the message again: it goes into the new conversation.",
    )
}

fn deleted() -> Problem {
    Problem::new(
        Code::Conflict,
        "The conversation was deleted before the agent answered.",
        "Send the message again: it begins a new conversation.",
    )
}
