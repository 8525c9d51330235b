//! Pairs side by side: each has its own conversation, and all of them share the places for agents.

use futures::future::join_all;
use iris_domain::{
    ids::Party,
    message::{MessageState, MessageStatus},
    snapshot::TeamState,
};
use iris_engine::teams::Letter;

use super::house::{House, name, within};

fn web() -> Party {
    Party::Team(name("web"))
}

async fn house_of(teams: &[&str], max_processes: u32) -> House {
    House::changed("", |config| {
        config.settings.max_processes = max_processes;
        let team = config.teams[&name("api")].clone();
        for other in teams {
            config.teams.insert(name(other), team.clone());
        }
    })
    .await
}

#[tokio::test]
async fn nothing_done_to_one_pair_touches_another() {
    let house = house_of(&["web"], 10).await;
    let running = house.submit("hang", None).await;
    house.becomes(running, MessageState::Delivered).await;
    let waits = house.submit("waits", None).await;
    let before = house
        .until("it works", |view| view.state == TeamState::Working)
        .await;

    // The other pair of the same team: its turn, its process, its messages.
    let teams = &house.teams;
    within(teams.wake(web(), name("api"))).await.unwrap();
    assert_eq!(within(teams.interrupt(web(), name("api"))).await, Ok(false));
    for id in [running, waits] {
        assert_eq!(
            within(teams.cancel(id, web(), name("api"))).await,
            Ok(false)
        );
    }
    let letter = Letter {
        from: web(),
        session: None,
        to: name("api"),
        text: "crash".into(),
        ttl_days: None,
    };
    let crashed = within(teams.deliver(letter, None)).await;
    assert_eq!(crashed.status, MessageStatus::Failed);
    assert_eq!(
        within(teams.sleep(Some(web()), name("api"))).await,
        Ok(true)
    );

    let after = house.until("it still works", |_| true).await;
    assert_eq!(
        (after.state, after.pid, after.queued),
        (TeamState::Working, before.pid, 1)
    );
    within(teams.interrupt(Party::Console, name("api")))
        .await
        .unwrap();
    house.becomes(running, MessageState::Cancelled).await;
    let answered = house.becomes(waits, MessageState::Answered).await;
    assert_eq!(answered.session, Some(before.id));
    house.end().await;
}

#[tokio::test]
async fn first_messages_at_once_begin_one_conversation() {
    let house = House::with("").await;
    let sent = join_all((0..10).map(|_| house.send("session"))).await;
    let first = sent[0].response.clone();
    assert!(first.is_some());
    for outcome in sent {
        assert_eq!(outcome.response, first, "{outcome:?}");
    }
    house.end().await;
}

#[tokio::test]
async fn no_more_agents_run_than_may_however_many_are_wanted_at_once() {
    const MAX: usize = 3;
    let others: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let house = house_of(&others, MAX as u32).await;
    let mut views = house.teams.watch();
    let waking = join_all(
        others
            .iter()
            .map(|team| house.teams.wake(Party::Console, name(team))),
    );
    let watching = async {
        loop {
            let view = views.borrow_and_update().clone();
            let run = view.values().flatten().filter(|s| s.pid.is_some()).count();
            assert!(run <= MAX, "{run} run");
            views.changed().await.unwrap();
        }
    };
    let woken = tokio::select! {
        woken = within(waking) => woken,
        () = watching => unreachable!("it watches for ever"),
    };
    assert!(
        woken.iter().filter(|woken| woken.is_ok()).count() >= MAX,
        "{woken:?}"
    );
    house.end().await;
}
