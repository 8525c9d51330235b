//! What an agent daemonised: it becomes a child of Iris, which reaps it when it ends, and ends it
//! with its agent.

use rustix::process::{Pid, Signal};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::{KILL_GRACE, LOOK, Processes, TERM_GRACE, tree};

impl Processes {
    #[cfg(target_os = "linux")]
    pub(super) async fn reap(self) {
        use tokio::signal::unix::{SignalKind, signal};
        let mut child_ended = match signal(SignalKind::child()) {
            Ok(signal) => signal,
            Err(error) => {
                warn!(%error, "cannot hear of ended children");
                return;
            }
        };
        loop {
            self.reap_now();
            tokio::select! {
                _ = child_ended.recv() => {}
                () = self.closed.cancelled() => return,
            }
        }
    }

    /// Takes the exit status of ended strangers, so that they are gone. Never of a child that
    /// someone else waits for.
    pub(super) fn reap_now(&self) {
        for stranger in self.strangers().into_iter().filter(|s| s.zombie) {
            let Some(pid) = Pid::from_raw(stranger.pid) else {
                continue;
            };
            if let Err(error) =
                rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG)
            {
                debug!(pid = stranger.pid, %error, "an orphan was reaped by someone else");
            }
        }
    }

    /// Children of Iris that Iris did not start: they were left behind in a known group, or left
    /// the session of Iris. What other code in this process starts does neither.
    fn strangers(&self) -> Vec<tree::Stat> {
        let children = tree::children();
        let own_session = tree::own_session();
        let groups = self.groups();
        children
            .into_iter()
            .filter(|c| !groups.contains(&c.pid))
            .filter(|c| groups.contains(&c.group) || Some(c.session) != own_session)
            .collect()
    }

    /// Ends the strangers that carry the mark. One that shed it (`env -i`) and its group as well is
    /// not known from a browser that the desktop app opened, and is left alone; it stays a
    /// descendant of this Iris, with no token and no way to the control socket.
    pub(super) async fn end_strangers(&self, mark: &str) {
        let begun = Instant::now();
        loop {
            self.reap_now();
            let mut left = self.strangers();
            left.retain(|s| !s.zombie && tree::has_in_environment(s.pid, mark));
            if left.is_empty() {
                return;
            }
            let waited = begun.elapsed();
            if waited > TERM_GRACE + KILL_GRACE {
                warn!(pids = ?left.iter().map(|s| s.pid).collect::<Vec<_>>(), "orphans of an agent do not end");
                return;
            }
            // They outlived their agent on purpose; a short notice is enough.
            let signal = if waited < TERM_GRACE / 6 {
                Signal::TERM
            } else {
                Signal::KILL
            };
            for stranger in left {
                let Some(pid) = Pid::from_raw(stranger.pid) else {
                    continue;
                };
                if let Err(error) = rustix::process::kill_process(pid, signal) {
                    debug!(pid = stranger.pid, %error, "an orphan was gone already");
                }
            }
            sleep(LOOK).await;
        }
    }
}
