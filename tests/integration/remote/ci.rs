//! `docs/CI.md`, done: a build host that fails wakes a local team, with nothing but the Claude Code there and its tools.

use std::{path::Path, process::Command};

use super::*;

const PAGE: &str = include_str!("../../../docs/CI.md");

/// The block of the page in that language.
fn block(language: &str) -> &'static str {
    let (_, rest) = PAGE
        .split_once(&format!("```{language}\n"))
        .expect("the page has it");
    rest.split_once("```").expect("a block ends").0
}

/// What the page says of a step, under a policy.
fn says(step: &str, policy: &str) -> &'static str {
    let rows = || PAGE.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = |row: &'static str| row.split('|').map(str::trim);
    let head = rows().next().expect("a table");
    let at = cells(head)
        .position(|cell| cell.trim_matches('`') == policy)
        .expect("the policy has a column");
    let row = rows()
        .find(|row| {
            cells(row)
                .next()
                .is_some_and(|cell| cell.trim_matches('`') == step)
        })
        .unwrap_or_else(|| panic!("the page has the step {step}"));
    cells(row).nth(at).expect("a cell")
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(args);
    command
        .env_remove("GIT_DIR")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().expect("git runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "git {args:?}: {output:?}");
    said
}

/// The project as it stands on both computers: its test fails.
fn project(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("value.txt"), "broken\n").unwrap();
    fs::write(
        folder.join("Makefile"),
        "test:\n\tgrep -q mended value.txt\n",
    )
    .unwrap();
    fs::write(
        folder.join("build.sh"),
        "#!/bin/sh\nmake test || { echo 'FAILED: value'; exit 1; }\n",
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.join("build.sh"), mode).unwrap();
}

async fn a_red_build_is_mended_under(policy: &str) {
    require!("claude", "sshd", "git", "make");
    let far = Far::start().await;
    let config: Value = serde_json::from_str(block("jsonc")).expect("there are no comments in it");
    let mut fields = config["teams"]["ci"].clone();
    let fields_of = fields.as_object_mut().unwrap();
    // These two are the machine's.
    assert!(fields_of.remove("path").is_some() && fields_of.remove("remote").is_some());
    let setup = far.prepare("ci", fields).await;
    let (there, here) = (
        setup.dir().join("projects/ci"),
        setup.dir().join("projects/api"),
    );
    project(&there);
    project(&here);
    let origin = setup.dir().join("origin.git");
    git(
        setup.dir(),
        &[
            "init",
            "-q",
            "--bare",
            "-b",
            "main",
            origin.to_str().unwrap(),
        ],
    );
    git(&here, &["init", "-q", "-b", "main"]);
    for (name, value) in [
        ("user.name", "api"),
        ("user.email", "api@example.org"),
        ("push.default", "current"),
    ] {
        git(&here, &["config", name, value]);
    }
    git(
        &here,
        &["remote", "add", "origin", origin.to_str().unwrap()],
    );
    git(&here, &["add", "."]);
    git(&here, &["commit", "-qm", "As it is"]);
    let mut iris = setup.serve().await;
    let add = "iris team add api ~/src/api --policy balanced";
    assert!(
        block("sh").contains(add),
        "the page says how the team is added"
    );
    let path = here.to_str().unwrap();
    iris.cli(&["team", "add", "api", path, "--policy", policy])
        .await
        .ok();

    // The task of the page; behind it, what the model that plays the agents is to do about it.
    let (test, commit, push) = ("make test", "git commit -am 'Mend the value'", "git push");
    let file = here.join("value.txt");
    let file = file.display();
    let message = format!(
        "The build failed: value. Find the cause, mend it, run the tests, commit and push.\n\
         FAKE:steps\nread {file}\nwrite {file} mended\nbash {test}\nbash {commit}\nbash {push}"
    );
    let send = json!({ "toTeam": "api", "message": message, "persist": true, "timeout": -1 });
    let task = format!(
        "{}\nFAKE:steps\nbash ./build.sh\nmcp team_wake {{\"team\":\"api\"}}\nmcp send_message {send}",
        block("text")
    );
    let told = iris.send_in_background("ci", &task).response().await;
    assert!(
        told.starts_with("done: OK"),
        "the build host goes on at once: {told}"
    );

    let steps = [
        ("read the file", "Read", "value.txt"),
        ("change it", "Write", "value.txt"),
        (test, "Bash", test),
        (commit, "Bash", commit),
        (push, "Bash", push),
    ];
    let mut asked = 0;
    for (step, tool, what) in steps {
        match says(step, policy) {
            "by itself" => {}
            "asks" => {
                let pending = iris.pending_one().await;
                assert_eq!(
                    (&*pending.team, &*pending.from, &*pending.tool),
                    ("api", "ci", tool),
                    "{step}"
                );
                assert!(
                    pending.summary.contains(what),
                    "{step}: {}",
                    pending.summary
                );
                iris.approve(&pending).await;
                asked += 1;
            }
            other => panic!("the page says `{other}` of {step}"),
        }
    }
    let head = eventually("the fix is pushed", async || {
        let log = Command::new("git")
            .args([
                "-C",
                origin.to_str().unwrap(),
                "log",
                "-1",
                "--format=%s",
                "main",
            ])
            .output();
        log.ok()
            .filter(|it| it.status.success())
            .map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
    })
    .await;
    assert_eq!(head, "Mend the value\n");
    iris.state_becomes("api", "idle").await;

    // A human decided just what the page says, and nothing else.
    let decided = iris.decisions("api").await;
    let by_human = decided
        .iter()
        .filter(|row| row.decided_by.starts_with("human:"))
        .count();
    assert_eq!(by_human, asked, "{decided:#?}");
    assert!(
        decided.iter().all(|row| row.decision == "allow"),
        "{decided:#?}"
    );
    for row in decided
        .iter()
        .filter(|row| !row.decided_by.starts_with("human:"))
    {
        assert!(row.decided_by.starts_with("rule:autoApprove:"), "{row:#?}");
    }
    let there = iris.decisions("ci").await;
    assert_eq!(
        there.len(),
        1,
        "the build was allowed by its rule: {there:#?}"
    );

    // What it was not given, it has not.
    for beyond in [
        r#"FAKE:mcp send_message {"toTeam":"ci","message":"x"}"#,
        "FAKE:mcp list_teams {}",
        "FAKE:bash touch x",
    ] {
        let answer = iris.send_in_background("ci", beyond).response().await;
        assert!(answer.starts_with("done: ERROR"), "{beyond}: {answer}");
    }
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_red_build_is_mended_under_the_conservative_policy() {
    a_red_build_is_mended_under("conservative").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_red_build_is_mended_under_the_balanced_policy() {
    a_red_build_is_mended_under("balanced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_red_build_is_mended_under_the_autonomous_policy() {
    a_red_build_is_mended_under("autonomous").await;
}
