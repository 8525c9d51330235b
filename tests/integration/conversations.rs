//! A pair's conversation as a whole: begun anew and deleted, on a fake Claude Code.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use iris_domain::{
    audit::Draft,
    conversation::{Deleted, Rebooted},
    decision::{Human, Surface},
    ids::{Party, SessionId},
    message::{MessageStatus, SendOutcome},
    problem::Code,
    snapshot::{SessionView, TeamState},
};
use iris_engine::{store::AuditQuery, teams::Asked};

use iris_tests::{Iris, require};

use crate::supervisor::house::{House, is_alive, name, within};

fn asked() -> Asked {
    Asked::by_human(Human {
        surface: Surface::Cli,
        user: "me".into(),
    })
}

trait Conversations {
    async fn reboot(&self) -> Result<Rebooted, iris_domain::Problem>;
    async fn delete(&self, from: Party) -> Result<Deleted, iris_domain::Problem>;
    fn record(&self, session: SessionId) -> PathBuf;
    async fn rows(&self, event: &str) -> Vec<Draft>;
}

impl Conversations for House {
    async fn reboot(&self) -> Result<Rebooted, iris_domain::Problem> {
        within(self.teams.reboot(asked(), Party::Console, name("api"))).await
    }

    async fn delete(&self, from: Party) -> Result<Deleted, iris_domain::Problem> {
        within(self.teams.delete(asked(), from, name("api"))).await
    }

    fn record(&self, session: SessionId) -> PathBuf {
        let projects = self.dir.path().join("home/.claude/projects/-fake");
        projects.join(format!("{session}.jsonl"))
    }

    async fn rows(&self, event: &str) -> Vec<Draft> {
        let rows = self.store.audit(AuditQuery::default()).await.unwrap();
        let rows = rows.into_iter().map(|row| row.draft);
        rows.filter(|row| row.tool == event).collect()
    }
}

#[tokio::test]
async fn a_reboot_begins_a_new_conversation_and_then_the_old_record_goes() {
    let house = House::with("").await;
    let old: SessionId = house.answer("session").await.parse().unwrap();
    let pid = house.wake().await.unwrap().pid.unwrap();
    assert!(house.record(old).exists());
    let folder = house.record(old).with_extension("");
    std::fs::create_dir(&folder).unwrap();

    let done = house.reboot().await.unwrap();
    assert_eq!((done.old, done.ended), (Some(old), true));
    assert_ne!(done.new, old);
    assert_eq!(done.record.left, None);
    let removed = [house.record(old), folder].map(|path| path.display().to_string());
    assert_eq!(done.record.removed, removed);
    assert!(!house.record(old).exists());
    assert!(!is_alive(&pid.to_string()));
    let view = house.until("it is ready", |view| view.pid.is_some()).await;
    assert_eq!((view.id, view.state), (done.new, TeamState::Idle));
    assert_eq!(house.answer("session").await, done.new.to_string());

    // It is the one that is resumed from now on.
    within(house.teams.sleep(None, name("api"))).await.unwrap();
    let args = house.answer("args").await;
    assert!(args.contains(&format!("--resume={}", done.new)), "{args}");
    let rows = house.rows("session.reboot").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&*rows[0].caller, &*rows[0].decided_by, &*rows[0].team),
        ("console", "human:cli:me", "api")
    );
    house.end().await;
}

#[tokio::test]
async fn a_reboot_of_what_never_began_begins_it() {
    let house = House::with("").await;
    let done = house.reboot().await.unwrap();
    assert_eq!((done.old, done.ended), (None, false));
    assert_eq!(done.record.removed, Vec::<String>::new());
    assert_eq!(house.answer("session").await, done.new.to_string());
    house.end().await;
}

#[tokio::test]
async fn the_old_conversation_stays_when_the_new_one_does_not_start() {
    let house = House::with("").await;
    let old = house.answer("session").await;
    house.edit(|config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.env.insert("FAKE_CLAUDE".into(), "signed-out".into());
    });
    let problem = house.reboot().await.unwrap_err();
    assert_eq!(problem.code, Code::Agent, "{problem:?}");
    assert!(house.record(old.parse().unwrap()).exists());
    house.edit(|config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.env.insert("FAKE_CLAUDE".into(), String::new());
    });
    assert_eq!(house.answer("session").await, old);
    let kept = house.store.session(&Party::Console, &name("api")).await;
    assert_eq!(kept.unwrap().unwrap().id.to_string(), old);
    house.end().await;
}

/// What becomes of a message that runs and of one that waits when this is done.
async fn while_one_runs_and_one_waits<T>(
    house: &House,
    does: impl Future<Output = T>,
) -> (SendOutcome, SendOutcome, T) {
    tokio::join!(
        Box::pin(house.send("hang")),
        async {
            house
                .until("the turn runs", |view| view.state == TeamState::Working)
                .await;
            Box::pin(house.send("session")).await
        },
        async {
            let waits = |view: &SessionView| view.state == TeamState::Working && view.queued == 1;
            house.until("one waits", waits).await;
            Box::pin(does).await
        }
    )
}

#[tokio::test]
async fn a_reboot_cuts_the_running_turn_and_what_waits_goes_to_the_new_conversation() {
    let house = House::with("").await;
    let (cut, waits, done) =
        while_one_runs_and_one_waits(&house, async { house.reboot().await.unwrap() }).await;
    assert_eq!(cut.status, MessageStatus::Failed);
    let told = cut.error.unwrap();
    assert_eq!(told.code, Code::Conflict, "{told:?}");
    assert!(told.message.contains("new conversation"), "{told:?}");
    assert_eq!(waits.response, Some(done.new.to_string()));
    house.end().await;
}

#[tokio::test]
async fn a_deleted_conversation_leaves_nothing_and_the_next_message_begins_another() {
    let house = House::with("").await;
    let session: SessionId = house.answer("session").await.parse().unwrap();
    let other: SessionId = house
        .send_from(Party::Team(name("web")), "session")
        .await
        .response
        .unwrap()
        .parse()
        .unwrap();
    let pid = house.wake().await.unwrap().pid.unwrap();

    let gone = house.delete(Party::Console).await.unwrap();
    assert_eq!((gone.session, gone.ended), (Some(session), true));
    assert_eq!(gone.record.left, None);
    assert_eq!(gone.record.removed.len(), 1);
    assert!(!house.record(session).exists());
    assert!(!is_alive(&pid.to_string()));
    let kept = house.store.session(&Party::Console, &name("api")).await;
    assert_eq!(kept.unwrap(), None);
    let shown = house.teams.watch().borrow().get(&name("api")).cloned();
    let shown: Vec<SessionId> = shown.unwrap().iter().map(|view| view.id).collect();
    assert_eq!(shown, [other], "another pair's is untouched");
    assert!(house.record(other).exists());

    let again = house.delete(Party::Console).await.unwrap();
    assert_eq!((again.session, again.ended), (None, false), "no error");
    assert_ne!(house.answer("session").await, session.to_string());
    assert_eq!(house.rows("session.delete").await.len(), 2);
    house.end().await;
}

#[tokio::test]
async fn one_that_sleeps_since_an_earlier_start_is_deleted_too() {
    let house = House::with("").await;
    let session: SessionId = house.answer("session").await.parse().unwrap();
    let record = house
        .store
        .session(&Party::Console, &name("api"))
        .await
        .unwrap()
        .unwrap();
    house.delete(Party::Console).await.unwrap();
    // As if Iris had been started anew since.
    house.store.save_session(record).await.unwrap();
    std::fs::write(house.record(session), "").unwrap();
    let gone = house.delete(Party::Console).await.unwrap();
    assert_eq!((gone.session, gone.ended), (Some(session), false));
    assert!(!house.record(session).exists());
    house.end().await;
}

#[tokio::test]
async fn what_waits_for_a_deleted_conversation_is_told_so() {
    let house = House::with("").await;
    let (running, waiting, _) = while_one_runs_and_one_waits(&house, async {
        house.delete(Party::Console).await.unwrap()
    })
    .await;
    for outcome in [running, waiting] {
        assert_eq!(outcome.status, MessageStatus::Failed);
        let told = outcome.error.unwrap();
        assert!(told.message.contains("deleted"), "{told:?}");
    }
    house.end().await;
}

#[tokio::test]
async fn what_is_left_of_a_record_is_told() {
    let house = House::with("").await;
    let session: SessionId = house.answer("session").await.parse().unwrap();
    let projects = house.dir.path().join("home/.claude/projects");
    std::fs::rename(&projects, projects.with_extension("away")).unwrap();
    std::fs::write(&projects, "no folder").unwrap();
    let gone = house.delete(Party::Console).await.unwrap();
    assert_eq!(gone.session, Some(session));
    let left = gone.record.left.unwrap();
    assert!(left.message.contains(".claude/projects"), "{left:?}");
    house.end().await;
}

#[tokio::test]
async fn nothing_is_begun_or_deleted_that_cannot_be_written_down() {
    let house = House::with("").await;
    let session = house.answer("session").await;
    house.store.close().await;
    let problem = house.delete(Party::Console).await.unwrap_err();
    assert_eq!(problem.code, Code::Unavailable, "{problem:?}");
    assert!(house.reboot().await.is_err());
    let view = house
        .until("it is as it was", |view| view.pid.is_some())
        .await;
    assert_eq!(view.id.to_string(), session);
    // Nor is a message taken that cannot be kept.
    assert_eq!(house.send("session").await.status, MessageStatus::Failed);
    within(house.teams.shutdown()).await;
}

#[tokio::test]
async fn a_team_that_is_not_there_is_said_and_not_recorded() {
    let house = House::with("").await;
    for problem in [
        within(house.teams.reboot(asked(), Party::Console, name("no")))
            .await
            .unwrap_err(),
        within(house.teams.delete(asked(), Party::Console, name("no")))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(problem.code, Code::NotFound, "{problem:?}");
    }
    assert!(house.rows("session.delete").await.is_empty());
    assert!(house.rows("session.reboot").await.is_empty());
    house.end().await;
}

/// A terminal that writes down what it is to run, a word a line, and its environment.
fn a_terminal(house: &House, ends: &str) -> String {
    let dir = house.dir.path();
    let (program, said) = (dir.join("terminal"), dir.join("said"));
    let script = format!(
        "#!/bin/sh\nenv >'{0}.env'\nfor a; do printf '%s\\0' \"$a\"; done >'{0}'\n{ends}\n",
        said.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.display().to_string()
}

fn said(house: &House) -> Vec<String> {
    let said = std::fs::read_to_string(house.dir.path().join("said")).unwrap();
    said.split_terminator('\0').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_fork_is_opened_in_the_terminal_of_the_setting_with_nothing_of_the_agent() {
    let evil = "it's \"$(touch pwned)\" `x`; é";
    let house = House::changed("", |config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.path = format!("{}/{evil}", team.path);
        std::fs::create_dir_all(&team.path).unwrap();
    })
    .await;
    let terminal = a_terminal(&house, "");
    house
        .edit(|config| config.settings.terminal = Some(format!("{terminal} -T x {{command}} end")));
    let fork = || within(house.teams.fork(asked(), Party::Console, name("api")));
    let none = fork().await.unwrap_err();
    assert_eq!(none.code, Code::NotFound, "nothing was said yet: {none:?}");

    let session = house.answer("session").await;
    let done = fork().await.unwrap();
    assert_eq!(
        (done.session.to_string(), &*done.host),
        (session.clone(), "local")
    );
    let words = said(&house);
    assert_eq!(&words[..4], ["-T", "x", "/bin/sh", "-c"]);
    let project = house.dir.path().join("project").join(evil);
    let rest = [
        "iris".to_owned(),
        project.display().to_string(),
        env!("CARGO_BIN_EXE_fake-claude").to_owned(),
        "--resume".to_owned(),
        session.clone(),
        "--fork-session".to_owned(),
        "end".to_owned(),
    ];
    assert_eq!(&words[5..], rest);
    // What the terminal would run, run: the folder arrives as it is, and a failure can be read.
    let ran = std::process::Command::new("/bin/sh")
        .args([
            "-c",
            &words[4],
            "iris",
            &rest[1],
            "/bin/sh",
            "-c",
            "pwd; exit 7",
        ])
        .stdin(std::process::Stdio::null())
        .current_dir(house.dir.path())
        .output()
        .unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert!(
        out.starts_with(&format!("{}\n", rest[1])) && out.contains("status 7"),
        "{out}"
    );
    assert!(!house.dir.path().join("pwned").exists());
    let env = std::fs::read_to_string(house.dir.path().join("said.env")).unwrap();
    assert!(
        !env.contains("IRIS_TOKEN") && !env.contains("IRIS_SESSION"),
        "{env}"
    );
    assert!(done.command.starts_with("cd ") && done.command.ends_with("--fork-session"));
    assert_eq!(house.rows("session.fork").await.len(), 1);
    assert_eq!(house.answer("session").await, session, "the team goes on");
    house.end().await;
}

#[tokio::test]
async fn without_a_terminal_there_is_a_command_to_run_by_hand() {
    let house = House::with("").await;
    let session = house.answer("session").await;
    let fork = || within(house.teams.fork(asked(), Party::Console, name("api")));
    let by_hand = format!("--resume {session} --fork-session");
    let none = fork().await.unwrap_err();
    assert!(none.message.contains("without a desktop"), "{none:?}");
    assert!(none.hint.contains(&by_hand), "{none:?}");

    let terminal = a_terminal(&house, "echo cannot open display >&2; exit 1");
    house.edit(|config| config.settings.terminal = Some(terminal));
    let closed = fork().await.unwrap_err();
    assert!(closed.message.contains("cannot open display"), "{closed:?}");
    assert!(closed.hint.contains(&by_hand), "{closed:?}");
    house.end().await;
}

#[tokio::test]
async fn a_fork_on_another_host_is_an_ssh_with_the_options_of_the_link() {
    let house = House::with("").await;
    let session: SessionId = house.answer("session").await.parse().unwrap();
    let terminal = a_terminal(&house, "");
    house.edit(|config| {
        config.settings.terminal = Some(terminal);
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.remote = Some("ssh -J bastion me@far -p 2222".into());
        team.path = "~/it's".into();
        team.claude_path = None;
    });
    let done = within(house.teams.fork(asked(), Party::Console, name("api"))).await;
    assert_eq!(done.unwrap().host, "ssh -J bastion me@far -p 2222");
    let words = said(&house);
    let ssh = words
        .iter()
        .position(|word| word.ends_with("/ssh"))
        .unwrap();
    let words = &words[ssh + 1..];
    assert_eq!(words[0], "-t");
    let text = words.join(" ");
    assert!(
        text.contains("-J bastion") && text.contains("-p 2222"),
        "{text}"
    );
    assert!(text.contains("-- me@far exec sh -c "), "{text}");
    assert_eq!(
        words.iter().filter(|word| word.contains("resume")).count(),
        1
    );
    assert!(
        text.contains(&format!("'--resume' '{session}' '--fork-session'")),
        "{text}"
    );
    house.end().await;
}

/// The real Claude Code keeps its record where Iris looks for it, and a tool acts on the caller's own
/// conversation only, after a human said yes.
#[tokio::test(flavor = "multi_thread")]
async fn with_the_real_claude_code_a_record_is_gone_for_good() {
    require!("claude");
    let mut iris = Iris::start().await;
    iris.add_team("alpha").await;
    iris.add_team("beta").await;
    let records = || Iris::files_with(&iris.dir().join("home/.claude/projects"), &["kumquat"]);
    iris.send_in_background("alpha", "kumquat one")
        .response()
        .await;
    assert_eq!(records().len(), 1, "it is written down");
    let listed = iris.cli(&["session", "list", "--json"]).await.json();
    let old = listed[0]["id"].clone();
    assert_eq!(
        (&listed[0]["begun"], &listed[0]["from"]),
        (&true.into(), &"console".into())
    );

    let done = iris
        .cli(&["session", "reboot", "alpha", "--json"])
        .await
        .json();
    assert_eq!((&done["old"], &done["ended"]), (&old, &true.into()));
    assert_eq!(records(), Vec::<String>::new(), "nothing of it is left");
    let answer = iris.send_in_background("alpha", "kumquat two");
    assert_eq!(answer.response().await, "echo: kumquat two");

    // The agent of beta has a conversation with alpha, and asks for its end.
    let to_alpha =
        r#"FAKE:tool mcp__iris__send_message {"toTeam":"alpha","message":"kumquat three"}"#;
    let sending = iris.send_in_background("beta", to_alpha);
    assert!(sending.response().await.contains("kumquat three"));
    let before = records().len();
    let delete = r#"FAKE:tool mcp__iris__session_delete {"toTeam":"alpha"}"#;
    let sending = iris.send_in_background("beta", delete);
    let pending = iris.pending_one().await;
    assert_eq!(pending.tool, "mcp__iris__session_delete");
    iris.approve(&pending).await;
    let answer = sending.response().await;
    assert!(answer.contains(r#""hadSession":true"#), "{answer}");
    assert!(records().len() < before);
    let listed = iris.cli(&["session", "list", "alpha"]).await.ok();
    assert!(
        listed.contains("console") && !listed.contains("beta"),
        "{listed}"
    );

    let gone = iris.cli(&["session", "delete", "alpha"]).await.ok();
    assert!(
        gone.starts_with("Your conversation with alpha is deleted"),
        "{gone}"
    );
    let none = iris.cli(&["session", "delete", "alpha"]).await.ok();
    assert!(none.contains("no conversation of console with"), "{none}");
    let unknown = iris.cli(&["session", "reboot", "gamma"]).await;
    assert_eq!(unknown.code, 4, "{unknown}");
    let rows = iris.audit().await;
    let by = |tool: &str| {
        rows.iter()
            .filter(|row| row.tool == tool)
            .map(|row| row.decided_by.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(by("session.delete").len(), 3);
    assert!(by("session.delete").contains(&"tool:beta".to_owned()));
    iris.stop();
}
