//! A session whose team is frozen, and an agent that is started anew.

use iris_domain::{Problem, freeze, problem::Code, session::Event};
use tokio::sync::oneshot;
use tracing::debug;

use super::Supervisor;

impl Supervisor {
    pub(super) fn is_frozen(&self) -> bool {
        self.deps.freeze.is_frozen(&self.record.to)
    }

    /// Tells the session what holds now.
    pub(super) fn see_frozen(&mut self) {
        match (self.is_frozen(), self.session.is_held()) {
            (true, false) => self.step(Event::Held(freeze::problem(&self.record.to))),
            (false, true) => self.step(Event::Released),
            (true, true) | (false, false) => {}
        }
    }

    /// Ends the agent and starts another one in its conversation; answers whether there is one.
    pub(super) fn restart(&mut self, why: Problem, reply: oneshot::Sender<bool>) {
        let runs = self.agent.is_some();
        if self.session.running().is_some() {
            self.cut_short = Some(cut_short(&why.message));
        }
        self.step(Event::Restart(why));
        if reply.send(runs).is_err() {
            debug!("who wanted an agent started anew is gone");
        }
    }

    /// Its host did not answer when the agent was to stop, or to go on: it is worth nothing any more,
    /// and ends, there when the host answers again. Another one is started when that may be.
    pub(super) fn cut_off(&mut self, host: &str) {
        let Some(agent) = &mut self.agent else { return };
        self.deps.tokens.revoke(&agent.token);
        agent.cut_off();
        self.deps
            .approvals
            .withdraw(self.record.id, "its host did not answer");
        let why = not_reached(host);
        if self.session.running().is_some() {
            self.cut_short = Some(cut_short(&why.message));
        }
        self.step(Event::Restart(why));
    }
}

/// Told to the agent with the next message.
pub(super) fn cut_short(why: &str) -> String {
    format!(
        "[Iris: your last turn was cut short. {why} Permission requests that waited were withdrawn. See how things are before you go on.]"
    )
}

fn not_reached(host: &str) -> Problem {
    Problem::new(
        Code::Network,
        format!("{host} did not answer when its agent was to be halted, so it was cut off."),
        "What it was doing may or may not be done; send the message again when the team works.",
    )
}
