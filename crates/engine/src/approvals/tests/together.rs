//! One answer for several approvals.

use super::*;

/// Asks for each command, each a call of its own, and waits until so many are shown in all.
async fn asked(
    house: &House,
    commands: &[&str],
    shown: usize,
) -> (Vec<tokio::task::JoinHandle<Decision>>, Vec<ApprovalView>) {
    let calls = commands
        .iter()
        .map(|command| house.ask_with(&command.replace(' ', "_"), json!({ "command": command })));
    let calls: Vec<_> = calls.collect();
    (calls, house.pending(shown).await)
}

fn ids(views: &[ApprovalView]) -> Vec<ApprovalId> {
    views.iter().map(|view| view.id.clone()).collect()
}

#[tokio::test]
async fn those_that_are_alike_are_allowed_together_each_with_its_row() {
    let house = House::new().await;
    let (calls, views) = asked(
        &house,
        &["git push a", "git push b", "git push c", "make"],
        4,
    )
    .await;
    let like = |command: &str| {
        let view = views.iter().find(|view| view.summary == command).unwrap();
        view.like.clone().unwrap()
    };
    assert_eq!(like("git push a"), like("git push c"));
    assert_ne!(like("git push a"), like("make"));
    let push = like("git push a");
    let alike: Vec<ApprovalView> = views
        .iter()
        .filter(|view| view.like.as_ref() == Some(&push))
        .cloned()
        .collect();
    // One of them is answered elsewhere before.
    let early = alike[0].id.clone();
    house.answer(&early, Answer::DENY).await.unwrap();
    let mut all = ids(&alike);
    all.extend(ids(&alike));
    let together = house
        .approvals
        .answer_together(all, Answer::ALLOW_ONCE, human(Surface::Window))
        .await
        .unwrap();
    assert_eq!(together.answered.len(), 2, "each once, though named twice");
    assert_eq!(together.not.len(), 1);
    assert_eq!(together.not[0].id, early);
    assert_eq!(together.not[0].problem.code, Code::AlreadyDecided);
    assert!(together.not[0].problem.message.contains("ann"), "by whom");
    let left = house.pending(1).await;
    assert_eq!(left[0].summary, "make", "what is not like them waits on");
    house.answer(&left[0].id, Answer::DENY).await.unwrap();
    let mut allowed = 0;
    for call in calls {
        allowed += usize::from(decided(call).await.verb() == Verb::Allow);
    }
    assert_eq!(allowed, 2);
    let rows = house.rows().await;
    let by_window = rows
        .iter()
        .filter(|row| **row == pair("allow", "human:window:ann"));
    assert_eq!(by_window.count(), 2, "{rows:?}");
    house.chain_holds().await;
}

#[tokio::test]
async fn what_is_not_alike_is_not_allowed_with_the_others_but_denied() {
    let house = House::new().await;
    let (calls, views) = asked(&house, &["git push a", "make"], 2).await;
    let together = house
        .approvals
        .answer_together(ids(&views), Answer::ALLOW_ONCE, human(Surface::Window))
        .await
        .unwrap();
    assert_eq!((together.answered.len(), together.not.len()), (1, 1));
    assert_eq!(together.not[0].problem.code, Code::Forbidden);
    let (more, rest) = asked(&house, &["cargo test", "ls", "rm x"], 4).await;
    let rest = ids(&rest);
    let denied = house
        .approvals
        .answer_together(rest, Answer::DENY, human(Surface::Tray))
        .await
        .unwrap();
    assert_eq!((denied.answered.len(), denied.not.len()), (4, 0));
    for call in calls.into_iter().chain(more) {
        decided(call).await;
    }
}

#[tokio::test]
async fn a_rule_that_came_later_keeps_asking_for_each() {
    let house = House::new().await;
    let (calls, views) = asked(&house, &["git push a", "git push b"], 2).await;
    house.config.send_modify(|now| {
        *now = config(|_, team| {
            team.approval_policy.require_approval = vec!["Bash(git push:*)".into()];
        });
    });
    let together = house
        .approvals
        .answer_together(ids(&views), Answer::ALLOW_ONCE, human(Surface::Window))
        .await
        .unwrap();
    assert_eq!((together.answered.len(), together.not.len()), (0, 2));
    house.pending(2).await;
    for view in views {
        house.answer(&view.id, Answer::DENY).await.unwrap();
    }
    for call in calls {
        decided(call).await;
    }
}

#[tokio::test]
async fn several_are_allowed_once_and_as_they_are() {
    let house = House::new().await;
    let edited = Answer::Allow {
        input: Some(json!({"command": "x"})),
        remember: None,
    };
    let told = house
        .approvals
        .answer_together(Vec::new(), edited, human(Surface::Window))
        .await
        .unwrap_err();
    assert_eq!(told.code, Code::InvalidInput);
    let many = (0..60).map(|n| ApprovalId(format!("id{n:04}"))).collect();
    let told = house
        .approvals
        .answer_together(many, Answer::DENY, human(Surface::Window))
        .await
        .unwrap_err();
    assert_eq!(told.code, Code::InvalidInput);
}
