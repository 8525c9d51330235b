//! The host of a link, and signing in there.

use std::{sync::Arc, time::Duration};

use iris_domain::{Problem, problem::Code, prompt::PromptView, session::Failure, target::Target};
use tokio::time::timeout;

use super::{LinksDeps, failed, human};
use crate::ssh::{self, Connection, Resolved};

/// How long signing in may take, a human's answers included.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(600);

/// The host of a link: what everything that is done there needs.
pub(super) struct Host {
    pub deps: Arc<LinksDeps>,
    target: Target,
    /// Names the link on the host.
    pub link: String,
    /// Whose password `ssh` may ask for, whatever alias the config has for it.
    account: String,
}

impl Host {
    pub fn new(deps: Arc<LinksDeps>, target: Target, resolved: &Resolved) -> Self {
        Self {
            deps,
            target,
            link: resolved.key.to_string(),
            account: account(resolved),
        }
    }

    /// The destination, for people.
    pub fn destination(&self) -> &str {
        self.target.destination()
    }

    /// Signs in. What ssh asks is asked in the name of this attempt.
    pub async fn connect(self: Arc<Self>) -> Result<Connection, Failure> {
        let attempt = self.deps.prompts.attempt(&self.account);
        let env = attempt.env();
        match timeout(SIGN_IN_LIMIT, self.deps.ssh.connect(&self.target, &env)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(mut failure)) => {
                if attempt.cancelled() {
                    failure.reason = ssh::Reason::Cancelled;
                }
                Err(self.failed(&failure))
            }
            Err(_) => Err(human(self.unfinished())),
        }
    }

    /// Whether something of what `ssh` asks is asked for it.
    pub fn is_asking(&self, asked: &[PromptView]) -> bool {
        asked.iter().any(|prompt| prompt.host == self.account)
    }

    /// What ssh could not do there, for a lifecycle.
    pub fn failed(&self, failure: &ssh::Failure) -> Failure {
        failed(failure, self.destination())
    }

    fn unfinished(&self) -> Problem {
        Problem::new(
            Code::Timeout,
            format!(
                "Signing in to {} was not finished in {} minutes.",
                self.destination(),
                SIGN_IN_LIMIT.as_secs() / 60
            ),
            "Start the team again and answer what it asks; if nothing was asked, run `ssh -v` to that host in a terminal.",
        )
    }
}

/// `user@host`, with the port where it is not the usual one.
pub(super) fn account(resolved: &Resolved) -> String {
    let Resolved {
        user, host, port, ..
    } = resolved;
    match port {
        22 => format!("{user}@{host}"),
        _ => format!("{user}@{host}:{port}"),
    }
}
