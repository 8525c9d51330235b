//! Grants, missed requests, calls that arrive, and sessions that decide: with the real store.

use iris_domain::grant::{Lifetime, Remember, Scope};

use super::*;

fn remembered(what: Scope, until: Lifetime) -> Answer {
    Answer::Allow {
        input: None,
        remember: Some(Remember { what, until }),
    }
}

fn rules(rules: &[&str]) -> Scope {
    Scope::Rules {
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
    }
}

/// Asks for `ls`, and answers so.
async fn granted(house: &House, answer: Answer) -> Decision {
    let call = house.ask("first");
    let id = house.pending(1).await.remove(0).id;
    house.answer(&id, answer).await.unwrap();
    decided(call).await
}

async fn events(house: &House) -> Vec<String> {
    let mut rows = house.store.audit(AuditQuery::default()).await.unwrap();
    rows.reverse();
    rows.into_iter().map(|row| row.draft.tool).collect()
}

#[tokio::test]
async fn a_grant_lets_the_next_ones_through_and_ends_with_the_agent() {
    let house = House::new().await;
    let token = house.tokens.mint(asker());
    let answer = remembered(rules(&["Bash(ls:*)"]), Lifetime::Session {});
    granted(&house, answer).await;
    let view = house.until(|view| view.grants.len() == 1).await;
    let id = view.grants[0].id.clone();
    assert_eq!(view.grants[0].rules, ["Bash(ls:*)"]);

    let by = AllowedBy::Grant(id.0.clone());
    let second = decided(house.ask_with("t2", json!({"command": "ls -l"}))).await;
    assert_eq!(second, Decision::Allow { by, edited: None });
    let view = house.until(|view| view.grants[0].hits == 1).await;
    assert_eq!(view.grants[0].last_summary.as_deref(), Some("ls -l"));
    let row = house
        .store
        .audit(AuditQuery::default())
        .await
        .unwrap()
        .remove(0);
    assert_eq!(row.draft.decided_by, format!("grant:{id}"));
    assert!(row.draft.why.contains("ann"), "{}", row.draft.why);

    let third = house.ask_with("t3", json!({"command": "rm x"}));
    house.pending(1).await;
    third.abort();
    house.pending(0).await;

    house.tokens.revoke(&token);
    house.until(|view| view.grants.is_empty()).await;
    let _again = house.tokens.mint(asker());
    let fourth = house.ask_with("t4", json!({"command": "ls -l"}));
    house.pending(1).await;
    fourth.abort();
    house.pending(0).await;
    house.approvals.shutdown().await;
    let events = events(&house).await;
    assert!(events.contains(&"grant.made".to_owned()));
    assert!(events.contains(&"grant.ended".to_owned()));
    house.chain_holds().await;
}

#[tokio::test]
async fn the_grant_and_the_decision_are_one_record() {
    let house = House::new().await;
    let _token = house.tokens.mint(asker());
    let call = house.ask("t1");
    let id = house.pending(1).await.remove(0).id;
    let full = "CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.draft LIKE '%grant.made%' \
                BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    house.store.sql(full).await.unwrap();
    let answer = remembered(Scope::Exact {}, Lifetime::Session {});
    let told = house.answer(&id, answer).await.unwrap_err();
    assert_eq!(told.code, Code::Storage);
    assert_eq!(decided(call).await.verb(), Verb::Deny);
    assert!(house.approvals.watch().borrow().grants.is_empty());
}

#[tokio::test]
async fn what_cannot_be_granted_decides_nothing() {
    let house = House::with(config(|_, team| {
        team.approval_policy.require_approval = vec!["Bash(ls)".into()];
    }))
    .await;
    let call = house.ask("t1");
    let view = house.pending(1).await.remove(0);
    assert!(!view.offers.input, "a rule always asks: {:?}", view.offers);
    let answer = remembered(Scope::Exact {}, Lifetime::Session {});
    let told = house.answer(&view.id, answer.clone()).await.unwrap_err();
    assert_eq!(told.code, Code::Conflict, "the agent has no token here");
    let asks = remembered(Scope::Exact {}, Lifetime::Team {});
    let told = house.answer(&view.id, asks).await.unwrap_err();
    assert!(
        told.message.contains("Bash(ls)"),
        "it names the rule: {told}"
    );
    let bad = remembered(rules(&["Bash("]), Lifetime::Team {});
    let told = house.answer(&view.id, bad).await.unwrap_err();
    assert_eq!(told.code, Code::InvalidInput);
    house.pending(1).await;
    house.answer(&view.id, Answer::DENY).await.unwrap();
    assert_eq!(decided(call).await.verb(), Verb::Deny);
}

#[tokio::test]
async fn a_rule_that_does_not_cover_the_request_is_not_granted() {
    let house = House::new().await;
    let call = house.ask_with("t1", json!({"command": "ls && rm x"}));
    let view = house.pending(1).await.remove(0);
    let narrow = remembered(rules(&["Bash(ls:*)"]), Lifetime::Team {});
    let told = house.answer(&view.id, narrow).await.unwrap_err();
    assert_eq!(told.code, Code::InvalidInput);
    assert!(
        told.message.contains("rm x"),
        "it names what is not covered: {told}"
    );
    let both = remembered(rules(&["Bash(ls:*)", "Bash(rm x)"]), Lifetime::Team {});
    house.answer(&view.id, both).await.unwrap();
    assert_eq!(decided(call).await.verb(), Verb::Allow);
}

#[tokio::test]
async fn a_grant_is_extended_taken_back_and_contradicted() {
    let house = House::new().await;
    let _token = house.tokens.mint(asker());
    let minutes = remembered(Scope::Tool {}, Lifetime::Minutes { minutes: 5 });
    granted(&house, minutes).await;
    let view = house.until(|view| view.grants.len() == 1).await.grants[0].clone();
    let me = || human(Surface::Cli);
    let extended = house
        .approvals
        .extend_grant(view.id.clone(), me())
        .await
        .unwrap();
    assert!(extended.expires_at > view.expires_at);
    house
        .approvals
        .revoke_grant(view.id.clone(), me())
        .await
        .unwrap();
    let call = house.ask("t2");
    let id = house.pending(1).await.remove(0).id;
    let again = house
        .approvals
        .revoke_grant(view.id, me())
        .await
        .unwrap_err();
    assert_eq!(again.code, Code::NotFound);

    house
        .answer(&id, remembered(rules(&["Bash(ls:*)"]), Lifetime::Team {}))
        .await
        .unwrap();
    decided(call).await;
    house.until(|view| view.grants.len() == 1).await;
    house.config.send_replace(config(|_, team| {
        team.approval_policy.deny = vec!["Bash(ls:*)".into()];
    }));
    house.until(|view| view.grants.is_empty()).await;
    house.config.send_replace(config(|_, _| {}));
    let call = house.ask("t3");
    house.pending(1).await;
    call.abort();
}

#[tokio::test]
async fn what_nobody_answered_is_allowed_for_the_next_try() {
    let house = House::with(config(|config, _| config.settings.permission_timeout = 1)).await;
    assert_eq!(decided(house.ask("t1")).await.by(), "timeout");
    let view = house.until(|view| view.missed.len() == 1).await;
    let id = view.missed[0].id.clone();
    let me = human(Surface::Window);
    house
        .approvals
        .allow_missed(id.clone(), me.clone())
        .await
        .unwrap();
    house.config.send_replace(config(|_, _| {}));
    let decision = decided(house.ask("t2")).await;
    assert_eq!(decision.by(), "human:window:ann");
    house.until(|view| view.missed.is_empty()).await;
    let gone = house.approvals.allow_missed(id, me).await.unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
    assert!(events(&house).await.contains(&"missed.allowed".to_owned()));
}

fn deletes() -> ToolRequest {
    let input = json!({ "toTeam": "beta" });
    ToolRequest::new("mcp__iris__session_delete".into(), input, "t1".into()).unwrap()
}

#[tokio::test]
async fn an_iris_tool_is_asked_for_once() {
    let house = House::new().await;
    let approvals = house.approvals.clone();
    let prompt = house
        .tasks
        .spawn(async move { approvals.ask(asker(), deletes()).await });
    let id = house.pending(1).await.remove(0).id;
    house.answer(&id, Answer::ALLOW_ONCE).await.unwrap();
    assert_eq!(decided(prompt).await.verb(), Verb::Allow);
    let arrived = house.approvals.arrived(&asker(), deletes()).await;
    assert!(
        matches!(
            arrived,
            Some(Decision::Allow {
                by: AllowedBy::Human(_),
                ..
            })
        ),
        "{arrived:?}"
    );
    assert_eq!(house.rows().await.len(), 1, "one question, one record");

    // The prompt skipped: the human is asked where it runs.
    let approvals = house.approvals.clone();
    let skipped = house
        .tasks
        .spawn(async move { approvals.arrived(&asker(), deletes()).await });
    let id = house.pending(1).await.remove(0).id;
    house.answer(&id, Answer::DENY).await.unwrap();
    let decision = skipped.await.unwrap().expect("it was decided here");
    assert_eq!(decision.verb(), Verb::Deny);
    assert_eq!(house.rows().await.len(), 2);
}

#[tokio::test]
async fn a_rule_that_allows_is_enough_on_arrival() {
    let house = House::new().await;
    let lists = ToolRequest::new("mcp__iris__list_teams".into(), json!({}), "t".into()).unwrap();
    assert!(house.approvals.arrived(&asker(), lists).await.is_none());
    assert!(house.rows().await.is_empty());
}

#[tokio::test]
async fn the_session_that_gave_the_task_decides_within_its_rules() {
    let lead: TeamName = "lead".parse().unwrap();
    let house = House::with(config(|config, team| {
        team.grant_permission = GrantPermission::Forward;
        let mut lead = Team::at("/lead");
        lead.approval_policy.auto_approve = vec!["Bash(ls:*)".into()];
        config.teams.insert("lead".parse().unwrap(), lead);
    }))
    .await;
    let parent = Asker {
        team: lead.clone(),
        session: SessionId(uuid::Uuid::from_u128(9)),
        ..asker()
    };
    let _token = house.tokens.mint(parent.clone());
    let child = || Asker {
        from: Party::Team(lead.clone()),
        ..asker()
    };
    let ask = |call: &str, command: &str| {
        let approvals = house.approvals.clone();
        let input = json!({ "command": command });
        let request = ToolRequest::new("Bash".into(), input, call.into()).unwrap();
        let asker = child();
        house
            .tasks
            .spawn(async move { approvals.ask(asker, request).await })
    };
    let first = ask("t1", "ls");
    let view = house.pending(1).await.remove(0);
    assert_eq!(view.forwarded_to, Some(lead.clone()));
    assert_eq!(house.approvals.forwarded(&parent).len(), 1);
    assert!(house.approvals.forwarded(&child()).is_empty());
    let other = child();
    let stranger = house
        .approvals
        .decide(&other, view.id.clone(), Answer::ALLOW_ONCE);
    assert_eq!(stranger.await.unwrap_err().code, Code::Forbidden);
    let allowed = house.approvals.decide(&parent, view.id, Answer::ALLOW_ONCE);
    allowed.await.unwrap();
    assert!(decided(first).await.by().starts_with("session:lead:"));

    let second = ask("t2", "rm x");
    let view = house.pending(1).await.remove(0);
    let told = house
        .approvals
        .decide(&parent, view.id.clone(), Answer::ALLOW_ONCE);
    assert_eq!(told.await.unwrap_err().code, Code::Forbidden);
    house
        .until(|view| view.pending[0].forwarded_to.is_none())
        .await;
    house.answer(&view.id, Answer::DENY).await.unwrap();
    assert_eq!(decided(second).await.verb(), Verb::Deny);
}
