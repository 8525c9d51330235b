mod faults;
mod grants;
mod looks;
mod together;

use std::{collections::HashMap, time::Duration};

use iris_domain::{
    config::{ApprovalPolicy, GrantPermission, Team},
    decision::{AllowedBy, RuleList, Surface},
    ids::{Party, TeamName},
};
use serde_json::{Value, json};

use super::*;
use crate::{home::Home, secrets::Secret, store::AuditQuery};

/// What comes, comes sooner.
const PATIENCE: Duration = Duration::from_secs(30);

struct House {
    folder: tempfile::TempDir,
    config: watch::Sender<Arc<Config>>,
    store: Store,
    tokens: Tokens,
    approvals: Approvals,
    tasks: TaskTracker,
}

fn alpha() -> TeamName {
    "alpha".parse().unwrap()
}

fn config(change: impl FnOnce(&mut Config, &mut Team)) -> Arc<Config> {
    let mut config = Config::default();
    let mut team = Team::at("/p");
    change(&mut config, &mut team);
    config.teams.insert(alpha(), team);
    Arc::new(config)
}

impl House {
    async fn new() -> Self {
        Self::with(config(|_, _| {})).await
    }

    async fn with(config: Arc<Config>) -> Self {
        Self::at(tempfile::tempdir().unwrap(), config).await
    }

    async fn at(folder: tempfile::TempDir, config: Arc<Config>) -> Self {
        Self::on(Ground::default(), folder, config).await
    }

    async fn on(ground: Ground, folder: tempfile::TempDir, config: Arc<Config>) -> Self {
        let home = Home::at(folder.path());
        let opened = Store::open(&home).await.unwrap();
        let config = watch::Sender::new(config);
        let tasks = TaskTracker::new();
        let store = opened.store;
        let tokens = Tokens::new(Secret::random());
        let approvals = Approvals::start(
            config.subscribe(),
            ground,
            store.clone(),
            tokens.clone(),
            Freeze::load(&home),
            opened.lost,
            &tasks,
        )
        .await;
        Self {
            folder,
            config,
            store,
            tokens,
            approvals,
            tasks,
        }
    }

    /// An agent's call in a task of its own; aborting that task is hanging up.
    fn ask(&self, call: &str) -> tokio::task::JoinHandle<Decision> {
        self.ask_with(call, json!({"command": "ls"}))
    }

    fn ask_with(&self, call: &str, input: Value) -> tokio::task::JoinHandle<Decision> {
        let approvals = self.approvals.clone();
        let request = ToolRequest::new("Bash".into(), input, call.into()).unwrap();
        self.tasks
            .spawn(async move { approvals.ask(asker(), request).await })
    }

    async fn until(&self, wanted: impl FnMut(&Arc<ApprovalsView>) -> bool) -> Arc<ApprovalsView> {
        let mut watch = self.approvals.watch();
        let view = tokio::time::timeout(PATIENCE, watch.wait_for(wanted)).await;
        view.expect("what is waited for is shown in time")
            .unwrap()
            .clone()
    }

    async fn pending(&self, n: usize) -> Vec<ApprovalView> {
        let view = self.until(|view| view.pending.len() == n).await;
        view.pending
            .iter()
            .map(|it| ApprovalView::clone(it))
            .collect()
    }

    async fn answer(&self, id: &ApprovalId, answer: Answer) -> Result<EndedApproval, Problem> {
        self.approvals
            .answer(id.clone(), answer, human(Surface::Cli))
            .await
    }

    /// (decision, decided by) of every row, oldest first.
    async fn rows(&self) -> Vec<(String, String)> {
        let mut rows = self.store.audit(AuditQuery::default()).await.unwrap();
        rows.reverse();
        rows.into_iter()
            .map(|row| (row.draft.decision.as_str().to_owned(), row.draft.decided_by))
            .collect()
    }

    async fn chain_holds(&self) {
        assert_eq!(self.store.verify().await.unwrap().broken, None);
    }
}

fn asker() -> Asker {
    Asker {
        team: alpha(),
        session: SessionId(uuid::Uuid::from_u128(1)),
        from: Party::Console,
        host: "local".into(),
    }
}

fn human(surface: Surface) -> Human {
    Human {
        surface,
        user: "ann".into(),
    }
}

async fn decided(call: tokio::task::JoinHandle<Decision>) -> Decision {
    tokio::time::timeout(PATIENCE, call)
        .await
        .expect("a decision comes in time")
        .unwrap()
}

fn pair(decision: &str, by: &str) -> (String, String) {
    (decision.into(), by.into())
}

#[tokio::test]
async fn a_human_allows_and_denies_and_both_are_recorded_first() {
    let house = House::new().await;
    let call = house.ask("t1");
    let view = house.pending(1).await.remove(0);
    assert_eq!(
        (
            view.tool.as_str(),
            view.summary.as_str(),
            view.path.as_str()
        ),
        ("Bash", "ls", "/p")
    );
    assert!(view.id.0.len() == 6 && view.id.0.chars().all(|c| c.is_ascii_alphanumeric()));
    assert!(view.expires_at.is_some_and(|at| at > view.created_at));
    let ended = house.answer(&view.id, Answer::ALLOW_ONCE).await.unwrap();
    assert_eq!(ended.decided_by, "human:cli:ann");
    assert_eq!(
        house.rows().await,
        [pair("allow", "human:cli:ann")],
        "on disk when answer returns"
    );
    assert!(
        house.approvals.watch().borrow().pending.is_empty(),
        "and gone from every surface"
    );
    let by = AllowedBy::Human(human(Surface::Cli));
    assert_eq!(decided(call).await, Decision::Allow { by, edited: None });

    let call = house.ask("t2");
    let view = house.pending(1).await.remove(0);
    let answer = Answer::Deny {
        message: Some("not today".into()),
    };
    house.answer(&view.id, answer).await.unwrap();
    let Decision::Deny { message, .. } = decided(call).await else {
        panic!("it was denied")
    };
    assert_eq!(message, "ann denied Bash: not today");

    let late = house
        .answer(&view.id, Answer::ALLOW_ONCE)
        .await
        .unwrap_err();
    assert_eq!(late.code, Code::AlreadyDecided);
    assert!(late.message.contains("ann (cli)"), "{late}");
    let unknown = house
        .answer(&ApprovalId("zzzzzz".into()), Answer::ALLOW_ONCE)
        .await
        .unwrap_err();
    assert_eq!(unknown.code, Code::NotFound);
    house.chain_holds().await;
}

#[tokio::test]
async fn the_policy_decides_without_asking_and_is_recorded() {
    let house = House::with(config(|_, team| {
        team.approval_policy = ApprovalPolicy {
            auto_approve: vec!["Bash".into()],
            require_approval: vec![],
            ..ApprovalPolicy::default()
        };
    }))
    .await;
    let by = AllowedBy::Rule(RuleList::AutoApprove, "Bash".into());
    assert_eq!(
        decided(house.ask("t1")).await,
        Decision::Allow { by, edited: None }
    );
    // The config that holds when it is asked counts.
    house.config.send_replace(config(|_, team| {
        team.grant_permission = GrantPermission::No
    }));
    assert!(matches!(
        decided(house.ask("t2")).await,
        Decision::Deny {
            by: DeniedBy::Mode("no"),
            ..
        }
    ));
    house.config.send_replace(Arc::default());
    assert_eq!(decided(house.ask("t3")).await.by(), "iris:team");
    let rows = [
        pair("allow", "rule:autoApprove:Bash"),
        pair("deny", "mode:no"),
        pair("deny", "iris:team"),
    ];
    assert_eq!(house.rows().await, rows);
    house.chain_holds().await;
}

#[tokio::test]
async fn an_edited_input_runs_and_is_recorded() {
    let house = House::new().await;
    let call = house.ask("t1");
    let view = house.pending(1).await.remove(0);
    let bad = house
        .answer(
            &view.id,
            Answer::Allow {
                input: Some(json!("pwd")),
                remember: None,
            },
        )
        .await
        .unwrap_err();
    assert_eq!(bad.code, Code::InvalidInput);
    let edit = json!({"command": "pwd"});
    house
        .answer(
            &view.id,
            Answer::Allow {
                input: Some(edit.clone()),
                remember: None,
            },
        )
        .await
        .unwrap();
    let Decision::Allow { edited, .. } = decided(call).await else {
        panic!("it was allowed")
    };
    assert_eq!(edited, Some(edit.clone()));
    let row = house
        .store
        .audit(AuditQuery::default())
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        row.draft.input,
        json!({"asked": {"command": "ls"}, "ran": edit})
    );
    assert_eq!(row.draft.digest, view.digest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_answered_at_once_from_three_surfaces_are_each_decided_once() {
    let mut many = Config::default();
    for n in 0..20 {
        many.teams
            .insert(format!("t{n}").parse().unwrap(), Team::at("/p"));
    }
    let house = House::with(Arc::new(many)).await;
    let mut calls = Vec::new();
    for n in 0..1000u128 {
        let approvals = house.approvals.clone();
        let asker = Asker {
            team: format!("t{}", n % 20).parse().unwrap(),
            session: SessionId(uuid::Uuid::from_u128(n)),
            ..asker()
        };
        let request = ToolRequest::new("Bash".into(), json!({"n": n as u64}), "t".into()).unwrap();
        calls.push(
            house
                .tasks
                .spawn(async move { (asker.session, approvals.ask(asker, request).await) }),
        );
    }
    let pending = house.pending(1000).await;
    let ids: HashMap<SessionId, ApprovalId> = pending
        .iter()
        .map(|view| (view.session, view.id.clone()))
        .collect();
    assert_eq!(
        ids.values().collect::<std::collections::HashSet<_>>().len(),
        1000,
        "ids are unique"
    );
    let one_more = house.approvals.ask(
        Asker {
            team: "t0".parse().unwrap(),
            session: SessionId(uuid::Uuid::from_u128(5000)),
            ..asker()
        },
        ToolRequest::new("Bash".into(), json!({}), "t".into()).unwrap(),
    );
    assert_eq!(one_more.await.by(), "iris:limit");

    let mut answers = Vec::new();
    for view in &pending {
        for (surface, answer) in [
            (Surface::Notification, Answer::ALLOW_ONCE),
            (Surface::Tray, Answer::DENY),
            (
                Surface::Window,
                Answer::Allow {
                    input: Some(json!({"edited": 1})),
                    remember: None,
                },
            ),
        ] {
            let (approvals, id) = (house.approvals.clone(), view.id.clone());
            answers.push(house.tasks.spawn(async move {
                (
                    id.clone(),
                    approvals.answer(id, answer, human(surface)).await,
                )
            }));
        }
    }
    let mut winners: HashMap<ApprovalId, EndedApproval> = HashMap::new();
    for answer in answers {
        match answer.await.unwrap() {
            (id, Ok(ended)) => assert!(winners.insert(id, ended).is_none(), "one winner each"),
            (_, Err(problem)) => assert_eq!(problem.code, Code::AlreadyDecided, "{problem}"),
        }
    }
    assert_eq!(winners.len(), 1000);
    for call in calls {
        let (session, decision) = call.await.unwrap();
        let won = &winners[&ids[&session]];
        assert_eq!(
            (decision.verb(), decision.by()),
            (won.decision, won.decided_by.clone())
        );
    }
    assert_eq!(
        house.rows().await.len(),
        1001,
        "one row each, and the refused one"
    );
    house.chain_holds().await;
}

#[tokio::test]
async fn joined_callers_get_one_decision_and_only_the_last_to_go_withdraws() {
    let house = House::new().await;
    let first = house.ask("t1");
    let view = house.pending(1).await.remove(0);
    let second = house.ask("t1");
    let swapped = house.ask_with("t1", json!({"command": "rm -rf /"}));
    assert_eq!(decided(swapped).await.by(), "iris:input");
    first.abort();
    // The owner takes messages in order: after this refusal it has seen the first one go.
    assert!(first.await.unwrap_err().is_cancelled());
    let again = house.ask_with("t1", json!({"command": "rm -rf /"}));
    assert_eq!(decided(again).await.by(), "iris:input");
    assert_eq!(
        house.approvals.watch().borrow().pending.len(),
        1,
        "the second still waits"
    );
    house.answer(&view.id, Answer::ALLOW_ONCE).await.unwrap();
    assert_eq!(decided(second).await.by(), "human:cli:ann");

    let alone = house.ask("t2");
    house.pending(1).await;
    alone.abort();
    let view = house.until(|view| view.pending.is_empty()).await;
    assert_eq!(view.recent[0].decided_by, "withdrawn:the agent hung up");
    assert_eq!(
        house.rows().await.last(),
        Some(&pair("deny", "withdrawn:the agent hung up"))
    );

    let interrupted = house.ask("t3");
    house.pending(1).await;
    house
        .approvals
        .withdraw(SessionId(uuid::Uuid::from_u128(2)), "another session");
    house
        .approvals
        .withdraw(asker().session, "the turn was interrupted");
    assert_eq!(
        decided(interrupted).await.by(),
        "withdrawn:the turn was interrupted"
    );
    house.chain_holds().await;
}

#[tokio::test]
async fn nobody_answers_in_time() {
    let house = House::with(config(|config, _| config.settings.permission_timeout = 1)).await;
    let decision = decided(house.ask("t1")).await;
    assert_eq!(decision.by(), "timeout");
    let row = house
        .store
        .audit(AuditQuery::default())
        .await
        .unwrap()
        .remove(0);
    assert!(
        row.draft.wait_ms >= 900,
        "it says how long it waited: {}",
        row.draft.wait_ms
    );

    house
        .config
        .send_replace(config(|config, _| config.settings.permission_timeout = 0));
    let call = house.ask("t2");
    let view = house.pending(1).await.remove(0);
    assert_eq!(view.expires_at, None, "0 waits for ever");
    house.answer(&view.id, Answer::DENY).await.unwrap();
    decided(call).await;
    house.config.send_replace(config(|config, _| {
        config.settings.permission_timeout = u64::MAX
    }));
    let call = house.ask("t3");
    let view = house.pending(1).await.remove(0);
    assert_eq!(
        view.expires_at, None,
        "longer than the calendar is for ever"
    );
    house.answer(&view.id, Answer::DENY).await.unwrap();
    decided(call).await;
}

#[tokio::test]
async fn shutting_down_denies_and_records_what_waits() {
    let house = House::new().await;
    let calls = [house.ask("t1"), house.ask("t2")];
    house.pending(2).await;
    house.approvals.shutdown().await;
    assert_eq!(
        house.rows().await,
        [pair("deny", "iris:shutdown"), pair("deny", "iris:shutdown")]
    );
    for call in calls {
        assert_eq!(decided(call).await.by(), "iris:shutdown");
    }
    assert_eq!(decided(house.ask("t3")).await.by(), "iris:shutdown");
    let late = house
        .answer(&ApprovalId("aaaaaa".into()), Answer::ALLOW_ONCE)
        .await
        .unwrap_err();
    assert_eq!(late.code, Code::Unavailable);
    house.approvals.shutdown().await;
    house.chain_holds().await;
    house.tasks.close();
    tokio::time::timeout(PATIENCE, house.tasks.wait())
        .await
        .expect("no task is left");
}

#[tokio::test]
async fn what_waited_when_iris_died_is_recorded_as_lost() {
    let house = House::new().await;
    let waits = [house.ask("t1"), house.ask("t2")];
    let ids: Vec<_> = house
        .pending(2)
        .await
        .into_iter()
        .map(|view| view.id)
        .collect();
    // As after a kill: the first house is left as it is, and its database is opened again.
    let folder = house.folder.path().to_owned();
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    drop(waits);
    let next = House::at(copy, config(|_, _| {})).await;
    assert_eq!(
        next.rows().await,
        [pair("deny", "lost"), pair("deny", "lost")]
    );
    let view = next.approvals.watch().borrow().clone();
    assert!(view.pending.is_empty() && view.problem.is_none());
    assert_eq!(
        view.recent
            .iter()
            .filter(|ended| ids.contains(&ended.id))
            .count(),
        2
    );
    let late = next.answer(&ids[0], Answer::ALLOW_ONCE).await.unwrap_err();
    assert_eq!(
        late.code,
        Code::AlreadyDecided,
        "an answer after the restart allows nothing"
    );
    next.chain_holds().await;
    // And only once.
    next.store.close().await;
    let third = House::at(next.folder, config(|_, _| {})).await;
    assert_eq!(third.rows().await.len(), 2);
}
