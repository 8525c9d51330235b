//! What Iris adds to a message and to a wake, and what a hundred sessions cost that talk all day. The
//! agents are fake ones, which answer at once: whatever takes time here is not the agent.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use iris_engine::environment::Environment;
use iris_tests::{Iris, iris};
use serde_json::{Value, json};

use crate::{fsync, load, ms, on_its_own, programs};

const FAKE: &str = env!("CARGO_BIN_EXE_fake-claude");
/// Messages on one way, and of each measured round.
const MESSAGES: usize = 1_000;
const ROUNDS: usize = 5;
const WAKES: usize = 41;
/// Sessions that are warm at once.
const SESSIONS: usize = 100;
/// How many messages a second they get, and for how long.
const RATE: usize = 200;
const STEADY: Duration = Duration::from_secs(30);
/// And how many in all.
const ALL: usize = 100_000;
/// After how many parts of these the memory is looked at.
const PARTS: usize = 5;

/// Prints the figures.
pub async fn measure() {
    println!();
    one().await;
    many().await;
}

/// A message to a warm session, and a wake, beside the same agent without Iris.
async fn one() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = json!({"teams": {"alpha": {"path": dir.path(), "claudePath": FAKE}}});
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("a config");
    let env = [
        ("HOME", dir.path().as_os_str()),
        ("PATH", "/usr/bin:/bin".as_ref()),
    ];
    let env: Environment = env
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    let engine = on_its_own(dir.path(), env).await;
    let endpoint = engine.snapshot().borrow().endpoint.clone();
    let address = iris::address(&endpoint);
    let console = engine.tokens.console();
    let call = async |n: usize, tool: &'static str, arguments: Value| {
        let body = move |_| load::tool_call(n, tool, &arguments);
        let measured = load::run(address, "/mcp", console.expose(), 1, 1, body).await;
        measured.quantile(0.5)
    };

    let (mut own, mut through) = (Vec::new(), Vec::new());
    let mut bare = Bare::start(dir.path());
    bare.initialize();
    call(0, "team_wake", json!({"team": "alpha"})).await;
    for round in 0..ROUNDS {
        own.extend((0..MESSAGES).map(|n| bare.turn(n)));
        let send = move |n| send_to("alpha", round * MESSAGES + n);
        let sent = load::run(address, "/mcp", console.expose(), 1, MESSAGES, send).await;
        through.push(sent.quantile(0.5));
    }
    bare.end();
    let (own, through) = (median(own), median(through));
    println!(
        "a message to a warm session, p50: {:.2} ms, of which the agent's own turn {:.2} ms: Iris adds {:.2} ms (wanted 1) on a disk whose fsync takes {:.2} ms",
        ms(through),
        ms(own),
        ms(through.saturating_sub(own)),
        ms(fsync(dir.path())),
    );

    let (mut own, mut through) = (Vec::new(), Vec::new());
    for n in 0..WAKES {
        call(n, "team_sleep", json!({"team": "alpha"})).await;
        through.push(call(n, "team_wake", json!({"team": "alpha"})).await);
        let begun = Instant::now();
        let mut bare = Bare::start(dir.path());
        bare.initialize();
        own.push(begun.elapsed());
        bare.end();
    }
    let (own, through) = (median(own), median(through));
    println!(
        "a wake, p50: {:.1} ms, of which the agent's own start {:.1} ms: Iris adds {:.1} ms (wanted 10)",
        ms(through),
        ms(own),
        ms(through.saturating_sub(own)),
    );
    engine.shutdown().await;
}

/// Memory while many sessions are warm and talk.
async fn many() {
    let mut setup = Iris::prepare().await.setting("maxProcesses", SESSIONS);
    for n in 0..SESSIONS {
        setup = setup.team(&team(n), json!({"claudePath": FAKE, "env": {}}));
    }
    let iris = setup.serve().await;
    let idle = programs::own_pss(iris.pid());
    let token = iris.token().await;
    let address = iris.address();
    let run = async |first: usize, connections: usize, count: usize, every| {
        let body = move |n| send_to(&team(n % SESSIONS), first + n);
        load::paced(
            address,
            "/mcp",
            &token,
            connections,
            count / connections,
            every,
            body,
        )
        .await
    };
    run(0, 4, SESSIONS, Duration::ZERO).await;
    let warm = programs::own_pss(iris.pid());
    let steady = RATE * usize::try_from(STEADY.as_secs()).expect("small");
    let every = Duration::from_secs(10) / u32::try_from(RATE).expect("small");
    let (before, begun) = (programs::cpu(iris.pid()), Instant::now());
    let at_rate = run(1_000_000, 10, steady, every).await;
    let cpu = (programs::cpu(iris.pid()) - before) as f64 / begun.elapsed().as_secs_f64();
    let talking = programs::own_pss(iris.pid());
    println!(
        "{SESSIONS} warm sessions, {:.0} messages a second: {:.1} MiB PSS (wanted 60; idle {:.1}, warm {:.1}), {cpu:.0} % of a core, p50 {:.1} ms, p99 {:.1} ms",
        at_rate.rate(),
        mib(talking),
        mib(idle),
        mib(warm),
        ms(at_rate.quantile(0.5)),
        ms(at_rate.quantile(0.99)),
    );
    // What grows only once (caches, the files' own pages) is grown after the first of them.
    let part = ALL / PARTS;
    let mut grown = Vec::new();
    let mut rates = Vec::new();
    for n in 1..=PARTS {
        let measured = run((1 + n) * 1_000_000, 16, part, Duration::ZERO).await;
        rates.push(measured.rate());
        grown.push(format!("{:.1}", mib(programs::own_pss(iris.pid()))));
    }
    println!(
        "MiB PSS after each {part} of {ALL} messages: {}; {:.0} a second at first and {:.0} in the end, as fast as they go",
        grown.join(", "),
        rates[0],
        rates[PARTS - 1],
    );
}

fn team(n: usize) -> String {
    format!("t{n}")
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn send_to(team: &str, n: usize) -> String {
    let message = format!("message {n}");
    load::tool_call(
        n,
        "send_message",
        &json!({"toTeam": team, "message": message, "timeout": 0}),
    )
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The agent without Iris.
struct Bare {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Bare {
    fn start(home: &Path) -> Self {
        let session = uuid::Uuid::new_v4();
        let mut child = Command::new(FAKE)
            .arg(format!("--session-id={session}"))
            .env_clear()
            .env("HOME", home)
            .env("FAKE_CLAUDE", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let input = child.stdin.take().expect("its stdin");
        let output = BufReader::new(child.stdout.take().expect("its stdout")).lines();
        Self {
            child,
            input,
            output,
        }
    }

    /// Until it is ready.
    fn initialize(&mut self) {
        self.ask(
            &json!({"type": "control_request", "request_id": "i",
                         "request": {"subtype": "initialize"}}),
            "control_response",
        );
    }

    /// A message until its result.
    fn turn(&mut self, n: usize) -> Duration {
        let begun = Instant::now();
        let content = json!([{"type": "text", "text": format!("message {n}")}]);
        self.ask(
            &json!({"type": "user", "uuid": uuid::Uuid::new_v4(),
                         "message": {"role": "user", "content": content}}),
            "result",
        );
        begun.elapsed()
    }

    fn ask(&mut self, line: &Value, until: &str) {
        writeln!(self.input, "{line}").expect("it reads");
        let answer = format!("\"type\":\"{until}\"");
        let is_answer = |line: std::io::Result<String>| line.expect("it writes").contains(&answer);
        assert!(self.output.any(is_answer), "it answers");
    }

    fn end(mut self) {
        drop(self.input);
        self.child.wait().expect("it ends");
    }
}
