//! Teams on another host: a real `sshd`, the real `ssh`, the real Claude Code at the far end.

mod ci;
mod connection_test;
mod credentials;
mod desktop;
mod faults;
mod flaps;
mod forks;
mod freeze;
mod hostile;
mod limits;
mod network;
mod replay;
mod restarts;
mod sign_in;
mod three_teams;

use std::{fs, path::PathBuf};

use iris_tests::{
    Factor, Iris, Network, Setup, SshUser, Sshd, eventually, iris::API_KEY, processes, require,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Another host, as far as `ssh` can tell: an account with a home of its own.
struct Far {
    user: SshUser,
    sshd: Sshd,
    home: TempDir,
}

impl Far {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(lines: &[&str]) -> Self {
        Self::of(SshUser::new(), lines).await
    }

    /// The host of a user who knows it.
    async fn of(user: SshUser, lines: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let account = account(&home, lines);
        let sshd = Sshd::with(&user, &[&[account.as_str()], lines].concat()).await;
        user.trust(&sshd);
        Self { user, sshd, home }
    }

    /// One that takes no key, but asks for these.
    async fn asking(factors: &[Factor], lines: &[&str]) -> Self {
        let (user, home) = (SshUser::new(), tempfile::tempdir().unwrap());
        let account = account(&home, lines);
        let lines = [&[account.as_str()], lines].concat();
        let sshd = Sshd::asking(&user, factors, &lines).await;
        user.trust(&sshd);
        Self { user, sshd, home }
    }

    /// The far computer of that network, and an Iris on the near one.
    async fn across(network: &Network) -> (Self, Iris) {
        let (user, home) = (SshUser::new(), tempfile::tempdir().unwrap());
        let sshd = Sshd::across(&user, &[&account(&home, &[])], network).await;
        user.trust(&sshd);
        let far = Self { user, sshd, home };
        let setup = Iris::prepare().await.ssh(&far.user).across(network).await;
        let iris = far.add(setup, "far", json!({})).serve().await;
        (far, iris)
    }

    /// An Iris whose user can reach this host, with a team there.
    async fn iris(&self, fields: Value) -> Iris {
        self.prepare("far", fields).await.serve().await
    }

    async fn prepare(&self, team: &str, fields: Value) -> Setup {
        let setup = Iris::prepare().await.ssh(&self.user);
        self.add(setup, team, fields)
    }

    fn add(&self, setup: Setup, team: &str, fields: Value) -> Setup {
        let mut all = json!({
            "remote": self.sshd.remote(),
            "enableReverseMcp": true,
            "claudePath": require::claude(),
            "env": {
                "ANTHROPIC_API_KEY": API_KEY,
                "ANTHROPIC_BASE_URL": setup.model().url(),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_AUTOUPDATER": "1",
            },
        });
        for (name, value) in fields.as_object().unwrap() {
            all[name] = value.clone();
        }
        setup.team(team, all)
    }

    /// What Iris keeps on the host.
    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.home.path().join(".iris-agent"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    }

    /// Nothing of Iris is on the host any more.
    async fn is_clean(&self) {
        eventually("the host is clean", async || {
            let quiet = processes::marked(self.home.path()).is_empty();
            (quiet && self.files().is_empty() && self.sshd.children().is_empty()).then_some(())
        })
        .await;
    }
}

/// The environment of the account; `sshd` takes one line of it.
fn account(home: &TempDir, lines: &[&str]) -> String {
    let further: String = lines
        .iter()
        .filter_map(|line| line.strip_prefix("SetEnv"))
        .collect();
    format!("SetEnv HOME={}{further}", home.path().display())
}

async fn link(iris: &Iris) -> Value {
    let status = iris.status().await;
    status["teams"][0]["link"].clone()
}

/// What troubles the first team.
async fn problem(iris: &Iris) -> Value {
    let status = iris.status().await;
    status["teams"][0]["problem"].clone()
}

/// Waits until the link of the first team is in this state; how it is then.
async fn link_is(iris: &Iris, state: &str) -> Value {
    eventually(&format!("the link is {state}"), async || {
        Some(link(iris).await).filter(|link| link["state"] == state)
    })
    .await
}

/// Sends and waits for the answer that the fake model gives to plain text.
async fn is_well(iris: &Iris, team: &str, text: &str) {
    let answer = iris.send_in_background(team, text).response().await;
    assert!(answer.ends_with(text), "{team} answered: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_agent_asks_through_the_tunnel_and_calls_back() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let setup = far.prepare("far", json!({})).await;
    let mut iris = setup.team("near", json!({})).serve().await;

    let sending = iris.send_in_background("far", "FAKE:bash echo done > it.txt");
    let pending = iris.pending_one().await;
    assert_eq!(
        (pending.team.as_str(), pending.tool.as_str()),
        ("far", "Bash")
    );
    assert_eq!(pending.host, far.sshd.remote(), "the host is named");
    let link = link(&iris).await;
    assert_eq!(link["state"], "up", "{link}");
    assert!(
        link["verifiedAt"].is_string() && link["rttMs"].is_number(),
        "{link}"
    );
    iris.approve(&pending).await;
    let answer = sending.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    assert_eq!(
        fs::read_to_string(iris.project("far").join("it.txt")).unwrap(),
        "done\n"
    );

    let answer = iris
        .send_in_background(
            "far",
            r#"FAKE:mcp send_message {"toTeam":"near","message":"hello"}"#,
        )
        .response()
        .await;
    assert!(
        answer.contains("echo: hello"),
        "the local team answered: {answer}"
    );
    iris.verify_audit().await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tunnel_it_is_governed_all_the_same() {
    require!("claude", "sshd");
    let far = Far::with(&["AllowTcpForwarding no"]).await;
    let mut iris = far.iris(json!({"enableReverseMcp": false})).await;
    let sending = iris.send_in_background("far", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    iris.deny(&pending, "not there").await;
    let answer = sending.response().await;
    assert!(answer.contains("not there"), "{answer}");
    let link = link(&iris).await;
    assert_eq!(
        (&link["state"], &link["port"]),
        (&json!("up"), &Value::Null)
    );
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_goes_away_comes_back() {
    require!("claude", "sshd");
    let mut far = Far::start().await;
    let mut iris = far.iris(json!({})).await;
    let answer = iris.send_in_background("far", "one").response().await;
    assert_eq!(answer, "echo: one");
    far.sshd.kill();
    link_is(&iris, "reconnecting").await;
    let waiting = iris.send_in_background("far", "two");
    assert_eq!(
        iris.state("far").await,
        "trouble",
        "a host that is away is said"
    );
    far.sshd.listen().await;
    assert_eq!(
        waiting.response().await,
        "echo: two",
        "what waited is delivered"
    );
    link_is(&iris, "up").await;
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_teams_share_one_link() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let setup = far.prepare("far", json!({})).await;
    let mut iris = far.add(setup, "further", json!({})).serve().await;
    for team in ["far", "further"] {
        let answer = iris.send_in_background(team, "hi").response().await;
        assert_eq!(answer, "echo: hi");
    }
    assert_eq!(far.sshd.sign_ins(), 1, "one connection for both");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_inside_the_tunnel_works_and_is_warned_of() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let mut iris = far.iris(json!({"allowHttp": true})).await;
    let sending = iris.send_in_background("far", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;
    let link = link(&iris).await;
    assert_eq!(link["state"], "up", "{link}");
    let warning = link["warning"].as_str().unwrap_or_default();
    assert!(warning.contains("allowHttp"), "{link}");
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_human_can_mend_is_said_in_one_sentence() {
    require!("claude", "sshd");
    for (line, said) in [
        ("AllowTcpForwarding no", "tunnel"),
        ("GatewayPorts yes", "opened port"),
        ("ForceCommand true", "runs no program"),
    ] {
        let far = Far::with(&[line]).await;
        let mut iris = far.iris(json!({})).await;
        let refused = iris.cli(&["team", "start", "far"]).await.refused();
        assert!(refused.contains(said), "{line}: {refused}");
        assert_eq!(iris.state("far").await, "trouble");
        // Nobody waits for the link any more, so it is not there; why stands with the team.
        assert_eq!(link(&iris).await, Value::Null, "{line}");
        let problem = problem(&iris).await;
        let message = problem["message"].as_str().unwrap_or_default();
        assert!(message.contains(said), "{line}: {problem}");
        assert!(problem["hint"].is_string(), "{line}: {problem}");
        iris.stop();
    }
}
