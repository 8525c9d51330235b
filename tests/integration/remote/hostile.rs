//! What somebody who controls a host, or a program there, can try, and how little comes of it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    sync::{Arc, Mutex},
    thread,
};

use iris_tests::{Iris, SshUser, eventually, iris::API_KEY, processes, require, sshd::free_port};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{Far, is_well, link_is};

/// What Iris may grow by while an agent floods it: a line is bounded, and so are the queues.
const GROWTH_MAX_KIB: u64 = 64 * 1024;

/// Somebody on the host who has what an agent there has.
pub(super) struct Thief {
    port: u64,
    ca: String,
    token: String,
    session: String,
}

impl Thief {
    pub(super) async fn of(iris: &Iris, team: &str) -> Self {
        let status = iris.status().await;
        let teams = status["teams"].as_array().unwrap();
        let found = teams.iter().find(|entry| entry["name"] == team).unwrap();
        let port = found["link"]["port"].as_u64().expect("a tunnel");
        let agents = processes::marked(&iris.project(team));
        let agent = agents
            .iter()
            .find(|agent| agent.variable("IRIS_TOKEN").is_some());
        let agent = agent.expect("the team runs");
        let ca = iris.home().join("tls/ca.pem");
        Self {
            port,
            ca: ca.to_str().unwrap().to_owned(),
            token: agent.variable("IRIS_TOKEN").unwrap(),
            session: agent.variable("IRIS_SESSION").unwrap(),
        }
    }

    /// Posts this to a session's address at the far end of the tunnel; the status and the answer.
    pub(super) async fn post(&self, session: &str, body: &[u8]) -> (u16, String) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(body).unwrap();
        let config = format!(
            "header = \"Authorization: Bearer {}\"\n\
             header = \"Content-Type: application/json\"\n\
             header = \"Accept: application/json, text/event-stream\"\n\
             data-binary = \"@{}\"\n",
            self.token,
            file.path().display()
        );
        let mut curl = Command::new("curl")
            .args([
                "-sS",
                "-m",
                "30",
                "-w",
                "\n%{http_code}",
                "--cacert",
                &self.ca,
                "-K",
                "-",
            ])
            .arg(format!("https://127.0.0.1:{}/mcp/{session}", self.port))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = curl.stdin.take().unwrap();
        stdin.write_all(config.as_bytes()).await.unwrap();
        drop(stdin);
        let output = curl.wait_with_output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (answer, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), answer.to_owned())
    }

    /// Calls a tool at the agent's own address.
    pub(super) async fn call(&self, tool: &str, arguments: Value) -> (u16, String) {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        });
        self.post(&self.session, call.to_string().as_bytes()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_opens_only_its_own_door_and_not_for_long() {
    require!("claude", "sshd", "curl");
    let far = Far::start().await;
    let rights = json!({"reverseMcpPermissions": {
        "allowedTools": ["list_teams", "send_message"], "deniedTargets": ["near"],
    }});
    let setup = far.prepare("alpha", rights).await;
    let setup = far.add(setup, "beta", json!({}));
    let mut iris = setup.team("near", json!({})).serve().await;
    is_well(&iris, "alpha", "one").await;
    is_well(&iris, "beta", "one").await;
    let alpha = Thief::of(&iris, "alpha").await;
    let beta = Thief::of(&iris, "beta").await;

    let (status, listed) = alpha.call("list_teams", json!({})).await;
    assert!(
        status == 200 && listed.contains("beta"),
        "{status} {listed}"
    );
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
    let (status, said) = alpha.post(&beta.session, call).await;
    assert!(status == 401 || status == 403, "{status} {said}");
    let (_, said) = alpha.call("team_sleep", json!({"team": "beta"})).await;
    assert!(said.contains("may not call team_sleep"), "{said}");
    let message = json!({"toTeam": "near", "message": "hi"});
    let (_, said) = alpha.call("send_message", message).await;
    assert!(said.contains("on near"), "{said}");
    let forged = json!({"fromTeam": "beta", "toTeam": "beta", "message": "hi"});
    let (_, said) = alpha.call("send_message", forged).await;
    assert!(said.contains("isError\":true"), "a forged sender: {said}");
    assert_eq!(iris.state("near").await, "asleep", "nothing reached it");

    // Patience ends: what is left of its five chances.
    eventually("alpha is cut off", async || {
        let (status, _) = alpha.call("team_sleep", json!({"team": "beta"})).await;
        (status == 401).then_some(())
    })
    .await;
    let problem = iris.problem("forbidden").await;
    let message = problem["message"].as_str().unwrap();
    assert!(message.contains("Iris stopped alpha"), "{problem}");
    eventually("its agent is ended", async || {
        processes::marked(&iris.project("alpha"))
            .is_empty()
            .then_some(())
    })
    .await;
    is_well(&iris, "beta", "two").await;
    // Nobody starts it but a human who says so.
    let stopped = "Iris stopped alpha";
    let outcome = iris.send_in_background("alpha", "hi").outcome().await;
    let said = outcome["error"].to_string();
    assert!(
        said.contains(stopped) && said.contains("start the team"),
        "{said}"
    );
    let call = r#"FAKE:mcp send_message {"toTeam":"alpha","message":"hi"}"#;
    let said = iris.send_in_background("near", call).response().await;
    assert!(said.contains(stopped), "{said}");
    let tested = iris.cli(&["doctor", "--team", "alpha"]).await;
    assert!(tested.stdout.contains(stopped), "{tested}");
    assert!(processes::marked(&iris.project("alpha")).is_empty());
    iris.cli(&["team", "start", "alpha"]).await.ok();
    is_well(&iris, "alpha", "two").await;
    let (status, _) = alpha.call("list_teams", json!({})).await;
    assert_eq!(status, 401, "the stolen token stays worthless");
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_and_broken_frames_through_the_tunnel_are_turned_away() {
    require!("claude", "sshd", "curl");
    let far = Far::start().await;
    let limit =
        json!({"reverseMcpRateLimit": {"points": 3, "duration": 600, "blockDuration": 900}});
    let mut iris = far.iris(limit).await;
    is_well(&iris, "far", "one").await;
    let thief = Thief::of(&iris, "far").await;

    let large = vec![b' '; 5 * 1024 * 1024];
    let (status, said) = thief.post(&thief.session, &large).await;
    assert_eq!(status, 413, "{said}");
    for broken in [&b"{\"jsonrpc\":"[..], b"\xff\xfe", b"[]", b"42", b"{}"] {
        let (status, said) = thief.post(&thief.session, broken).await;
        assert!((400..500).contains(&status), "{broken:?}: {status} {said}");
    }
    let port = u16::try_from(thief.port).unwrap();
    for noise in [
        &b"\x16\x03\x01\xff\xff\x01"[..],
        b"\0\0\0\0",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(noise).unwrap();
    }

    for _ in 0..3 {
        let (status, said) = thief.call("get_date", json!({})).await;
        assert!(status == 200 && !said.contains("isError\":true"), "{said}");
    }
    for _ in 0..20 {
        let (_, said) = thief.call("get_date", json!({})).await;
        assert!(said.contains("too many calls"), "{said}");
    }
    // What the agent must be able to do it can.
    let sending = iris.send_in_background("far", "FAKE:bash echo done > it.txt");
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    link_is(&iris, "up").await;
    iris.stop();
    far.is_clean().await;
}

/// The most memory that Iris has used so far.
fn peak_kib(iris: &Iris) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", iris.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.unwrap().split_whitespace().next().unwrap();
    words.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_bomb_costs_no_memory() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let fields = json!({"claudePath": require::built("fake-claude"), "enableReverseMcp": false});
    let mut iris = far.iris(fields).await;
    is_well(&iris, "far", "one").await;
    let before = peak_kib(&iris);
    // One line of so many mebibytes.
    let answer = iris
        .send_in_background("far", "too-long 256")
        .response()
        .await;
    assert_eq!(answer, "after it");
    let grown = peak_kib(&iris) - before;
    assert!(grown < GROWTH_MAX_KIB, "it grew by {grown} KiB");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_says_cannot_write_to_the_terminal() {
    require!("claude", "sshd", "curl");
    let far = Far::start().await;
    let script = far.home.path().join("claude");
    fs::write(&script, "#!/bin/sh\nprintf '\\033]0;evil\\007\\033[2Jno \\342\\200\\256 claude\\n' >&2\nprintf '\\033[2J\\n'\nexit 1\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let setup = far.prepare("far", json!({})).await;
    let broken = json!({"claudePath": script});
    let mut iris = far.add(setup, "broken", broken).serve().await;
    let said = iris.cli(&["team", "start", "broken"]).await.refused();
    let shown = [
        said,
        iris.cli(&["status"]).await.ok(),
        iris.cli(&["status", "--json"]).await.ok(),
    ];
    // Claude Code refuses such commands, but a host need not ask through it.
    is_well(&iris, "far", "one").await;
    let thief = Thief::of(&iris, "far").await;
    let evil = "touch '\u{1b}]0;evil\u{7}\u{1b}[2J\u{202e}'";
    let request = json!({"tool_name": "Bash", "input": {"command": evil}, "tool_use_id": "t1"});
    let (answered, ()) = tokio::join!(thief.call("permissions__approve", request), async {
        let pending = iris.pending_one().await;
        let listed = iris.cli(&["pending"]).await.ok();
        iris.deny(&pending, "no").await;
        let audit = iris.cli(&["audit"]).await.ok();
        for text in shown.iter().chain([&listed, &audit, &iris.stderr()]) {
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        }
        assert!(
            listed.contains("evil"),
            "it is shown all the same: {listed}"
        );
    });
    assert!(answered.1.contains("deny"), "{answered:?}");
    iris.stop();
    far.is_clean().await;
}

/// Takes a port and records what it is sent.
fn squat(listener: TcpListener) -> Arc<Mutex<Vec<u8>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (all, mut stream) = (Arc::clone(&all), stream.unwrap());
            thread::spawn(move || {
                let mut buffer = [0_u8; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    all.lock().unwrap().extend_from_slice(&buffer[..read]);
                }
            });
        }
    });
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squatter_on_the_port_is_named_and_learns_nothing() {
    require!("claude", "sshd");
    let mut far = Far::start().await;
    let port = free_port();
    let mut iris = far.iris(json!({"reverseMcpPort": port})).await;
    let sending = iris.send_in_background("far", "FAKE:bash touch it.txt");
    iris.pending_one().await;
    let token = iris.agents()[0].variable("IRIS_TOKEN").unwrap();

    // The host goes away under a running agent; when it is back, somebody else has the port.
    far.sshd.kill();
    let squatter = eventually("the port is free", async || {
        TcpListener::bind(("127.0.0.1", port)).ok()
    })
    .await;
    let heard = squat(squatter);
    far.sshd.listen().await;
    iris.pending_count(0).await;
    sending.outcome().await;
    let named = format!("Port {port} on");
    eventually("the squatter is named", async || {
        let problem = super::problem(&iris).await;
        let message = problem["message"].as_str().unwrap_or_default();
        (message.contains(&named) && message.contains("taken by another program")).then_some(())
    })
    .await;
    let said = iris.cli(&["team", "start", "far"]).await.refused();
    assert!(said.contains(&named), "{said}");
    iris.stop();
    far.is_clean().await;
    let heard = heard.lock().unwrap();
    for secret in [token.as_str(), "Bearer", API_KEY] {
        let told = heard
            .windows(secret.len())
            .any(|at| at == secret.as_bytes());
        assert!(!told, "the squatter learnt a secret");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_to_a_host_leaves_no_secret_on_either_side() {
    require!("claude", "sshd");
    const PASSPHRASE: &str = "passphrase-5e1c";
    const KEPT: &str = "value-of-the-keychain-20ab";
    let far = Far::of(SshUser::with_passphrase(PASSPHRASE), &[]).await;
    let setup = far.prepare("far", json!({})).await;
    let env = json!({"env": {
        "ANTHROPIC_API_KEY": "keychain:key",
        "KEPT": "keychain:kept",
        "ANTHROPIC_BASE_URL": setup.model().url(),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }});
    let setup = far.add(setup, "far", env);
    let mut iris = setup.setting("logLevel", "trace").serve().await;
    iris.cli_with(&["secrets", "set", "key"], API_KEY)
        .await
        .ok();
    iris.cli_with(&["secrets", "set", "kept"], KEPT).await.ok();
    let sending = iris.send_in_background("far", "FAKE:bash echo done > it.txt");
    let prompt = iris.prompt("passphrase").await;
    iris.answer(&prompt, PASSPHRASE, &["--remember"]).await;
    let pending = iris.pending_one().await;
    let agents = iris.agents();
    let token = agents[0].variable("IRIS_TOKEN").unwrap();
    assert_eq!(agents[0].variable("KEPT").as_deref(), Some(KEPT));
    let secrets = [PASSPHRASE, KEPT, API_KEY, &token];

    let mut running = processes::marked(iris.dir());
    running.extend(processes::marked(far.home.path()));
    assert!(running.len() >= 4, "ssh and its programs: {running:#?}");
    for process in &running {
        for secret in secrets {
            assert!(
                !process.command.contains(secret),
                "in a process list: {process:?}"
            );
        }
        if process.variable("IRIS_TOKEN").is_some() {
            assert_eq!(
                process.exe, agents[0].exe,
                "only the agent is given its token"
            );
        }
    }
    let during = Iris::files_with(far.home.path(), &secrets[..2]);
    assert!(during.is_empty(), "on the host: {during:#?}");
    let tokens = Iris::files_with(far.home.path(), &[&token]);
    assert!(tokens.is_empty(), "on the host: {tokens:#?}");
    let said = [
        iris.cli(&["status", "--json"]).await.ok(),
        iris.cli(&["audit", "--limit", "0", "--json"]).await.ok(),
        iris.cli(&["secrets", "list", "--json"]).await.ok(),
    ];
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    iris.stop();
    far.is_clean().await;

    for secret in secrets {
        for text in said
            .iter()
            .chain([&iris.stderr(), &iris.stdout(), &far.sshd.log()])
        {
            assert!(!text.contains(secret), "a secret is told");
        }
    }
    let found = Iris::files_with(&iris.home(), &secrets);
    assert!(found.is_empty(), "secrets in files of Iris: {found:#?}");
}
