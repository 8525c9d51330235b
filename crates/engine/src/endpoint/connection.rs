//! The accept loop: TCP_NODELAY, bounds on heads and connections, orderly end.

use std::{pin::pin, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::ServerHandler;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    guard::Guard,
    limits::Limits,
    places::{Place, Places},
    plain::Answers,
};

/// Before the next `accept` after one failed: the usual reason (no file descriptor left) passes
/// only when something else ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The first byte of TLS (a handshake record). No HTTP method begins with it.
const TLS: u8 = 0x16;

/// Accepts connections until shutdown. Whoever comes is let in.
pub(super) async fn accept<H: ServerHandler + Answers>(
    listener: TcpListener,
    guard: Guard<H>,
    tls: TlsAcceptor,
    limits: Limits,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    let guard = Arc::new(guard);
    let places = Places::new(limits.connections, guard.connections());
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the MCP endpoint could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without it every event stream's answer waits about 40 ms for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        // Who gives a place ends at once.
        let Some(place) = places.take().await.map(Arc::new) else {
            return;
        };
        let (guard, tls, shutdown) = (Arc::clone(&guard), tls.clone(), shutdown.clone());
        tasks.spawn(async move {
            let dismissed = place.dismissed.clone();
            tokio::select! {
                () = dismissed.cancelled() => {}
                () = open(stream, guard, place, tls, limits, shutdown) => {}
            }
        });
    }
}

/// Looks at the first byte: a TLS handshake, or HTTP as it is.
async fn open<H: ServerHandler + Answers>(
    stream: TcpStream,
    guard: Arc<Guard<H>>,
    place: Arc<Place>,
    tls: TlsAcceptor,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let deadline = Instant::now() + limits.opening;
    let mut first = [0];
    let seen = tokio::select! {
        seen = timeout_at(deadline, stream.peek(&mut first)) => seen,
        () = shutdown.cancelled() => return,
    };
    match (seen, first) {
        // Silent for too long, gone, or ended without a word.
        (Err(_) | Ok(Err(_) | Ok(0)), _) => {}
        (Ok(Ok(_)), [TLS]) => {
            let secured = tokio::select! {
                secured = timeout_at(deadline, Box::pin(tls.accept(stream))) => secured,
                () = shutdown.cancelled() => return,
            };
            match secured {
                Ok(Ok(stream)) => Box::pin(converse(stream, guard, place, limits, shutdown)).await,
                // Who does not trust us: a client without our authority, which says so itself.
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
        (Ok(Ok(_)), _) => converse(stream, guard, place, limits, shutdown).await,
    }
}

/// Serves one connection to its end, with or without TLS in front.
async fn converse<H: ServerHandler + Answers>(
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    guard: Arc<Guard<H>>,
    place: Arc<Place>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (guard, place) = (Arc::clone(&guard), Arc::clone(&place));
        async move { Ok::<_, std::convert::Infallible>(guard.answer(request, &place).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.grace, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        // Ordinary: the client hung up, or was idle for too long.
        tracing::debug!(%error, "a connection to the MCP endpoint ended");
    }
}
