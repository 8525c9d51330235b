//! A connection of Socket Mode: Slack sends over it what people press.

use std::{ops::ControlFlow, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use iris_domain::{Problem, config::safe_url, problem::Code};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Bytes, Error, Message, protocol::WebSocketConfig},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::api::Api;
use crate::https::Stream;

/// How long until Slack says hello; it takes a second.
const HELLO_WAIT: Duration = Duration::from_secs(20);
/// After so much silence Slack is asked whether it is there. It sends something of its own more often.
const SILENCE: Duration = Duration::from_secs(30);
/// How long it may take to say so: a second across the world.
const PONG_WAIT: Duration = Duration::from_secs(10);
/// What was heard and not looked at yet. Looking takes no time, and people press slowly.
const HEARD_MAX: usize = 64;
/// The longest message: a press carries the message whose button it was, some 15 KiB.
const MESSAGE_MAX: usize = 512 * 1024;

/// A connection that Slack said hello on. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    heard: mpsc::Receiver<Heard>,
    _end: tokio_util::sync::DropGuard,
}

/// What came.
#[derive(Debug)]
pub(super) enum Heard {
    /// Somebody pressed something.
    Pressed(Value),
    /// This connection ends soon.
    Refresh,
    /// Socket Mode was turned off.
    TurnedOff,
    /// This connection is gone.
    Gone(Problem),
}

/// One message of Slack's.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    envelope_id: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    payload: Value,
}

type Web = WebSocketStream<Box<dyn Stream>>;

impl Socket {
    /// Connects to where Slack said, and waits for its hello.
    pub async fn open(api: &Api, url: &str, tasks: &TaskTracker) -> Result<Self, Problem> {
        let web = timeout(HELLO_WAIT, Box::pin(greeted(api, url)));
        let web = web
            .await
            .unwrap_or_else(|_| Err(gone(format!("no hello within {} s", HELLO_WAIT.as_secs()))))?;
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let end = CancellationToken::new();
        let ended = end.clone();
        tasks.spawn(async move {
            ended.run_until_cancelled(listen(web, tell)).await;
        });
        Ok(Self {
            heard,
            _end: end.drop_guard(),
        })
    }

    /// What comes next.
    pub async fn next(&mut self) -> Heard {
        let heard = self.heard.recv().await;
        heard.unwrap_or_else(|| Heard::Gone(gone("it ended")))
    }
}

async fn greeted(api: &Api, url: &str) -> Result<Web, Problem> {
    let address = safe_url(url).map_err(gone)?;
    if !matches!(address.scheme(), "ws" | "wss") {
        return Err(gone("Slack named no address of a web socket"));
    }
    let stream = api.https.connect(&address).await.map_err(gone)?;
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let made = client_async_with_config(url, stream, Some(limits)).await;
    // Its words may hold the address, and that a ticket.
    let (mut web, _) = made.map_err(|error| gone(words(&error)))?;
    loop {
        let Some(message) = web.next().await else {
            return Err(gone("it ended before its hello"));
        };
        let message = message.map_err(|error| gone(words(&error)))?;
        if read(&message).is_some_and(|envelope| envelope.kind == "hello") {
            return Ok(web);
        }
    }
}

/// Takes what comes, says at once that it came, and passes it on; until nobody wants it any more.
async fn listen(mut web: Web, tell: mpsc::Sender<Heard>) {
    let mut asked = false;
    loop {
        let wait = if asked { PONG_WAIT } else { SILENCE };
        let message = match timeout(wait, web.next()).await {
            Ok(message) => message,
            Err(_) if asked => {
                tell_last(&tell, gone("it is silent")).await;
                return;
            }
            Err(_) => {
                asked = true;
                if let Err(error) = web.send(Message::Ping(Bytes::new())).await {
                    tell_last(&tell, gone(words(&error))).await;
                    return;
                }
                continue;
            }
        };
        asked = false;
        let message = match message {
            Some(Ok(Message::Close(_))) | None => {
                tell_last(&tell, gone("Slack closed it")).await;
                return;
            }
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                tell_last(&tell, gone(words(&error))).await;
                return;
            }
        };
        let Some(envelope) = read(&message) else {
            continue;
        };
        if let Some(id) = &envelope.envelope_id {
            let taken = json!({ "envelope_id": id }).to_string();
            if let Err(error) = web.send(Message::text(taken)).await {
                tell_last(&tell, gone(words(&error))).await;
                return;
            }
        }
        if pass_on(envelope, &tell).is_break() {
            return;
        }
    }
}

fn pass_on(envelope: Envelope, tell: &mpsc::Sender<Heard>) -> ControlFlow<()> {
    let heard = match (envelope.kind.as_str(), envelope.reason.as_deref()) {
        ("interactive", _) => Heard::Pressed(envelope.payload),
        ("disconnect", Some("link_disabled")) => Heard::TurnedOff,
        ("disconnect", _) => Heard::Refresh,
        // Nothing else was asked for.
        _ => return ControlFlow::Continue(()),
    };
    match tell.try_send(heard) {
        Ok(()) => ControlFlow::Continue(()),
        Err(mpsc::error::TrySendError::Full(_)) => {
            tracing::warn!("Slack: a press is dropped, because too many came at once.");
            ControlFlow::Continue(())
        }
        Err(mpsc::error::TrySendError::Closed(_)) => ControlFlow::Break(()),
    }
}

async fn tell_last(tell: &mpsc::Sender<Heard>, problem: Problem) {
    if tell.send(Heard::Gone(problem)).await.is_err() {
        tracing::debug!("Slack: nobody waits for the end of the connection.");
    }
}

fn read(message: &Message) -> Option<Envelope> {
    let Message::Text(text) = message else {
        return None;
    };
    match serde_json::from_str(text) {
        Ok(envelope) => Some(envelope),
        Err(error) => {
            tracing::warn!(%error, "Slack: a message cannot be read.");
            None
        }
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::ConnectionClosed | Error::AlreadyClosed => "it is closed".to_owned(),
        Error::Http(answer) => format!("it answered {}", answer.status()),
        Error::Capacity(error) => error.to_string(),
        Error::Protocol(error) => error.to_string(),
        _ => "the web socket does not work".to_owned(),
    }
}

fn gone(why: impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::Network,
        format!("The connection to Slack is not there: {why}."),
        "Iris tries again by itself; look at your network and at Slack's status page if it lasts.",
    )
}
