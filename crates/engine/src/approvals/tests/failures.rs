//! The audit log cannot be written.

use super::*;

/// Makes every insert into a table fail, as a disk would, until it is dropped again.
async fn break_table(house: &House, table: &str) {
    let sql = format!(
        "CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk on fire'); END"
    );
    house.store.sql(&sql).await.unwrap();
}

async fn mend(house: &House) {
    house.store.sql("DROP TRIGGER broken").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_recorded_is_denied_at_every_step_and_said() {
    // A decision of the policy.
    let house = House::with(config(|_, team| {
        team.grant_permission = GrantPermission::Yes
    }))
    .await;
    break_table(&house, "audit").await;
    assert_eq!(decided(house.ask("t1")).await.by(), "iris:audit");
    let view = house.until(|view| view.problem.is_some()).await;
    let problem = view.problem.clone().unwrap();
    assert!(
        problem.message.contains("disk on fire") && !problem.hint.is_empty(),
        "{problem:?}"
    );
    mend(&house).await;
    assert_eq!(decided(house.ask("t2")).await.by(), "mode:yes");
    house.until(|view| view.problem.is_none()).await;

    // Keeping the waiting record: it is never shown.
    house.config.send_replace(config(|_, _| {}));
    break_table(&house, "waiting").await;
    assert_eq!(decided(house.ask("t3")).await.by(), "iris:audit");
    house
        .until(|view| view.problem.is_some() && view.pending.is_empty())
        .await;
    mend(&house).await;

    // Recording the human's answer.
    let call = house.ask("t4");
    let id = house.pending(1).await.remove(0).id;
    house.until(|view| view.problem.is_none()).await;
    break_table(&house, "audit").await;
    let problem = house.answer(&id, Answer::ALLOW_ONCE).await.unwrap_err();
    assert_eq!(
        problem.code,
        Code::Storage,
        "the human learns that their Allow did not hold"
    );
    assert_eq!(decided(call).await.by(), "iris:audit");
    mend(&house).await;

    // The log says that rows are missing, though nobody asks: it looks for itself.
    house.until(|view| view.problem.is_none()).await;
    house.approvals.shutdown().await;
    let rows = house.store.audit(AuditQuery::default()).await.unwrap();
    let gaps: Vec<_> = rows
        .iter()
        .filter(|row| row.draft.tool == "audit.recovered")
        .collect();
    assert_eq!(gaps.len(), 3, "{rows:?}");
    assert!(
        gaps.iter()
            .all(|row| row.draft.input == json!({"failedWrites": 1})),
        "{gaps:?}"
    );
    assert!(
        rows.iter()
            .all(|row| row.draft.decided_by != "human:cli:ann"),
        "nothing was allowed by a human"
    );
    house.chain_holds().await;
}
