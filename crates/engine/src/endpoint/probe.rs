//! The proof that a tunnel ends here: a nonce that only this process knows goes out through the
//! link and must come back in at our own listener, over TLS that only we can speak.

use std::{
    io,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, StatusCode, header::CONNECTION, header::HOST};
use http_body_util::Empty;
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use iris_domain::display;
use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::{net::UnixStream, sync::oneshot, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::gate::PROBE;
use crate::{secrets::Secret, tls};

/// What of a stranger's words is repeated, characters.
const WORDS_MAX: usize = 160;

/// The nonces that are on their way; cheap to clone.
#[derive(Debug, Clone)]
pub struct Probes {
    port: u16,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

/// Only the hash is kept, as with tokens: comparing it tells nothing about the nonce.
#[derive(Debug)]
struct Waiting {
    hash: [u8; 32],
    seen: oneshot::Sender<()>,
}

/// A nonce that is expected; no longer, once this is dropped.
#[derive(Debug)]
pub struct Expected {
    probes: Probes,
    nonce: Secret,
    hash: [u8; 32],
    seen: oneshot::Receiver<()>,
}

/// Why a tunnel was not verified. What needs no more to be said about a stranger than that one is
/// there is a `Stranger`; none of them was sent the nonce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFailure {
    /// The local end of the way there does not take a connection: the link is gone.
    #[error("the way through the link is gone: {0}")]
    NoWay(String),
    /// Nothing is on the remote port, or it hangs up without a word.
    #[error("nothing answers on the remote port")]
    NothingListens,
    /// Somebody else is.
    #[error("another program answers on the remote port: it {0}")]
    Stranger(String),
    /// No answer in time.
    #[error("no answer from the remote port in {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The host was to send it, and could not; why, in its own words.
    #[error("the host cannot send to the remote port: {0}")]
    NotSent(String),
    /// The host forwards nothing to the remote port, and has no program that could send to it.
    #[error("the host lets nobody through to the remote port")]
    Barred,
    /// We answered, but not as we do.
    #[error("the endpoint did not take the nonce: {0}")]
    NotTaken(String),
}

impl Probes {
    /// For the listener on this port.
    pub fn of_port(port: u16) -> Self {
        Self {
            port,
            waiting: Arc::default(),
        }
    }

    /// A new nonce, expected while the result lives.
    pub fn expect(&self) -> Expected {
        let nonce = Secret::random();
        let hash = digest(nonce.expose());
        let (sender, seen) = oneshot::channel();
        self.lock().push(Waiting { hash, seen: sender });
        Expected {
            probes: self.clone(),
            nonce,
            hash,
            seen,
        }
    }

    /// Whether this nonce was expected; it is not any more.
    pub(super) fn arrived(&self, nonce: &str) -> bool {
        let hash = digest(nonce);
        let mut waiting = self.lock();
        let found = waiting
            .iter()
            .position(|waiting| waiting.hash.ct_eq(&hash).into());
        // A receiver that is gone expects nothing.
        found.is_some_and(|at| waiting.swap_remove(at).seen.send(()).is_ok())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expected {
    /// The nonce.
    pub fn nonce(&self) -> &Secret {
        &self.nonce
    }

    /// Returns when the nonce came in.
    pub async fn seen(mut self) {
        if (&mut self.seen).await.is_err() {
            // Forgotten without having come: it never will.
            std::future::pending().await
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.probes.lock().retain(|it| it.hash != self.hash);
    }
}

fn digest(nonce: &str) -> [u8; 32] {
    Sha256::digest(nonce.as_bytes()).into()
}

/// Sends a nonce through this socket, the local end of a forward to the remote end of the tunnel,
/// and waits until it came in here. Returns the time that took, without the handshakes.
///
/// Whoever answers must first prove by TLS that they are us; nothing is sent to anybody else.
///
/// # Errors
/// Why the tunnel is not verified.
pub async fn probe(
    socket: &Path,
    tls: Arc<ClientConfig>,
    probes: &Probes,
    at_most: Duration,
) -> Result<Duration, ProbeFailure> {
    tokio::time::timeout(at_most, Box::pin(through(socket, tls, probes)))
        .await
        .unwrap_or(Err(ProbeFailure::TimedOut(at_most)))
}

async fn through(
    socket: &Path,
    tls: Arc<ClientConfig>,
    probes: &Probes,
) -> Result<Duration, ProbeFailure> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| ProbeFailure::NoWay(error.to_string()))?;
    let stream = TlsConnector::from(tls)
        .connect(tls::own_name(), stream)
        .await
        .map_err(|error| who(&error))?;
    let expected = probes.expect();
    let request = request(probes.port, expected.nonce())
        .map_err(|error| ProbeFailure::NotTaken(error.to_string()))?;
    let started = Instant::now();
    let status = send(stream, request)
        .await
        .map_err(|error| ProbeFailure::NotTaken(error.to_string()))?;
    if status != StatusCode::NO_CONTENT {
        return Err(ProbeFailure::NotTaken(format!("it answered {status}")));
    }
    // It has our certificate and says that it took the nonce: true only if the nonce is here.
    expected.seen().await;
    Ok(started.elapsed())
}

/// The nonce, to us whatever the remote port is.
fn request(port: u16, nonce: &Secret) -> Result<Request<Empty<Bytes>>, http::Error> {
    Request::get(format!("{PROBE}{}", nonce.expose()))
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(CONNECTION, "close")
        .body(Empty::new())
}

async fn send(
    stream: TlsStream<UnixStream>,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    Ok(answer?.status())
}

/// Who answered, from how the handshake failed.
fn who(error: &io::Error) -> ProbeFailure {
    use rustls::Error as Tls;
    let Some(inner) = error.get_ref().and_then(|it| it.downcast_ref::<Tls>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => ProbeFailure::NothingListens,
            _ => ProbeFailure::NoWay(error.to_string()),
        };
    };
    // The stranger's own words may be among these.
    let words = display::one_line(&inner.to_string(), WORDS_MAX);
    ProbeFailure::Stranger(match inner {
        Tls::InvalidCertificate(_) => {
            format!("shows a certificate that is not this Iris's ({words})")
        }
        Tls::InvalidMessage(_)
        | Tls::InappropriateMessage { .. }
        | Tls::InappropriateHandshakeMessage { .. } => "speaks something else than TLS".to_owned(),
        _ => format!("does not speak TLS as this Iris does ({words})"),
    })
}
