//! docs/GUARDS.md: what a user could meet, and the test that keeps it away. Here are those that stand
//! nowhere else, and the check that the table is true.

use std::{fs, net::TcpListener, path::Path};

use iris_tests::{Iris, require};
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_guard_is_there() {
    let page = fs::read_to_string(root().join("docs/GUARDS.md")).unwrap();
    let mut seen = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let (_, tests) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        if !tests.starts_with('`') {
            assert!(tests == "test" || tests == "---", "{row}");
            continue;
        }
        for test in tests.split(", ") {
            let named: Vec<&str> = test.split('`').collect();
            let ["", file, " ", name, ""] = named[..] else {
                panic!("`FILE` `NAME`: {test}")
            };
            let text = fs::read_to_string(root().join(file));
            let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
            let heads = [format!("fn {name}("), format!("fn {name}<")];
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let at = lines
                .iter()
                .position(|line| heads.iter().any(|head| line.contains(head)));
            let at = at.unwrap_or_else(|| panic!("{file} has no {name}"));
            // A test of proptest, like any other, says so above itself.
            let above = &lines[at.saturating_sub(4)..at];
            assert!(
                above
                    .iter()
                    .any(|line| line.ends_with("test]") || line.contains("::test(")),
                "{name} is no test"
            );
            seen += 1;
        }
    }
    assert!(seen > 60, "the table is still read: {seen} tests");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_an_answer_by_commands_only() {
    require!("claude");
    let mut iris = Iris::start().await;
    assert!(
        !iris.home().join("config.json").exists(),
        "nothing was written before"
    );
    iris.add_team("api").await;
    iris.cli(&["team", "start", "api"]).await.ok();
    iris.state_becomes("api", "idle").await;
    assert_eq!(
        iris.model.prompts(),
        Vec::<String>::new(),
        "a wake costs no turn"
    );
    let answer = iris.send_in_background("api", "hello").response().await;
    assert_eq!(answer, "echo: hello");
    assert_eq!(iris.model.prompts(), ["hello"]);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_wins_over_the_config_and_only_then() {
    let taken: Vec<TcpListener> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let port = |at: usize| taken[at].local_addr().unwrap().port();
    // What each start says comes after what those before it said.
    let mut before = 0;
    let mut names = |said: &str, at: usize| {
        let said = &said[std::mem::replace(&mut before, said.len())..];
        for other in 0..3 {
            let named = said.contains(&port(other).to_string());
            assert_eq!(named, other == at, "{said}");
        }
    };
    let setup = Iris::prepare().await.setting("httpPort", port(0));
    names(&setup.refused(&[]).await.1, 0);
    let setup = setup.env("IRIS_HTTP_PORT", port(1).to_string());
    names(&setup.refused(&[]).await.1, 1);
    let port_2 = port(2).to_string();
    names(&setup.refused(&["--port", &port_2]).await.1, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_tells_the_same_version() {
    let mut iris = Iris::start().await;
    let version = env!("CARGO_PKG_VERSION");
    let said = iris.cli(&["--version"]).await.ok();
    assert_eq!(said.trim(), format!("iris {version}"));
    assert_eq!(iris.status().await["version"], version);
    let mut bridge = iris.bridge();
    let client = json!({"name": "test", "version": "1"});
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let server = bridge.ask(1, "initialize", hello).await;
    assert_eq!(
        server["result"]["serverInfo"]["version"], version,
        "{server}"
    );
    let window = fs::read_to_string(root().join("ui/package.json")).unwrap();
    let window: Value = serde_json::from_str(&window).unwrap();
    assert_eq!(window["version"], version);
    drop(bridge);
    iris.stop();
}
