use std::{fs, os::unix::fs::PermissionsExt as _};

use iris_domain::{
    audit::{self, FIRST_PREV, Kind},
    decision::Verb,
};
use serde_json::json;

use super::*;

fn draft(team: &str, n: u64) -> Draft {
    Draft {
        time: "2026-01-02T03:04:05.678901234Z".parse().unwrap(),
        kind: Kind::Permission,
        caller: team.into(),
        team: team.into(),
        session: String::new(),
        host: "local".into(),
        tool: "Bash".into(),
        digest: "d".into(),
        input: json!({"n": n, "text": "ä\n\u{202e}", "f": 0.1}),
        decision: Verb::Allow,
        decided_by: "mode:yes".into(),
        policy_hash: "p".into(),
        why: String::new(),
        wait_ms: n,
    }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn home(&self) -> Home {
        Home::at(self.folder.path().join("a home, ünusual"))
    }

    async fn open(&self) -> Opened {
        Store::open(&self.home()).await.unwrap()
    }

    /// A connection as a stranger would have it, with the triggers that guard the log taken away.
    fn stranger(&self) -> Connection {
        let connection = Connection::open(self.home().database()).unwrap();
        connection
            .execute_batch("DROP TRIGGER audit_never_updated; DROP TRIGGER audit_never_deleted;")
            .unwrap();
        connection
    }
}

fn waiting(id: &str) -> WaitingRecord {
    WaitingRecord {
        id: ApprovalId(id.into()),
        draft: draft("alpha", 1),
    }
}

#[tokio::test]
async fn no_secret_gets_into_the_file_by_any_way() {
    let place = Place::new();
    let Opened { store, .. } = place.open().await;
    let secret = || Draft {
        input: json!({"command": "curl -u me:hunter2 https://x.org"}),
        why: "no rule covers `curl -u me:hunter2 https://x.org`".to_owned(),
        ..draft("alpha", 1)
    };
    store.append(secret()).await.unwrap();
    let waits = WaitingRecord {
        id: ApprovalId("a1".into()),
        draft: secret(),
    };
    store.keep_waiting(waits.clone()).await.unwrap();
    let kept = WaitingRecord {
        id: ApprovalId("a2".into()),
        ..waits.clone()
    };
    store.keep_waiting(kept).await.unwrap();
    let ended = store.end_waiting(waits.id, secret(), Some(secret()));
    ended.await.unwrap();
    let rows = store.audit(AuditQuery::default()).await.unwrap();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert_eq!(
            row.draft.input["command"],
            "curl -u me:[redacted] https://x.org"
        );
        assert_eq!(row.draft.digest, "d", "that of what was asked");
    }
    store.close().await;
    let file = fs::read(place.home().database()).unwrap();
    let found = file.windows(7).any(|window| window == b"hunter2");
    assert!(!found, "not in the rows, and not in what waits");
}

#[tokio::test]
async fn rows_come_back_as_they_went_and_the_chain_holds_over_restarts() {
    let place = Place::new();
    for run in 0..3 {
        let opened = place.open().await;
        assert!(opened.problem.is_none() && opened.lost.is_empty());
        for n in 0..5 {
            let team = if n % 2 == 0 { "alpha" } else { "beta" };
            let seq = opened.store.append(draft(team, n)).await.unwrap();
            assert_eq!(seq, run * 5 + n + 1, "no gaps");
        }
        opened.store.close().await;
        assert_eq!(
            opened.store.append(draft("alpha", 9)).await,
            Err(StoreError::Closed)
        );
        assert_eq!(
            opened.store.verify().await.map(|check| check.rows),
            Ok((run + 1) * 5)
        );
    }
    let store = place.open().await.store;
    let rows = store.audit(AuditQuery::default()).await.unwrap();
    assert_eq!(rows.len(), 15);
    assert_eq!(rows[14].draft, draft("alpha", 0), "lossless, newest first");
    let query = AuditQuery {
        filter: Filter {
            team: Some("beta".into()),
            ..Filter::default()
        },
        before: Some(14),
        limit: Some(2),
        after: None,
    };
    let seqs: Vec<u64> = store
        .audit(query)
        .await
        .unwrap()
        .iter()
        .map(|row| row.seq)
        .collect();
    assert_eq!(seqs, [12, 9]);
    assert_eq!(
        store.verify().await.unwrap(),
        ChainCheck {
            rows: 15,
            pruned: None,
            broken: None
        }
    );
}

#[tokio::test]
async fn tampering_is_found_where_it_is() {
    let cases = [
        (
            "UPDATE audit SET draft = replace(draft, 'allow', 'deny') WHERE seq = 2",
            2,
            "changed",
        ),
        ("DELETE FROM audit WHERE seq = 3", 3, "missing"),
        ("DELETE FROM audit WHERE seq = 1", 1, "missing"),
        ("DELETE FROM audit WHERE seq > 3", 4, "cut off at the end"),
        (
            "UPDATE audit SET prev = hash WHERE seq = 4",
            4,
            "does not follow",
        ),
    ];
    for (sql, at, why) in cases {
        let place = Place::new();
        let store = place.open().await.store;
        for n in 0..5 {
            store.append(draft("alpha", n)).await.unwrap();
        }
        place.stranger().execute_batch(sql).unwrap();
        let broken = store.verify().await.unwrap().broken.expect(sql);
        assert!(
            broken.0 == at && broken.1.contains(why),
            "{sql}: {broken:?}"
        );
        store.close().await;
        // Neither a restart nor further rows hide it.
        let store = place.open().await.store;
        store.append(draft("alpha", 7)).await.unwrap();
        let broken = store.verify().await.unwrap().broken.expect(sql);
        assert_eq!(broken.0, at, "{sql}: {broken:?}");
    }
}

#[tokio::test]
async fn the_log_is_append_only() {
    let place = Place::new();
    let store = place.open().await.store;
    store.append(draft("alpha", 1)).await.unwrap();
    for sql in [
        "UPDATE audit SET draft = '{}'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit (seq, draft, prev, hash) VALUES (1, '{}', '', '')",
    ] {
        let error = store.sql(sql).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(
        store.verify().await.unwrap(),
        ChainCheck {
            rows: 1,
            pruned: None,
            broken: None
        }
    );
}

#[tokio::test]
async fn what_waits_is_found_by_the_next_start_until_it_is_ended() {
    let place = Place::new();
    let store = place.open().await.store;
    for id in ["a", "b"] {
        store.keep_waiting(waiting(id)).await.unwrap();
    }
    assert!(
        store.keep_waiting(waiting("a")).await.is_err(),
        "an id is used once"
    );
    store
        .end_waiting(ApprovalId("a".into()), draft("alpha", 2), None)
        .await
        .unwrap();
    // Not closed: as after a crash.
    let lost = place.open().await.lost;
    assert_eq!(lost, [waiting("b")]);
}

#[tokio::test]
async fn sessions_and_process_groups_are_kept() {
    let place = Place::new();
    let store = place.open().await.store;
    let to: TeamName = "alpha".parse().unwrap();
    assert_eq!(store.session(&Party::Console, &to).await.unwrap(), None);
    let time: Timestamp = "2026-01-02T03:04:05.000000001Z".parse().unwrap();
    let mut record = SessionRecord {
        id: SessionId(uuid::Uuid::from_u128(7)),
        from: Party::Console,
        to: to.clone(),
        started: false,
        created_at: time,
        last_used_at: time,
    };
    for started in [false, true] {
        record.started = started;
        store.save_session(record.clone()).await.unwrap();
        assert_eq!(
            store.session(&Party::Console, &to).await.unwrap(),
            Some(record.clone())
        );
    }
    assert_eq!(
        store.session(&Party::Team(to.clone()), &to).await.unwrap(),
        None
    );

    store.note_group(12, 34).await.unwrap();
    store.note_group(12, 35).await.unwrap();
    store.note_group(13, 1).await.unwrap();
    store.forget_group(13).await.unwrap();
    assert_eq!(store.noted_groups().await.unwrap(), [(12, 35)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_commits_and_each_gets_its_own_row() {
    let place = Place::new();
    let store = place.open().await.store;
    let before = store.commits();
    let writes = (0..400).map(|n| {
        let store = store.clone();
        async move { store.append(draft("alpha", n)).await.unwrap() }
    });
    let places = futures::future::join_all(writes).await;
    let commits = store.commits() - before;
    let rows = store.audit(AuditQuery::default()).await.unwrap();
    for (n, seq) in places.into_iter().enumerate() {
        let row = rows.iter().find(|row| row.seq == seq).unwrap();
        assert_eq!(row.draft.wait_ms, n as u64, "each caller gets its own row");
    }
    assert!(commits <= 40, "400 rows took {commits} commits");
    assert_eq!(
        store.verify().await.unwrap(),
        ChainCheck {
            rows: 400,
            pruned: None,
            broken: None
        }
    );
}

#[tokio::test]
async fn one_bad_write_of_a_batch_harms_no_other() {
    for refuse in ["RAISE(ABORT, 'refused')", "RAISE(ROLLBACK, 'refused')"] {
        let place = Place::new();
        let store = place.open().await.store;
        store
            .sql(&format!(
                "CREATE TRIGGER t BEFORE INSERT ON audit WHEN NEW.draft ->> '$.team' = 'bad' BEGIN SELECT {refuse}; END"
            ))
            .await
            .unwrap();
        let writes = (0..20).map(|n| store.append(draft(if n == 7 { "bad" } else { "good" }, n)));
        let outcomes = futures::future::join_all(writes).await;
        for (n, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.is_err(), n == 7, "{refuse}: {n}: {outcome:?}");
        }
        assert_eq!(
            store.verify().await.unwrap(),
            ChainCheck {
                rows: 19,
                pruned: None,
                broken: None
            }
        );
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_passes() {
    let place = Place::new();
    let store = place.open().await.store;
    store.append(draft("alpha", 1)).await.unwrap();
    store.sql("PRAGMA max_page_count = 1").await.unwrap();
    let mut large = draft("alpha", 2);
    large.input = json!("x".repeat(100_000));
    let error = store.append(large.clone()).await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert!(error.problem().hint.contains("disk space"));
    let both =
        futures::future::join(store.append(large.clone()), store.append(draft("alpha", 3))).await;
    assert!(both.0.is_err(), "still full");
    store.sql("PRAGMA max_page_count = 1000000").await.unwrap();
    store.append(large).await.unwrap();
    assert_eq!(store.verify().await.unwrap().broken, None);
}

#[tokio::test]
async fn a_corrupt_database_is_kept_aside() {
    let spoil: [fn(&std::path::Path); 3] = [
        |path| {
            fs::write(path, "this is no database, but it is longer than a header of one hundred bytes, so that it is read as one").unwrap()
        },
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let len = bytes.len();
            bytes[4096..len].fill(0xAA);
            fs::write(path, bytes).unwrap();
        },
        |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("DROP TABLE waiting")
                .unwrap()
        },
    ];
    for (n, spoil) in spoil.into_iter().enumerate() {
        let place = Place::new();
        let path = place.home().database();
        for round in 1..=2 {
            let store = place.open().await.store;
            store.append(draft("alpha", 1)).await.unwrap();
            store.close().await;
            spoil(&path);
            let spoiled = fs::read(&path).unwrap();

            let opened = place.open().await;
            let problem = opened
                .problem
                .unwrap_or_else(|| panic!("spoiled in way {n}"));
            assert!(problem.message.contains(".corrupt-"), "{problem:?}");
            assert_eq!(opened.store.audit(AuditQuery::default()).await.unwrap(), []);
            opened.store.append(draft("alpha", 1)).await.unwrap();
            opened.store.close().await;
            let kept: Vec<_> = fs::read_dir(place.home().root())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.to_string_lossy().contains(".corrupt-"))
                .filter(|path| {
                    !path.to_string_lossy().ends_with("-shm")
                        && !path.to_string_lossy().ends_with("-wal")
                })
                .collect();
            assert_eq!(kept.len(), round, "never onto another: {kept:?}");
            assert!(
                kept.iter().any(|path| fs::read(path).unwrap() == spoiled),
                "kept as it was"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_so() {
    let place = Place::new();
    // A folder where the file should be; a file where the folder should be.
    fs::create_dir_all(place.home().database()).unwrap();
    assert!(matches!(
        Store::open(&place.home()).await,
        Err(StoreError::NoFile { .. })
    ));
    let file = place.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&Home::at(file.join("home")))
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("file/home"),
        "it names the place: {error}"
    );

    let place = Place::new();
    let store = place.open().await.store;
    store.sql("PRAGMA user_version = 99").await.unwrap();
    store.close().await;
    let error = Store::open(&place.home()).await.err().unwrap();
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
    assert!(place.home().database().exists(), "and it stays where it is");
}

#[tokio::test]
async fn only_the_user_can_read_it() {
    let place = Place::new();
    fs::create_dir_all(place.home().root()).unwrap();
    fs::write(place.home().database(), "").unwrap();
    fs::set_permissions(place.home().database(), fs::Permissions::from_mode(0o644)).unwrap();
    let store = place.open().await.store;
    store.append(draft("alpha", 1)).await.unwrap();
    let mut files = 0;
    for entry in fs::read_dir(place.home().root()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 2, "the database and its -wal");
    store.close().await;
    assert_eq!(
        fs::read_dir(place.home().root()).unwrap().count(),
        2,
        "closing tidies up: the database and the index"
    );
}

#[tokio::test]
async fn an_older_database_gets_what_is_new_and_keeps_what_it_has() {
    let place = Place::new();
    let path = place.home().database();
    fs::create_dir_all(place.home().root()).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("schema1.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO process_group (pgid, started) VALUES (7, 8); PRAGMA user_version = 1",
    )
    .unwrap();
    let row = draft("alpha", 1).canonical().unwrap();
    let hash = audit::hash(FIRST_PREV, 1, &row);
    old.execute(
        "INSERT INTO audit (seq, draft, prev, hash) VALUES (1, ?1, ?2, ?3)",
        [row.as_str(), FIRST_PREV, hash.as_str()],
    )
    .unwrap();
    drop(old);
    let store = place.open().await.store;
    assert_eq!(store.noted_groups().await.unwrap(), [(7, 8)]);
    assert_eq!(store.append(draft("alpha", 2)).await, Ok(2));
    let check = store.verify().await.unwrap();
    assert_eq!((check.rows, check.broken), (2, None));
    let (early, late) = (Timestamp::UNIX_EPOCH, crate::clock::now());
    for (name, at) in [("env npm", early), ("env api", early), ("env npm", late)] {
        store.note_secret(name.into(), at).await.unwrap();
    }
    store.close().await;
    let store = place.open().await.store;
    let noted = store.noted_secrets().await.unwrap();
    assert_eq!(
        noted,
        [("env api".into(), early), ("env npm".into(), late)],
        "each once, as it was last"
    );
    store.forget_secret("env npm".into()).await.unwrap();
    store.forget_secret("env npm".into()).await.unwrap();
    assert_eq!(store.noted_secrets().await.unwrap().len(), 1);
}

mod retention;
mod search;
