//! TLS beside plain HTTP, the remote ends of tunnels, and the proof that one ends here.

use std::{path::PathBuf, time::Duration};

use rustls::ClientConfig;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream},
    sync::mpsc,
};

use super::kit::{Raw, Served, asker, call, read_until, small, soon};
use crate::{
    endpoint::{ProbeFailure, limits::Limits, probe},
    tls::Tls,
};

/// Far more than anything takes.
const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn one_port_speaks_both() {
    let served = Served::start().await;
    for _ in 0..2 {
        let secure = served.send_secure(served.post(call(1, "who"))).await;
        assert_eq!(secure.json()["result"]["content"][0]["text"], "blue");
        let plain = served.send(served.post(call(1, "who"))).await;
        assert_eq!(plain.json()["result"]["content"][0]["text"], "blue");
    }
    let health = Raw::post("/healthz", served.port).line("GET /healthz HTTP/1.1");
    let health = served.send_secure(health).await;
    assert_eq!(health.status, 200, "{health:?}");
    let bare = Raw::post(&served.path(), served.port).body(call(1, "who"));
    let bare = served.send_secure(bare).await;
    assert_eq!(bare.status, 401, "TLS is no token: {bare:?}");
}

#[tokio::test]
async fn a_call_that_waits_works_over_tls_and_ends_with_its_connection() {
    let mut served = Served::start().await;
    let mut stream = served.secure().await;
    let raw = served.post(call(1, "wait")).bytes();
    stream.write_all(&raw).await.unwrap();
    read_until(&mut stream, ": waiting").await;
    served.fate().await;
    drop(stream);
    assert_eq!(served.fate().await, super::kit::Fate::Dropped);

    let mut stream = served.secure().await;
    stream.write_all(&raw).await.unwrap();
    served.fate().await;
    served.release.cancel();
    read_until(&mut stream, "released").await;
}

#[tokio::test]
async fn a_client_of_another_authority_does_not_connect() {
    let served = Served::start().await;
    let stranger = Tls::temporary().unwrap().client();
    let stream = TcpStream::connect(("127.0.0.1", served.port))
        .await
        .unwrap();
    let refused = tokio_rustls::TlsConnector::from(stranger)
        .connect(crate::tls::own_name(), stream)
        .await;
    assert!(refused.is_err(), "it does not know us");
}

#[tokio::test]
async fn whoever_opens_slowly_is_dropped() {
    let served = Served::with(Limits {
        opening: Duration::from_millis(50),
        ..small()
    })
    .await;
    // Nothing; the first bytes of a handshake; and what is neither.
    for begun in [&[][..], &[0x16, 3, 1, 2, 0, 1]] {
        let mut stream = TcpStream::connect(("127.0.0.1", served.port))
            .await
            .unwrap();
        stream.write_all(begun).await.unwrap();
        let mut rest = Vec::new();
        let ended = soon("the end", stream.read_to_end(&mut rest)).await;
        assert!(ended.is_err() || rest.is_empty(), "{begun:?}: {rest:?}");
    }
    let plain = served.send(served.post(call(1, "who"))).await;
    assert_eq!(plain.status, 200, "others are served");
}

#[tokio::test]
async fn opening_connections_do_not_hold_up_the_end() {
    let served = Served::start().await;
    let silent = TcpStream::connect(("127.0.0.1", served.port))
        .await
        .unwrap();
    let mut halfway = TcpStream::connect(("127.0.0.1", served.port))
        .await
        .unwrap();
    halfway.write_all(&[0x16, 3, 1]).await.unwrap();
    // It was accepted after the others.
    served.send(served.post(call(1, "who"))).await;
    served.shutdown.cancel();
    served.tasks.close();
    soon("the end", served.tasks.wait()).await;
    drop(silent);
}

#[tokio::test]
async fn the_remote_port_is_ours_while_the_tunnel_is_open() {
    let mut served = Served::start().await;
    let through = |host: &str| {
        served
            .post(call(1, "who"))
            .without("host")
            .header(&format!("host: {host}"))
    };
    let (host, origin) = ("127.0.0.1:4242", "origin: https://127.0.0.1:4242");
    let (plain, paged) = (through(host), through(host).header(origin));
    let elsewhere = through("evil.example:4242");
    assert_eq!(served.send_secure(plain).await.status, 403);
    assert_eq!(served.row().await.decided_by, "host");
    let guard = served.own_ports.admit(4242);
    assert_eq!(served.send_secure(paged).await.status, 200);
    assert_eq!(served.send_secure(elsewhere).await.status, 403);
    drop(guard);
    let late = served
        .post(call(1, "who"))
        .without("host")
        .header(&format!("host: {host}"));
    assert_eq!(served.send_secure(late).await.status, 403, "it ended");
}

#[tokio::test]
async fn a_nonce_is_good_once_and_only_while_it_is_expected() {
    let mut served = Served::start().await;
    let get =
        |nonce: &str| Raw::post("/", served.port).line(&format!("GET /probe/{nonce} HTTP/1.1"));
    let expected = served.probes.expect();
    let nonce = expected.nonce().expose().to_owned();
    let posted = Raw::post(&format!("/probe/{nonce}"), served.port).body("");
    let (first, second) = (get(&nonce), get(&nonce));
    let (unknown, empty) = (get(&"A".repeat(43)), get(""));
    assert_eq!(served.send(posted).await.status, 404, "GET only");
    let answer = served.send_secure(first).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    soon("it came in", expected.seen()).await;
    for again in [second, unknown, empty] {
        assert_eq!(served.send(again).await.status, 404);
    }
    let forgotten = served.probes.expect();
    let nonce = forgotten.nonce().expose().to_owned();
    drop(forgotten);
    let late = Raw::post("/", served.port).line(&format!("GET /probe/{nonce} HTTP/1.1"));
    assert_eq!(served.send(late).await.status, 404, "nobody waits for it");
    for _ in 0..5 {
        let row = served.row().await;
        assert_eq!(row.decided_by, "probe", "counted as a refusal: {row:?}");
        assert!(!format!("{row:?}").contains(&nonce), "without the nonce");
    }
}

#[tokio::test]
async fn a_token_at_the_wrong_place_counts_against_its_team() {
    let served = Served::start().await;
    let teams = serde_json::json!({ "teams": { "red": { "path": "/", "remote": "me@there" } } });
    let config = serde_json::from_value(teams).unwrap();
    served.config.send(Arc::new(config)).unwrap();
    let token = served.tokens.mint(asker("red"));
    for at in 0..5 {
        let status = served
            .send(
                Raw::post(&served.path(), served.port)
                    .bearer(&token)
                    .body(call(1, "who")),
            )
            .await
            .status;
        assert_eq!(status, 403, "{at}");
    }
    assert!(served.tokens.caller(token.expose()).is_none(), "cut off");
    let cut_off = served.callbacks.cut_off();
    assert!(cut_off.borrow().contains_key(&"red".parse().unwrap()));
}

/// The local end of a forward: what comes in is handled as the test says.
struct Forward {
    socket: PathBuf,
    tasks: tokio_util::task::TaskTracker,
    _dir: tempfile::TempDir,
}

impl Forward {
    fn new<F>(far_end: impl Fn(UnixStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let tasks = tokio_util::task::TaskTracker::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                far_end(stream).await;
            }
        });
        Self {
            socket,
            tasks,
            _dir: dir,
        }
    }

    fn to(port: u16) -> Self {
        Self::new(move |mut stream| async move {
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            copy_bidirectional(&mut stream, &mut far).await.ok();
        })
    }

    async fn probe(&self, served: &Served, at_most: Duration) -> Result<Duration, ProbeFailure> {
        probe(&self.socket, served.tls.client(), &served.probes, at_most).await
    }
}

#[tokio::test]
async fn a_tunnel_that_ends_here_is_verified() {
    let served = Served::start().await;
    let forward = Forward::to(served.port);
    for _ in 0..3 {
        let time = forward.probe(&served, LONG).await.unwrap();
        assert!(!time.is_zero() && time < LONG, "{time:?}");
    }
    assert!(!forward.tasks.is_empty());
}

#[tokio::test]
async fn another_iris_on_the_port_is_a_stranger_and_gets_no_nonce() {
    let (mut other, served) = (Served::start().await, Served::start().await);
    let forward = Forward::to(other.port);
    let failed = forward.probe(&served, LONG).await.unwrap_err();
    assert!(
        matches!(&failed, ProbeFailure::Stranger(why) if why.contains("certificate")),
        "{failed:?}"
    );
    assert!(other.rows.try_recv().is_err(), "no request reached it");
}

#[tokio::test]
async fn our_endpoint_seen_by_another_is_a_stranger_for_it() {
    let served = Served::start().await;
    let foreign: Arc<ClientConfig> = Tls::temporary().unwrap().client();
    let forward = Forward::to(served.port);
    let failed = probe(&forward.socket, foreign, &served.probes, LONG).await;
    assert!(
        matches!(&failed, Err(ProbeFailure::Stranger(_))),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_squatter_sees_a_handshake_and_nothing_else() {
    let served = Served::start().await;
    for said in [
        &b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
        // An alert: it speaks TLS, but not with us.
        &[0x15, 3, 3, 0, 2, 2, 40],
    ] {
        let (heard, mut hear) = mpsc::unbounded_channel();
        let forward = Forward::new(move |mut stream: UnixStream| {
            let heard = heard.clone();
            async move {
                let mut bytes = vec![0; 4096];
                let n = stream.read(&mut bytes).await.unwrap();
                bytes.truncate(n);
                stream.write_all(said).await.unwrap();
                stream.shutdown().await.unwrap();
                stream.read_to_end(&mut bytes).await.ok();
                heard.send(bytes).unwrap();
            }
        });
        let failed = forward.probe(&served, LONG).await.unwrap_err();
        assert!(matches!(failed, ProbeFailure::Stranger(_)), "{failed:?}");
        let heard = soon("what it heard", hear.recv()).await.unwrap();
        assert_eq!(heard[0], 0x16, "a handshake");
        let text = String::from_utf8_lossy(&heard);
        assert!(!text.contains("probe"), "and no request: {text:?}");
    }
}

#[tokio::test]
async fn silence_and_nothing_are_told_apart() {
    let served = Served::start().await;
    let silent = Forward::new(|stream: UnixStream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let limit = Duration::from_millis(50);
    let failed = silent.probe(&served, limit).await.unwrap_err();
    assert_eq!(failed, ProbeFailure::TimedOut(limit));

    let nothing = Forward::new(|stream: UnixStream| async move { drop(stream) });
    let failed = nothing.probe(&served, LONG).await.unwrap_err();
    assert_eq!(failed, ProbeFailure::NothingListens);

    let gone = tempfile::tempdir().unwrap().path().join("s");
    let failed = probe(&gone, served.tls.client(), &served.probes, LONG).await;
    assert!(matches!(failed, Err(ProbeFailure::NoWay(_))), "{failed:?}");
}
