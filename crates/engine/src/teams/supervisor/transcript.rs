//! What is noted of a session.

use std::sync::Arc;

use iris_domain::{
    ids::MessageId,
    request,
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

    /// Notes what the agent said, and shows what it runs.
    pub(super) fn note_said(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        let said = agent.said();
        if said.is_empty() {
            return;
        }
        let conversation = self.conversation();
        let shown = self.doing.clone();
        for said in said {
            self.see_doing(&said.entry);
            let transcripts = &self.deps.transcripts;
            transcripts.note_within(&conversation, said.within, said.entry);
        }
        if self.doing != shown {
            self.publish();
        }
    }

    /// Of several at once, the one that began last.
    fn see_doing(&mut self, entry: &Entry) {
        match entry {
            Entry::ToolCall { call, tool, input } => {
                self.doing = Some((call.clone(), request::in_one_line(tool, input)));
            }
            Entry::ToolResult { call, .. } => {
                self.doing.take_if(|(at_work, _)| at_work == call);
            }
            Entry::TurnEnd { .. } => self.doing = None,
            Entry::Message { .. }
            | Entry::Text { .. }
            | Entry::Thinking { .. }
            | Entry::Decision { .. }
            | Entry::Started { .. }
            | Entry::Interrupted {}
            | Entry::Ended { .. }
            | Entry::HostLost { .. }
            | Entry::Missing { .. } => {}
        }
    }

    /// Notes that the agent got a message.
    pub(super) fn note_message(&self, id: MessageId) {
        if let Some(open) = self.open.get(&id) {
            self.note(Entry::Message {
                message: id,
                text: open.text().to_owned(),
            });
        }
    }

    /// Notes how its process ended.
    pub(super) fn note_end(&mut self, failure: &Failure, host: &str) {
        self.doing = None;
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
