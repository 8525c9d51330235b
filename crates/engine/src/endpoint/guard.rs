//! Who and what may come in. Everything that rmcp 3.9 leaves open is closed here, before it.

use std::sync::Arc;

use http::{
    Method, Request, Response, StatusCode,
    header::{ALLOW, AUTHORIZATION, CONNECTION, CONTENT_TYPE, WWW_AUTHENTICATE},
    request::Parts,
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use prometheus_client::metrics::gauge::Gauge;
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};

use super::{
    callbacks::Callbacks,
    calls::Calls,
    early::{self, Answer, Body, Ends, Signs, full},
    envelope::{self, Envelope, Id},
    gate::{self, OwnNames, PROBE, Refused, Route},
    limits::Limits,
    places::Place,
    plain::{Answers, Plain},
    ports::OwnPorts,
    probe::Probes,
    refusals::Refusals,
};
use crate::{
    metrics::{self, Page},
    tokens::{Admission, Caller, Tokens},
};

/// The gate, the calls that are being answered, and behind them the tools and rmcp.
pub(super) struct Guard<H> {
    own: OwnNames,
    probes: Probes,
    tokens: Tokens,
    callbacks: Callbacks,
    refusals: Refusals,
    page: Page,
    limits: Limits,
    calls: Calls,
    tools: H,
    mcp: StreamableHttpService<H, NeverSessionManager>,
}

/// What the guard knows its callers by.
pub(super) struct Known {
    pub ports: OwnPorts,
    pub probes: Probes,
    pub tokens: Tokens,
    pub callbacks: Callbacks,
    pub refusals: Refusals,
    pub page: Page,
}

/// Why a body could not be had.
enum NoBody {
    TooLarge,
    TooSlow,
    Broken,
}

impl<H: ServerHandler + Answers> Guard<H> {
    /// A guard for the listener on this port, in front of this handler.
    pub(super) fn new(port: u16, known: Known, limits: Limits, handler: H) -> Self {
        let Known {
            ports,
            probes,
            tokens,
            callbacks,
            refusals,
            page,
        } = known;
        // Host, Origin and body were checked when rmcp gets the request; once is enough.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .disable_allowed_hosts()
            .with_max_request_body_bytes(limits.body_bytes);
        let tools = handler.clone();
        let mcp = StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::new(NeverSessionManager::default()),
            config,
        );
        Self {
            own: OwnNames::of(port, ports),
            probes,
            tokens,
            callbacks,
            refusals,
            page,
            limits,
            calls: Calls::default(),
            tools,
            mcp,
        }
    }

    /// The endpoint's connections, to be counted.
    pub(super) fn connections(&self) -> Gauge {
        self.page.metrics().connections()
    }

    /// The answer to a request on the connection with this place.
    pub(super) async fn answer(&self, request: Request<Incoming>, on: &Place) -> Response<Body> {
        let response = self.answer_to(request, on).await;
        self.page.metrics().answered(response.status());
        response
    }

    async fn answer_to(&self, request: Request<Incoming>, on: &Place) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if let Err(refused) = gate::check(&parts, &self.own) {
            return self.refuse(refused, &parts);
        }
        let place = match gate::route(parts.uri.path()) {
            Route::Nowhere => return plain(StatusCode::NOT_FOUND, "not found"),
            Route::Health => return health(&parts.method),
            Route::Probe => return self.probed(&parts),
            Route::Metrics => return self.metrics(&parts),
            Route::Console => None,
            Route::Session(session) => Some(session),
        };
        let Some(presented) = gate::bearer(&parts.headers) else {
            return self.unauthorized("token:missing", &parts);
        };
        let Some(admission) = self.tokens.admit(presented) else {
            return self.unauthorized("token:unknown", &parts);
        };
        if admission.caller.session() != place {
            return self.elsewhere(&admission.caller, &parts);
        }
        on.is_of(admission.caller.party());
        if parts.method != Method::POST {
            return not_allowed("POST");
        }
        if !gate::is_json(&parts.headers) {
            return closing(plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send content-type: application/json",
            ));
        }
        match self.read(body).await {
            Ok(body) => self.message(parts, body, admission).await,
            Err(NoBody::TooLarge) => closing(plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large",
            )),
            Err(NoBody::TooSlow) => {
                closing(plain(StatusCode::REQUEST_TIMEOUT, "the body took too long"))
            }
            Err(NoBody::Broken) => {
                closing(plain(StatusCode::BAD_REQUEST, "the body could not be read"))
            }
        }
    }

    /// Answers a message of a known caller.
    async fn message(&self, mut parts: Parts, body: Bytes, admission: Admission) -> Response<Body> {
        let (id, call, plain) = match Envelope::read(&body) {
            Err(why) => return invalid(None, why.code(), &why.to_string()),
            Ok(message) => {
                let call = match (&*admission.caller, message.tool_call()) {
                    (Caller::Agent(asker), Some(id)) => {
                        Some(self.calls.begin(asker.session, id.clone()))
                    }
                    (Caller::Agent(_) | Caller::Console, _) => None,
                };
                if let (Caller::Agent(asker), Some(id)) = (&*admission.caller, message.cancels()) {
                    self.calls.cancel(asker.session, &id);
                }
                let plain = Plain::of(&parts.headers, &message);
                (message.id, call, plain)
            }
        };
        let Admission { caller, revoked } = admission;
        let signs = Signs {
            every: self.limits.sign_every,
            progress: plain
                .as_ref()
                .and_then(|plain| plain.progress(&self.tools, &caller)),
        };
        let answer: Answer = match plain {
            Some(plain) => {
                // Not needed any more, and a human may take their time; the connection goes on with the
                // buffer that they are parts of.
                drop((parts, body));
                let answer = plain.answer(self.tools.clone(), caller);
                Box::pin(async move { json(StatusCode::OK, answer.await) })
            }
            None => {
                // Nobody behind this line needs the token, so nobody can write it into a log.
                parts.headers.remove(AUTHORIZATION);
                parts.extensions.insert(caller);
                let request = Request::from_parts(parts, Full::new(body));
                let (mcp, id) = (self.mcp.clone(), id.clone());
                Box::pin(async move {
                    let response = mcp.handle(request).await.map(|body| body.boxed_unsync());
                    in_json_rpcs_words(response, id.as_ref())
                })
            }
        };
        early::answer(answer, Ends { revoked, call }, id, self.limits.quick, signs).await
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, NoBody> {
        let max = self.limits.body_bytes;
        // Refused by its stated length, before a byte of it is read.
        if usize::try_from(body.size_hint().lower()).map_or(true, |stated| stated > max) {
            return Err(NoBody::TooLarge);
        }
        let whole = Limited::new(body, max).collect();
        match tokio::time::timeout(self.limits.body, whole).await {
            Err(_) => Err(NoBody::TooSlow),
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(NoBody::TooLarge),
            Ok(Err(_)) => Err(NoBody::Broken),
        }
    }

    /// A nonce that came through a tunnel. It is its own credential: 256 random bits, good once.
    fn probed(&self, parts: &Parts) -> Response<Body> {
        let path = parts.uri.path();
        let nonce = path.strip_prefix(PROBE).unwrap_or_default();
        if parts.method == Method::GET && self.probes.arrived(nonce) {
            let mut response = Response::new(full(Bytes::new()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        self.refusals.stranger(None, "probe", PROBE);
        closing(plain(StatusCode::NOT_FOUND, "not found"))
    }

    /// `/metrics`, for the scraper's token and the console's. An agent's opens its own address only.
    fn metrics(&self, parts: &Parts) -> Response<Body> {
        let Some(presented) = gate::bearer(&parts.headers) else {
            return self.unauthorized("token:missing", parts);
        };
        if !self.tokens.is_scraper(presented) {
            let Some(admission) = self.tokens.admit(presented) else {
                return self.unauthorized("token:unknown", parts);
            };
            if *admission.caller != Caller::Console {
                return self.elsewhere(&admission.caller, parts);
            }
        }
        if parts.method != Method::GET {
            return not_allowed("GET");
        }
        match self.page.text() {
            Ok(text) => answer_of(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => {
                tracing::error!(%error, "the metrics could not be written");
                plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Iris failed; its log says more",
                )
            }
        }
    }

    /// A token that opens another address.
    fn elsewhere(&self, caller: &Caller, parts: &Parts) -> Response<Body> {
        self.refusals
            .stranger(Some(caller), "token:elsewhere", parts.uri.path());
        self.callbacks.failed(caller);
        closing(plain(
            StatusCode::FORBIDDEN,
            "this token is for another address",
        ))
    }

    fn refuse(&self, refused: Refused, parts: &Parts) -> Response<Body> {
        let (status, why) = match refused {
            Refused::Duplicate(_) | Refused::Framing => (StatusCode::BAD_REQUEST, None),
            Refused::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
            Refused::Host => (StatusCode::FORBIDDEN, Some("host")),
            Refused::Origin => (StatusCode::FORBIDDEN, Some("origin")),
        };
        if let Some(why) = why {
            self.refusals.stranger(None, why, parts.uri.path());
        }
        closing(plain(status, &refused.to_string()))
    }

    fn unauthorized(&self, why: &'static str, parts: &Parts) -> Response<Body> {
        self.refusals.stranger(None, why, parts.uri.path());
        let mut response = closing(plain(
            StatusCode::UNAUTHORIZED,
            "a valid token is needed: `iris headers` gives the console's",
        ));
        let bearer = http::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
        response
    }
}

/// `/healthz`: that this is Iris, and which; nothing else.
fn health(method: &Method) -> Response<Body> {
    const SAID: &str = concat!(
        r#"{"name":"iris","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""}"#
    );
    if *method != Method::GET {
        return not_allowed("GET");
    }
    json(StatusCode::OK, SAID)
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, &format!("{method} only"));
    response
        .headers_mut()
        .insert(ALLOW, http::HeaderValue::from_static(method));
    response
}

/// rmcp answers a message of a shape that it does not know with 415 and plain text; the media
/// type was right, so that is a bad request.
fn in_json_rpcs_words(response: Response<Body>, id: Option<&Id>) -> Response<Body> {
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return invalid(id, -32600, "Invalid request: no MCP message has this shape");
    }
    response
}

fn invalid(id: Option<&Id>, code: i32, message: &str) -> Response<Body> {
    json(StatusCode::BAD_REQUEST, envelope::error(id, code, message))
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    answer_of(status, "application/json", body)
}

fn plain(status: StatusCode, body: &str) -> Response<Body> {
    answer_of(status, "text/plain; charset=utf-8", body.to_owned())
}

fn answer_of(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

/// Whoever is refused does not keep its connection: they are counted.
fn closing(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(CONNECTION, http::HeaderValue::from_static("close"));
    response
}
