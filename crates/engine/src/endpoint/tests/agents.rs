//! `get_agent` and the prompts, over HTTP.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::whole::{Iris, answer};

/// Three teams: `blue`, whose agent calls, `green`, and `far` on another host.
struct House {
    iris: Iris,
    dir: tempfile::TempDir,
}

impl House {
    async fn with(blue: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.join(".iris/templates")).unwrap();
            path
        };
        let mut blue = blue;
        blue["path"] = json!(path("blue"));
        let teams = json!({
            "blue": blue, "green": { "path": path("green") },
            "far": { "path": "/srv/far", "remote": "me@far.example" },
        });
        let iris = Iris::with(teams).await;
        Self { iris, dir }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join(file), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// `get_agent`, by the agent of `blue`.
    async fn get(&self, arguments: Value) -> Value {
        answer(self.iris.by_agent("get_agent", arguments).await).await["result"].clone()
    }

    async fn console(&self, method: &str, params: Value) -> Value {
        answer(self.iris.by_console(method, params).await).await
    }

    async fn agents(&self, method: &str, params: Value) -> Value {
        let path = format!("/mcp/{}", self.iris.agent.session);
        let stream = self.iris.open(&path, &self.iris.token, method, &params);
        answer(stream.await).await
    }
}

fn prompt(result: &Value) -> String {
    assert_ne!(result["isError"], true, "{result}");
    let said = &result["structuredContent"];
    assert_eq!(said["valid"], true, "{said}");
    said["prompt"].as_str().unwrap().to_owned()
}

fn text(result: &Value) -> String {
    result["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn get_agent_knows_the_ten_kinds_and_the_callers_own_project() {
    let house = House::with(json!({})).await;
    house.write(
        "blue/package.json",
        r#"{"name":"shop & <co>","dependencies":{"next":"1","react":"1"}}"#,
    );
    house.write("blue/CLAUDE.md", "Always say \"please\" & <thanks>.");
    let kinds = [
        "tech-writer",
        "unit-tester",
        "integration-tester",
        "code-reviewer",
        "debugger",
        "refactorer",
        "changeloger",
        "error-handler",
        "example-writer",
        "logger",
    ];
    for kind in kinds {
        let got = house.get(json!({ "agentType": kind })).await;
        let prompt = prompt(&got);
        for part in [
            "shop & <co>",
            "Next.js",
            "Always say \"please\" & <thanks>.",
        ] {
            assert!(prompt.contains(part), "{kind} has no {part}: {prompt}");
        }
        assert!(!prompt.contains("{{"), "{kind}: {prompt}");
        assert_eq!(got["structuredContent"]["availableAgents"], json!(kinds));
        assert_eq!(got["structuredContent"]["agentType"], kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_agent_names_what_there_is_when_a_kind_is_unknown() {
    let house = House::with(json!({})).await;
    for unknown in ["wizard", "../../etc/passwd", "", "base/logger"] {
        let got = house.get(json!({ "agentType": unknown })).await;
        assert_eq!(got["isError"], true, "{got}");
        let said = &got["structuredContent"];
        assert_eq!(said["valid"], false);
        assert_eq!(said["availableAgents"].as_array().unwrap().len(), 10);
        let why = said["prompt"].as_str().unwrap();
        assert!(why.contains("code-reviewer"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_the_project_wins_over_the_users_and_either_adds_kinds() {
    let house = House::with(json!({})).await;
    let users = house.iris.home.path().join("templates");
    fs::create_dir(&users).unwrap();
    fs::write(users.join("logger.hbs"), "the user's logger").unwrap();
    fs::write(users.join("dba.hbs"), "the user's {{upper role}}").unwrap();
    assert_eq!(
        prompt(&house.get(json!({ "agentType": "logger" })).await),
        "the user's logger"
    );
    let got = house.get(json!({ "agentType": "dba", "context": { "role": "dba", "unused": [1] } }));
    assert_eq!(prompt(&got.await), "the user's DBA");

    house.write(
        "blue/.iris/templates/logger.hbs",
        "First.\n{{> base/logger}}\n{{#if (includes customVars.tags \"a\")}}Last.{{/if}}",
    );
    house.write(
        "blue/.iris/context.yaml",
        "customVars: { tags: [a, b] }\nprojectName: Own name\n",
    );
    let got = prompt(&house.get(json!({ "agentType": "logger" })).await);
    assert!(
        got.starts_with("First.\n") && got.trim_end().ends_with("Last."),
        "{got}"
    );
    assert!(got.contains("Own name"), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_template_is_told_with_file_and_line() {
    let house = House::with(json!({})).await;
    for (text, line) in [
        ("fine\n{{#if a}}\nno end", true),
        ("one\n{{nothing.like (this}}", true),
        ("{{> base/nobody}}", false),
        ("{{> logger}}", false),
        ("{{#*inline \"a\"}}{{/inline}}", false),
    ] {
        house.write("blue/.iris/templates/logger.hbs", text);
        let got = house.get(json!({ "agentType": "logger" })).await;
        assert_eq!(got["isError"], true, "{text}: {got}");
        let said = self::text(&got);
        assert!(said.contains(".iris/templates/logger.hbs"), "{said}");
        assert!(!line || said.contains("line "), "{said}");
    }
    house.write("blue/.iris/templates/logger.hbs", "fine");
    house.write(
        "blue/.iris/context.yaml",
        "framework: Vue\nwritePattern: []\n",
    );
    let said = text(&house.get(json!({ "agentType": "logger" })).await);
    assert!(
        said.contains("context.yaml, line 2") && said.contains("writePattern"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_within_loops_and_endless_templates_are_given_up() {
    let house = House::with(json!({})).await;
    let many: Vec<u32> = (0..1000).collect();
    let deep = format!("{}x{}", "{{#each a}}".repeat(5), "{{/each}}".repeat(5));
    house.write("blue/.iris/templates/logger.hbs", &deep);
    let got = house
        .get(json!({ "agentType": "logger", "context": { "a": many } }))
        .await;
    assert_eq!(got["isError"], true, "{got}");
    house.write(
        "blue/.iris/templates/logger.hbs",
        &"{{#if a}}".repeat(20_000),
    );
    let got = house.get(json!({ "agentType": "logger" })).await;
    assert_eq!(got["isError"], true, "{got}");
    house.write("blue/.iris/templates/logger.hbs", &"x".repeat(100_000));
    let got = house.get(json!({ "agentType": "logger" })).await;
    assert_eq!(got["isError"], true, "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn get_agent_reads_the_callers_own_project_only() {
    let house = House::with(json!({})).await;
    house.write("green/CLAUDE.md", "green's xyzzy");
    house.write("CLAUDE.md", "outside's xyzzy");
    std::os::unix::fs::symlink(house.path("green"), house.path("blue/door")).unwrap();
    for path in [
        house.path("green"),
        house.path("blue/../green"),
        house.path("blue/door"),
        "door".to_owned(),
        "..".to_owned(),
        "/".to_owned(),
        "/etc".to_owned(),
        house.path("not-there"),
        house.path("blue/CLAUDE.md"),
    ] {
        let got = house
            .get(json!({ "agentType": "logger", "projectPath": path }))
            .await;
        assert_eq!(got["isError"], true, "{path}: {got}");
        assert!(!got.to_string().contains("xyzzy"), "{path}: {got}");
    }
    // A link out of it is not followed for a file, either.
    std::os::unix::fs::symlink(house.path("green/CLAUDE.md"), house.path("blue/CLAUDE.md"))
        .unwrap();
    let got = house.get(json!({ "agentType": "logger" })).await;
    assert!(!got.to_string().contains("xyzzy"), "{got}");
    let notes = got["structuredContent"]["notes"].to_string();
    assert!(notes.contains("CLAUDE.md"), "it is said: {notes}");
    // A folder of the project is one, too.
    fs::create_dir(house.path("blue/part")).unwrap();
    house.write("blue/part/CLAUDE.md", "the part's rules");
    for path in [house.path("blue/part"), "part".to_owned()] {
        let got = house
            .get(json!({ "agentType": "logger", "projectPath": path }))
            .await;
        assert!(prompt(&got).contains("the part's rules"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_devices_and_large_files_of_a_project_are_not_read() {
    let house = House::with(json!({})).await;
    for name in ["CLAUDE.md", "Cargo.toml"] {
        let path = house.dir.path().join("blue").join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", house.path("blue/requirements.txt")).unwrap();
    house.write("blue/package.json", &"x".repeat(1_000_000));
    fs::create_dir(house.path("blue/pyproject.toml")).unwrap();
    let got = house.get(json!({ "agentType": "logger" })).await;
    prompt(&got);
    let notes = got["structuredContent"]["notes"].to_string();
    for name in [
        "CLAUDE.md",
        "Cargo.toml",
        "requirements.txt",
        "package.json",
        "pyproject.toml",
    ] {
        assert!(notes.contains(name), "{name}: {notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_names_any_local_teams_project_and_no_other_folder() {
    let house = House::with(json!({})).await;
    house.write("green/CLAUDE.md", "green's rules");
    house.write("CLAUDE.md", "outside's xyzzy");
    let call = |path: Value| {
        let arguments = json!({ "agentType": "logger", "projectPath": path });
        house.console(
            "tools/call",
            json!({ "name": "get_agent", "arguments": arguments }),
        )
    };
    let got = call(json!(house.path("green"))).await;
    assert!(prompt(&got["result"]).contains("green's rules"));
    for path in [
        house.dir.path().display().to_string(),
        "/etc".to_owned(),
        "green".to_owned(),
        house.path("green/../.."),
    ] {
        let got = call(json!(path)).await;
        assert_eq!(got["result"]["isError"], true, "{path}: {got}");
        assert!(!got.to_string().contains("xyzzy"), "{path}: {got}");
    }
    let got = call(json!("/srv/far")).await;
    let said = got["result"]["structuredContent"]["notes"].to_string();
    assert!(said.contains("another host"), "{got}");
    let got = call(Value::Null).await;
    assert!(prompt(&got["result"]).contains("Nothing is known about the project"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_a_prompt_with_the_two_published_arguments() {
    let house = House::with(json!({})).await;
    house.write(
        "blue/.iris/templates/dba.hbs",
        "You are a {{projectName}} dba.",
    );
    let list = house.agents("prompts/list", json!({})).await;
    let prompts = list["result"]["prompts"].as_array().unwrap();
    assert_eq!(prompts.len(), 11, "{list}");
    for prompt in prompts {
        let names: Vec<&Value> = prompt["arguments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|argument| &argument["name"])
            .collect();
        assert_eq!(names, ["projectPath", "includeGitDiff"]);
        assert!(prompt["description"].is_string());
        let name = &prompt["name"];
        let got = house.agents("prompts/get", json!({ "name": name })).await;
        let message = &got["result"]["messages"][0];
        assert_eq!(message["role"], "user", "{got}");
        let text = message["content"]["text"].as_str().unwrap();
        assert!(text.contains("blue"), "{name}: {text}");
    }
    let listed = house.console("prompts/list", json!({})).await;
    let listed = listed["result"]["prompts"].as_array().unwrap().len();
    assert_eq!(listed, 10, "the console is in no project");
    let arguments = json!({ "projectPath": house.path("blue"), "includeGitDiff": "false" });
    let params = json!({ "name": "dba", "arguments": arguments });
    let got = house.console("prompts/get", params).await;
    let text = &got["result"]["messages"][0]["content"]["text"];
    assert_eq!(text, "You are a blue dba.", "{got}");
    for bad in [
        json!({ "name": "wizard" }),
        json!({ "name": "logger", "arguments": { "includeGitDiff": "perhaps" } }),
        json!({ "name": "logger", "arguments": { "includeGitDiff": true } }),
        json!({ "name": "logger", "arguments": { "unheardOf": "1" } }),
        json!({ "name": "logger", "arguments": { "projectPath": "/etc" } }),
    ] {
        let got = house.console("prompts/get", bad.clone()).await;
        assert_eq!(got["error"]["code"], -32602, "{bad}: {got}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_have_the_rights_of_get_agent() {
    let denied = json!({ "reverseMcpPermissions": { "deniedTools": ["get_agent"] } });
    let ruled = json!({ "approvalPolicy": { "deny": ["get_agent"] } });
    for (blue, shown) in [(denied, 0), (ruled, 10)] {
        let house = House::with(blue.clone()).await;
        let list = house.agents("prompts/list", json!({})).await;
        let listed = list["result"]["prompts"].as_array().unwrap().len();
        assert_eq!(listed, shown, "{blue}");
        let got = house
            .agents("prompts/get", json!({ "name": "logger" }))
            .await;
        assert!(got["error"]["message"].is_string(), "{blue}: {got}");
        assert!(got.get("result").is_none(), "{blue}: {got}");
        let got = house.get(json!({ "agentType": "logger" })).await;
        assert_eq!(got["isError"], true, "{blue}: {got}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_diff_is_in_the_prompt_when_it_is_wanted() {
    let house = House::with(json!({})).await;
    git(&house.dir.path().join("blue"), &["init", "-q"]);
    house.write("blue/a.txt", "before\n");
    git(&house.dir.path().join("blue"), &["add", "a.txt"]);
    git(&house.dir.path().join("blue"), &["commit", "-qm", "one"]);
    house.write("blue/a.txt", "after\n");
    for kind in ["logger", "code-reviewer", "changeloger"] {
        let with = house
            .get(json!({ "agentType": kind, "includeGitDiff": true }))
            .await;
        let with = prompt(&with);
        assert!(
            with.contains("-before") && with.contains("+after"),
            "{kind}: {with}"
        );
        let without = prompt(&house.get(json!({ "agentType": kind })).await);
        assert!(!without.contains("+after"), "{without}");
    }
    let arguments = json!({ "includeGitDiff": "1" });
    let params = json!({ "name": "logger", "arguments": arguments });
    let got = house.agents("prompts/get", params).await;
    assert!(got.to_string().contains("+after"), "{got}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "makes the repository that is looked at"
)]
fn git(dir: &Path, args: &[&str]) {
    let name = ["-c", "user.name=a", "-c", "user.email=a@b.example"];
    let done = std::process::Command::new("git")
        .args(name)
        .args(args)
        .current_dir(dir)
        .status();
    assert!(done.unwrap().success(), "git {args:?}");
}
