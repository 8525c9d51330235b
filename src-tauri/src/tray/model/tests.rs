use std::sync::Arc;

use iris_domain::{prompt::PromptKind, snapshot::TeamState};

use super::*;
use crate::samples;

/// A menu as text: one line each, submenus indented, what cannot be clicked in brackets.
fn drawn(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .flat_map(|item| match item {
            Item::Rule { .. } => vec!["---".to_owned()],
            Item::Line {
                text,
                enabled: true,
                ..
            } => vec![text.clone()],
            Item::Line {
                text,
                enabled: false,
                ..
            } => vec![format!("[{text}]")],
            Item::Submenu { text, items, .. } => {
                let inside = drawn(items).into_iter().map(|line| format!("  {line}"));
                std::iter::once(format!("{text} >")).chain(inside).collect()
            }
        })
        .collect()
}

/// What the tray does with the steps.
fn apply(items: &mut Vec<Item>, steps: Vec<Edit>) {
    for step in steps {
        match step {
            Edit::Remove(place) => drop(items.remove(place)),
            Edit::Insert(place, item) => items.insert(place, item),
            Edit::Text(place, new) => match &mut items[place] {
                Item::Line { text, .. } => *text = new,
                Item::Rule { .. } | Item::Submenu { .. } => panic!("only lines are relabelled"),
            },
            Edit::Enabled(place, new) => match &mut items[place] {
                Item::Line { enabled, .. } => *enabled = new,
                Item::Rule { .. } | Item::Submenu { .. } => panic!("only lines are switched"),
            },
            Edit::Inside(place, steps) => match &mut items[place] {
                Item::Submenu { items, .. } => apply(items, steps),
                Item::Rule { .. } | Item::Line { .. } => panic!("only submenus have an inside"),
            },
        }
    }
}

#[test]
fn the_first_menu_shows_the_way() {
    let tray = model(&samples::snapshot());
    assert_eq!(tray.icon, Icon::Idle, "nothing happens");
    assert_eq!(tray.title, None, "nothing to count");
    assert_eq!(
        drawn(&tray.menu),
        ["Add your first team…", "---", "Open Iris", "Quit"]
    );
}

#[test]
fn a_full_menu() {
    let mut snapshot = samples::snapshot();
    snapshot.teams = vec![
        samples::team("alpha", TeamState::Waiting),
        samples::team("beta", TeamState::Asleep),
    ];
    snapshot.approvals = vec![
        samples::approval("k7mq2x", "Bash", "make a && make b"),
        samples::approval("pp22zz", "AskUserQuestion", "Which colour?"),
    ];
    let tray = model(&snapshot);
    assert_eq!(tray.icon, Icon::Waiting);
    assert_eq!(tray.title.as_deref(), Some("2"), "how many wait");
    assert_eq!(
        drawn(&tray.menu),
        [
            "alpha asks: Bash · make a &&&& make b >",
            "  [on this computer in /srv/alpha]",
            "  Allow",
            "  Deny",
            "  Details…",
            "alpha asks: Which colour? >",
            "  [on this computer in /srv/alpha]",
            "  Answer…",
            "  Deny",
            "Deny all from alpha (2)",
            "---",
            "alpha · waiting (1) >",
            "  [Start]",
            "  Stop",
            "  Freeze",
            "beta · asleep >",
            "  Start",
            "  [Stop]",
            "  Freeze",
            "---",
            "Freeze everything",
            "Open Iris",
            "Quit",
        ]
    );

    let frozen = |found, stopped| iris_domain::freeze::FrozenView {
        order: 1,
        since: "2026-01-01T10:00:00Z".parse().expect("a time"),
        by: "human:tray:me".into(),
        proof: Some(iris_domain::freeze::Proof {
            found,
            stopped,
            took_ms: 400,
            unreached: Default::default(),
        }),
    };
    snapshot.frozen = Some(frozen(7, 7));
    let tray = model(&snapshot);
    assert_eq!(tray.icon, Icon::Frozen);
    let menu = drawn(&tray.menu);
    assert_eq!(
        menu[..3],
        [
            "[Frozen: 7 of 7 processes stopped in 0.4 s]",
            "Thaw everything",
            "---"
        ]
    );
    assert!(!menu.contains(&"Freeze everything".to_owned()));
    assert_eq!(intent("thaw:"), Some(Intent::Thaw(None)));
    assert_eq!(intent("freeze:"), Some(Intent::Freeze(None)));
    let alpha = "alpha".parse().ok();
    assert_eq!(intent("freeze:alpha"), Some(Intent::Freeze(alpha)));
}

#[test]
fn problems_come_first_with_their_next_step() {
    let mut snapshot = samples::snapshot();
    snapshot.teams = vec![samples::team("alpha", TeamState::Trouble)];
    snapshot.problems = vec![samples::problem("the config has an error in line 3")];
    let tray = model(&snapshot);
    assert_eq!(tray.icon, Icon::Trouble);
    assert_eq!(
        drawn(&tray.menu)[..7],
        [
            "[⚠ the config has an error in line 3]",
            "[install it && try again]",
            "---",
            "alpha · trouble >",
            "  [⚠ claude was not found]",
            "  [install it && try again]",
            "  Start",
        ]
    );
}

#[test]
fn what_another_session_is_asked_does_not_wait_for_the_human() {
    let mut snapshot = samples::snapshot();
    snapshot.approvals = vec![samples::approval("k7mq2x", "Bash", "ls")];
    Arc::make_mut(&mut snapshot.approvals[0]).forwarded_to =
        Some("lead".parse().expect("a team name"));
    let tray = model(&snapshot);
    assert_eq!(
        (tray.icon, tray.title, tray.tooltip.as_str()),
        (Icon::Idle, None, "Iris: asleep")
    );
    assert_eq!(drawn(&tray.menu)[0], "alpha asks team lead: Bash · ls >");
    Arc::make_mut(&mut snapshot.approvals[0]).forwarded_to = None;
    let tray = model(&snapshot);
    assert_eq!(
        (tray.icon, tray.title.as_deref()),
        (Icon::Waiting, Some("1"))
    );
}

#[test]
fn grants_and_what_was_missed_are_counted_and_lead_to_the_window() {
    let mut snapshot = samples::snapshot();
    snapshot.missed = vec![samples::missed("aaaaaa"), samples::missed("bbbbbb")];
    assert!(drawn(&model(&snapshot).menu).contains(&"Missed (2)…".to_owned()));
    snapshot.grants = vec![samples::grant("g1")];
    assert!(drawn(&model(&snapshot).menu).contains(&"1 grant…".to_owned()));
    snapshot.grants.push(samples::grant("g2"));
    let menu = drawn(&model(&snapshot).menu);
    assert!(menu.contains(&"2 grants…".to_owned()), "{menu:?}");
}

#[test]
fn what_ssh_asks_comes_before_the_approvals_and_opens_the_window() {
    let mut snapshot = samples::snapshot();
    let key = "/home/me/.ssh/id_ed25519".to_owned();
    snapshot.prompts = vec![samples::prompt("p1", PromptKind::Passphrase { key })];
    let tray = model(&snapshot);
    assert_eq!(tray.icon, Icon::Waiting);
    assert_eq!(tray.title.as_deref(), Some("1"), "it waits as well");
    assert_eq!(tray.tooltip, "Iris: one question waits for you");
    snapshot.approvals = vec![samples::approval("k7mq2x", "Bash", "ls")];
    let tray = model(&snapshot);
    assert_eq!(tray.tooltip, "Iris: 2 things wait for you");
    let menu = drawn(&tray.menu);
    assert_eq!(menu[..2], ["me@box asks for a passphrase…", "---"]);
    assert!(menu[2].starts_with("alpha asks"), "{menu:?}");
}

#[test]
fn a_remote_team_says_where_it_is_and_never_that_a_link_is_good_that_is_not() {
    for (link, label) in [
        (LinkState::Up, "box · idle · me@box"),
        (LinkState::Down, "box · idle · me@box not connected"),
        (LinkState::Connecting, "box · idle · me@box connecting"),
        (LinkState::Verifying, "box · idle · me@box verifying"),
        (LinkState::Degraded, "box · idle · me@box degraded"),
        (LinkState::Reconnecting, "box · idle · me@box reconnecting"),
        (LinkState::NeedsYou, "box · idle · me@box needs you"),
    ] {
        let item = team(&samples::remote_team("box", TeamState::Idle, link));
        let Item::Submenu { text, .. } = item else {
            panic!("a team is a submenu")
        };
        assert_eq!(text, label);
    }
}

#[test]
fn what_is_wrong_with_a_link_is_said_once() {
    let mut view = samples::remote_team("box", TeamState::Trouble, LinkState::NeedsYou);
    let lines = |view: &TeamView| drawn(&[team(view)]).len();
    let both = lines(&view);
    view.problem = view.link.as_ref().and_then(|link| link.problem.clone());
    assert_eq!(lines(&view), both - 2, "the team's problem is the link's");
    if let Some(link) = &mut view.link {
        link.warning = Some("plain HTTP".into());
    }
    assert!(drawn(&[team(&view)]).contains(&"  [⚠ plain HTTP]".to_owned()));
}

#[test]
fn the_icon_is_the_worst_state() {
    for (state, icon) in [
        (TeamState::Asleep, Icon::Idle),
        (TeamState::Idle, Icon::Idle),
        (TeamState::Waking, Icon::Working),
        (TeamState::Working, Icon::Working),
        (TeamState::Waiting, Icon::Waiting),
        (TeamState::Trouble, Icon::Trouble),
    ] {
        let mut snapshot = samples::snapshot();
        snapshot.teams = vec![
            samples::team("alpha", TeamState::Asleep),
            samples::team("beta", state),
        ];
        assert_eq!(model(&snapshot).icon, icon, "{state:?}");
    }
}

#[test]
fn a_flood_stays_on_the_screen() {
    let mut snapshot = samples::snapshot();
    snapshot.approvals = (0..40)
        .map(|n| samples::approval(&format!("id{n:04}"), "Bash", "ls"))
        .collect();
    let menu = drawn(&model(&snapshot).menu);
    let shown = menu.iter().filter(|line| line.starts_with("alpha")).count();
    assert_eq!(shown, APPROVALS_MAX, "no more than fit");
    assert!(
        menu.contains(&"28 more in the window…".to_owned()),
        "and the rest is not hidden"
    );
}

#[test]
fn a_label_is_one_short_honest_line() {
    let text = format!("echo a\nrm -rf b \u{202e}{} end", "x".repeat(200));
    let item = approval(&samples::approval("k7mq2x", "Bash", &text));
    let Item::Submenu { text, .. } = item else {
        panic!("an approval is a submenu")
    };
    assert!(text.chars().count() <= LABEL_MAX, "it fits: {text}");
    assert!(
        !text.contains('\n') && !text.contains('\u{202e}'),
        "nothing bends it: {text}"
    );
    assert!(text.ends_with("end"), "the tail stays: {text}");
}

#[test]
fn clicks_name_the_thing_itself() {
    let alpha = || "alpha".parse().expect("a team name");
    let approval = || ApprovalId("k7mq2x".into());
    for (id, meant) in [
        ("allow:k7mq2x", Some(Intent::Allow(approval()))),
        ("deny:k7mq2x", Some(Intent::Deny(approval()))),
        ("details:k7mq2x", Some(Intent::Details(approval()))),
        ("start:alpha", Some(Intent::Start(alpha()))),
        ("stop:alpha", Some(Intent::Stop(alpha()))),
        ("open:", Some(Intent::Open)),
        ("open:more", Some(Intent::Open)),
        ("prompt:p7", Some(Intent::Open)),
        ("view:grants", Some(Intent::View(View::Grants))),
        ("view:missed", Some(Intent::View(View::Missed))),
        ("view:elsewhere", None),
        (
            "deny-all:k7mq2x,pp22zz",
            Some(Intent::DenyAll(vec![
                approval(),
                ApprovalId("pp22zz".into()),
            ])),
        ),
        ("deny-all:", None),
        ("quit:", Some(Intent::Quit)),
        ("allow:", None),
        ("allow", None),
        ("start:-x", None),
        ("problem:0", None),
        ("where:k7mq2x", None),
        ("", None),
    ] {
        assert_eq!(intent(id), meant, "{id:?}");
    }
}

#[test]
fn every_line_that_can_be_clicked_means_something() {
    let mut snapshot = samples::snapshot();
    snapshot.teams = vec![
        samples::team("alpha", TeamState::Trouble),
        samples::remote_team("box", TeamState::Trouble, LinkState::NeedsYou),
    ];
    snapshot.prompts = vec![samples::prompt("p1", PromptKind::Touch)];
    snapshot.approvals = (0..20)
        .map(|n| samples::approval(&format!("id{n:04}"), "Bash", "ls"))
        .chain([samples::approval("pp22zz", "AskUserQuestion", "?")])
        .collect();
    fn check(items: &[Item]) {
        for item in items {
            match item {
                Item::Line { id, enabled, .. } => {
                    assert_eq!(
                        intent(id).is_some(),
                        *enabled || id.starts_with("st"),
                        "{id}"
                    );
                }
                Item::Submenu { id, items, .. } => {
                    assert_eq!(intent(id), None, "a submenu only opens: {id}");
                    check(items);
                }
                Item::Rule { .. } => {}
            }
        }
    }
    check(&model(&snapshot).menu);
}

#[test]
fn one_menu_becomes_the_next() {
    let empty = samples::snapshot();
    let mut some = samples::snapshot();
    some.teams = vec![
        samples::team("alpha", TeamState::Waiting),
        samples::team("beta", TeamState::Asleep),
    ];
    some.approvals = vec![
        samples::approval("aaaaaa", "Bash", "ls"),
        samples::approval("bbbbbb", "Edit", "x"),
    ];
    let mut fewer = some.clone();
    fewer.approvals.remove(0);
    fewer.teams[0].state = TeamState::Working;
    fewer.teams[1].state = TeamState::Idle;
    let mut turned = some.clone();
    turned.approvals.reverse();
    turned.teams.reverse();
    turned.problems = vec![samples::problem("p")];
    let menus: Vec<_> = [empty, some, fewer, turned]
        .iter()
        .map(|s| model(s).menu)
        .collect();
    for (from, old) in menus.iter().enumerate() {
        for (to, new) in menus.iter().enumerate() {
            let mut menu = old.clone();
            apply(&mut menu, edits(old, new));
            assert_eq!(&menu, new, "from menu {from} to menu {to}");
        }
        assert_eq!(edits(old, old), [], "nothing changed, nothing is touched");
    }
}

#[test]
fn what_stays_is_not_rebuilt() {
    let mut before = samples::snapshot();
    before.teams = vec![samples::team("alpha", TeamState::Idle)];
    before.approvals = vec![
        samples::approval("aaaaaa", "Bash", "ls"),
        samples::approval("bbbbbb", "Edit", "x"),
    ];
    Arc::make_mut(&mut before.approvals[1]).team = "beta".parse().expect("a team name");
    let mut after = before.clone();
    after.approvals.remove(0);
    after.teams[0].state = TeamState::Trouble;
    after.teams[0].waiting = 0;
    let (old, new) = (model(&before).menu, model(&after).menu);
    let steps = edits(&old, &new);
    // The approval goes, the team's submenu is replaced; all else is left alone.
    assert_eq!(
        steps[..2],
        [Edit::Remove(3), Edit::Remove(0)],
        "from the end to the start"
    );
    assert!(
        matches!(&steps[2..], [Edit::Insert(2, item)] if item.is(&new[2])),
        "{steps:?}"
    );
}

#[test]
fn lines_change_in_place() {
    let mut before = samples::snapshot();
    before.problems = vec![samples::problem("one")];
    before.approvals = (0..14)
        .map(|n| samples::approval(&format!("id{n:04}"), "Bash", "ls"))
        .collect();
    let mut after = before.clone();
    after.problems = vec![samples::problem("two & three")];
    after.approvals.truncate(13);
    assert_eq!(
        edits(&model(&before).menu, &model(&after).menu),
        [
            Edit::Text(0, "⚠ two && three".into()),
            Edit::Text(15, "1 more in the window…".into()),
        ],
        "labels change, nothing is rebuilt"
    );
}

#[test]
fn a_long_problem_goes_over_several_lines() {
    let mut snapshot = samples::snapshot();
    let told = "config.json, line 3, column 13: teams.alpha: `path` is missing, and so the last good config holds";
    snapshot.problems = vec![samples::problem(told)];
    let menu = model(&snapshot).menu;
    assert_eq!(
        drawn(&menu)[..3],
        [
            "[⚠ config.json, line 3, column 13: teams.alpha: `path` is missing, and so]",
            "[the last good config holds]",
            "[install it && try again]",
        ],
        "nothing is left out"
    );
}
