//! Many sessions at once, whose agents crash at any time: every message has one end, which is true,
//! and each pair's messages are answered in their order.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use futures::future::join_all;
use iris_domain::{
    ids::{MessageId, Party, TeamName},
    message::{MessageState, MessageStatus},
};
use iris_engine::teams::Letter;
use iris_tests::processes::signal_pid;
use nix::sys::signal::Signal;

use super::house::{House, name};

const SESSIONS: usize = 50;
const MESSAGES: usize = 5_000;
/// All of them have ended by then, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(180);

/// SplitMix64: the same seed is the same sequence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// The messages of one pair, in the order in which they were accepted.
struct Pair {
    to: TeamName,
    sent: Vec<(MessageId, String)>,
}

/// Kills the agent of a team, if it has one now.
fn kill_agent(house: &House, team: &TeamName) {
    let pid = house
        .teams
        .watch()
        .borrow()
        .get(team)
        .and_then(|s| s.first()?.pid);
    if let Some(pid) = pid {
        signal_pid(pid, Signal::SIGKILL);
    }
}

/// Sends all of a pair's messages one after another, while its agent crashes now and then.
async fn talk(house: &House, to: TeamName, mut dice: Dice) -> Pair {
    let mut sent = Vec::new();
    for n in 0..MESSAGES / SESSIONS {
        let text = match dice.roll(50) {
            0 => "crash".to_owned(),
            1 => format!("error number {n}"),
            _ => format!("number {n} ü€"),
        };
        let letter = Letter {
            from: Party::Console,
            session: None,
            to: to.clone(),
            text: text.clone(),
            ttl_days: (dice.roll(2) == 0).then_some(1),
        };
        let outcome = house.teams.submit(letter).await;
        assert_eq!(outcome.status, MessageStatus::Queued, "{outcome:?}");
        sent.push((outcome.id, text));
        match dice.roll(100) {
            0 => kill_agent(house, &to),
            1 => {
                let id = sent[usize::try_from(dice.roll(n as u64 + 1)).unwrap()].0;
                house
                    .teams
                    .cancel(id, Party::Console, to.clone())
                    .await
                    .unwrap();
            }
            _ => {}
        }
    }
    for (id, _) in &sent {
        // What waits for better times is woken.
        while !is_settled(house, *id, Duration::from_secs(1)).await {
            drop(house.teams.wake(Party::Console, to.clone()).await);
        }
        if dice.roll(100) == 0 {
            kill_agent(house, &to);
        }
    }
    Pair { to, sent }
}

async fn is_settled(house: &House, id: MessageId, at_most: Duration) -> bool {
    let message = house.teams.ended(id, at_most).await.unwrap().unwrap();
    message.state.is_settled()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_sessions_that_crash_at_any_time_lose_and_double_nothing() {
    let seed = std::env::var("IRIS_TEST_SEED").ok().map_or_else(
        || jiff::Timestamp::now().as_millisecond().unsigned_abs(),
        |seed| seed.parse().unwrap(),
    );
    // Shown when it fails: set it to see the same again.
    eprintln!("IRIS_TEST_SEED={seed}");
    let begun = Instant::now();
    let house = House::changed("", |config| {
        config.settings.max_processes = u32::try_from(SESSIONS).unwrap();
        let team = config.teams.remove(&name("api")).unwrap();
        for n in 0..SESSIONS {
            config.teams.insert(name(&format!("t{n}")), team.clone());
        }
    })
    .await;
    let talking = (0..SESSIONS).map(|n| {
        let dice = Dice(seed.wrapping_add(n as u64));
        talk(&house, name(&format!("t{n}")), dice)
    });
    let pairs = tokio::time::timeout(LIMIT, join_all(talking));
    let pairs = pairs.await.expect("all messages end");

    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let ran: HashMap<String, usize> =
        house.ran().into_iter().fold(HashMap::new(), |mut ran, id| {
            *ran.entry(id).or_default() += 1;
            ran
        });
    for Pair { to, sent } in &pairs {
        let mut answered = Vec::new();
        let mut session = None;
        for (id, text) in sent {
            let message = house.teams.message(*id).await.unwrap().unwrap();
            *ends.entry(message.state.as_str()).or_default() += 1;
            let times = ran.get(&id.to_string()).copied().unwrap_or_default();
            assert!(times <= 1, "it ran {times} times: {message:?}");
            match message.state {
                MessageState::Answered => {
                    assert_eq!(message.response.as_ref(), Some(text), "{message:?}");
                    assert_eq!((times, &message.error), (1, &None), "{message:?}");
                    assert!(session.is_none_or(|session| Some(session) == message.session));
                    session = message.session;
                    answered.push(id.to_string());
                }
                MessageState::Failed | MessageState::Cancelled => {
                    assert!(message.error.is_some(), "it says why: {message:?}");
                }
                MessageState::Queued | MessageState::Delivered | MessageState::Expired => {
                    panic!("{message:?}")
                }
            }
        }
        let record = format!("home/.claude/projects/-fake/{}.ran", session.unwrap());
        let order = std::fs::read_to_string(house.dir.path().join(record)).unwrap();
        let order: Vec<&str> = order
            .lines()
            .filter(|id| answered.iter().any(|a| a == id))
            .collect();
        assert_eq!(
            order, answered,
            "{to}: in the order in which they were sent"
        );
    }
    assert_eq!(ends.values().sum::<usize>(), MESSAGES);
    assert!(ends["answered"] > MESSAGES / 2, "{ends:?}");
    assert_eq!(
        house.store.open_messages().await.unwrap(),
        [],
        "nothing is kept open"
    );
    let waiting: u32 = house
        .teams
        .watch()
        .borrow()
        .values()
        .flatten()
        .map(|s| s.queued)
        .sum();
    assert_eq!(waiting, 0);
    eprintln!("{ends:?} after {:.1?}", begun.elapsed());
    house.end().await;
}
