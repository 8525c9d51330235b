//! `iris mcp`: the running Iris for MCP clients that speak over stdio.

use iris_tests::{Iris, require};
use serde_json::{Value, json};

fn initialize() -> Value {
    json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    })
}

fn names(tools: &Value) -> Vec<&str> {
    let tools = tools["result"]["tools"].as_array();
    let tools = tools.unwrap_or_else(|| panic!("it has the tools"));
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_eras_are_spoken_and_stdout_is_for_json_rpc_only() {
    let setup = Iris::prepare().await;
    let setup = setup.env("RUST_LOG", "trace").env("IRIS_LOG", "trace");
    let mut iris = setup.serve().await;
    let mut bridge = iris.bridge();

    let said = bridge.ask(0, "initialize", initialize()).await;
    assert_eq!(said["result"]["protocolVersion"], "2025-11-25", "{said}");
    bridge
        .say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        .await;
    let tools = bridge.ask(1, "tools/list", json!({})).await;
    assert!(names(&tools).contains(&"send_message"), "{tools}");
    let date = json!({"name": "get_date", "arguments": {}});
    let said = bridge.ask(2, "tools/call", date).await;
    assert_eq!(said["result"]["isError"], false, "{said}");

    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let tools = bridge.ask(3, "tools/list", json!({"_meta": meta})).await;
    assert!(names(&tools).contains(&"send_message"), "{tools}");
    let date = json!({"name": "get_date", "arguments": {}, "_meta": meta});
    let said = bridge.ask(4, "tools/call", date).await;
    assert_eq!(said["result"]["isError"], false, "{said}");

    bridge.say("no JSON").await;
    let said = bridge.hear().await;
    assert_eq!(said["error"]["code"], -32700, "{said}");
    bridge.say(&format!("\"{}\"", "x".repeat(5 << 20))).await;
    let said = bridge.hear().await;
    assert_eq!(said["error"]["code"], -32600, "{said}");
    bridge.say("[]").await;
    let said = bridge.hear().await;
    assert_eq!(said["error"]["code"], -32600, "{said}");
    let said = bridge.ask(5, "no/such", json!({})).await;
    assert!(said["error"]["code"].is_i64(), "{said}");

    // What a script pipes in is answered, although its end comes at once.
    bridge
        .say(r#"{"jsonrpc":"2.0","id":6,"method":"tools/list"}"#)
        .await;
    let (status, said, _) = bridge.end().await;
    assert!(status.success(), "{status}");
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["id"], 6);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_iris_that_starts_later_or_again_is_found() {
    let setup = Iris::prepare().await;
    let mut bridge = setup.bridge();
    let said = bridge.ask(0, "initialize", initialize()).await;
    let why = said["error"]["message"].as_str().unwrap();
    assert!(
        why.contains("not running") && why.contains("iris serve"),
        "{said}"
    );
    assert_eq!(said["error"]["data"]["code"], "unavailable", "{said}");
    // Nothing waits for an answer to this.
    bridge
        .say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        .await;

    let mut iris = setup.serve().await;
    let said = bridge.ask(1, "initialize", initialize()).await;
    assert_eq!(said["result"]["serverInfo"]["name"], "iris", "{said}");
    iris.restart().await;
    let tools = bridge.ask(2, "tools/list", json!({})).await;
    assert!(names(&tools).contains(&"list_teams"), "{tools}");
    iris.stop_alone();
    let said = bridge.ask(3, "tools/list", json!({})).await;
    assert!(said["error"].is_object(), "{said}");
    let (status, said, errors) = bridge.end().await;
    assert!(status.success() && said.is_empty(), "{status} {said:?}");
    assert!(errors.contains("not running"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_and_cancellation_pass_through() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let mut bridge = iris.bridge();
    bridge.ask(0, "initialize", initialize()).await;
    let call = json!({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {
        "name": "send_message", "_meta": {"progressToken": "p"},
        "arguments": {"toTeam": "alpha", "message": "FAKE:bash touch it.txt"},
    }});
    bridge.say(&call.to_string()).await;
    let said = bridge.hear().await;
    assert_eq!(said["method"], "notifications/progress", "{said}");
    assert_eq!(said["params"]["progressToken"], "p", "{said}");
    let mut heard = vec![said["params"]["message"].clone()];
    let wanted = "alpha waits for the user to decide on Bash: touch it.txt";
    while heard.last().is_none_or(|last| last != wanted) {
        heard.push(bridge.hear().await["params"]["message"].clone());
    }
    assert_eq!(heard[0], "waking alpha", "{heard:?}");
    // Another call is not kept waiting.
    let tools = bridge.ask(1, "tools/list", json!({})).await;
    assert!(names(&tools).contains(&"send_message"), "{tools}");

    bridge
        .say(
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"call"}}"#,
        )
        .await;
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    iris.state_becomes("alpha", "idle").await;
    assert!(project.join("it.txt").exists(), "the agent went on");
    // A cancelled call is not answered.
    bridge.ask(2, "ping", json!({})).await;
    let (status, said, _) = bridge.end().await;
    assert!(status.success() && said.is_empty(), "{status} {said:?}");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_stands_in_no_argument_and_no_variable() {
    let mut iris = Iris::start().await;
    let token = iris.token().await;
    let mut bridge = iris.bridge();
    bridge.ask(0, "initialize", initialize()).await;
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{file}", bridge.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&token), "{file}");
    }
    drop(bridge.end().await);
    iris.stop();
}
