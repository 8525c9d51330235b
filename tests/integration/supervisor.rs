//! Sessions on a fake Claude Code: how they start, answer, fail and end, and that no process is
//! ever left behind.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use iris_domain::{
    config::Team,
    ids::Party,
    message::{MESSAGE_MAX, MessageStatus},
    problem::Code,
    snapshot::TeamState,
};
use iris_engine::process;

// `cfg(test)` says to the lints that these are tests' means, outside of a test function.
mod crowd;
#[cfg(test)]
pub(crate) mod house;
mod messages;
mod pairs;

use house::{House, is_alive, name, within};

#[tokio::test]
async fn a_team_wakes_answers_and_sleeps() {
    let house = House::with("").await;
    let view = house.wake().await.unwrap();
    assert_eq!(view.state, TeamState::Idle);
    let pid = view.pid.unwrap();
    let shown = house
        .until("the view is published before wake returns", |_| true)
        .await;
    assert_eq!(shown.pid, Some(pid));
    assert_eq!(
        house.answer("hello").await,
        "hello",
        "the result's text, not the narration"
    );
    let session = house.answer("session").await;
    assert_eq!(session, view.id.to_string());
    assert_eq!(
        house.wake().await.unwrap().pid,
        Some(pid),
        "a wake of what is awake does nothing"
    );
    assert_eq!(within(house.teams.sleep(None, name("api"))).await, Ok(true));
    assert!(
        !is_alive(&pid.to_string()),
        "sleep returns when the process is gone"
    );
    assert_eq!(
        within(house.teams.sleep(None, name("api"))).await,
        Ok(false)
    );
    // Asleep, a message wakes it; the conversation goes on.
    assert_eq!(house.answer("session").await, session);
    assert!(
        house
            .answer("args")
            .await
            .contains(&format!("--resume={session}"))
    );
    house.end().await;
}

#[tokio::test]
async fn messages_are_answered_in_order_one_at_a_time() {
    let house = House::with("").await;
    // The fake ends itself when a message comes while a turn runs.
    let texts: Vec<String> = (0..20).map(|n| format!("message {n}")).collect();
    let answers = futures::future::join_all(texts.iter().map(|t| house.send(t))).await;
    for (text, outcome) in texts.iter().zip(answers) {
        assert_eq!(outcome.response.as_ref(), Some(text), "{outcome:?}");
    }
    house.end().await;
}

#[tokio::test]
async fn odd_output_does_no_harm() {
    let house = House::with("").await;
    assert_eq!(house.answer("noise still here").await, "still here");
    assert_eq!(house.answer("split ü€😀").await, "ü€😀");
    assert_eq!(house.answer("big 1000000").await, "ü".repeat(500_000));
    assert_eq!(
        house.answer("too-long 17").await,
        "after it",
        "17 MiB without a line end"
    );
    assert_eq!(house.answer("folded").await, "part one\n\npart two");
    assert_eq!(house.answer("own-turn mine").await, "mine");
    assert!(
        house.answer("ask").await.contains("deny"),
        "the control channel grants nothing"
    );
    house.end().await;
}

#[tokio::test]
async fn a_turn_that_fails_says_why() {
    let house = House::with("").await;
    let outcome = house.send("error API Error: Repeated 529").await;
    assert_eq!(outcome.status, MessageStatus::Failed);
    assert!(outcome.error.unwrap().message.contains("Repeated 529"));
    let outcome = house.send("error Not logged in · Please run /login").await;
    assert!(outcome.error.unwrap().message.contains("not signed in"));
    assert_eq!(house.answer("hello").await, "hello", "the agent goes on");
    house.end().await;
}

#[tokio::test]
async fn a_crash_fails_the_running_message_and_the_queued_one_is_answered_after_it() {
    let house = House::with("").await;
    let (crashed, after) = tokio::join!(house.send("crash"), house.send("after"));
    assert_eq!(crashed.status, MessageStatus::Failed);
    assert!(
        crashed
            .error
            .unwrap()
            .message
            .contains("exit code 1: fake: crashed in a turn")
    );
    assert_eq!(after.response.as_deref(), Some("after"));
    house.end().await;
}

#[tokio::test]
async fn a_crash_shows_its_reason_until_it_is_ready_again() {
    let house = House::with("crash-once").await;
    let problem = house.wake().await.unwrap_err();
    assert!(problem.message.contains("crashed once"), "{problem:?}");
    let view = house
        .until("trouble is shown", |v| v.state == TeamState::Trouble)
        .await;
    assert_eq!(view.stderr_tail, ["fake: crashed once"]);
    assert!(view.problem.is_some());
    let view = house
        .until("it is started again", |v| v.state == TeamState::Idle)
        .await;
    assert_eq!((view.problem, view.stderr_tail), (None, vec![]));
    house.end().await;
}

#[tokio::test]
async fn what_does_not_start_says_what_to_do() {
    for (words, says) in [
        ("old", "too old"),
        ("signed-out", "not signed in"),
        ("mcp-failed", "cannot reach Iris: ECONNREFUSED"),
        ("exit-at-once", "fake: cannot start"),
    ] {
        let house = House::with(words).await;
        let problem = house.wake().await.unwrap_err();
        assert!(problem.message.contains(says), "{words}: {problem:?}");
        assert!(!problem.hint.is_empty());
        house.end().await;
    }
    let house = House::with("mcp-failed-once").await;
    assert!(house.wake().await.is_ok(), "one reconnect is tried");
    house.end().await;
}

#[tokio::test]
async fn a_start_is_bounded() {
    for (words, says) in [
        ("never-initialize", "did not answer"),
        ("mcp-pending", "did not connect to Iris"),
    ] {
        let house = House::changed(words, |c| c.settings.spawn_timeout = 1).await;
        let outcome = house.send("hello").await;
        let problem = outcome.error.unwrap();
        assert_eq!(
            (outcome.status, problem.code),
            (MessageStatus::Failed, Code::Timeout)
        );
        assert!(problem.message.contains(says), "{problem:?}");
        house.end().await;
    }
}

#[tokio::test]
async fn a_bad_config_is_one_sentence() {
    type Spoil = fn(&mut Team);
    let cases: [(&str, Spoil); 4] = [
        ("Claude Code is not at /nowhere/claude", |t| {
            t.claude_path = Some("/nowhere/claude".into())
        }),
        ("There is no folder /nowhere/project", |t| {
            t.path = "/nowhere/project".into()
        }),
        ("/etc/passwd is not executable", |t| {
            t.claude_path = Some("/etc/passwd".into())
        }),
        ("is a remote command", |t| {
            t.remote = Some("me@far uptime".into())
        }),
    ];
    for (says, change) in cases {
        let house = House::changed("", |c| change(c.teams.get_mut(&name("api")).unwrap())).await;
        let outcome = house.send("hello").await;
        assert_eq!(outcome.status, MessageStatus::Failed);
        let problem = outcome.error.unwrap();
        assert!(problem.message.contains(says), "{problem:?}");
        assert_eq!(house.wake().await.unwrap_err(), problem);
        house.end().await;
    }
    let house = House::with("").await;
    let problem = within(house.teams.wake(Party::Console, name("nobody")))
        .await
        .unwrap_err();
    assert_eq!(problem.code, Code::NotFound);
    assert!(problem.hint.contains("api"), "{problem:?}");
    house.end().await;
}

#[tokio::test]
async fn silence_ends_the_turn_and_the_agent_stays() {
    let house = House::changed("", |c| c.settings.response_timeout = 1).await;
    let pid = house.wake().await.unwrap().pid;
    let outcome = house.send("hang").await;
    assert_eq!(outcome.status, MessageStatus::Failed);
    assert!(outcome.error.unwrap().message.contains("responseTimeout"));
    assert_eq!(house.answer("hello").await, "hello");
    assert_eq!(
        house.wake().await.unwrap().pid,
        pid,
        "an interrupt was enough"
    );
    house.end().await;
}

#[tokio::test]
async fn an_interrupt_cancels_the_turn() {
    let house = House::with("").await;
    assert_eq!(
        within(house.teams.interrupt(Party::Console, name("api"))).await,
        Ok(false)
    );
    let (outcome, interrupted) = tokio::join!(house.send("hang"), async {
        house
            .until("it works", |v| v.state == TeamState::Working)
            .await;
        within(house.teams.interrupt(Party::Console, name("api"))).await
    });
    assert_eq!(
        (outcome.status, interrupted),
        (MessageStatus::Cancelled, Ok(true))
    );
    assert_eq!(house.answer("hello").await, "hello");
    house.end().await;
}

#[tokio::test]
async fn a_timeout_bounds_the_call_and_the_agent_goes_on() {
    let house = House::with("never-initialize").await;
    let short = Some(Duration::from_millis(200));
    let sending = house
        .teams
        .send(Party::Console, name("api"), "hello".into(), short);
    let outcome = within(sending).await;
    assert_eq!(outcome.status, MessageStatus::Timeout, "start-up counts");
    assert!(
        outcome.duration >= 200 && outcome.duration < 5000,
        "{outcome:?}"
    );
    let view = house
        .until("it still starts", |v| v.state == TeamState::Waking)
        .await;
    assert_eq!(
        (view.queued, Some(view.id)),
        (1, outcome.session),
        "the message is still there"
    );
    house.end().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    let house = House::with("").await;
    for text in ["x".repeat(MESSAGE_MAX + 1), " \n".into()] {
        let outcome = house.send(&text).await;
        assert_eq!(outcome.error.unwrap().code, Code::InvalidInput);
    }
    let text = "x".repeat(MESSAGE_MAX);
    assert_eq!(
        house.answer(&text).await,
        text,
        "the largest message arrives"
    );
    house.end().await;
}

#[tokio::test]
async fn sleep_is_true_to_those_who_wait() {
    let house = House::with("").await;
    let (running, queued, slept) = tokio::join!(house.send("hang"), house.send("later"), async {
        house
            .until("it works", |v| {
                v.state == TeamState::Working && v.queued == 1
            })
            .await;
        within(house.teams.sleep(Some(Party::Console), name("api"))).await
    });
    assert_eq!(slept, Ok(true));
    for outcome in [running, queued] {
        assert_eq!(outcome.status, MessageStatus::Failed);
        assert!(outcome.error.unwrap().message.contains("stopped"));
    }
    house.end().await;
}

#[tokio::test]
async fn a_conversation_that_claude_code_lost_begins_anew() {
    let house = House::with("").await;
    let old = house.answer("session").await;
    assert_eq!(within(house.teams.sleep(None, name("api"))).await, Ok(true));
    std::fs::remove_dir_all(house.dir.path().join("home/.claude")).unwrap();
    let new = house.answer("session").await;
    assert_ne!(old, new);
    let record = house
        .store
        .session(&Party::Console, &name("api"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((record.id.to_string(), record.started), (new, true));
    house.end().await;
}

#[tokio::test]
async fn a_conversation_that_was_not_noted_is_resumed() {
    let house = House::with("").await;
    let session = house.answer("session").await;
    assert_eq!(within(house.teams.sleep(None, name("api"))).await, Ok(true));
    // As if Iris had died before it could note that the conversation had begun. The supervisor
    // keeps its own copy, so it is the removed and added team that reads the record again.
    let mut record = house
        .store
        .session(&Party::Console, &name("api"))
        .await
        .unwrap()
        .unwrap();
    record.started = false;
    house.store.save_session(record).await.unwrap();
    let api = house.config.borrow().teams[&name("api")].clone();
    house.edit(|c| c.teams.clear());
    let mut views = house.teams.watch();
    within(views.wait_for(|v| v.is_empty())).await.unwrap();
    house.edit(|c| drop(c.teams.insert(name("api"), api)));
    assert_eq!(house.answer("session").await, session);
    house.end().await;
}

#[tokio::test]
async fn a_removed_team_stops() {
    let house = House::with("").await;
    let pid = house.wake().await.unwrap().pid.unwrap();
    house.edit(|c| c.teams.clear());
    let mut views = house.teams.watch();
    within(views.wait_for(|v| v.is_empty())).await.unwrap();
    assert!(!is_alive(&pid.to_string()));
    assert_eq!(house.wake().await.unwrap_err().code, Code::NotFound);
    house.end().await;
}

#[tokio::test]
async fn an_idle_agent_goes_to_sleep() {
    let house = House::changed("", |c| c.settings.idle_timeout = 1).await;
    house.wake().await.unwrap();
    house
        .until("it sleeps", |v| {
            v.state == TeamState::Asleep && v.pid.is_none()
        })
        .await;
    assert_eq!(house.answer("hello").await, "hello");
    house.end().await;
}

#[tokio::test]
async fn only_an_idle_agent_gives_way() {
    let house = House::changed("", |c| {
        c.settings.max_processes = 2;
        for other in ["b", "c"] {
            let team = c.teams[&name("api")].clone();
            c.teams.insert(name(other), team);
        }
    })
    .await;
    let wake = |team: &str| within(house.teams.wake(Party::Console, name(team)));
    house.wake().await.unwrap();
    wake("b").await.unwrap();
    wake("c").await.unwrap();
    house
        .until("the longest idle gave way", |v| v.pid.is_none())
        .await;
    // b and c work now.
    let hang = |team: &str| {
        let (teams, team) = (house.teams.clone(), name(team));
        tokio::task::spawn_local(async move {
            teams.send(Party::Console, team, "hang".into(), None).await
        })
    };
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let (b, c) = (hang("b"), hang("c"));
            let mut views = house.teams.watch();
            let both = views.wait_for(|v| {
                ["b", "c"]
                    .iter()
                    .all(|t| v[&name(t)][0].state == TeamState::Working)
            });
            drop(within(both).await.unwrap());
            let outcome = house.send("hello").await;
            assert_eq!(outcome.error.unwrap().code, Code::Busy);
            let view = house.until("no trouble of its own", |_| true).await;
            assert_eq!(view.state, TeamState::Asleep);
            assert_eq!(within(house.teams.sleep(None, name("b"))).await, Ok(true));
            assert_eq!(
                house.answer("hello").await,
                "hello",
                "there is a place again"
            );
            assert_eq!(within(b).await.unwrap().status, MessageStatus::Failed);
            assert_eq!(within(house.teams.sleep(None, name("c"))).await, Ok(true));
            assert_eq!(within(c).await.unwrap().status, MessageStatus::Failed);
        })
        .await;
    house.end().await;
}

#[tokio::test]
async fn each_pair_has_its_own_session() {
    let house = House::changed("", |c| {
        let team = c.teams[&name("api")].clone();
        c.teams.insert(name("web"), team);
    })
    .await;
    let console = house.answer("session").await;
    let web = house
        .send_from(Party::Team(name("web")), "session")
        .await
        .response
        .unwrap();
    assert_ne!(console, web);
    assert_eq!(
        within(
            house
                .teams
                .sleep(Some(Party::Team(name("web"))), name("api"))
        )
        .await,
        Ok(true)
    );
    house
        .until("the console's is not touched", |v| {
            v.state == TeamState::Idle
        })
        .await;
    house.end().await;
}

#[tokio::test]
async fn an_agent_gets_a_clean_environment_and_its_token() {
    let house = House::with("").await;
    let env = house.answer("sh env").await;
    let names: Vec<&str> = env.lines().filter_map(|l| l.split('=').next()).collect();
    for wanted in ["PATH", "HOME", "IRIS_TOKEN", "IRIS_SESSION", "FAKE_CLAUDE"] {
        assert!(names.contains(&wanted), "{wanted} is missing: {names:?}");
    }
    for unwanted in [
        "CARGO_MANIFEST_DIR",
        "DISPLAY",
        "DBUS_SESSION_BUS_ADDRESS",
        "SSH_AUTH_SOCK",
    ] {
        assert!(!names.contains(&unwanted), "{unwanted}");
    }
    house.end().await;
}

#[tokio::test]
async fn what_ignores_every_polite_word_is_killed() {
    let house = House::with("ignore-eof").await;
    // An ignored signal stays ignored over exec.
    let stubborn = house.dir.path().join("stubborn");
    let fake = env!("CARGO_BIN_EXE_fake-claude");
    std::fs::write(
        &stubborn,
        format!("#!/bin/sh\ntrap '' TERM\nexec '{fake}' \"$@\"\n"),
    )
    .unwrap();
    std::fs::set_permissions(&stubborn, std::fs::Permissions::from_mode(0o755)).unwrap();
    house.edit(|c| {
        c.teams.get_mut(&name("api")).unwrap().claude_path = Some(stubborn.display().to_string());
    });
    let pid = house.wake().await.unwrap().pid.unwrap().to_string();
    assert_eq!(within(house.teams.sleep(None, name("api"))).await, Ok(true));
    assert!(!is_alive(&pid));
    house.end().await;
}

#[tokio::test]
async fn nothing_that_an_agent_leaves_behind_outlives_it() {
    let house = House::with("").await;
    // One in its group; one daemonised by a double fork with a session of its own; one that also
    // ignores SIGTERM.
    let in_group = house
        .answer("sh sleep 1000 >/dev/null 2>&1 & echo $!")
        .await;
    let daemon = house
        .answer("sh (setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' &)")
        .await;
    let stubborn = house
        .answer("sh (setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000 >/dev/null 2>&1' &)")
        .await;
    let all = [in_group, daemon, stubborn];
    for pid in &all {
        assert!(is_alive(pid), "{pid} runs");
        assert!(
            process::is_descendant(pid.parse().unwrap()),
            "a double fork does not hide it"
        );
    }
    assert_eq!(within(house.teams.sleep(None, name("api"))).await, Ok(true));
    for pid in &all {
        assert!(!is_alive(pid), "{pid} outlived its agent");
    }
    house.end().await;
}

#[tokio::test]
async fn an_agent_of_an_iris_that_died_is_ended_at_the_next_start() {
    let house = House::with("").await;
    let mut orphan = tokio::process::Command::from(sleeper())
        .process_group(0)
        .spawn()
        .unwrap();
    let pid = orphan.id().unwrap().cast_signed();
    let started = process::started(pid).unwrap();
    assert!(
        !process::end_left_behind(pid, started + 1),
        "another process has that pid now"
    );
    assert_eq!(orphan.try_wait().unwrap(), None);
    assert!(process::end_left_behind(pid, started));
    assert!(!within(orphan.wait()).await.unwrap().success());
    house.end().await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "stands for an agent of an Iris that is no more"
)]
fn sleeper() -> std::process::Command {
    let mut command = std::process::Command::new("/bin/sleep");
    command.arg("1000");
    command
}
