//! A session whose team is frozen, and one that is started anew.

use super::super::{tests::*, *};

fn frozen() -> Problem {
    Problem::new(Code::Conflict, "frozen", "thaw")
}

fn held_after(events: impl IntoIterator<Item = Event>) -> Session {
    let (mut session, _) = run(events);
    assert_eq!(session.on(Event::Held(frozen())), [Effect::Disarm]);
    session
}

/// What was done before, and what follows from two messages that came while it was held.
#[test]
fn messages_wait_while_it_is_held_and_go_on_in_order() {
    let working = || READY.into_iter().chain([Event::Message(id(9))]);
    let failed = || [Event::Wake, exited(Cure::Human, 0)];
    let table: [(Vec<Event>, Vec<Effect>); 7] = [
        (vec![], vec![Effect::Disarm, Effect::Spawn]),
        (failed().into(), vec![Effect::Disarm, Effect::Spawn]),
        (vec![Event::Wake], vec![]),
        (READY[..2].into(), vec![Effect::Arm(Timer::Spawn)]),
        (
            READY.into(),
            vec![Effect::Deliver(id(1)), Effect::Arm(Timer::Silence)],
        ),
        (working().collect(), vec![Effect::Arm(Timer::Silence)]),
        (
            working().chain([Event::Interrupt]).collect(),
            vec![Effect::Arm(Timer::Interrupt)],
        ),
    ];
    for (before, released) in table {
        let mut session = held_after(before.clone());
        for n in 1..=2 {
            assert_eq!(session.on(Event::Message(id(n))), [], "after {before:?}");
            assert!(session.is_queued(id(n)));
        }
        assert_eq!(session.on(Event::Output), [], "no time passes");
        assert_eq!(session.on(Event::Wake), [Effect::NotReady(frozen())]);
        assert_eq!(session.on(Event::Released), released, "after {before:?}");
        let left: Vec<_> = session.running().into_iter().chain(session.queue).collect();
        assert!(left.ends_with(&[id(1), id(2)]), "{left:?}");
    }
}

#[test]
fn a_turn_that_ends_while_it_is_held_is_told_and_the_next_one_waits() {
    let before = READY
        .into_iter()
        .chain([Event::Message(id(1)), Event::Message(id(2))]);
    let mut session = held_after(before);
    let answer = Event::TurnEnded(TurnEnd::Answer("a".into()));
    let settled = Effect::Settle(id(1), Settled::Answered("a".into()));
    assert_eq!(session.on(answer), [settled]);
    assert!(session.is_queued(id(2)) && session.running().is_none());
    let released = session.on(Event::Released);
    assert_eq!(
        released,
        [Effect::Deliver(id(2)), Effect::Arm(Timer::Silence)]
    );
    assert_eq!(session.on(Event::Released), [], "once");
}

#[test]
fn an_agent_that_ends_while_it_is_held_comes_back_when_it_is_released() {
    let mut session = held_after(READY.into_iter().chain([Event::Message(id(1))]));
    session.on(Event::Message(id(2)));
    let effects = session.on(exited(Cure::Retry, 1));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Arm(_))),
        "{effects:?}"
    );
    let pause = Timer::BackOff(backoff::delay(1));
    assert_eq!(session.on(Event::Released), [Effect::Arm(pause)]);
    assert!(session.is_queued(id(2)));

    // One that had to leave its place is started for what waits.
    for evicted_first in [true, false] {
        let mut session = held_after(READY);
        session.on(Event::Message(id(1)));
        session.on(Event::Evict);
        if evicted_first {
            session.on(exited(Cure::Retry, 1));
            let effects = session.on(Event::Released);
            assert_eq!(effects, [Effect::Disarm, Effect::Spawn]);
        } else {
            assert_eq!(session.on(Event::Released), []);
            assert!(session.on(exited(Cure::Retry, 1)).contains(&Effect::Spawn));
        }
        assert!(session.is_queued(id(1)));
    }
}

#[test]
fn a_restart_cuts_the_turn_short_and_keeps_what_waits() {
    let why = || Problem::new(Code::Agent, "new keys", "send it again");
    let (mut session, _) = run(READY
        .into_iter()
        .chain([1, 2, 3].map(|n| Event::Message(id(n)))));
    assert_eq!(
        session.on(Event::Restart(why())),
        [
            Effect::Settle(id(1), Settled::Failed(why())),
            Effect::Withdraw("the agent is started anew"),
            Effect::Disarm,
            Effect::Stop,
        ]
    );
    assert_eq!(session.on(Event::Restart(why())), [], "it is on its way");
    assert!(
        session
            .on(exited(Cure::Retry, 1))
            .ends_with(&[Effect::Spawn])
    );
    for event in READY.into_iter().skip(1) {
        session.on(event);
    }
    assert_eq!(session.running(), Some(id(2)));
    assert!(session.is_queued(id(3)));

    // Who waits for a start goes on waiting for it.
    let (mut session, _) = run(READY.into_iter().take(3));
    let effects = session.on(Event::Restart(why()));
    assert!(
        effects.ends_with(&[Effect::Stop])
            && !effects.iter().any(|e| matches!(e, Effect::NotReady(_)))
    );
    for before in [
        vec![],
        vec![Event::Wake],
        vec![Event::Wake, exited(Cure::Retry, 0)],
    ] {
        let (mut session, _) = run(before.clone());
        assert_eq!(session.on(Event::Restart(why())), [], "{before:?}");
    }
}

#[test]
fn one_that_is_started_anew_while_it_is_held_waits_before_it_starts() {
    let mut session = held_after(READY);
    session.on(Event::Message(id(1)));
    session.on(Event::Restart(frozen()));
    // Its place is looked for; the supervisor starts nothing while it is held.
    session.on(exited(Cure::Retry, 1));
    assert_eq!(session.state(), &State::Waking(Waking::Reaching));
    assert_eq!(session.on(Event::Released), []);
    assert!(session.is_queued(id(1)));
}
