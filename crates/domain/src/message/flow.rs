//! Messages that lead to messages: how deep a chain is, and when teams only talk in circles.
//!
//! An agent that sends a message does so in the turn of a message that it was given. That is how a
//! chain is known; nothing that an agent says about itself is needed. A human's message begins anew.

use std::{
    collections::{HashMap, VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    Problem,
    ids::{MessageId, Party, SessionId, TeamName},
    problem::Code,
};

/// How many messages may lead to one another before a human is asked for. A task that is handed on,
/// its questions and their answers take four or five; a circle has no end.
pub const DEPTH_MAX: u32 = 10;
/// How often the same text may go the same way within [`WINDOW`]: once more than a try again.
pub const SAME_MAX: usize = 3;
/// How many messages of an agent may go the same way within [`WINDOW`].
pub const RATE_MAX: usize = 30;
/// What is looked back on.
pub const WINDOW: Duration = Duration::from_secs(120);

/// Why a message of an agent is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    /// Too many messages led to it.
    Depth,
    /// It says what was said before.
    Same,
    /// Too many go this way.
    Rate,
}

impl Loop {
    /// As the sender is told.
    pub fn problem(self, from: &Party, to: &TeamName) -> Problem {
        Problem::new(
            Code::Conflict,
            self.message(from, to),
            "The message was not sent. Finish with what you know, and tell the user what is still open.",
        )
    }

    /// As the human is told.
    pub fn shown(self, from: &Party, to: &TeamName) -> Problem {
        Problem::new(
            Code::Conflict,
            format!("{} The last message was not sent.", self.message(from, to)),
            "Look at their sessions, and tell one of them how to go on: Iris takes that as your answer to this.",
        )
    }

    fn message(self, from: &Party, to: &TeamName) -> String {
        let seconds = WINDOW.as_secs();
        match self {
            Self::Depth => format!(
                "{DEPTH_MAX} messages led to this one, from {from} to {to}: the teams talk in circles."
            ),
            Self::Same => format!(
                "{from} told {to} the same thing {SAME_MAX} times in {seconds} s: the teams talk in circles."
            ),
            Self::Rate => {
                format!("{from} sent {to} {RATE_MAX} messages in {seconds} s, which is the most.")
            }
        }
    }
}

/// What goes round now. Bounded by what [`WINDOW`] and [`RATE_MAX`] let through.
#[derive(Debug, Default)]
pub struct Flow {
    /// The message that each session answers, and how deep it is.
    running: HashMap<SessionId, (MessageId, u32)>,
    /// When an agent sent what on each way.
    sent: HashMap<(Party, TeamName), VecDeque<(Timestamp, u64)>>,
}

impl Flow {
    /// A session's turn for this message begins.
    pub fn begins(&mut self, session: SessionId, message: MessageId, depth: u32) {
        self.running.insert(session, (message, depth));
    }

    /// This message's turn ended.
    pub fn ended(&mut self, session: SessionId, message: MessageId) {
        if self
            .running
            .get(&session)
            .is_some_and(|(id, _)| *id == message)
        {
            self.running.remove(&session);
        }
    }

    /// How many messages led to one that is sent from this session now; 1 from a human.
    ///
    /// # Errors
    /// When it is not to be sent.
    pub fn admit(
        &mut self,
        (from, session): (&Party, Option<SessionId>),
        to: &TeamName,
        text: &str,
        now: Timestamp,
    ) -> Result<u32, Loop> {
        if *from == Party::Console {
            return Ok(1);
        }
        let led = session.and_then(|session| self.running.get(&session));
        let depth = led.map_or(1, |(_, depth)| depth.saturating_add(1));
        if depth > DEPTH_MAX {
            return Err(Loop::Depth);
        }
        self.sent.retain(|_, sent| {
            while sent.front().is_some_and(|(when, _)| is_old(*when, now)) {
                sent.pop_front();
            }
            !sent.is_empty()
        });
        let sent = self.sent.entry((from.clone(), to.clone())).or_default();
        let gist = gist(text);
        if sent.iter().filter(|(_, old)| *old == gist).count() >= SAME_MAX {
            return Err(Loop::Same);
        }
        if sent.len() >= RATE_MAX {
            return Err(Loop::Rate);
        }
        sent.push_back((now, gist));
        Ok(depth)
    }
}

fn is_old(when: Timestamp, now: Timestamp) -> bool {
    now.duration_since(when).unsigned_abs() > WINDOW
}

/// What a text says but for its case, spaces, signs and numbers: two that differ in these only say
/// the same. One without letters is taken as it is.
fn gist(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    if !text.chars().any(char::is_alphabetic) {
        text.hash(&mut hasher);
    }
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        for c in c.to_lowercase() {
            c.hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u128) -> SessionId {
        SessionId(uuid::Uuid::from_u128(n))
    }

    fn team(name: &str) -> Party {
        Party::Team(name.parse().unwrap())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_chain_is_counted_by_the_turns_it_goes_through_and_ends() {
        let mut flow = Flow::default();
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        let first = flow.admit((&Party::Console, None), &a, "go", at(0));
        assert_eq!(first, Ok(1), "a human begins");
        for (depth, hop) in (1..).zip(0_u8..) {
            let (from, to) = match hop % 2 {
                0 => (team("a"), &b),
                _ => (team("b"), &a),
            };
            let (session, message) = (session((hop % 2).into()), MessageId::from_u128(hop.into()));
            flow.begins(session, message, depth);
            // Something new each time, and slowly: only the depth tells.
            let text = "x".repeat(usize::from(hop) + 1);
            let now = at(i64::from(hop) * 1000);
            match flow.admit((&from, Some(session)), to, &text, now) {
                Ok(deeper) => assert_eq!(deeper, depth + 1),
                Err(why) => {
                    assert_eq!((why, depth), (Loop::Depth, DEPTH_MAX));
                    break;
                }
            }
            flow.ended(session, message);
        }
        let own = flow.admit((&team("a"), Some(session(5))), &b, "of its own", at(0));
        assert_eq!(own, Ok(1), "no message led to it");
    }

    #[test]
    fn the_same_again_and_too_much_are_stopped_until_time_has_passed() {
        let mut flow = Flow::default();
        let (from, to) = (team("a"), "b".parse().unwrap());
        let send = |flow: &mut Flow, text: &str, when| flow.admit((&from, None), &to, text, when);
        for n in 0..SAME_MAX {
            assert_eq!(send(&mut flow, &format!("Ping {n}!"), at(0)), Ok(1));
        }
        assert_eq!(send(&mut flow, "ping  99", at(1)), Err(Loop::Same));
        let other = "c".parse().unwrap();
        assert_eq!(
            flow.admit((&from, None), &other, "ping", at(1)),
            Ok(1),
            "another way"
        );
        for n in SAME_MAX..RATE_MAX {
            assert_eq!(send(&mut flow, &"x".repeat(n + 1), at(1)), Ok(1));
        }
        assert_eq!(send(&mut flow, "news", at(2)), Err(Loop::Rate));
        assert_eq!(send(&mut flow, "ping", at(200)), Ok(1), "long ago");
        assert_eq!(flow.sent.len(), 1, "what is old is forgotten");
    }
}
