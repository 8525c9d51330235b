//! The three pipes of a process.

use std::{collections::VecDeque, io};

use tokio::{
    io::AsyncWriteExt as _,
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Input, LINE_MAX, Output, STDERR_LINE_MAX, STDERR_LINES, lines::Lines};

/// Writes lines to it until EOF is due.
pub(super) async fn feed(
    stdin: Option<ChildStdin>,
    mut lines: mpsc::Receiver<Input>,
    eof: CancellationToken,
) {
    let Some(mut stdin) = stdin else { return };
    let feeding = async {
        while let Some(line) = lines.recv().await {
            stdin.write_all(&line).await?;
            stdin.flush().await?;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        written = feeding => {
            if let Err(error) = written {
                debug!(%error, "the process stopped reading");
            }
            // The owner went away or the process reads no more: EOF either way.
        }
        () = eof.cancelled() => {}
    }
}

/// Reads its stdout.
pub(super) async fn read_out(stdout: Option<ChildStdout>, events: &mpsc::Sender<Output>) {
    let Some(stdout) = stdout else { return };
    let mut lines = Lines::new(stdout, LINE_MAX);
    loop {
        let output = match lines.next().await {
            Ok(Some(line)) if line.length > LINE_MAX as u64 => Output::TooLong(line.length),
            Ok(Some(line)) => Output::Line(line.text()),
            Ok(None) => return,
            Err(error) => {
                warn!(%error, "cannot read the output of a process");
                return;
            }
        };
        // Without a receiver the pipe is still read, so that the process can end in order.
        if events.send(output).await.is_err() {
            debug!("nobody reads the output of the process");
        }
    }
}

/// Keeps the last lines of its stderr.
pub(super) async fn read_err(stderr: Option<ChildStderr>, tail: &mut VecDeque<String>) {
    let Some(stderr) = stderr else { return };
    let mut lines = Lines::new(stderr, STDERR_LINE_MAX);
    loop {
        match lines.next().await {
            Ok(Some(line)) => {
                if tail.len() == STDERR_LINES {
                    tail.pop_front();
                }
                tail.push_back(line.text());
            }
            Ok(None) => return,
            Err(error) => {
                warn!(%error, "cannot read the errors of a process");
                return;
            }
        }
    }
}
