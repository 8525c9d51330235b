//! The journey: a team's agent (the real Claude Code) asks, a human answers on the command line,
//! the agent goes on.

use iris_tests::{Iris, eventually, iris::user, require};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn allowed_the_agent_goes_on() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash echo done > it.txt");
    let pending = iris.pending_one().await;
    assert_eq!(
        (pending.team.as_str(), pending.tool.as_str()),
        ("alpha", "Bash")
    );
    assert_eq!(
        (pending.from.as_str(), pending.host.as_str()),
        ("console", "local")
    );
    assert_eq!(
        pending.input["command"], "echo done > it.txt",
        "what is shown is what will run"
    );
    assert!(
        pending.summary.contains("echo done > it.txt"),
        "{}",
        pending.summary
    );
    assert_eq!(iris.state("alpha").await, "waiting");
    assert!(
        !project.join("it.txt").exists(),
        "nothing runs before the answer"
    );

    iris.approve(&pending).await;
    let answer = sending.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    assert_eq!(
        std::fs::read_to_string(project.join("it.txt")).unwrap(),
        "done\n"
    );
    assert!(iris.pending().await.is_empty());
    iris.state_becomes("alpha", "idle").await;

    let row = iris.decision("alpha").await;
    assert_eq!(
        (row.decision.as_str(), row.decided_by.as_str()),
        ("allow", by_cli().as_str())
    );
    assert_eq!((row.tool.as_str(), row.digest.len()), ("Bash", 64));
    iris.verify_audit().await;

    let answer = iris
        .send_in_background("alpha", "still there?")
        .response()
        .await;
    assert_eq!(
        answer, "echo: still there?",
        "the agent takes the next task"
    );
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_the_agent_hears_why_and_goes_on() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:write it.txt content");
    let pending = iris.pending_one().await;
    assert_eq!(pending.tool, "Write");
    iris.deny(&pending, "use the other file").await;
    let answer = sending.response().await;
    assert!(answer.starts_with("done: ERROR"), "{answer}");
    assert!(
        answer.contains("use the other file"),
        "the agent is told why: {answer}"
    );
    assert!(
        !project.join("it.txt").exists(),
        "what was denied did not run"
    );

    let row = iris.decision("alpha").await;
    assert_eq!(
        (row.decision.as_str(), row.decided_by.as_str()),
        ("deny", by_cli().as_str())
    );

    let late = iris.cli(&["approve", &pending.id]).await.refused();
    assert!(
        late.contains("hint"),
        "the loser is told what happened and what to do: {late}"
    );
    assert_eq!(
        iris.decisions("alpha").await.len(),
        1,
        "an approval is decided once"
    );
    iris.verify_audit().await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn unanswered_it_is_denied_in_time() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .setting("permissionTimeout", 2)
        .serve()
        .await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    assert!(pending.expires_at.is_some(), "what expires says when");
    let answer = sending.response().await;
    assert!(answer.starts_with("done: ERROR"), "{answer}");
    assert!(!project.join("it.txt").exists(), "silence is no answer");
    assert!(
        iris.pending().await.is_empty(),
        "an expired approval is withdrawn"
    );
    let row = iris.decision("alpha").await;
    assert_eq!(
        (row.decision.as_str(), row.decided_by.as_str()),
        ("deny", "timeout")
    );
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_are_asked_and_decided_one_by_one() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    // Reads outside the project ask at the same time.
    let sending = iris.send_in_background(
        "alpha",
        "FAKE:parallel read /etc/hostname ||| read /etc/hosts",
    );
    let both = iris.pending_count(2).await;
    let hosts = both
        .iter()
        .find(|p| p.input["file_path"] == "/etc/hosts")
        .unwrap();
    let hostname = both
        .iter()
        .find(|p| p.input["file_path"] == "/etc/hostname")
        .unwrap();
    iris.deny(hosts, "not that one").await;
    iris.approve(hostname).await;
    let answer = sending.response().await;
    assert!(
        answer.contains("OK") && answer.contains("ERROR"),
        "each has its answer: {answer}"
    );
    assert!(answer.contains("not that one"), "{answer}");

    // Shell commands ask one after the other.
    let sending = iris.send_in_background("alpha", "FAKE:parallel bash touch a ||| bash touch b");
    for _ in 0..2 {
        let pending = iris.pending_one().await;
        iris.approve(&pending).await;
        eventually("the answered approval is gone", async || {
            (!iris.pending().await.iter().any(|p| p.id == pending.id)).then_some(())
        })
        .await;
    }
    let answer = sending.response().await;
    assert_eq!(answer.matches("OK").count(), 2, "{answer}");
    assert!(project.join("a").exists() && project.join("b").exists());
    assert_eq!(
        iris.decisions("alpha").await.len(),
        4,
        "four calls are four rows"
    );
    iris.verify_audit().await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_teams_ask_at_once_and_are_not_confused() {
    require!("claude");
    let mut iris = Iris::start().await;
    let alpha = iris.add_team("alpha").await;
    let beta = iris.add_team("beta").await;
    let to_alpha = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let to_beta = iris.send_in_background("beta", "FAKE:bash touch it.txt");
    let both = iris.pending_count(2).await;
    for pending in &both {
        match pending.team.as_str() {
            "alpha" => iris.approve(pending).await,
            _ => iris.deny(pending, "no").await,
        }
    }
    assert!(to_alpha.response().await.starts_with("done: OK"));
    assert!(to_beta.response().await.starts_with("done: ERROR"));
    assert!(alpha.join("it.txt").exists() && !beta.join("it.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_with_an_edited_input() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;

    let sending =
        iris.send_in_background("alpha", "FAKE:question Which database? | SQLite | Postgres");
    let pending = iris.pending_one().await;
    assert_eq!(pending.tool, "AskUserQuestion");
    let mut input = pending.input.clone();
    input["answers"] = json!({"Which database?": "Postgres"});
    iris.cli(&["approve", &pending.id, "--input", &input.to_string()])
        .await
        .ok();
    let answer = sending.response().await;
    assert!(
        answer.contains("Postgres"),
        "the agent has the answer: {answer}"
    );
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_input_runs_and_is_what_the_record_shows() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;

    let sending = iris.send_in_background("alpha", "FAKE:bash touch asked.txt");
    let pending = iris.pending_one().await;
    let input = json!({"command": "touch edited.txt", "description": "edited"}).to_string();
    let said = iris.cli(&["approve", &pending.id, "--input", &input]).await;
    assert!(
        said.ok().contains("touch edited.txt"),
        "the human reads what runs"
    );
    assert!(sending.response().await.starts_with("done: OK"));
    assert!(project.join("edited.txt").exists(), "the edited input runs");
    assert!(
        !project.join("asked.txt").exists(),
        "what was asked for does not"
    );
    let row = iris.decision("alpha").await;
    assert!(
        row.input.to_string().contains("touch edited.txt"),
        "{row:?}"
    );
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_or_a_rule_decides_without_asking() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .team(
            "free",
            json!({"grantPermission": "yes", "approvalPolicy": {"deny": ["Write"]}}),
        )
        .team("strict", json!({"grantPermission": "no"}))
        .serve()
        .await;
    let answer = iris
        .send_in_background("free", "FAKE:bash touch it.txt")
        .response()
        .await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    let answer = iris
        .send_in_background("free", "FAKE:write no.txt x")
        .response()
        .await;
    assert!(
        answer.starts_with("done: ERROR"),
        "a deny rule wins over the mode: {answer}"
    );
    let answer = iris
        .send_in_background("strict", "FAKE:bash touch it.txt")
        .response()
        .await;
    assert!(answer.starts_with("done: ERROR"), "{answer}");

    assert!(iris.project("free").join("it.txt").exists());
    assert!(!iris.project("free").join("no.txt").exists());
    assert!(!iris.project("strict").join("it.txt").exists());
    let by: Vec<_> = iris
        .decisions("free")
        .await
        .into_iter()
        .map(|row| row.decided_by)
        .collect();
    assert_eq!(by, ["mode:yes", "rule:deny:Write"]);
    assert_eq!(iris.decision("strict").await.decided_by, "mode:no");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_uses_the_team_tools() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    iris.add_team("beta").await;
    let answer = iris
        .send_in_background("alpha", "FAKE:mcp list_teams {}")
        .response()
        .await;
    assert!(
        answer.starts_with("done: OK") && answer.contains("beta"),
        "{answer}"
    );

    let message = json!({"toTeam": "beta", "message": "hello beta", "timeout": 60_000});
    let script = format!("FAKE:mcp send_message {message}");
    let answer = iris.send_in_background("alpha", &script).response().await;
    assert!(
        answer.contains("echo: hello beta"),
        "beta answers alpha: {answer}"
    );
    iris.stop();
}

/// How the record names an answer on the command line.
fn by_cli() -> String {
    format!("human:cli:{}", user())
}
