//! The socket's side in the running Iris.

use std::{io, pin::pin, sync::Arc, time::Duration};

use iris_domain::{Problem, problem::Code};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, warn};
use zeroize::Zeroizing;

use super::{Command, Reply, path, socket_problem};
use crate::{home::Home, socket};

/// The longest command: a message of [`iris_domain::message::MESSAGE_MAX`], or an edited input of
/// that size, with room for JSON escapes.
const LINE_MAX: u64 = 4 * 1024 * 1024;
/// A command is written in one go; who needs longer is not `iris`.
const READ_WAIT: Duration = Duration::from_secs(10);
/// What a caller that will be refused gets to say its command, which is written down.
const REFUSED_READ_WAIT: Duration = Duration::from_secs(1);
/// The caller waits for the reply and takes it at once.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// Steps that wait to be written: the caller takes them at once.
const STEPS_WAITING: usize = 16;
/// Callers at once: many `iris send` may wait, a runaway script may not exhaust descriptors.
const CALLERS_MAX: usize = 64;
/// How long to wait after a failed accept (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub uid: u32,
    /// `None`: the kernel did not say.
    pub pid: Option<i32>,
}

/// What is behind the socket.
pub(super) trait Commands: Clone + Send + Sync + 'static {
    /// Does it; `steps` takes what is known before the end. Dropped when the caller hangs up.
    fn run(
        &self,
        command: Command,
        steps: mpsc::Sender<Value>,
    ) -> impl Future<Output = Result<Value, Problem>> + Send;
    /// A caller was turned away: write it down.
    fn refused(&self, command: &'static str, peer: Peer) -> impl Future<Output = ()> + Send;
}

pub(super) fn listen(
    home: &Home,
    commands: impl Commands,
    is_agent: fn(i32) -> bool,
    tasks: &TaskTracker,
    shutdown: CancellationToken,
) -> Result<(), Problem> {
    let path = path(home);
    let listener = socket::bind(&path).map_err(|error| socket_problem("open", home, &error))?;
    let callers = Arc::new(Semaphore::new(CALLERS_MAX));
    let children = tasks.clone();
    tasks.spawn(async move {
        while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "control: accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = callers.clone().try_acquire_owned() else {
                warn!("control: {CALLERS_MAX} callers at once; one more was turned away");
                turn_away(&stream);
                continue;
            };
            let conversation = converse(stream, commands.clone(), is_agent, shutdown.clone());
            children.spawn(async move {
                conversation.await;
                drop(permit);
            });
        }
        socket::remove(listener, &path);
    });
    Ok(())
}

/// One caller, from its command to its reply.
async fn converse(
    stream: UnixStream,
    commands: impl Commands,
    is_agent: fn(i32) -> bool,
    shutdown: CancellationToken,
) {
    let peer = match stream.peer_cred() {
        Ok(cred) => Peer {
            uid: cred.uid(),
            pid: cred.pid().filter(|pid| *pid > 0),
        },
        Err(error) => {
            error!(%error, "control: the kernel does not say who calls; turned away");
            return;
        }
    };
    // Asked now, and again when the command is here: a process id may have got another owner
    // meanwhile, and that one must not lend its innocence.
    let may_speak = may_call(peer, is_agent);
    let patience = if may_speak {
        READ_WAIT
    } else {
        REFUSED_READ_WAIT
    };
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader.take(LINE_MAX));
    // It may hold the answer to a prompt.
    let mut line = Zeroizing::new(Vec::new());
    let command = match timeout(patience, reader.read_until(b'\n', &mut line)).await {
        Ok(Ok(0)) => return,
        Ok(Ok(_)) => parse(&line),
        Ok(Err(error)) => {
            debug!(%error, "control: the caller went away");
            return;
        }
        Err(_) => Err(unreadable("no whole line came in time")),
    };
    let reply = if may_speak && may_call(peer, is_agent) {
        match command {
            Ok(command) => {
                debug!(command = command.name(), pid = peer.pid, "control");
                let (steps, mut known) = mpsc::channel(STEPS_WAITING);
                let mut running = pin!(commands.run(command, steps));
                let mut hung_up = pin!(hung_up(&mut reader));
                loop {
                    tokio::select! {
                        // What was known before the end is said before it.
                        biased;
                        Some(step) = known.recv() => write(&mut writer, &Reply::Step(step)).await,
                        result = &mut running => {
                            while let Ok(step) = known.try_recv() {
                                write(&mut writer, &Reply::Step(step)).await;
                            }
                            break result;
                        }
                        () = &mut hung_up => {
                            debug!("control: the caller hung up before its reply");
                            return;
                        }
                        () = shutdown.cancelled() => break Err(Problem::new(
                            Code::Unavailable,
                            "Iris is shutting down",
                            "Start it again and repeat the command.",
                        )),
                    }
                }
            }
            Err(problem) => Err(problem),
        }
    } else {
        let name = command.as_ref().map_or("invalid", Command::name);
        warn!(
            command = name,
            pid = peer.pid,
            uid = peer.uid,
            "control: refused"
        );
        commands.refused(name, peer).await;
        Err(Problem::new(
            Code::Forbidden,
            "Iris takes no commands from programs that it started itself, nor from other users",
            "Run `iris` in a terminal of your own. An agent asks for permission through its tools.",
        ))
    };
    let reply = match reply {
        Ok(value) => Reply::Ok(value),
        Err(problem) => Reply::Error(problem),
    };
    write(&mut writer, &reply).await;
}

/// A line of the reply.
async fn write(writer: &mut OwnedWriteHalf, reply: &Reply) {
    let mut text = match serde_json::to_vec(reply) {
        Ok(text) => text,
        Err(error) => {
            error!(%error, "control: a reply could not be written as JSON");
            return;
        }
    };
    text.push(b'\n');
    match timeout(WRITE_WAIT, writer.write_all(&text)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "control: the caller did not take its reply"),
        Err(_) => debug!("control: the caller did not take its reply in time"),
    }
}

/// Tells a caller that there are too many, as far as that can be done without waiting.
fn turn_away(stream: &UnixStream) {
    let reply = Reply::Error(Problem::new(
        Code::Busy,
        format!("{CALLERS_MAX} commands are under way in this Iris already"),
        "Wait until some are done (`iris send` waits for its answer), then try again.",
    ));
    let sent = serde_json::to_vec(&reply)
        .map_err(io::Error::from)
        .and_then(|mut text| {
            text.push(b'\n');
            stream.try_write(&text)
        });
    if let Err(error) = sent {
        debug!(%error, "control: a caller could not be told that there are too many");
    }
}

/// Our user, and not an agent. A caller whose process the kernel does not name (it lives in another
/// process namespace) may be anybody's child: refused.
fn may_call(peer: Peer, is_agent: fn(i32) -> bool) -> bool {
    peer.uid == rustix::process::geteuid().as_raw() && peer.pid.is_some_and(|pid| !is_agent(pid))
}

fn parse(line: &[u8]) -> Result<Command, Problem> {
    if line.last() != Some(&b'\n') {
        return Err(unreadable("a command is one line of at most 4 MiB"));
    }
    serde_json::from_slice(line).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> Problem {
    Problem::new(
        Code::InvalidInput,
        format!("the running Iris did not understand the command: {why}"),
        "If `iris` was updated since, restart Iris so that both have the same version.",
    )
}

/// Returns when the caller closes its end, or says more than its one line.
async fn hung_up(reader: &mut BufReader<tokio::io::Take<tokio::net::unix::OwnedReadHalf>>) {
    reader.get_mut().set_limit(1);
    match reader.read_u8().await {
        Ok(_) => debug!("control: the caller said more than one line"),
        Err(error) => debug!(%error, "control: end of stream"),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
