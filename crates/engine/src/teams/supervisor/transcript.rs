//! What is noted of a session.

use std::sync::Arc;

use iris_domain::{
    ids::MessageId,
    session::{Cure, Failure, State},
    transcript::{Conversation, Entry},
};
use tracing::warn;

use super::Supervisor;

impl Supervisor {
    /// Notes what happened in its conversation; never waits.
    pub(super) fn note(&self, entry: Entry) {
        self.deps.transcripts.note(&self.conversation(), entry);
    }

    /// Notes what the agent said.
    pub(super) fn note_said(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        let said = agent.said();
        if said.is_empty() {
            return;
        }
        let conversation = self.conversation();
        for said in said {
            let transcripts = &self.deps.transcripts;
            transcripts.note_within(&conversation, said.within, said.entry);
        }
    }

    /// Notes that the agent got a message.
    pub(super) fn note_message(&self, id: MessageId) {
        if let Some(message) = self.messages.get(&id) {
            self.note(Entry::Message {
                message: id,
                text: message.text.clone(),
            });
        }
    }

    /// Notes how its process ended.
    pub(super) fn note_end(&self, failure: &Failure, host: &str) {
        let wanted = matches!(self.session.state(), State::Stopping(_));
        self.note(if failure.cure == Cure::Link && !wanted {
            Entry::HostLost {
                host: host.to_owned(),
            }
        } else {
            Entry::Ended {
                why: (!wanted).then(|| failure.problem.message.clone()),
            }
        });
    }

    /// What happened in a conversation goes with it.
    pub(super) async fn forget_transcript(&mut self) {
        let session = self.record.id;
        if let Err(error) = self.deps.transcripts.forget(session).await {
            warn!(%session, %error, "the transcript of a deleted conversation stays");
        }
    }

    fn conversation(&self) -> Arc<Conversation> {
        Arc::new(Conversation {
            session: self.record.id,
            from: self.record.from.clone(),
            to: self.record.to.clone(),
        })
    }
}
