//! What was missed, what arrives after it was allowed at the prompt, and what other sessions decide.

use super::*;
use crate::policy::Verdict;

fn at(seconds: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_secs(seconds)
}

/// A request of a tool of Iris.
fn iris(id: &str, ticket: u64, asks: Asks) -> Asked {
    let mut asked = asked_of("alpha", 1, id, ticket, json!({ "team": "beta" }));
    asked.asks = asks;
    Arc::make_mut(&mut asked.view).tool = "mcp__iris__session_delete".into();
    let asker = Asker {
        team: asked.view.team.clone(),
        session: asked.view.session,
        from: asked.view.from.clone(),
        host: asked.view.host.clone(),
    };
    Arc::make_mut(&mut asked.view).digest = asked.request().digest(&asker);
    asked
}

fn put(book: &mut Book, asked: Asked, when: Timestamp) -> Vec<Effect> {
    let id = asked.view.id.clone();
    let effects = book.step(Event::Asked(Box::new(asked)), when);
    if matches!(effects[..], [Effect::KeepWaiting(..)]) {
        return book.step(Event::Kept(id), when);
    }
    effects
}

fn missed(ticket: u64, of: &str, allow: bool) -> Event {
    Event::Missed {
        ticket: Ticket(ticket),
        id: id(of),
        allow: allow.then(|| human(Surface::Window)),
    }
}

/// One that waited for its 60 seconds.
fn unanswered(book: &mut Book, of: &str) {
    put(book, asked(of, 1), now());
    let effects = book.step(Event::Due(id(of)), at(60));
    assert_eq!(recorded(&effects).decided_by, "timeout");
    book.step(Event::Recorded(id(of), true), at(60));
}

#[test]
fn what_was_missed_can_be_allowed_for_the_next_try_once() {
    let mut book = Book::default();
    unanswered(&mut book, "a");
    assert_eq!(book.missed().len(), 1);
    put(&mut book, asked("b", 2), at(61));
    assert_eq!(book.pending().len(), 1, "without the human it asks again");
    book.step(Event::Gone(Ticket(2)), at(62));
    book.step(Event::Recorded(id("b"), true), at(62));

    let effects = book.step(missed(9, "a", true), at(100));
    assert!(
        matches!(&effects[..], [Effect::Publish, Effect::Missed(Ticket(9), Ok(view))] if view.allowed_until == Some(at(100) + NEXT_TRY))
    );
    let effects = put(&mut book, asked("c", 3), at(101));
    let row = recorded(&effects);
    assert_eq!(
        (row.decision, row.decided_by.as_str()),
        (Verb::Allow, "human:window:ann")
    );
    assert!(row.why.contains("next try"), "{}", row.why);
    let effects = book.step(Event::Recorded(id("c"), true), at(101));
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Reply(Ticket(3), d) if d.verb() == Verb::Allow))
    );
    assert!(book.missed().is_empty());
    put(&mut book, asked("d", 4), at(102));
    assert_eq!(book.pending().len(), 1, "once");
}

#[test]
fn the_next_try_is_the_same_request_and_in_time() {
    let mut book = Book::default();
    unanswered(&mut book, "a");
    book.step(missed(9, "a", true), at(100));
    let late = at(100) + NEXT_TRY;
    let other = asked_of("alpha", 1, "b", 2, json!({ "command": "ls -l" }));
    let session = asked_of("alpha", 2, "c", 3, json!({ "command": "ls" }));
    for (n, asked) in [other, session].into_iter().enumerate() {
        put(&mut book, asked, at(101));
        assert_eq!(book.pending().len(), n + 1);
    }
    put(&mut book, asked("d", 4), late);
    assert_eq!(book.pending().len(), 3, "thirty minutes are over");
    let effects = book.step(missed(9, "a", false), late);
    assert!(matches!(
        &effects[..],
        [Effect::Publish, Effect::Missed(_, Ok(_))]
    ));
    let effects = book.step(missed(9, "a", true), late);
    assert!(
        matches!(&effects[..], [Effect::Publish, Effect::Missed(_, Err(p))] if p.code == Code::NotFound)
    );
}

#[test]
fn one_that_was_lost_can_be_allowed_too() {
    let mut book = Book::default();
    let row = asked("a", 1).draft(now());
    assert_eq!(book.remember_lost(id("a"), &row), Some(()));
    book.step(missed(9, "a", true), at(1));
    let effects = put(&mut book, asked("b", 2), at(2));
    assert_eq!(recorded(&effects).decision, Verb::Allow);
}

#[test]
fn what_a_human_allowed_at_the_prompt_arrives_without_asking_again_once() {
    let mut book = Book::default();
    put(&mut book, iris("a", 1, Asks::AtPrompt), now());
    book.step(answered(9, "a", allow()), now());
    let arrives = |book: &mut Book, of: &str, when| put(book, iris(of, 2, Asks::OnArrival), when);
    assert!(
        matches!(
            &arrives(&mut book, "x", now())[..],
            [Effect::Arm(..), Effect::Publish]
        ),
        "not before the answer is on record"
    );
    book.step(Event::Recorded(id("a"), true), now());
    let effects = arrives(&mut book, "b", at(1));
    assert!(
        matches!(
            &effects[..],
            [Effect::Reply(
                Ticket(2),
                Decision::Allow {
                    by: AllowedBy::Human(_),
                    ..
                }
            )]
        ),
        "{effects:?}"
    );
    let waiting = book.pending().len();
    arrives(&mut book, "c", at(2));
    assert_eq!(book.pending().len(), waiting + 1, "once");
}

#[test]
fn a_pass_is_for_that_call_and_ends_soon() {
    let allowed = |asks| {
        let mut book = Book::default();
        put(&mut book, iris("a", 1, asks), now());
        book.step(answered(9, "a", allow()), now());
        book.step(Event::Recorded(id("a"), true), now());
        book
    };
    let waits = |book: &mut Book, asked: Asked, when| {
        put(book, asked, when);
        book.pending().len() == 1
    };
    let mut other = iris("b", 2, Asks::OnArrival);
    Arc::make_mut(&mut other.view).digest = "another".into();
    assert!(waits(&mut allowed(Asks::AtPrompt), other, at(1)));
    let late = iris("b", 2, Asks::OnArrival);
    assert!(waits(&mut allowed(Asks::AtPrompt), late, at(3600)));
    let again = iris("b", 2, Asks::OnArrival);
    assert!(
        waits(&mut allowed(Asks::OnArrival), again, at(1)),
        "one that was allowed where it runs has run"
    );
    let prompt = iris("b", 2, Asks::AtPrompt);
    assert!(
        waits(&mut allowed(Asks::AtPrompt), prompt, at(1)),
        "another prompt is another question"
    );
}

fn forwarded(of: &str) -> Asked {
    let mut asked = asked(of, 1);
    Arc::make_mut(&mut asked.view).forwarded_to = Some("lead".parse().unwrap());
    asked
}

fn verdict(word: &str) -> Verdict {
    let why = "because".to_owned();
    match word {
        "allow" => Verdict::Allow {
            by: AllowedBy::ModeYes,
            why,
        },
        "deny" => Verdict::Deny {
            by: DeniedBy::Mode("no"),
            message: String::new(),
            why,
        },
        "forward" => Verdict::Forward { why },
        _ => Verdict::Ask { why },
    }
}

fn by_session(of: &str, team: &str, says: &str, answer: Answer) -> Event {
    Event::Answered {
        ticket: Ticket(9),
        id: id(of),
        answer,
        by: Answerer::Session {
            team: team.parse().unwrap(),
            session: session(5),
            verdict: Box::new(verdict(says)),
            above: Some("boss".parse().unwrap()),
        },
        policy: Some(policy_of(&Team::at("/p"))),
        grant: None,
    }
}

fn told(effects: &[Effect]) -> Option<Code> {
    effects.iter().find_map(|effect| match effect {
        Effect::Answer(_, Err(problem)) => Some(problem.code),
        _ => None,
    })
}

#[test]
fn who_gave_the_task_decides_within_its_own_rules() {
    let mut book = Book::default();
    put(&mut book, forwarded("a"), now());
    let effects = book.step(by_session("a", "lead", "allow", allow()), now());
    assert_eq!(
        recorded(&effects).decided_by,
        format!("session:lead:{}", session(5))
    );

    put(&mut book, forwarded("b"), now());
    let effects = book.step(by_session("b", "lead", "deny", Answer::DENY), now());
    assert!(recorded(&effects).decided_by.starts_with("session:lead:"));

    for (of, team, says, answer) in [
        ("c", "other", "allow", allow()),
        ("c", "lead", "deny", allow()),
        (
            "c",
            "lead",
            "allow",
            Answer::Allow {
                input: Some(json!({ "command": "pwd" })),
                remember: None,
            },
        ),
    ] {
        put(&mut book, forwarded(of), now());
        let effects = book.step(by_session(of, team, says, answer), now());
        assert_eq!(told(&effects), Some(Code::Forbidden), "{team} {says}");
        let waits = book.entries.get(&id(of));
        assert!(waits.is_some_and(|entry| matches!(entry.phase, Phase::Shown)));
    }
    // The team's own deny rules hold against it as against a human.
    let mut denying = Team::at("/p");
    denying.approval_policy.deny = vec!["Bash".into()];
    let Event::Answered {
        ticket,
        id,
        answer,
        by,
        ..
    } = by_session("c", "lead", "allow", allow())
    else {
        unreachable!()
    };
    let policy = Some(policy_of(&denying));
    let effects = book.step(
        Event::Answered {
            ticket,
            id,
            answer,
            by,
            policy,
            grant: None,
        },
        now(),
    );
    assert_eq!(told(&effects), Some(Code::Forbidden));
}

#[test]
fn what_it_may_not_decide_goes_up_to_the_human() {
    let mut book = Book::default();
    let with = |book: &Book| {
        book.pending()[0]
            .forwarded_to
            .clone()
            .map(|team| team.to_string())
    };
    put(&mut book, forwarded("a"), now());
    assert_eq!(with(&book).as_deref(), Some("lead"));
    let effects = book.step(by_session("a", "lead", "forward", allow()), now());
    assert_eq!(told(&effects), Some(Code::Forbidden));
    assert_eq!(with(&book).as_deref(), Some("boss"));
    book.step(by_session("a", "boss", "ask", allow()), now());
    assert_eq!(with(&book), None, "only the human is left");
    let effects = book.step(by_session("a", "boss", "allow", allow()), now());
    assert_eq!(told(&effects), Some(Code::Forbidden), "it was passed on");
    let effects = book.step(answered(9, "a", allow()), now());
    assert_eq!(recorded(&effects).decided_by, "human:tray:ann");
}

#[test]
fn one_that_does_not_answer_is_not_waited_for_for_ever() {
    let mut book = Book::default();
    let mut asked = forwarded("a");
    Arc::make_mut(&mut asked.view).expires_at = Some(at(600));
    let effects = put(&mut book, asked, now());
    assert!(
        matches!(&effects[..], [Effect::Arm(_, when), Effect::Publish] if *when == now() + FORWARD_PATIENCE)
    );
    let effects = book.step(Event::Due(id("a")), now() + FORWARD_PATIENCE);
    assert!(
        matches!(&effects[..], [Effect::Disarm(_), Effect::Arm(_, when), Effect::Publish] if *when == at(600))
    );
    assert_eq!(book.pending()[0].forwarded_to, None);
    let effects = book.step(Event::Due(id("a")), at(600));
    assert_eq!(recorded(&effects).decided_by, "timeout");
}

#[test]
fn the_human_may_answer_first() {
    let mut book = Book::default();
    put(&mut book, forwarded("a"), now());
    book.step(answered(9, "a", Answer::DENY), now());
    let effects = book.step(by_session("a", "lead", "allow", allow()), now());
    assert_eq!(told(&effects), Some(Code::AlreadyDecided));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However prompts, arrivals, answers, misses and failures of the disk come: no tool of Iris
        /// runs more often than a human said so, and nothing runs that was not put on record.
        #[test]
        fn nothing_runs_more_often_than_a_human_said(steps in prop::collection::vec((0..8_u8, 0..6_usize, any::<bool>()), 0..80)) {
            let mut book = Book::default();
            let mut ids: Vec<(ApprovalId, Asks)> = Vec::new();
            let mut arrivals = std::collections::HashSet::new();
            let (mut said, mut ran, mut ticket) = (0_u32, 0_u32, 0_u64);
            let mut when = now();
            for (kind, at, flag) in steps {
                when += jiff::SignedDuration::from_secs(1);
                let known = ids.get(at).cloned();
                let event = match (kind, known) {
                    (0 | 1, _) => {
                        ticket += 1;
                        let asks = if kind == 0 { Asks::AtPrompt } else { Asks::OnArrival };
                        if asks == Asks::OnArrival {
                            arrivals.insert(Ticket(ticket));
                        }
                        let name = format!("id{ticket}");
                        ids.insert(0, (id(&name), asks));
                        Event::Asked(Box::new(iris(&name, ticket, asks)))
                    }
                    (2, Some((id, _))) => if flag { Event::Kept(id) } else { Event::NotKept(id) },
                    (3, Some((id, _))) => answered(9, &id.0, if flag { allow() } else { Answer::DENY }),
                    (4, Some((id, _))) => Event::Recorded(id, flag),
                    (5, Some((id, _))) => Event::Due(id),
                    (6, Some((id, _))) => missed(9, &id.0, flag),
                    (_, Some((id, _))) => Event::Recorded(id, true),
                    (_, None) => continue,
                };
                if let Event::Missed { allow: Some(_), id, .. } = &event
                    && book.missed_one(id).is_some_and(|view| view.allowed_until.is_none())
                {
                    said += 1;
                }
                for effect in book.step(event.clone(), when) {
                    match effect {
                        Effect::Record(_, draft, _) if draft.decision == Verb::Allow
                            && matches!(event, Event::Answered { .. }) => said += 1,
                        Effect::Reply(ticket, Decision::Allow { by, .. }) => {
                            prop_assert!(matches!(by, AllowedBy::Human(_)));
                            ran += u32::from(arrivals.contains(&ticket));
                        }
                        _ => {}
                    }
                }
                prop_assert!(ran <= said, "{} ran, {} were allowed", ran, said);
            }
        }
    }
}
