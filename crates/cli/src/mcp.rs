//! `iris mcp`: the running Iris for MCP clients that start their servers and speak over stdio.
//!
//! Each line of stdin is posted to the endpoint as the console, and what is answered is a line of
//! stdout; nothing else ever stands there. Nothing is kept between two messages: where Iris listens
//! and the console's token are asked for each time on the private socket, so an Iris that was
//! started again, elsewhere or with another token, is found, and no token goes to a stranger who
//! took its port.

mod door;
mod events;
mod lines;
mod message;

use std::{io, os::fd::AsFd, pin::pin, sync::Arc, time::Duration};

use iris_domain::{Problem, problem::Code};
use iris_engine::runtime;
use serde_json::Value;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::mpsc,
    task::{AbortHandle, JoinError, JoinSet},
};

use crate::{Context, DONE};
use door::Door;
use lines::{Line, Lines};
use message::Message;

/// What still runs when the client closes its end gets this long, so that a script that pipes its
/// calls in has quick answers; then it is cancelled.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Lines that wait for a client that does not read.
const LINES_WAITING: usize = 16;

pub fn mcp(context: &Context) -> Result<u8, Problem> {
    let door = Door::of(context.client());
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        match door.find().await {
            Ok(_) => {}
            // It may be started later; until then each call is told so.
            Err(problem) if problem.code == Code::Unavailable => context.out.problem(&problem),
            Err(problem) => return Err(problem),
        }
        let (input, output) = (own(io::stdin())?, own(io::stdout())?);
        serve(door, input, output).await;
        Ok(DONE)
    });
    // A thread may still wait for stdin.
    runtime.shutdown_background();
    ended
}

/// A standard stream without a buffer of the library's.
fn own(stream: impl AsFd) -> Result<File, Problem> {
    let stream = stream.as_fd().try_clone_to_owned().map_err(|error| {
        Problem::new(
            Code::InvalidInput,
            format!("stdin or stdout cannot be used: {error}"),
            "Start it from an MCP client, or with pipes.",
        )
    })?;
    Ok(File::from_std(stream.into()))
}

/// Carries messages until the client closes its end, or no longer reads.
async fn serve(door: Door, input: impl AsyncRead + Unpin, output: impl AsyncWrite + Unpin) {
    let (out, answers) = mpsc::channel(LINES_WAITING);
    let mut writing = pin!(write(answers, output));
    tokio::select! {
        () = &mut writing => {}
        () = read(Arc::new(door), input, out) => writing.await,
    }
}

/// Carries what is read. Dropping it cancels every call.
async fn read(door: Arc<Door>, input: impl AsyncRead + Unpin, out: mpsc::Sender<Vec<u8>>) {
    let mut lines = Lines::of(BufReader::new(input));
    let mut calls = Calls::default();
    loop {
        let text = match lines.next().await {
            Ok(Some(Line::Whole(text))) => text,
            Ok(Some(Line::TooLong)) => {
                say(&out, message::too_long()).await;
                continue;
            }
            Ok(None) => break,
            Err(error) => {
                tracing::debug!(%error, "stdin");
                break;
            }
        };
        match Message::read(text) {
            Err(error) => say(&out, error).await,
            Ok(message) => {
                if let Some(id) = message.cancels() {
                    // Hanging up is how a client of the endpoint cancels, in both eras.
                    calls.cancel(id);
                } else {
                    let (door, out, id) = (door.clone(), out.clone(), message.id().cloned());
                    calls.begin(id, async move { door.carry(message, &out).await });
                }
            }
        }
    }
    calls.end().await;
}

/// A line for the client. When it no longer reads, everything ends anyway.
async fn say(out: &mpsc::Sender<Vec<u8>>, line: Vec<u8>) {
    if out.send(line).await.is_err() {
        tracing::debug!("nobody reads stdout");
    }
}

/// Returns when all is written, or nobody reads.
async fn write(mut answers: mpsc::Receiver<Vec<u8>>, mut output: impl AsyncWrite + Unpin) {
    while let Some(mut line) = answers.recv().await {
        line.push(b'\n');
        let written = async {
            output.write_all(&line).await?;
            output.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "nobody reads stdout");
            return;
        }
    }
}

/// What is being answered.
#[derive(Default)]
struct Calls {
    tasks: JoinSet<()>,
    by_id: Vec<(Value, AbortHandle)>,
}

impl Calls {
    fn begin(&mut self, id: Option<Value>, call: impl Future<Output = ()> + Send + 'static) {
        while let Some(ended) = self.tasks.try_join_next() {
            ended_well(ended);
        }
        self.by_id.retain(|(_, call)| !call.is_finished());
        let call = self.tasks.spawn(call);
        self.by_id.extend(id.map(|id| (id, call)));
    }

    fn cancel(&self, id: &Value) {
        for (_, call) in self.by_id.iter().filter(|(own, _)| own == id) {
            call.abort();
        }
    }

    /// Gives them a moment; what is left is cancelled.
    async fn end(mut self) {
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended_well(ended);
            }
        };
        if tokio::time::timeout(LAST_ANSWERS, all).await.is_err() {
            tracing::debug!("calls were cancelled: stdin ended");
        }
    }
}

fn ended_well(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a call");
    }
}
