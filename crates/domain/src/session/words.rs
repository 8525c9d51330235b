//! What may happen to a session, and what is to be done about it.

use std::time::Duration;

use crate::{Problem, ids::MessageId};

/// What would mend a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// Trying again may help.
    Retry,
    /// Only a human can mend it.
    Human,
    /// A place for its process must become free first: not its own fault.
    Room,
    /// The link to its host was lost: it goes on when the link is back. Not its own fault.
    Link,
    /// The connection had no place for its session; the next one has. Counted, because a host could
    /// say so for ever, but who waits for the start goes on waiting.
    Seat,
    /// The conversation to resume does not exist: begin a new one.
    NewConversation,
    /// The conversation to create exists already: resume it.
    ResumeConversation,
}

/// Why a process did not start, ended, or is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In the user's words.
    pub problem: Problem,
    /// What would mend it.
    pub cure: Cure,
}

/// How far a starting process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waking {
    /// It waits for a place and, on another host, for the link. No limit: a link is tried for as
    /// long as the team is to run.
    Reaching,
    /// It was spawned; it has not answered yet.
    Starting,
    /// It answered `initialize`; its connection to Iris is not up yet.
    Connecting {
        /// Whether the one reconnect was spent.
        reconnected: bool,
    },
}

/// Why a running turn is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Someone interrupted it.
    Asked,
    /// It was silent for too long.
    Silent,
}

/// What follows when a stopping process is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Asleep,
    /// It is started again: someone wanted it meanwhile.
    Wake,
    /// It is started again after a pause.
    Retry(Failure),
    /// Nothing, and the user is told why.
    Trouble(Failure),
}

/// Where a session is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No process.
    Asleep,
    /// A process is starting.
    Waking(Waking),
    /// Ready, nothing to do.
    Idle,
    /// A turn is running.
    Working {
        /// The message that is being answered.
        message: MessageId,
        /// Set when the turn is being ended early.
        ending: Option<Ending>,
    },
    /// The process is being ended.
    Stopping(Then),
    /// It ended unexpectedly and is started again soon.
    BackingOff,
    /// It does not work; the next wake or message tries once more.
    Trouble,
}

/// What the supervisor may be timing; one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// `settings.spawnTimeout`: until ready.
    Spawn,
    /// `settings.responseTimeout`: silence in a turn. While an approval waits, silence is fine.
    Silence,
    /// Until an interrupted turn ends.
    Interrupt,
    /// `idleTimeout`: until an idle process is put to sleep.
    Idle,
    /// Until the next attempt.
    BackOff(Duration),
}

/// The state of the agent's connection to Iris, as the agent sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mcp {
    /// It is being made.
    Pending,
    /// It works.
    Connected,
    /// It does not, and why.
    Failed(String),
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnEnd {
    /// With an answer.
    Answer(String),
    /// With an error.
    Error(Problem),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Someone wants it ready.
    Wake,
    /// A message was accepted for it.
    Message(MessageId),
    /// Someone wants the running turn to end.
    Interrupt,
    /// Someone wants its process to end.
    Sleep,
    /// Someone wants a new conversation; the old one is current until the new one is ready.
    Reboot,
    /// Someone wants the conversation gone, with all that waits for it.
    Delete,
    /// Its place is wanted for another session: it may go if it has nothing to do.
    Evict,
    /// Its team is frozen: messages wait, nothing is started and no time passes. Why, for who asks.
    Held(Problem),
    /// It is not frozen any more: it goes on from there.
    Released,
    /// Its process is to be ended and started anew, for this reason; what waits goes on waiting.
    Restart(Problem),
    /// The link to its host does not come up at once; it is tried on.
    Unreached(Problem),
    /// The team is configured to be somewhere else than where it is being started.
    Moved,
    /// Its process runs.
    Spawned,
    /// The process answered `initialize`.
    Initialized,
    /// The process answered `initialize`, but cannot work.
    Unusable(Failure),
    /// The agent said how its connection to Iris is.
    Mcp(Mcp),
    /// The agent tried to reconnect; whether it worked is asked next.
    Reconnected,
    /// The agent wrote something.
    Output,
    /// The turn of the running message ended.
    TurnEnded(TurnEnd),
    /// The process is gone, or never came to be.
    Exited {
        /// Why, should it be unexpected.
        failure: Failure,
        /// How long it ran.
        lived: Duration,
    },
    /// The armed timer ran out.
    TimedOut(Timer),
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// With the agent's answer.
    Answered(String),
    /// Someone interrupted it.
    Cancelled,
    /// It will not be answered.
    Failed(Problem),
}

/// What the supervisor has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start the process where the team is now; `Spawned` or `Exited` follows.
    Spawn,
    /// Write the `initialize` request.
    Initialize,
    /// Ask for the connection's state, after this pause.
    AskMcp(Duration),
    /// Have the agent connect to Iris again.
    ReconnectMcp,
    /// Write this message to the agent.
    Deliver(MessageId),
    /// Write the `interrupt` request.
    Interrupt,
    /// Withdraw the session's waiting approvals.
    Withdraw(&'static str),
    /// End the process; `Exited` follows.
    Stop,
    /// Start timing; what was timed before is not any more.
    Arm(Timer),
    /// Time nothing.
    Disarm,
    /// Tell those who wait for it that it is ready.
    Ready,
    /// Tell those who wait for it that it is not, and why.
    NotReady(Problem),
    /// Tell the sender how the message ended.
    Settle(MessageId, Settled),
    /// An eviction was refused: it has work.
    Stay,
    /// Use a new conversation from the next start on.
    NewConversation,
    /// Resume the conversation from the next start on.
    ResumeConversation,
    /// Use a new conversation from the next start on, and keep the old one until that is ready.
    Renew,
    /// The new conversation did not become ready: the old one is the current one again.
    Restore,
}
