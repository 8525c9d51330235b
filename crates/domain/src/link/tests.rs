use proptest::prelude::*;

use super::*;
use crate::problem::Code;

fn problem() -> Problem {
    Problem::new(Code::Network, "It is gone.", "Wait.")
}

fn failed(cure: Cure) -> Event {
    Event::Failed(Failure {
        problem: problem(),
        cure,
    })
}

fn up() -> Link {
    let mut link = Link::default();
    assert_eq!(
        link.on(Event::Wanted),
        [Effect::Disarm, Effect::Connect],
        "it connects"
    );
    assert_eq!(link.on(Event::Connected), [Effect::Prepare]);
    assert_eq!(
        link.on(Event::Proved),
        [Effect::Arm(Timer::Proof(PROOF_EVERY))]
    );
    link
}

#[test]
fn one_missed_proof_is_doubted_and_the_next_one_decides() {
    let mut link = up();
    assert_eq!(
        link.on(Event::TimedOut(Timer::Proof(PROOF_EVERY))),
        [Effect::Prove(PROOF_LIMIT)]
    );
    assert_eq!(
        link.on(Event::NotProved(problem())),
        [Effect::Arm(Timer::Proof(PROOF_AGAIN))]
    );
    assert_eq!(link.shown(), LinkState::Degraded);
    assert!(link.is_usable(), "who works on it goes on");
    let mut mended = link.clone();
    mended.on(Event::Proved);
    assert_eq!((mended.shown(), mended.problem()), (LinkState::Up, None));
    assert_eq!(
        link.on(Event::NotProved(problem())),
        [Effect::Close, Effect::Disarm, Effect::Connect],
        "a link that was up is made anew at once"
    );
}

#[test]
fn a_silent_link_is_found_out_in_45_seconds() {
    let worst = PROOF_EVERY + PROOF_LIMIT + PROOF_AGAIN + PROOF_LIMIT;
    assert!(worst <= Duration::from_secs(45), "{worst:?}");
}

#[test]
fn it_never_gives_up_and_waits_a_minute_at_most() {
    let mut link = Link::default();
    link.on(Event::Wanted);
    for attempt in 1..100 {
        let effects = link.on(failed(Cure::Retry));
        let Some(Effect::Arm(timer @ Timer::BackOff(wait))) = effects.last() else {
            panic!("{effects:?}");
        };
        assert_eq!(*wait, backoff::delay(attempt));
        assert!(*wait <= Duration::from_secs(60));
        assert_eq!(
            link.on(Event::TimedOut(*timer)),
            [Effect::Disarm, Effect::Connect]
        );
    }
}

#[test]
fn what_only_a_human_can_mend_waits_for_one() {
    let mut link = up();
    link.on(failed(Cure::Human));
    assert_eq!(link.shown(), LinkState::NeedsYou);
    assert_eq!(link.on(Event::Nudged), [], "a new network mends no key");
    assert_eq!(
        link.on(Event::Wanted),
        [Effect::Disarm, Effect::Connect],
        "the human tries again"
    );
}

#[test]
fn a_changed_network_is_looked_at_at_once() {
    let mut link = up();
    assert_eq!(
        link.on(Event::Nudged),
        [Effect::Disarm, Effect::Prove(PROOF_LIMIT_NUDGED)]
    );
    let mut waiting = Link::default();
    waiting.on(Event::Wanted);
    waiting.on(failed(Cure::Retry));
    assert_eq!(
        waiting.on(Event::Nudged),
        [Effect::Disarm, Effect::Connect],
        "no waiting for the back-off"
    );
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Wanted),
        Just(Event::Unwanted),
        Just(Event::Connected),
        Just(Event::Proved),
        Just(Event::NotProved(problem())),
        Just(failed(Cure::Retry)),
        Just(failed(Cure::Human)),
        Just(Event::Nudged),
        Just(Event::TimedOut(Timer::Proof(PROOF_EVERY))),
        Just(Event::TimedOut(Timer::BackOff(Duration::ZERO))),
    ]
}

proptest! {
    #[test]
    fn good_is_only_what_was_proved(events in proptest::collection::vec(any_event(), 0..60)) {
        let mut link = Link::default();
        for event in events {
            let was = link.shown();
            let proof = event == Event::Proved;
            link.on(event);
            if link.shown() == LinkState::Up {
                prop_assert!(proof || was == LinkState::Up);
            }
        }
    }

    #[test]
    fn a_connection_is_never_left_and_never_doubled(
        events in proptest::collection::vec(any_event(), 0..60)
    ) {
        let mut link = Link::default();
        let mut open = false;
        for event in events {
            for effect in link.on(event) {
                match effect {
                    Effect::Connect => {
                        prop_assert!(!open, "a second connection");
                        open = true;
                    }
                    Effect::Close => open = false,
                    _ => {}
                }
            }
            prop_assert_eq!(open, link.has_connection());
        }
    }

    #[test]
    fn who_is_wanted_is_never_stuck(events in proptest::collection::vec(any_event(), 0..60)) {
        let mut link = Link::default();
        let mut timer = None;
        for event in events {
            if let Event::TimedOut(ran_out) = &event
                && timer == Some(*ran_out)
            {
                timer = None;
            }
            for effect in link.on(event) {
                match effect {
                    Effect::Arm(armed) => timer = Some(armed),
                    Effect::Disarm => timer = None,
                    _ => {}
                }
            }
            if *link.state() == State::BackingOff {
                prop_assert!(matches!(timer, Some(Timer::BackOff(_))));
            }
        }
    }
}
