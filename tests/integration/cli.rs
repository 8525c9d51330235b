//! What the command line promises to programs: JSON, exit codes, and errors that help.

use iris_tests::{Iris, require};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_running_iris_commands_say_so() {
    let setup = Iris::prepare().await;
    for command in [
        ["status"].as_slice(),
        &["pending"],
        &["send", "alpha", "hi"],
        &["headers"],
    ] {
        let said = setup.cli(command).await;
        assert_eq!(said.code, 3, "3 means that Iris does not run: {said}");
        let said = said.refused();
        assert!(said.contains("error:") && said.contains("hint:"), "{said}");
        assert!(
            said.contains("iris serve"),
            "the hint says how to start it: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_agents_are_shown_without_a_running_iris() {
    let setup = Iris::prepare().await;
    let kinds = setup.cli(&["agent", "list", "--json"]).await.json();
    assert_eq!(kinds["kinds"].as_array().unwrap().len(), 10, "{kinds}");
    let project = setup.dir().join("shop");
    std::fs::create_dir_all(project.join(".iris/templates")).unwrap();
    std::fs::write(
        project.join(".iris/templates/dba.hbs"),
        "Mind {{projectName}}.",
    )
    .unwrap();
    let project = project.to_str().unwrap();
    let show = ["agent", "show", "dba", "--project", project];
    assert_eq!(setup.cli(&show).await.ok().trim(), "Mind shop.");
    let listed = setup.cli(&["agent", "list", "--project", project]).await;
    assert!(listed.ok().contains("dba"));
    let said = setup.cli(&["agent", "show", "wizard"]).await;
    assert_eq!(said.code, 4, "{said}");
    assert!(said.refused().contains("code-reviewer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_keep_their_promised_shape() {
    let mut iris = Iris::start().await;
    assert_eq!(
        iris.cli(&["pending", "--json"]).await.json(),
        serde_json::json!([])
    );
    iris.add_team("alpha").await;

    let status = iris.status().await;
    assert_eq!(status["endpoint"], iris.endpoint());
    let team = &status["teams"][0];
    assert_eq!(
        (&team["name"], &team["state"]),
        (&"alpha".into(), &"asleep".into())
    );
    assert_eq!(
        (&team["host"], &team["waiting"]),
        (&"local".into(), &0.into())
    );

    let teams: Value = iris.cli(&["team", "list", "--json"]).await.json();
    assert_eq!(teams[0]["name"], "alpha");

    let headers: Value = serde_json::from_str(&iris.cli(&["headers"]).await.ok()).unwrap();
    let header = headers["Authorization"].as_str().unwrap();
    assert!(
        header.starts_with("Bearer "),
        "what Claude Code's headersHelper reads"
    );
    assert_eq!(headers.as_object().unwrap().len(), 1);

    let rows: Value = iris.cli(&["audit", "--json"]).await.json();
    for row in rows.as_array().expect("an array of rows") {
        for field in ["time", "team", "tool", "decision", "decidedBy", "digest"] {
            assert!(row[field].is_string(), "{field} is missing in {row}");
        }
    }
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_is_the_only_line_on_stdout() {
    let mut iris = Iris::start().await;
    iris.cli(&["status"]).await.ok();
    let said = format!("ready {}\n", iris.endpoint());
    iris.stop();
    assert_eq!(iris.stdout(), said);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let project = iris.project("alpha");
    let project = project.to_str().unwrap();
    for (command, code, named) in [
        (["approve", "zzzzzz"].as_slice(), 4, "zzzzzz"),
        (&["deny", "zzzzzz"], 4, "zzzzzz"),
        (&["team", "start", "nobody"], 4, "nobody"),
        (&["team", "remove", "nobody"], 4, "nobody"),
        (&["team", "add", "alpha", project], 5, "alpha"),
    ] {
        let said = iris.cli(command).await;
        assert_eq!(said.code, code, "{said}");
        let said = said.refused();
        assert!(said.contains(named), "{named} is not named: {said}");
        assert!(said.contains("hint:"), "no next step: {said}");
    }
    for command in [
        ["team", "add", "beta", "/no/such/folder"],
        ["team", "add", "../x", project],
    ] {
        let said = iris.cli(&command).await.refused();
        assert!(said.contains("error:"), "{said}");
    }
    let said = iris.cli(&["no-such-command"]).await;
    assert_eq!(
        said.code, 2,
        "2 means that the command was not understood: {said}"
    );
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_times_out_says_so_and_the_agent_goes_on() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let sent = iris.cli(&[
        "send",
        "alpha",
        "FAKE:bash touch it.txt",
        "--timeout",
        "3",
        "--json",
    ]);
    let outcome = sent.await;
    assert_ne!(outcome.code, 0, "no answer is no success: {outcome}");
    assert_eq!(outcome.json()["status"], "timeout");
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    iris.state_becomes("alpha", "idle").await;
    assert!(project.join("it.txt").exists(), "the agent went on");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_an_id_is_enough() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    iris.cli(&["approve", &pending.id[..3]]).await.ok();
    assert!(sending.response().await.starts_with("done: OK"));
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_claude_and_says_what_is_missing() {
    require!("claude");
    let iris = Iris::start().await;
    let said = iris.cli(&["doctor", "--json"]).await.json();
    let text = said.to_string();
    assert!(text.contains("claude"), "{said:#}");
    assert!(
        text.contains("keychain"),
        "no keychain here, and doctor says so: {said:#}"
    );
}
