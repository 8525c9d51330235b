//! `/metrics`: who may read it, and that it says what happened.

use iris_domain::audit::Kind;

use super::kit::{Answer, Raw, Served, call};
use crate::secrets::Secret;

async fn read(served: &Served, token: &Secret) -> Answer {
    let raw = Raw::post("/metrics", served.port)
        .line("GET /metrics HTTP/1.1")
        .bearer(token);
    served.send(raw).await
}

#[tokio::test]
async fn a_scraper_reads_the_metrics_and_can_do_nothing_else() {
    let served = Served::start().await;
    let scraper = served.tokens.scraper();
    for token in [&scraper, &served.tokens.console()] {
        let page = read(&served, token).await;
        assert_eq!(page.status, 200, "{page:?}");
        let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
        assert!(page.has_header(kind), "{page:?}");
        assert!(page.body.contains("\niris_connections "), "{page:?}");
    }
    let page = read(&served, &scraper).await;
    let twice = r#"iris_http_answers_total{status="200"} 2"#;
    assert!(page.body.contains(twice), "two before this one: {page:?}");

    for path in ["/mcp".to_owned(), served.path()] {
        let raw = Raw::post(&path, served.port)
            .bearer(&scraper)
            .body(call(1, "who"));
        assert_eq!(served.send(raw).await.status, 401, "{path}");
    }
    let raw = Raw::post("/metrics", served.port).bearer(&scraper);
    let answer = served.send(raw.body("{}")).await;
    assert!(
        answer.status == 405 && answer.has_header("allow: get"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn nobody_else_reads_the_metrics_and_who_tries_is_counted() {
    let mut served = Served::start().await;
    let scraper = served.tokens.scraper();
    let bare = Raw::post("/metrics", served.port).line("GET /metrics HTTP/1.1");
    assert_eq!(served.send(bare).await.status, 401);
    assert_eq!(served.row().await.decided_by, "token:missing");
    let guessed = Secret::new("A".repeat(43));
    assert_eq!(read(&served, &guessed).await.status, 401);
    assert_eq!(served.row().await.decided_by, "token:unknown");
    let agent = served.token.clone();
    assert_eq!(read(&served, &agent).await.status, 403);
    let row = served.row().await;
    assert_eq!(
        (row.kind, row.decided_by.as_str(), row.caller.as_str()),
        (Kind::Auth, "token:elsewhere", "blue")
    );
    let page = Raw::post("/metrics", served.port)
        .line("GET /metrics HTTP/1.1")
        .bearer(&scraper)
        .header("origin: https://evil.example");
    assert_eq!(served.send(page).await.status, 403, "a web page");

    let page = read(&served, &scraper).await;
    for why in [
        "token:missing",
        "token:unknown",
        "token:elsewhere",
        "origin",
    ] {
        let line = format!(r#"iris_refused_total{{kind="auth",why="{why}"}} 1"#);
        assert!(page.body.lines().any(|it| it == line), "{line}: {page:?}");
    }
}
