//! What `ssh` asks, and who answers: the keychain, or a human on any surface.
//!
//! `ssh` runs the askpass program ([`crate::askpass`]) for each question. The program comes to the
//! private socket `$IRIS_HOME/run/askpass.sock` with the token of its connection attempt; the owner
//! task (`owner`) keeps the book of [`iris_domain::prompt`] and executes what it says. The token
//! opens nothing else, and is worthless when the attempt is over.

mod owner;
mod server;
mod words;

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use iris_domain::{
    Problem,
    decision::Human,
    problem::Code,
    prompt::{AttemptId, PromptId, PromptView},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    askpass,
    home::Home,
    secrets::{Kept, NamedSecrets, Secret, Secrets},
    store::Store,
};
use owner::{Message, Owner};

/// The socket's name in `run/`.
const SOCKET: &str = "askpass.sock";
/// The program that `ssh` is to ask with, where it lies beside the running one.
const PROGRAM: &str = "iris";

/// A handle on what is asked; cheap to clone.
#[derive(Debug, Clone)]
pub struct Prompts {
    socket: PathBuf,
    program: PathBuf,
    view: watch::Receiver<Arc<Vec<PromptView>>>,
    /// Not bounded: a question has at most itself and its withdrawal in it, and questions are
    /// bounded at the socket. A withdrawal must never be lost to a full queue.
    inbox: mpsc::UnboundedSender<Message>,
    attempts: Arc<AtomicU64>,
}

/// What became of an attempt, for the one that made it.
#[derive(Debug, Default)]
struct Ends {
    cancelled: AtomicBool,
}

/// One attempt to connect. Dropping it makes its token worthless and withdraws what it still asks.
#[derive(Debug)]
pub struct Attempt {
    id: AttemptId,
    token: Secret,
    socket: PathBuf,
    program: PathBuf,
    ends: Arc<Ends>,
    inbox: mpsc::UnboundedSender<Message>,
}

impl Prompts {
    /// Opens the socket and starts the owner task. Call it with the home's lock held.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub async fn start(
        home: &Home,
        secrets: Secrets,
        store: Store,
        tasks: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Result<Self, Problem> {
        let socket = home.run().join(SOCKET);
        let program = tokio::task::spawn_blocking(program)
            .await
            .map_err(|_| shut_down())?
            .map_err(|error| {
                Problem::new(
                    Code::Internal,
                    format!("Iris does not know which program it is: {error}."),
                    "Start it by its whole path.",
                )
            })?;
        let (inbox, messages) = mpsc::unbounded_channel();
        server::listen(&socket, inbox.clone(), tasks, shutdown.clone()).map_err(|error| {
            Problem::new(
                Code::Storage,
                format!("cannot open the socket {}: {error}", socket.display()),
                "Check that IRIS_HOME is a directory of your own on a local disk, or set it to another one.",
            )
        })?;
        let named = NamedSecrets::new(secrets, store.clone());
        let owner = Owner::new(named, store, messages);
        let view = owner.watch();
        tasks.spawn(owner.run(shutdown));
        Ok(Self {
            socket,
            program,
            view,
            inbox,
            attempts: Arc::default(),
        })
    }

    /// A connection attempt to `destination`: `user@host`, or `user@host:port`. A password is
    /// remembered for exactly that, so give what `ssh` resolved, not an alias.
    pub fn attempt(&self, destination: &str) -> Attempt {
        let id = AttemptId(self.attempts.fetch_add(1, Ordering::Relaxed));
        let attempt = Attempt {
            id,
            token: Secret::random(),
            socket: self.socket.clone(),
            program: self.program.clone(),
            ends: Arc::default(),
            inbox: self.inbox.clone(),
        };
        attempt.tell(Message::Begin {
            attempt: id,
            token: attempt.token.clone(),
            destination: destination.to_owned(),
            ends: Arc::clone(&attempt.ends),
        });
        attempt
    }

    /// What waits, oldest first.
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<PromptView>>> {
        self.view.clone()
    }

    /// A human's answer; `yes` or `no` where that is asked. The first one wins. With `remember` it
    /// says where the answer is kept from now on.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyDecided`; `InvalidInput` for what `ssh` could not take or what cannot be
    /// remembered; `Storage` when the answer could not be recorded, and it goes on waiting. When
    /// only remembering failed, `ssh` has the answer all the same.
    pub async fn answer(
        &self,
        id: PromptId,
        text: Secret,
        remember: bool,
        human: Human,
    ) -> Result<Option<Kept>, Problem> {
        let (reply, outcome) = oneshot::channel();
        let message = Message::Answer {
            id,
            text,
            remember,
            human,
            reply,
        };
        self.inbox.send(message).map_err(|_| shut_down())?;
        outcome.await.map_err(|_| shut_down())?
    }

    /// A human does not answer: the attempt is given up, with all that it asks.
    ///
    /// # Errors
    /// `NotFound`; `AlreadyDecided`.
    pub async fn cancel(&self, id: PromptId, human: Human) -> Result<(), Problem> {
        let (reply, outcome) = oneshot::channel();
        self.inbox
            .send(Message::Cancel { id, human, reply })
            .map_err(|_| shut_down())?;
        outcome.await.map_err(|_| shut_down())?
    }
}

impl Attempt {
    /// What `ssh` needs in its environment to ask here.
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("SSH_ASKPASS".into(), self.program.clone().into()),
            ("SSH_ASKPASS_REQUIRE".into(), "force".into()),
            (askpass::SOCKET_VAR.into(), self.socket.clone().into()),
            (askpass::TOKEN_VAR.into(), self.token.expose().into()),
        ]
    }

    /// A human gave it up.
    pub fn cancelled(&self) -> bool {
        self.ends.cancelled.load(Ordering::SeqCst)
    }

    fn tell(&self, message: Message) {
        if self.inbox.send(message).is_err() {
            tracing::debug!("Nobody asks any more: Iris is shutting down.");
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.tell(Message::End(self.id));
    }
}

/// The `iris` beside this program, which starts at once and needs no display; else this program,
/// which asks as well.
fn program() -> std::io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let beside = running.with_file_name(PROGRAM);
    Ok(if beside.is_file() { beside } else { running })
}

fn shut_down() -> Problem {
    Problem::new(
        Code::Unavailable,
        "Iris is shutting down; what was asked is cancelled.",
        "Start Iris again; it connects anew and asks again.",
    )
}

#[cfg(test)]
mod tests;
