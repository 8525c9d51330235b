//! The owner with its real socket and the real asking side. That another user is turned away cannot
//! be tested without another user; the check is the control socket's.

use std::{path::Path, time::Duration};

use iris_domain::{
    audit::Row,
    decision::{Surface, Verb},
    prompt::PromptKind,
};
use tokio::{task::JoinHandle, time::timeout};

use super::*;
use crate::{
    askpass::{AskError, ask},
    environment::Environment,
    secrets::Place,
    store::AuditQuery,
};

const PASSPHRASE: &str = "Enter passphrase for key '/k': ";
const NAME: &str = "ssh passphrase /k";
/// Long enough for a busy machine; nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    _tmp: tempfile::TempDir,
    home: Home,
    prompts: Prompts,
    named: NamedSecrets,
    store: Store,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

async fn house_at(name: &str) -> House {
    let tmp = tempfile::tempdir().unwrap();
    let home = Home::at(tmp.path().join(name));
    home.prepare().unwrap();
    let store = Store::open(&home).await.unwrap().store;
    let secrets = Secrets::memory();
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let prompts = Prompts::start(
        &home,
        secrets.clone(),
        store.clone(),
        &tasks,
        shutdown.clone(),
    )
    .await
    .unwrap();
    House {
        _tmp: tmp,
        home,
        prompts,
        named: NamedSecrets::new(secrets, store.clone()),
        store,
        tasks,
        shutdown,
    }
}

async fn house() -> House {
    house_at("h").await
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn human() -> Human {
    Human {
        surface: Surface::Cli,
        user: "me".into(),
    }
}

/// As `ssh` runs it, but for the process.
fn run(env: Vec<(OsString, OsString)>, text: &str) -> JoinHandle<Result<Secret, AskError>> {
    let env: Environment = env.into_iter().collect();
    let text = text.to_owned();
    tokio::task::spawn_blocking(move || ask(&env, &text))
}

async fn heard(asking: JoinHandle<Result<Secret, AskError>>) -> Option<String> {
    let answer = timeout(PATIENCE, asking).await.expect("an end").unwrap();
    match answer {
        Ok(answer) => Some(answer.expose().to_owned()),
        Err(AskError::Cancelled) => None,
        Err(error) => panic!("{error}"),
    }
}

impl House {
    async fn shown(&self, count: usize) -> Vec<PromptView> {
        let mut view = self.prompts.watch();
        let shown = timeout(PATIENCE, view.wait_for(|shown| shown.len() == count));
        shown.await.expect("as many prompts").unwrap().to_vec()
    }

    async fn one(&self) -> PromptView {
        self.shown(1).await.remove(0)
    }

    async fn answer(
        &self,
        id: &PromptId,
        text: &str,
        remember: bool,
    ) -> Result<Option<Kept>, Problem> {
        self.prompts
            .answer(id.clone(), secret(text), remember, human())
            .await
    }

    async fn rows(&self) -> Vec<Row> {
        let mut rows = self.store.audit(AuditQuery::default()).await.unwrap();
        rows.reverse();
        rows
    }
}

#[tokio::test]
async fn a_human_answers_and_it_is_written_down_without_the_answer() {
    let house = house().await;
    let attempt = house.prompts.attempt("me@h");
    let asking = run(attempt.env(), "(me@h) Verification code: ");
    let prompt = house.one().await;
    assert_eq!(
        (&prompt.kind, prompt.host.as_str()),
        (&PromptKind::Code, "me@h")
    );
    assert!(!prompt.rememberable && !prompt.retry);
    let refused = house.answer(&prompt.id, "123456", true).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidInput, "codes are never kept");
    assert_eq!(
        house.answer(&prompt.id, "123456", false).await.unwrap(),
        None
    );
    assert_eq!(heard(asking).await.as_deref(), Some("123456"));
    house.shown(0).await;
    let again = house.answer(&prompt.id, "123456", false).await.unwrap_err();
    assert_eq!(again.code, Code::NotFound);

    let rows = house.rows().await;
    assert_eq!(rows.len(), 1, "{rows:#?}");
    let row = &rows[0].draft;
    assert_eq!(
        (row.tool.as_str(), row.host.as_str()),
        ("prompt.answered", "me@h")
    );
    assert_eq!(
        (row.decision, row.decided_by.as_str()),
        (Verb::Allow, "human:cli:me")
    );
    assert!(!row.canonical().unwrap().contains("123456"));
    assert!(!attempt.cancelled());
}

#[tokio::test]
async fn what_is_remembered_is_used_once_and_replaced_when_it_is_wrong() {
    let house = house().await;
    let attempt = house.prompts.attempt("me@h");
    let asking = run(attempt.env(), PASSPHRASE);
    let prompt = house.one().await;
    assert!(prompt.rememberable && !prompt.retry);
    let kept = house
        .answer(&prompt.id, "wrong", true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        Place::from(&kept),
        Place::ThisRun,
        "there is no keychain here"
    );
    assert_eq!(heard(asking).await.as_deref(), Some("wrong"));

    // The same process asks again: what it got was wrong.
    let asking = run(attempt.env(), PASSPHRASE);
    let prompt = house.one().await;
    assert!(prompt.retry);
    house.answer(&prompt.id, "still wrong", true).await.unwrap();
    assert_eq!(heard(asking).await.as_deref(), Some("still wrong"));
    drop(attempt);

    // The next attempt is answered from what is kept, once.
    let attempt = house.prompts.attempt("me@h");
    assert_eq!(
        heard(run(attempt.env(), PASSPHRASE)).await.as_deref(),
        Some("still wrong")
    );
    let asking = run(attempt.env(), PASSPHRASE);
    let prompt = house.one().await;
    assert!(prompt.retry, "it is said that what is kept was wrong");
    house.answer(&prompt.id, "right", true).await.unwrap();
    assert_eq!(heard(asking).await.as_deref(), Some("right"));
    assert_eq!(house.named.get(NAME).await.unwrap(), Some(secret("right")));

    let other = house.prompts.attempt("me@elsewhere");
    assert_eq!(
        heard(run(other.env(), PASSPHRASE)).await.as_deref(),
        Some("right")
    );
    let rows = house.rows().await;
    let by_store = rows
        .iter()
        .filter(|row| row.draft.decided_by == "remembered");
    assert_eq!(by_store.count(), 2, "its use is written down");
    for row in rows {
        let text = row.draft.canonical().unwrap();
        assert!(!text.contains("right") && !text.contains("wrong"), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_one_that_is_not_replaced_is_forgotten() {
    let house = house().await;
    house.named.keep(NAME, secret("old")).await.unwrap();
    let attempt = house.prompts.attempt("me@h");
    assert_eq!(
        heard(run(attempt.env(), PASSPHRASE)).await.as_deref(),
        Some("old")
    );
    let asking = run(attempt.env(), PASSPHRASE);
    let prompt = house.one().await;
    house.answer(&prompt.id, "new", false).await.unwrap();
    assert_eq!(heard(asking).await.as_deref(), Some("new"));
    // The owner forgets it meanwhile; a further question is answered after that.
    let next = house.prompts.attempt("me@h");
    let asking = run(next.env(), PASSPHRASE);
    house.one().await;
    assert_eq!(house.named.get(NAME).await.unwrap(), None);
    drop(next);
    assert_eq!(heard(asking).await, None);
}

#[tokio::test]
async fn one_answer_serves_all_who_wait_for_the_same_key() {
    let house = house().await;
    let (a, b) = (house.prompts.attempt("me@a"), house.prompts.attempt("me@b"));
    let (for_a, for_b) = (run(a.env(), PASSPHRASE), run(b.env(), PASSPHRASE));
    let prompts = house.shown(2).await;
    house.answer(&prompts[0].id, "pass", true).await.unwrap();
    assert_eq!(heard(for_a).await.as_deref(), Some("pass"));
    assert_eq!(heard(for_b).await.as_deref(), Some("pass"));
    house.shown(0).await;
}

#[tokio::test]
async fn two_prompts_at_once_get_their_own_answers() {
    let house = house().await;
    let attempt = house.prompts.attempt("me@h");
    let jump = run(attempt.env(), "me@jump's password: ");
    let first = house.one().await;
    let host = run(attempt.env(), "me@h's password: ");
    let second = house.shown(2).await.remove(1);
    assert_eq!(
        first.kind,
        PromptKind::Password {
            who: "me@jump".into()
        }
    );
    house.answer(&second.id, "for h", true).await.unwrap();
    house.answer(&first.id, "for jump", true).await.unwrap();
    assert_eq!(heard(host).await.as_deref(), Some("for h"));
    assert_eq!(heard(jump).await.as_deref(), Some("for jump"));
    let names: Vec<String> = house
        .named
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|item| item.name)
        .collect();
    assert_eq!(
        names,
        ["ssh password me@h:22", "ssh password me@jump (me@h)"]
    );
}

#[tokio::test]
async fn to_cancel_gives_the_attempt_up() {
    let house = house().await;
    let attempt = house.prompts.attempt("me@h");
    let (one, two) = (run(attempt.env(), PASSPHRASE), run(attempt.env(), "PIN: "));
    let prompts = house.shown(2).await;
    house
        .prompts
        .cancel(prompts[0].id.clone(), human())
        .await
        .unwrap();
    assert!(attempt.cancelled());
    assert_eq!((heard(one).await, heard(two).await), (None, None));
    assert_eq!(
        heard(run(attempt.env(), "me@h's password: ")).await,
        None,
        "it asks no more"
    );
    house.shown(0).await;
    let other = house.prompts.attempt("me@h");
    let asking = run(other.env(), "PIN: ");
    house.one().await;
    assert!(!other.cancelled(), "the next attempt asks again");
    drop(other);
    assert_eq!(heard(asking).await, None);
    // Nobody waits for the row: what it tells of holds without it.
    let written = async {
        loop {
            if let Some(row) = house.rows().await.pop() {
                return row.draft;
            }
        }
    };
    let row = timeout(PATIENCE, written).await.expect("a row");
    assert_eq!(
        (row.tool.as_str(), row.decision),
        ("prompt.cancelled", Verb::Deny)
    );
}

#[tokio::test]
async fn a_host_key_is_a_decision() {
    const QUESTION: &str = "The authenticity of host 'h (10.0.0.1)' can't be established.\n\
        ED25519 key fingerprint is SHA256:abc.\n\
        This key is not known by any other names.\n\
        Are you sure you want to continue connecting (yes/no/[fingerprint])? ";
    let house = house().await;
    for (said, heard_by_ssh) in [("Yes", "yes"), ("no", "no")] {
        let attempt = house.prompts.attempt("me@h");
        let asking = run(attempt.env(), QUESTION);
        let prompt = house.one().await;
        let unclear = house.answer(&prompt.id, "maybe", false).await.unwrap_err();
        assert_eq!(unclear.code, Code::InvalidInput);
        house.answer(&prompt.id, said, false).await.unwrap();
        assert_eq!(heard(asking).await.as_deref(), Some(heard_by_ssh));
        house.shown(0).await;
    }
    let decisions: Vec<Verb> = house
        .rows()
        .await
        .iter()
        .map(|row| row.draft.decision)
        .collect();
    assert_eq!(decisions, [Verb::Allow, Verb::Deny]);
    let row = house.rows().await.remove(0).draft;
    assert_eq!(row.input["asked"]["fingerprint"], "SHA256:abc");
    assert_eq!(row.input["answer"], "yes");
}

#[tokio::test]
async fn what_is_over_asks_no_more() {
    let house = house().await;
    let attempt = house.prompts.attempt("me@h");
    let env = attempt.env();
    let asking = run(env.clone(), PASSPHRASE);
    house.one().await;
    drop(attempt);
    assert_eq!(heard(asking).await, None, "it is withdrawn");
    house.shown(0).await;
    assert_eq!(
        heard(run(env, PASSPHRASE)).await,
        None,
        "and its token is worthless"
    );

    let other = house.prompts.attempt("me@h");
    let mut forged = other.env();
    forged.retain(|(name, _)| name != askpass::TOKEN_VAR);
    assert!(matches!(
        run(forged.clone(), "x").await.unwrap(),
        Err(AskError::NoToken)
    ));
    forged.push((askpass::TOKEN_VAR.into(), "A".repeat(43).into()));
    house.named.keep(NAME, secret("kept")).await.unwrap();
    assert_eq!(
        heard(run(forged, PASSPHRASE)).await,
        None,
        "a wrong token opens nothing"
    );
}

#[tokio::test]
async fn ssh_going_away_withdraws_its_question() {
    let house = house().await;
    let attempt = house.prompts.attempt("me@h");
    let question = askpass::Question {
        token: crate::secrets::Spoken(attempt.token.clone()),
        text: "Confirm user presence for key ED25519-SK SHA256:x".into(),
        hint: Some("none".into()),
        asker: 1,
    };
    let socket = crate::socket::connect(&house.home.run().join(SOCKET)).unwrap();
    let frame = askpass::frame(&serde_json::to_vec(&question).unwrap());
    std::io::Write::write_all(&mut &socket, &frame).unwrap();
    let prompt = house.one().await;
    assert_eq!(prompt.kind, PromptKind::Touch);
    let typed = house.answer(&prompt.id, "x", false).await.unwrap_err();
    assert_eq!(typed.code, Code::InvalidInput);
    drop(socket);
    house.shown(0).await;
}

#[tokio::test]
async fn noise_at_the_socket_harms_nobody() {
    let house = house().await;
    for noise in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        &[0xFF; 64],
        &[0, 0, 0, 2, b'{', b'}'],
        &[0, 0, 0, 9, b'x'],
        &[],
    ] {
        let mut socket = crate::socket::connect(&house.home.run().join(SOCKET)).unwrap();
        std::io::Write::write_all(&mut socket, noise).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let attempt = house.prompts.attempt("me@h");
    let asking = run(attempt.env(), PASSPHRASE);
    let prompt = house.one().await;
    house.answer(&prompt.id, "pass", false).await.unwrap();
    assert_eq!(heard(asking).await.as_deref(), Some("pass"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let house = house().await;
    house.named.keep(NAME, secret("kept")).await.unwrap();
    house
        .store
        .sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
        .await
        .unwrap();
    let attempt = house.prompts.attempt("me@h");
    let asking = run(attempt.env(), PASSPHRASE);
    let prompt = house.one().await;
    let refused = house.answer(&prompt.id, "pass", false).await.unwrap_err();
    assert_eq!(
        refused.code,
        Code::Storage,
        "neither what is kept nor a human's answer"
    );
    house.store.sql("DROP TRIGGER full").await.unwrap();
    house.answer(&prompt.id, "pass", false).await.unwrap();
    assert_eq!(heard(asking).await.as_deref(), Some("pass"));
}

#[tokio::test]
async fn the_end_of_iris_cancels_what_waits_and_takes_the_socket_away() {
    let house = house_at(&"long".repeat(40)).await;
    let socket = house.home.run().join(SOCKET);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let attempt = house.prompts.attempt("me@h");
    let asking = run(attempt.env(), PASSPHRASE);
    house.one().await;
    house.shutdown.cancel();
    house.tasks.close();
    timeout(PATIENCE, house.tasks.wait()).await.unwrap();
    let ended = timeout(PATIENCE, asking).await.unwrap().unwrap();
    assert!(ended.is_err(), "{ended:?}");
    assert!(!Path::new(&socket).exists());
}

#[tokio::test]
async fn ssh_is_told_of_the_program_that_asks() {
    let house = house().await;
    let env = house.prompts.attempt("me@h").env();
    let of = |name: &str| {
        let found = env.iter().find(|(known, _)| known == name);
        found.unwrap().1.to_str().unwrap().to_owned()
    };
    assert_eq!(of("SSH_ASKPASS_REQUIRE"), "force");
    assert!(Path::new(&of("SSH_ASKPASS")).is_file());
    assert_eq!(
        Path::new(&of(askpass::SOCKET_VAR)),
        house.home.run().join(SOCKET)
    );
    assert_eq!(of(askpass::TOKEN_VAR).len(), 43, "256 bits");
}
