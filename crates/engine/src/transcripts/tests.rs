use std::collections::BTreeSet;

use iris_domain::{
    ids::Party,
    transcript::{EntryKind, Line, Tokens},
};
use uuid::Uuid;

use super::*;

struct House {
    _dir: tempfile::TempDir,
    home: Home,
    transcripts: Transcripts,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let (transcripts, problem) = Transcripts::open(&home);
        assert_eq!(problem, None);
        Self {
            _dir: dir,
            home,
            transcripts,
        }
    }

    async fn again(&mut self) {
        self.transcripts.close().await;
        let (transcripts, problem) = Transcripts::open(&self.home);
        assert_eq!(problem, None);
        self.transcripts = transcripts;
    }

    async fn texts(&self, query: Query) -> Vec<String> {
        texts(&self.transcripts.page(query).await.unwrap().lines)
    }
}

fn conversation(session: u128, from: &str, to: &str) -> Arc<Conversation> {
    Arc::new(Conversation {
        session: SessionId(Uuid::from_u128(session)),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
    })
}

fn text(text: impl Into<String>) -> Entry {
    Entry::Text { text: text.into() }
}

fn turn(cost_usd: f64) -> Entry {
    Entry::TurnEnd {
        messages: Vec::new(),
        cost_usd,
        tokens: Tokens {
            input: 1,
            output: 2,
            ..Tokens::default()
        },
        duration_ms: 1,
        model: String::new(),
        error: None,
    }
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| match &line.entry {
            Entry::Text { text } => text.clone(),
            other => other.kind().as_str().to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn pages_go_back_and_forth() {
    let house = House::new();
    let of = [
        conversation(1, "console", "api"),
        conversation(2, "web", "api"),
        conversation(3, "console", "web"),
    ];
    for n in 0..30 {
        house
            .transcripts
            .note(&of[n % 3], text(format!("text {n}")));
    }
    let api = || Query {
        team: Some("api".parse().unwrap()),
        limit: Some(4),
        ..Query::default()
    };
    let page = house.transcripts.page(api()).await.unwrap();
    assert_eq!(
        texts(&page.lines),
        ["text 24", "text 25", "text 27", "text 28"]
    );
    assert_eq!((page.upto, page.more), (30, true));
    let before = Query {
        before: Some(page.lines[0].id),
        ..api()
    };
    assert_eq!(
        house.texts(before).await,
        ["text 18", "text 19", "text 21", "text 22"]
    );
    let after = Query {
        after: Some(0),
        ..api()
    };
    let page = house.transcripts.page(after).await.unwrap();
    assert_eq!(texts(&page.lines), ["text 0", "text 1", "text 3", "text 4"]);
    assert_eq!(page.upto, page.lines[3].id, "the rest comes after it");
    let pair = Query {
        from: Some(Party::Console),
        team: Some("web".parse().unwrap()),
        ..Query::default()
    };
    assert_eq!(house.texts(pair).await.len(), 10);
    assert_eq!(house.texts(Query::default()).await.len(), 30);
}

#[tokio::test]
async fn entries_are_found_by_words_kinds_and_times() {
    let house = House::new();
    let of = conversation(1, "console", "api");
    let call = |command: &str| Entry::ToolCall {
        call: "c".into(),
        tool: "Bash".into(),
        input: serde_json::json!({ "command": command }),
    };
    house
        .transcripts
        .note(&of, text("Building the Müller crate"));
    house.transcripts.note(&of, call("cargo build"));
    house
        .transcripts
        .note(&conversation(2, "api", "web"), call("npm run build"));
    let search = |words: &str| Query {
        search: Some(words.to_owned()),
        ..Query::default()
    };
    assert_eq!(house.texts(search("build")).await.len(), 3);
    assert_eq!(house.texts(search("MÜLL build")).await.len(), 1);
    assert_eq!(house.texts(search("nothing")).await.len(), 0);
    let calls = Query {
        kinds: vec![EntryKind::ToolCall],
        team: Some("web".parse().unwrap()),
        ..search("build")
    };
    assert_eq!(house.texts(calls).await, ["toolCall"]);
    let future = clock::now() + jiff::SignedDuration::from_hours(1);
    for (since, until, found) in [
        (Some(future), None, 0),
        (None, Some(future), 3),
        (Some(Timestamp::UNIX_EPOCH), Some(future), 3),
        (None, Some(Timestamp::UNIX_EPOCH), 0),
    ] {
        let query = Query {
            since,
            until,
            ..Query::default()
        };
        assert_eq!(house.texts(query).await.len(), found);
    }
}

#[tokio::test]
async fn secrets_are_not_in_the_file() {
    let house = House::new();
    let of = conversation(1, "console", "api");
    house
        .transcripts
        .note(&of, text("export API_TOKEN=hunter2secret"));
    house.transcripts.close().await;
    for file in std::fs::read_dir(house.home.root()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(13).any(|it| it == b"hunter2secret"));
    }
}

#[tokio::test]
async fn sums_are_kept() {
    let mut house = House::new();
    let (one, two) = (
        conversation(1, "console", "api"),
        conversation(2, "web", "api"),
    );
    for of in [&one, &one, &two] {
        house.transcripts.note(of, turn(0.5));
    }
    for _ in 0..2 {
        house.transcripts.written().await;
        let sums = house.transcripts.sums().borrow().clone();
        assert_eq!(sums.sessions[&one.session].turns, 2);
        assert_eq!(sums.sessions[&one.session].tokens.output, 4);
        assert_eq!(sums.teams[&one.to].cost_usd, 1.5);
        house.again().await;
    }
    house.transcripts.forget(one.session).await.unwrap();
    let sums = house.transcripts.sums().borrow().clone();
    assert_eq!(sums.teams[&one.to].turns, 1);
    assert!(!sums.sessions.contains_key(&one.session));
}

#[tokio::test]
async fn who_follows_gets_everything_once() {
    let house = House::new();
    let of = conversation(1, "console", "api");
    let other = conversation(2, "console", "web");
    let newer = house.transcripts.newer(Query::default(), Duration::ZERO);
    assert_eq!(
        newer.await.unwrap(),
        Page::default(),
        "nothing came in time"
    );
    let team = Query {
        team: Some(of.to.clone()),
        limit: Some(7),
        ..Query::default()
    };
    for n in 0..10 {
        house.transcripts.note(&of, text(format!("{n}")));
    }
    let page = house.transcripts.page(team.clone()).await.unwrap();
    assert_eq!(page.lines.len(), 7);
    let newer = Query {
        after: Some(page.lines[3].id),
        ..team.clone()
    };
    let newer = house.transcripts.newer(newer, Duration::from_secs(30));
    let newer = newer.await.unwrap();
    assert_eq!(
        (texts(&newer.lines), newer.upto),
        (texts(&page.lines[4..]), page.upto)
    );
    let mut following = house.transcripts.follow(team, page.upto);
    let transcripts = house.transcripts.clone();
    let noting = tokio::task::spawn_blocking(move || {
        for n in 10..3_000 {
            transcripts.note(&of, text(format!("{n}")));
            transcripts.note(&other, text("elsewhere"));
        }
    });
    let mut seen = texts(&page.lines);
    while seen.len() < 2_997 {
        seen.extend(texts(&following.next().await.unwrap().unwrap()));
    }
    noting.await.unwrap();
    let all: Vec<String> = (3..3_000).map(|n| n.to_string()).collect();
    assert_eq!(seen, all);
    house.transcripts.close().await;
    assert_eq!(following.next().await.unwrap(), None, "there is no more");
}

#[tokio::test]
async fn a_deleted_session_leaves_no_word() {
    let house = House::new();
    let (gone, stays) = (
        conversation(1, "console", "api"),
        conversation(2, "web", "api"),
    );
    for n in 0..2_500 {
        house
            .transcripts
            .note(&gone, text(format!("confidential {n}")));
        house.transcripts.note(&stays, text(format!("public {n}")));
    }
    house.transcripts.forget(gone.session).await.unwrap();
    house.transcripts.note(&stays, text("public after"));
    let search = |words: &str| Query {
        search: Some(words.to_owned()),
        limit: Some(10_000),
        ..Query::default()
    };
    assert_eq!(house.texts(search("confidential")).await.len(), 0);
    assert_eq!(house.texts(search("public")).await.len(), 1_000);
    assert_eq!(house.texts(search("public after")).await.len(), 1);
    house.transcripts.close().await;
    for file in std::fs::read_dir(house.home.root()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let at = bytes.windows(12).position(|it| it == b"confidential");
        assert_eq!(at, None, "{}", path.display());
    }
}

#[tokio::test]
async fn what_is_old_goes_and_places_are_not_given_again() {
    let mut house = House::new();
    let of = conversation(1, "console", "api");
    for n in 0..2_500 {
        house.transcripts.note(&of, text(format!("old {n}")));
    }
    house.transcripts.written().await;
    let later = clock::now() + jiff::SignedDuration::from_secs(1);
    house
        .transcripts
        .prune(Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    assert_eq!(house.texts(Query::default()).await.len(), 200);
    house.transcripts.prune(later).await.unwrap();
    assert_eq!(house.texts(Query::default()).await.len(), 0);
    house.again().await;
    house.transcripts.note(&of, text("new"));
    let page = house.transcripts.page(Query::default()).await.unwrap();
    assert_eq!((texts(&page.lines), page.upto), (vec!["new".into()], 2_501));
}

#[tokio::test]
async fn what_is_too_much_is_thinned_and_said() {
    let queue = Queue::default();
    let of = conversation(1, "console", "api");
    let noted = |entry| Noted {
        time: clock::now(),
        conversation: Arc::clone(&of),
        within: None,
        entry,
    };
    let thought = |n: usize| Entry::Thinking {
        text: format!("{n}"),
    };
    for n in 0..queue::ENTRIES_MAX / 2 {
        queue.push(noted(text("said")));
        queue.push(noted(thought(n)));
    }
    queue.push(noted(turn(1.0)));
    let (mut kept, mut missing) = (Vec::new(), 0);
    loop {
        let batch = queue.take(false);
        missing += batch.missing.values().sum::<u64>();
        if batch.entries.is_empty() {
            break;
        }
        kept.extend(batch.entries.into_iter().map(|noted| noted.entry));
    }
    let kinds: BTreeSet<EntryKind> = kept.iter().map(Entry::kind).collect();
    assert_eq!(kinds, [EntryKind::Text, EntryKind::TurnEnd].into());
    assert_eq!(
        kept.len() + usize::try_from(missing).unwrap(),
        queue::ENTRIES_MAX + 1
    );
    // By size, too: what is huge does not fill the memory.
    for _ in 0..100 {
        let mut entry = text("x".repeat(1024 * 1024));
        entry.cut();
        queue.push(noted(entry));
    }
    let batch = queue.take(false);
    assert!(
        batch
            .entries
            .iter()
            .map(|it| it.entry.bytes())
            .sum::<usize>()
            <= queue::BYTES_MAX
    );
    assert!(batch.missing.values().sum::<u64>() > 0);
}

#[tokio::test]
async fn a_damaged_file_is_kept_aside_and_said() {
    let house = House::new();
    house.transcripts.close().await;
    std::fs::write(
        house.home.transcripts(),
        "this is no database at all".repeat(100),
    )
    .unwrap();
    let (transcripts, problem) = Transcripts::open(&house.home);
    assert!(problem.unwrap().message.contains("corrupt"));
    transcripts.note(&conversation(1, "console", "api"), text("works"));
    let page = transcripts.page(Query::default()).await.unwrap();
    assert_eq!(page.lines.len(), 1);
    transcripts.close().await;
    std::fs::remove_file(house.home.transcripts()).unwrap();
    std::fs::create_dir(house.home.transcripts()).unwrap();
    let (transcripts, problem) = Transcripts::open(&house.home);
    assert!(problem.is_some(), "it cannot be used");
    transcripts.note(&conversation(1, "console", "api"), text("goes nowhere"));
    assert_eq!(
        transcripts.page(Query::default()).await,
        Err(TranscriptError::Closed)
    );
}
