//! An answer that takes its time becomes an event stream at once: comments while the call waits,
//! then rmcp's answer. Without it not one byte leaves before the tool says something (measured
//! with rmcp 3.9.0), and clients give up: Claude Code after 60 s (measured with 2.1.330).

use std::{convert::Infallible, pin::Pin, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use http::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use tokio_util::sync::CancellationToken;

use super::{
    calls::Call,
    envelope::{self, Id},
};

/// The body of every answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// rmcp at work. Dropping it cancels the tool call.
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

/// The quick answer as it is, or a stream that waits for it.
pub(super) async fn answer(
    mut answer: Answer,
    ends: Ends,
    id: Option<Id>,
    quick: Duration,
    comment_every: Duration,
) -> Response<Body> {
    tokio::select! {
        biased;
        response = &mut answer => {
            if !is(&response, "text/event-stream") {
                return response;
            }
            // A stream goes on for long: its token may be revoked and its call cancelled, too.
            let (parts, body) = response.into_parts();
            let events = State::Answering(body);
            Response::from_parts(parts, events_of(events, ends, id, comment_every))
        }
        () = ends.come() => event_stream(full(": ended\n\n")),
        () = tokio::time::sleep(quick) => {
            event_stream(events_of(State::Waiting(answer), ends, id, comment_every))
        }
    }
}

enum State {
    Waiting(Answer),
    Answering(Body),
}

/// The events of an answer: a comment at once, so that the head goes out.
fn events_of(state: State, ends: Ends, id: Option<Id>, comment_every: Duration) -> Body {
    let first = match &state {
        State::Waiting(_) => Some(Ok(Frame::data(Bytes::from_static(b": waiting\n\n")))),
        State::Answering(_) => None,
    };
    let rest = stream::unfold(Some((state, ends, id)), move |live| {
        next(live, comment_every)
    });
    StreamBody::new(stream::iter(first).chain(sendable(rest))).boxed_unsync()
}

/// Names the item type once.
fn sendable<S>(stream: S) -> S
where
    S: Stream<Item = Result<Frame<Bytes>, Infallible>> + Send,
{
    stream
}

type Live = Option<(State, Ends, Option<Id>)>;

async fn next(
    live: Live,
    comment_every: Duration,
) -> Option<(Result<Frame<Bytes>, Infallible>, Live)> {
    let (mut state, ends, id) = live?;
    loop {
        state = match state {
            State::Waiting(mut answer) => {
                let response = tokio::select! {
                    biased;
                    response = &mut answer => response,
                    () = ends.come() => return None,
                    () = tokio::time::sleep(comment_every) => {
                        let comment = Frame::data(Bytes::from_static(b": waiting\n\n"));
                        return Some((Ok(comment), Some((State::Waiting(answer), ends, id))));
                    }
                };
                if !is(&response, "text/event-stream") {
                    return Some((Ok(Frame::data(event(response, id.as_ref()).await)), None));
                }
                State::Answering(response.into_body())
            }
            State::Answering(mut body) => {
                let frame = tokio::select! {
                    biased;
                    frame = body.frame() => frame?,
                    () = ends.come() => return None,
                };
                return Some((frame, Some((State::Answering(body), ends, id))));
            }
        };
    }
}

/// A whole answer as one event. What is not JSON-RPC becomes an error that is.
async fn event(response: Response<Body>, id: Option<&Id>) -> Bytes {
    let json = is(&response, "application/json");
    let status = response.status();
    let Ok(body) = response.into_body().collect().await;
    let body = body.to_bytes();
    let message = if json {
        body
    } else {
        tracing::error!(%status, "the protocol library answered with something else than JSON");
        envelope::error(id, -32603, "Iris could not answer this call").into()
    };
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
