//! What surfaces see of a session.

use std::sync::Arc;

use iris_domain::snapshot::SessionView;

use super::{Agent, Supervisor};

impl Supervisor {
    pub(super) fn view(&self) -> SessionView {
        SessionView {
            id: self.record.id,
            from: self.record.from.clone(),
            state: self.session.shown(self.waiting),
            doing: self.doing.as_ref().map(|(_, what)| what.clone()),
            pid: self.agent.as_ref().map(Agent::pid),
            queued: u32::try_from(self.session.queued() + self.parked()).unwrap_or(u32::MAX),
            problem: self.session.problem().cloned(),
            stderr_tail: if self.session.problem().is_some() {
                self.stderr_tail.clone()
            } else {
                Vec::new()
            },
            last_activity: self.last_activity,
            // Added where the whole is put together.
            spent: None,
        }
    }

    pub(super) fn publish(&self) {
        let view = self.view();
        self.views.send_modify(|views| {
            let sessions = Arc::make_mut(views)
                .entry(self.record.to.clone())
                .or_default();
            match sessions.iter_mut().find(|s| s.from == view.from) {
                Some(old) => *old = view,
                None => sessions.push(view),
            }
        });
    }

    pub(super) fn unpublish(&self) {
        self.views.send_modify(|views| {
            let views = Arc::make_mut(views);
            if let Some(sessions) = views.get_mut(&self.record.to) {
                sessions.retain(|s| s.from != self.record.from);
                if sessions.is_empty() {
                    views.remove(&self.record.to);
                }
            }
        });
    }
}
