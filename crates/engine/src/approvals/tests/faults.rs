//! The database fails at each write of an approval's life, however it ends: no allow without its row,
//! no row twice, and everybody is told.

use iris_domain::grant::{Lifetime, Remember, Scope};

use super::*;

/// A write that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The waiting record is not kept.
    Keep,
    /// The row is not written.
    Row,
    /// The waiting record is not taken away with it.
    Forget,
}

/// How the approval ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Allow,
    Grant,
    Edit,
    Deny,
    HungUp,
    Withdrawn,
    Shutdown,
}

impl Fault {
    async fn strike(self, house: &House) {
        let when = match self {
            Self::Keep => "INSERT ON waiting",
            Self::Row => "INSERT ON audit",
            Self::Forget => "DELETE ON waiting",
        };
        let sql = format!(
            "CREATE TRIGGER broken BEFORE {when} BEGIN SELECT RAISE(ABORT, 'disk on fire'); END"
        );
        house.store.sql(&sql).await.unwrap();
    }
}

/// How it went: whether the agent was told allow, and what the human was told.
async fn live(house: &House, fault: Fault, asked_already: bool, end: End) -> Option<Decision> {
    if !asked_already {
        fault.strike(house).await;
    }
    let call = house.ask("t1");
    let view = house
        .until(|view| !view.pending.is_empty() || view.problem.is_some())
        .await;
    let Some(waiting) = view.pending.first() else {
        // It could not even be kept.
        assert_eq!(fault, Fault::Keep);
        return Some(decided(call).await);
    };
    if asked_already {
        fault.strike(house).await;
    }
    let answer = match end {
        End::Allow => Some(Answer::ALLOW_ONCE),
        End::Grant => Some(Answer::Allow {
            input: None,
            remember: Some(Remember {
                what: Scope::Tool {},
                until: Lifetime::Team {},
            }),
        }),
        End::Edit => Some(Answer::Allow {
            input: Some(json!({"command": "pwd"})),
            remember: None,
        }),
        End::Deny => Some(Answer::Deny { message: None }),
        End::HungUp | End::Withdrawn | End::Shutdown => None,
    };
    if let Some(answer) = answer {
        let told = house.answer(&waiting.id, answer).await;
        let decision = decided(call).await;
        match &told {
            Ok(ended) => assert_eq!(
                (ended.decision, ended.decided_by.clone()),
                (decision.verb(), decision.by())
            ),
            Err(problem) => {
                assert_eq!(problem.code, Code::Storage, "{problem}");
                assert_eq!(decision.by(), "iris:audit");
            }
        }
        return Some(decision);
    }
    match end {
        End::HungUp => {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
            house.pending(0).await;
            None
        }
        End::Withdrawn => {
            house.approvals.withdraw(waiting.session, "interrupted");
            Some(decided(call).await)
        }
        _ => {
            house.approvals.shutdown().await;
            Some(decided(call).await)
        }
    }
}

#[tokio::test]
async fn a_fault_at_any_write_allows_nothing_that_is_not_recorded() {
    let faults = [Fault::Keep, Fault::Row, Fault::Forget];
    let ends = [
        End::Allow,
        End::Grant,
        End::Edit,
        End::Deny,
        End::HungUp,
        End::Withdrawn,
        End::Shutdown,
    ];
    let mut struck = 0;
    for (fault, end, asked_already) in faults
        .into_iter()
        .flat_map(|fault| ends.map(|end| (fault, end)))
        .flat_map(|(fault, end)| [false, true].map(|already| (fault, end, already)))
    {
        let what = format!("{fault:?}, {end:?}, asked already: {asked_already}");
        let house = House::new().await;
        let decision = live(&house, fault, asked_already, end).await;
        let failed = fault != Fault::Keep || !asked_already;
        if failed {
            let is_deny = decision
                .as_ref()
                .is_none_or(|decision| decision.verb() == Verb::Deny);
            assert!(is_deny, "{what}: {decision:?}");
            let view = house.approvals.watch().borrow().clone();
            assert_eq!(view.grants, [], "{what}: no grant without its row");
            struck += 1;
        }
        mend(&house).await;
        let allows = |rows: &[(String, String)]| {
            rows.iter()
                .filter(|(decision, _)| decision == "allow")
                .count()
        };
        let allowed = usize::from(decision.is_some_and(|it| it.verb() == Verb::Allow));
        assert_eq!(allows(&house.rows().await), allowed, "{what}");

        // The next start finds what could not be taken to its end, and it is no allow.
        house.approvals.shutdown().await;
        house.store.close().await;
        let next = House::at(house.folder, config(|_, _| {})).await;
        let rows = next.store.audit(AuditQuery::default()).await.unwrap();
        let about: Vec<_> = rows.iter().filter(|row| row.draft.tool == "Bash").collect();
        let kept = usize::from(fault != Fault::Keep || asked_already);
        assert_eq!(about.len(), kept, "{what}: one row each: {about:?}");
        assert_eq!(allows(&next.rows().await), allowed, "{what}");
        next.chain_holds().await;
    }
    assert_eq!(struck, 5 * ends.len(), "the faults struck");
}

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
