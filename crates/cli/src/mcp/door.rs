//! The endpoint of the running Iris: found on the private socket, called over HTTP.

use std::{pin::pin, sync::OnceLock};

use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use iris_domain::{Problem, problem::Code};
use iris_engine::control::{Client, Command, StatusReply};
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc};

use super::{events::Events, message::Message, message::unanswered, say};

type Body = Full<Bytes>;
type Connection = http1::Connection<TokioIo<TcpStream>, Body>;

/// The way in.
pub(super) struct Door {
    client: Client,
    /// The version that an `initialize` ended with.
    agreed: OnceLock<HeaderValue>,
}

/// Where it is now, and what opens it.
pub(super) struct Found {
    endpoint: Uri,
    authorization: HeaderValue,
}

/// What `iris headers` prints too.
#[derive(Deserialize)]
struct Headers {
    #[serde(rename = "Authorization")]
    authorization: String,
}

/// What of an answer matters here.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    result: Option<Value>,
}

impl Door {
    pub(super) fn of(client: Client) -> Self {
        Self {
            client,
            agreed: OnceLock::new(),
        }
    }

    /// Asks the running Iris.
    pub(super) async fn find(&self) -> Result<Found, Problem> {
        let client = self.client.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let status: StatusReply = client.ask(&Command::Status {})?;
            let headers: Headers = client.ask(&Command::Headers {})?;
            Ok::<_, Problem>((status.endpoint, headers.authorization))
        });
        let (endpoint, authorization) = asked.await.map_err(|error| unusable(&error))??;
        let mut authorization =
            HeaderValue::try_from(authorization).map_err(|error| unusable(&error))?;
        authorization.set_sensitive(true);
        Ok(Found {
            endpoint: endpoint.parse().map_err(|error| unusable(&error))?,
            authorization,
        })
    }

    /// Posts a message, and says what is answered. Dropping this hangs up, which cancels.
    pub(super) async fn carry(&self, message: Message, out: &mpsc::Sender<Vec<u8>>) {
        let mut answered = false;
        let carried = self.carried(&message, out, &mut answered).await;
        let why = match carried {
            Ok(()) if answered => return,
            Ok(()) => broken(&"the connection ended"),
            Err(problem) => problem,
        };
        match message.id() {
            Some(id) if !answered => say(out, unanswered(id, &why)).await,
            // Nobody waits for an answer.
            _ => tracing::debug!(problem = %why.message, "not carried"),
        }
    }

    async fn carried(
        &self,
        message: &Message,
        out: &mpsc::Sender<Vec<u8>>,
        answered: &mut bool,
    ) -> Result<(), Problem> {
        let found = self.find().await?;
        let (mut sender, connection) = found.connect().await?;
        let request = self.request(&found, message)?;
        let mut call = pin!(async {
            let response = sender.send_request(request).await;
            let response = response.map_err(|error| broken(&error))?;
            self.relay(message, response, out, answered).await
        });
        tokio::select! {
            done = &mut call => done,
            ended = connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "the connection to Iris");
                }
                call.await
            }
        }
    }

    /// What is answered, as it comes.
    async fn relay(
        &self,
        message: &Message,
        response: Response<Incoming>,
        out: &mpsc::Sender<Vec<u8>>,
        answered: &mut bool,
    ) -> Result<(), Problem> {
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).cloned();
        let is = |essence: &str| {
            kind.as_ref()
                .is_some_and(|kind| kind.as_bytes().starts_with(essence.as_bytes()))
        };
        let mut body = response.into_body();
        if is("text/event-stream") {
            let mut events = Events::default();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| broken(&error))?;
                for event in events.take(frame.data_ref().map_or(&[], |data| data)) {
                    *answered |= self.hear(message, &event);
                    say(out, event).await;
                }
            }
            return Ok(());
        }
        let body = body.collect().await.map_err(|error| broken(&error))?;
        let body = body.to_bytes();
        if is("application/json") {
            *answered |= self.hear(message, &body);
            say(out, one_line(&body)).await;
            return Ok(());
        }
        if status == StatusCode::ACCEPTED {
            // Of a notification; a request would still want its answer.
            *answered = message.id().is_none();
            return Ok(());
        }
        Err(Problem::new(
            Code::Internal,
            format!("Iris answered {status}: {}", String::from_utf8_lossy(&body)),
            "Its log in IRIS_HOME/logs says more.",
        ))
    }

    /// Notes what was agreed on; whether this answers the message.
    fn hear(&self, message: &Message, said: &[u8]) -> bool {
        let Ok(answer) = serde_json::from_slice::<Answer>(said) else {
            return false;
        };
        if answer.method.is_some() {
            return false;
        }
        if message.negotiates()
            && let Some(version) = answer
                .result
                .as_ref()
                .and_then(|result| result.get("protocolVersion"))
            && let Some(Ok(version)) = version.as_str().map(HeaderValue::from_str)
        {
            self.agreed.get_or_init(|| version);
        }
        // An error about a message whose id cannot be used has none.
        answer.id.is_none() || answer.id.as_ref() == message.id()
    }

    fn request(&self, found: &Found, message: &Message) -> Result<Request<Body>, Problem> {
        let mut request = Request::post(found.endpoint.path())
            .header(HOST, found.authority()?)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header(AUTHORIZATION, found.authorization.clone())
            .body(Full::new(Bytes::copy_from_slice(message.text())))
            .map_err(|error| unusable(&error))?;
        request
            .headers_mut()
            .extend(message.headers(self.agreed.get()));
        Ok(request)
    }
}

impl Found {
    fn authority(&self) -> Result<&str, Problem> {
        let authority = self
            .endpoint
            .authority()
            .map(|authority| authority.as_str());
        authority.ok_or_else(|| unusable(&"it names no host"))
    }

    async fn connect(&self) -> Result<(SendRequest<Body>, Connection), Problem> {
        let stream = TcpStream::connect(self.authority()?)
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| broken(&error))?;
        let made = http1::handshake(TokioIo::new(stream)).await;
        made.map_err(|error| broken(&error))
    }
}

/// JSON without line breaks, which mean nothing in it.
fn one_line(json: &[u8]) -> Vec<u8> {
    let blank = |&byte: &u8| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            byte
        }
    };
    json.iter().map(blank).collect()
}

fn broken(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Code::Unavailable,
        format!("the running Iris ended before it answered: {why}"),
        "Start it again (`iris serve`, or the desktop app) and repeat the call.",
    )
}

fn unusable(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Code::Internal,
        format!("what the running Iris says of its endpoint cannot be used: {why}"),
        "If `iris` was updated since, restart Iris so that both have the same version.",
    )
}
