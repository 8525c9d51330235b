//! The other host's part in an agent that runs there.

use iris_domain::{
    Problem,
    config::Team,
    display::one_line,
    problem::Code,
    session::{Cure, Failure},
};

use crate::{
    links::Reach,
    process::Ended,
    remote::{self, Said, Unstarted},
    ssh::{self, Reason},
    teams::halter::FarHalt,
};

/// A line of stderr in a sentence is cut to this many characters.
const QUOTED_MAX: usize = 300;

/// An agent's way to its host, and what the launcher there said.
#[derive(Debug)]
pub(in crate::teams) struct Far {
    nonce: remote::Nonce,
    run: remote::Run,
    pub reach: Reach,
    started: bool,
    unstarted: Option<Unstarted>,
    cut_off: bool,
}

impl Far {
    pub fn new(nonce: remote::Nonce, run: remote::Run, reach: Reach) -> Self {
        Self {
            nonce,
            run,
            reach,
            started: false,
            unstarted: None,
            cut_off: false,
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
                | Said::Removed(_)
                | Said::Kept(_)
                | Said::Forgotten
                | Said::Halted { .. }
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

    /// Its `ssh` had to be killed, or is about to be: what it runs on the host is ended there.
    pub fn end(&self) {
        self.reach.end(self.run);
    }

    /// What it runs on the host is ended there, as soon as the host answers.
    pub fn cut_off(&mut self) {
        self.cut_off = true;
        self.end();
    }

    /// What stops it on its host where it stands, or lets it go on.
    pub fn halting(&self, instance: &str) -> FarHalt {
        Box::new(self.reach.halting(instance, self.run))
    }

    /// What the end of its `ssh` means; `own` is what it would mean of an agent here.
    pub fn ended(&self, ended: &Ended, team: &Team, own: Failure) -> Failure {
        if let Some(why) = &self.unstarted {
            return Failure {
                problem: why.problem(team),
                cure: Cure::Human,
            };
        }
        if self.cut_off {
            // Once more: the host may answer by now.
            self.end();
            return own;
        }
        let Some(code) = ended.status.and_then(|status| status.code()) else {
            // It had to be killed.
            self.end();
            return own;
        };
        if code == 255 {
            return self.broken_off(ended, team);
        }
        if !self.started {
            return Failure {
                problem: remote::said_nothing(team, last(ended)),
                cure: Cure::Human,
            };
        }
        own
    }

    /// What `ssh` ends with when its connection is gone, often without a word. A program there can do
    /// so too, in a loop, and with whatever words: what is believed is what is seen here.
    fn broken_off(&self, ended: &Ended, team: &Team) -> Failure {
        if self.reach.is_gone() {
            return Failure {
                problem: lost(team.host()),
                cure: Cure::Link,
            };
        }
        let said = ssh::Failure::of_session(&ended.stderr.join("\n"));
        match said {
            Some(full) if !self.started && full.reason == Reason::TooManySessions => {
                self.reach.is_full();
                Failure {
                    problem: full.problem(team.host()),
                    cure: Cure::Seat,
                }
            }
            _ => Failure {
                problem: broken_off(team.host(), last(ended)),
                cure: Cure::Retry,
            },
        }
    }
}

fn last(ended: &Ended) -> Option<&str> {
    ended.stderr.last().map(String::as_str)
}

fn lost(host: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("The connection to {host} was lost."),
        "Iris connects again by itself; what the agent was doing may or may not be done.",
    )
}

fn broken_off(host: &str, last: Option<&str>) -> Problem {
    let said = last.map_or_else(String::new, |line| {
        format!(
            ": {}",
            one_line(line.trim(), QUOTED_MAX).trim_end_matches('.')
        )
    });
    Problem::new(
        Code::Agent,
        format!(
            "The agent on {host} ended with exit code 255, though the connection stands{said}."
        ),
        "Iris starts it again a few times, with pauses; if it goes on, run `claude` on that host to see why it ends.",
    )
}
