//! What is wrong with `claude` or the project is one sentence with the next step: in what starts
//! the team, in what sends to it, and in its status; and it is gone when it is mended.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use iris_tests::{
    Iris, eventually,
    iris::{API_KEY, Setup},
    require,
};
use serde_json::json;

/// A program in place of `claude`.
fn script(setup: &Setup, text: &str) {
    let bin = setup.dir().join("bin/claude");
    remove(&bin);
    fs::write(&bin, text).unwrap();
    fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}

/// In all three places the same words, with a next step.
async fn is_told(iris: &Iris, words: &str) {
    let started = iris.cli(&["team", "start", "alpha"]).await.refused();
    let sent = iris.cli(&["send", "alpha", "hi"]).await.refused();
    let status = iris.cli(&["status"]).await.ok();
    for said in [started, sent, status] {
        assert!(
            said.contains(words) && said.contains("hint: "),
            "{words}: {said}"
        );
    }
    assert_eq!(iris.state("alpha").await, "trouble");
    let status = iris.status().await;
    let problem = &status["teams"][0]["problem"];
    assert!(
        problem["message"].as_str().unwrap().contains(words),
        "{problem}"
    );
    assert!(!problem["hint"].as_str().unwrap().is_empty(), "{problem}");
    eventually("no process stays", async || {
        iris.agents().is_empty().then_some(())
    })
    .await;
}

async fn works_again(iris: &Iris) {
    let answer = iris.send_in_background("alpha", "hello").response().await;
    assert_eq!(answer, "echo: hello");
    iris.state_becomes("alpha", "idle").await;
    let status = iris.status().await;
    assert!(
        status["teams"][0].get("problem").is_none(),
        "what is mended is not shown: {status:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claude_that_cannot_run_says_why_until_it_can() {
    require!("claude");
    let setup = Iris::prepare()
        .await
        .setting("spawnTimeout", 5)
        .team("alpha", json!({}));
    let bin = setup.dir().join("bin/claude");
    let claude = fs::canonicalize(require::claude().unwrap()).unwrap();
    script(
        &setup,
        "#!/bin/sh\necho 'cannot find my home' >&2\nexit 3\n",
    );
    let mut iris = setup.serve().await;
    is_told(&iris, "cannot find my home").await;

    remove(&bin);
    symlink(&claude, &bin).unwrap();
    works_again(&iris).await;
    iris.cli(&["team", "stop", "alpha"]).await.ok();

    remove(&bin);
    fs::create_dir(&bin).unwrap();
    is_told(&iris, "Claude Code was not found").await;
    fs::remove_dir(&bin).unwrap();

    fs::write(&bin, "text").unwrap();
    is_told(&iris, "is not executable").await;
    remove(&bin);

    symlink(&claude, &bin).unwrap();
    works_again(&iris).await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claude_that_only_prints_noise_is_ended() {
    let setup = Iris::prepare()
        .await
        .setting("spawnTimeout", 1)
        .team("alpha", json!({}));
    script(
        &setup,
        "#!/bin/sh\nwhile :; do head -c 3000 /dev/urandom; sleep 0.1; done\n",
    );
    let mut iris = setup.serve().await;
    is_told(&iris, "did not answer").await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_signed_in_is_told_how() {
    require!("claude");
    let setup = Iris::prepare()
        .await
        .team("alpha", json!({}))
        .env("ANTHROPIC_API_KEY", "");
    let mut iris = setup.serve().await;
    is_told(&iris, "not signed in").await;
    // As the hint says.
    let team = json!({"path": iris.project("alpha"), "env": {"ANTHROPIC_API_KEY": API_KEY}});
    let config = json!({"teams": {"alpha": team}}).to_string();
    fs::write(iris.home().join("config.json"), config).unwrap();
    eventually("the edit is seen", async || {
        let rows = iris.audit().await;
        rows.iter()
            .any(|row| row.tool == "config.changed")
            .then_some(())
    })
    .await;
    works_again(&iris).await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_gone_is_named_until_it_is_back() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    fs::remove_dir(&project).unwrap();
    is_told(&iris, project.to_str().unwrap()).await;
    fs::create_dir(&project).unwrap();
    works_again(&iris).await;
    iris.stop();
}
