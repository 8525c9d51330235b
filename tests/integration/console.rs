//! The real Claude Code as the console: its user's own, which has Iris's tools and prompts.

use std::path::Path;

use iris_tests::{Iris, require};
use serde_json::{Value, json};

/// What a run of the user's Claude Code says of itself at its start, and its answer.
async fn run(iris: &Iris, project: &Path, prompt: &str, more: &[&str]) -> (Value, String) {
    let format = ["--output-format", "stream-json", "--verbose"];
    let allowed = ["--allowedTools", "mcp__iris"];
    let args = [&["-p", prompt], &format[..], &allowed, more].concat();
    let events: Vec<Value> = iris
        .claude(project, &args)
        .await
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
    let answer = of("result")["result"].as_str().unwrap().to_owned();
    (of("system").clone(), answer)
}

fn has(list: &Value, name: &str) -> bool {
    list.as_array().unwrap().iter().any(|one| one == name)
}

/// It sees the tools and prompts of Iris, and they do what they say.
async fn works(iris: &Iris, project: &Path, more: &[&str]) {
    let script = "FAKE:parallel mcp list_teams {} ||| \
         mcp send_message {\"toTeam\": \"alpha\", \"message\": \"how are you\"}";
    let (start, answer) = run(iris, project, script, more).await;
    for tool in ["list_teams", "send_message", "team_wake", "get_logs"] {
        let tool = format!("mcp__iris__{tool}");
        assert!(has(&start["tools"], &tool), "{start:#}");
    }
    let asks = "mcp__iris__permissions__approve";
    assert!(!has(&start["tools"], asks), "the console asks nobody");
    let prompt = "mcp__iris__code-reviewer";
    assert!(has(&start["slash_commands"], prompt), "{start:#}");
    let (teams, sent) = answer.split_once(" ||| ").unwrap();
    assert!(
        teams.starts_with("done: OK") && teams.contains("alpha"),
        "{answer}"
    );
    assert!(
        sent.starts_with("OK") && sent.contains("echo: how are you"),
        "{answer}"
    );

    // Arguments follow a prompt's name, in order.
    let manifest = r#"{"name": "web-shop"}"#;
    std::fs::write(project.join("package.json"), manifest).unwrap();
    let prompt = format!("/{prompt} {}", project.display());
    let (_, answer) = run(iris, project, &prompt, more).await;
    assert!(answer.starts_with("echo: You review changes"), "{answer}");
    assert!(answer.contains("web-shop"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_claude_code_has_iris_after_an_install() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    iris.cli(&["install"]).await.ok();
    works(&iris, &project, &[]).await;
    iris.cli(&["uninstall"]).await.ok();
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_claude_code_has_iris_over_stdio() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let config = json!({"mcpServers": {"iris": {
        "command": require::built("iris"), "args": ["mcp"],
        "env": {"IRIS_HOME": iris.home()},
    }}});
    let config = config.to_string();
    let more = ["--strict-mcp-config", "--mcp-config", &config];
    works(&iris, &project, &more).await;
    iris.stop();
}
