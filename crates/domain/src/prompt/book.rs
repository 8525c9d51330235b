//! What waits for an answer, and which connection attempt asks. Holds no answer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{PromptId, PromptView, classify, shown};
use crate::display::{SUMMARY_MAX, one_line};

/// How many prompts of one attempt may wait at once: `ssh` asks one after another, and so does
/// each jump host.
pub const PROMPTS_MAX: usize = 16;

/// A connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// One run of the askpass program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A question as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who waits for the answer.
    pub ticket: Ticket,
    /// For which attempt.
    pub attempt: AttemptId,
    /// A name that is free.
    pub id: PromptId,
    /// The question.
    pub text: String,
    /// `SSH_ASKPASS_PROMPT`.
    pub hint: Option<String>,
    /// The process that asks. A jump host's `ssh` asks for the same key as that of the destination;
    /// only one that asks twice was answered wrongly.
    pub asker: u32,
}

/// What is to be done with a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is turned away.
    Cancel,
    /// The keychain may have the answer.
    LookUp(String),
    /// It is shown to a human.
    Show,
}

/// A prompt that was not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// As shown.
    pub view: PromptView,
    /// For which attempt.
    pub attempt: AttemptId,
    /// Under which name its answer is remembered.
    pub name: Option<String>,
    /// What is stored under this name was given in this attempt, and was wrong.
    pub stored_was_wrong: bool,
    asker: u32,
    on_show: bool,
    /// An answer is being written down.
    taken: bool,
}

#[derive(Debug, Default)]
struct Attempt {
    destination: String,
    cancelled: bool,
    /// What was answered: the process that asked, and for what.
    answered: BTreeSet<(u32, String)>,
    /// The same, where what was answered is what is stored.
    stored: BTreeSet<(u32, String)>,
}

/// Everything that is asked.
#[derive(Debug, Default)]
pub struct Book {
    attempts: BTreeMap<AttemptId, Attempt>,
    /// In the order in which they came.
    waiting: BTreeMap<Ticket, Waiting>,
}

impl Book {
    /// An attempt begins.
    pub fn begin(&mut self, attempt: AttemptId, destination: &str) {
        self.attempts.insert(
            attempt,
            Attempt {
                destination: destination.to_owned(),
                ..Attempt::default()
            },
        );
    }

    /// An attempt is over; what it still asked, which is withdrawn.
    pub fn end(&mut self, attempt: AttemptId) -> Vec<Ticket> {
        self.attempts.remove(&attempt);
        self.withdraw(attempt)
    }

    /// A human gave an attempt up: whatever else it asks is turned away. What it still asked.
    pub fn cancel(&mut self, attempt: AttemptId) -> Vec<Ticket> {
        if let Some(attempt) = self.attempts.get_mut(&attempt) {
            attempt.cancelled = true;
        }
        self.withdraw(attempt)
    }

    fn withdraw(&mut self, attempt: AttemptId) -> Vec<Ticket> {
        let of_it = self.waiting.iter().filter(|(_, w)| w.attempt == attempt);
        let tickets: Vec<Ticket> = of_it.map(|(ticket, _)| *ticket).collect();
        for ticket in &tickets {
            self.waiting.remove(ticket);
        }
        tickets
    }

    /// A question came.
    pub fn ask(&mut self, asked: Asked, now: Timestamp) -> Next {
        let Some(attempt) = self.attempts.get(&asked.attempt) else {
            return Next::Cancel;
        };
        let same = |w: &&Waiting| w.attempt == asked.attempt;
        if attempt.cancelled || self.waiting.values().filter(same).count() >= PROMPTS_MAX {
            return Next::Cancel;
        }
        let kind = classify(&asked.text, asked.hint.as_deref());
        let name = kind.secret_name(&attempt.destination);
        let what = (asked.asker, subject(name.as_deref(), &asked.text));
        let stored_was_wrong = attempt.stored.contains(&what);
        let retry = stored_was_wrong || attempt.answered.contains(&what);
        let next = match &name {
            Some(name) if !retry => Next::LookUp(name.clone()),
            Some(_) | None => Next::Show,
        };
        let waiting = Waiting {
            view: PromptView {
                id: asked.id,
                rememberable: name.is_some(),
                host: one_line(&attempt.destination, SUMMARY_MAX),
                text: shown(&asked.text),
                kind,
                retry,
                created_at: now,
            },
            attempt: asked.attempt,
            name,
            stored_was_wrong,
            asker: asked.asker,
            on_show: next == Next::Show,
            taken: false,
        };
        self.waiting.insert(asked.ticket, waiting);
        next
    }

    /// The keychain does not have the answer: a human is asked.
    pub fn show(&mut self, ticket: Ticket) {
        if let Some(waiting) = self.waiting.get_mut(&ticket) {
            waiting.on_show = true;
        }
    }

    /// It was answered from what is stored. False: nobody waits for it any more.
    pub fn answered_by_store(&mut self, ticket: Ticket) -> bool {
        // A human's answer is on its way: it holds.
        let taken = self.waiting.get(&ticket).is_none_or(|w| w.taken);
        !taken && self.answered(ticket, true).is_some()
    }

    /// It was answered by a human, and what they said is stored or not.
    pub fn answered_by_human(&mut self, ticket: Ticket, is_stored: bool) -> Option<Waiting> {
        self.answered(ticket, is_stored)
    }

    fn answered(&mut self, ticket: Ticket, is_stored: bool) -> Option<Waiting> {
        let waiting = self.waiting.remove(&ticket)?;
        if let Some(attempt) = self.attempts.get_mut(&waiting.attempt) {
            let what = (
                waiting.asker,
                subject(waiting.name.as_deref(), &waiting.view.text),
            );
            if is_stored {
                attempt.stored.insert(what.clone());
            } else {
                attempt.stored.remove(&what);
            }
            attempt.answered.insert(what);
        }
        Some(waiting)
    }

    /// The asking process went away. True: what is shown changed.
    pub fn gone(&mut self, ticket: Ticket) -> bool {
        self.waiting.remove(&ticket).is_some_and(|w| w.on_show)
    }

    /// The prompt of this name that is on show.
    pub fn find(&self, id: &PromptId) -> Option<(Ticket, &Waiting)> {
        let mut shown = self.waiting.iter().filter(|(_, w)| w.on_show);
        shown
            .find(|(_, w)| w.view.id == *id)
            .map(|(ticket, w)| (*ticket, w))
    }

    /// An answer is being written down, or could not be. False: another one is already.
    pub fn take(&mut self, ticket: Ticket, taken: bool) -> bool {
        match self.waiting.get_mut(&ticket) {
            Some(waiting) => std::mem::replace(&mut waiting.taken, taken) != taken,
            None => false,
        }
    }

    /// What else waits for the secret of this name and was not answered wrongly yet.
    pub fn waiting_for(&self, name: &str) -> Vec<Ticket> {
        let of_it = self.waiting.iter().filter(|(_, w)| {
            w.on_show && !w.taken && !w.view.retry && w.name.as_deref() == Some(name)
        });
        of_it.map(|(ticket, _)| *ticket).collect()
    }

    /// Where the attempt that asks connects to.
    pub fn destination(&self, ticket: Ticket) -> String {
        let waiting = self.waiting.get(&ticket);
        waiting.map(|w| w.view.host.clone()).unwrap_or_default()
    }

    /// Whether the name is taken.
    pub fn knows(&self, id: &str) -> bool {
        self.waiting.values().any(|w| w.view.id.0 == id)
    }

    /// What is shown, oldest first.
    pub fn views(&self) -> Vec<PromptView> {
        let shown = self.waiting.values().filter(|w| w.on_show);
        shown.map(|w| w.view.clone()).collect()
    }
}

/// What two questions of one process have in common when the second means that the first was
/// answered wrongly.
fn subject(name: Option<&str>, text: &str) -> String {
    match name {
        Some(name) => name.to_owned(),
        None => shown(text),
    }
}
