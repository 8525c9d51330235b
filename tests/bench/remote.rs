//! A team on another host beside plain `ssh` to the same host: the way up, a call through the
//! tunnel, a wake over a link that is up.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use iris_domain::{
    config::Config,
    ids::{Party, SessionId, TeamName},
    request::Asker,
};
use iris_engine::{Engine, environment::Environment};
use iris_tests::{FakeModel, SshUser, Sshd, require};
use serde_json::json;

use crate::{bare_axum, list_teams, load, median, ms, on_its_own};

/// Odd, so that there is a median.
const ROUNDS: usize = 9;
/// Calls through a tunnel in a round.
const CALLS: usize = 1000;

/// Prints how Iris does beside `ssh`.
pub async fn measure() {
    if !require::has("sshd") || require::claude().is_none() {
        println!("remote teams are not measured: sshd or IRIS_TEST_CLAUDE is missing");
        return;
    }
    let user = SshUser::new();
    let far = tempfile::tempdir().expect("a directory");
    let account = format!("SetEnv HOME={}", far.path().display());
    let sshd = Sshd::with(&user, &[&account]).await;
    user.trust(&sshd);
    let model = FakeModel::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let engine = engine(dir.path(), &user, &sshd, &model).await;
    let (far, near): (TeamName, TeamName) = (
        "far".parse().expect("a name"),
        "near".parse().expect("a name"),
    );

    println!();
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(hand_made(&user, &sshd, dir.path(), bare_axum().await).connect_and_forward);
        let started = Instant::now();
        let config: Config = (*engine.config.watch().borrow().clone()).clone();
        let lease = engine
            .links
            .lease(&far, &config.teams[&far])
            .await
            .expect("a link");
        let session = SessionId(uuid::Uuid::new_v4());
        let reach = lease.ready(session, |_| {}).await.expect("a way");
        ours.push(started.elapsed());
        drop((reach, lease));
        // The next round makes it anew.
        wait_down(&engine).await;
    }
    let (ours, plain) = (middle(ours), middle(plain));
    println!(
        "tunnel verified: p50 {:.0} ms; plain ssh -M and one forward: {:.0} ms; allowed: {:.0} ms",
        ms(ours),
        ms(plain),
        ms(plain) * 1.15 + 150.0
    );

    // Calls: through our tunnel, and through one made by hand to a bare handler.
    let config: Config = (*engine.config.watch().borrow().clone()).clone();
    let lease = engine
        .links
        .lease(&far, &config.teams[&far])
        .await
        .expect("a link");
    let session = SessionId(uuid::Uuid::new_v4());
    let reach = lease.ready(session, |_| {}).await.expect("a way");
    let asker = Asker {
        team: near.clone(),
        session,
        from: Party::Console,
        host: "far".into(),
    };
    let token = engine.tokens.mint(asker);
    let tunnel = SocketAddr::from(([127, 0, 0, 1], reach.port.expect("a tunnel")));
    let by_hand = hand_made(&user, &sshd, dir.path(), bare_axum().await);
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        plain.push(load::run(by_hand.tunnel, "/mcp", "none", 1, CALLS, list_teams).await);
        let path = format!("/mcp/{session}");
        ours.push(load::run(tunnel, &path, token.expose(), 1, CALLS, list_teams).await);
    }
    let (ours, plain) = (median(ours), median(plain));
    println!(
        "list_teams through the tunnel: p50 {:.2} ms; a bare handler through ssh -R: {:.2} ms; ratio {:.2} (1.30 allowed)",
        ms(ours.quantile(0.5)),
        ms(plain.quantile(0.5)),
        ours.quantile(0.5).as_secs_f64() / plain.quantile(0.5).as_secs_f64()
    );

    let (mut ours, mut local, mut command) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        for (team, times) in [(&far, &mut ours), (&near, &mut local)] {
            let started = Instant::now();
            engine
                .teams
                .wake(Party::Console, team.clone())
                .await
                .expect("it wakes");
            times.push(started.elapsed());
            engine
                .teams
                .sleep(None, team.clone())
                .await
                .expect("it sleeps");
        }
        command.push(by_hand.run_true());
    }
    let (ours, local, command) = (middle(ours), middle(local), middle(command));
    println!(
        "wake over a link that is up: p50 {:.0} ms; a local wake {:.0} ms + ssh -S … true {:.0} ms; allowed: {:.0} ms",
        ms(ours),
        ms(local),
        ms(command),
        ms(local) + ms(command) + 50.0
    );
    drop((reach, lease));
    engine.shutdown().await;
}

async fn engine(dir: &Path, user: &SshUser, sshd: &Sshd, model: &FakeModel) -> Engine {
    let home = dir.join("iris");
    let project = dir.join("project");
    for path in [&home, &project] {
        std::fs::create_dir(path).expect("a directory");
    }
    let env = json!({
        "ANTHROPIC_API_KEY": "sk-ant-fake", "ANTHROPIC_BASE_URL": model.url(),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1",
    });
    let claude = require::claude();
    let config = json!({"teams": {
        "far": {"path": project, "remote": sshd.remote(), "enableReverseMcp": true,
                "allowHttp": true, "claudePath": claude, "env": env},
        "near": {"path": project, "claudePath": claude, "env": env},
    }});
    std::fs::write(home.join("config.json"), config.to_string()).expect("a config");
    let env: Environment = user.env().into_iter().collect();
    on_its_own(&home, env).await
}

async fn wait_down(engine: &Engine) {
    let mut links = engine.links.watch();
    links
        .wait_for(|views| views.is_empty())
        .await
        .expect("the links are there");
}

/// A master and a tunnel made by hand, and how long that took.
struct ByHand {
    connect_and_forward: Duration,
    tunnel: SocketAddr,
    base: Vec<String>,
    ssh: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

fn hand_made(user: &SshUser, sshd: &Sshd, dir: &Path, to: SocketAddr) -> ByHand {
    let sockets = tempfile::tempdir_in(dir).expect("a directory");
    let socket = sockets.path().join("c");
    let ssh = user.bin().join("ssh");
    let base: Vec<String> = [
        "-S",
        &socket.display().to_string(),
        "-p",
        &sshd.port().to_string(),
    ]
    .map(str::to_owned)
    .to_vec();
    let started = Instant::now();
    // -f: it returns when it is signed in.
    let status = Command::new(&ssh)
        .args(["-M", "-N", "-f"])
        .args(&base)
        .arg(sshd.destination())
        .stderr(Stdio::null())
        .status()
        .expect("ssh runs");
    assert!(status.success(), "ssh signs in");
    let forward = Command::new(&ssh)
        .args(["-O", "forward", "-R", &format!("127.0.0.1:0:{to}")])
        .args(&base)
        .arg(sshd.destination())
        .output()
        .expect("ssh runs");
    let connect_and_forward = started.elapsed();
    let port: u16 = String::from_utf8_lossy(&forward.stdout)
        .trim()
        .parse()
        .expect("a port");
    let mut base = base;
    base.push(sshd.destination());
    ByHand {
        connect_and_forward,
        tunnel: SocketAddr::from(([127, 0, 0, 1], port)),
        base,
        ssh,
        _dir: sockets,
    }
}

impl ByHand {
    fn run_true(&self) -> Duration {
        let started = Instant::now();
        let status = Command::new(&self.ssh)
            .args(&self.base)
            .arg("true")
            .status()
            .expect("ssh runs");
        assert!(status.success(), "the command runs");
        started.elapsed()
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let asked = Command::new(&self.ssh)
            .args(["-O", "exit"])
            .args(&self.base)
            .stderr(Stdio::null())
            .status();
        assert!(asked.is_ok(), "ssh runs");
    }
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
