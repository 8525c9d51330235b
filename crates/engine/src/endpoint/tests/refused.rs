//! What does not come in, and what is written down about it.

use iris_domain::audit::Kind;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::kit::{Answer, Fate, Raw, Served, asker, call, read_until, small, soon};
use crate::{endpoint::limits::Limits, secrets::Secret};

#[tokio::test]
async fn without_a_token_or_with_a_wrong_one_nothing_is_said() {
    let mut served = Served::start().await;
    let bare = served
        .send(Raw::post(&served.path(), served.port).body(call(1, "who")))
        .await;
    assert_eq!(bare.status, 401, "no token: {bare:?}");
    assert!(
        bare.has_header("www-authenticate: bearer"),
        "it says what is missing: {bare:?}"
    );
    let row = served.row().await;
    assert_eq!(
        (row.kind, row.decided_by.as_str()),
        (Kind::Auth, "token:missing")
    );
    assert_eq!(row.caller, "unknown", "nobody is believed without a token");

    let wrong = Raw::post(&served.path(), served.port)
        .bearer(&Secret::new("A".repeat(43)))
        .body(call(1, "who"));
    assert_eq!(served.send(wrong).await.status, 401, "a guessed token");
    let row = served.row().await;
    assert_eq!(row.decided_by, "token:unknown");
    assert!(
        !format!("{row:?}").contains("AAAA"),
        "the guess is not written down: {row:?}"
    );
}

#[tokio::test]
async fn a_token_opens_its_own_address_only() {
    let mut served = Served::start().await;
    let other = asker("red");
    let other_token = served.tokens.mint(other.clone());
    let console = served.tokens.console();
    for (path, token) in [
        (served.path(), other_token),
        (format!("/mcp/{}", other.session), served.token.clone()),
        ("/mcp".to_owned(), served.token.clone()),
        (served.path(), console.clone()),
    ] {
        let raw = Raw::post(&path, served.port)
            .bearer(&token)
            .body(call(1, "who"));
        assert_eq!(served.send(raw).await.status, 403, "{path}");
        assert_eq!(served.row().await.decided_by, "token:elsewhere", "{path}");
    }
    let own = served.send(served.post(call(1, "who"))).await;
    assert_eq!(
        own.json()["result"]["content"][0]["text"],
        "blue",
        "its own works: {own:?}"
    );
    let raw = Raw::post("/mcp", served.port)
        .bearer(&console)
        .body(call(1, "who"));
    assert_eq!(
        served.send(raw).await.json()["result"]["content"][0]["text"],
        "console"
    );
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let served = Served::start().await;
    served.tokens.revoke(&served.token);
    assert_eq!(served.send(served.post(call(1, "who"))).await.status, 401);
}

#[tokio::test]
async fn pages_from_elsewhere_and_ambiguous_heads_are_refused() {
    let mut served = Served::start().await;
    let port = served.port;
    let good = || served.post(call(1, "who"));
    let path = served.path();
    for (raw, status) in [
        (good().without("host").header("host: evil.example"), 403),
        (
            good()
                .without("host")
                .header(&format!("host: evil.example:{port}")),
            403,
        ),
        (good().without("host"), 403),
        (good().header("origin: https://evil.example"), 403),
        (good().header("origin: null"), 403),
        (
            good().header(&format!("origin: http://127.0.0.1:{port}")),
            200,
        ),
        (good().header(&format!("host: 127.0.0.1:{port}")), 400),
        (good().header("host: evil.example"), 400),
        (
            good()
                .header("origin: https://evil.example")
                .header("origin: null"),
            400,
        ),
        (good().header("authorization: Bearer x"), 400),
        (good().header("content-length: 1"), 400),
        (good().header("transfer-encoding: chunked"), 400),
        (
            good().line(&format!("POST http://evil.example{path} HTTP/1.1")),
            403,
        ),
        (
            good().line(&format!("POST http://127.0.0.1:{port}{path} HTTP/1.1")),
            200,
        ),
        (
            good()
                .without("content-type")
                .header("content-type: text/plain"),
            415,
        ),
        (good().header("content-encoding: gzip"), 415),
        (good().line(&format!("GET {path} HTTP/1.1")), 405),
        (good().line(&format!("DELETE {path} HTTP/1.1")), 405),
        (
            good().line("GET /.well-known/oauth-protected-resource HTTP/1.1"),
            404,
        ),
        (
            good().line("GET /.well-known/oauth-authorization-server/mcp HTTP/1.1"),
            404,
        ),
        (good().line(&format!("POST {path}/x HTTP/1.1")), 404),
        (good().line("POST /mcp/../mcp HTTP/1.1"), 404),
    ] {
        let shown = String::from_utf8_lossy(&raw.bytes()).into_owned();
        let answer = served.send(raw).await;
        assert_eq!(answer.status, status, "{shown}\n{answer:?}");
    }
    let whys: Vec<_> = std::iter::from_fn(|| served.rows.try_recv().ok())
        .map(|row| row.decided_by)
        .collect();
    assert_eq!(
        whys,
        ["host", "host", "host", "origin", "origin", "host"],
        "what is an attack is written down"
    );
}

#[tokio::test]
async fn healthz_says_what_this_is_and_nothing_else() {
    let served = Served::start().await;
    let raw = || Raw::post("", served.port).line("GET /healthz HTTP/1.1");
    let answer = served.send(raw()).await;
    assert_eq!(answer.status, 200);
    let expected = serde_json::json!({ "name": "iris", "version": env!("CARGO_PKG_VERSION") });
    assert_eq!(answer.json(), expected);
    let foreign = raw().without("host").header("host: evil.example");
    assert_eq!(
        served.send(foreign).await.status,
        403,
        "pages from elsewhere learn nothing"
    );
}

#[tokio::test]
async fn bad_messages_get_json_rpc_errors() {
    let served = Served::start().await;
    for (body, code) in [
        (&b"{"[..], -32700),
        (b"", -32700),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc3\x28\"}",
            -32700,
        ),
        (
            b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            -32600,
        ),
        (b"[]", -32600),
        (b"\"ping\"", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":7}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1}", -32600),
        (b"{\"id\":1,\"method\":\"ping\"}", -32600),
    ] {
        let answer = served.send(served.post(body)).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(answer.status, 400, "{shown}: {answer:?}");
        assert!(
            answer.has_header("content-type: application/json"),
            "{shown}: {answer:?}"
        );
        assert_eq!(answer.json()["error"]["code"], code, "{shown}: {answer:?}");
        assert_eq!(answer.json()["jsonrpc"], "2.0", "{shown}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let served = Served::with(Limits {
        body_bytes: 1000,
        ..small()
    })
    .await;
    let said = served
        .post("")
        .without("content-length")
        .header("content-length: 999999999");
    assert_eq!(served.send(said).await.status, 413, "by its stated length");
    let chunk = format!("7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000));
    let mut stream = served
        .open(
            &served
                .post("")
                .without("content-length")
                .header("transfer-encoding: chunked"),
        )
        .await;
    stream.write_all(chunk.as_bytes()).await.ok();
    let mut bytes = Vec::new();
    soon("an answer", stream.read_to_end(&mut bytes)).await.ok();
    assert_eq!(Answer::read(&bytes).status, 413, "by what comes");

    let long = served
        .post(call(1, "who"))
        .header(&format!("x-long: {}", "y".repeat(64 * 1024)));
    assert_eq!(served.send(long).await.status, 431, "a head has a bound");
    let mut many = served.post(call(1, "who"));
    for n in 0..100 {
        many = many.header(&format!("x-{n}: y"));
    }
    assert_eq!(served.send(many).await.status, 431, "its lines, too");
}

#[tokio::test]
async fn who_is_slow_is_hung_up_on() {
    let brief = Duration::from_millis(200);
    let served = Served::with(Limits {
        opening: brief,
        head: brief,
        body: brief,
        ..small()
    })
    .await;
    for beginning in ["", "POST /mcp HTTP/1.1\r\nhost: 127."] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", served.port))
            .await
            .unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        soon("the end of a slow head", stream.read_to_end(&mut bytes))
            .await
            .ok();
    }
    let half = served
        .post("")
        .without("content-length")
        .header("content-length: 100");
    assert_eq!(
        served.send(half).await.status,
        408,
        "a body that does not come"
    );
}

#[tokio::test]
async fn who_is_silent_gives_its_place_and_no_other() {
    let mut served = Served::with(Limits {
        connections: 3,
        ..small()
    })
    .await;
    let waiting = served.open(&served.post(call(1, "wait"))).await;
    assert_eq!(served.fate().await, Fate::Began);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(
            TcpStream::connect(("127.0.0.1", served.port))
                .await
                .unwrap(),
        );
        let answer = served.send(served.post(call(2, "who"))).await;
        assert_eq!(answer.status, 200, "whoever comes is served");
    }
    let mut first = silent.remove(0);
    let mut bytes = Vec::new();
    soon("the end of the oldest", first.read_to_end(&mut bytes))
        .await
        .ok();
    assert!(bytes.is_empty());
    served.release.cancel();
    let said = read_until(&mut { waiting }, "released").await;
    assert!(said.contains("200 OK"), "a call that waits is not cut off");
}

#[tokio::test]
async fn a_team_that_holds_all_places_shuts_out_nobody_but_itself() {
    let mut served = Served::with(Limits {
        connections: 4,
        ..small()
    })
    .await;
    let other = asker("red");
    let token = served.tokens.mint(other.clone());
    let others = Raw::post(&format!("/mcp/{}", other.session), served.port)
        .bearer(&token)
        .body(call(1, "wait"));
    let waiting = served.open(&others).await;
    assert_eq!(served.fate().await, Fate::Began);
    let mut greedy = Vec::new();
    for id in 0..10 {
        greedy.push(served.open(&served.post(call(id, "wait"))).await);
        while served.fate().await != Fate::Began {}
    }
    let console = Raw::post("/mcp", served.port)
        .bearer(&served.tokens.console())
        .body(call(1, "who"));
    assert_eq!(served.send(console).await.status, 200);
    served.release.cancel();
    let said = read_until(&mut { waiting }, "released").await;
    assert!(said.contains("200 OK"), "the other team keeps its call");
}
