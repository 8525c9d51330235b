//! `iris doctor --team`: what a newcomer reads when the way to a host does not work yet, and when it
//! does.

use std::{fs, os::unix::fs::PermissionsExt as _};

use iris_tests::{Iris, SshUser, Sshd, eventually, require};
use serde_json::{Value, json};

use super::{Far, is_well, link_is};

/// Each step of the test, as `state name`, with what it found.
async fn steps(iris: &Iris, team: &str) -> (bool, Vec<(String, Value)>) {
    let said = iris.cli(&["doctor", "--team", team, "--json"]).await;
    let code = said.code;
    let said = said.json();
    let ok = said["ok"].as_bool().unwrap();
    assert_eq!(code, i32::from(!ok), "the exit code tells: {said:#}");
    let steps = said["steps"].as_array().unwrap().iter();
    let named = steps.map(|step| {
        let word = |name: &str| step[name].as_str().unwrap();
        (format!("{} {}", word("state"), word("name")), step.clone())
    });
    (ok, named.collect())
}

fn names(steps: &[(String, Value)]) -> Vec<&str> {
    steps.iter().map(|(name, _)| name.as_str()).collect()
}

/// The one that failed.
fn failed(steps: &[(String, Value)]) -> &Value {
    let mut failed = steps.iter().filter(|(name, _)| name.starts_with("failed"));
    let (_, step) = failed.next().expect("one failed");
    assert!(failed.next().is_none(), "the others are skipped: {steps:?}");
    assert!(step["hint"].is_string(), "it says what to do: {step}");
    step
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_way_is_tried_to_its_end_and_left_as_it_was() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    let (ok, all) = steps(&iris, "far").await;
    assert_eq!(
        names(&all),
        [
            "ok Find ssh",
            "ok Find the host",
            "ok Sign in",
            "ok Run a program there",
            "ok Open the tunnel",
            "ok Prove the way",
            "ok Find Claude Code",
            "ok Enter the folder",
            "ok Start the agent",
        ],
        "{all:#?}"
    );
    assert!(ok);
    let detail = |at: usize| all[at].1["detail"].as_str().unwrap();
    let port = far.sshd.port();
    assert!(detail(1).contains(&format!("port {port}")), "{}", detail(1));
    assert!(detail(5).ends_with(" ms"), "{}", detail(5));
    assert!(detail(6).ends_with("2.1.330"), "{}", detail(6));
    assert!(detail(8).contains("Iris's tools"), "{}", detail(8));
    assert_eq!(iris.state("far").await, "asleep", "nothing was woken");
    far.is_clean().await;

    // The link of a team that runs is used, and stays.
    is_well(&iris, "far", "one").await;
    let sign_ins = far.sshd.sign_ins();
    let said = iris.cli(&["doctor", "--team", "far"]).await.ok();
    assert_eq!(said.lines().count(), 11, "a line for each step:\n{said}");
    assert!(said.contains("connected already"), "{said}");
    assert!(said.trim_end().ends_with("gives it a task."), "{said}");
    assert_eq!(far.sshd.sign_ins(), sign_ins);
    is_well(&iris, "far", "two").await;
    let link = link_is(&iris, "up").await;
    let listed = iris.cli(&["tunnel", "list", "--json"]).await.json();
    assert_eq!(listed[0]["team"], "far");
    assert_eq!(listed[0]["link"]["port"], link["port"], "{listed}");
    let listed = iris.cli(&["tunnel", "list"]).await.ok();
    assert!(
        listed.contains("verified") && listed.contains("s ago"),
        "{listed}"
    );
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tunnel_that_step_is_left_out() {
    require!("claude", "sshd");
    let far = Far::with(&["AllowTcpForwarding no"]).await;
    let mut iris = far.iris(json!({"enableReverseMcp": false})).await;
    let (ok, all) = steps(&iris, "far").await;
    assert!(ok, "{all:#?}");
    assert_eq!(names(&all)[4], "skipped Open the tunnel");
    assert!(
        all[4].1["detail"]
            .as_str()
            .unwrap()
            .contains("enableReverseMcp")
    );
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_named_with_what_to_do() {
    require!("claude", "sshd");
    let broken = tempfile::tempdir().unwrap();
    let program = broken.path().join("claude");
    fs::write(&program, "#!/bin/sh\necho 'no such option' >&2\nexit 2\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for (line, fields, step, says) in [
        ("", json!({}), "Sign in", "does not accept the sign-in"),
        (
            "ForceCommand true",
            json!({}),
            "Run a program there",
            "runs no program",
        ),
        (
            "AllowTcpForwarding no",
            json!({}),
            "Open the tunnel",
            "does not allow the tunnel",
        ),
        (
            "",
            json!({"claudePath": "/no/such/claude"}),
            "Find Claude Code",
            "not at /no/such/claude",
        ),
        (
            "",
            json!({"claudePath": program}),
            "Find Claude Code",
            "no such option",
        ),
    ] {
        let far = Far::with(&[line]).await;
        if step == "Sign in" {
            fs::copy(SshUser::new().key(), far.user.key()).unwrap();
        }
        let mut iris = far.iris(fields).await;
        let (ok, all) = steps(&iris, "far").await;
        assert!(!ok);
        let failed = failed(&all);
        assert_eq!(failed["name"], step, "{all:#?}");
        let detail = failed["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{says}: {detail}");
        assert!(
            names(&all).last().unwrap().starts_with("skipped"),
            "{all:#?}"
        );
        iris.stop();
        far.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_added_by_a_newcomer_is_tested_from_the_first_question_on() {
    require!("claude", "sshd");
    let user = SshUser::new();
    let sshd = Sshd::with(&user, &[]).await;
    let mut iris = Iris::prepare().await.ssh(&user).serve().await;
    let (port, host) = (sshd.port().to_string(), sshd.destination());
    iris.cli(&[
        "team",
        "add",
        "far",
        "~/no such folder",
        "--remote",
        &host,
        "--port",
        &port,
        "--tunnel",
        "--claude",
        require::claude().unwrap().to_str().unwrap(),
    ])
    .await
    .ok();
    let testing = steps(&iris, "far");
    let answering = async {
        let prompt = iris.prompt("hostKey").await;
        iris.answer(&prompt, "yes", &[]).await;
    };
    let ((ok, all), ()) = tokio::join!(testing, answering);
    assert!(!ok);
    let failed = failed(&all);
    assert_eq!(failed["name"], "Enter the folder", "{all:#?}");
    let detail = failed["detail"].as_str().unwrap();
    assert!(detail.contains("no such folder"), "{detail}");

    let said = iris.cli(&["doctor", "--team", "nobody"]).await;
    assert_eq!(said.code, 4, "{said}");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_here_is_tested_too() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("near").await;
    let (ok, all) = steps(&iris, "near").await;
    assert!(ok, "{all:#?}");
    assert_eq!(
        names(&all),
        [
            "ok Find Claude Code",
            "ok Enter the folder",
            "ok Start the agent"
        ]
    );
    fs::remove_dir_all(project).unwrap();
    let (_, all) = steps(&iris, "near").await;
    assert_eq!(failed(&all)["name"], "Enter the folder");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_ends_the_test() {
    require!("claude", "sshd");
    let user = SshUser::new();
    let sshd = Sshd::with(&user, &[]).await;
    let team = json!({"remote": sshd.remote()});
    let setup = Iris::prepare().await.ssh(&user).team("far", team);
    let mut iris = setup.serve().await;
    let testing = iris.cli(&["doctor", "--team", "far"]);
    tokio::select! {
        said = testing => panic!("nobody answered, and yet it ended: {said}"),
        _ = iris.prompt("hostKey") => {}
    }
    eventually("what ssh asked is withdrawn", async || {
        iris.prompts().await.is_empty().then_some(())
    })
    .await;
    iris.stop();
}
