use super::{
    super::{tests::*, *},
    deleted, started_anew,
};

fn after(events: impl IntoIterator<Item = Event>) -> Session {
    run(events).0
}

fn ready_then(events: impl IntoIterator<Item = Event>) -> Session {
    after(READY.into_iter().chain(events))
}

const STOPPED: [Effect; 3] = [
    Effect::Withdraw("a new conversation begins"),
    Effect::Disarm,
    Effect::Stop,
];
const BEGUN: [Effect; 3] = [Effect::Renew, Effect::Disarm, Effect::Spawn];

#[test]
fn without_a_process_a_new_conversation_begins_at_once() {
    for before in [
        vec![],
        vec![Event::Wake],
        vec![Event::Wake, exited(Cure::Retry, 0)],
        vec![Event::Wake, exited(Cure::Human, 0)],
    ] {
        let mut session = after(before.clone());
        assert_eq!(session.on(Event::Reboot), BEGUN, "after {before:?}");
    }
}

#[test]
fn a_process_ends_before_the_new_conversation_begins() {
    for before in [&READY[..], &READY[..2], &READY[..3]] {
        let mut session = after(before.to_vec());
        assert_eq!(session.on(Event::Reboot), STOPPED, "after {before:?}");
        let gone = session.on(exited(Cure::Retry, 1));
        assert!(gone.ends_with(&BEGUN), "{gone:?}");
    }
    // One that ends already, for whatever reason.
    let mut session = ready_then([Event::Sleep]);
    assert_eq!(session.on(Event::Reboot), []);
    assert!(session.on(exited(Cure::Retry, 1)).ends_with(&BEGUN));
}

#[test]
fn the_running_turn_is_cut_short_and_what_waits_goes_to_the_new_conversation() {
    let mut session = ready_then([1, 2, 3].map(|n| Event::Message(id(n))));
    let effects = session.on(Event::Reboot);
    let [Effect::Settle(cut, Settled::Failed(why)), rest @ ..] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((*cut, why), (id(1), &started_anew()));
    assert_eq!(rest, STOPPED);
    session.on(exited(Cure::Retry, 1));
    session.on(Event::Spawned);
    session.on(Event::Initialized);
    assert_eq!(
        session.on(Event::Mcp(Mcp::Connected)),
        [
            Effect::Ready,
            Effect::Deliver(id(2)),
            Effect::Arm(Timer::Silence)
        ]
    );
    assert!(session.is_queued(id(3)));
}

/// Each way in which a new conversation does not become ready gives its place back to the old one,
/// once, and what follows starts that one.
#[test]
fn the_old_conversation_comes_back_when_the_new_one_does_not_start() {
    let failure = |cure| Failure {
        problem: put_to_sleep(),
        cure,
    };
    for (until, failing) in [
        (0, exited(Cure::Human, 0)),
        (0, exited(Cure::Retry, 0)),
        (0, exited(Cure::Room, 0)),
        (0, Event::Unreached(put_to_sleep())),
        (0, Event::Sleep),
        (1, exited(Cure::Retry, 0)),
        (1, Event::Unusable(failure(Cure::Human))),
        (1, Event::TimedOut(Timer::Spawn)),
        (1, Event::Sleep),
        (2, Event::TimedOut(Timer::Spawn)),
        (2, exited(Cure::Human, 0)),
    ] {
        let mut session = after([Event::Reboot]);
        for event in READY[1..].iter().take(until) {
            session.on(event.clone());
        }
        let effects = session.on(failing.clone());
        assert_eq!(effects[0], Effect::Restore, "{until} {failing:?}");
        session.on(exited(Cure::Retry, 0));
        let again = [session.on(Event::Wake), session.on(Event::Sleep)].concat();
        let twice = |e: &Effect| matches!(e, Effect::Renew | Effect::Restore);
        assert!(!again.iter().any(twice), "{until} {failing:?}: {again:?}");
    }
}

#[test]
fn one_that_waits_for_its_host_or_its_place_goes_on_waiting() {
    for cure in [Cure::Link, Cure::Seat] {
        let mut session = after([Event::Reboot]);
        let effects = session.on(exited(cure, 0));
        assert!(!effects.contains(&Effect::Restore), "{effects:?}");
    }
}

#[test]
fn a_frozen_session_begins_nothing_and_a_wake_then_ends_nothing() {
    let why = put_to_sleep();
    let mut session = after([Event::Held(why.clone())]);
    assert_eq!(session.on(Event::Reboot), [Effect::NotReady(why.clone())]);
    session.on(Event::Released);
    assert_eq!(session.on(Event::Wake), [Effect::Disarm, Effect::Spawn]);

    // It was on its way when the team was frozen.
    let mut session = after([Event::Reboot, Event::Spawned, Event::Held(why.clone())]);
    assert_eq!(session.on(Event::Wake), [Effect::NotReady(why.clone())]);
    assert_eq!(session.on(Event::Reboot), [Effect::NotReady(why)]);
    session.on(Event::Released);
    session.on(Event::Initialized);
    let ready = session.on(Event::Mcp(Mcp::Connected));
    assert_eq!(ready[0], Effect::Ready);
}

#[test]
fn a_second_reboot_begins_another_conversation_and_the_old_one_is_kept_all_the_same() {
    let mut session = after([Event::Reboot, Event::Spawned]);
    assert_eq!(session.on(Event::Reboot), STOPPED);
    assert!(session.on(exited(Cure::Retry, 0)).ends_with(&BEGUN));
    assert_eq!(session.on(exited(Cure::Human, 0))[0], Effect::Restore);
}

#[test]
fn nothing_waits_for_a_deleted_conversation() {
    let mut session = ready_then([1, 2].map(|n| Event::Message(id(n))));
    let effects = session.on(Event::Delete);
    let settled: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Settle(id, Settled::Failed(why)) => Some((*id, why.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(settled, [(id(1), deleted()), (id(2), deleted())]);
    assert_eq!(effects.last(), Some(&Effect::Stop));
    session.on(exited(Cure::Retry, 1));
    assert_eq!(session.state(), &State::Asleep);
}
