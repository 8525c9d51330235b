//! How an agent on a host comes to run again: where its team is by then, and not in a loop.

use std::fs;

use iris_tests::{Iris, Sshd, require};
use serde_json::{Value, json};

use super::{Far, link, link_is};

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
