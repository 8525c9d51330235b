//! Messages from their acceptance to their end.

use iris_domain::{
    Problem,
    ids::{MessageId, Party, SessionId, TeamName},
    message::{Message, MessageState},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};
use tokio::sync::oneshot;

use super::{
    Store, StoreError,
    read::{conversion, parse, unsigned},
    writer::{self, Op, Outcome},
};

/// Ended messages that one transaction forgets: some milliseconds.
const FORGOTTEN_AT_ONCE: u32 = 500;

const COLUMNS: &str = "id, from_party, to_team, text, persist, depth, state, session, created_at, \
                       expires_at, delivered_at, settled_at, response, error, parked";

/// A step in a message's life.
#[derive(Debug)]
pub(super) enum Change {
    Accept(Box<Message>),
    /// Whether it waits until its team is woken, and why it could not be delivered.
    Park(MessageId, bool, Option<Problem>),
    Deliver(MessageId, SessionId, Timestamp),
    Settle(
        MessageId,
        MessageState,
        Timestamp,
        Option<String>,
        Option<Problem>,
    ),
    /// Forgets some that ended before this; the outcome is how many.
    Forget(Timestamp),
}

/// A message that had not ended, and whether it waits until its team is woken.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenMessage {
    /// The message.
    pub message: Message,
    /// It waits for a wake.
    pub parked: bool,
}

/// A write that is queued: it comes in its order, whether it is waited for or not.
pub(crate) struct Queued(Result<oneshot::Receiver<Outcome>, StoreError>);

impl Queued {
    /// Returns when it is on disk.
    ///
    /// # Errors
    /// When it is not.
    pub async fn on_disk(self) -> Result<(), StoreError> {
        self.0?.await.map_err(|_| StoreError::Closed)?.map(drop)
    }
}

impl Store {
    /// Accepts a message; returns when it is on disk.
    ///
    /// # Errors
    /// When it is not: it must not be delivered.
    pub async fn accept(&self, message: Message) -> Result<(), StoreError> {
        self.write(Op::Message(Change::Accept(Box::new(message))))
            .await
            .map(drop)
    }

    /// Notes whether a message waits until its team is woken, and why it could not be delivered.
    pub(crate) fn parked(&self, id: MessageId, parked: bool, why: Option<Problem>) -> Queued {
        self.change(Change::Park(id, parked, why))
    }

    /// Notes that a message was written to the agent.
    pub(crate) fn delivered(&self, id: MessageId, session: SessionId, at: Timestamp) -> Queued {
        self.change(Change::Deliver(id, session, at))
    }

    /// Notes how a message ended. The first end holds.
    pub(crate) fn settled(
        &self,
        id: MessageId,
        at: Timestamp,
        (state, response, error): (MessageState, Option<String>, Option<Problem>),
    ) -> Queued {
        self.change(Change::Settle(id, state, at, response, error))
    }

    fn change(&self, change: Change) -> Queued {
        let (reply, outcome) = oneshot::channel();
        let sent = self
            .writer
            .send(writer::Message::Write(Op::Message(change), reply));
        Queued(sent.map(|()| outcome).map_err(|_| StoreError::Closed))
    }

    /// A message.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE id = ?1"))?
                .query_row([id.to_string()], message)
                .optional()
        })
        .await
    }

    /// The messages that have not ended, in their order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn open_messages(&self) -> Result<Vec<OpenMessage>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM message WHERE settled_at IS NULL ORDER BY seq"
            ))?;
            let rows = statement.query_map([], |row| {
                Ok(OpenMessage {
                    message: message(row)?,
                    parked: row.get(14)?,
                })
            })?;
            rows.collect()
        })
        .await
    }

    /// The latest messages, newest first; with `from`, only that sender's, with `to`, only those to that
    /// team.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn messages(
        &self,
        from: Option<Party>,
        to: Option<TeamName>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        self.read(move |connection| {
            // The index is by team: a condition that may not hold would keep it from being used.
            let meant = match to {
                Some(_) => "to_team = ?1",
                None => "?1 IS NULL",
            };
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM message
                 WHERE {meant} AND (?2 IS NULL OR from_party = ?2) ORDER BY seq DESC LIMIT ?3"
            ))?;
            let to = to.as_ref().map(TeamName::as_str);
            let from = from.map(|party| party.to_string());
            let rows = statement.query_map(params![to, from, limit], message)?;
            rows.collect()
        })
        .await
    }

    /// How many messages of each pair are known of.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn message_counts(&self) -> Result<Vec<(Party, TeamName, u64)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT from_party, to_team, count(*) FROM message GROUP BY to_team, from_party",
            )?;
            let rows = statement.query_map([], |row| {
                Ok((parse(row, 0)?, parse(row, 1)?, unsigned(row, 2)?))
            })?;
            rows.collect()
        })
        .await
    }

    /// Forgets the messages that ended before this: some at a time, so that nothing waits long.
    ///
    /// # Errors
    /// When the file cannot be written. What is left goes the next time.
    pub async fn forget_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let gone = self.write(Op::Message(Change::Forget(before))).await?;
            match gone {
                Some(gone) if gone > 0 => all += gone,
                Some(_) | None => return Ok(all),
            }
        }
    }
}

pub(super) fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<Option<u64>> {
    match change {
        Change::Accept(message) => {
            connection
                .prepare_cached(
                    "INSERT INTO message (id, from_party, to_team, text, persist, depth, state, created_at, expires_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    message.id.to_string(),
                    message.from.to_string(),
                    message.to.as_str(),
                    message.text,
                    message.persist,
                    message.depth,
                    message.state.as_str(),
                    message.created_at.to_string(),
                    message.expires_at.map(|at| at.to_string()),
                ])?;
        }
        Change::Park(id, parked, why) => {
            connection
                .prepare_cached(
                    "UPDATE message SET parked = ?2, error = ?3 WHERE id = ?1 AND settled_at IS NULL",
                )?
                .execute(params![id.to_string(), parked, json(why.as_ref())?])?;
        }
        Change::Deliver(id, session, at) => {
            connection
                .prepare_cached(
                    "UPDATE message SET state = ?2, session = ?3, delivered_at = ?4, parked = 0, error = NULL
                     WHERE id = ?1 AND settled_at IS NULL",
                )?
                .execute(params![
                    id.to_string(),
                    MessageState::Delivered.as_str(),
                    session.to_string(),
                    at.to_string()
                ])?;
        }
        Change::Settle(id, state, at, response, error) => {
            connection
                .prepare_cached(
                    "UPDATE message SET state = ?2, settled_at = ?3, response = ?4, error = ?5, parked = 0
                     WHERE id = ?1 AND settled_at IS NULL",
                )?
                .execute(params![
                    id.to_string(),
                    state.as_str(),
                    at.to_string(),
                    response,
                    json(error.as_ref())?
                ])?;
        }
        Change::Forget(before) => {
            let gone = connection
                .prepare_cached(
                    "DELETE FROM message WHERE seq IN
                     (SELECT seq FROM message WHERE settled_at < ?1 ORDER BY settled_at LIMIT ?2)",
                )?
                .execute(params![before.to_string(), FORGOTTEN_AT_ONCE])?;
            return Ok(u64::try_from(gone).ok());
        }
    }
    Ok(None)
}

fn json(problem: Option<&Problem>) -> rusqlite::Result<Option<String>> {
    problem
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let time = |at| -> rusqlite::Result<Option<Timestamp>> {
        let text: Option<String> = row.get(at)?;
        text.map(|text| text.parse())
            .transpose()
            .map_err(|error| conversion(at, Type::Text, error))
    };
    let session: Option<String> = row.get(7)?;
    let error: Option<String> = row.get(13)?;
    Ok(Message {
        id: parse(row, 0)?,
        from: parse(row, 1)?,
        to: parse(row, 2)?,
        text: row.get(3)?,
        persist: row.get(4)?,
        depth: row.get(5)?,
        state: parse(row, 6)?,
        session: session
            .map(|id| id.parse())
            .transpose()
            .map_err(|error| conversion(7, Type::Text, error))?,
        created_at: parse(row, 8)?,
        expires_at: time(9)?,
        delivered_at: time(10)?,
        settled_at: time(11)?,
        response: row.get(12)?,
        error: error
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| conversion(13, Type::Text, error))?,
    })
}
