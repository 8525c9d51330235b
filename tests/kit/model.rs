//! A model API on loopback that does what the prompt says, as far as headless Claude Code uses it
//! (measured with 2.1.330: only `POST /v1/messages?beta=true`, streaming).
//!
//! The script is the last text of the last user message, from `FAKE:` on:
//!
//! | prompt | the model |
//! | --- | --- |
//! | `FAKE:bash CMD` | calls Bash |
//! | `FAKE:write PATH TEXT` | calls Write (no spaces in PATH) |
//! | `FAKE:read PATH` | calls Read |
//! | `FAKE:parallel bash A \|\|\| read B` | makes these calls in one turn |
//! | `FAKE:steps` and lines | does what each line says, one after the other |
//! | `FAKE:question Q? \| A \| B` | asks the user with AskUserQuestion |
//! | `FAKE:mcp TOOL JSON` | calls an MCP tool; a bare name means Iris's |
//! | `FAKE:slow N` | streams N words, one every [`SLOW_PACE`] |
//! | anything else | answers `echo: …` |
//!
//! After tool results it answers `done: OK …` or `done: ERROR …`, the results joined by ` ||| `.

mod script;
mod wire;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::network::Inside;

/// Between two words of a `FAKE:slow` answer. A pace, not a wait: the stream ends with its reader.
pub const SLOW_PACE: Duration = Duration::from_millis(50);

/// One call of the model.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the script was read from: the last text, or `tool results`.
    pub prompt: String,
    /// `x-api-key`.
    pub api_key: String,
    /// `X-Claude-Code-Session-Id`.
    pub session: String,
    /// The whole request.
    pub body: Value,
}

/// A running fake model; it ends with its owner.
#[derive(Debug)]
pub struct FakeModel {
    address: SocketAddr,
    requests: Requests,
    server: JoinHandle<()>,
}

type Requests = Arc<Mutex<Vec<Request>>>;

impl FakeModel {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        Self::start_inside(&Inside::default()).await
    }

    /// Starts it on a free port of that computer.
    pub async fn start_inside(inside: &Inside) -> Self {
        let listener = inside.listen().await;
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let requests = Requests::default();
        let app = Router::new()
            .route("/v1/messages", post(messages))
            .route(
                "/v1/messages/count_tokens",
                post(|| async { Json(json!({"input_tokens": 1})) }),
            )
            // A prompt is ~54 KB, and tests send megabytes.
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&requests));
        let server = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("a bound socket serves");
        });
        Self {
            address,
            requests,
            server,
        }
    }

    /// What `ANTHROPIC_BASE_URL` must say.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every call so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The scripts that were asked for so far.
    pub fn prompts(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .map(|request| request.prompt)
            .collect()
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn messages(State(requests): State<Requests>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(e) => return (axum::http::StatusCode::BAD_REQUEST, e.to_string()).into_response(),
    };
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let (prompt, turn) = script::read(&body);
    requests.lock().unwrap().push(Request {
        prompt,
        api_key: header("x-api-key"),
        session: header("x-claude-code-session-id"),
        body: body.clone(),
    });
    if body["stream"] != true {
        return Json(wire::whole(&turn)).into_response();
    }
    let pace = matches!(turn, script::Turn::Slow(_)).then_some(SLOW_PACE);
    let events = stream::iter(wire::events(&turn)).then(move |event| async move {
        if let Some(pace) = pace {
            tokio::time::sleep(pace).await;
        }
        Ok::<_, Infallible>(Bytes::from(event))
    });
    (
        [(CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(events),
    )
        .into_response()
}
