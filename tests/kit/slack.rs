//! A fake of Slack on loopback: the Web API as far as Iris calls it, and Socket Mode.
//!
//! It keeps the messages of its one workspace, checks tokens, refuses what it is told to, and lets people press
//! buttons. A press is what Slack sends, with the values that the message's buttons have.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

use crate::eventually;

/// The app-level token that it takes.
pub const APP_TOKEN: &str = "xapp-1-fake-2b7c91";
/// The bot's token that it takes.
pub const BOT_TOKEN: &str = "xoxb-fake-93d1e0";
/// The channel that its bot is in.
pub const CHANNEL: &str = "C0FAKE";

/// One call of the Web API.
#[derive(Debug, Clone)]
pub struct Call {
    /// `chat.postMessage`, …
    pub method: String,
    /// What was sent.
    pub body: Value,
}

/// A running fake; it ends with its owner.
#[derive(Debug)]
pub struct FakeSlack {
    api: SocketAddr,
    state: Shared,
    servers: [JoinHandle<()>; 2],
}

type Shared = Arc<Mutex<World>>;

#[derive(Debug)]
struct World {
    socket: SocketAddr,
    calls: Vec<Call>,
    /// By `ts`, as they are now.
    messages: BTreeMap<String, Value>,
    refusals: HashMap<String, VecDeque<Refusal>>,
    bot_token: String,
    connections: Vec<mpsc::UnboundedSender<Sends>>,
    hellos: usize,
    acks: Vec<String>,
    sent: usize,
}

#[derive(Debug)]
enum Sends {
    Text(String),
    Break,
}

#[derive(Debug, Clone)]
enum Refusal {
    Code(&'static str),
    Busy(u32),
    Status(u16),
}

impl FakeSlack {
    /// Starts it on free ports.
    pub async fn start() -> Self {
        let listen = async || {
            let listener = TcpListener::bind("127.0.0.1:0").await;
            listener.expect("a free port")
        };
        let (api_listener, socket_listener) = (listen().await, listen().await);
        let api = api_listener.local_addr().expect("an address");
        let world = World {
            socket: socket_listener.local_addr().expect("an address"),
            calls: Vec::new(),
            messages: BTreeMap::new(),
            refusals: HashMap::new(),
            bot_token: BOT_TOKEN.to_owned(),
            connections: Vec::new(),
            hellos: 0,
            acks: Vec::new(),
            sent: 0,
        };
        let state: Shared = Arc::new(Mutex::new(world));
        let app = Router::new()
            .route("/api/{method}", post(call))
            .with_state(Arc::clone(&state));
        let web = tokio::spawn(async move {
            axum::serve(api_listener, app).await.expect("it serves");
        });
        let shared = Arc::clone(&state);
        let sockets = tokio::spawn(async move {
            while let Ok((stream, _)) = socket_listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self {
            api,
            state,
            servers: [web, sockets],
        }
    }

    /// `settings.slack` for it.
    pub fn settings(&self, approvers: &[&str]) -> Value {
        json!({
            "channel": CHANNEL,
            "approvers": approvers,
            "appToken": "keychain:slack-app",
            "botToken": "keychain:slack-bot",
            "apiUrl": format!("http://{}/api", self.api),
        })
    }

    /// Every call so far.
    pub fn calls(&self, method: &str) -> Vec<Call> {
        let calls = self.world().calls.clone();
        calls
            .into_iter()
            .filter(|call| call.method == method)
            .collect()
    }

    /// The messages as they are now, the oldest first: their `ts`, and what they say.
    pub fn messages(&self) -> Vec<(String, Value)> {
        self.world().messages.clone().into_iter().collect()
    }

    /// Waits for a message that says this; its `ts` and itself.
    pub async fn message(&self, text: &str) -> (String, Value) {
        eventually(
            &format!("a message in Slack that says {text:?}"),
            async || {
                let mut messages = self.messages().into_iter();
                messages.find(|(_, message)| message.to_string().contains(text))
            },
        )
        .await
    }

    /// Waits until one person was told something that says this.
    pub async fn told(&self, user: &str, text: &str) -> Value {
        eventually(&format!("{user} is told {text:?}"), async || {
            let told = self.calls("chat.postEphemeral").into_iter();
            let mut bodies = told.map(|call| call.body);
            bodies.find(|body| body["user"] == user && body.to_string().contains(text))
        })
        .await
    }

    /// Waits for that many connections to have said hello since the start.
    pub async fn hellos(&self, count: usize) {
        eventually(&format!("{count} connections of Socket Mode"), async || {
            (self.world().hellos >= count).then_some(())
        })
        .await;
    }

    /// Somebody presses the button of that label; returns when Iris said that it came.
    pub async fn press(&self, user: &str, label: &str, ts: &str) {
        let message = self.world().messages[ts].clone();
        let buttons = message["blocks"].as_array().into_iter().flatten();
        let buttons = buttons.flat_map(|block| block["elements"].as_array().into_iter().flatten());
        let mut buttons = buttons.filter(|element| element["type"] == "button");
        let button = buttons
            .find(|button| button["text"]["text"] == label)
            .unwrap_or_else(|| panic!("no button {label}: {message:#}"));
        self.press_with(user, &button["action_id"], &button["value"], ts)
            .await;
    }

    /// A press of whatever button.
    pub async fn press_with(&self, user: &str, action: &Value, value: &Value, ts: &str) {
        let id = {
            let mut world = self.world();
            world.sent += 1;
            format!("envelope-{}", world.sent)
        };
        self.send(&json!({
            "type": "interactive",
            "envelope_id": id,
            "accepts_response_payload": false,
            "payload": {
                "type": "block_actions",
                "user": { "id": user, "username": format!("name-of-{user}"), "team_id": "T1" },
                "container": { "type": "message", "message_ts": ts, "channel_id": CHANNEL },
                "channel": { "id": CHANNEL },
                "actions": [{
                    "type": "button", "block_id": "iris", "action_id": action, "value": value,
                }],
            },
        }));
        eventually("the press is acknowledged", async || {
            self.world().acks.contains(&id).then_some(())
        })
        .await;
    }

    /// Tells Iris to make another connection.
    pub fn refresh(&self) {
        self.send(&json!({ "type": "disconnect", "reason": "refresh_requested" }));
    }

    /// Breaks every connection.
    pub fn break_connections(&self) {
        for connection in self.world().connections.drain(..) {
            // One that has ended is broken already.
            let _gone = connection.send(Sends::Break);
        }
    }

    /// The next call of this method is refused with this code.
    pub fn refuse(&self, method: &str, code: &'static str) {
        self.refuse_with(method, Refusal::Code(code));
    }

    /// The next call of this method is too many: come again after so many seconds.
    pub fn busy(&self, method: &str, seconds: u32) {
        self.refuse_with(method, Refusal::Busy(seconds));
    }

    /// The next call of this method fails with this status.
    pub fn fail(&self, method: &str, status: u16) {
        self.refuse_with(method, Refusal::Status(status));
    }

    /// From now on the bot has another token.
    pub fn rotate(&self, token: &str) {
        self.world().bot_token = token.to_owned();
    }

    fn refuse_with(&self, method: &str, refusal: Refusal) {
        let mut world = self.world();
        let refusals = world.refusals.entry(method.to_owned()).or_default();
        refusals.push_back(refusal);
    }

    /// Over the newest connection, as Slack prefers.
    fn send(&self, text: &Value) {
        let world = self.world();
        let connection = world.connections.last().expect("Iris is connected");
        connection
            .send(Sends::Text(text.to_string()))
            .expect("the connection stands");
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.state.lock().unwrap()
    }
}

impl Drop for FakeSlack {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn call(
    State(state): State<Shared>,
    Path(method): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut world = state.lock().unwrap();
    world.calls.push(Call {
        method: method.clone(),
        body: body.clone(),
    });
    let wanted = match method.as_str() {
        "apps.connections.open" => APP_TOKEN.to_owned(),
        _ => world.bot_token.clone(),
    };
    let token = headers.get("authorization").and_then(|it| it.to_str().ok());
    let no = |code: &str| Json(json!({ "ok": false, "error": code })).into_response();
    if token != Some(&format!("Bearer {wanted}")) {
        return no("invalid_auth");
    }
    let refusal = world
        .refusals
        .get_mut(&method)
        .and_then(VecDeque::pop_front);
    match refusal {
        Some(Refusal::Code(code)) => return no(code),
        Some(Refusal::Busy(seconds)) => {
            let after = [("retry-after", seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, after).into_response();
        }
        Some(Refusal::Status(status)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            return status.into_response();
        }
        None => {}
    }
    if method.starts_with("chat.") && body["channel"] != CHANNEL {
        return no("channel_not_found");
    }
    match method.as_str() {
        "auth.test" => Json(json!({ "ok": true })).into_response(),
        "apps.connections.open" => {
            let url = format!("ws://{}/link/?ticket=1", world.socket);
            Json(json!({ "ok": true, "url": url })).into_response()
        }
        "chat.postMessage" => {
            world.sent += 1;
            let ts = format!("1700000000.{:06}", world.sent);
            world.messages.insert(ts.clone(), body);
            Json(json!({ "ok": true, "channel": CHANNEL, "ts": ts })).into_response()
        }
        "chat.update" => {
            let ts = body["ts"].as_str().unwrap_or_default().to_owned();
            if !world.messages.contains_key(&ts) {
                return no("message_not_found");
            }
            world.messages.insert(ts.clone(), body);
            Json(json!({ "ok": true, "channel": CHANNEL, "ts": ts })).into_response()
        }
        "chat.postEphemeral" => Json(json!({ "ok": true, "message_ts": "1" })).into_response(),
        _ => no("unknown_method"),
    }
}

async fn converse(stream: TcpStream, state: Shared) {
    let Ok(web) = accept_async(stream).await else {
        return;
    };
    let (mut out, mut heard) = web.split();
    let (sends, mut to_send) = mpsc::unbounded_channel();
    let hello = json!({ "type": "hello", "num_connections": 1 });
    if out.send(Message::text(hello.to_string())).await.is_err() {
        return;
    }
    {
        let mut world = state.lock().unwrap();
        world.connections.push(sends);
        world.hellos += 1;
    }
    loop {
        tokio::select! {
            send = to_send.recv() => match send {
                Some(Sends::Text(text)) => if out.send(Message::text(text)).await.is_err() {
                    return;
                },
                // Without a word, as a network breaks.
                Some(Sends::Break) | None => return,
            },
            message = heard.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let ack: Value = serde_json::from_str(&text).unwrap_or_default();
                    if let Some(id) = ack["envelope_id"].as_str() {
                        state.lock().unwrap().acks.push(id.to_owned());
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}
