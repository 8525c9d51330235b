//! The task that owns the book of prompts.

use std::{collections::HashMap, sync::Arc};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use iris_domain::{
    Problem,
    decision::Human,
    prompt::{Asked, AttemptId, Book, Next, PromptId, PromptView, Ticket},
};
use subtle::ConstantTimeEq as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Ends, words};
use crate::{
    askpass::Question,
    clock,
    secrets::{Kept, NamedSecrets, Secret},
    short_id,
    store::Store,
};

/// What a human gets to hear of an answer.
type Told = Result<Option<Kept>, Problem>;

/// What the owner is told.
pub(super) enum Message {
    Begin {
        attempt: AttemptId,
        token: Secret,
        destination: String,
        ends: Arc<Ends>,
    },
    End(AttemptId),
    Ask {
        ticket: Ticket,
        question: Question,
        reply: oneshot::Sender<Secret>,
    },
    Gone(Ticket),
    Answer {
        id: PromptId,
        text: Secret,
        remember: bool,
        human: Human,
        reply: oneshot::Sender<Told>,
    },
    Cancel {
        id: PromptId,
        human: Human,
        reply: oneshot::Sender<Result<(), Problem>>,
    },
}

/// An answer of a human that is on its way.
struct Answer {
    ticket: Ticket,
    text: Secret,
    remember: bool,
    reply: oneshot::Sender<Told>,
}

/// What came of work that the owner did not wait for.
enum Done {
    /// The keychain was asked, and that its secret is used is written down.
    LookedUp(Ticket, Option<Secret>),
    /// A human's answer is written down, or could not be.
    Recorded(Answer, Result<(), Problem>),
    /// The answer is kept under this name, or is not.
    Kept {
        name: String,
        outcome: Told,
        reply: oneshot::Sender<Told>,
    },
    /// Nothing follows from it.
    Nothing,
}

struct Attempt {
    token: Secret,
    ends: Arc<Ends>,
}

pub(super) struct Owner {
    named: NamedSecrets,
    store: Store,
    inbox: mpsc::UnboundedReceiver<Message>,
    view: watch::Sender<Arc<Vec<PromptView>>>,
    book: Book,
    attempts: HashMap<AttemptId, Attempt>,
    /// Who waits for an answer; one that is dropped hears that there is none.
    askers: HashMap<Ticket, oneshot::Sender<Secret>>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Owner {
    pub(super) fn new(
        named: NamedSecrets,
        store: Store,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        Self {
            named,
            store,
            inbox,
            view: watch::Sender::new(Arc::default()),
            book: Book::default(),
            attempts: HashMap::new(),
            askers: HashMap::new(),
            work: FuturesUnordered::new(),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Arc<Vec<PromptView>>> {
        self.view.subscribe()
    }

    /// Runs until `shutdown`; what waits then has no answer.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                message = self.inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => break,
                },
                Some(done) = self.work.next(), if !self.work.is_empty() => self.done(done),
            }
            self.show();
        }
        self.inbox.close();
        self.askers.clear();
        self.view.send_replace(Arc::default());
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Begin {
                attempt,
                token,
                destination,
                ends,
            } => {
                self.book.begin(attempt, &destination);
                self.attempts.insert(attempt, Attempt { token, ends });
            }
            Message::End(attempt) => {
                self.attempts.remove(&attempt);
                let withdrawn = self.book.end(attempt);
                self.turn_away(&withdrawn);
            }
            Message::Ask {
                ticket,
                question,
                reply,
            } => self.ask(ticket, question, reply),
            Message::Gone(ticket) => {
                self.askers.remove(&ticket);
                if self.book.gone(ticket) {
                    tracing::info!("ssh does not wait for its answer any more");
                }
            }
            Message::Answer {
                id,
                text,
                remember,
                human,
                reply,
            } => {
                if let Err((reply, problem)) = self.answer(&id, text, remember, human, reply) {
                    tell(reply, Err(problem));
                }
            }
            Message::Cancel { id, human, reply } => {
                if let Err((reply, problem)) = self.cancel(&id, human, reply) {
                    tell(reply, Err(problem));
                }
            }
        }
    }

    fn ask(&mut self, ticket: Ticket, question: Question, reply: oneshot::Sender<Secret>) {
        let Some(attempt) = self.attempt_of(&question.token.0) else {
            tracing::warn!("askpass: a caller without the token of an attempt was turned away");
            return;
        };
        let Ok(id) = short_id::free(|id| self.book.knows(id))
            .inspect_err(|error| tracing::error!(%error, "No random numbers."))
        else {
            return;
        };
        let asked = Asked {
            ticket,
            attempt,
            id: PromptId(id.clone()),
            text: question.text,
            hint: question.hint,
            asker: question.asker,
        };
        let next = self.book.ask(asked, clock::now());
        tracing::info!(prompt = id, asker = question.asker, "ssh asks");
        match next {
            Next::Cancel => return,
            Next::LookUp(name) => self.look_up(ticket, name),
            Next::Show => {}
        }
        self.askers.insert(ticket, reply);
    }

    /// Each token is looked at, and all of it: how long that takes says nothing.
    fn attempt_of(&self, token: &Secret) -> Option<AttemptId> {
        let mut found = None;
        for (id, attempt) in &self.attempts {
            let ours = attempt.token.expose().as_bytes();
            if bool::from(ours.ct_eq(token.expose().as_bytes())) {
                found = Some(*id);
            }
        }
        found
    }

    fn look_up(&self, ticket: Ticket, name: String) {
        let (named, store) = (self.named.clone(), self.store.clone());
        let host = self.book.destination(ticket);
        self.work(async move {
            let secret = match named.get(&name).await {
                Ok(secret) => secret.filter(|secret| !secret.expose().is_empty()),
                Err(error) => {
                    tracing::warn!(%error, name, "the keychain cannot be asked; a human is");
                    None
                }
            };
            let Some(secret) = secret else {
                return Done::LookedUp(ticket, None);
            };
            let row = words::remembered(&name, host);
            match store.append(row).await {
                Ok(_) => Done::LookedUp(ticket, Some(secret)),
                Err(error) => {
                    tracing::error!(%error, name, "what is stored is not used: that cannot be recorded");
                    Done::LookedUp(ticket, None)
                }
            }
        });
    }

    /// The reply comes back with the problem that it is to be told.
    fn answer(
        &mut self,
        id: &PromptId,
        text: Secret,
        remember: bool,
        human: Human,
        reply: oneshot::Sender<Told>,
    ) -> Result<(), (oneshot::Sender<Told>, Problem)> {
        let Some((ticket, waiting)) = self.book.find(id) else {
            return Err((reply, words::not_waiting(id)));
        };
        if remember && waiting.name.is_none() {
            return Err((reply, words::not_rememberable()));
        }
        let text = match waiting.view.kind.check(text.expose()) {
            Ok(text) => Secret::new(text.to_owned()),
            Err(problem) => return Err((reply, problem)),
        };
        let row = words::answered(waiting, &text, remember, human);
        if !self.book.take(ticket, true) {
            return Err((reply, words::answered_already()));
        }
        let answer = Answer {
            ticket,
            text,
            remember,
            reply,
        };
        let store = self.store.clone();
        self.work(async move {
            let recorded = store.append(row).await.map(drop);
            Done::Recorded(answer, recorded.map_err(|error| error.problem()))
        });
        Ok(())
    }

    /// As [`Owner::answer`].
    fn cancel(
        &mut self,
        id: &PromptId,
        human: Human,
        reply: oneshot::Sender<Result<(), Problem>>,
    ) -> Result<(), (oneshot::Sender<Result<(), Problem>>, Problem)> {
        let Some((ticket, waiting)) = self.book.find(id) else {
            return Err((reply, words::not_waiting(id)));
        };
        let attempt = waiting.attempt;
        let row = words::cancelled(waiting, human);
        if !self.book.take(ticket, true) {
            return Err((reply, words::answered_already()));
        }
        if let Some(attempt) = self.attempts.get(&attempt) {
            attempt
                .ends
                .cancelled
                .store(true, std::sync::atomic::Ordering::SeqCst);
        }
        let withdrawn = self.book.cancel(attempt);
        self.turn_away(&withdrawn);
        let store = self.store.clone();
        // Nothing is let through, so that it holds whether or not it can be written down.
        self.work(async move {
            if let Err(error) = store.append(row).await {
                tracing::error!(%error, "that a prompt was cancelled is missing in the audit log");
            }
            tell(reply, Ok(()));
            Done::Nothing
        });
        Ok(())
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::LookedUp(ticket, Some(secret)) => {
                if self.book.answered_by_store(ticket) {
                    self.give(ticket, secret);
                }
            }
            Done::LookedUp(ticket, None) => self.book.show(ticket),
            Done::Recorded(answer, Ok(())) => self.answered(answer),
            Done::Recorded(answer, Err(problem)) => {
                self.book.take(answer.ticket, false);
                tell(answer.reply, Err(problem));
            }
            Done::Kept {
                name,
                outcome,
                reply,
            } => {
                if matches!(outcome, Ok(Some(_))) {
                    // Other connections may wait for the same key.
                    for ticket in self.book.waiting_for(&name) {
                        self.look_up(ticket, name.clone());
                    }
                }
                tell(reply, outcome);
            }
            Done::Nothing => {}
        }
    }

    /// A human's answer is on disk: `ssh` gets it, and then it is kept.
    fn answered(&mut self, answer: Answer) {
        let Answer {
            ticket,
            text,
            remember,
            reply,
        } = answer;
        let Some(waiting) = self.book.answered_by_human(ticket, remember) else {
            tell(reply, Err(words::gone()));
            return;
        };
        self.give(ticket, text.clone());
        let named = self.named.clone();
        match waiting.name {
            Some(name) if remember => self.work(async move {
                let kept = named.keep(&name, text).await;
                Done::Kept {
                    name,
                    outcome: kept.map(Some),
                    reply,
                }
            }),
            Some(name) if waiting.stored_was_wrong => {
                tell(reply, Ok(None));
                self.work(async move {
                    forget_wrong(&named, &name, &text).await;
                    Done::Nothing
                });
            }
            Some(_) | None => tell(reply, Ok(None)),
        }
    }

    fn give(&mut self, ticket: Ticket, secret: Secret) {
        if let Some(asker) = self.askers.remove(&ticket)
            && asker.send(secret).is_err()
        {
            tracing::debug!("ssh went away while it was answered");
        }
    }

    fn turn_away(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            self.askers.remove(ticket);
        }
    }

    fn work(&self, work: impl Future<Output = Done> + Send + 'static) {
        self.work.push(work.boxed());
    }

    fn show(&self) {
        let now = self.book.views();
        self.view.send_if_modified(|shown| {
            let changed = **shown != now;
            if changed {
                *shown = Arc::new(now);
            }
            changed
        });
    }
}

/// Forgets what is stored, unless a human says the same: where a host asks for a code as well, it
/// asks for all again when only the code was wrong.
async fn forget_wrong(named: &NamedSecrets, name: &str, said: &Secret) {
    let outcome = match named.get(name).await {
        Ok(Some(stored)) if stored == *said => return,
        Ok(_) => named.forget(name).await.map(drop),
        Err(error) => Err(error.into()),
    };
    if let Err(problem) = outcome {
        tracing::warn!(%problem, name, "a wrong secret is still kept");
    }
}

fn tell<T>(to: oneshot::Sender<T>, what: T) {
    if to.send(what).is_err() {
        tracing::debug!("Nobody waited to hear what became of an answer.");
    }
}
