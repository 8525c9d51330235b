//! Answers that cannot be used, come too late, or meet rules that changed meanwhile: none of them
//! allows anything, and each is told why.

use std::fs;

use iris_tests::{Iris, eventually, require};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_input_that_cannot_be_used_leaves_it_waiting() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    for input in ["no JSON", "", "[1]", "\"text\"", "null", "{}"] {
        let said = iris.cli(&["approve", &pending.id, "--input", input]).await;
        assert_eq!(said.code, 2, "`{input}`: {said}");
        assert!(said.refused().contains("hint:"), "{input}");
    }
    assert_eq!(
        iris.pending_one().await.id,
        pending.id,
        "it waits for an answer that can be used"
    );
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    assert!(project.join("it.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_answer_changes_nothing_and_hears_of_the_first() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    // At the same time: one wins.
    let (allow, deny) = (["approve", &pending.id], ["deny", &pending.id]);
    let (one, other) = tokio::join!(iris.cli(&allow), iris.cli(&deny));
    let mut codes = [one.code, other.code];
    codes.sort_unstable();
    assert_eq!(codes, [0, 5], "{one}\n{other}");
    sending.outcome().await;
    for late in ["approve", "deny"] {
        let said = iris.cli(&[late, &pending.id]).await;
        assert_eq!(said.code, 5, "{said}");
        assert!(
            said.refused().contains("already"),
            "it says what was decided"
        );
    }
    assert_eq!(iris.decisions("alpha").await.len(), 1);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_the_time_limit_is_too_late() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .setting("permissionTimeout", 1)
        .serve()
        .await;
    let project = iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    sending.response().await;
    let said = iris.cli(&["approve", &pending.id]).await;
    assert_eq!(said.code, 5, "{said}");
    assert!(!project.join("it.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_time_limit_it_waits_for_ever() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .setting("permissionTimeout", 0)
        .serve()
        .await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    assert_eq!(pending.expires_at, None);
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_rule_that_comes_while_it_waits_holds() {
    require!("claude");
    let mut iris = Iris::prepare().await.team("alpha", json!({})).serve().await;
    let project = iris.project("alpha");
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    let rules = json!({"approvalPolicy": {"deny": ["Bash"]}});
    change_team(&iris, rules).await;
    let edited = json!({"command": "touch other.txt", "description": "other"}).to_string();
    for approve in [
        vec!["approve", &pending.id],
        vec!["approve", &pending.id, "--input", &edited],
    ] {
        let said = iris.cli(&approve).await;
        assert_eq!(said.code, 6, "{said}");
        assert!(said.refused().contains("deny Bash"), "it names the rule");
    }
    iris.deny(&pending, "the rules have changed").await;
    assert!(sending.response().await.starts_with("done: ERROR"));
    assert!(!project.join("it.txt").exists() && !project.join("other.txt").exists());
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mode_decides_the_next_request_not_the_waiting_one() {
    require!("claude");
    let mut iris = Iris::prepare().await.team("alpha", json!({})).serve().await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    change_team(&iris, json!({"grantPermission": "yes"})).await;
    assert_eq!(
        iris.pending_one().await.id,
        pending.id,
        "what was asked is answered by who was asked"
    );
    iris.deny(&pending, "no").await;
    assert!(sending.response().await.starts_with("done: ERROR"));
    let answer = iris
        .send_in_background("alpha", "FAKE:bash touch it.txt")
        .response()
        .await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    let by: Vec<String> = iris
        .decisions("alpha")
        .await
        .into_iter()
        .map(|row| row.decided_by)
        .collect();
    assert!(by[0].starts_with("human:cli:"), "{by:?}");
    assert_eq!(by[1], "mode:yes");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_deny_rule_holds_for_what_claude_code_does_not_ask_for() {
    require!("claude");
    let mut iris = Iris::prepare().await.team("alpha", json!({})).serve().await;
    let file = iris.project("alpha").join("file.txt");
    fs::write(&file, "content").unwrap();
    let read = format!("FAKE:read {}", file.display());
    let answer = iris.send_in_background("alpha", &read).response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");

    // While it works: then it is started anew after its turn.
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    let rules = json!({"approvalPolicy": {"deny": ["Read"]}});
    change_team(&iris, rules).await;
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    let answer = iris.send_in_background("alpha", &read).response().await;
    assert!(answer.starts_with("done: ERROR"), "{answer}");
    assert!(answer.contains("deny list"), "{answer}");

    // While it is idle.
    change_team(&iris, json!({})).await;
    let answer = iris.send_in_background("alpha", &read).response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    iris.stop();
}

/// Gives alpha these fields by hand, and waits until Iris has seen it.
async fn change_team(iris: &Iris, mut fields: Value) {
    let before = changes(iris).await;
    fields["path"] = json!(iris.project("alpha"));
    let config = json!({"teams": {"alpha": fields}});
    fs::write(iris.home().join("config.json"), config.to_string()).unwrap();
    eventually("the edit is seen", async || {
        (changes(iris).await > before).then_some(())
    })
    .await;
}

async fn changes(iris: &Iris) -> usize {
    let rows = iris.audit().await;
    rows.iter()
        .filter(|row| row.tool == "config.changed")
        .count()
}
