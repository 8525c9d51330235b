//! The record of a session: what agents write, as their lines come.

use iris_domain::{
    decision::{Answer, Verb},
    ids::Party,
    transcript::{Entry, Query},
};

use crate::supervisor::house::{House, name, within};

impl House {
    /// The entries of all that happened.
    async fn entries(&self) -> Vec<Entry> {
        let page = self.transcripts.page(Query::default()).await.unwrap();
        page.lines.into_iter().map(|line| line.entry).collect()
    }

    async fn kinds(&self) -> Vec<&'static str> {
        let entries = self.entries().await;
        entries.iter().map(|entry| entry.kind().as_str()).collect()
    }
}

#[tokio::test]
async fn a_turn_is_noted_from_the_message_to_its_end() {
    let house = House::with("").await;
    house.answer("hello there").await;
    let entries = house.entries().await;
    assert!(matches!(&entries[0], Entry::Started { host, resumed: false } if host == "local"));
    assert!(matches!(&entries[1], Entry::Message { text, .. } if text == "hello there"));
    assert!(matches!(&entries[2], Entry::Text { text } if text == "let me see"));
    let (
        Entry::Message { message, .. },
        Entry::TurnEnd {
            messages,
            error: None,
            ..
        },
    ) = (&entries[1], &entries[3])
    else {
        panic!("the end of the turn: {entries:?}")
    };
    assert_eq!(messages[..], [*message]);
    assert_eq!(entries.len(), 4);
    within(house.teams.sleep(None, name("api"))).await.unwrap();
    house.answer("again").await;
    let entries = house.entries().await;
    assert_eq!(
        entries[4],
        Entry::Ended { why: None },
        "it was put to sleep"
    );
    assert!(matches!(&entries[5], Entry::Started { resumed: true, .. }));
    let sums = house.transcripts.sums().borrow().clone();
    assert_eq!(sums.teams[&name("api")].turns, 2);
}

#[tokio::test]
async fn a_decision_stands_beside_its_call() {
    let house = House::without_endpoint("", |_| {}).await;
    house.decide("ask touch x", Answer::ALLOW_ONCE).await;
    let entries = house.entries().await;
    let decided = entries.iter().find_map(|entry| match entry {
        Entry::Decision {
            call,
            tool,
            decision,
            by,
        } => Some((call.clone(), tool.clone(), *decision, by.clone())),
        _ => None,
    });
    let message = entries.iter().find_map(|entry| match entry {
        Entry::Message { message, .. } => Some(message.to_string()),
        _ => None,
    });
    let wanted = (
        message.unwrap(),
        "Bash".to_owned(),
        Verb::Allow,
        "human:cli:ann".to_owned(),
    );
    assert_eq!(
        decided,
        Some(wanted),
        "the fake's call is named like its message"
    );
}

#[tokio::test]
async fn an_interruption_and_a_crash_are_noted() {
    let house = House::with("").await;
    let hanging = house.send("hang");
    let interrupting = async {
        while !within(house.teams.interrupt(Party::Console, name("api")))
            .await
            .unwrap()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(hanging, interrupting);
    assert_eq!(
        house.kinds().await,
        ["started", "message", "interrupted", "turnEnd"]
    );
    house.send("crash").await;
    let entries = house.entries().await;
    let why = entries.iter().find_map(|entry| match entry {
        Entry::Ended { why } => why.clone(),
        _ => None,
    });
    assert!(why.is_some(), "{entries:?}");
}
