//! The one place that calls out over the web: to Slack, and to webhooks.
//!
//! TLS with the authorities that the system trusts, or plain on this machine; never a redirect, never a
//! proxy, never more of an answer than is wanted. One connection for each call: there are few.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::future::{Either, select};
use http::{
    HeaderMap, Request, StatusCode,
    header::{CONTENT_LENGTH, HOST, RETRY_AFTER, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use iris_domain::config::{UrlError, safe_url};
use rustls::{ClientConfig, crypto::ring, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// How long one address of a host may take to answer: a second is normal across the world, and another
/// address may be better.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long a call may take in all: what is slower has hung.
const CALL_WAIT: Duration = Duration::from_secs(20);
/// The longest answer that is read: Slack's repeat the message, which has some 15 KiB.
const ANSWER_MAX: usize = 256 * 1024;
/// How Iris calls itself.
const AGENT: &str = concat!("Iris/", env!("CARGO_PKG_VERSION"));

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A client; cheap to clone. It holds the system's authorities, so it lives only while it is needed.
#[derive(Debug, Clone)]
pub(crate) struct Https(Arc<ClientConfig>);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    /// When to come again, if it says so.
    pub retry_after: Option<Duration>,
    pub body: Bytes,
}

/// Why there is no answer. The words name the host at most: a path may be as good as a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpsError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("the host {0} is not known: {1}")]
    Unknown(String, io::Error),
    #[error("{0} does not answer: {1}")]
    Connect(String, io::Error),
    #[error("{0} is on this machine by its name only")]
    NotHere(String),
    #[error("no safe connection to {0}: {1}")]
    Tls(String, io::Error),
    #[error("the system's authorities cannot be used: {0}")]
    Roots(#[from] rustls::Error),
    #[error("the call could not be written: {0}")]
    Write(#[from] http::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the answer is longer than {ANSWER_MAX} bytes")]
    TooLong,
    #[error("the answer could not be read: {0}")]
    Unreadable(Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl Https {
    /// With the authorities that the system trusts. Reads them from the disk.
    pub async fn of_the_system() -> Result<Self, HttpsError> {
        let made = tokio::task::spawn_blocking(|| {
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_platform_verifier()?
                .with_no_client_auth();
            Ok::<_, rustls::Error>(Self::trusting(config))
        });
        match made.await {
            Ok(made) => Ok(made?),
            Err(error) => Err(rustls::Error::General(error.to_string()).into()),
        }
    }

    /// With whom this trusts.
    pub fn trusting(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    /// Posts, and reads the answer.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, HttpsError> {
        let call = Box::pin(self.posted(url, headers, body));
        timeout(CALL_WAIT, call)
            .await
            .unwrap_or(Err(HttpsError::TimedOut(CALL_WAIT)))
    }

    async fn posted(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, HttpsError> {
        let stream = self.connect(url).await?;
        let mut request = Request::post(target(url))
            .header(HOST, authority(url))
            .header(USER_AGENT, AGENT)
            .header(CONTENT_LENGTH, body.len())
            .body(Full::new(body))?;
        request.headers_mut().extend(headers);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let call = std::pin::pin!(async move {
            let answer = sender.send_request(request).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
                Ok(_) => HttpsError::TooLong,
                Err(error) => HttpsError::Unreadable(error),
            })?;
            Ok(Answer {
                status: head.status,
                retry_after: retry_after(&head.headers),
                body: body.to_bytes(),
            })
        });
        match select(call, std::pin::pin!(connection)).await {
            Either::Left((answer, _)) => answer,
            // It has said all; the answer may still be on its way through.
            Either::Right((Ok(()), call)) => call.await,
            Either::Right((Err(error), _)) => Err(error.into()),
        }
    }

    /// A connection to where this address is, for `https` and `wss` with TLS.
    pub async fn connect(&self, url: &Url) -> Result<Box<dyn Stream>, HttpsError> {
        let url = safe_url(url.as_str())?;
        let is_plain = matches!(url.scheme(), "http" | "ws");
        let name = authority(&url);
        let stream = reach(&url, &name).await?;
        if is_plain {
            let peer = stream.peer_addr();
            let here = peer.is_ok_and(|peer| peer.ip().is_loopback());
            return match here {
                true => Ok(Box::new(stream)),
                false => Err(HttpsError::NotHere(name)),
            };
        }
        let server = server_name(&url)?;
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(server, stream);
        let stream = stream.await.map_err(|error| HttpsError::Tls(name, error))?;
        Ok(Box::new(stream))
    }
}

/// The first of a host's addresses that answers.
async fn reach(url: &Url, name: &str) -> Result<TcpStream, HttpsError> {
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => vec![(IpAddr::from(ip), port).into()],
        Some(Host::Ipv6(ip)) => vec![(IpAddr::from(ip), port).into()],
        Some(Host::Domain(host)) => match lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(error) => return Err(HttpsError::Unknown(name.to_owned(), error)),
        },
        None => return Err(UrlError::None.into()),
    };
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match timeout(CONNECT_WAIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(HttpsError::Connect(name.to_owned(), failed))
}

fn server_name(url: &Url) -> Result<ServerName<'static>, HttpsError> {
    let name = match url.host() {
        Some(Host::Ipv4(ip)) => Ok(ServerName::from(IpAddr::from(ip))),
        Some(Host::Ipv6(ip)) => Ok(ServerName::from(IpAddr::from(ip))),
        Some(Host::Domain(host)) => ServerName::try_from(host.to_owned()),
        None => return Err(UrlError::None.into()),
    };
    name.map_err(|_| UrlError::None.into())
}

/// `host`, or `host:port`.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// `Retry-After` in seconds; a date is not understood, and then the caller's own pause holds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::tls::Tls;

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    fn url(text: String) -> Url {
        Url::parse(&text).unwrap()
    }

    async fn answered(answer: &'static [u8], path: &str) -> Result<Answer, HttpsError> {
        let (listener, port) = listener().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            String::from_utf8_lossy(&head[..read]).into_owned()
        };
        let https = Https::of_the_system().await.unwrap();
        let url = url(format!("http://127.0.0.1:{port}{path}"));
        let call = https.post(&url, HeaderMap::new(), Bytes::from_static(b"{}"));
        let (answer, head) = tokio::join!(call, server);
        assert!(
            head.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
            "{head}"
        );
        assert!(
            head.contains(&format!("host: 127.0.0.1:{port}\r\n")),
            "{head}"
        );
        answer
    }

    #[tokio::test]
    async fn an_answer_is_read_and_a_redirect_is_not_followed() {
        let ok = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "/a?b=c");
        let ok = ok.await.unwrap();
        assert_eq!((ok.status.as_u16(), &ok.body[..]), (200, &b"ok"[..]));
        let moved = answered(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "/",
        );
        assert_eq!(moved.await.unwrap().status, 302);
        let busy = answered(
            b"HTTP/1.1 429 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
            "/",
        );
        let busy = busy.await.unwrap();
        assert_eq!(busy.retry_after, Some(Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read() {
        let (listener, port) = listener().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let head = b"HTTP/1.1 200 OK\r\n\r\n";
            stream.write_all(head).await.unwrap();
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        };
        let https = Https::of_the_system().await.unwrap();
        let url = url(format!("http://127.0.0.1:{port}/"));
        let call = https.post(&url, HeaderMap::new(), Bytes::new());
        let (answer, ()) = tokio::join!(call, server);
        assert!(matches!(answer, Err(HttpsError::TooLong)), "{answer:?}");
    }

    #[tokio::test]
    async fn who_shows_no_trusted_certificate_gets_nothing() {
        let home = tempfile::tempdir().unwrap();
        let tls = Tls::load(&crate::home::Home::at(home.path())).unwrap();
        let (listener, port) = listener().await;
        let url = url(format!("https://127.0.0.1:{port}/"));
        let serve = async |expect: bool| {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = tls.acceptor().accept(stream).await;
            let Ok(mut stream) = stream else {
                return;
            };
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            assert_eq!(read > 0, expect, "a stranger is told nothing");
            if expect {
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        };
        let system = Https::of_the_system().await.unwrap();
        let call = system.post(&url, HeaderMap::new(), Bytes::from_static(b"secret"));
        let (refused, ()) = tokio::join!(call, serve(false));
        assert!(matches!(refused, Err(HttpsError::Tls(..))), "{refused:?}");

        let own = Https(tls.client());
        let call = own.post(&url, HeaderMap::new(), Bytes::from_static(b"secret"));
        let (taken, ()) = tokio::join!(call, serve(true));
        assert_eq!(taken.unwrap().status, 204);
    }

    #[tokio::test]
    async fn nothing_is_sent_in_the_clear_to_elsewhere() {
        let https = Https::of_the_system().await.unwrap();
        for address in ["http://192.0.2.1/", "ws://example.org/", "ftp://127.0.0.1/"] {
            let url = url(address.to_owned());
            let refused = https.post(&url, HeaderMap::new(), Bytes::new()).await;
            assert!(matches!(refused, Err(HttpsError::Url(_))), "{refused:?}");
        }
    }
}
