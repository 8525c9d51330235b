//! The ready-made policies, from the command line to the decision.

use std::fs;

use iris_tests::Iris;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_team_begins_with_the_policy_that_was_chosen() {
    let iris = Iris::start().await;
    let all = iris.cli(&["policy", "templates", "--json"]).await.json();
    let names: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["conservative", "balanced", "autonomous"]);

    for (name, template) in names.iter().zip(all.as_array().unwrap()) {
        let project = iris.home().join(format!("project-{name}"));
        fs::create_dir_all(&project).unwrap();
        iris.cli(&[
            "team",
            "add",
            name,
            project.to_str().unwrap(),
            "--policy",
            name,
        ])
        .await
        .ok();
        let file = fs::read_to_string(iris.home().join("config.json")).unwrap();
        let config: Value = serde_json::from_str(&file).expect("there are no comments in it");
        let team = &config["teams"][name];
        assert_eq!(team["grantPermission"], template["grantPermission"]);
        for list in ["deny", "requireApproval", "autoApprove"] {
            assert_eq!(
                team["approvalPolicy"][list], template[list],
                "{name} {list}"
            );
        }
    }
    // Each decides as its words say, in the running Iris.
    for (tool, input, expected) in [
        (
            "Read",
            json!({ "file_path": "README.md" }),
            "allow allow allow",
        ),
        (
            "Edit",
            json!({ "file_path": "README.md" }),
            "ask allow allow",
        ),
        (
            "Bash",
            json!({ "command": "cargo test" }),
            "ask allow allow",
        ),
        (
            "Bash",
            json!({ "command": "git commit -m x" }),
            "ask ask allow",
        ),
        ("Bash", json!({ "command": "git push" }), "ask ask ask"),
        ("send_message", json!({}), "ask allow allow"),
        (
            "WebFetch",
            json!({ "url": "https://docs.rs" }),
            "ask ask ask",
        ),
    ] {
        let mut said = Vec::new();
        for name in &names {
            let explained = iris
                .cli(&["explain", name, tool, &input.to_string(), "--json"])
                .await
                .json();
            said.push(explained["verdict"].as_str().unwrap().to_owned());
        }
        assert_eq!(said.join(" "), expected, "{tool} {input}");
    }

    let said = iris.cli(&["policy", "templates"]).await.ok();
    assert!(
        said.contains("Every edit and every command") && said.contains("asks you"),
        "{said}"
    );
    let said = iris
        .cli(&["team", "add", "x", ".", "--policy", "yolo"])
        .await;
    assert_eq!(said.code, 2, "{said}");
    assert!(said.refused().contains("balanced"), "what there is is said");
}
