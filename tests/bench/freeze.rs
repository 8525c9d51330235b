//! How long it takes until ten agents, each with a shell and what it runs, are seen to stand still.

use std::time::{Duration, Instant};

use iris_domain::{
    decision::{Human, Surface},
    ids::{Party, TeamName},
};
use iris_tests::{FakeModel, eventually, require};
use serde_json::{Map, Value, json};

use crate::{ms, on_its_own};

/// Local agents, each in a process group of its own.
const AGENTS: usize = 10;
/// So many freezes.
const ROUNDS: usize = 40;
/// What is wanted.
const WANTED: Duration = Duration::from_millis(500);

/// Prints how soon everything stands still.
pub async fn measure() {
    let Some(claude) = require::claude() else {
        println!("freezing is not measured: IRIS_TEST_CLAUDE is missing");
        return;
    };
    let model = FakeModel::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let home = dir.path().join("iris");
    let project = dir.path().join("project");
    for path in [&home, &project] {
        std::fs::create_dir(path).expect("a directory");
    }
    let team = json!({"path": project, "claudePath": claude, "grantPermission": "yes", "env": {
        "ANTHROPIC_API_KEY": "sk-ant-fake", "ANTHROPIC_BASE_URL": model.url(),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1",
    }});
    let names: Vec<TeamName> = (0..AGENTS)
        .map(|n| format!("t{n}").parse().expect("a name"))
        .collect();
    let teams: Map<String, Value> = names
        .iter()
        .map(|name| (name.to_string(), team.clone()))
        .collect();
    let config = json!({"settings": {"maxProcesses": AGENTS}, "teams": teams});
    std::fs::write(home.join("config.json"), config.to_string()).expect("a config");
    let engine = on_its_own(&home, std::env::vars_os().collect()).await;
    let work = |name: TeamName, n: usize| {
        let (teams, mark) = (engine.teams.clone(), project.join(format!("runs-{n}")));
        let text = format!(
            "FAKE:bash touch {}; tail -f /dev/null; true",
            mark.display()
        );
        tokio::spawn(async move { teams.send(Party::Console, name, text, None).await });
        mark
    };
    for (n, name) in names.iter().enumerate() {
        let mark = work(name.clone(), n);
        eventually("its shell runs", async || mark.exists().then_some(())).await;
    }

    let human = || Human {
        surface: Surface::Cli,
        user: "bench".into(),
    };
    let (mut seen, mut processes) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let frozen = engine.freeze(None, human()).await.expect("it freezes");
        seen.push(begun.elapsed());
        let proof = frozen.proof.expect("it was looked at");
        assert!(proof.is_whole(), "all stand still: {proof:?}");
        assert!(
            processes == 0 || processes == proof.found,
            "none ended: {proof:?}"
        );
        processes = proof.found;
        engine.thaw(None, human()).await.expect("it thaws");
    }
    seen.sort_unstable();
    let quantile = |share: usize| ms(seen[(ROUNDS - 1) * share / 100]);
    println!();
    println!(
        "freeze of {AGENTS} agents, {processes} processes: p50 {:.0} ms, p95 {:.0} ms; wanted p50: {:.0} ms",
        quantile(50),
        quantile(95),
        ms(WANTED)
    );
    engine.shutdown().await;
}
