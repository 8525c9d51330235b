//! The other host's part in an agent that runs there.

use iris_domain::{
    Problem,
    config::Team,
    ids::SessionId,
    problem::Code,
    session::{Cure, Failure},
};

use crate::{
    links::Reach,
    process::Ended,
    remote::{self, Said, Unstarted},
    ssh::{self, Reason},
};

/// An agent's way to its host, and what the launcher there said.
#[derive(Debug)]
pub(in crate::teams) struct Far {
    nonce: remote::Nonce,
    pub reach: Reach,
    started: bool,
    unstarted: Option<Unstarted>,
}

impl Far {
    pub fn new(nonce: remote::Nonce, reach: Reach) -> Self {
        Self {
            nonce,
            reach,
            started: false,
            unstarted: None,
        }
    }

    /// Whether a line of the output is the launcher's; then it is noted.
    pub fn hear(&mut self, line: &str) -> bool {
        // Behind that line everything is the agent's own, whatever it looks like.
        if self.started {
            return false;
        }
        match remote::read(&self.nonce, line) {
            Some(Said::Started { pgid, claude }) => {
                tracing::debug!(pgid, claude, "the agent runs on its host");
                self.started = true;
            }
            Some(Said::Failed(why)) => self.unstarted = Some(why),
            Some(
                Said::Swept { .. }
                | Said::Listening(_)
                | Said::Sent
                | Said::Unsent(_)
                | Said::Version(_)
                | Said::Found(_)
                | Said::Entered(_),
            ) => {}
            None => return false,
        }
        true
    }

    /// What the end of its `ssh` means; `own` is what it would mean of an agent here.
    pub fn ended(&self, ended: &Ended, team: &Team, session: SessionId, own: Failure) -> Failure {
        if let Some(why) = &self.unstarted {
            return Failure {
                problem: why.problem(team),
                cure: Cure::Human,
            };
        }
        let stderr = ended.stderr.join("\n");
        let Some(code) = ended.status.and_then(|status| status.code()) else {
            // It had to be killed.
            self.reach.end(session);
            return own;
        };
        // What `ssh` ends with when its connection is gone, often without a word; Claude Code does not.
        if code == 255 {
            let full = ssh::Failure::of_session(&stderr)
                .is_some_and(|failure| failure.reason == Reason::TooManySessions);
            if full {
                self.reach.is_full();
            }
            return Failure {
                problem: lost(team.host()),
                // A host that ends every command so is tried with pauses.
                cure: if self.started || full || self.reach.is_gone() {
                    Cure::Link
                } else {
                    Cure::Retry
                },
            };
        }
        if !self.started {
            let last = ended.stderr.last().map(String::as_str);
            return Failure {
                problem: remote::said_nothing(team, last),
                cure: Cure::Human,
            };
        }
        own
    }
}

fn lost(host: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("The connection to {host} was lost."),
        "Iris connects again by itself; what the agent was doing may or may not be done.",
    )
}
