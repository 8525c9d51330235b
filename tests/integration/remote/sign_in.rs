//! Hosts that take no key: passwords, one-time codes, and both. Their PAM is a real one.

use iris_tests::{Desktop, Factor, Iris, require};
use serde_json::{Value, json};

use super::{Far, credentials::nothing_holds, is_well, problem};

const PASSWORD: &str = "first password 5c1e";
const OTHER: &str = "other password 90fa";
const CODES: [&str; 4] = ["10203040", "20304050", "30405060", "40506070"];

/// A team without a model: these tests are about the way to it.
fn plain() -> Value {
    json!({"claudePath": require::built("fake-claude")})
}

/// Starts the team while this answers what is asked on the way; what came of it.
macro_rules! start {
    ($iris:expr, $answering:expr) => {
        tokio::join!($iris.cli(&["team", "start", "far"]), $answering).0
    };
}

async fn stop(iris: &Iris, far: &Far) {
    iris.cli(&["team", "stop", "far"]).await.ok();
    far.is_clean().await;
}

/// How often the keychain answered.
async fn remembered(iris: &Iris) -> usize {
    let rows = iris.audit().await;
    rows.iter()
        .filter(|row| row.tool == "prompt.answered" && row.decided_by == "remembered")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_once_kept_and_replaced_when_it_is_wrong() {
    require!("sshd", "pam", "dbus-daemon", "Xvfb", "gnome-keyring-daemon");
    // The two ways in which a server takes a password are asked in different words.
    for way in ["PasswordAuthentication yes", "PasswordAuthentication no"] {
        let other_way = way.replace("Password", "KbdInteractive");
        let desktop = Desktop::start().await.with_keyring().await;
        let far = Far::asking(&[Factor::Password], &[way, &swapped(&other_way)]).await;
        far.sshd.set_password(PASSWORD);
        let setup = far.prepare("far", plain()).await.on(&desktop);
        let mut iris = setup.setting("logLevel", "trace").serve().await;

        start!(iris, async {
            let prompt = iris.prompt("password").await;
            assert_eq!(prompt["retry"], false, "{prompt}");
            assert_eq!(prompt["rememberable"], true, "{prompt}");
            assert_eq!(prompt["kind"]["who"], far.sshd.destination(), "{prompt}");
            iris.answer(&prompt, PASSWORD, &["--remember"]).await;
        })
        .ok();
        iris.stop();
        far.is_clean().await;

        iris.restart().await;
        iris.cli(&["team", "start", "far"]).await.ok();
        assert_eq!(remembered(&iris).await, 1, "the keychain answered");
        is_well(&iris, "far", "well").await;
        stop(&iris, &far).await;

        // The password is another one from now on; what is stored is tried once.
        far.sshd.set_password(OTHER);
        start!(iris, async {
            let prompt = iris.prompt("password").await;
            assert_eq!(prompt["retry"], true, "{prompt}");
            assert_eq!(remembered(&iris).await, 2);
            iris.answer(&prompt, OTHER, &["--remember"]).await;
        })
        .ok();
        iris.stop();
        far.is_clean().await;

        iris.restart().await;
        iris.cli(&["team", "start", "far"]).await.ok();
        assert_eq!(remembered(&iris).await, 3, "it was replaced");
        assert_eq!(far.sshd.sign_ins(), 4);
        let audit = iris.cli(&["audit", "--limit", "0", "--json"]).await.ok();
        for secret in [PASSWORD, OTHER] {
            assert!(!audit.contains(secret), "a secret is in the audit log");
        }
        iris.verify_audit().await;
        iris.stop();
        nothing_holds(&iris, &[PASSWORD, OTHER]);
        far.is_clean().await;
    }
}

/// `… yes` for `… no`, and the other way round.
fn swapped(line: &str) -> String {
    match line.strip_suffix(" yes") {
        Some(name) => format!("{name} no"),
        None => line.replace(" no", " yes"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_that_is_not_replaced_is_forgotten() {
    require!("sshd", "pam");
    let far = Far::asking(&[Factor::Password], &[]).await;
    far.sshd.set_password(PASSWORD);
    let mut iris = far.iris(plain()).await;
    start!(iris, async {
        let prompt = iris.prompt("password").await;
        iris.answer(&prompt, "wrong", &["--remember"]).await;
        let prompt = iris.prompt("password").await;
        assert_eq!(prompt["retry"], true, "{prompt}");
        iris.answer(&prompt, PASSWORD, &[]).await;
    })
    .ok();
    stop(&iris, &far).await;
    start!(iris, async {
        let prompt = iris.prompt("password").await;
        assert_eq!(prompt["retry"], false, "nothing is stored: {prompt}");
        iris.answer(&prompt, PASSWORD, &[]).await;
    })
    .ok();
    assert_eq!(remembered(&iris).await, 0);
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_asked_every_time_and_never_kept() {
    require!("sshd", "pam");
    let far = Far::asking(&[Factor::Code], &[]).await;
    far.sshd.issue(&CODES);
    let setup = far.prepare("far", plain()).await;
    let mut iris = setup.setting("logLevel", "trace").serve().await;
    for code in &CODES[..2] {
        start!(iris, async {
            let prompt = iris.prompt("code").await;
            assert_eq!(
                (&prompt["retry"], &prompt["rememberable"]),
                (&json!(false), &json!(false)),
                "{prompt}"
            );
            let id = prompt["id"].as_str().unwrap();
            let refused = iris.cli_with(&["answer", id, "--remember"], code).await;
            let said = refused.refused();
            assert!(said.contains("cannot be remembered"), "{said}");
            iris.answer(&prompt, code, &[]).await;
        })
        .ok();
        is_well(&iris, "far", "well").await;
        stop(&iris, &far).await;
    }

    // One that was used is wrong, and the next is asked for.
    start!(iris, async {
        let prompt = iris.prompt("code").await;
        iris.answer(&prompt, CODES[0], &[]).await;
        let prompt = iris.prompt("code").await;
        assert_eq!(prompt["retry"], true, "{prompt}");
        iris.answer(&prompt, CODES[2], &[]).await;
    })
    .ok();
    assert_eq!(far.sshd.sign_ins(), 3);
    let stored = iris.cli(&["secrets", "list", "--json"]).await.json();
    assert_eq!(stored, json!([]), "nothing is kept");
    let audit = iris.cli(&["audit", "--limit", "0", "--json"]).await.ok();
    assert!(CODES.iter().all(|code| !audit.contains(code)));
    iris.stop();
    nothing_holds(&iris, &CODES);
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_factors_in_one_sign_in() {
    require!("sshd", "pam");
    let far = Far::asking(&[Factor::Password, Factor::Code], &[]).await;
    far.sshd.set_password(PASSWORD);
    far.sshd.issue(&CODES);
    let mut iris = far.iris(plain()).await;
    let code = async |code: &str, retry: bool| {
        let prompt = iris.prompt("code").await;
        assert_eq!(prompt["retry"], retry, "{prompt}");
        iris.answer(&prompt, code, &[]).await;
    };
    start!(iris, async {
        let prompt = iris.prompt("password").await;
        iris.answer(&prompt, PASSWORD, &["--remember"]).await;
        code(CODES[0], false).await;
    })
    .ok();
    stop(&iris, &far).await;

    start!(iris, code(CODES[1], false)).ok();
    assert_eq!(remembered(&iris).await, 1, "only the code is asked for");
    is_well(&iris, "far", "well").await;
    stop(&iris, &far).await;

    // A wrong code: the host asks for both again, and does not say which of the two was wrong. What
    // is stored was right, and stays.
    start!(iris, async {
        code("99999999", false).await;
        let prompt = iris.prompt("password").await;
        assert_eq!(prompt["retry"], true, "{prompt}");
        iris.answer(&prompt, PASSWORD, &[]).await;
        code(CODES[2], true).await;
    })
    .ok();
    stop(&iris, &far).await;
    start!(iris, code(CODES[3], false)).ok();
    assert_eq!(remembered(&iris).await, 3, "it is still kept");
    iris.stop();
    far.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nobody_has_is_one_clear_problem() {
    require!("sshd", "pam");
    let far = Far::asking(&[Factor::Password, Factor::Code], &[]).await;
    far.sshd.set_password(PASSWORD);
    far.sshd.issue(&CODES);
    let mut iris = far.iris(plain()).await;
    let said = start!(iris, async {
        let prompt = iris.prompt("password").await;
        iris.answer(&prompt, PASSWORD, &["--remember"]).await;
        let prompt = iris.prompt("code").await;
        let id = prompt["id"].as_str().unwrap();
        iris.cli(&["answer", id, "--cancel"]).await.ok();
    })
    .refused();
    assert!(said.contains("was cancelled"), "{said}");
    assert!(said.contains("Start the team again"), "{said}");
    assert_eq!(iris.state("far").await, "trouble");
    assert!(iris.prompts().await.is_empty(), "nothing is asked any more");

    // Three wrong ones are as many as ssh takes.
    let said = start!(iris, async {
        for retry in [false, true, true] {
            if retry {
                let prompt = iris.prompt("password").await;
                iris.answer(&prompt, PASSWORD, &[]).await;
            }
            let prompt = iris.prompt("code").await;
            assert_eq!(prompt["retry"], retry, "{prompt}");
            iris.answer(&prompt, "00000000", &[]).await;
        }
    })
    .refused();
    assert!(said.contains("does not accept the sign-in"), "{said}");
    assert_eq!(iris.state("far").await, "trouble");
    let problem = problem(&iris).await;
    assert!(
        problem["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("password")),
        "{problem}"
    );
    assert_eq!(far.sshd.sign_ins(), 0);
    iris.stop();
    far.is_clean().await;
}
