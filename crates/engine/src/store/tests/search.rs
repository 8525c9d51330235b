use super::*;

/// Rows of two teams: each seventh is denied, each hundredth has a word of its own.
fn varied(n: u64) -> Draft {
    let denied = n.is_multiple_of(7);
    Draft {
        time: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(i64::try_from(n).unwrap()),
        decision: if denied { Verb::Deny } else { Verb::Allow },
        decided_by: if denied {
            "human:cli:ann"
        } else {
            "rule:autoApprove:Bash(git *)"
        }
        .into(),
        tool: if n.is_multiple_of(2) {
            "Bash"
        } else {
            "WebFetch"
        }
        .into(),
        input: if n.is_multiple_of(100) {
            json!({"command": format!("git push origin zebra{n}")})
        } else {
            json!({"command": format!("git status -s file{n}")})
        },
        ..draft(if n.is_multiple_of(3) { "beta" } else { "alpha" }, n)
    }
}

fn filters() -> Vec<Filter> {
    let base = Filter::default;
    let at = |n: i64| Some(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(n));
    let text = |text: &str| Some(text.to_owned());
    vec![
        base(),
        Filter {
            team: text("beta"),
            ..base()
        },
        Filter {
            team: text("nobody"),
            ..base()
        },
        Filter {
            kind: Some(Kind::Auth),
            ..base()
        },
        Filter {
            decision: Some(Verb::Deny),
            ..base()
        },
        Filter {
            tool: text("WebFetch"),
            decision: Some(Verb::Deny),
            ..base()
        },
        Filter {
            by: text("human:cli"),
            ..base()
        },
        Filter {
            by: text("rule:deny"),
            ..base()
        },
        Filter {
            search: text("zebra"),
            ..base()
        },
        Filter {
            search: text("ZEB push"),
            team: text("beta"),
            ..base()
        },
        Filter {
            search: text("git"),
            ..base()
        },
        Filter {
            search: text("file2 st"),
            ..base()
        },
        Filter {
            since: at(500),
            until: at(520),
            ..base()
        },
        Filter {
            since: at(5000),
            ..base()
        },
        Filter {
            until: at(300),
            search: text("zebra"),
            ..base()
        },
    ]
}

async fn seqs(store: &Store, query: AuditQuery) -> Vec<u64> {
    let rows = store.audit(query).await.unwrap();
    rows.iter().map(|row| row.seq).collect()
}

async fn filled(place: &Place, rows: u64) -> Store {
    let store = place.open().await.store;
    let writes = (1..=rows).map(|n| store.append(varied(n)));
    futures::future::join_all(writes).await;
    store
}

/// What each filter means, page by page, whatever of the rows is in the index.
async fn all_agree(store: &Store, rows: u64) {
    for filter in filters() {
        let expected: Vec<u64> = (1..=rows)
            .rev()
            .filter(|n| filter.matches(&varied(*n)))
            .collect();
        let mut query = AuditQuery {
            filter: filter.clone(),
            limit: Some(40),
            ..AuditQuery::default()
        };
        let mut newest_first = Vec::new();
        loop {
            let page = seqs(store, query.clone()).await;
            assert!(page.len() <= 40);
            let Some(last) = page.last() else { break };
            query.before = Some(*last);
            newest_first.extend(page);
        }
        assert_eq!(newest_first, expected, "{filter:?}");
        let mut oldest_first = seqs(
            store,
            AuditQuery {
                filter: filter.clone(),
                after: Some(0),
                ..AuditQuery::default()
            },
        )
        .await;
        oldest_first.reverse();
        assert_eq!(oldest_first, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_search_finds_what_is_indexed_and_what_is_not_yet() {
    let place = Place::new();
    let rows = 1_000;
    let store = filled(&place, rows).await;
    all_agree(&store, rows).await;
    store.indexed(rows / index::LAG * index::LAG).await;
    all_agree(&store, rows).await;
    store.close().await;
    // The next start catches up.
    let store = place.open().await.store;
    store.indexed(rows).await;
    all_agree(&store, rows).await;
}

#[tokio::test]
async fn a_lost_a_foreign_and_a_broken_index_are_made_anew() {
    let place = Place::new();
    let rows = 300;
    let store = filled(&place, rows).await;
    store.indexed(index::LAG).await;
    store.close().await;
    let file = place.home().audit_index();
    let spoil: [&dyn Fn(); 4] = [
        &|| fs::remove_file(&file).unwrap(),
        &|| fs::write(&file, "no database".repeat(500)).unwrap(),
        &|| sql(&file, "UPDATE mark SET hash = 'of another log'"),
        &|| sql(&file, "PRAGMA user_version = 99"),
    ];
    for spoil in spoil {
        spoil();
        let opened = place.open().await;
        assert_eq!(opened.problem, None);
        opened.store.indexed(rows).await;
        all_agree(&opened.store, rows).await;
        opened.store.close().await;
    }
}

#[tokio::test]
async fn without_an_index_each_row_is_looked_at() {
    let place = Place::new();
    // In the place of the file stands a folder that is not empty.
    fs::create_dir_all(place.home().audit_index().join("full")).unwrap();
    let store = filled(&place, 300).await;
    all_agree(&store, 300).await;
    store.close().await;

    let place = Place::new();
    let store = filled(&place, 300).await;
    store.indexed(index::LAG).await;
    sql(&place.home().audit_index(), "DROP TABLE part0");
    all_agree(&store, 300).await;
}

fn sql(path: &std::path::Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}
