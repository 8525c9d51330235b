//! What ssh asks: real programs of OpenSSH, the built `iris` as the program that they ask with, and
//! the keychain of a private desktop.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use iris_domain::{
    decision::{Human, Surface},
    prompt::{PromptKind, PromptView},
};
use iris_engine::{
    Deps, Engine,
    environment::Environment,
    home::Home,
    prompts::Attempt,
    secrets::{Secret, Secrets},
};
use iris_tests::{Desktop, Iris, require};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);
const PASSPHRASE: &str = "correct horse 7c1f";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn human() -> Human {
    Human {
        surface: Surface::Cli,
        user: "me".into(),
    }
}

/// An encrypted key that nobody else has.
async fn encrypted_key(dir: &Path) -> PathBuf {
    let key = dir.join("key with space");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", PASSPHRASE, "-f"])
        .arg(&key)
        .status()
        .await
        .unwrap();
    assert!(made.success());
    key
}

/// An engine in this process, as `iris serve` runs it.
async fn engine(dir: &Path) -> Engine {
    let deps = Deps {
        home: Home::at(dir.join("Iris hörme")),
        env: Environment::default(),
        port: Some(0),
        secrets: Secrets::memory(),
    };
    Engine::start(deps).await.unwrap()
}

/// A program of OpenSSH that asks for this attempt. Beside a test there is no `iris`, so it is told
/// where the built one is.
fn asking(attempt: &Attempt, program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .envs(attempt.env())
        .env("SSH_ASKPASS", require::built("iris"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn one(engine: &Engine) -> PromptView {
    let mut snapshot = engine.snapshot();
    let shown = snapshot.wait_for(|snapshot| snapshot.prompts.len() == 1);
    let shown = timeout(PATIENCE, shown).await.expect("a prompt").unwrap();
    shown.prompts[0].clone()
}

async fn ended(child: Child) -> (bool, String, String) {
    let output = timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("an end").unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_asked_once_and_then_remembered() {
    require!("ssh-keygen", "ssh-agent", "ssh-add");
    let dir = tempfile::tempdir().unwrap();
    let key = encrypted_key(dir.path()).await;
    let engine = engine(dir.path()).await;
    let attempt = engine.prompts.attempt("me@box");
    // The agent lives as long as its command.
    let add = |attempt: &Attempt| {
        let mut command = asking(attempt, "ssh-agent");
        command.arg("ssh-add").arg(&key);
        command.spawn().unwrap()
    };

    let adding = add(&attempt);
    let prompt = one(&engine).await;
    let path = key.to_str().unwrap().to_owned();
    assert_eq!(prompt.kind, PromptKind::Passphrase { key: path.clone() });
    assert!(prompt.rememberable && !prompt.retry, "{prompt:?}");
    let answer = |prompt: PromptView, text| {
        engine
            .prompts
            .answer(prompt.id, secret(text), true, human())
    };
    answer(prompt, "wrong").await.unwrap();
    let mut snapshot = engine.snapshot();
    let again = snapshot.wait_for(|snapshot| snapshot.prompts.iter().any(|prompt| prompt.retry));
    let again = timeout(PATIENCE, again).await.expect("a retry").unwrap();
    let again = again.prompts[0].clone();
    answer(again, PASSPHRASE).await.unwrap();
    let (worked, _, said) = ended(adding).await;
    assert!(worked, "{said}");
    drop(attempt);

    let attempt = engine.prompts.attempt("me@box");
    let (worked, _, said) = ended(add(&attempt)).await;
    assert!(worked, "what is remembered opens the key: {said}");
    assert!(!attempt.cancelled());
    let listed = engine.named_secrets.list().await.unwrap();
    assert_eq!(listed[0].name, format!("ssh passphrase {path}"));
    engine.shutdown().await;
    let found = Iris::files_with(&dir.path().join("Iris hörme"), &[PASSPHRASE]);
    assert!(
        found.is_empty(),
        "a passphrase stands in a file: {found:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_is_no_answer() {
    require!("ssh-keygen");
    let dir = tempfile::tempdir().unwrap();
    let key = encrypted_key(dir.path()).await;
    let engine = engine(dir.path()).await;
    let read = |attempt: &Attempt| {
        let mut command = asking(attempt, "ssh-keygen");
        command.args(["-y", "-f"]).arg(&key);
        command.spawn().unwrap()
    };
    let attempt = engine.prompts.attempt("me@box");
    let reading = read(&attempt);
    let prompt = one(&engine).await;
    engine.prompts.cancel(prompt.id, human()).await.unwrap();
    let (worked, out, _) = ended(reading).await;
    assert!(!worked && out.is_empty(), "{out}");
    assert!(attempt.cancelled());

    let attempt = engine.prompts.attempt("me@box");
    let reading = read(&attempt);
    let prompt = one(&engine).await;
    let given = engine
        .prompts
        .answer(prompt.id, secret(PASSPHRASE), false, human());
    given.await.unwrap();
    let (worked, out, said) = ended(reading).await;
    assert!(worked && out.starts_with("ssh-ed25519 "), "{out}{said}");

    // The attempt is over before ssh is: its question is withdrawn, and ssh ends.
    let attempt = engine.prompts.attempt("me@box");
    let reading = read(&attempt);
    one(&engine).await;
    drop(attempt);
    assert!(!ended(reading).await.0);
    engine.shutdown().await;
}

/// `sshd` for one connection, on its standard input and output: no port, and no rights needed.
fn sshd(dir: &Path, key: &Path) -> Option<String> {
    const SSHD: &str = "/usr/sbin/sshd";
    if !Path::new(SSHD).is_file() {
        require::skip("sshd");
        return None;
    }
    if nix::unistd::geteuid().is_root() {
        // Where no ssh service ever ran, it is missing, and a root's sshd insists on it.
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    let config = dir.join("sshd_config");
    let lines = format!(
        "HostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n",
        dir.display()
    );
    std::fs::write(&config, lines).unwrap();
    std::fs::copy(key.with_extension("pub"), dir.join("authorized")).unwrap();
    Some(format!(
        "{SSHD} -i -f {} -E {}/sshd.log",
        config.display(),
        dir.display()
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_asks_for_an_unknown_host_and_for_its_key() {
    require!("ssh", "ssh-keygen");
    let dir = tempfile::tempdir().unwrap();
    let key = encrypted_key(dir.path()).await;
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(dir.path().join("host"))
        .status();
    assert!(made.await.unwrap().success());
    let Some(sshd) = sshd(dir.path(), &key) else {
        return;
    };
    let engine = engine(dir.path()).await;
    let user = iris_tests::iris::user();
    let who = format!("{user}@box.test");
    let connect = |attempt: &Attempt| {
        let mut command = asking(attempt, "ssh");
        command
            .args([
                "-F",
                "/dev/null",
                "-o",
                "IdentityAgent=none",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "GlobalKnownHostsFile=/dev/null"])
            .arg(format!(
                "-oUserKnownHostsFile={}/known",
                dir.path().display()
            ))
            .arg(format!("-oProxyCommand={sshd}"))
            .arg("-i")
            .arg(&key)
            .args([&who, "echo it works"]);
        command.spawn().unwrap()
    };
    let answer = async |prompt: PromptView, text: &str, remember: bool| {
        let given = engine
            .prompts
            .answer(prompt.id, secret(text), remember, human());
        given.await.unwrap();
    };

    let attempt = engine.prompts.attempt(&who);
    let ssh = connect(&attempt);
    let prompt = one(&engine).await;
    assert!(
        matches!(prompt.kind, PromptKind::HostKey { .. }),
        "{prompt:?}"
    );
    answer(prompt, "no", false).await;
    let (worked, _, said) = ended(ssh).await;
    assert!(
        !worked && said.contains("Host key verification failed"),
        "{said}"
    );
    drop(attempt);

    let attempt = engine.prompts.attempt(&who);
    let ssh = connect(&attempt);
    let prompt = one(&engine).await;
    let PromptKind::HostKey {
        host,
        key_type,
        fingerprint,
    } = &prompt.kind
    else {
        panic!("{prompt:?}")
    };
    assert!(
        host.starts_with("box.test") && key_type == "ED25519",
        "{prompt:?}"
    );
    assert_eq!(fingerprint.len(), "SHA256:".len() + 43, "{prompt:?}");
    answer(prompt, "yes", false).await;
    let mut snapshot = engine.snapshot();
    let shown = snapshot.wait_for(|snapshot| {
        let kind = snapshot.prompts.first().map(|prompt| &prompt.kind);
        matches!(kind, Some(PromptKind::Passphrase { .. }))
    });
    let prompt = timeout(PATIENCE, shown).await.unwrap().unwrap().prompts[0].clone();
    answer(prompt, PASSPHRASE, true).await;
    let (worked, out, said) = ended(ssh).await;
    assert!(worked && out == "it works\n", "{out}{said}");
    drop(attempt);

    let attempt = engine.prompts.attempt(&who);
    let (worked, out, said) = ended(connect(&attempt)).await;
    assert!(
        worked && out == "it works\n",
        "nobody is asked again: {out}{said}"
    );
    drop(attempt);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asking_program_without_an_iris_is_no_answer() {
    let output = Command::new(require::built("iris"))
        .arg("Enter passphrase for key '/x': ")
        .env_clear()
        .env("IRIS_ASKPASS", "/nonexistent/askpass.sock")
        .env("IRIS_ASKPASS_TOKEN", "t")
        .output();
    let output = timeout(PATIENCE, output).await.unwrap().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("iris askpass: "), "{said}");
}

/// Runs `iris ARGS` with something on its standard input.
async fn with_input(iris: &Iris, args: &[&str], input: &str) -> String {
    let mut child = Command::new(require::built("iris"))
        .args(args)
        .env_clear()
        .env("IRIS_HOME", iris.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let (worked, out, said) = ended(child).await;
    assert!(worked, "{out}{said}");
    out
}

fn secrets_list(text: &str) -> Vec<(String, String)> {
    let listed: Vec<Value> = serde_json::from_str(text).unwrap();
    let field = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    listed
        .iter()
        .map(|item| (field(item, "name"), field(item, "place")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_in_the_keychain_over_a_restart_until_they_are_forgotten() {
    require!("dbus-daemon", "Xvfb", "gnome-keyring-daemon");
    let desktop = Desktop::start().await.with_keyring().await;
    let mut iris = Iris::prepare().await.on(&desktop).serve().await;
    let out = with_input(&iris, &["secrets", "set", "npm"], "value-4d5e\n").await;
    assert!(
        out.contains("keychain:npm") && !out.contains("value-4d5e"),
        "{out}"
    );
    iris.stop();
    iris.restart().await;
    let list = iris.cli(&["secrets", "list", "--json"]).await.ok();
    assert_eq!(secrets_list(&list), [("env npm".into(), "keychain".into())]);
    assert!(
        iris.cli(&["secrets", "list"])
            .await
            .ok()
            .contains("env npm")
    );
    iris.cli(&["secrets", "forget", "npm"]).await.ok();
    assert_eq!(
        iris.cli(&["secrets", "list", "--json"]).await.json(),
        json!([])
    );
    assert_eq!(iris.cli(&["secrets", "forget", "npm"]).await.code, 4);
    let audit = iris.cli(&["audit", "--json"]).await.ok();
    assert!(audit.contains("secret.set") && audit.contains("secret.forgotten"));
    iris.stop();
    let found = Iris::files_with(&iris.home(), &["value-4d5e"]);
    assert!(found.is_empty(), "a secret stands in a file: {found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keychain_a_secret_is_remembered_for_this_run_and_it_is_said() {
    let mut iris = Iris::start().await;
    assert_eq!(iris.cli(&["prompts", "--json"]).await.json(), json!([]));
    for command in [
        &["answer", "k3", "--cancel"],
        &["secrets", "forget", "gone"][..],
    ] {
        let said = iris.cli(command).await;
        assert_eq!(said.code, 4, "{said}");
    }
    let out = with_input(&iris, &["secrets", "set", "npm"], "value").await;
    assert!(out.contains("until Iris ends"), "{out}");
    let list = iris.cli(&["secrets", "list", "--json"]).await.ok();
    assert_eq!(secrets_list(&list), [("env npm".into(), "thisRun".into())]);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_the_value_and_not_its_name() {
    require!("claude");
    let env = json!({"env": {"TOKEN": "keychain:npm"}});
    let mut iris = Iris::prepare().await.team("alpha", env).serve().await;
    let said = iris.cli(&["team", "start", "alpha"]).await.refused();
    assert!(
        said.contains("iris secrets set npm"),
        "it says what to do: {said}"
    );
    with_input(&iris, &["secrets", "set", "npm"], "value-4d5e\n").await;
    iris.cli(&["team", "start", "alpha"]).await.ok();
    let agents = iris.agents();
    assert_eq!(agents[0].variable("TOKEN").as_deref(), Some("value-4d5e"));
    iris.stop();
}
