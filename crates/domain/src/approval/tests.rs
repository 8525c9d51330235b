mod limits;
mod more;

use serde_json::{Value, json};

use super::*;
use crate::{
    config::Team,
    decision::{Surface, Verb},
    grant::Offers,
    ids::Party,
    problem::Code,
    request::{Asker, Circumstances, ToolRequest},
};

fn policy_of(team: &Team) -> Arc<Policy> {
    Arc::new(Policy::of(team, crate::policy::Place::default()))
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn session(n: u128) -> SessionId {
    SessionId(uuid::Uuid::from_u128(n))
}

/// A request of team `alpha`, session 1, call `toolu_<id>`.
fn asked(id: &str, ticket: u64) -> Asked {
    asked_of("alpha", 1, id, ticket, json!({"command": "ls"}))
}

fn asked_of(team: &str, in_session: u128, id: &str, ticket: u64, input: Value) -> Asked {
    let asker = Asker {
        team: team.parse().unwrap(),
        session: session(in_session),
        from: Party::Console,
        host: "local".into(),
    };
    let request = ToolRequest::new("Bash".into(), input, format!("toolu_{id}")).unwrap();
    Asked {
        ticket: Ticket(ticket),
        tool_use_id: request.tool_use_id.clone(),
        asks: Asks::AtPrompt,
        view: Arc::new(ApprovalView {
            id: ApprovalId(id.into()),
            team: asker.team.clone(),
            session: asker.session,
            from: asker.from.clone(),
            host: asker.host.clone(),
            path: "/p".into(),
            tool: request.tool.clone(),
            input: request.input.clone(),
            summary: request.summary(),
            why: "mode".into(),
            offers: Offers::default(),
            like: None,
            forwarded_to: None,
            circumstances: Circumstances::default(),
            digest: request.digest(&asker),
            created_at: now(),
            expires_at: Some(now() + jiff::SignedDuration::from_secs(60)),
        }),
        policy_hash: "hash".into(),
    }
}

fn human(surface: Surface) -> Human {
    Human {
        surface,
        user: "ann".into(),
    }
}

fn id(text: &str) -> ApprovalId {
    ApprovalId(text.into())
}

fn allow() -> Answer {
    Answer::ALLOW_ONCE
}

fn answered(ticket: u64, of: &str, answer: Answer) -> Event {
    Event::Answered {
        ticket: Ticket(ticket),
        id: id(of),
        answer,
        by: Answerer::Human(human(Surface::Tray)),
        policy: Some(policy_of(&Team::at("/p"))),
        grant: None,
    }
}

/// A book in which these are shown.
fn book(shown: &[&str]) -> Book {
    let mut book = Book::default();
    for (n, of) in shown.iter().enumerate() {
        let effects = book.step(Event::Asked(Box::new(asked(of, n as u64))), now());
        assert!(
            matches!(effects.as_slice(), [Effect::KeepWaiting(..)]),
            "{effects:?}"
        );
        let effects = book.step(Event::Kept(id(of)), now());
        assert!(
            matches!(effects.as_slice(), [Effect::Arm(..), Effect::Publish]),
            "{effects:?}"
        );
    }
    book
}

/// The draft of a decision that is now to be recorded.
fn recorded(effects: &[Effect]) -> &Draft {
    match effects {
        [Effect::Disarm(_), Effect::Record(_, draft, None)] => draft,
        other => panic!("one decision to record, and nobody told yet: {other:?}"),
    }
}

fn denied(effects: &[Effect], by: &str) -> bool {
    effects.iter().any(|e| match e {
        Effect::Reply(_, d) | Effect::Refuse(_, d) => d.verb() == Verb::Deny && d.by() == by,
        _ => false,
    })
}

#[test]
fn nothing_is_shown_before_it_is_kept_and_nobody_is_told_before_it_is_recorded() {
    let mut book = Book::default();
    book.step(Event::Asked(Box::new(asked("a", 1))), now());
    assert!(book.pending().is_empty(), "not durable yet");
    let early = book.step(answered(9, "a", allow()), now());
    assert!(matches!(early.as_slice(), [Effect::Answer(_, Err(p))] if p.code == Code::NotFound));

    book.step(Event::Kept(id("a")), now());
    assert_eq!(book.pending().len(), 1);
    let later = now() + jiff::SignedDuration::from_millis(1500);
    let effects = book.step(answered(9, "a", allow()), later);
    let draft = recorded(&effects);
    assert_eq!(
        (
            draft.decision,
            draft.decided_by.as_str(),
            draft.wait_ms,
            draft.policy_hash.as_str()
        ),
        (Verb::Allow, "human:tray:ann", 1500, "hash")
    );
    assert_eq!(book.pending().len(), 1, "shown until it has ended");

    let effects = book.step(Event::Recorded(id("a"), true), later);
    let [
        Effect::Publish,
        Effect::Reply(Ticket(1), decision),
        Effect::Answer(Ticket(9), Ok(ended)),
    ] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(
        *decision,
        Decision::Allow {
            by: AllowedBy::Human(human(Surface::Tray)),
            edited: None
        }
    );
    assert_eq!(ended.decided_by, "human:tray:ann");
    assert!(book.is_empty());
    assert_eq!(book.recent(), vec![ended.clone()]);
}

#[test]
fn the_first_answer_wins_and_the_others_learn_who_it_was() {
    let mut book = book(&["a"]);
    recorded(&book.step(answered(7, "a", Answer::Deny { message: None }), now()));
    let late = |book: &mut Book| match book.step(answered(8, "a", allow()), now()).as_slice() {
        [Effect::Answer(Ticket(8), Err(problem))] => problem.clone(),
        other => panic!("{other:?}"),
    };
    for step in 0..2 {
        let problem = late(&mut book);
        assert_eq!(problem.code, Code::AlreadyDecided, "step {step}");
        assert_eq!(
            problem.message,
            "Approval a was already denied by ann (tray)."
        );
        // Neither does anything else decide it a second time.
        assert_eq!(book.step(Event::Due(id("a")), now()), vec![]);
        assert_eq!(book.step(Event::Withdrawn(session(1), "x"), now()), vec![]);
        book.step(Event::Recorded(id("a"), true), now());
    }
    let unknown = book.step(answered(8, "zz", allow()), now());
    assert!(matches!(unknown.as_slice(), [Effect::Answer(_, Err(p))] if p.code == Code::NotFound));
}

#[test]
fn what_cannot_be_recorded_is_denied_at_every_step() {
    let mut book = Book::default();
    book.step(Event::Asked(Box::new(asked("a", 1))), now());
    assert!(denied(
        &book.step(Event::NotKept(id("a")), now()),
        "iris:audit"
    ));
    assert!(
        book.is_empty() && book.recent().is_empty(),
        "it was never shown"
    );

    let mut book = self::book(&["b"]);
    book.step(answered(9, "b", allow()), now());
    let effects = book.step(Event::Recorded(id("b"), false), now());
    assert!(denied(&effects, "iris:audit"), "{effects:?}");
    assert!(
        matches!(effects.last(), Some(Effect::Answer(_, Err(p))) if p.code == Code::Storage),
        "the human learns that their Allow did not hold: {effects:?}"
    );
    assert_eq!(book.recent()[0].decision, Verb::Deny);
}

#[test]
fn the_same_call_joins_and_a_swapped_input_does_not() {
    let mut book = book(&["a"]);
    assert_eq!(
        book.step(
            Event::Asked(Box::new(Asked {
                view: Arc::new(ApprovalView {
                    id: id("b"),
                    ..ApprovalView::clone(&asked("a", 5).view)
                }),
                ..asked("a", 5)
            })),
            now()
        ),
        vec![]
    );
    assert_eq!(book.pending().len(), 1);

    let swapped = asked_of("alpha", 1, "a", 6, json!({"command": "rm -rf /"}));
    assert!(denied(
        &book.step(Event::Asked(Box::new(swapped)), now()),
        "iris:input"
    ));

    // The first one goes; the second still waits.
    assert_eq!(book.step(Event::Gone(Ticket(0)), now()), vec![]);
    book.step(answered(9, "a", allow()), now());
    // One that comes while it is being recorded gets the same decision.
    book.step(Event::Asked(Box::new(asked("a", 7))), now());
    let effects = book.step(Event::Recorded(id("a"), true), now());
    let told: Vec<_> = effects
        .iter()
        .filter_map(|e| match e {
            Effect::Reply(t, d) => Some((t.0, d.verb())),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(5, Verb::Allow), (7, Verb::Allow)]);

    // Afterwards the same id is a new request: an allow is for one call.
    let again = book.step(Event::Asked(Box::new(asked("a", 8))), now());
    assert!(
        matches!(again.as_slice(), [Effect::KeepWaiting(..)]),
        "{again:?}"
    );
    // And in another session it always was another call.
    let other = asked_of("beta", 2, "a", 9, json!({"command": "x"}));
    let other = Asked {
        view: Arc::new(ApprovalView {
            id: id("o"),
            ..ApprovalView::clone(&other.view)
        }),
        ..other
    };
    assert!(matches!(
        book.step(Event::Asked(Box::new(other)), now()).as_slice(),
        [Effect::KeepWaiting(..)]
    ));
}

#[test]
fn the_last_asker_who_goes_withdraws_it() {
    for kept in [false, true] {
        let mut book = Book::default();
        book.step(Event::Asked(Box::new(asked("a", 1))), now());
        if kept {
            book.step(Event::Kept(id("a")), now());
        }
        let effects = book.step(Event::Gone(Ticket(1)), now());
        assert_eq!(recorded(&effects).decided_by, "withdrawn:the agent hung up");
        assert_eq!(
            book.pending().len(),
            usize::from(kept),
            "what was never shown does not appear now"
        );
        // A client that comes back asks anew.
        let again = asked("a", 2);
        let again = Asked {
            view: Arc::new(ApprovalView {
                id: id("b"),
                ..ApprovalView::clone(&again.view)
            }),
            ..again
        };
        let effects = book.step(Event::Asked(Box::new(again)), now());
        assert!(
            matches!(effects.as_slice(), [Effect::KeepWaiting(..)]),
            "{effects:?}"
        );
        book.step(Event::Kept(id("a")), now());
        assert_eq!(
            book.step(Event::Recorded(id("a"), true), now()),
            vec![Effect::Publish]
        );
        book.step(Event::Kept(id("b")), now());
        assert_eq!(book.pending().len(), 1);
    }
}

#[test]
fn timeout_withdrawal_and_shutdown_deny_what_waits() {
    let cases = [
        (Event::Due(id("a")), "timeout"),
        (
            Event::Withdrawn(session(1), "interrupted"),
            "withdrawn:interrupted",
        ),
        (Event::Shutdown, "iris:shutdown"),
    ];
    for (event, by) in cases {
        let mut book = book(&["a"]);
        assert_eq!(recorded(&book.step(event, now())).decided_by, by);
        let effects = book.step(Event::Recorded(id("a"), true), now());
        assert!(denied(&effects, by), "{effects:?}");
    }
    let mut book = book(&["a"]);
    assert_eq!(
        book.step(Event::Withdrawn(session(2), "x"), now()),
        vec![],
        "another session"
    );
    book.step(Event::Shutdown, now());
    let refused = book.step(Event::Asked(Box::new(asked("b", 5))), now());
    assert!(
        matches!(refused.as_slice(), [Effect::Refuse(Ticket(5), _)]),
        "{refused:?}"
    );
}

#[test]
fn an_edit_is_an_object_is_recorded_and_cannot_pass_a_deny_rule() {
    let mut book = book(&["a", "b"]);
    let edit = |input: Value| Answer::Allow {
        input: Some(input),
        remember: None,
    };
    for bad in [json!([]), json!("x"), json!(null), json!({})] {
        let effects = book.step(answered(9, "a", edit(bad.clone())), now());
        assert!(
            matches!(effects.as_slice(), [Effect::Answer(_, Err(p))] if p.code == Code::InvalidInput),
            "{bad}: {effects:?}"
        );
    }
    let mut denying = Team::at("/p");
    denying.approval_policy.deny = vec!["Bash".into()];
    for (policy, input) in [
        (Some(policy_of(&denying)), Some(json!({"command": "pwd"}))),
        (Some(policy_of(&denying)), None),
        (None, None),
    ] {
        let event = Event::Answered {
            ticket: Ticket(9),
            id: id("a"),
            answer: Answer::Allow {
                input,
                remember: None,
            },
            by: Answerer::Human(human(Surface::Cli)),
            policy,
            grant: None,
        };
        let effects = book.step(event, now());
        assert!(
            matches!(effects.as_slice(), [Effect::Answer(_, Err(p))] if p.code == Code::Forbidden),
            "{effects:?}"
        );
    }
    assert_eq!(book.pending().len(), 2, "a refused answer decides nothing");

    let effects = book.step(answered(9, "a", edit(json!({"command": "pwd"}))), now());
    let draft = recorded(&effects).clone();
    assert_eq!(
        draft.input,
        json!({"asked": {"command": "ls"}, "ran": {"command": "pwd"}})
    );
    assert_eq!(
        draft.digest,
        asked("a", 0).view.digest,
        "the digest is of what was asked"
    );
    let effects = book.step(Event::Recorded(id("a"), true), now());
    assert!(effects.iter().any(|e| matches!(e,
        Effect::Reply(_, Decision::Allow { edited: Some(v), .. }) if *v == json!({"command": "pwd"}))));

    let same = book.step(answered(9, "b", edit(json!({"command": "ls"}))), now());
    assert_eq!(
        recorded(&same).input,
        json!({"command": "ls"}),
        "an edit that changes nothing is none"
    );
}

#[test]
fn the_humans_words_reach_the_agent() {
    let mut book = book(&["a", "b"]);
    for (of, message, expected) in [
        (
            "a",
            Some("use the staging host"),
            "ann denied Bash: use the staging host",
        ),
        ("b", Some("  "), "ann denied Bash. Do not try"),
    ] {
        book.step(
            answered(
                9,
                of,
                Answer::Deny {
                    message: message.map(str::to_owned),
                },
            ),
            now(),
        );
        let effects = book.step(Event::Recorded(id(of), true), now());
        let told = effects.iter().find_map(|e| match e {
            Effect::Reply(_, Decision::Deny { message, .. }) => Some(message.clone()),
            _ => None,
        });
        assert!(
            told.as_deref().is_some_and(|m| m.starts_with(expected)),
            "{told:?}"
        );
    }
}

#[test]
fn too_many_are_refused_and_the_past_is_bounded() {
    let mut book = Book::default();
    let ask = |book: &mut Book, team: usize, n: usize| {
        let asked = asked_of(
            &format!("t{team}"),
            team as u128,
            &format!("{team}-{n}"),
            (team * 1000 + n) as u64,
            json!({}),
        );
        book.step(Event::Asked(Box::new(asked)), now())
    };
    for team in 0..PENDING_MAX / PENDING_PER_TEAM_MAX {
        for n in 0..PENDING_PER_TEAM_MAX {
            assert!(
                !denied(&ask(&mut book, team, n), "iris:limit"),
                "{team} {n}"
            );
        }
        assert!(
            denied(&ask(&mut book, team, PENDING_PER_TEAM_MAX), "iris:limit"),
            "team {team}"
        );
    }
    assert!(
        denied(&ask(&mut book, 999, 0), "iris:limit"),
        "the total bound"
    );
    book.step(Event::Withdrawn(session(0), "x"), now());
    book.step(Event::Recorded(id("0-0"), true), now());
    assert!(
        !denied(&ask(&mut book, 0, 999), "iris:limit"),
        "what ended makes room"
    );

    for n in 0..ENDED_MAX + 10 {
        let view = asked(&n.to_string(), 0).view;
        book.remember(EndedApproval {
            id: view.id.clone(),
            team: view.team.clone(),
            tool: view.tool.clone(),
            summary: view.summary.clone(),
            decision: Verb::Deny,
            decided_by: "timeout".into(),
            time: now(),
        });
    }
    assert_eq!(book.ended.len(), ENDED_MAX);
    assert_eq!(book.recent().len(), RECENT_MAX);
    assert!(!book.knows(&id("0")) && book.knows(&id(&ENDED_MAX.to_string())));
}

mod property {
    use proptest::prelude::*;

    use super::*;

    /// Random events over three approvals of one book.
    fn any_event() -> impl Strategy<Value = Event> {
        let name = prop_oneof![Just("a"), Just("b"), Just("c")];
        (0usize..9, name, any::<bool>()).prop_map(|(kind, of, flag)| match kind {
            0 | 1 => Event::Asked(Box::new(asked(
                of,
                u64::from(flag) + of.as_bytes()[0] as u64 * 2,
            ))),
            2 => Event::Kept(id(of)),
            3 => Event::NotKept(id(of)),
            4 => answered(
                99,
                of,
                if flag {
                    allow()
                } else {
                    Answer::Deny { message: None }
                },
            ),
            5 => Event::Gone(Ticket(u64::from(flag) + of.as_bytes()[0] as u64 * 2)),
            6 => Event::Due(id(of)),
            7 => Event::Recorded(id(of), flag),
            _ => Event::Withdrawn(session(1), "x"),
        })
    }

    proptest! {
        /// No answer, no allow; no durable record, no allow; one record per decision.
        #[test]
        fn an_allow_follows_a_humans_answer_and_a_durable_record(events in prop::collection::vec(any_event(), 0..60)) {
            let mut book = Book::default();
            let (mut answered_allow, mut recording) = (HashMap::new(), HashMap::new());
            for event in events {
                if let Event::Asked(asked) = &event && book.knows(&asked.view.id) && !book.calls.contains_key(&asked.call()) {
                    continue; // The owner never reuses an id.
                }
                let durable = match &event {
                    Event::Answered { id, answer: Answer::Allow { .. }, .. } => { answered_allow.insert(id.clone(), true); None }
                    Event::Recorded(id, durable) => Some((id.clone(), *durable)),
                    _ => None,
                };
                for effect in book.step(event, now()) {
                    match effect {
                        Effect::Record(id, draft, _) => {
                            prop_assert!(recording.insert(id.clone(), draft.decision).is_none(), "decided twice");
                            prop_assert!(draft.decision == Verb::Deny || answered_allow.contains_key(&id));
                        }
                        Effect::Reply(_, decision) if decision.verb() == Verb::Allow => {
                            let (id, durable) = durable.clone().expect("only a record lets an allow out");
                            prop_assert!(durable && recording.get(&id) == Some(&Verb::Allow));
                        }
                        Effect::Refuse(_, decision) => prop_assert_eq!(decision.verb(), Verb::Deny),
                        _ => {}
                    }
                }
                if let Some((id, _)) = durable && !book.entries.contains_key(&id) {
                    recording.remove(&id);
                    answered_allow.remove(&id);
                }
            }
        }
    }
}
