//! What `ssh` asks a human on the way to a host, through a running Iris.

use std::{fs, process::Command};

use iris_tests::{
    Desktop, Iris, SshUser, Sshd, eventually,
    processes::{self, Process},
    require,
};
use serde_json::json;

use super::{Far, is_well, link, problem};

const PASSPHRASE: &str = "first-passphrase-77ab";
const OTHER: &str = "other-passphrase-19cd";

/// Gives the user's key another passphrase.
fn change_passphrase(user: &SshUser, old: &str, new: &str) {
    let changed = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", old, "-N", new, "-f"])
        .arg(user.key())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(changed.success());
}

/// Nothing of Iris's home holds one of these, nor does its output.
pub(super) fn nothing_holds(iris: &Iris, secrets: &[&str]) {
    let found = Iris::files_with(&iris.home(), secrets);
    assert!(found.is_empty(), "secrets in files: {found:#?}");
    for secret in secrets {
        assert!(!iris.stderr().contains(secret), "a secret is logged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_once_kept_and_replaced_when_it_is_wrong() {
    require!(
        "claude",
        "sshd",
        "dbus-daemon",
        "Xvfb",
        "gnome-keyring-daemon"
    );
    let desktop = Desktop::start().await.with_keyring().await;
    let far = Far::of(SshUser::with_passphrase(PASSPHRASE), &[]).await;
    let setup = far.prepare("far", json!({})).await;
    let mut iris = setup
        .on(&desktop)
        .setting("logLevel", "trace")
        .serve()
        .await;

    let sending = iris.send_in_background("far", "one");
    let prompt = iris.prompt("passphrase").await;
    assert_eq!(prompt["retry"], false, "{prompt}");
    iris.answer(&prompt, PASSPHRASE, &["--remember"]).await;
    assert_eq!(sending.response().await, "echo: one");
    iris.stop();

    iris.restart().await;
    is_well(&iris, "far", "two").await;
    let sign_ins = far.sshd.sign_ins();
    assert_eq!(sign_ins, 2, "the second one asked nobody");
    iris.stop();

    change_passphrase(&far.user, PASSPHRASE, OTHER);
    iris.restart().await;
    let sending = iris.send_in_background("far", "three");
    let prompt = iris.prompt("passphrase").await;
    assert_eq!(
        prompt["retry"], true,
        "the stored one was tried, and was wrong: {prompt}"
    );
    iris.answer(&prompt, OTHER, &["--remember"]).await;
    assert_eq!(sending.response().await, "echo: three");
    iris.stop();

    iris.restart().await;
    is_well(&iris, "far", "four").await;
    let audit = iris.cli(&["audit", "--limit", "0", "--json"]).await.ok();
    for secret in [PASSPHRASE, OTHER] {
        assert!(!audit.contains(secret), "a secret is in the audit log");
    }
    iris.verify_audit().await;
    iris.stop();
    nothing_holds(&iris, &[PASSPHRASE, OTHER]);
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_question_needs_you_and_a_start_asks_again() {
    require!("claude", "sshd");
    let far = Far::of(SshUser::with_passphrase(PASSPHRASE), &[]).await;
    let mut iris = far.iris(json!({})).await;

    let (started, ()) = tokio::join!(iris.cli(&["team", "start", "far"]), async {
        let prompt = iris.prompt("passphrase").await;
        let id = prompt["id"].as_str().unwrap();
        iris.cli(&["answer", id, "--cancel"]).await.ok();
    });
    let said = started.refused();
    assert!(said.contains("was cancelled"), "{said}");
    assert!(said.contains("Start the team again"), "{said}");
    assert_eq!(iris.state("far").await, "trouble");
    assert!(iris.prompts().await.is_empty(), "nothing is asked any more");

    let (started, ()) = tokio::join!(iris.cli(&["team", "start", "far"]), async {
        let prompt = iris.prompt("passphrase").await;
        iris.answer(&prompt, "wrong", &[]).await;
        let prompt = iris.prompt("passphrase").await;
        assert_eq!(prompt["retry"], true, "{prompt}");
        iris.answer(&prompt, PASSPHRASE, &[]).await;
    });
    started.ok();
    is_well(&iris, "far", "well").await;
    iris.stop();
    nothing_holds(&iris, &[PASSPHRASE]);
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_confirmed_and_a_changed_one_is_refused() {
    require!("claude", "sshd");
    let mut far = Far::start().await;
    fs::remove_file(far.user.known_hosts()).unwrap();
    let mut iris = far.iris(json!({})).await;

    let (refused, ()) = tokio::join!(iris.cli(&["team", "start", "far"]), async {
        let prompt = iris.prompt("hostKey").await;
        iris.answer(&prompt, "no", &[]).await;
    });
    let said = refused.refused();
    assert!(said.contains("was not confirmed"), "{said}");
    assert_eq!(far.sshd.sign_ins(), 0);

    let sending = iris.send_in_background("far", "one");
    let prompt = iris.prompt("hostKey").await;
    let fingerprint = prompt["kind"]["fingerprint"].as_str().unwrap();
    assert!(fingerprint.starts_with("SHA256:"), "{prompt}");
    iris.answer(&prompt, "yes", &[]).await;
    assert_eq!(sending.response().await, "echo: one");
    let known = fs::read_to_string(far.user.known_hosts()).unwrap();
    assert!(known.contains(&far.sshd.known_host()), "{known}");

    // Somebody else answers at that address from now on.
    far.sshd.new_host_key();
    far.sshd.restart().await;
    let problem = eventually("the change is said", async || {
        let problem = problem(&iris).await;
        let message = problem["message"].as_str().unwrap_or_default();
        message
            .contains("somebody may be in between")
            .then_some(problem)
    })
    .await;
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains("ssh-keygen -R"), "{problem}");
    assert_eq!(iris.state("far").await, "trouble");
    assert_eq!(far.sshd.sign_ins(), 1);
    assert!(
        iris.prompts().await.is_empty(),
        "there is no way to say yes to that"
    );
    // Iris cannot reach its agent there any more: it ends by itself, with its connection.
    eventually("the agent there is gone", async || {
        processes::marked(far.home.path()).is_empty().then_some(())
    })
    .await;
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_behind_a_jump_host_asks_for_each_of_the_two() {
    require!("claude", "sshd");
    let far = Far::of(SshUser::with_passphrase(PASSPHRASE), &[]).await;
    let bastion = Sshd::start(&far.user).await;
    far.user.trust(&bastion);
    far.user.configure(&format!(
        "Host inner
  HostName 127.0.0.1
  Port {}
  ProxyJump bastion
Host bastion
  HostName 127.0.0.1
  Port {}
",
        far.sshd.port(),
        bastion.port()
    ));
    let mut iris = far.iris(json!({"remote": "ssh inner"})).await;
    let sending = iris.send_in_background("far", "one");
    for _ in 0..2 {
        let prompt = iris.prompt("passphrase").await;
        iris.answer(&prompt, PASSPHRASE, &[]).await;
    }
    assert_eq!(sending.response().await, "echo: one");
    assert_eq!((bastion.sign_ins(), far.sshd.sign_ins()), (1, 1));
    assert_eq!(link(&iris).await["state"], "up");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_ends_with_who_asked_for_the_connection() {
    require!("claude", "sshd");
    let far = Far::of(SshUser::with_passphrase(PASSPHRASE), &[]).await;
    let mut iris = far.iris(json!({})).await;
    let no_ssh = async |iris: &Iris| {
        eventually("no ssh asks any more", async || {
            let running = processes::marked(iris.dir());
            let asks = |process: &Process| {
                process.exe.ends_with("ssh") || process.command.contains("passphrase")
            };
            (!running.iter().any(asks)).then_some(())
        })
        .await;
    };
    let sending = iris.send_in_background("far", "one");
    iris.prompt("passphrase").await;
    iris.cli(&["team", "stop", "far"]).await.ok();
    assert_ne!(sending.outcome().await["status"], "answered");
    eventually("the question is withdrawn", async || {
        iris.prompts().await.is_empty().then_some(())
    })
    .await;
    no_ssh(&iris).await;

    let sending = iris.send_in_background("far", "two");
    iris.prompt("passphrase").await;
    iris.kill9();
    drop(sending);
    no_ssh(&iris).await;
    iris.restart().await;
    assert!(iris.prompts().await.is_empty());
    iris.stop();
    assert_eq!(far.sshd.sign_ins(), 0);
}
