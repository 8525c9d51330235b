use iris_domain::audit::PRUNED;
use jiff::SignedDuration;

use super::*;

fn day(n: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * i64::try_from(n).unwrap())
}

/// A row for each day.
async fn filled(place: &Place, days: u64) -> Store {
    let store = place.open().await.store;
    let writes = (1..=days).map(|n| {
        store.append(Draft {
            time: day(n),
            ..draft("alpha", n)
        })
    });
    futures::future::join_all(writes).await;
    store
}

#[tokio::test]
async fn old_rows_go_and_the_rest_is_whole() {
    let place = Place::new();
    // More than one batch.
    let store = filled(&place, 1_300).await;
    assert_eq!(store.prune(day(1), day(2_000)).await, Ok(None));
    let anchor = store.prune(day(1_201), day(2_000)).await.unwrap().unwrap();
    assert_eq!((anchor.seq, anchor.rows), (1_200, 1_200));
    let check = store.verify().await.unwrap();
    assert_eq!(
        (check.rows, &check.broken),
        (101, &None),
        "and the row of the anchor"
    );
    assert_eq!(check.pruned, Some(anchor));
    let rows = store.audit(AuditQuery::default()).await.unwrap();
    assert_eq!(rows.last().unwrap().seq, 1_201);
    assert_eq!(rows[0].draft.tool, PRUNED);
    assert_eq!(
        store.prune(day(1_201), day(2_000)).await,
        Ok(None),
        "no row for nothing"
    );

    // Again, and over a restart.
    store.close().await;
    let store = place.open().await.store;
    let anchor = store.prune(day(1_250), day(2_001)).await.unwrap().unwrap();
    assert_eq!((anchor.seq, anchor.rows), (1_249, 49));
    let check = store.verify().await.unwrap();
    assert_eq!((check.rows, &check.broken), (53, &None));
    let filter = Filter {
        team: Some("alpha".into()),
        ..Filter::default()
    };
    let query = AuditQuery {
        filter,
        ..AuditQuery::default()
    };
    assert_eq!(
        store.audit(query).await.unwrap().len(),
        51,
        "the index knows of more"
    );

    // All of them: the chain goes on.
    store.prune(day(3_000), day(3_001)).await.unwrap().unwrap();
    assert_eq!(store.append(draft("alpha", 1)).await, Ok(1_304));
    let check = store.verify().await.unwrap();
    assert_eq!((check.rows, check.broken), (2, None));
}

#[tokio::test]
async fn a_prune_that_was_cut_short_goes_on() {
    let place = Place::new();
    let store = filled(&place, 20).await;
    let hash = store.audit(AuditQuery::default()).await.unwrap()[10]
        .hash
        .clone();
    let anchor = Anchor {
        seq: 10,
        hash,
        rows: 10,
        time: day(30),
    };
    let (_, row) = store.text(anchor.row()).unwrap();
    store.row(Op::Anchor(anchor, row)).await.unwrap();
    let check = store.verify().await.unwrap();
    assert_eq!(
        (check.rows, check.broken),
        (11, None),
        "whole at every moment"
    );
    assert_eq!(store.prune(day(1), day(31)).await, Ok(None));
    let rows = store.audit(AuditQuery::default()).await.unwrap();
    assert_eq!(rows.last().unwrap().seq, 11);
}

#[tokio::test]
async fn nothing_but_what_the_anchor_names_can_go() {
    let place = Place::new();
    let store = filled(&place, 10).await;
    store.prune(day(4), day(30)).await.unwrap().unwrap();
    for (sql, why) in [
        ("DELETE FROM audit", "append-only"),
        ("DELETE FROM audit WHERE seq = 4", "append-only"),
        ("UPDATE audit SET draft = '{}'", "append-only"),
        ("DELETE FROM audit_anchor", "append-only"),
        ("UPDATE audit_anchor SET seq = 9", "append-only"),
        (
            "INSERT INTO audit_anchor VALUES (9, 'no hash of it', 5, '')",
            "does not fit",
        ),
        (
            "INSERT INTO audit_anchor SELECT seq, hash, 1, '' FROM audit WHERE seq = 2",
            "",
        ),
        (
            "INSERT INTO audit_anchor VALUES (2, '', 5, '')",
            "does not fit",
        ),
    ] {
        let outcome = store.sql(sql).await;
        if !why.is_empty() {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(why), "{sql}: {error}");
        }
    }
    assert_eq!(store.verify().await.unwrap().broken, None);
}

#[tokio::test]
async fn what_a_stranger_does_to_a_pruned_log_is_found() {
    let guards = "DROP TRIGGER audit_never_updated; DROP TRIGGER audit_never_deleted; DROP TRIGGER audit_anchor_never_updated; DROP TRIGGER audit_anchor_never_deleted; DROP TRIGGER audit_anchor_is_a_row;";
    for (sql, at, why) in [
        ("DELETE FROM audit_anchor", 1, "row 1 is missing"),
        ("UPDATE audit_anchor SET hash = 'x'", 4, "does not follow"),
        ("DELETE FROM audit WHERE seq = 4", 4, "row 4 is missing"),
        ("DELETE FROM audit WHERE seq > 6", 7, "cut off at the end"),
        // Rows taken out as if they had been pruned.
        (
            "INSERT INTO audit_anchor SELECT seq, hash, 1, '2026-01-01T00:00:00Z' FROM audit WHERE seq = 5; DELETE FROM audit WHERE seq <= 5",
            6,
            "up to 5 were pruned, the rows themselves say 3",
        ),
    ] {
        let place = Place::new();
        let store = filled(&place, 10).await;
        store.prune(day(4), day(30)).await.unwrap().unwrap();
        let stranger = Connection::open(place.home().database()).unwrap();
        stranger.execute_batch(guards).unwrap();
        stranger.execute_batch(sql).unwrap();
        let broken = store.verify().await.unwrap().broken.expect(sql);
        assert!(
            broken.0 == at && broken.1.contains(why),
            "{sql}: {broken:?}"
        );
    }
}
