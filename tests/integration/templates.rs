//! The ready-made policies, from the command line to the decision.

use std::fs;

use iris_tests::{Desktop, Iris, eventually, require};
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

/// What Claude Code takes for read-only it runs without asking, unless a rule names it: these it must ask.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_claude_code_asks_what_the_templates_say_it_asks() {
    require!("claude");
    let mut iris = Iris::start().await;
    for policy in ["conservative", "balanced", "autonomous"] {
        let project = iris.project(policy);
        fs::write(project.join(".env"), "TOKEN=kumquat\n").unwrap();
        fs::write(project.join("a.txt"), "hello\n").unwrap();
        fs::write(project.join("../beside.txt"), "beside\n").unwrap();
        let path = project.to_str().unwrap();
        iris.cli(&["team", "add", policy, path, "--policy", policy])
            .await
            .ok();
        let asked = [
            ("Bash", "cat .env".to_owned()),
            ("Bash", "cat ../beside.txt".to_owned()),
            ("Bash", "cat /etc/hostname".to_owned()),
            ("Bash", "grep -r kumquat /etc/hostname .".to_owned()),
            ("Bash", "git push".to_owned()),
            ("Bash", "rm a.txt".to_owned()),
            ("Bash", "curl http://127.0.0.1:9".to_owned()),
            ("Read", format!("{path}/.env")),
            ("Read", "/etc/hostname".to_owned()),
            ("Write", format!("{path}/.git/config")),
        ];
        let steps: Vec<String> = asked
            .iter()
            .map(|(tool, what)| match *tool {
                "Write" => format!("write {what} x"),
                tool => format!("{} {what}", tool.to_lowercase()),
            })
            .collect();
        // One that is read-only and within the project is not asked.
        let task = format!("FAKE:steps\nread {path}/a.txt\n{}", steps.join("\n"));
        let sending = iris.send_in_background(policy, &task);
        for (tool, what) in &asked {
            let pending = iris.pending_one().await;
            assert_eq!(pending.tool, *tool, "{policy}: {what}");
            let input = pending.input.to_string();
            assert!(input.contains(what.as_str()), "{policy}: {what}: {input}");
            iris.deny(&pending, "no").await;
        }
        let answer = sending.response().await;
        assert!(answer.starts_with("done: ERROR"), "{policy}: {answer}");
        assert!(project.join("a.txt").exists());
        let decided = iris.decisions(policy).await;
        assert_eq!(decided.len(), asked.len(), "{policy}: {decided:#?}");
    }
    iris.verify_audit().await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_chosen_in_the_window_and_holds_when_it_is_saved() {
    require!("dbus-daemon", "Xvfb", "WebKitWebDriver");
    let desktop = Desktop::start().await;
    let own = json!({ "grantPermission": "yes", "approvalPolicy": { "deny": ["WebFetch"] } });
    let setup = Iris::prepare().await.team("alpha", own);
    let mut iris = setup.driven(&desktop).await;
    desktop.tray.click(&["Open Iris"]).await;
    let window = iris.driver().window().await;
    window.click("nav-teams").await;
    window.click("team-edit").await;
    let config = iris.home().join("config.json");
    let before = fs::read_to_string(&config).unwrap();

    window.choose("team-policy-select", "balanced").await;
    let told = window.text("policy-told").await;
    assert!(told.contains("Every other command"), "{told}");
    let change = eventually("the change of the file is shown", async || {
        Some(window.text("rule-config").await).filter(|text| text.contains("Edit(/**)"))
    })
    .await;
    assert!(change.contains("WebFetch"), "what was there goes: {change}");
    window.screenshot("policy-template").await;
    assert_eq!(fs::read_to_string(&config).unwrap(), before, "not silently");

    window.click("team-save").await;
    eventually("it is saved", async || {
        let text = fs::read_to_string(&config).unwrap();
        text.contains("Edit(/**)").then_some(())
    })
    .await;
    for (command, expected) in [("cargo test", "allow"), ("git push", "ask")] {
        let input = json!({ "command": command }).to_string();
        let said = eventually(command, async || {
            let args = ["explain", "alpha", "Bash", &input, "--json"];
            let said = iris.cli(&args).await.json();
            (said["verdict"] == expected).then_some(said)
        })
        .await;
        assert!(said["why"].is_string(), "{said}");
    }
    iris.stop();
    window.release().await;
}
