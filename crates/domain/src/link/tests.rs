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
    assert_eq!(link.on(Event::Connected), [Effect::Disarm, Effect::Prepare]);
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

/// What becomes of a link that is up at 0 and proved every 15 s from then on: it is nudged at these
/// times, and proofs come back from `back` on (none before; `None`: never). All in tenths of a
/// second. When it is made anew, and when it is first not shown as up.
fn fate(nudges: &[u64], back: Option<u64>) -> (Option<u64>, Option<u64>) {
    let tenths = |duration: Duration| u64::try_from(duration.as_millis() / 100).unwrap();
    let mut link = up();
    let (mut proof_ends, mut timer) = (None, Some((Timer::Proof(PROOF_EVERY), 150)));
    let mut doubted = None;
    for now in 0..1200 {
        let mut events = Vec::new();
        if nudges.contains(&now) {
            events.push(Event::Nudged);
        }
        if let Some(ends) = proof_ends {
            if back.is_some_and(|back| back <= now) {
                events.push(Event::Proved);
                proof_ends = None;
            } else if ends <= now {
                events.push(Event::NotProved(problem()));
                proof_ends = None;
            }
        }
        if let Some((ran_out, at)) = timer
            && at <= now
        {
            events.push(Event::TimedOut(ran_out));
            timer = None;
        }
        for event in events {
            for effect in link.on(event) {
                match effect {
                    Effect::Prove(limit) => proof_ends = Some(now + tenths(limit)),
                    Effect::Arm(armed @ Timer::Proof(wait)) => {
                        timer = Some((armed, now + tenths(wait)));
                    }
                    Effect::Disarm => timer = None,
                    Effect::Close => return (Some(now), doubted),
                    other => panic!("{other:?}"),
                }
            }
        }
        if link.shown() != LinkState::Up {
            doubted = doubted.or(Some(now));
        }
    }
    (None, doubted)
}

#[test]
fn a_dead_link_is_made_anew_in_time() {
    let every_second: Vec<u64> = (0..1200).step_by(10).collect();
    for (nudges, what, doubted, anew) in [
        (vec![], "silence", 230, 360),
        (vec![10], "a change of the network", 30, 80),
        (vec![160], "a change while a proof is under way", 180, 230),
        (vec![240], "a change while it is doubted", 230, 290),
        (vec![10, 25], "two changes at once", 30, 80),
        (vec![10, 60], "a cut of five seconds", 30, 110),
        (
            vec![10, 60, 61, 70, 100],
            "and a restless network after it",
            30,
            110,
        ),
        (every_second, "a network that always changes", 20, 80),
    ] {
        assert_eq!(fate(&nudges, None), (Some(anew), Some(doubted)), "{what}");
        assert!(anew <= 450, "{what}");
    }
}

#[test]
fn a_link_that_lives_is_not_cut_off() {
    for (nudges, back, what) in [
        (vec![10], 10, "a renewed lease changes nothing"),
        (
            vec![10],
            43,
            "a network that needs 3 s to settle; TCP is at it again 3.3 s later",
        ),
        (vec![10], 79, "TCP is at it again 6.5 s later"),
        (vec![10, 60], 103, "a cut of 5 s, on a slow line"),
        (
            vec![10, 20, 30, 40, 50],
            90,
            "an interface that comes up in steps",
        ),
        (vec![], 350, "silence until just before it counts"),
    ] {
        assert_eq!(fate(&nudges, Some(back)).0, None, "{what}");
    }
}

#[test]
fn an_attempt_that_the_network_changed_under_is_started_again_once() {
    let mut link = Link::default();
    link.on(Event::Wanted);
    let timer = Timer::SignIn(SIGN_IN_AGAIN);
    assert_eq!(link.on(Event::Nudged), [Effect::Arm(timer)]);
    assert_eq!(link.on(Event::Nudged), [], "the time runs already");
    let mut asked = link.clone();
    assert_eq!(asked.on(Event::Asked), [Effect::Disarm]);
    assert_eq!(
        [asked.on(Event::Nudged), asked.on(Event::TimedOut(timer))],
        [[], []],
        "nobody is asked twice"
    );
    let mut signed_in = link.clone();
    assert_eq!(
        signed_in.on(Event::Connected),
        [Effect::Disarm, Effect::Prepare]
    );
    assert_eq!(
        link.on(Event::TimedOut(timer)),
        [Effect::Close, Effect::Disarm, Effect::Connect]
    );
    assert_eq!(link.on(Event::Nudged), [], "this one comes to its end");
    link.on(failed(Cure::Retry));
    assert_eq!(link.shown(), LinkState::Reconnecting);
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
        Just(Event::Asked),
        Just(Event::Connected),
        Just(Event::Proved),
        Just(Event::NotProved(problem())),
        Just(failed(Cure::Retry)),
        Just(failed(Cure::Human)),
        Just(Event::Nudged),
        Just(Event::TimedOut(Timer::Proof(PROOF_EVERY))),
        Just(Event::TimedOut(Timer::BackOff(Duration::ZERO))),
        Just(Event::TimedOut(Timer::SignIn(SIGN_IN_AGAIN))),
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
