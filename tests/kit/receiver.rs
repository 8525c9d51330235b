//! A receiver of webhooks on loopback, which keeps what is posted.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::eventually;

/// A post.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub body: String,
    /// What it was answered.
    pub status: u16,
}

impl Post {
    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a post is JSON")
    }

    /// A header.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|it| it.to_str().ok());
        value.unwrap_or_default()
    }

    /// Whether it was signed with this secret, as docs/CONFIG.md says.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let signed = format!("{}.{}", self.header("x-iris-timestamp"), self.body);
        let tag = ring::hmac::sign(&key, signed.as_bytes());
        let hex: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.header("x-iris-signature") == format!("sha256={hex}")
    }
}

/// A running receiver; it ends with its owner.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<Received>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Received {
    posts: Vec<Post>,
    answers: VecDeque<u16>,
}

impl Receiver {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<Received>>::default();
        let app = Router::new()
            .route("/hook/secret-path", post(take))
            .with_state(Arc::clone(&state));
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("it serves");
        });
        Self {
            address,
            state,
            server,
        }
    }

    /// What `settings.webhooks[].url` must say.
    pub fn url(&self) -> String {
        format!("http://{}/hook/secret-path", self.address)
    }

    /// Answers the next post with this status, and not 200.
    pub fn answer_next(&self, status: u16) {
        self.state.lock().unwrap().answers.push_back(status);
    }

    /// Every post so far.
    pub fn posts(&self) -> Vec<Post> {
        self.state.lock().unwrap().posts.clone()
    }

    /// Waits for a post of this event that was taken.
    pub async fn taken(&self, event: &str) -> Post {
        eventually(&format!("the event {event} is posted"), async || {
            let mut posts = self.posts().into_iter();
            posts.find(|post| post.status == 200 && post.header("x-iris-event") == event)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(
    State(state): State<Arc<Mutex<Received>>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut received = state.lock().unwrap();
    let status = received.answers.pop_front().unwrap_or(200);
    received.posts.push(Post {
        headers,
        body,
        status,
    });
    let status = StatusCode::from_u16(status).expect("a status");
    status.into_response()
}
