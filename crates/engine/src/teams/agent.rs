//! A live agent: its process, and the conversation with it on its stdin and stdout.

mod asking;
mod far;
mod text;

use std::collections::HashMap;

use iris_domain::{
    Problem,
    ids::MessageId,
    problem::Code,
    request::{Asker, Circumstances, ToolRequest},
    session::{Cure, Event, Failure, Mcp, TurnEnd},
    transcript::Entry,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::{TeamsDeps, halter::Attended, slots::Slot};
use crate::{
    claude::{self, MessageState, Refused, Said, TurnResult},
    endpoint::Callbacks,
    process::{Ended, Output, Process},
    secrets::Secret,
};
use asking::Asking;
pub(super) use far::Far;
use text::Text;

/// What was asked over the control channel.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Initialize,
    McpStatus,
    McpReconnect,
    Interrupt,
}

/// What came of an output.
pub(super) enum Heard {
    /// Something for the lifecycle.
    Event(Event),
    /// The conversation is on disk.
    Started,
    /// The agent took the message before, and says nothing more of it.
    TakenBefore,
    /// The process is gone.
    Ended(Ended),
    /// Nothing to act on.
    Nothing,
}

/// A live agent.
#[derive(Debug)]
pub(super) struct Agent {
    process: Process,
    output: mpsc::Receiver<Output>,
    /// What it proves itself with; worth nothing when it is gone.
    pub token: Secret,
    /// Its place.
    pub slot: Slot,
    asked: HashMap<String, Asked>,
    next: u64,
    /// Its requests for permission, when it asks on its control channel.
    asking: Option<Asking>,
    /// How many of those it may make.
    bound: Option<(Callbacks, Asker)>,
    /// Stops it and lets it go on.
    attended: Option<Attended>,
    /// Its host, where that is another one.
    pub far: Option<Far>,
    /// What the agent wrote in the running turn.
    text: Text,
    /// What of its output is kept, and was not taken yet.
    said: Vec<Said>,
    /// What its turns cost up to now, US dollars.
    cost: f64,
}

impl Agent {
    pub fn new(
        process: Process,
        output: mpsc::Receiver<Output>,
        token: Secret,
        slot: Slot,
    ) -> Self {
        Self {
            process,
            output,
            token,
            slot,
            asked: HashMap::new(),
            next: 0,
            asking: None,
            bound: None,
            attended: None,
            far: None,
            text: Text::default(),
            said: Vec::new(),
            cost: 0.0,
        }
    }

    /// What of its output is kept and was not taken yet.
    pub fn said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// It has no way to Iris, and asks for permission on its control channel
    /// (`--permission-prompt-tool stdio`). Dropping the agent withdraws what it asks.
    pub fn asks_on_its_channel(mut self, deps: &TeamsDeps, asker: Asker) -> Self {
        self.bound = Some((deps.callbacks.clone(), asker.clone()));
        self.asking = Some(Asking::new(deps.approvals.clone(), asker));
        self
    }

    /// What it wrote in the running turn up to now.
    pub fn so_far(&self) -> String {
        self.text.answer()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn started(&self) -> Option<u64> {
        self.process.started()
    }

    pub fn stop(&self) {
        self.process.stop();
    }

    /// Stands still while its team is frozen.
    pub fn attended(mut self, by: Attended) -> Self {
        self.attended = Some(by);
        self
    }

    /// It may ask for nothing more, on whatever way.
    pub fn cut_off(&mut self) {
        self.asking = None;
        self.bound = None;
        if let Some(far) = &mut self.far {
            far.cut_off();
        }
    }

    pub fn initialize(&mut self) {
        self.ask(Asked::Initialize, claude::initialize);
    }

    pub fn interrupt(&mut self) {
        self.ask(Asked::Interrupt, claude::interrupt);
    }

    pub fn mcp_status(&mut self) {
        self.ask(Asked::McpStatus, claude::mcp_status);
    }

    pub fn mcp_reconnect(&mut self) {
        self.ask(Asked::McpReconnect, claude::mcp_reconnect);
    }

    pub fn deliver(&mut self, id: MessageId, text: &str) {
        self.text = Text::default();
        self.write(&claude::user_message(id, text));
    }

    fn ask(&mut self, what: Asked, line: impl Fn(&str) -> String) {
        self.next += 1;
        let id = format!("iris-{}", self.next);
        self.write(&line(&id));
        self.asked.insert(id, what);
    }

    /// A process that takes no input is ending, and its end is heard next; or it hangs, and the
    /// timer of the state ends it.
    fn write(&self, line: &str) {
        if let Err(error) = self.process.write_line(line) {
            warn!(pid = self.pid(), %error, "a line was not delivered");
        }
    }

    /// The next output; answers what was decided meanwhile. Cancellation safe.
    pub async fn next(&mut self) -> Output {
        let output = loop {
            tokio::select! {
                output = self.output.recv() => break output,
                (id, decision) = asking::decided(&mut self.asking) => {
                    let answer = claude::permission_answer(&decision);
                    self.write(&claude::answer_permission(&id, &answer));
                }
            }
        };
        match output {
            Some(output) => output,
            // The task that owns the process died with the runtime.
            None => Output::Ended(Ended {
                status: None,
                stderr: Vec::new(),
                lived: std::time::Duration::ZERO,
            }),
        }
    }

    /// What an output means, while `running` is being answered.
    pub fn hear(&mut self, output: Output, running: Option<MessageId>) -> Heard {
        let line = match output {
            Output::Line(line) => line,
            Output::TooLong(bytes) => {
                warn!(
                    pid = self.pid(),
                    bytes, "the agent wrote a line that is too long; dropped"
                );
                return Heard::Nothing;
            }
            Output::Ended(ended) => return Heard::Ended(ended),
        };
        if let Some(far) = &mut self.far
            && far.hear(&line)
        {
            return Heard::Nothing;
        }
        let decoded = claude::decode(&line).map(|(event, said)| {
            self.keep(said);
            event
        });
        match decoded {
            Some(claude::Event::Control { id, answer }) => match self.asked.remove(&id) {
                Some(asked) => self.answered(asked, answer),
                None => Heard::Nothing,
            },
            Some(claude::Event::Request { id, subtype }) => {
                debug!(
                    pid = self.pid(),
                    subtype, "the agent asked on its control channel"
                );
                self.write(&claude::answer_request(&id, &subtype));
                Heard::Nothing
            }
            Some(claude::Event::Permission { id, request }) => {
                self.permission(id, request);
                Heard::Nothing
            }
            Some(claude::Event::Cancelled { id }) => {
                if let Some(asking) = &mut self.asking {
                    asking.withdraw(&id);
                }
                Heard::Nothing
            }
            Some(claude::Event::Message(id, state)) => self.message(id, state, running),
            Some(claude::Event::Text(text)) => {
                // What it writes for itself, in a turn of its own, answers nobody.
                if running.is_some() {
                    self.text.push(&text);
                }
                Heard::Nothing
            }
            Some(claude::Event::Result(result)) => self.result(result, running),
            Some(claude::Event::Other) => Heard::Nothing,
            None => {
                debug!(
                    pid = self.pid(),
                    bytes = line.len(),
                    "noise on the agent's stdout"
                );
                Heard::Nothing
            }
        }
    }

    /// Keeps what is said; of a turn's cost, what this one added.
    fn keep(&mut self, said: Vec<Said>) {
        for mut said in said {
            if let Entry::TurnEnd { cost_usd, .. } = &mut said.entry {
                let all = std::mem::replace(&mut self.cost, *cost_usd);
                // It never falls; a process that counts anew is taken at its word.
                if *cost_usd >= all {
                    *cost_usd -= all;
                }
            }
            self.said.push(said);
        }
    }

    /// Puts a request for permission before the approvals. What cannot be is denied: the agent would
    /// wait for ever.
    fn permission(
        &mut self,
        id: String,
        request: Result<(ToolRequest, Circumstances), claude::Unreadable>,
    ) {
        if let Some((callbacks, asker)) = &self.bound
            && let Err(refused) = callbacks.ask(asker)
        {
            return self.deny(&id, &refused.in_one_text());
        }
        let denied = match &mut self.asking {
            Some(asking) => match asking.ask(id.clone(), request) {
                Ok(()) => return,
                Err(full) => full.to_string(),
            },
            None => {
                "Iris takes no permission request of this agent on its control channel.".to_owned()
            }
        };
        warn!(
            pid = self.pid(),
            denied, "a request on the control channel was not put to anybody"
        );
        self.deny(&id, &denied);
    }

    fn deny(&self, id: &str, why: &str) {
        let answer = json!({ "behavior": "deny", "message": why });
        self.write(&claude::answer_permission(id, &answer));
    }

    fn answered(&self, asked: Asked, answer: Result<Value, Refused>) -> Heard {
        Heard::Event(match (asked, answer) {
            (Asked::Initialize, Ok(answer)) if claude::is_signed_out(&answer) => {
                Event::Unusable(claude::not_signed_in())
            }
            (Asked::Initialize, Ok(_)) => Event::Initialized,
            (Asked::Initialize, Err(error)) => Event::Unusable(Failure {
                problem: Problem::new(
                    Code::Agent,
                    format!("Claude Code refused to start work: {error}."),
                    "Run `claude update`, or set `claudePath` to a newer one.",
                ),
                cure: Cure::Human,
            }),
            // It has nothing to connect to; what it asks comes on this very channel.
            (Asked::McpStatus, _) if self.asking.is_some() => Event::Mcp(Mcp::Connected),
            (Asked::McpStatus, Ok(answer)) => Event::Mcp(claude::mcp_state(&answer)),
            (Asked::McpStatus, Err(error)) => {
                Event::Mcp(Mcp::Failed(format!("it does not say: {error}")))
            }
            (Asked::McpReconnect, answer) => {
                if let Err(error) = answer {
                    debug!(pid = self.pid(), %error, "the agent could not reconnect");
                }
                Event::Reconnected
            }
            (Asked::Interrupt, answer) => {
                if let Err(error) = answer {
                    warn!(
                        pid = self.pid(),
                        %error, "the agent did not take the interrupt"
                    );
                }
                return Heard::Nothing;
            }
        })
    }

    fn message(&self, id: MessageId, state: MessageState, running: Option<MessageId>) -> Heard {
        match state {
            MessageState::Queued => Heard::Nothing,
            MessageState::Started => Heard::Started,
            // Usually the result came before; a message that was folded into a turn of the agent's
            // own has no result of its own.
            MessageState::Completed if running == Some(id) => match self.text.answer() {
                nothing if nothing.is_empty() => Heard::TakenBefore,
                text => Heard::Event(Event::TurnEnded(TurnEnd::Answer(text))),
            },
            MessageState::Cancelled if running == Some(id) => Heard::Event(Event::TurnEnded(
                TurnEnd::Error(claude::turn_problem("Claude Code dropped the message")),
            )),
            MessageState::Completed | MessageState::Cancelled => Heard::Nothing,
        }
    }

    fn result(&self, result: TurnResult, running: Option<MessageId>) -> Heard {
        // A result that answers nobody is the end of a background task's turn; an error that names
        // nobody ended whatever ran.
        let ours = running.is_some_and(|id| {
            result.messages.contains(&id) || (result.messages.is_empty() && result.is_error)
        });
        if !ours {
            debug!(pid = self.pid(), "a turn of the agent's own ended");
            return Heard::Nothing;
        }
        Heard::Event(Event::TurnEnded(if result.is_error {
            TurnEnd::Error(claude::turn_problem(&result.text))
        } else if result.text.is_empty() {
            TurnEnd::Answer(self.text.answer())
        } else {
            TurnEnd::Answer(result.text)
        }))
    }
}
