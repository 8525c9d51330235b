//! Messages that wait, outlive an Iris, go round in circles, and are taken back.

use std::time::Duration;

use iris_domain::{
    ids::Party,
    message::{DEPTH_MAX, MessageState, MessageStatus, SAME_MAX, given_as},
    problem::Code,
};
use iris_engine::teams::Letter;

use super::house::{House, name, within};

/// Waits for the answer to something that may wait.
async fn persistent(house: &House, text: &str) -> iris_domain::message::SendOutcome {
    let letter = Letter {
        from: Party::Console,
        session: None,
        to: name("api"),
        text: text.into(),
        ttl_days: Some(1),
    };
    within(house.teams.deliver(letter, None)).await
}

#[tokio::test]
async fn a_message_is_on_disk_before_it_is_delivered_and_its_answer_can_be_read_later() {
    let house = House::with("").await;
    let id = house.submit("hello", None).await;
    let message = house.becomes(id, MessageState::Answered).await;
    assert_eq!(message.response.as_deref(), Some("hello"));
    assert!(message.delivered_at >= Some(message.created_at));
    assert!(message.settled_at >= message.delivered_at);
    assert_eq!(message.depth, 1);
    assert!(message.session.is_some());
    let teams = &house.teams;
    for (from, to) in [
        (Some(Party::Console), Some(name("api"))),
        (None, Some(name("api"))),
        (Some(Party::Console), None),
        (None, None),
    ] {
        let all = within(teams.messages(from, to, 10)).await;
        assert_eq!(all.unwrap(), std::slice::from_ref(&message));
    }
    let others = teams.messages(None, Some(name("web")), 10);
    assert_eq!(within(others).await.unwrap(), []);
    assert_eq!(
        house.store.message_counts().await.unwrap(),
        [(Party::Console, name("api"), 1)]
    );
    house.end().await;
}

#[tokio::test]
async fn what_persists_waits_for_a_stopped_team_and_goes_on_in_order_when_it_is_woken() {
    let house = House::with("").await;
    let running = house.submit("hang", None).await;
    house.becomes(running, MessageState::Delivered).await;
    let first = house.submit("one", Some(1)).await;
    let lost = house.submit("two", None).await;
    let last = house.submit("three", Some(1)).await;
    assert_eq!(within(house.teams.sleep(None, name("api"))).await, Ok(true));
    house.becomes(running, MessageState::Failed).await;
    house.becomes(lost, MessageState::Failed).await;
    let waits = house.becomes(first, MessageState::Queued).await;
    assert!(waits.error.is_some(), "why it waits: {waits:?}");
    let view = house
        .until("what waits is shown", |view| view.queued == 2)
        .await;
    assert_eq!(view.pid, None, "nothing wakes a team that was stopped");
    house.wake().await.unwrap();
    house.becomes(last, MessageState::Answered).await;
    let first = house.becomes(first, MessageState::Answered).await;
    assert_eq!(first.error, None);
    let ran = house.ran();
    assert_eq!(
        ran[ran.len() - 2..],
        [first.id.to_string(), last.to_string()]
    );
    house.end().await;
}

#[tokio::test]
async fn a_sender_of_what_persists_is_told_at_once_that_it_waits() {
    let house = House::with("exit-at-once").await;
    let waits = persistent(&house, "hello").await;
    assert_eq!(waits.status, MessageStatus::Queued, "{waits:?}");
    assert!(waits.error.is_some());
    house.edit(|config| {
        let team = config.teams.get_mut(&name("api")).unwrap();
        team.env.insert("FAKE_CLAUDE".into(), String::new());
    });
    // The next message takes it along, and comes after it.
    assert_eq!(house.answer("session").await.len(), 36);
    house.becomes(waits.id, MessageState::Answered).await;
    assert_eq!(house.ran()[0], waits.id.to_string());
    house.end().await;
}

#[tokio::test]
async fn what_persists_outlives_an_iris_and_runs_exactly_once() {
    let house = House::with("").await;
    let lost = house.submit("answer-lost x", Some(1)).await;
    house.becomes(lost, MessageState::Delivered).await;
    let queued = house.submit("later", Some(1)).await;
    let gone = house.submit("gone", None).await;
    // It is known to have answered: killed now, the answer is on its way for ever.
    while house.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    let house = house.killed("").await;
    house.becomes(queued, MessageState::Answered).await;
    let gone = house.becomes(gone, MessageState::Failed).await;
    assert!(
        gone.error
            .unwrap()
            .message
            .contains("before the message was delivered")
    );
    let ran = house.ran();
    for id in [lost, queued] {
        let times = ran.iter().filter(|ran| **ran == id.to_string()).count();
        assert_eq!(times, 1, "{ran:?}");
    }
    let end = house.becomes(lost, MessageState::Answered).await;
    assert_eq!(
        end.response.as_deref(),
        Some("answer-lost x"),
        "of the agent's own record"
    );
    house.end().await;
}

#[tokio::test]
async fn what_an_end_of_iris_cut_short_is_gone_on_with() {
    let mut house = House::with("").await;
    let gate = house.dir.path().join("gate");
    let text = format!("when {} done", gate.display());
    let id = house.submit(&text, Some(1)).await;
    // The second time, what it is given anew was taken before too.
    for begun in 1..=2 {
        while house.ran().len() < begun {
            tokio::task::yield_now().await;
        }
        house = house.killed("").await;
    }
    std::fs::write(gate, "").unwrap();
    let end = house.becomes(id, MessageState::Answered).await;
    assert_eq!(end.response.as_deref(), Some("done"));
    let ran = house.ran();
    let given_as = |times| given_as(id, times).to_string();
    assert_eq!(ran, [given_as(0), given_as(1), given_as(2)]);
    house.end().await;
}

#[tokio::test]
async fn a_message_expires_only_while_it_waits() {
    let house = House::with("").await;
    let id = house.submit("hang", Some(1)).await;
    house.becomes(id, MessageState::Delivered).await;
    let waits = house.submit("late", Some(1)).await;
    // As if a day had passed, and a new Iris looked.
    let (early, now) = (
        jiff::Timestamp::UNIX_EPOCH,
        "UPDATE message SET expires_at = ",
    );
    house.sql(&format!("{now}'{early}'"));
    let house = house.killed("").await;
    house.becomes(waits, MessageState::Expired).await;
    assert_ne!(
        house.teams.message(id).await.unwrap().unwrap().state,
        MessageState::Expired,
        "it was delivered in its time"
    );
    house.end().await;
}

#[tokio::test]
async fn a_message_is_taken_back_while_it_waits_and_interrupted_while_it_runs() {
    let house = House::with("").await;
    let running = house.submit("hang", None).await;
    house.becomes(running, MessageState::Delivered).await;
    let waits = house.submit("never", None).await;
    let cancel = |id| within(house.teams.cancel(id, Party::Console, name("api")));
    assert_eq!(cancel(waits).await, Ok(true));
    house.becomes(waits, MessageState::Cancelled).await;
    assert_eq!(cancel(running).await, Ok(true));
    house.becomes(running, MessageState::Cancelled).await;
    assert_eq!(cancel(running).await, Ok(false), "it had ended");
    assert_eq!(house.answer("go on").await, "go on");
    assert!(!house.ran().contains(&waits.to_string()));
    house.end().await;
}

#[tokio::test]
async fn teams_that_talk_in_circles_are_stopped_and_the_human_is_told_until_they_act() {
    let house = House::with("").await;
    let from = Party::Team(name("web"));
    let mut circles = house.teams.circles();
    for n in 0..=SAME_MAX {
        let outcome = house.send_from(from.clone(), &format!("ping {n}")).await;
        if n < SAME_MAX {
            assert_eq!(outcome.status, MessageStatus::Answered);
        } else {
            assert_eq!(outcome.status, MessageStatus::Failed);
            assert_eq!(outcome.error.unwrap().code, Code::Conflict);
        }
    }
    let key = (from.clone(), name("api"));
    assert!(circles.borrow_and_update().contains_key(&key));
    house.answer("stop that").await;
    assert!(circles.borrow_and_update().is_empty(), "the human acted");

    // A chain is counted through the turns that it goes through.
    let mut outcome = None;
    for n in 0..=DEPTH_MAX {
        let running = house.submit(&format!("hang {n}"), None).await;
        let session = house
            .becomes(running, MessageState::Delivered)
            .await
            .session;
        let letter = Letter {
            from: from.clone(),
            session,
            to: name("api"),
            text: "x".repeat(usize::try_from(n).unwrap() + 1),
            ttl_days: None,
        };
        outcome = Some(within(house.teams.submit(letter)).await);
        within(house.teams.interrupt(Party::Console, name("api")))
            .await
            .unwrap();
        house.becomes(running, MessageState::Cancelled).await;
    }
    let outcome = outcome.unwrap();
    assert_eq!(
        outcome.status,
        MessageStatus::Queued,
        "each begins anew with a human"
    );
    let kept = house.teams.message(outcome.id).await.unwrap().unwrap();
    assert_eq!(kept.depth, 2);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_timeout_the_sender_has_what_was_written_so_far() {
    let house = House::with("").await;
    house.wake().await.unwrap();
    let send = |text: &str| {
        let limit = Some(Duration::from_secs(2));
        within(
            house
                .teams
                .send(Party::Console, name("api"), text.into(), limit),
        )
    };
    // Sent at once, they may come in any order.
    let next = async {
        while house.ran().is_empty() {
            tokio::task::yield_now().await;
        }
        send("hang the next").await
    };
    let (late, waits) = tokio::join!(send("hang the first half"), next);
    for (outcome, so_far) in [(&late, Some("the first half")), (&waits, None)] {
        assert_eq!(outcome.status, MessageStatus::Timeout, "{outcome:?}");
        assert_eq!(outcome.so_far.as_deref(), so_far, "{outcome:?}");
        assert_eq!(outcome.response, None, "it is no answer");
    }
    house.end().await;
}
