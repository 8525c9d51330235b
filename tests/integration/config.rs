//! The config file of a running Iris: edited by hand, by the command line, and broken.

use std::fs;

use iris_tests::{Iris, eventually};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_keeps_the_last_good_config_until_it_is_mended() {
    let mut iris = Iris::prepare().await.team("alpha", json!({})).serve().await;
    let file = iris.home().join("config.json");
    let good = fs::read_to_string(&file).unwrap();

    fs::write(&file, good.replace("\"path\"", "\"path")).unwrap();
    let problem = iris.problem("config").await;
    let said = problem["message"].as_str().unwrap();
    assert!(
        said.contains("line"),
        "a syntax error is found by its line: {said}"
    );
    assert!(!problem["hint"].as_str().unwrap().is_empty());
    assert_eq!(
        names(&iris.status().await),
        ["alpha"],
        "the last good config holds"
    );

    fs::write(&file, &good).unwrap();
    mended(&iris).await;
    assert_eq!(names(&iris.status().await), ["alpha"]);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_team_in_the_file_appears_and_a_removed_one_goes() {
    let mut iris = Iris::prepare().await.team("alpha", json!({})).serve().await;
    let project = iris.project("beta");
    let with = |teams: Value| {
        fs::write(
            iris.home().join("config.json"),
            json!({"teams": teams}).to_string(),
        )
    };
    with(json!({"alpha": {"path": iris.project("alpha")}, "beta": {"path": project}})).unwrap();
    teams_become(&iris, &["alpha", "beta"]).await;
    with(json!({"beta": {"path": project}})).unwrap();
    teams_become(&iris, &["beta"]).await;
    let changes = iris
        .audit()
        .await
        .into_iter()
        .filter(|row| row.tool == "config.changed");
    assert!(changes.count() >= 2, "a change of the rules is on record");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_an_error_with_a_suggestion() {
    let iris = Iris::prepare()
        .await
        .team("alpha", json!({"approvalPolicy": {"denny": ["Bash"]}}))
        .serve()
        .await;
    let problem = iris.problem("config").await;
    assert!(
        problem.to_string().contains("denny"),
        "the typo is named: {problem}"
    );

    let checked = iris.cli(&["config", "check"]).await;
    assert_eq!(checked.code, 1, "{checked}");
    for said in ["5:9", "`denny`", "`deny`"] {
        assert!(
            checked.stdout.contains(said),
            "{said}: where, what, and what was meant: {checked}"
        );
    }
    let file = iris.home().join("other.json");
    fs::write(&file, "{}").unwrap();
    iris.cli(&["config", "check", file.to_str().unwrap()])
        .await
        .ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_ssh_could_not_use_is_found_without_a_start() {
    let iris = Iris::prepare().await.serve().await;
    let file = iris.home().join("other.json");
    let text = r#"{ "teams": {
  "a": { "path": "x", "remote": "ssh me@host uptime" },
  "b": { "path": "x", "remote": "me@host", "remoteOptions": { "extraSshArgs": ["-4", "-M"] } },
} }"#;
    fs::write(&file, text).unwrap();
    let checked = iris.cli(&["config", "check", file.to_str().unwrap()]).await;
    assert_eq!(checked.code, 1, "{checked}");
    for said in [
        "2:33",
        "\"uptime\" is a remote command",
        "3:86",
        "`-M` cannot be used",
    ] {
        assert!(checked.stdout.contains(said), "{said}: {checked}");
    }
    // An edit of the team's is refused for the same, and changes nothing.
    let project = iris.project("far");
    let project = project.to_str().unwrap();
    let args = ["team", "add", "far", project, "--remote", "ssh -M me@host"];
    let said = iris.cli(&args).await.refused();
    assert!(said.contains("`-M` cannot be used"), "{said}");
    let status = iris.status().await;
    assert_eq!(status["teams"], json!([]), "nothing was added: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_and_placeholders_survive_an_edit() {
    let setup = Iris::prepare().await;
    let project = setup.dir().join("projects");
    let text = format!(
        "{{\n  // mine\n  \"settings\": {{ \"maxProcesses\": \"${{MAX:-3}}\" }}, /* and this */\n  \"teams\": {{\n    \"alpha\": {{ \"path\": {:?} }}, // the first\n  }},\n}}\n",
        project.to_str().unwrap()
    );
    let mut iris = setup.file("config.json", &text).serve().await;
    iris.add_team("beta").await;
    let edited = fs::read_to_string(iris.home().join("config.json")).unwrap();
    for kept in [
        "// mine",
        "${MAX:-3}",
        "/* and this */",
        "// the first",
        "\"beta\"",
    ] {
        assert!(edited.contains(kept), "{kept} is gone from {edited}");
    }
    teams_become(&iris, &["alpha", "beta"]).await;
    iris.cli(&["team", "remove", "beta"]).await.ok();
    let edited = fs::read_to_string(iris.home().join("config.json")).unwrap();
    assert!(
        edited.contains("// the first") && !edited.contains("\"beta\""),
        "{edited}"
    );
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_printed_without_a_running_iris() {
    let schema: Value = Iris::prepare()
        .await
        .cli(&["config", "schema"])
        .await
        .json();
    assert!(schema["$schema"].is_string() && schema["properties"]["teams"].is_object());
}

fn names(status: &Value) -> Vec<String> {
    let teams = status["teams"].as_array().unwrap();
    teams
        .iter()
        .map(|team| team["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn teams_become(iris: &Iris, expected: &[&str]) {
    eventually(&format!("the teams are {expected:?}"), async || {
        (names(&iris.status().await) == expected).then_some(())
    })
    .await;
}

async fn mended(iris: &Iris) {
    eventually("the problem with the config is gone", async || {
        let status = iris.status().await;
        let problems = status["problems"].as_array().unwrap();
        (!problems.iter().any(|problem| problem["code"] == "config")).then_some(())
    })
    .await;
}
