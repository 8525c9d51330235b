//! A compromised host does with its token what no Claude Code does: it calls tools without asking
//! first, asks again under an id that was used, swaps the input after the human said yes, and asks in
//! another's name. All of it goes through the real tunnel.

use iris_tests::{Iris, eventually, require};
use serde_json::{Value, json};

use super::{Far, hostile::Thief, is_well};

fn bash(command: &str, id: &str) -> Value {
    json!({ "tool_name": "Bash", "input": { "command": command }, "tool_use_id": id })
}

const ASK: &str = "permissions__approve";

/// Asks while `act` answers; what the host was told.
async fn asked(thief: &Thief, arguments: Value, act: impl Future<Output = ()>) -> String {
    let ((status, said), ()) = tokio::join!(thief.call(ASK, arguments), act);
    assert_eq!(status, 200, "{said}");
    said
}

async fn allow(iris: &Iris, command: &str) {
    let pending = iris.pending_one().await;
    assert_eq!(
        pending.input["command"], command,
        "what is shown is what is asked"
    );
    iris.approve(&pending).await;
}

async fn deny(iris: &Iris, command: &str) {
    let pending = iris.pending_one().await;
    assert_eq!(
        pending.input["command"], command,
        "what is shown is what is asked"
    );
    iris.deny(&pending, "no").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_permission_is_worth_nothing_and_a_swapped_input_less() {
    require!("claude", "sshd", "curl");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    is_well(&iris, "far", "one").await;
    let thief = Thief::of(&iris, "far").await;
    let is_allow = |said: &str| said.contains(r#"\"behavior\":\"allow\""#);

    let said = asked(&thief, bash("ls", "t1"), allow(&iris, "ls")).await;
    assert!(is_allow(&said), "{said}");
    // Replayed, with the very input and with another one: each is asked anew.
    let said = asked(&thief, bash("ls", "t1"), deny(&iris, "ls")).await;
    assert!(!is_allow(&said), "{said}");
    let said = asked(&thief, bash("rm -rf ~", "t1"), deny(&iris, "rm -rf ~")).await;
    assert!(!is_allow(&said), "{said}");

    // Swapped while the human looks at it: the swap is denied at once, and what they see is what they allow.
    let swap = async {
        iris.pending_one().await;
        let (_, swapped) = thief.call(ASK, bash("rm -rf /", "t2")).await;
        assert!(!is_allow(&swapped), "{swapped}");
        assert!(swapped.contains("with another input"), "{swapped}");
        allow(&iris, "make").await;
    };
    let said = asked(&thief, bash("make", "t2"), swap).await;
    assert!(is_allow(&said), "{said}");
    let said = asked(&thief, bash("rm -rf /", "t2"), deny(&iris, "rm -rf /")).await;
    assert!(!is_allow(&said), "after the answer as well: {said}");

    let by: Vec<_> = iris.decisions("far").await;
    let allowed = by.iter().filter(|row| row.decision == "allow");
    let commands: Vec<_> = allowed.map(|row| row.input["command"].clone()).collect();
    assert_eq!(commands, ["ls", "make"], "two were allowed, and those two");
    assert!(by.iter().any(|row| row.decided_by == "iris:input"));
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_skips_the_prompt_meets_the_same_rules() {
    require!("claude", "sshd", "curl");
    let far = Far::start().await;
    let rules = json!({"approvalPolicy": {
        "autoApprove": ["list_teams"], "requireApproval": ["team_sleep"], "deny": ["send_message"],
    }});
    let setup = far.prepare("far", rules).await;
    let mut iris = setup.team("near", json!({})).serve().await;
    is_well(&iris, "far", "one").await;
    is_well(&iris, "near", "one").await;
    let thief = Thief::of(&iris, "far").await;
    let sleep = json!({ "team": "near" });

    // A denied tool, called directly.
    let message = json!({ "toTeam": "near", "message": "hi" });
    let (_, said) = thief.call("send_message", message).await;
    assert!(
        said.contains("isError\":true") && said.contains("forbidden"),
        "{said}"
    );

    // One that a human must allow: it waits for them here, and their no holds.
    let act = async {
        let pending = iris.pending_one().await;
        assert_eq!(pending.tool, "mcp__iris__team_sleep");
        assert_eq!(
            iris.state("near").await,
            "idle",
            "nothing happens meanwhile"
        );
        iris.deny(&pending, "no").await;
    };
    let ((_, said), ()) = tokio::join!(thief.call("team_sleep", sleep.clone()), act);
    assert!(said.contains("isError\":true"), "{said}");
    assert_eq!(iris.state("near").await, "idle");

    // A permission for one input is none for another.
    let asked_for = json!({
        "tool_name": "mcp__iris__team_sleep", "input": { "team": "far" }, "tool_use_id": "t1",
    });
    let allow = async { iris.approve(&iris.pending_one().await).await };
    let ((_, said), ()) = tokio::join!(thief.call(ASK, asked_for), allow);
    assert!(said.contains("allow"), "{said}");
    let act = async { iris.deny(&iris.pending_one().await, "no").await };
    let ((_, said), ()) = tokio::join!(thief.call("team_sleep", sleep), act);
    assert!(
        said.contains("isError\":true"),
        "the swap is asked anew: {said}"
    );
    assert_eq!(iris.state("near").await, "idle");

    // In the name of another session: its address takes its own token only.
    let near = iris.status().await;
    assert!(near.to_string().contains("near"));
    let other = eventually("near has a session", async || {
        let teams = iris.cli(&["team", "list", "--json"]).await.ok();
        let teams: Value = serde_json::from_str(&teams).unwrap();
        let near = teams
            .as_array()?
            .iter()
            .find(|it| it["name"] == "near")?
            .clone();
        near["sessions"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": ASK, "arguments": bash("ls", "t9") },
    });
    let (status, said) = thief.post(&other, call.to_string().as_bytes()).await;
    assert!(status == 401 || status == 403, "{status} {said}");
    assert!(iris.pending().await.is_empty(), "nothing waits in its name");
    // The refusal does not wait for its row.
    eventually("the attempt is on record", async || {
        let rows = iris.audit().await;
        rows.iter()
            .any(|row| row.kind == "auth" && row.decided_by == "token:elsewhere")
            .then_some(())
    })
    .await;
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}
