//! No secret is written anywhere: a whole journey, and then a search through all that is left.

use iris_tests::{Desktop, Iris, iris::API_KEY, processes, require};
use serde_json::json;

const TEAM_SECRET: &str = "value-of-a-team-variable-9c2e";

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_leaves_no_secret_behind() {
    require!("claude");
    let mut iris = Iris::prepare()
        .await
        .setting("logLevel", "trace")
        .team("alpha", json!({"env": {"TEAM_SECRET": TEAM_SECRET}}))
        .serve()
        .await;

    let console = iris.token().await;
    assert!(
        console.len() >= 43,
        "256 bits: {} characters",
        console.len()
    );

    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    let agents = iris.agents();
    let agent = agents[0]
        .variable("IRIS_TOKEN")
        .expect("the agent has its token");
    assert_eq!(
        agents[0].variable("TEAM_SECRET").as_deref(),
        Some(TEAM_SECRET)
    );
    assert_ne!(agent, console, "an agent is not the console");
    let arguments = all_arguments(&iris);
    iris.approve(&pending).await;
    sending.response().await;
    // Refused calls are logged too: they must not log what was presented.
    iris.cli(&["approve", "nothing"]).await.refused();
    iris.cli(&["audit", "verify"]).await.ok();
    let said = [
        iris.cli(&["status", "--json"]).await.ok(),
        iris.cli(&["audit", "--json"]).await.ok(),
    ];
    iris.stop();

    let secrets = [API_KEY, &console, &agent, TEAM_SECRET];
    for secret in secrets {
        assert!(
            !arguments.contains(secret),
            "a secret stands in a process list"
        );
        assert!(
            !iris.stderr().contains(secret),
            "a secret stands in Iris's output"
        );
        assert!(
            !said.concat().contains(secret),
            "a secret is told to whoever asks"
        );
    }
    let mut found = Iris::files_with(&iris.home(), &secrets);
    // The user wrote that one there.
    found.retain(|hit| !(hit.contains("config.json") && hit.ends_with(TEAM_SECRET)));
    assert!(found.is_empty(), "secrets in files of Iris: {found:#?}");

    let logs = Iris::files_with(&iris.home().join("logs"), &["alpha"]);
    assert!(
        !logs.is_empty(),
        "the logs do tell of the team, so the search looked at something"
    );
}

fn all_arguments(iris: &Iris) -> String {
    let running = processes::marked(iris.dir());
    running
        .into_iter()
        .map(|process| process.command)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The token of the console is made once and kept by the OS, so that what `iris install` set up
/// works after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn the_console_keeps_its_token_in_the_keychain() {
    require!("dbus-daemon", "Xvfb", "gnome-keyring-daemon", "secret-tool");
    let desktop = Desktop::start().await.with_keyring().await;
    let mut iris = Iris::prepare().await.on(&desktop).serve().await;
    let first = iris.cli(&["headers"]).await.ok();
    iris.stop();
    iris.restart().await;
    let second = iris.cli(&["headers"]).await.ok();
    assert_eq!(first, second, "the keychain has it");
    assert!(
        !iris.stderr().contains("kept in memory"),
        "no fallback: {}",
        iris.stderr()
    );
}
