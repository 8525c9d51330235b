//! A copy of a conversation in a real terminal, and the end of a conversation on another host.

use std::path::Path;

use iris_tests::{Desktop, processes::Process};

use super::*;

/// A program that runs, of those that know this folder, and whose words hold all of these.
async fn running(folder: &Path, exe: &Path, words: &[&str]) -> Process {
    eventually(&format!("{} with {words:?}", exe.display()), async || {
        processes::marked(folder).into_iter().find(|process| {
            process.exe == exe && words.iter().all(|word| process.command.contains(word))
        })
    })
    .await
}

/// The session of your conversation with that team.
async fn session(iris: &Iris, team: &str) -> String {
    let listed = iris.cli(&["session", "list", team, "--json"]).await.json();
    listed[0]["id"].as_str().expect("a conversation").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_opens_in_a_real_xterm_here_and_there_and_outlives_iris() {
    require!("claude", "sshd", "Xvfb", "dbus-daemon", "xterm");
    let xterm = require::find("xterm").unwrap().canonicalize().unwrap();
    let claude = require::claude().unwrap().canonicalize().unwrap();
    let desktop = Desktop::start().await;
    let far = Far::start().await;
    let setup = far.prepare("far", json!({})).await;
    let setup = setup
        .team("near", json!({}))
        .setting("terminal", "xterm -e {command}")
        .on(&desktop);
    // Who runs Claude Code in a terminal has been welcomed there once, for which it calls out.
    for home in [far.home.path(), &setup.dir().join("home")] {
        fs::write(
            home.join(".claude.json"),
            r#"{"hasCompletedOnboarding":true}"#,
        )
        .unwrap();
    }
    let mut iris = setup.serve().await;
    let mut terminals = Vec::new();
    for team in ["near", "far"] {
        iris.send_in_background(team, "hello").response().await;
        let id = session(&iris, team).await;
        let forked = iris.cli(&["session", "fork", team, "--json"]).await.json();
        assert_eq!(forked["session"], id.as_str());
        assert!(
            forked["terminal"]
                .as_str()
                .is_some_and(|it| it.ends_with("/xterm")),
            "{forked}"
        );
        // The terminal is the user's: their screen, and no token of ours.
        let opened = running(iris.dir(), &xterm, &["-e", &id]).await;
        assert!(opened.variable("DISPLAY").is_some());
        // The Claude Code in it goes on with a copy, on the team's host.
        let folder = if team == "far" {
            far.home.path()
        } else {
            iris.dir()
        };
        let copy = running(folder, &claude, &["--resume", &id, "--fork-session"]).await;
        for process in [&opened, &copy] {
            assert_eq!(process.variable("IRIS_TOKEN"), None);
            assert_eq!(process.variable("IRIS_SESSION"), None);
        }
        terminals.push(opened);
    }
    // As SECURITY.md says, it outlives Iris; its window is the user's to close.
    iris.stop_alone();
    for terminal in terminals {
        let left = processes::marked(iris.dir());
        assert!(
            left.iter().any(|it| it.pid == terminal.pid),
            "{terminal:?} is gone: {left:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_deleted_on_its_host_too() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    iris.send_in_background("far", "kumquat").response().await;
    let id = session(&iris, "far").await;
    let records = || Iris::files_with(&far.home.path().join(".claude/projects"), &["kumquat"]);
    assert!(!records().is_empty(), "Claude Code keeps a record there");
    let deleted = iris
        .cli(&["session", "delete", "far", "--json"])
        .await
        .json();
    assert_eq!(deleted["session"], id.as_str(), "{deleted}");
    let removed = deleted["record"]["removed"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(
        removed
            .iter()
            .any(|path| path.as_str().is_some_and(|it| it.contains(&id))),
        "{deleted}"
    );
    assert_eq!(records(), Vec::<String>::new(), "and it is gone there");
    let answer = iris.send_in_background("far", "again").response().await;
    assert_eq!(answer, "echo: again");
    assert_ne!(session(&iris, "far").await, id);
    iris.stop();
    far.is_clean().await;
}
