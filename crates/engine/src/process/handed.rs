//! A program that is the user's from its start on: Iris neither owns it nor ends it, and it outlives
//! Iris. A terminal that the user asked for is the only one.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::oneshot,
    time::timeout,
};
use tracing::debug;

use super::{Processes, Program};

/// So much of what it wrote is told.
const STDERR_MAX: u64 = 4096;

/// Why it is not there.
#[derive(Debug, thiserror::Error)]
pub enum NotHandedOver {
    /// It could not be started.
    #[error("it cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It ended at once, and not well.
    #[error("it ended at once ({status}){stderr}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The last that it wrote, behind a colon, if anything.
        stderr: String,
    },
}

impl Processes {
    /// Starts it; returns when it has run for this long, or has ended well before.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn hand_over(&self, program: &Program, ran: Duration) -> Result<(), NotHandedOver> {
        // No pipe: it would break when Iris ends, and what is written to it then would end the program.
        let mut log = tempfile::tempfile()?;
        let mut child = start(program, log.try_clone()?)?;
        let pid = child.id().unwrap_or_default();
        debug!(pid, program = %program.path.display(), "handed over to the user");
        // Known, so that nobody else takes its end for a stranger's.
        self.groups().insert(pid.cast_signed());
        let (tell, ended) = oneshot::channel();
        let processes = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                status = child.wait() => {
                    if tell.send(status).is_err() {
                        debug!(pid, "a program of the user's ended");
                    }
                }
                () = processes.closed.cancelled() => {}
            }
            processes.groups().remove(&pid.cast_signed());
        });
        match timeout(ran, ended).await {
            // It runs, or Iris ends, which is nothing to it.
            Err(_) | Ok(Err(_)) => Ok(()),
            Ok(Ok(status)) => {
                let status = status?;
                if status.success() {
                    return Ok(());
                }
                Err(NotHandedOver::Ended {
                    status,
                    stderr: last_words(&mut log)?,
                })
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "part of the one place that spawns"
)]
fn start(program: &Program, log: File) -> io::Result<Child> {
    Command::new(&program.path)
        .args(&program.args)
        .current_dir(&program.dir)
        .env_clear()
        .envs(&program.env.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
}

fn last_words(log: &mut File) -> io::Result<String> {
    let length = log.stream_position()?;
    log.seek(io::SeekFrom::Start(length.saturating_sub(STDERR_MAX)))?;
    let mut bytes = Vec::new();
    log.take(STDERR_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(match text.trim() {
        "" => String::new(),
        words => format!(": {words}"),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::process::Environ;

    fn shell(script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            args: ["-c", script].map(Into::into).into(),
            dir: "/".into(),
            env: Environ::default(),
            mark: String::new(),
        }
    }

    #[tokio::test]
    async fn it_stays_and_one_that_fails_at_once_says_why() {
        let tasks = TaskTracker::new();
        let processes = Processes::new(&tasks);
        let soon = Duration::from_secs(20);
        processes.hand_over(&shell("exit 0"), soon).await.unwrap();
        let failing = shell("echo no display >&2; exit 1");
        let failed = processes.hand_over(&failing, soon);
        let failed = failed.await.unwrap_err().to_string();
        assert!(failed.ends_with(": no display"), "{failed}");
        let nothing = Program {
            path: PathBuf::from("/no/such/terminal"),
            ..shell("")
        };
        let nothing = processes.hand_over(&nothing, soon).await.unwrap_err();
        assert!(matches!(nothing, NotHandedOver::Start(_)), "{nothing}");

        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("p");
        let script = format!("mkfifo {0}; echo $$ >{0}", pipe.display());
        let running = shell(&script);
        processes
            .hand_over(&running, Duration::from_millis(1))
            .await
            .unwrap();
        processes.close();
        tasks.close();
        tasks.wait().await;
        let pid = tokio::task::spawn_blocking(move || {
            loop {
                if let Ok(pid) = std::fs::read_to_string(&pipe) {
                    return pid;
                }
                std::thread::yield_now();
            }
        });
        let pid: u32 = pid.await.unwrap().trim().parse().unwrap();
        assert!(pid > 0, "it outlives what started it");
    }
}
