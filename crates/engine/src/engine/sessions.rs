//! What a person asks for that concerns a whole conversation, of whatever pair.

use iris_domain::{
    Problem,
    conversation::{Deleted, Forked, Listed, Rebooted},
    decision::Human,
    ids::{MessageId, Party, TeamName},
    message::{LISTED_MAX, Message},
    problem::Code,
    snapshot::TeamState,
};
use serde_json::json;

use super::Engine;
use crate::teams::Asked;

impl Engine {
    /// The conversations, of one team or all: those that are used, and those that rest since an
    /// earlier start.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sessions(&self, team: Option<&TeamName>) -> Result<Vec<Listed>, Problem> {
        let records = self.store.sessions().await?;
        let views = self.teams.watch().borrow().clone();
        let config = self.config.watch().borrow().clone();
        let mut listed: Vec<Listed> = records
            .into_iter()
            // Those of a removed team are listed when it is added again.
            .filter(|record| config.teams.contains_key(&record.to))
            .map(|record| Listed {
                from: record.from,
                to: record.to,
                id: record.id,
                begun: record.started,
                state: TeamState::Asleep,
                pid: None,
                queued: 0,
                last_used: record.last_used_at,
                messages: 0,
                spent: None,
            })
            .collect();
        for (to, view) in views
            .iter()
            .flat_map(|(to, sessions)| sessions.iter().map(move |it| (to, it)))
        {
            let known = listed
                .iter_mut()
                .find(|it| it.to == *to && it.from == view.from);
            let begun = known
                .as_ref()
                .is_some_and(|it| it.begun && it.id == view.id);
            let live = Listed {
                from: view.from.clone(),
                to: to.clone(),
                id: view.id,
                begun,
                state: view.state,
                pid: view.pid,
                queued: view.queued,
                last_used: view.last_activity,
                messages: 0,
                spent: None,
            };
            match known {
                Some(known) => *known = live,
                None => listed.push(live),
            }
        }
        let sums = self.transcripts.sums().borrow().clone();
        let counts = self.store.message_counts().await?;
        for it in &mut listed {
            it.spent = sums.sessions.get(&it.id).copied();
            it.messages = counts
                .iter()
                .find(|(from, to, _)| *from == it.from && *to == it.to)
                .map_or(0, |(_, _, count)| *count);
        }
        listed.retain(|it| team.is_none_or(|team| it.to == *team));
        listed.sort_by_key(|it| (it.to.to_string(), it.from.to_string()));
        Ok(listed)
    }

    /// Opens a copy of a pair's conversation in the user's terminal, as [`crate::teams::Teams::fork`]
    /// does.
    ///
    /// # Errors
    /// When it is not opened.
    pub async fn fork_session(
        &self,
        from: Party,
        to: TeamName,
        human: Human,
    ) -> Result<Forked, Problem> {
        self.teams.fork(Asked::by_human(human), from, to).await
    }

    /// Begins a new conversation for a pair, as [`crate::teams::Teams::reboot`] does.
    ///
    /// # Errors
    /// Why it is not ready; the old one is the current one then.
    pub async fn reboot_session(
        &self,
        from: Party,
        to: TeamName,
        human: Human,
    ) -> Result<Rebooted, Problem> {
        self.teams.reboot(Asked::by_human(human), from, to).await
    }

    /// Deletes the conversation of a pair, as [`crate::teams::Teams::delete`] does.
    ///
    /// # Errors
    /// When it is not deleted.
    pub async fn delete_session(
        &self,
        from: Party,
        to: TeamName,
        human: Human,
    ) -> Result<Deleted, Problem> {
        self.teams.delete(Asked::by_human(human), from, to).await
    }

    /// Ends the process of a pair's conversation. `Ok(false)`: there was none.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub async fn sleep_session(
        &self,
        from: Party,
        to: TeamName,
        human: Human,
    ) -> Result<bool, Problem> {
        let details = json!({ "from": from });
        self.note_operation_with("session.sleep", &to, human, details)
            .await;
        self.teams.sleep(Some(from), to).await
    }

    /// Interrupts the running turn of a pair's conversation. `Ok(false)`: nothing ran.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub async fn interrupt(
        &self,
        from: Party,
        to: TeamName,
        human: Human,
    ) -> Result<bool, Problem> {
        let details = json!({ "from": from });
        self.note_operation_with("team.interrupt", &to, human, details)
            .await;
        self.teams.interrupt(from, to).await
    }

    /// The latest messages, newest first, as they are listed: all, or those of a sender, to a team.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn messages(
        &self,
        from: Option<Party>,
        to: Option<TeamName>,
        limit: u32,
    ) -> Result<Vec<Message>, Problem> {
        let messages = self.teams.messages(from, to, limit.min(LISTED_MAX)).await?;
        Ok(messages.into_iter().map(Message::listed).collect())
    }

    /// Cancels a message, of whatever pair: one that waits is taken back, one that is being answered is
    /// interrupted. `Ok(false)`: it had ended.
    ///
    /// # Errors
    /// `NotFound`: there is no such message; or its team is not there any more.
    pub async fn cancel_message(&self, id: MessageId, human: Human) -> Result<bool, Problem> {
        let Some(message) = self.teams.message(id).await? else {
            return Err(Problem::new(
                Code::NotFound,
                format!("there is no message {id}"),
                "`iris messages` lists the messages with their ids.",
            ));
        };
        let details = json!({ "from": message.from, "message": id });
        self.note_operation_with("message.cancel", &message.to, human, details)
            .await;
        self.teams.cancel(id, message.from, message.to).await
    }
}
