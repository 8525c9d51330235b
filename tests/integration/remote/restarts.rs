//! How an agent on a host comes to run again: where its team is by then, and not in a loop.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use iris_tests::{Iris, Sshd, eventually, require, sshd::free_port};
use serde_json::{Value, json};

use super::{Far, is_well, link, link_is};

/// Edits a team's entry as its user does by hand.
fn edit(iris: &Iris, team: &str, change: impl FnOnce(&mut Value)) {
    let file = iris.home().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config["teams"][team]);
    fs::write(&file, config.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_moves_while_its_host_is_away_starts_where_it_is_now() {
    require!("claude", "sshd");
    let mut old = Far::start().await;
    let home = format!("SetEnv HOME={}", old.home.path().display());
    let new = Sshd::with(&old.user, &[&home]).await;
    old.user.trust(&new);
    let mut iris = old.iris(json!({})).await;
    old.sshd.kill();
    let sending = iris.send_in_background("far", "FAKE:bash echo $PLACE > it.txt");
    link_is(&iris, "reconnecting").await;
    edit(&iris, "far", |team| {
        team["remote"] = new.remote().into();
        team["env"]["PLACE"] = "the-new-one".into();
    });
    let pending = iris.pending_one().await;
    assert_eq!(pending.host, new.remote(), "the host is the one it runs on");
    assert_eq!((old.sshd.sign_ins(), new.sign_ins()), (0, 1));
    iris.approve(&pending).await;
    assert!(sending.response().await.starts_with("done: OK"));
    let told = fs::read_to_string(iris.project("far").join("it.txt")).unwrap();
    assert_eq!(told, "the-new-one\n");
    old.sshd.listen().await;
    assert_eq!(link(&iris).await["state"], "up");
    iris.stop();
    assert_eq!(
        old.sshd.sign_ins(),
        0,
        "nobody asked for the old host again"
    );
    old.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_like_a_broken_connection_is_started_with_pauses() {
    require!("claude", "sshd");
    let far = Far::start().await;
    let (program, runs) = (far.home.path().join("claude"), far.home.path().join("runs"));
    // What `ssh` itself ends with, and the words of one that found no place.
    let script = format!(
        "#!/bin/sh\necho run >>'{}'\necho 'Session open refused by peer' >&2\nexit 255\n",
        runs.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut iris = far.iris(json!({"claudePath": program})).await;
    let said = iris.cli(&["team", "start", "far"]).await.refused();
    assert!(said.contains("ended with exit code 255"), "{said}");
    assert!(said.contains("the connection stands"), "{said}");
    let often = fs::read_to_string(&runs).unwrap().lines().count();
    assert_eq!(often, 1, "it is not started again at once");
    assert_eq!(iris.state("far").await, "trouble");
    assert_eq!(link(&iris).await["state"], "up");
    assert_eq!(far.sshd.sign_ins(), 1, "nor on a further connection");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_stays_for_a_team_that_did_not_name_its_port() {
    require!("claude", "sshd");
    // The host gives a port of its own then, and would call it taken when it is named. Another test
    // may have the usual one, which is as good.
    let _usual = TcpListener::bind(("127.0.0.1", 1615));
    let far = Far::start().await;
    let setup = far.prepare("any", json!({})).await;
    let setup = far.add(setup, "exact", json!({"reverseMcpPort": free_port()}));
    let mut iris = setup.serve().await;
    is_well(&iris, "any", "hi").await;
    let port = link(&iris).await["port"].clone();
    edit(&iris, "exact", |team| team["reverseMcpPort"] = port.clone());
    eventually("exact has that port too", async || {
        iris.cli(&["team", "start", "exact"]).await.ok();
        let status = iris.status().await;
        (status["teams"][1]["link"]["port"] == port).then_some(())
    })
    .await;
    iris.cli(&["team", "stop", "exact"]).await.ok();

    let sending = iris.send_in_background("any", "FAKE:bash echo done > it.txt");
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    let answer = sending.response().await;
    assert!(answer.starts_with("done: OK"), "{answer}");
    assert_eq!(far.sshd.sign_ins(), 1, "the link was never lost");
    iris.stop();
    far.is_clean().await;
}
