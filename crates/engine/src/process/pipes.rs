//! The three pipes of a process.

use std::{
    collections::VecDeque,
    io,
    pin::{Pin, pin},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWriteExt as _},
    process::ChildStdin,
    sync::mpsc,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Input, LINE_MAX, Output, STDERR_LINE_MAX, STDERR_LINES,
    lines::{Line, Lines},
};

/// What a process wrote is in its pipes when it is gone. A pipe that has nothing for this long then,
/// and no end, is held open by somebody else.
const DRAIN: Duration = Duration::from_millis(500);

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

/// The next line; `None` at the end of what the process wrote, also if the pipe stays open.
async fn next<R: AsyncRead + Unpin>(
    lines: &mut Lines<R>,
    drained: Pin<&mut impl Future<Output = ()>>,
) -> io::Result<Option<Line>> {
    tokio::select! {
        // What is there is read, however late anybody came to it.
        biased;
        line = lines.next() => line,
        () = drained => {
            debug!("a pipe of an ended process stays open");
            Ok(None)
        }
    }
}

/// Waits until a process is gone for so long.
pub(super) async fn passed_since(gone: &CancellationToken, time: Duration) {
    gone.cancelled().await;
    sleep(time).await;
}

/// Reads its stdout, to the end of what it wrote before it was `gone`.
pub(super) async fn read_out(
    stdout: Option<impl AsyncRead + Unpin>,
    events: &mpsc::Sender<Output>,
    gone: &CancellationToken,
) {
    let Some(stdout) = stdout else { return };
    let mut lines = Lines::new(stdout, LINE_MAX);
    let mut drained = pin!(passed_since(gone, DRAIN));
    loop {
        let output = match next(&mut lines, drained.as_mut()).await {
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
pub(super) async fn read_err(
    stderr: Option<impl AsyncRead + Unpin>,
    tail: &mut VecDeque<String>,
    gone: &CancellationToken,
) {
    let Some(stderr) = stderr else { return };
    let mut lines = Lines::new(stderr, STDERR_LINE_MAX);
    let mut drained = pin!(passed_since(gone, DRAIN));
    loop {
        match next(&mut lines, drained.as_mut()).await {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written, and heard by an owner that comes `late`; the pipe stays open.
    async fn heard(written: &str, late: Duration) -> Vec<String> {
        let (mut held_open, pipe) = tokio::io::duplex(1024 * 1024);
        held_open.write_all(written.as_bytes()).await.unwrap();
        let gone = CancellationToken::new();
        gone.cancel();
        let (events, mut output) = mpsc::channel(1);
        let reading = async {
            read_out(Some(pipe), &events, &gone).await;
            drop(events);
        };
        let hearing = async {
            sleep(late).await;
            let mut heard = Vec::new();
            while let Some(Output::Line(line)) = output.recv().await {
                heard.push(line);
            }
            heard
        };
        tokio::join!(reading, hearing).1
    }

    #[tokio::test]
    async fn what_was_written_is_heard_to_its_end_however_late() {
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        let written = lines.join("\n") + "\n";
        assert_eq!(heard(&written, DRAIN * 2).await, lines);
    }

    #[tokio::test]
    async fn a_pipe_that_somebody_holds_open_is_left() {
        assert_eq!(heard("", Duration::ZERO).await, [""; 0]);
    }
}
