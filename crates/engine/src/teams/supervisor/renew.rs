//! A session that begins a new conversation, and one that is gone for good.

use iris_domain::{
    Problem,
    ids::SessionId,
    session::{Cure, Event, Failure, Mcp},
};
use tokio::sync::oneshot;
use tracing::{debug, info};

use super::{Before, Supervisor, life::not_saved};
use crate::{clock, store::SessionRecord};

use iris_domain::snapshot::SessionView;

/// Who waits for the end of a session, and what there was.
pub(super) struct Deleting {
    before: Before,
    reply: oneshot::Sender<Result<Option<Before>, Problem>>,
}

impl Supervisor {
    pub(super) fn reboot(
        &mut self,
        before: oneshot::Sender<Before>,
        ready: oneshot::Sender<Result<SessionView, Problem>>,
    ) {
        if before.send(self.before()).is_err() {
            debug!("who wanted a new conversation is gone");
        }
        self.wakers.push(ready);
        self.step(Event::Reboot);
    }

    pub(super) fn delete(&mut self, reply: oneshot::Sender<Result<Option<Before>, Problem>>) {
        self.closing = true;
        self.deleting = Some(Deleting {
            before: self.before(),
            reply,
        });
        self.step(Event::Delete);
    }

    /// The last thing that it does: who comes after it finds no record.
    pub(super) async fn deleted(&mut self) {
        let Some(Deleting { before, reply }) = self.deleting.take() else {
            return;
        };
        let (from, to) = (self.record.from.clone(), self.record.to.clone());
        info!(team = %to, %from, "the conversation is deleted");
        let deleted = self.deps.store.delete_session(from, to).await;
        if deleted.is_ok() {
            self.forget_transcript().await;
        }
        let answer = deleted.map(|()| Some(before)).map_err(Problem::from);
        if reply.send(answer).is_err() {
            debug!("who deleted a session is gone");
        }
    }

    fn before(&self) -> Before {
        let record = self.previous.as_ref().unwrap_or(&self.record);
        Before {
            session: record.started.then_some(record.id),
            ran: self.agent.is_some(),
        }
    }

    /// A new conversation; the old one is kept, here and in the store, until that is ready.
    pub(super) fn renew(&mut self) {
        let new = SessionRecord {
            id: SessionId(uuid::Uuid::new_v4()),
            started: false,
            created_at: clock::now(),
            ..self.record.clone()
        };
        info!(team = %self.record.to, old = %self.record.id, new = %new.id, "a new conversation begins");
        let old = std::mem::replace(&mut self.record, new);
        self.previous.get_or_insert(old);
        self.cut_short = None;
        self.id.send_replace(self.record.id);
    }

    /// The old conversation is the current one again. Who waits for a place waits for it as that one.
    pub(super) fn restore(&mut self) -> Option<Event> {
        self.record = self.previous.take()?;
        info!(team = %self.record.to, session = %self.record.id, "the old conversation stays");
        self.id.send_replace(self.record.id);
        match self.taking {
            Some(_) => self.take_place(),
            None => None,
        }
    }

    /// A new conversation that is ready takes the old one's place in the store, before anything is
    /// said in it; one that cannot is not ready.
    pub(super) async fn adopted(&mut self, event: Event) -> Event {
        if event != Event::Mcp(Mcp::Connected) || self.previous.is_none() {
            return event;
        }
        match self.deps.store.save_session(self.record.clone()).await {
            Ok(()) => {
                self.previous = None;
                event
            }
            Err(error) => Event::Unusable(Failure {
                problem: not_saved(&error),
                cure: Cure::Human,
            }),
        }
    }
}
