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

use std::{io, os::fd::AsFd, sync::Arc, time::Duration};

use iris_domain::{Problem, problem::Code};
use iris_engine::runtime;
use serde_json::Value;
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::mpsc,
    task::JoinHandle,
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
async fn serve(
    door: Door,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) {
    let door = Arc::new(door);
    let (out, answers) = mpsc::channel(LINES_WAITING);
    let mut writer = tokio::spawn(write(answers, output));
    let mut lines = Lines::of(BufReader::new(input));
    let mut calls = Calls::default();
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            _ = &mut writer => {
                calls.cancel_all();
                return;
            }
        };
        let text = match line {
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
                    let call = tokio::spawn(async move { door.carry(message, &out).await });
                    calls.began(id, call);
                }
            }
        }
    }
    calls.end().await;
    drop(out);
    if let Err(error) = writer.await {
        tracing::debug!(%error, "the writer of stdout");
    }
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
struct Calls(Vec<(Option<Value>, JoinHandle<()>)>);

impl Calls {
    fn began(&mut self, id: Option<Value>, call: JoinHandle<()>) {
        self.0.retain(|(_, call)| !call.is_finished());
        self.0.push((id, call));
    }

    fn cancel(&self, id: &Value) {
        for (own, call) in &self.0 {
            if own.as_ref() == Some(id) {
                call.abort();
            }
        }
    }

    fn cancel_all(&self) {
        for (_, call) in &self.0 {
            call.abort();
        }
    }

    /// Gives them a moment, then cancels what is left.
    async fn end(mut self) {
        let all = async {
            for (_, call) in &mut self.0 {
                if let Err(error) = call.await {
                    tracing::debug!(%error, "a call was cancelled");
                }
            }
        };
        if tokio::time::timeout(LAST_ANSWERS, all).await.is_err() {
            self.cancel_all();
        }
    }
}
