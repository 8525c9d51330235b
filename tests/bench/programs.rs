//! The built programs: how soon they are ready, what they hold in memory and do when idle, and how
//! soon a request is a notification.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use iris_tests::{Desktop, Iris, SshUser, Sshd, eventually, iris::API_KEY, require};
use serde_json::json;

use crate::{load, ms};

/// Starts measured for the median.
const STARTS: usize = 11;
/// Requests measured for the quantiles.
const REQUESTS: usize = 100;
/// How long "idle" is watched: long beside every timer that could wake a program needlessly.
const IDLE: Duration = Duration::from_secs(10);

pub async fn measure() {
    println!();
    println!("| program | ready p50 ms | idle PSS MiB | idle CPU % |");
    println!("| --- | --- | --- | --- |");
    let mut ready = Vec::new();
    let mut idle = String::new();
    for n in 0..STARTS {
        let setup = Iris::prepare().await;
        let start = Instant::now();
        let iris = setup.serve().await;
        ready.push(start.elapsed());
        if n == 0 {
            idle = watch(iris.pid()).await;
        }
    }
    ready.sort_unstable();
    println!("| iris serve | {:.0} | {idle} |", ms(ready[STARTS / 2]));

    let missing = ["dbus-daemon", "Xvfb", "xfce4-panel"]
        .into_iter()
        .find(|program| !require::has(program));
    if let Some(program) = missing {
        println!("iris-desktop is not measured: {program} is missing");
        return;
    }
    let desktop = Desktop::start().await.with_panel().await;
    let iris = Iris::prepare().await.desktop(&desktop).await;
    println!(
        "| iris-desktop, no window, beside a panel | | {} |",
        watch(iris.pid()).await
    );
    drop(iris);
    drop(desktop);
    notification().await;
}

/// Memory and processor time of a process tree that has nothing to do.
async fn watch(pid: u32) -> String {
    // The start's own work is over when the processor time stands still for a second.
    let mut last = cpu(pid);
    eventually("the program is idle", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = cpu(pid);
        (std::mem::replace(&mut last, now) == now).then_some(())
    })
    .await;
    let before = cpu(pid);
    tokio::time::sleep(IDLE).await;
    let used = cpu(pid) - before;
    // The kernel counts in ticks of 10 ms.
    let share = used as f64 / 100.0 / IDLE.as_secs_f64() * 100.0;
    format!("{:.1} | {share:.1}", pss(pid) as f64 / 1024.0)
}

/// Proportional set size of a process and its children, KiB.
fn pss(pid: u32) -> u64 {
    own_pss(pid) + children(pid).into_iter().map(pss).sum::<u64>()
}

/// Proportional set size of a process alone, KiB.
pub fn own_pss(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("Pss:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .expect("the process lives")
}

/// Processor time of a process, ticks.
pub fn cpu(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..]
        .split(' ')
        .collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}

fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// From the agent's request to the notification's arrival at the notification service: from an
/// agent here, and from one on another host, through the tunnel.
async fn notification() {
    if require::claude().is_none() || !require::has("sshd") {
        println!("request → notification is not measured: sshd or IRIS_TEST_CLAUDE is missing");
        return;
    }
    let desktop = Desktop::start().await;
    let account = tempfile::tempdir().expect("a directory");
    let user = SshUser::new();
    let home = format!("SetEnv HOME={}", account.path().display());
    let sshd = Sshd::with(&user, &[&home]).await;
    user.trust(&sshd);
    let setup = Iris::prepare().await.ssh(&user);
    let env = json!({
        "ANTHROPIC_API_KEY": API_KEY, "ANTHROPIC_BASE_URL": setup.model().url(),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1",
    });
    let far = json!({"remote": sshd.remote(), "enableReverseMcp": true, "allowHttp": true,
                     "claudePath": require::claude(), "env": env});
    let iris = setup
        .team("near", json!({}))
        .team("far", far)
        .desktop(&desktop)
        .await;
    println!();
    iris.cli(&["team", "start", "near"]).await.ok();
    requests("an agent here", &iris, &desktop, iris.address()).await;
    iris.cli(&["team", "stop", "near"]).await.ok();
    iris.cli(&["team", "start", "far"]).await.ok();
    let status = iris.status().await;
    let teams = status["teams"].as_array().expect("teams");
    let port = teams
        .iter()
        .find_map(|team| team["link"]["port"].as_u64())
        .and_then(|port| u16::try_from(port).ok())
        .expect("a tunnel");
    let tunnel = SocketAddr::from(([127, 0, 0, 1], port));
    requests("through the tunnel", &iris, &desktop, tunnel).await;
}

/// Requests as the only agent that runs would send them: with its token, to its address.
async fn requests(who: &str, iris: &Iris, desktop: &Desktop, address: SocketAddr) {
    let agents = iris.agents();
    let variable = |name: &str| {
        agents
            .iter()
            .find_map(|process| process.variable(name))
            .expect("the agent runs")
    };
    let (token, session) = (variable("IRIS_TOKEN"), variable("IRIS_SESSION"));
    let mut times = Vec::new();
    for n in 0..REQUESTS {
        let (token, path) = (token.clone(), format!("/mcp/{session}"));
        let asked = Instant::now();
        let call = tokio::task::spawn(async move {
            load::run(address, &path, &token, 1, 1, move |_| ask(n)).await
        });
        let shown = desktop.notifications.one().await;
        times.push(shown.received.duration_since(asked));
        desktop.notifications.press(&shown, "Allow").await;
        call.await.expect("it is answered");
        desktop.notifications.none().await;
    }
    times.sort_unstable();
    println!(
        "request → notification, {who}: p50 {:.1} ms, p95 {:.1} ms",
        ms(times[REQUESTS / 2]),
        ms(times[REQUESTS * 95 / 100])
    );
}

fn ask(n: usize) -> String {
    let arguments = json!({"tool_name": "Bash", "input": {"command": format!("touch {n}")},
                           "tool_use_id": format!("toolu_bench_{n}")});
    load::tool_call(n, "permissions__approve", &arguments)
}
