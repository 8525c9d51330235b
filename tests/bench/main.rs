//! Iris measured beside its yardsticks, in one run: `scripts/bench.sh`.
//!
//! These machines are noisy, so what counts are the ratios: each pair is measured in interleaved
//! rounds, and the median round is taken.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench ends when something is wrong, and says what it measured"
)]

use std::{
    io::Write as _,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use axum::{Json, Router, routing::post};
use iris_domain::{
    config::ApprovalPolicy,
    ids::{Party, SessionId},
    request::Asker,
};
use iris_engine::{Deps, Engine, environment::Environment, home::Home, secrets::Secrets};
use serde_json::{Value, json};

mod freeze;
mod load;
mod messages;
mod pending;
mod policy;
mod programs;
mod record;
mod remote;
mod search;
mod transcript;

/// Odd, so that there is a median.
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // Cargo's own `--bench` aside, the arguments name what is measured; none: everything.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    if wanted("policy") {
        policy::measure();
    }
    runtime.block_on(async {
        if wanted("calls") {
            calls().await;
        }
        if wanted("pending") {
            pending::measure().await;
        }
        if wanted("messages") {
            messages::measure().await;
        }
        if wanted("transcript") {
            transcript::measure().await;
        }
        if wanted("record") {
            record::measure().await;
        }
        if wanted("programs") {
            programs::measure().await;
        }
        if wanted("freeze") {
            freeze::measure().await;
        }
        if wanted("remote") {
            remote::measure().await;
        }
    });
}

/// `list_teams` and an auto-approved `permissions__approve` against a bare axum handler.
async fn calls() {
    let dir = tempfile::tempdir().expect("a directory");
    let project = dir.path().join("project");
    std::fs::create_dir(&project).expect("a project");
    let config = json!({"teams": {"alpha": {"path": project, "approvalPolicy": {
        "autoApprove": ["Bash"], "requireApproval": ApprovalPolicy::default().require_approval
    }}}});
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a config");
    let engine = on_its_own(dir.path(), Environment::default()).await;
    let endpoint = engine.snapshot().borrow().endpoint.clone();
    let iris = iris_tests::iris::address(&endpoint);
    let asker = Asker {
        team: "alpha".parse().expect("a name"),
        session: SessionId(uuid::Uuid::new_v4()),
        from: Party::Console,
        host: "local".into(),
    };
    let path = format!("/mcp/{}", asker.session);
    let token = engine.tokens.mint(asker);
    let console = engine.tokens.console();
    let bare = bare_axum().await;

    println!("fsync of this disk: p50 {:.2} ms", ms(fsync(dir.path())));
    println!();
    println!(
        "| call | connections | Iris /s | p50 ms | p99 ms | processor ms | bare axum /s | ratio |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut permissions = Vec::new();
    for connections in [1, 16] {
        // Alone, a call waits for the disk each time.
        let each = if connections == 1 { 4000 } else { 1000 };
        let (mut lists, mut approves, mut bares) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            bares.push(load::run(bare, "/mcp", "none", connections, each, list_teams).await);
            lists.push(
                load::run(
                    iris,
                    "/mcp",
                    console.expose(),
                    connections,
                    each,
                    list_teams,
                )
                .await,
            );
            approves.push(
                load::run(iris, &path, token.expose(), connections, each, move |n| {
                    approve(round * 100_000 + n + connections * 1_000_000)
                })
                .await,
            );
        }
        let bare = median(bares);
        for (name, measured) in [
            ("list_teams", median(lists)),
            ("permission, audited", median(approves)),
        ] {
            println!(
                "| {name} | {connections} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.2} |",
                measured.rate(),
                ms(measured.quantile(0.5)),
                ms(measured.quantile(0.99)),
                ms(measured.processor()),
                bare.rate(),
                measured.rate() / bare.rate()
            );
            if name != "list_teams" {
                permissions.push(measured);
            }
        }
    }
    println!();
    against_one(&permissions[0], &permissions[1]);
    engine.shutdown().await;
}

/// How much is gained by writing the rows of many callers together, and what the most is that the processors
/// leave room for: where a disk is quick, they are the bound, not the writes.
fn against_one(one: &load::Measured, sixteen: &load::Measured) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let most = processors as f64 / sixteen.processor().as_secs_f64();
    println!(
        "permissions at 16 connections against one: {:.1} times; {processors} processors could do {most:.0}/s, {:.1} times",
        sixteen.rate() / one.rate(),
        most / one.rate()
    );
}

/// The engine of this home as the programs run it: on its own runtime, which ends with the bench.
pub async fn on_its_own(home: &Path, env: Environment) -> Engine {
    let deps = Deps {
        home: Home::at(home),
        env,
        port: Some(0),
        secrets: Secrets::memory(),
    };
    let runtime = iris_engine::runtime().expect("a runtime");
    let engine = runtime.spawn(Engine::start(deps));
    let engine = engine.await.expect("it does not panic");
    std::mem::forget(runtime);
    engine.expect("the engine starts")
}

fn list_teams(n: usize) -> String {
    load::tool_call(n, "list_teams", &json!({}))
}

fn approve(n: usize) -> String {
    let arguments = json!({"tool_name": "Bash", "input": {"command": "cargo test"},
                           "tool_use_id": format!("toolu_{n}")});
    load::tool_call(n, "permissions__approve", &arguments)
}

/// The yardstick: an axum handler that parses the call and answers with a value of the same size.
async fn bare_axum() -> SocketAddr {
    async fn answer(Json(call): Json<Value>) -> Json<Value> {
        Json(json!({"jsonrpc": "2.0", "id": call["id"], "result": {
            "content": [{"type": "text", "text": "{\"teams\":[{\"name\":\"alpha\",\"config\":{}}]}"}],
            "structuredContent": {"teams": [{"name": "alpha", "config": {}}]}, "isError": false}}))
    }
    use axum::serve::ListenerExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    // Without nodelay axum would lose by its default, not by its work.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a TCP socket"));
    let app = Router::new().route("/mcp", post(answer));
    tokio::task::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
    address
}

/// The p50 of writing 4 KiB and waiting until they are on this disk.
fn fsync(dir: &Path) -> Duration {
    let mut file = std::fs::File::create(dir.join("fsync")).expect("a file");
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[0u8; 4096]).expect("a write");
            file.sync_data().expect("a sync");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn median(mut rounds: Vec<load::Measured>) -> load::Measured {
    rounds.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    rounds.swap_remove(rounds.len() / 2)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
