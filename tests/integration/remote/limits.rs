//! What a host allows and what it does not: sessions, connections, forwards.

use std::{fs, os::unix::fs::symlink};

use futures::future::join_all;
use iris_tests::{
    eventually,
    processes::{self, Process},
    require,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Far, is_well, link, link_is};

/// More than two connections take with the usual `MaxSessions 10`.
const TEAMS: usize = 20;

/// What runs on the host for these teams.
fn fakes(far: &Far) -> Vec<Process> {
    let mut running = processes::marked(far.home.path());
    running.retain(|process| process.exe.ends_with("fake-claude"));
    running
}

fn fake() -> Value {
    json!({"claudePath": require::built("fake-claude")})
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_teams_of_a_host_share_three_connections_and_leave_nothing() {
    require!("sshd");
    let far = Far::start().await;
    let names: Vec<String> = (0..TEAMS).map(|number| format!("t{number}")).collect();
    let mut setup = far.prepare(&names[0], fake()).await;
    for (number, name) in names.iter().enumerate().skip(1) {
        let mut fields = fake();
        fields["enableReverseMcp"] = json!(number % 2 == 0);
        setup = far.add(setup, name, fields);
    }
    let mut iris = setup.setting("maxProcesses", TEAMS).serve().await;

    let all = async |what: &'static str| {
        let done = names
            .iter()
            .map(|name| async { iris.cli(&["team", what, name]).await.ok() });
        join_all(done).await;
    };
    for round in 1..=2 {
        all("start").await;
        assert_eq!(fakes(&far).len(), TEAMS, "one for each");
        assert_eq!(far.sshd.sign_ins(), 3 * round, "eight on each connection");
        join_all(names.iter().map(|name| is_well(&iris, name, name))).await;
        let status = iris.status().await;
        for team in status["teams"].as_array().unwrap() {
            assert_eq!(team["state"], "idle", "{team}");
            assert_eq!(team["link"]["state"], "up", "{team}");
        }
        all("stop").await;
        far.is_clean().await;
        eventually("no ssh is left here", async || {
            let running = processes::marked(iris.dir());
            let mut ssh = running
                .iter()
                .filter(|process| process.exe.ends_with("ssh"));
            ssh.next().is_none().then_some(())
        })
        .await;
    }
    iris.stop();
}

/// A folder with the host's programs but these; for its PATH.
fn without(programs: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for place in ["/usr/bin", "/bin"] {
        for entry in fs::read_dir(place).unwrap().flatten() {
            let here = dir.path().join(entry.file_name());
            let wanted = programs.iter().all(|name| entry.file_name() != *name);
            if wanted && fs::symlink_metadata(&here).is_err() {
                symlink(entry.path(), here).unwrap();
            }
        }
    }
    dir
}

/// Such a host takes the tunnel and refuses the way on which it is usually proved.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_allows_only_remote_forwards_gets_its_tunnel() {
    require!("claude", "sshd", "curl", "wget");
    let whole = without(&[]);
    let only_wget = without(&["curl"]);
    for (line, bin) in [
        ("AllowTcpForwarding remote", &whole),
        ("PermitOpen none", &only_wget),
    ] {
        let path = format!("SetEnv PATH={}", bin.path().display());
        let far = Far::with(&[&path, line]).await;
        let mut iris = far.iris(json!({})).await;
        let sending = iris.send_in_background("far", "FAKE:bash echo done > it.txt");
        let pending = iris.pending_one().await;
        let before = link_is(&iris, "up").await;
        assert!(before["port"].is_number(), "{line}: {before}");
        iris.approve(&pending).await;
        assert!(sending.response().await.starts_with("done: OK"));
        let again = eventually("the next proof", async || {
            let link = link(&iris).await;
            (link["verifiedAt"] != before["verifiedAt"]).then_some(link)
        })
        .await;
        assert_eq!(again["state"], "up", "{line}: {again}");
        iris.stop();
        far.is_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_which_the_tunnel_cannot_be_proved_says_what_to_change() {
    require!("sshd");
    let bin = without(&["curl", "wget"]);
    let path = format!("SetEnv PATH={}", bin.path().display());
    let far = Far::with(&[&path, "AllowTcpForwarding remote"]).await;
    let mut iris = far.iris(fake()).await;
    let said = iris.cli(&["team", "start", "far"]).await.refused();
    assert!(said.contains("lets nobody through"), "{said}");
    assert!(said.contains("`AllowTcpForwarding yes`"), "{said}");
    assert!(said.contains("Install `curl`"), "{said}");
    assert_eq!(iris.state("far").await, "trouble");
    assert_eq!(fakes(&far).len(), 0, "nothing runs on an unproved way");
    iris.stop();
    far.is_clean().await;
}
