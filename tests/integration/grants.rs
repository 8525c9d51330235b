//! Answers that hold for longer than one call, requests that nobody answered in time, and sessions that
//! answer for the agents that they gave a task.

use iris_tests::{Iris, eventually, require};
use serde_json::{Value, json};

async fn grants(iris: &Iris) -> Vec<Value> {
    let said = iris.cli(&["grants", "--json"]).await.ok();
    serde_json::from_str(&said).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_holds_until_its_agent_ends() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch one");
    let pending = iris.pending_one().await;
    iris.cli(&["approve", &pending.id, "--for", "session"])
        .await
        .ok();
    sending.response().await;
    let held = grants(&iris).await;
    assert_eq!(held[0]["rules"], json!(["Bash(touch:*)"]), "{held:#?}");

    let said = iris
        .send_in_background("alpha", "FAKE:bash touch two && touch three")
        .response()
        .await;
    assert!(said.starts_with("done: OK"), "{said}");
    assert!(project.join("three").exists());
    assert_eq!(grants(&iris).await[0]["hits"], 1);
    let row = iris.decisions("alpha").await.pop().unwrap();
    assert!(row.decided_by.starts_with("grant:"), "{row:?}");

    iris.cli(&["team", "stop", "alpha"]).await.ok();
    eventually("the grant ends with its agent", async || {
        grants(&iris).await.is_empty().then_some(())
    })
    .await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch four");
    let pending = iris.pending_one().await;
    iris.deny(&pending, "no").await;
    sending.response().await;
    assert!(!project.join("four").exists());
    iris.verify_audit().await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_taken_back_at_once() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch one");
    let pending = iris.pending_one().await;
    iris.cli(&["approve", &pending.id, "--for", "15m", "--what", "tool"])
        .await
        .ok();
    sending.response().await;
    let id = grants(&iris).await[0]["id"].as_str().unwrap().to_owned();
    iris.cli(&["grants", "extend", &id]).await.ok();
    iris.cli(&["grants", "revoke", &id]).await.ok();
    let _said = iris.cli(&["grants", "revoke", &id]).await.refused();
    let sending = iris.send_in_background("alpha", "FAKE:bash touch two");
    let pending = iris.pending_one().await;
    iris.deny(&pending, "no").await;
    sending.response().await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn always_is_a_rule_in_the_config() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch one");
    let pending = iris.pending_one().await;
    iris.cli(&["approve", &pending.id, "--for", "always"])
        .await
        .ok();
    sending.response().await;
    assert!(grants(&iris).await.is_empty(), "a rule is no grant");
    let config = std::fs::read_to_string(iris.home().join("config.json")).unwrap();
    assert!(config.contains("\"Bash(touch:*)\""), "{config}");
    assert!(
        config.contains("\"mcp__iris__*\""),
        "what held goes on: {config}"
    );

    iris.cli(&["team", "stop", "alpha"]).await.ok();
    let said = iris
        .send_in_background("alpha", "FAKE:bash touch two")
        .response()
        .await;
    assert!(said.starts_with("done: OK"), "{said}");
    assert!(project.join("two").exists());
    let row = iris.decisions("alpha").await.pop().unwrap();
    assert_eq!(row.decided_by, "rule:autoApprove:Bash(touch:*)");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answered_is_allowed_for_the_next_try() {
    require!("claude");
    let setup = Iris::prepare().await.setting("permissionTimeout", 1);
    let mut iris = setup.serve().await;
    let project = iris.add_team("alpha").await;
    let said = iris
        .send_in_background("alpha", "FAKE:bash touch one")
        .response()
        .await;
    assert!(said.contains("ask for the very same thing again"), "{said}");
    let missed: Vec<Value> =
        serde_json::from_str(&iris.cli(&["missed", "--json"]).await.ok()).unwrap();
    let id = missed[0]["id"].as_str().unwrap();
    iris.cli(&["missed", "allow", id]).await.ok();
    for (n, ends) in ["done: OK", "done: ERROR"].into_iter().enumerate() {
        let said = iris
            .send_in_background("alpha", "FAKE:bash touch one")
            .response()
            .await;
        assert!(said.starts_with(ends), "try {n}: {said}");
        assert!(project.join("one").exists());
    }
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_for_another_session() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .team("lead", json!({ "grantPermission": "yes" }))
        .team("other", json!({ "grantPermission": "yes" }))
        .team("worker", json!({ "grantPermission": "forward" }))
        .serve()
        .await;
    let task = sends("worker", "FAKE:bash touch one");
    iris.send_in_background("lead", &task).response().await;
    let pending = iris.pending_one().await;
    assert_eq!(pending.forwarded_to.as_deref(), Some("lead"));
    let decide = json!({ "id": pending.id, "decision": "allow" });
    for (team, tool, input) in [
        ("other", "permissions_decide", &decide),
        // Nor by being the permission tool itself, of somebody else's call.
        (
            "other",
            "permissions__approve",
            &json!({ "tool_name": "Bash", "input": pending.input, "tool_use_id": pending.id }),
        ),
    ] {
        let said = calls(&iris, team, tool, input).await;
        assert!(
            !said.contains(r#""decision":"allow""#),
            "{team} {tool}: {said}"
        );
    }
    let seen = calls(&iris, "other", "permissions_pending", &json!({})).await;
    assert!(!seen.contains(&pending.id), "{seen}");
    assert_eq!(
        iris.pending_one().await.id,
        pending.id,
        "it goes on waiting"
    );
    let rows = iris.audit().await;
    assert!(
        rows.iter()
            .any(|row| row.tool == "permissions_decide" && row.decided_by == "forward"),
        "the attempt is on record: {rows:#?}"
    );
    iris.deny(&pending, "no").await;
    iris.stop();
}

/// The script that sends a message, and does not wait for the answer.
fn sends(to: &str, message: &str) -> String {
    let input = json!({ "toTeam": to, "message": message, "timeout": 1000 });
    format!("FAKE:mcp send_message {input}")
}

/// What the team's agent gets from a tool of Iris.
async fn calls(iris: &Iris, team: &str, tool: &str, input: &Value) -> String {
    let script = format!("FAKE:mcp {tool} {input}");
    iris.send_in_background(team, &script).response().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gave_the_task_answers_up_the_chain() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .team(
            "boss",
            json!({ "approvalPolicy": { "autoApprove": ["mcp__iris__*", "Bash(touch:*)", "Bash(mkdir:*)"] } }),
        )
        .team(
            "lead",
            json!({ "grantPermission": "forward",
                "approvalPolicy": { "autoApprove": ["mcp__iris__*", "Bash(touch:*)"] } }),
        )
        .team("worker", json!({ "grantPermission": "forward" }))
        .serve()
        .await;
    let worker = iris.project("worker");
    let task = "FAKE:parallel bash touch one ||| bash mkdir two ||| bash ln -s x three";
    let chain = sends("lead", &sends("worker", task));
    iris.send_in_background("boss", &chain).response().await;

    // The lead may touch files itself, so it may let the worker.
    let pending = iris.pending_one().await;
    assert_eq!(pending.input["command"], "touch one");
    let seen = calls(&iris, "boss", "permissions_pending", &json!({})).await;
    assert!(!seen.contains(&pending.id), "it is not asked: {seen}");
    iris.state_becomes("lead", "idle").await;
    let decide = json!({ "id": pending.id, "decision": "allow" });
    let lead = |tool: &'static str, input: Value| {
        let script = format!("FAKE:mcp {tool} {input}");
        sends("lead", &script)
    };
    iris.send_in_background("boss", &lead("permissions_decide", decide))
        .response()
        .await;
    let pending = eventually("the next one waits", async || {
        let pending = iris.pending().await;
        pending
            .into_iter()
            .find(|one| one.input["command"] == "mkdir two")
    })
    .await;
    assert!(worker.join("one").exists());

    // It may not make folders: that goes to who gave it its own task, which may.
    let decide = json!({ "id": pending.id, "decision": "allow" });
    iris.send_in_background("boss", &lead("permissions_decide", decide.clone()))
        .response()
        .await;
    eventually("the boss is asked", async || {
        let seen = calls(&iris, "boss", "permissions_pending", &json!({})).await;
        seen.contains(&pending.id).then_some(())
    })
    .await;
    let said = calls(&iris, "boss", "permissions_decide", &decide).await;
    assert!(said.starts_with("done: OK"), "{said}");
    let pending = eventually("the last one waits", async || {
        let pending = iris.pending().await;
        pending
            .into_iter()
            .find(|one| one.input["command"] == "ln -s x three")
    })
    .await;
    assert!(worker.join("two").exists());

    // Nobody but the human may do that.
    let decide = json!({ "id": pending.id, "decision": "allow" });
    for team in ["lead", "boss"] {
        let script = format!("FAKE:mcp permissions_decide {decide}");
        let message = if team == "boss" {
            script
        } else {
            sends("lead", &script)
        };
        iris.send_in_background("boss", &message).response().await;
    }
    let left = iris.pending_one().await;
    assert_eq!(left.forwarded_to, None, "only the human is asked");
    iris.deny(&left, "no links").await;
    iris.pending_count(0).await;
    let by: Vec<String> = iris
        .decisions("worker")
        .await
        .into_iter()
        .map(|row| {
            row.decided_by
                .split(':')
                .take(2)
                .collect::<Vec<_>>()
                .join(":")
        })
        .collect();
    assert_eq!(by, ["session:lead", "session:boss", "human:cli"]);
    iris.verify_audit().await;
    iris.stop();
}
