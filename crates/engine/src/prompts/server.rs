//! The socket that the askpass program comes to.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use iris_domain::prompt::Ticket;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::owner::Message;
use crate::{
    askpass::{ANSWERED, CANCELLED, QUESTION_MAX, Question, frame},
    secrets::Secret,
    socket,
};

/// Callers at once: each attempt asks one question at a time, and so does each jump host.
const CALLERS_MAX: usize = 64;
/// A question is written in one go; who needs longer is not the askpass program.
const READ_WAIT: Duration = Duration::from_secs(10);
/// The caller waits for its answer and takes it at once.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// How long to wait after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub(super) fn listen(
    path: &Path,
    inbox: mpsc::UnboundedSender<Message>,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = socket::bind(path)?;
    let path = path.to_owned();
    let callers = Arc::new(Semaphore::new(CALLERS_MAX));
    let children = tasks.clone();
    let tickets = AtomicU64::new(0);
    tasks.spawn(async move {
        while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "askpass: accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = callers.clone().try_acquire_owned() else {
                // Hung up on, it tells ssh that there is no answer.
                warn!("askpass: {CALLERS_MAX} callers at once; one more was turned away");
                continue;
            };
            let ticket = Ticket(tickets.fetch_add(1, Ordering::Relaxed));
            let (inbox, shutdown) = (inbox.clone(), shutdown.clone());
            children.spawn(async move {
                let conversation = converse(stream, ticket, inbox);
                match shutdown.run_until_cancelled(conversation).await {
                    Some(Ok(())) | None => {}
                    Some(Err(error)) => debug!(%error, "askpass: the caller went away"),
                }
                drop(permit);
            });
        }
        socket::remove(listener, &path);
    });
    Ok(())
}

/// Tells the owner that its caller went away.
struct Withdrawal<'a> {
    inbox: &'a mpsc::UnboundedSender<Message>,
    ticket: Ticket,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        // What was answered is not in the book any more, and is then no news.
        if self.inbox.send(Message::Gone(self.ticket)).is_err() {
            debug!("A caller went away after the prompts were shut down.");
        }
    }
}

/// One caller, from its question to its answer.
async fn converse(
    mut stream: UnixStream,
    ticket: Ticket,
    inbox: mpsc::UnboundedSender<Message>,
) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if uid != rustix::process::geteuid().as_raw() {
        warn!(uid, "askpass: another user was turned away");
        return Ok(());
    }
    let question = timeout(READ_WAIT, read(&mut stream)).await??;
    let (reply, answer) = oneshot::channel();
    let withdrawal = Withdrawal {
        inbox: &inbox,
        ticket,
    };
    let message = Message::Ask {
        ticket,
        question,
        reply,
    };
    if inbox.send(message).is_err() {
        return Ok(());
    }
    let answer: Option<Secret> = tokio::select! {
        answer = answer => answer.ok(),
        // It says nothing more: this is its end, or one that is not ours.
        _ = stream.read_u8() => return Ok(()),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    match &answer {
        Some(text) => {
            bytes.reserve_exact(1 + text.expose().len());
            bytes.push(ANSWERED);
            bytes.extend_from_slice(text.expose().as_bytes());
        }
        None => bytes.push(CANCELLED),
    }
    timeout(WRITE_WAIT, stream.write_all(&frame(&bytes))).await??;
    drop(withdrawal);
    Ok(())
}

async fn read(stream: &mut UnixStream) -> io::Result<Question> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > QUESTION_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    stream.read_exact(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}
