//! What comes back: quick answers as JSON, slow ones as event streams, and always something.

use std::time::Duration;
use tokio::io::AsyncReadExt as _;

use super::kit::{Fate, Raw, Served, asker, call, read_until, small, soon};
use crate::endpoint::limits::Limits;

#[tokio::test]
async fn what_answers_at_once_is_plain_json() {
    let served = Served::start().await;
    let answer = served.send(served.post(call(7, "who"))).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.has_header("content-type: application/json"),
        "{answer:?}"
    );
    assert_eq!(answer.json()["id"], 7);
    assert_eq!(answer.json()["result"]["content"][0]["text"], "blue");
}

#[tokio::test]
async fn what_is_not_plain_is_answered_too() {
    let mut served = Served::start().await;
    // Weighted media types: not read by us, but rmcp takes them.
    let weighted = |body: String| {
        served
            .post(body)
            .without("accept")
            .header("accept: application/json;q=0.9, text/event-stream")
    };
    let answer = served.send(weighted(call(7, "who"))).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "blue");
    let answer = served.send(weighted(call(8, "panic"))).await;
    assert_eq!(answer.json()["error"]["code"], -32603, "{answer:?}");
    let stream = served.open(&weighted(call(9, "wait"))).await;
    assert_eq!(served.fate().await, Fate::Began);
    drop(stream);
    assert_eq!(served.fate().await, Fate::Dropped, "hanging up ends it");
}

#[tokio::test]
async fn a_panicking_tool_is_answered_with_an_error() {
    let served = Served::start().await;
    let answer = served.send(served.post(call(7, "panic"))).await;
    assert_eq!(answer.json()["error"]["code"], -32603, "{answer:?}");
    assert_eq!(answer.json()["id"], 7, "the error names its call");
    assert!(
        !answer.body.contains("as the test wants"),
        "a panic's text stays in the log"
    );
    assert_eq!(
        served.send(served.post(call(8, "who"))).await.status,
        200,
        "the next call works"
    );
}

#[tokio::test]
async fn a_waiting_call_streams_and_then_answers() {
    let mut served = Served::start().await;
    let mut stream = served.open(&served.post(call(7, "wait"))).await;
    let head = read_until(&mut stream, ": waiting").await;
    assert!(
        head.contains("200 OK") && head.contains("text/event-stream"),
        "{head}"
    );
    read_until(&mut stream, ": waiting").await;
    assert_eq!(served.fate().await, Fate::Began);
    served.release.cancel();
    let rest = read_until(&mut stream, "released").await;
    assert!(
        rest.contains("event: message\ndata: {"),
        "one event carries the answer: {rest}"
    );
    let mut end = Vec::new();
    soon("the end", stream.read_to_end(&mut end)).await.unwrap();
    assert!(served.fates.try_recv().is_err(), "the tool ran to its end");
}

#[tokio::test]
async fn a_call_that_asked_for_progress_gets_it_and_its_answer() {
    let served = Served::start().await;
    let body = call(7, "wait").replace(
        "\"arguments\"",
        r#""_meta":{"progressToken":4},"arguments""#,
    );
    let mut stream = served.open(&served.post(body)).await;
    let seen = read_until(&mut stream, "notifications/progress").await;
    assert!(
        seen.contains(r#""progressToken":4"#),
        "progress names the token: {seen}"
    );
    assert!(
        seen.contains(r#""message":"waking""#),
        "and says what happens: {seen}"
    );
    // Signs of life repeat it, until there is something new to say.
    read_until(&mut stream, r#""progress":3"#).await;
    read_until(&mut stream, r#""message":"at work""#).await;
    served.release.cancel();
    read_until(&mut stream, "released").await;
}

#[tokio::test]
async fn hanging_up_ends_the_call_whether_it_streams_or_not() {
    for quick in [Duration::from_millis(20), Duration::from_secs(60)] {
        let mut served = Served::with(Limits { quick, ..small() }).await;
        let mut stream = served.open(&served.post(call(7, "wait"))).await;
        assert_eq!(served.fate().await, Fate::Began);
        if quick < Duration::from_secs(1) {
            read_until(&mut stream, ": waiting").await;
        }
        drop(stream);
        assert_eq!(
            served.fate().await,
            Fate::Dropped,
            "nobody waits: withdrawn ({quick:?})"
        );
    }
}

#[tokio::test]
async fn hanging_up_after_progress_ends_the_call() {
    let mut served = Served::start().await;
    let body = call(7, "wait").replace(
        "\"arguments\"",
        r#""_meta":{"progressToken":4},"arguments""#,
    );
    let mut stream = served.open(&served.post(body)).await;
    read_until(&mut stream, "notifications/progress").await;
    drop(stream);
    assert_eq!(served.fate().await, Fate::Began);
    assert_eq!(served.fate().await, Fate::Dropped);
}

#[tokio::test]
async fn a_cancelled_notification_ends_the_call_it_names() {
    let mut served = Served::start().await;
    let mut stream = served.open(&served.post(call(7, "wait"))).await;
    read_until(&mut stream, ": waiting").await;
    assert_eq!(served.fate().await, Fate::Began);
    let cancel = |id: u64| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"AbortError"}}}}"#
        )
    };
    // Another session's cancellation of the same id, and another id: nothing happens.
    let red = asker("red");
    let red_token = served.tokens.mint(red.clone());
    let raw = Raw::post(&format!("/mcp/{}", red.session), served.port).bearer(&red_token);
    assert_eq!(served.send(raw.body(cancel(7))).await.status, 202);
    assert_eq!(served.send(served.post(cancel(8))).await.status, 202);
    assert!(served.fates.try_recv().is_err(), "the call goes on");
    assert_eq!(
        served.send(served.post(cancel(7))).await.status,
        202,
        "the notification is taken"
    );
    assert_eq!(served.fate().await, Fate::Dropped, "the call ended");
    let mut rest = String::new();
    soon("the end of the stream", stream.read_to_string(&mut rest))
        .await
        .unwrap();
    assert!(
        !rest.contains("jsonrpc"),
        "a cancelled call is not answered: {rest}"
    );
}

#[tokio::test]
async fn revoking_a_token_ends_its_running_calls() {
    let mut served = Served::start().await;
    let mut stream = served.open(&served.post(call(7, "wait"))).await;
    read_until(&mut stream, ": waiting").await;
    assert_eq!(served.fate().await, Fate::Began);
    served.tokens.revoke(&served.token);
    assert_eq!(served.fate().await, Fate::Dropped);
    let mut rest = String::new();
    soon("the end of the stream", stream.read_to_string(&mut rest))
        .await
        .unwrap();
}

#[tokio::test]
async fn two_clients_with_the_same_id_get_their_own_answers() {
    let mut served = Served::start().await;
    let red = asker("red");
    let red_token = served.tokens.mint(red.clone());
    let mut waiting = served.open(&served.post(call(1, "wait"))).await;
    assert_eq!(served.fate().await, Fate::Began);
    let raw = Raw::post(&format!("/mcp/{}", red.session), served.port).bearer(&red_token);
    let answer = served.send(raw.body(call(1, "who"))).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "red");
    served.release.cancel();
    read_until(&mut waiting, "released").await;
}

#[tokio::test]
async fn shutdown_ends_idle_and_waiting_connections() {
    let mut served = Served::start().await;
    let _idle = tokio::net::TcpStream::connect(("127.0.0.1", served.port))
        .await
        .unwrap();
    let _waiting = served.open(&served.post(call(7, "wait"))).await;
    assert_eq!(served.fate().await, Fate::Began);
    served.shutdown.cancel();
    served.tasks.close();
    soon("every task ends", served.tasks.wait()).await;
    assert_eq!(
        served.fate().await,
        Fate::Dropped,
        "what waited was withdrawn"
    );
}

#[tokio::test]
async fn the_2025_11_25_era_is_spoken() {
    let served = Served::start().await;
    let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let answer = served.send(served.post(initialize)).await;
    assert_eq!(
        answer.json()["result"]["protocolVersion"],
        "2025-11-25",
        "{answer:?}"
    );
    assert!(
        !answer.head.contains("mcp-session-id"),
        "stateless: {answer:?}"
    );
    let version = |raw: Raw| raw.header("mcp-protocol-version: 2025-11-25");
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(
        served.send(version(served.post(initialized))).await.status,
        202
    );
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = served.send(version(served.post(list))).await;
    assert_eq!(
        answer.json()["result"]["tools"][0]["name"],
        "who",
        "{answer:?}"
    );
    let answer = served.send(version(served.post(call(2, "who")))).await;
    assert_eq!(
        answer.json()["result"]["content"][0]["text"],
        "blue",
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_2026_07_28_era_is_spoken() {
    let served = Served::start().await;
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    let modern = |raw: Raw, method: &str| {
        raw.header("mcp-protocol-version: 2026-07-28")
            .header(&format!("mcp-method: {method}"))
    };
    let discover =
        format!(r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{{meta}}}}}"#);
    let answer = served
        .send(modern(served.post(discover), "server/discover"))
        .await;
    let versions = answer.json()["result"]["supportedVersions"].to_string();
    assert!(versions.contains("2026-07-28"), "{answer:?}");
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"who","arguments":{{}},{meta}}}}}"#
    );
    let raw = modern(served.post(&body), "tools/call").header("mcp-name: who");
    let answer = served.send(raw).await;
    assert_eq!(
        answer.json()["result"]["content"][0]["text"],
        "blue",
        "{answer:?}"
    );
    let raw = modern(served.post(&body), "tools/call").header("mcp-name: panic");
    assert_eq!(
        served.send(raw).await.status,
        400,
        "a header that names another tool"
    );
}
