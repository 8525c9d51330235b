//! Many at once, and the end of Iris in the middle of it: each request is decided once, everybody is
//! told the truth, and the record has one row for each.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::future::join_all;
use iris_domain::{
    Problem,
    decision::{Answer, Decision, Human, Surface, Verb},
    ids::{ApprovalId, Party, SessionId},
    problem::Code,
    request::{Asker, ToolRequest},
    snapshot::EndedApproval,
};
use iris_engine::{
    Deps, Engine,
    control::{Client, Command},
    environment::Environment,
    home::Home,
    secrets::Secrets,
    store::AuditQuery,
};
use iris_tests::{
    Iris, eventually,
    iris::{Agent, user},
    require,
    wait::PATIENCE,
};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, sync::Semaphore};

const MANY: usize = 1000;
/// A team may have 50 that wait.
const TEAMS: usize = 20;
/// The control socket serves 64 callers at once; the rest wait their turn here.
const CLIS: usize = 32;

/// An Iris in this process: its handles are those of the window and the tray.
async fn engine(dir: &tempfile::TempDir, teams: Value) -> Engine {
    let config = json!({ "teams": teams }).to_string();
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let deps = Deps {
        home: Home::at(dir.path()),
        env: Environment::default(),
        port: Some(0),
        secrets: Secrets::memory(),
    };
    Engine::start(deps).await.unwrap()
}

fn asker(team: usize, n: usize) -> Asker {
    Asker {
        team: format!("t{team}").parse().unwrap(),
        session: SessionId(uuid::Uuid::from_u128(n as u128)),
        from: Party::Console,
        host: "local".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_are_answered_at_once_by_the_window_a_notification_and_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let teams: serde_json::Map<_, _> = (0..TEAMS)
        .map(|n| (format!("t{n}"), json!({ "path": dir.path() })))
        .collect();
    let engine = engine(&dir, Value::Object(teams)).await;
    let calls: Vec<_> = (0..MANY)
        .map(|n| {
            let (approvals, asker) = (engine.approvals.clone(), asker(n % TEAMS, n));
            let input = json!({ "command": format!("echo {n}") });
            let request = ToolRequest::new("Bash".into(), input, "t".into()).unwrap();
            tokio::spawn(async move { (asker.session, approvals.ask(asker, request).await) })
        })
        .collect();
    let mut snapshot = engine.snapshot();
    let shown = snapshot.wait_for(|snapshot| snapshot.approvals.len() == MANY);
    let shown = tokio::time::timeout(PATIENCE, shown).await.unwrap();
    let pending: Vec<_> = shown.unwrap().approvals.clone();
    let sessions: HashMap<ApprovalId, SessionId> = pending
        .iter()
        .map(|view| (view.id.clone(), view.session))
        .collect();
    assert_eq!(sessions.len(), MANY, "ids are unique");

    let clis = Arc::new(Semaphore::new(CLIS));
    let mut answers = Vec::new();
    for view in &pending {
        for (surface, answer) in [
            (Surface::Window, Answer::ALLOW_ONCE),
            (Surface::Notification, Answer::Deny { message: None }),
        ] {
            let (engine, id) = (engine.clone(), view.id.clone());
            answers.push(tokio::spawn(async move {
                let human = Human {
                    surface,
                    user: user(),
                };
                (surface, id.clone(), engine.answer(id, answer, human).await)
            }));
        }
        let (clis, id) = (Arc::clone(&clis), view.id.clone());
        let client = Client::new(&engine.home);
        answers.push(tokio::spawn(async move {
            let _turn = clis.acquire_owned().await.unwrap();
            let command = Command::Approve {
                id: id.0.clone(),
                input: None,
                remember: None,
            };
            let said = tokio::task::spawn_blocking(move || client.ask(&command));
            (Surface::Cli, id, said.await.unwrap())
        }));
    }
    let mut winners: HashMap<SessionId, EndedApproval> = HashMap::new();
    let mut late: Vec<(ApprovalId, Problem)> = Vec::new();
    let mut by = HashSet::new();
    for answer in answers {
        let (surface, id, said): (_, _, Result<EndedApproval, Problem>) = answer.await.unwrap();
        match said {
            Ok(ended) => {
                assert_eq!(ended.decided_by, format!("human:{surface}:{}", user()));
                by.insert(surface);
                let first = winners.insert(sessions[&id], ended);
                assert!(first.is_none(), "{id} was decided twice");
            }
            Err(problem) => late.push((id, problem)),
        }
    }
    assert_eq!(winners.len(), MANY);
    assert!(by.len() >= 2, "they really raced: {by:?}");
    assert_eq!(late.len(), 2 * MANY);
    for (id, problem) in late {
        assert_eq!(problem.code, Code::AlreadyDecided, "{problem}");
        let who = iris_domain::decision::who(&winners[&sessions[&id]].decided_by);
        assert!(problem.message.contains(&who), "{problem} was {who}");
    }
    for call in calls {
        let (session, decision) = call.await.unwrap();
        let won = &winners[&session];
        assert_eq!(
            (decision.verb(), decision.by()),
            (won.decision, won.decided_by.clone()),
            "the agent hears what holds"
        );
    }
    let rows = engine.store.audit(AuditQuery::default()).await.unwrap();
    let decided: Vec<_> = rows.iter().filter(|row| row.draft.tool == "Bash").collect();
    assert_eq!(decided.len(), MANY, "one row each");
    for row in decided {
        let won = &winners[&row.draft.session.parse().unwrap()];
        assert_eq!(row.draft.decided_by, won.decided_by);
        assert_eq!(row.draft.decision, won.decision);
    }
    assert_eq!(engine.store.verify().await.unwrap().broken, None);
    let counted = Client::new(&engine.home);
    let page = tokio::task::spawn_blocking(move || counted.call(&Command::Metrics {}));
    let page = page.await.unwrap().unwrap();
    let decided: u64 = page
        .as_str()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("iris_decisions_total{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum();
    assert_eq!(decided, MANY as u64, "and each is counted once");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_a_hundred_pending_all_are_lost_and_none_is_allowed() {
    require!("claude");
    let mut iris = Iris::start().await;
    let mut calls = Vec::new();
    for team in ["alpha", "beta"] {
        let agent = Agent::of(&iris, team).await;
        for n in 0..50 {
            calls.push(agent.asks(&iris, &format!("touch {team}{n}")).await);
        }
    }
    let pending = iris.pending_count(100).await;
    iris.kill9();
    let told = join_all(calls.into_iter().map(|mut call| async move {
        let mut told = Vec::new();
        // A connection that is reset is an answer, too: none.
        let _reset = call.read_to_end(&mut told).await;
        String::from_utf8_lossy(&told).into_owned()
    }));
    for told in tokio::time::timeout(PATIENCE, told).await.unwrap() {
        assert!(
            !told.contains("behavior"),
            "nobody is told of a decision: {told}"
        );
    }

    iris.restart().await;
    assert!(iris.pending().await.is_empty());
    let mut rows = iris.decisions("alpha").await;
    rows.extend(iris.decisions("beta").await);
    assert_eq!(rows.len(), 100, "one row each");
    for row in &rows {
        let is = (row.decision.as_str(), row.decided_by.as_str());
        assert_eq!(is, ("deny", "lost"));
    }
    let inputs: HashSet<String> = rows.iter().map(|row| row.input.to_string()).collect();
    assert_eq!(inputs.len(), 100, "each is its own");
    let said = iris.cli(&["approve", &pending[0].id]).await.refused();
    assert!(said.contains("hint:"), "a late answer is told: {said}");
    let missed: Vec<Value> =
        serde_json::from_str(&iris.cli(&["missed", "--json"]).await.ok()).unwrap();
    assert_eq!(missed.len(), 100, "and each can be allowed for a next try");
    eventually("the old agents are ended", async || {
        iris.agents().is_empty().then_some(())
    })
    .await;
    iris.verify_audit().await;

    // Once only.
    iris.kill9();
    iris.restart().await;
    assert_eq!(iris.decisions("alpha").await.len(), 50);
    iris.stop();
}

/// A disk that is really full: a small file system of its own, in a mount namespace of the thread that runs
/// this test and of no other.
#[test]
fn a_full_disk_denies_everything_until_there_is_room_again() {
    let mounting = std::thread::spawn(|| {
        use nix::sched::{CloneFlags, unshare};
        if unshare(CloneFlags::CLONE_NEWNS).is_err() {
            return false;
        }
        let dir = tempfile::tempdir().unwrap();
        let mount = |args: &[&str]| {
            let status = std::process::Command::new("mount").args(args).status();
            status.is_ok_and(|status| status.success())
        };
        let place = dir.path().to_str().unwrap();
        let mounted = mount(&["--make-rprivate", "/"])
            && mount(&["-t", "tmpfs", "-o", "size=6m", "tmpfs", place]);
        if !mounted {
            return false;
        }
        // Its threads are this thread's children, and see what it sees.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(on_a_small_disk(&dir));
        drop(runtime);
        let status = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(place)
            .status();
        assert!(status.unwrap().success());
        true
    });
    if !mounting.join().unwrap() {
        eprintln!("SKIPPED: it needs to be root, and allowed a mount namespace");
    }
}

async fn on_a_small_disk(dir: &tempfile::TempDir) {
    let teams = json!({
        "t0": { "path": dir.path(), "grantPermission": "yes" },
        "t1": { "path": dir.path() },
    });
    let engine = engine(dir, teams).await;
    let ask = |team: usize, n: usize| {
        // As large as what fills the disk: no row of another size finds a gap.
        let input = json!({ "command": format!("echo {n} {}", "x".repeat(100_000)) });
        let request = ToolRequest::new("Bash".into(), input, format!("t{n}")).unwrap();
        let approvals = engine.approvals.clone();
        async move { approvals.ask(asker(team, team), request).await }
    };
    let waiting = tokio::spawn(ask(1, 1));
    let mut snapshot = engine.snapshot();
    let shown = snapshot.wait_for(|it| it.approvals.len() == 1);
    let shown = tokio::time::timeout(PATIENCE, shown).await.unwrap();
    let id = shown.unwrap().approvals[0].id.clone();

    let filler = dir.path().join("filler");
    let full = std::fs::write(&filler, vec![0; 8 * 1024 * 1024]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    // What the database holds in reserve lasts for some rows, each of which is whole.
    let mut allowed = 0;
    let by = loop {
        let decision = ask(0, 100 + allowed).await;
        if decision.verb() == Verb::Deny {
            break decision.by();
        }
        allowed += 1;
        assert!(allowed < 200, "the disk never fills");
    };
    assert_eq!(by, "iris:audit");
    let denied = ask(0, 900).await;
    assert_eq!(denied.by(), "iris:audit", "and it stays so");
    let human = iris_engine::human(Surface::Window);
    let answer = engine.answer(id, Answer::ALLOW_ONCE, human).await;
    assert_eq!(answer.unwrap_err().code, Code::Storage, "the human is told");
    assert_eq!(waiting.await.unwrap().by(), "iris:audit");
    let not_even_asked = ask(1, 2).await;
    assert_eq!(not_even_asked.by(), "iris:audit");
    let has_problem = |has: bool| {
        let mut snapshot = engine.snapshot();
        async move {
            let problem = |problem: &Problem| problem.code == Code::Storage;
            let shown = snapshot.wait_for(|it| it.problems.iter().any(problem) == has);
            tokio::time::timeout(PATIENCE, shown)
                .await
                .unwrap()
                .unwrap();
        }
    };
    has_problem(true).await;

    std::fs::remove_file(&filler).unwrap();
    // It looks for itself, though nobody asks.
    has_problem(false).await;
    let again = ask(0, 901).await;
    assert!(matches!(again, Decision::Allow { .. }), "{again:?}");
    let rows = engine.store.audit(AuditQuery::default()).await.unwrap();
    let allows = rows.iter().filter(|row| row.draft.decision == Verb::Allow);
    assert_eq!(allows.count(), allowed + 1, "each allow has its row");
    assert_eq!(engine.store.verify().await.unwrap().broken, None);
    engine.shutdown().await;
}
