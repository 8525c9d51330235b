use super::*;

pub(super) fn id(n: u128) -> MessageId {
    MessageId::from_u128(n)
}

fn failure(cure: Cure) -> Failure {
    Failure {
        problem: Problem::new(Code::Agent, "it ended", "try"),
        cure,
    }
}

pub(super) fn exited(cure: Cure, lived: u64) -> Event {
    Event::Exited {
        failure: failure(cure),
        lived: Duration::from_secs(lived),
    }
}

pub(super) fn run(events: impl IntoIterator<Item = Event>) -> (Session, Vec<Effect>) {
    let mut session = Session::default();
    let mut last = vec![];
    for event in events {
        last = session.on(event);
    }
    (session, last)
}

pub(super) const READY: [Event; 4] = [
    Event::Wake,
    Event::Spawned,
    Event::Initialized,
    Event::Mcp(Mcp::Connected),
];

fn ready_then(events: impl IntoIterator<Item = Event>) -> (Session, Vec<Effect>) {
    run(READY.into_iter().chain(events))
}

#[test]
fn a_wake_is_ready_only_when_initialized_and_connected() {
    let mut session = Session::default();
    let steps = [
        (Event::Wake, vec![Effect::Disarm, Effect::Spawn]),
        (Event::Mcp(Mcp::Connected), vec![]),
        (
            Event::Spawned,
            vec![Effect::Arm(Timer::Spawn), Effect::Initialize],
        ),
        (Event::Mcp(Mcp::Connected), vec![]),
        (Event::Initialized, vec![Effect::AskMcp(Duration::ZERO)]),
        (Event::Mcp(Mcp::Pending), vec![Effect::AskMcp(MCP_POLL)]),
        (
            Event::Mcp(Mcp::Connected),
            vec![Effect::Ready, Effect::Arm(Timer::Idle)],
        ),
        (Event::Wake, vec![Effect::Ready]),
    ];
    for (event, effects) in steps {
        assert_eq!(session.on(event.clone()), effects, "after {event:?}");
    }
    assert_eq!(session.shown(false), TeamState::Idle);
    assert_eq!(session.shown(true), TeamState::Waiting);
}

#[test]
fn a_failed_connection_is_tried_once_more_and_then_is_trouble() {
    let (mut session, effects) = run([
        Event::Message(id(1)),
        Event::Spawned,
        Event::Initialized,
        Event::Mcp(Mcp::Failed("refused".into())),
    ]);
    assert_eq!(effects, [Effect::ReconnectMcp]);
    assert_eq!(
        session.on(Event::Reconnected),
        [Effect::AskMcp(Duration::ZERO)]
    );
    let effects = session.on(Event::Mcp(Mcp::Failed("refused".into())));
    assert!(
        effects.contains(&Effect::Stop)
            && matches!(&effects[0], Effect::Settle(m, Settled::Failed(p)) if *m == id(1) && p.message.contains("refused")),
        "the message fails with the reason: {effects:?}"
    );
    session.on(exited(Cure::Retry, 1));
    assert_eq!(
        session.state(),
        &State::Trouble,
        "the end of a hopeless process is not retried"
    );
}

#[test]
fn messages_go_one_at_a_time_in_order() {
    let (mut session, effects) = run([
        Event::Message(id(1)),
        Event::Message(id(2)),
        Event::Message(id(3)),
    ]);
    assert_eq!(effects, [], "they wait for the start");
    for event in READY.into_iter().skip(1) {
        session.on(event);
    }
    for n in 1..=3 {
        assert_eq!(session.running(), Some(id(n)), "first in, first out");
        assert_eq!(session.queued(), 3 - n as usize);
        let effects = session.on(Event::TurnEnded(TurnEnd::Answer(format!("a{n}"))));
        assert_eq!(
            effects[0],
            Effect::Settle(id(n), Settled::Answered(format!("a{n}")))
        );
    }
    assert_eq!(session.state(), &State::Idle);
}

#[test]
fn a_full_queue_refuses() {
    let mut session = Session::default();
    for n in 0..QUEUE_MAX {
        session.on(Event::Message(id(n as u128)));
    }
    let effects = session.on(Event::Message(id(999)));
    assert!(
        matches!(&effects[..], [Effect::Settle(m, Settled::Failed(p))] if *m == id(999) && p.code == Code::Busy),
        "{effects:?}"
    );
    assert_eq!(session.queued(), QUEUE_MAX);
}

#[test]
fn a_crash_in_a_turn_fails_that_message_only_and_the_rest_survives_the_restart() {
    let (mut session, effects) = ready_then([
        Event::Message(id(1)),
        Event::Message(id(2)),
        exited(Cure::Retry, 2),
    ]);
    assert_eq!(
        effects,
        [
            Effect::Withdraw("the agent ended"),
            Effect::Settle(id(1), Settled::Failed(failure(Cure::Retry).problem)),
            Effect::NotReady(failure(Cure::Retry).problem),
            Effect::Arm(Timer::BackOff(Duration::from_secs(1))),
        ]
    );
    assert_eq!(session.shown(false), TeamState::Trouble);
    assert_eq!(session.queued(), 1, "the queued message is kept");
    session.on(Event::TimedOut(Timer::BackOff(Duration::from_secs(1))));
    for event in READY.into_iter().skip(1) {
        session.on(event);
    }
    assert_eq!(session.running(), Some(id(2)));
    assert_eq!(session.problem(), None, "ready again: the problem is over");
}

#[test]
fn quick_ends_are_retried_a_bounded_number_of_times() {
    let mut session = Session::default();
    session.on(Event::Message(id(1)));
    let mut delays = vec![];
    loop {
        let effects = session.on(exited(Cure::Retry, 0));
        match effects.last() {
            Some(Effect::Arm(Timer::BackOff(delay))) => {
                delays.push(delay.as_secs());
                session.on(Event::TimedOut(Timer::BackOff(*delay)));
            }
            _ => {
                assert!(
                    effects
                        .iter()
                        .any(|e| matches!(e, Effect::Settle(m, Settled::Failed(_)) if *m == id(1))),
                    "giving up fails what waits: {effects:?}"
                );
                break;
            }
        }
        assert!(delays.len() < 20, "it must give up");
    }
    assert_eq!(delays, [1, 2, 4, 8]);
    assert_eq!(session.state(), &State::Trouble);
    // A new message tries exactly once more.
    assert!(session.on(Event::Message(id(2))).contains(&Effect::Spawn));
    session.on(exited(Cure::Retry, 0));
    assert_eq!(session.state(), &State::Trouble);
}

#[test]
fn a_long_life_resets_the_count() {
    let (session, effects) = ready_then([exited(Cure::Retry, 3600)]);
    assert_eq!(session.quick_failures, 1);
    assert!(effects.contains(&Effect::Arm(Timer::BackOff(Duration::from_secs(1)))));
    let mut session = session;
    for _ in 0..10 {
        session.on(Event::Wake);
        for event in READY.into_iter().skip(1) {
            session.on(event);
        }
        session.on(exited(Cure::Retry, 61));
        assert_eq!(
            session.state(),
            &State::BackingOff,
            "a long life is not a quick end"
        );
    }
}

#[test]
fn what_only_a_human_can_mend_is_not_retried() {
    let (mut session, effects) = run([Event::Message(id(1)), exited(Cure::Human, 0)]);
    assert_eq!(session.state(), &State::Trouble);
    assert!(effects.iter().any(|e| matches!(e, Effect::NotReady(_))));
    assert!(effects.iter().any(|e| matches!(e, Effect::Settle(..))));
    assert!(
        session.on(Event::Wake).contains(&Effect::Spawn),
        "a wake tries again"
    );
}

#[test]
fn a_wrong_conversation_record_is_corrected_once() {
    for (cure, correction) in [
        (Cure::NewConversation, Effect::NewConversation),
        (Cure::ResumeConversation, Effect::ResumeConversation),
    ] {
        let (mut session, effects) = run([Event::Message(id(1)), exited(cure, 0)]);
        assert!(
            effects.contains(&correction) && effects.contains(&Effect::Spawn),
            "{effects:?}"
        );
        assert_eq!(
            session.queued(),
            1,
            "the message waits for the corrected start"
        );
        let effects = session.on(exited(cure, 0));
        assert!(!effects.contains(&correction), "not for ever: {effects:?}");
        assert_eq!(session.state(), &State::BackingOff);
    }
}

#[test]
fn silence_interrupts_then_stops() {
    let (mut session, effects) =
        ready_then([Event::Message(id(1)), Event::TimedOut(Timer::Silence)]);
    assert!(
        effects.contains(&Effect::Interrupt) && effects.contains(&Effect::Arm(Timer::Interrupt))
    );
    assert_eq!(
        session.on(Event::Output),
        [],
        "late output does not extend the grace"
    );
    let mut ended = session.clone();
    let effects = ended.on(Event::TurnEnded(TurnEnd::Error(
        failure(Cure::Retry).problem,
    )));
    assert_eq!(effects[0], Effect::Settle(id(1), Settled::Failed(silent())));
    assert_eq!(ended.state(), &State::Idle);
    let effects = session.on(Event::TimedOut(Timer::Interrupt));
    assert_eq!(
        effects,
        [
            Effect::Settle(id(1), Settled::Failed(silent())),
            Effect::Disarm,
            Effect::Stop
        ]
    );
    session.on(exited(Cure::Retry, 5));
    assert_eq!(session.state(), &State::BackingOff);
}

#[test]
fn an_interrupt_cancels_unless_the_answer_came_first() {
    let (session, effects) = ready_then([Event::Message(id(1)), Event::Interrupt]);
    assert_eq!(
        effects,
        [
            Effect::Interrupt,
            Effect::Withdraw("interrupted"),
            Effect::Arm(Timer::Interrupt)
        ]
    );
    for (end, settled) in [
        (
            TurnEnd::Error(failure(Cure::Retry).problem),
            Settled::Cancelled,
        ),
        (
            TurnEnd::Answer("done".into()),
            Settled::Answered("done".into()),
        ),
    ] {
        let effects = session.clone().on(Event::TurnEnded(end));
        assert_eq!(effects[0], Effect::Settle(id(1), settled));
    }
    let (_, effects) = ready_then([Event::Interrupt]);
    assert_eq!(effects, [], "nothing runs");
}

#[test]
fn sleep_fails_what_waits_and_stops_the_process() {
    let (mut session, effects) =
        ready_then([Event::Message(id(1)), Event::Message(id(2)), Event::Sleep]);
    assert_eq!(
        effects[0],
        Effect::Settle(id(1), Settled::Failed(put_to_sleep()))
    );
    assert_eq!(
        effects[1],
        Effect::Settle(id(2), Settled::Failed(put_to_sleep()))
    );
    assert_eq!(effects.last(), Some(&Effect::Stop));
    assert_eq!(session.shown(false), TeamState::Asleep);
    assert_eq!(
        session.on(exited(Cure::Retry, 1)),
        [Effect::Withdraw("the agent ended")]
    );
    assert_eq!(session.state(), &State::Asleep);
}

#[test]
fn a_wake_while_stopping_starts_again() {
    let (mut session, _) = ready_then([Event::Sleep, Event::Wake]);
    assert_eq!(
        session.on(exited(Cure::Retry, 1)),
        [
            Effect::Withdraw("the agent ended"),
            Effect::Disarm,
            Effect::Spawn
        ]
    );
    let (mut session, _) = ready_then([Event::Sleep, Event::Message(id(1))]);
    assert!(session.on(exited(Cure::Retry, 1)).contains(&Effect::Spawn));
    assert_eq!(session.queued(), 1);
}

#[test]
fn without_a_place_it_stays_asleep_and_says_so() {
    let (session, effects) = run([Event::Message(id(1)), exited(Cure::Room, 0)]);
    assert_eq!(
        session.state(),
        &State::Asleep,
        "a full house is not this team's trouble"
    );
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Settle(m, Settled::Failed(_)) if *m == id(1)))
    );
    assert!(effects.iter().any(|e| matches!(e, Effect::NotReady(_))));
}

#[test]
fn only_an_idle_session_is_evicted() {
    let (_, effects) = ready_then([Event::Evict]);
    assert!(effects.contains(&Effect::Stop));
    let (session, effects) = ready_then([Event::Message(id(1)), Event::Evict]);
    assert_eq!(effects, [Effect::Stay]);
    assert_eq!(session.running(), Some(id(1)));
    assert_eq!(run([Event::Wake, Event::Evict]).1, [Effect::Stay]);
}

#[test]
fn timers_do_what_they_are_for() {
    let (mut session, effects) = run([Event::Wake, Event::Spawned, Event::TimedOut(Timer::Spawn)]);
    assert!(
        matches!(&effects[..], [Effect::NotReady(p), Effect::Disarm, Effect::Stop] if p.code == Code::Timeout)
    );
    session.on(exited(Cure::Retry, 60));
    assert_eq!(session.state(), &State::Trouble);
    let (session, effects) = ready_then([Event::TimedOut(Timer::Idle)]);
    assert_eq!(effects, [Effect::Disarm, Effect::Stop]);
    assert_eq!(session.state(), &State::Stopping(Then::Asleep));
    // A timer that is too late does nothing.
    for timer in [
        Timer::Spawn,
        Timer::Silence,
        Timer::Interrupt,
        Timer::BackOff(Duration::ZERO),
    ] {
        let (session, effects) = ready_then([Event::TimedOut(timer)]);
        assert_eq!(
            (session.state(), effects),
            (&State::Idle, vec![]),
            "{timer:?}"
        );
    }
}

#[test]
fn an_agent_that_is_not_signed_in_is_stopped() {
    let (mut session, effects) = run([
        Event::Wake,
        Event::Spawned,
        Event::Unusable(failure(Cure::Human)),
    ]);
    assert!(effects.contains(&Effect::Stop));
    let effects = session.on(exited(Cure::Retry, 1));
    assert!(
        effects.iter().any(|e| matches!(e, Effect::NotReady(_))),
        "late wakers hear of it too"
    );
    assert_eq!(session.state(), &State::Trouble);
}

#[test]
fn a_lost_link_is_waited_for_and_counts_as_no_failure() {
    let (mut session, effects) = ready_then([Event::Message(id(1)), Event::Message(id(2))]);
    assert_eq!(effects, []);
    for _ in 0..3 * QUICK_FAILURES_MAX {
        let effects = session.on(exited(Cure::Link, 1));
        assert!(effects.ends_with(&[Effect::Disarm, Effect::Spawn]));
        assert_eq!(
            session.shown(false),
            TeamState::Trouble,
            "a host that cannot be reached is said"
        );
        for event in [Event::Spawned, Event::Initialized] {
            session.on(event);
        }
    }
    assert_eq!(
        session.on(Event::Mcp(Mcp::Connected)),
        [
            Effect::Ready,
            Effect::Deliver(id(2)),
            Effect::Arm(Timer::Silence)
        ],
        "what waited is delivered"
    );
}

#[test]
fn who_waits_for_a_wake_hears_that_the_host_cannot_be_reached() {
    let problem = failure(Cure::Link).problem;
    let (mut session, effects) = run([Event::Wake, Event::Unreached(problem.clone())]);
    assert_eq!(effects, [Effect::NotReady(problem)]);
    assert_eq!(
        session.on(Event::Spawned),
        [Effect::Arm(Timer::Spawn), Effect::Initialize],
        "it goes on when the host is back"
    );
}

#[test]
fn a_team_that_moves_while_it_is_being_reached_is_reached_anew() {
    let unreached = Event::Unreached(failure(Cure::Link).problem);
    let (session, effects) = run([Event::Message(id(1)), unreached, Event::Moved]);
    assert_eq!(effects, [Effect::Spawn]);
    assert_eq!(session.state(), &State::Waking(Waking::Reaching));
    assert_eq!(
        session.problem(),
        None,
        "what was wrong with the other place"
    );
    assert_eq!(session.queued(), 1, "what waits is not lost");
    for before in [vec![], READY.to_vec()] {
        let (_, effects) = run(before.into_iter().chain([Event::Moved]));
        assert_eq!(effects, [], "a process that runs stays where it is");
    }
}

#[test]
fn a_connection_without_a_place_is_left_for_the_next_but_not_for_ever() {
    let mut session = Session::default();
    session.on(Event::Wake);
    for attempt in 1..QUICK_FAILURES_MAX {
        let effects = session.on(exited(Cure::Seat, 0));
        let pause = Timer::BackOff(backoff::delay(attempt));
        assert_eq!(
            effects[1..],
            [Effect::Arm(pause)],
            "a pause, and nobody is sent away"
        );
        let effects = session.on(Event::TimedOut(pause));
        assert_eq!(effects, [Effect::Disarm, Effect::Spawn]);
    }
    session.on(exited(Cure::Seat, 0));
    assert_eq!(session.state(), &State::Trouble);
}
