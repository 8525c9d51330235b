//! MCP clients of others as the console: the official SDKs, over HTTP and through `iris mcp`, and
//! the official conformance suite, in both eras of the protocol.

use iris_tests::{Doorman, Iris, Sdk, Way, eventually, require};
use serde_json::Value;

/// What the client says after that word.
async fn said(client: &mut iris_tests::program::Program, word: &str) -> Value {
    let text = client.line(&format!("{word} ")).await;
    serde_json::from_str(&text).unwrap()
}

fn has(list: &Value, name: &str) -> bool {
    list.as_array().unwrap().iter().any(|one| one == name)
}

/// Lists, sends with progress, and cancels; nothing comes that is not expected.
async fn works(sdk: Sdk, way: Way) {
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let mut client = iris.client(sdk, way).await;

    let sees = said(&mut client, "sees").await;
    for tool in ["list_teams", "send_message", "get_logs"] {
        assert!(has(&sees["tools"], tool), "{sees}");
    }
    assert!(!has(&sees["tools"], "permissions__approve"), "{sees}");
    assert!(has(&sees["prompts"], "debugger"), "{sees}");
    assert!(
        sees["prompt"].as_str().unwrap().contains("does not work"),
        "{sees}"
    );
    assert_eq!(sees["teams"]["teams"][0]["name"], "alpha", "{sees}");
    if matches!(sdk, Sdk::Python) {
        assert_eq!(sees["version"], "2026-07-28");
    }

    assert_eq!(said(&mut client, "progress").await, "FAKE:bash touch one");
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    let answer = said(&mut client, "answer").await;
    assert_eq!(answer["status"], "answered", "{answer}");

    // A call that is cancelled is over for the client. The team goes on with its work.
    let cancelled = said(&mut client, "cancelled").await;
    assert!(cancelled.is_string(), "{cancelled}");
    let refused = said(&mut client, "refused").await;
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(
        refused["text"].as_str().unwrap().contains("nobody"),
        "{refused}"
    );
    said(&mut client, "end").await;
    let status = eventually("the client ends", async || client.ended()).await;
    assert!(status.success(), "{status}");
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    iris.state_becomes("alpha", "idle").await;
    assert!(project.join("one").exists() && project.join("two").exists());
    let lines = client.stdout();
    let error = lines.lines().find(|line| line.starts_with("error"));
    assert_eq!(error, None, "{lines}");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_works_over_http() {
    require!("claude", "mcp clients");
    works(Sdk::TypeScript, Way::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_works_over_stdio() {
    require!("claude", "mcp clients");
    works(Sdk::TypeScript, Way::Stdio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_works_over_http() {
    require!("claude", "mcp clients");
    works(Sdk::Python, Way::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_works_over_stdio() {
    require!("claude", "mcp clients");
    works(Sdk::Python, Way::Stdio).await;
}

/// What the revision requires holds, but for what `tests/clients/conformance.REVISION.yml` explains.
async fn conforms(revision: &str) {
    let mut iris = Iris::start().await;
    let door = Doorman::start(&iris).await;
    let mut suite = iris.conformance(revision, door.url());
    let status = eventually("the conformance suite ends", async || suite.ended()).await;
    assert!(
        status.success(),
        "{status}\n{}\n{}",
        suite.stdout(),
        suite.stderr()
    );
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes_for_2025_11_25() {
    require!("mcp clients");
    conforms("2025-11-25").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes_for_2026_07_28() {
    require!("mcp clients");
    conforms("2026-07-28").await;
}
