//! The messages of a session: delivered in order, settled on disk, or waiting for better times.

use std::time::Duration;

use iris_domain::{
    Problem,
    config::Team,
    ids::{MessageId, SessionId},
    message::{self, Message},
    problem::Code,
    session::{Event, QUEUE_MAX, Settled, TurnEnd, queue_full},
};
use tokio::{sync::oneshot, time::Instant};
use tracing::{debug, info, warn};

use super::Supervisor;
use crate::{
    claude, clock,
    store::Queued,
    teams::{
        TeamsDeps,
        messages::{HowFar, Told},
    },
};

/// When a message is tried again that waits because every agent that may run was at work.
const TRY_AGAIN: Duration = Duration::from_secs(15);
/// How long at most the clock is not looked at for messages whose time is over: a computer that
/// slept does not count that time.
const LOOK: Duration = Duration::from_secs(600);

/// A message that has not ended.
#[derive(Debug)]
pub(super) struct Open {
    message: Box<Message>,
    /// The sender, while it waits.
    reply: Option<oneshot::Sender<Told>>,
    /// It was written to an agent in this run.
    written: bool,
    /// An earlier Iris had accepted it, and may have given it to the agent.
    earlier: bool,
    /// How often the agent had taken it before.
    taken: u32,
    /// It waits until its team can take it, in the order in which it came.
    parked: Option<u64>,
}

/// Told to the agent with a message that it had taken before.
const TAKEN_BEFORE: &str = "[Iris: you had this message before, and Iris ended before your answer arrived. Permission requests that waited were withdrawn. What you did is done: see how things are, do nothing twice, and answer it now.]";

impl Open {
    /// It reached an agent, in this run or in an earlier one: its time to be delivered does not matter any
    /// more, even if it has to be written again.
    fn was_delivered(&self) -> bool {
        self.written || self.message.delivered_at.is_some()
    }

    /// The id by which the agent knows it.
    fn given_as(&self) -> MessageId {
        message::given_as(self.message.id, self.taken)
    }

    /// What is said.
    pub(super) fn text(&self) -> &str {
        &self.message.text
    }
}

impl Supervisor {
    /// Takes a message; `parked`: an earlier Iris found that its team must be woken first.
    pub(super) fn take(
        &mut self,
        message: Box<Message>,
        parked: bool,
        reply: Option<oneshot::Sender<Told>>,
    ) {
        let id = message.id;
        let fresh = reply.is_some();
        let expires = message.expires_at.is_some();
        let elsewhere = message.session.is_some_and(|at| at != self.record.id);
        let open = Open {
            message,
            reply,
            written: false,
            earlier: !fresh,
            taken: 0,
            parked: None,
        };
        self.open.insert(id, open);
        if elsewhere {
            // It was begun in a conversation that is over: it cannot be known how far it got.
            return self.end(id, Settled::Failed(begun_elsewhere()));
        }
        if expires {
            self.look_for_expired();
        }
        if parked {
            let place = self.next_place();
            if let Some(open) = self.open.get_mut(&id) {
                open.parked = Some(place);
            }
            return;
        }
        // What an earlier Iris accepted is not refused now.
        if fresh && self.session.queued() + self.parked() >= QUEUE_MAX {
            return self.end(id, Settled::Failed(queue_full()));
        }
        // What came before it goes before it.
        self.try_again();
        self.step(Event::Message(id));
    }

    /// How far a message is.
    pub(super) fn how_far(&self, id: MessageId) -> HowFar {
        if self.session.is_held() && self.session.is_queued(id) {
            return HowFar::Frozen;
        }
        match &self.agent {
            Some(agent) if self.session.running() == Some(id) => HowFar::Said(agent.so_far()),
            Some(_) | None => HowFar::Waits,
        }
    }

    fn next_place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    /// Ends what waited for better times: there are none.
    pub(super) fn end_parked(&mut self, why: &Problem) {
        let parked = self.open.iter().filter(|(_, open)| open.parked.is_some());
        let ids: Vec<MessageId> = parked.map(|(id, _)| *id).collect();
        for id in ids {
            self.end(id, Settled::Failed(why.clone()));
        }
    }

    /// How many wait for better times.
    pub(super) fn parked(&self) -> usize {
        let open = self.open.values();
        open.filter(|open| open.parked.is_some()).count()
    }

    /// Lets what waited for better times wait for its turn.
    pub(super) fn try_again(&mut self) {
        for event in self.unpark() {
            self.step(event);
        }
    }

    /// What waited for better times waits for its turn now.
    pub(super) fn unpark(&mut self) -> Vec<Event> {
        self.try_again_at = None;
        let parked = self.open.iter_mut().filter_map(|(id, open)| {
            let place = open.parked.take()?;
            Some((place, *id))
        });
        let mut parked: Vec<(u64, MessageId)> = parked.collect();
        parked.sort_unstable();
        let ids = parked.into_iter().map(|(_, id)| id);
        ids.map(|id| {
            self.write_down(id, self.deps.store.parked(id, false, None));
            Event::Message(id)
        })
        .collect()
    }

    /// Writes a message to the agent.
    pub(super) fn deliver(&mut self, id: MessageId) {
        let (Some(agent), Some(open)) = (&mut self.agent, self.open.get_mut(&id)) else {
            return;
        };
        let session = self.record.id;
        let again = (open.taken > 0).then(|| TAKEN_BEFORE.to_owned());
        let (given_as, text) = (open.given_as(), &open.message.text);
        match self.cut_short.take().or(again) {
            Some(note) => agent.deliver(given_as, &format!("{note}\n\n{text}")),
            None => agent.deliver(given_as, text),
        }
        agent.slot.busy();
        open.written = true;
        let depth = open.message.depth;
        self.circling.with(|flow| flow.begins(session, id, depth));
        self.write_down(id, self.deps.store.delivered(id, session, clock::now()));
    }

    /// The id by which the agent knows the message that it answers.
    pub(super) fn running_as(&self) -> Option<MessageId> {
        let id = self.session.running()?;
        Some(self.open.get(&id).map_or(id, Open::given_as))
    }

    /// The agent had taken the message when an Iris ended, and does not take it again. If it had
    /// answered, its own record has the answer; if not, or if that cannot be known, it is asked to go
    /// on.
    pub(super) async fn taken_before(&mut self) -> Option<Event> {
        let id = self.session.running()?;
        let open = self.open.get(&id)?;
        let given_as = open.given_as();
        let answer = match (open.earlier, self.started_with.clone()) {
            (true, Some(team)) => recorded(&self.deps, team, self.record.id, given_as).await,
            (true, None) => None,
            // A turn without a word.
            (false, _) => Some(String::new()),
        };
        if let Some(answer) = answer {
            info!(message = %id, "the agent had answered before Iris ended");
            return Some(Event::TurnEnded(TurnEnd::Answer(answer)));
        }
        info!(message = %id, "the agent is asked to go on with a message that it was cut short in");
        self.open.get_mut(&id)?.taken += 1;
        self.deliver(id);
        None
    }

    /// A message ended so; or it waits, if it is one that does.
    pub(super) fn settle(&mut self, id: MessageId, settled: Settled) {
        let Some(open) = self.open.get(&id) else {
            return;
        };
        if let Settled::Failed(why) = &settled
            && open.message.persist
            && !open.written
            && open.message.session.is_none_or(|at| at == self.record.id)
            && self.deleting.is_none()
            && self.configured().is_some()
        {
            return self.park(id, why.clone());
        }
        self.end(id, settled);
    }

    fn end(&mut self, id: MessageId, settled: Settled) {
        let Some(open) = self.open.remove(&id) else {
            return;
        };
        let session = self.record.id;
        self.circling.with(|flow| flow.ended(session, id));
        let end = message::settled(settled.clone());
        let kept = self.deps.store.settled(id, clock::now(), end);
        let (ends, reply) = (self.ends.clone(), open.reply);
        self.deps.tasks.spawn(async move {
            // On disk first: what the sender is told is still so after a crash.
            if let Err(error) = kept.on_disk().await {
                warn!(%error, message = %id, "how a message ended cannot be kept");
            }
            ends.ended(id);
            if reply.is_some_and(|reply| reply.send(Told::Settled(session, settled)).is_err()) {
                debug!(message = %id, "the sender did not wait for the end of the message");
            }
        });
    }

    /// It waits for better times; its sender is told.
    fn park(&mut self, id: MessageId, why: Problem) {
        let place = self.next_place();
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.parked = Some(place);
        if let Some(reply) = open.reply.take()
            && reply.send(Told::Waits(waits(&why))).is_err()
        {
            debug!(message = %id, "the sender did not wait");
        }
        // One that waits only for room, or for the next Iris, goes on without a wake.
        let goes_on = why.code == Code::Busy || self.closing;
        if why.code == Code::Busy {
            self.try_again_at = Some(Instant::now() + TRY_AGAIN);
        }
        self.write_down(id, self.deps.store.parked(id, !goes_on, Some(why)));
    }

    /// Takes a message back, or interrupts its turn; says whether there was something to end.
    pub(super) fn cancel(&mut self, id: MessageId) -> bool {
        match self.open.get(&id) {
            None => return false,
            Some(open) if open.parked.is_some() => self.settle(id, Settled::Cancelled),
            Some(_) if self.session.running() == Some(id) => self.step(Event::Interrupt),
            Some(_) => self.step(Event::Drop(id, Settled::Cancelled)),
        }
        true
    }

    /// Ends what waited for too long, and says when to look again.
    pub(super) fn look_for_expired(&mut self) {
        let now = clock::now();
        let over: Vec<(MessageId, bool)> = self
            .open
            .iter()
            .filter(|(_, open)| !open.was_delivered() && open.message.is_expired(now))
            .map(|(id, open)| (*id, open.parked.is_some()))
            .collect();
        for (id, parked) in over {
            if parked {
                self.settle(id, Settled::Expired);
            } else {
                self.step(Event::Drop(id, Settled::Expired));
            }
        }
        let waiting = self.open.values().filter(|open| !open.was_delivered());
        let next = waiting.filter_map(|open| open.message.expires_at).min();
        self.expired_at = next.map(|next| {
            let left = next.duration_since(now);
            Instant::now() + Duration::try_from(left).unwrap_or_default().min(LOOK)
        });
    }

    fn write_down(&self, id: MessageId, queued: Queued) {
        self.deps.tasks.spawn(async move {
            if let Err(error) = queued.on_disk().await {
                warn!(%error, message = %id, "how far a message is cannot be kept");
            }
        });
    }
}

/// What Claude Code's own record says was the answer to what was given under this id; of another host
/// it is not read.
async fn recorded(
    deps: &TeamsDeps,
    team: Team,
    session: SessionId,
    given_as: MessageId,
) -> Option<String> {
    if team.remote.is_some() {
        return None;
    }
    let dir = match deps.records(&team).await {
        Ok(dir) => dir?,
        Err(problem) => {
            warn!(%problem, %session, "the record of Claude Code is not found");
            return None;
        }
    };
    let read = tokio::task::spawn_blocking(move || claude::answer(&dir, session, given_as));
    match read.await.map_err(std::io::Error::other).flatten() {
        Ok(answer) => answer,
        Err(error) => {
            warn!(%error, %session, "the record of Claude Code cannot be read");
            None
        }
    }
}

fn waits(why: &Problem) -> Problem {
    Problem::new(
        why.code,
        format!(
            "The message waits until the team can take it: {}",
            why.message
        ),
        "Do not send it again; ask for its answer later with `message_status`.",
    )
}

fn begun_elsewhere() -> Problem {
    Problem::new(
        Code::Agent,
        "The message was begun in a conversation that is over; what it asks for may be partly done.",
        "See how things are, and send it again if it still holds.",
    )
}
