//! An answer that takes its time becomes an event stream at once: signs of life while the call
//! waits, then the answer. Without it not one byte leaves before the tool says something (measured
//! with rmcp 3.9.0), and clients give up: Claude Code after 60 s (measured with 2.1.330).

use std::{convert::Infallible, pin::Pin, time::Duration};

use futures::{StreamExt as _, stream, stream::BoxStream};
use http::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use rmcp::model::ProgressToken;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    calls::Call,
    envelope::{self, Id},
};

/// The body of every answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The call at work. Dropping it cancels it.
pub(super) type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// When a call that is being answered ends without an answer.
pub(super) struct Ends {
    /// The caller's token is revoked.
    pub revoked: CancellationToken,
    /// The client no longer wants the answer.
    pub call: Option<Call>,
}

impl Ends {
    async fn come(&self) {
        match &self.call {
            Some(call) => tokio::select! {
                () = self.revoked.cancelled() => (),
                () = call.cancelled.cancelled() => (),
            },
            None => self.revoked.cancelled().await,
        }
    }
}

/// A whole body.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// What the client of a waiting call hears.
pub(super) struct Signs {
    /// Between two of them.
    pub every: Duration,
    /// The client asked for progress; otherwise it hears comments.
    pub progress: Option<Progress>,
}

/// The progress of a waiting call. How far it is nobody can say: the count only grows.
pub(super) struct Progress {
    /// The client's name for it.
    token: ProgressToken,
    count: u64,
    /// What happens, as it changes.
    doing: Option<BoxStream<'static, String>>,
    /// What was said last.
    said: Option<String>,
    /// No change is told before.
    quiet_until: Instant,
}

/// Between two changes that a client is told: an agent may run hundreds of tools in a second, and
/// people read these.
const CHANGES_EVERY: Duration = Duration::from_millis(500);

impl Progress {
    /// Under the client's name; `doing`: what happens, as it changes, from what is now.
    pub(super) fn new(token: ProgressToken, doing: Option<BoxStream<'static, String>>) -> Self {
        Self {
            token,
            count: 0,
            doing,
            said: None,
            quiet_until: Instant::now(),
        }
    }

    /// Returns when there is something new to tell. Cancellation safe.
    async fn changed(&mut self) {
        tokio::time::sleep_until(self.quiet_until).await;
        let next = match &mut self.doing {
            Some(doing) => doing.next().await,
            None => std::future::pending().await,
        };
        match next {
            Some(text) => {
                self.said = Some(text);
                self.quiet_until = Instant::now() + CHANGES_EVERY;
            }
            // Iris ends, and the call with it.
            None => {
                self.doing = None;
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next notification.
    fn event(&mut self) -> Bytes {
        self.count += 1;
        let mut params = json!({"progressToken": self.token, "progress": self.count});
        if let Some(said) = &self.said {
            params["message"] = Value::from(said.as_str());
        }
        let said = json!({
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": params,
        });
        event(said.to_string().as_bytes())
    }
}

/// Returns when a client that asked for progress is to hear of a change.
async fn changed(progress: &mut Option<Progress>) {
    match progress {
        Some(progress) => progress.changed().await,
        None => std::future::pending().await,
    }
}

/// The quick answer as it is, or a stream that waits for it.
pub(super) async fn answer(
    mut answer: Answer,
    ends: Ends,
    id: Option<Id>,
    quick: Duration,
    signs: Signs,
) -> Response<Body> {
    tokio::select! {
        biased;
        response = &mut answer => response,
        () = ends.come() => event_stream(full(": ended\n\n")),
        () = tokio::time::sleep(quick) => {
            let waiting = Waiting { answer, ends, id, signs };
            event_stream(waiting.events())
        }
    }
}

/// A call whose client has the head of its answer.
struct Waiting {
    answer: Answer,
    ends: Ends,
    id: Option<Id>,
    signs: Signs,
}

impl Waiting {
    /// The events of the answer: a comment at once, so that the head goes out.
    fn events(self) -> Body {
        let first = stream::iter([Ok(Frame::data(COMMENT))]);
        let rest = stream::unfold(Some(self), |waiting| async move { waiting?.next().await });
        StreamBody::new(first.chain(rest)).boxed_unsync()
    }

    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Option<Self>)> {
        tokio::select! {
            biased;
            response = &mut self.answer => {
                Some((Ok(Frame::data(event_of(response, self.id.as_ref()).await)), None))
            }
            () = self.ends.come() => None,
            () = changed(&mut self.signs.progress) => Some((Ok(self.sign()), Some(self))),
            () = tokio::time::sleep(self.signs.every) => Some((Ok(self.sign()), Some(self))),
        }
    }

    fn sign(&mut self) -> Frame<Bytes> {
        Frame::data(match &mut self.signs.progress {
            Some(progress) => progress.event(),
            None => COMMENT,
        })
    }
}

const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");

/// A whole answer as one event. What is not JSON-RPC becomes an error that is.
async fn event_of(response: Response<Body>, id: Option<&Id>) -> Bytes {
    let json = is(&response, "application/json");
    let status = response.status();
    let Ok(body) = response.into_body().collect().await;
    let body = body.to_bytes();
    if json {
        event(&body)
    } else {
        tracing::error!(%status, "the protocol library answered with something else than JSON");
        event(&envelope::error(
            id,
            -32603,
            "Iris could not answer this call",
        ))
    }
}

fn event(message: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(message.len() + 24);
    event.extend_from_slice(b"event: message\ndata: ");
    // A line break would end the event's data. JSON has none inside its texts, and white space
    // between them means nothing.
    event.extend(message.iter().map(|&byte| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            byte
        }
    }));
    event.extend_from_slice(b"\n\n");
    event.into()
}

fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

fn is(response: &Response<Body>, essence: &str) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(essence.as_bytes()))
}
