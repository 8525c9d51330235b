//! What the tray shows, as a value; what a click on it means; and how one menu becomes the next.

use iris_domain::{
    Problem,
    display::one_line,
    freeze::FrozenView,
    ids::ApprovalId,
    problem::Code,
    prompt::{PromptId, PromptView},
    snapshot::{ApprovalView, LinkState, Snapshot, TeamState, TeamView},
};

use crate::{
    shell::{Intent, asks, is_question, place},
    windows::View,
};

/// Menus show no more approvals than fit a screen; the window shows all.
const APPROVALS_MAX: usize = 12;
/// The longest label, characters: what menus show without growing across the screen.
const LABEL_MAX: usize = 72;
/// The longest message or hint, characters: a few lines of a menu.
const PARAGRAPH_MAX: usize = 280;

/// The tray, as it should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrayModel {
    /// The worst of everything.
    pub(super) icon: Icon,
    /// Beside the icon: how much waits for the user.
    pub(super) title: Option<String>,
    /// For systems that show one.
    pub(super) tooltip: String,
    /// The menu.
    pub(super) menu: Vec<Item>,
}

/// The icons differ in shape, not only in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icon {
    /// A ring: nothing happens.
    Idle,
    /// An aperture: an agent works.
    Working,
    /// A question mark: somebody waits for the user.
    Waiting,
    /// Two bars: everything is frozen.
    Frozen,
    /// A warning sign.
    Trouble,
}

/// One entry of a menu. The id says which thing it is about, never where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A separator.
    Rule {
        /// Which one.
        id: String,
    },
    /// Something to read, or to click if it is enabled.
    Line {
        /// What [`intent`] understands.
        id: String,
        /// The label, `&` doubled.
        text: String,
        /// Whether it can be clicked.
        enabled: bool,
    },
    /// A menu of its own.
    Submenu {
        /// Which one.
        id: String,
        /// The label, `&` doubled.
        text: String,
        /// What it opens.
        items: Vec<Item>,
    },
}

/// One step from a menu to the next; places count from 0 at the moment of the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// Take the item away.
    Remove(usize),
    /// Put a new one there.
    Insert(usize, Item),
    /// Give the line this label.
    Text(usize, String),
    /// Make the line clickable, or not.
    Enabled(usize, bool),
    /// Change the submenu's own items.
    Inside(usize, Vec<Edit>),
}

/// The tray of a snapshot.
pub(super) fn model(snapshot: &Snapshot) -> TrayModel {
    let approvals = snapshot.for_human().count();
    let waiting = approvals + snapshot.prompts.len();
    TrayModel {
        icon: match snapshot.overall() {
            _ if snapshot.frozen.is_some() => Icon::Frozen,
            TeamState::Asleep | TeamState::Idle => Icon::Idle,
            TeamState::Waking | TeamState::Working => Icon::Working,
            TeamState::Waiting => Icon::Waiting,
            TeamState::Trouble => Icon::Trouble,
        },
        title: (waiting > 0).then(|| waiting.to_string()),
        tooltip: match (waiting, approvals) {
            _ if snapshot.frozen.is_some() => "Iris: everything is frozen".to_owned(),
            (0, _) => format!("Iris: {}", snapshot.overall().as_str()),
            (1, 1) => "Iris: one approval waits for you".to_owned(),
            (1, _) => "Iris: one question waits for you".to_owned(),
            (n, of) if n == of => format!("Iris: {n} approvals wait for you"),
            (n, _) => format!("Iris: {n} things wait for you"),
        },
        menu: menu(snapshot),
    }
}

fn menu(snapshot: &Snapshot) -> Vec<Item> {
    let mut menu = Vec::new();
    for (n, problem) in snapshot.problems.iter().enumerate() {
        menu.extend(trouble(&n.to_string(), problem));
    }
    if !menu.is_empty() {
        menu.push(Item::Rule {
            id: "rule:problems".into(),
        });
    }
    if let Some(frozen) = &snapshot.frozen {
        menu.push(note("frozen:".into(), &frozen_words(frozen)));
        menu.push(line("thaw:", "Thaw everything"));
        menu.push(Item::Rule {
            id: "rule:frozen".into(),
        });
    }
    if !snapshot.prompts.is_empty() {
        menu.extend(snapshot.prompts.iter().map(prompt));
        menu.push(Item::Rule {
            id: "rule:prompts".into(),
        });
    }
    if !snapshot.approvals.is_empty() {
        menu.extend(
            snapshot
                .approvals
                .iter()
                .take(APPROVALS_MAX)
                .map(|view| approval(view)),
        );
        if let more @ 1.. = snapshot.approvals.len().saturating_sub(APPROVALS_MAX) {
            menu.push(line("open:more", &format!("{more} more in the window…")));
        }
        menu.extend(
            snapshot
                .teams
                .iter()
                .filter_map(|team| deny_all(snapshot, team)),
        );
        menu.push(Item::Rule {
            id: "rule:approvals".into(),
        });
    }
    // A config that cannot be read may well have teams.
    let is_first = !snapshot.problems.iter().any(|it| it.code == Code::Config);
    if snapshot.teams.is_empty() && is_first {
        menu.push(line("open:first", "Add your first team…"));
    }
    menu.extend(snapshot.teams.iter().map(team));
    menu.push(Item::Rule {
        id: "rule:teams".into(),
    });
    menu.extend(counts(snapshot));
    if snapshot.frozen.is_none() && !snapshot.teams.is_empty() {
        menu.push(line("freeze:", "Freeze everything"));
    }
    menu.push(line("open:", "Open Iris"));
    menu.push(line("quit:", "Quit"));
    menu
}

/// `Frozen: 7 of 7 processes stopped in 0.4 s`.
fn frozen_words(frozen: &FrozenView) -> String {
    match &frozen.proof {
        Some(proof) => format!("Frozen: {}", proof.words()),
        None => "Freezing…".to_owned(),
    }
}

/// The window takes the answer: a menu has no place to type, and a host's key is not compared in one.
fn prompt(view: &PromptView) -> Item {
    let PromptId(id) = &view.id;
    line(&format!("prompt:{id}"), &format!("{}…", asks(view)))
}

fn approval(view: &ApprovalView) -> Item {
    let ApprovalId(id) = &view.id;
    let details = line(&format!("details:{id}"), "Details…");
    let deny = line(&format!("deny:{id}"), "Deny");
    let mut items = vec![note(format!("where:{id}"), &place(view))];
    let text = if is_question(view) {
        // A bare Allow would answer it with nothing; the window has its choices.
        items.extend([line(&format!("details:{id}"), "Answer…"), deny]);
        format!("{}: {}", asker(view), view.summary)
    } else {
        items.extend([line(&format!("allow:{id}"), "Allow"), deny, details]);
        format!("{}: {} · {}", asker(view), view.tool, view.summary)
    };
    Item::Submenu {
        id: format!("approval:{id}"),
        text: label(&text),
        items,
    }
}

/// `Deny all from alpha (3)`, where it has more than one. The id names each, so that a click denies
/// what the label counted.
fn deny_all(snapshot: &Snapshot, team: &TeamView) -> Option<Item> {
    let theirs = snapshot.approvals.iter().filter(|it| it.team == team.name);
    let ids: Vec<&str> = theirs.map(|it| it.id.0.as_str()).collect();
    let text = format!("Deny all from {} ({})", team.name, ids.len());
    (ids.len() > 1).then(|| line(&format!("deny-all:{}", ids.join(",")), &text))
}

/// Who asks, and whom, if that is not the human yet.
fn asker(view: &ApprovalView) -> String {
    match &view.forwarded_to {
        Some(first) => format!("{} asks team {first}", view.team),
        None => format!("{} asks", view.team),
    }
}

/// How many grants hold and how many requests were missed; a click shows them in the window.
fn counts(snapshot: &Snapshot) -> Vec<Item> {
    let grants = match snapshot.grants.len() {
        0 => None,
        1 => Some("1 grant…".to_owned()),
        n => Some(format!("{n} grants…")),
    };
    let missed = match snapshot.missed.len() {
        0 => None,
        n => Some(format!("Missed ({n})…")),
    };
    let grants = grants.map(|text| line("view:grants", &text));
    let missed = missed.map(|text| line("view:missed", &text));
    grants.into_iter().chain(missed).collect()
}

fn team(view: &TeamView) -> Item {
    let name = &view.name;
    let state = match view.waiting {
        _ if view.frozen.is_some() => "frozen".to_owned(),
        0 => view.state.as_str().to_owned(),
        n => format!("{} ({n})", view.state.as_str()),
    };
    let (start, stop) = match view.state {
        TeamState::Asleep => (true, false),
        TeamState::Idle | TeamState::Waking | TeamState::Working | TeamState::Waiting => {
            (false, true)
        }
        // It may have ended or hang: both are worth a try.
        TeamState::Trouble => (true, true),
    };
    let mut items = Vec::new();
    if let Some(problem) = &view.problem {
        items.extend(trouble(name.as_str(), problem));
    }
    if let Some(link) = &view.link {
        let problem = link.problem.as_ref();
        if let Some(problem) = problem.filter(|problem| Some(*problem) != view.problem.as_ref()) {
            items.extend(trouble(&format!("link:{name}"), problem));
        }
        if let Some(warning) = &link.warning {
            items.extend(paragraph(
                &format!("warning:{name}"),
                &format!("⚠ {warning}"),
            ));
        }
    }
    items.push(Item::Line {
        id: format!("start:{name}"),
        text: "Start".into(),
        enabled: start && view.frozen.is_none(),
    });
    items.push(Item::Line {
        id: format!("stop:{name}"),
        text: "Stop".into(),
        enabled: stop,
    });
    items.push(match view.frozen {
        Some(_) => line(&format!("thaw:{name}"), "Thaw"),
        None => line(&format!("freeze:{name}"), "Freeze"),
    });
    Item::Submenu {
        id: format!("team:{name}"),
        text: label(&format!("{name} · {state}{}", away(view))),
        items,
    }
}

/// Where a remote team runs, and how the link does where it is not up.
fn away(view: &TeamView) -> String {
    let link = view.link.as_ref().map(|link| link.state);
    match (view.host.as_str(), link) {
        ("local", _) => String::new(),
        (host, None | Some(LinkState::Up)) => format!(" · {host}"),
        (host, Some(state)) => format!(" · {host} {}", state.as_str()),
    }
}

/// What a click on the item with this id means; `None`: nothing.
pub(super) fn intent(id: &str) -> Option<Intent> {
    let (verb, what) = id.split_once(':')?;
    let approval = || (!what.is_empty()).then(|| ApprovalId(what.to_owned()));
    let team = || what.parse().ok();
    match verb {
        "allow" => approval().map(Intent::Allow),
        "deny" => approval().map(Intent::Deny),
        "deny-all" if !what.is_empty() => {
            let ids = what.split(',').map(|id| ApprovalId(id.to_owned()));
            Some(Intent::DenyAll(ids.collect()))
        }
        "details" => approval().map(Intent::Details),
        "start" => team().map(Intent::Start),
        "stop" => team().map(Intent::Stop),
        // Without a team: everything.
        "freeze" if what.is_empty() => Some(Intent::Freeze(None)),
        "freeze" => team().map(|team| Intent::Freeze(Some(team))),
        "thaw" if what.is_empty() => Some(Intent::Thaw(None)),
        "thaw" => team().map(|team| Intent::Thaw(Some(team))),
        "open" | "prompt" => Some(Intent::Open),
        "view" => View::of(what).map(Intent::View),
        "quit" => Some(Intent::Quit),
        _ => None,
    }
}

/// The steps from one menu to the next, in order. What stays is changed in place: a menu that is
/// rebuilt closes under the user's hand, and panels die of it.
pub(super) fn edits(old: &[Item], new: &[Item]) -> Vec<Edit> {
    let mut steps = Vec::new();
    let mut have: Vec<&Item> = old.iter().collect();
    for place in (0..have.len()).rev() {
        if !new.iter().any(|item| item.is(have[place])) {
            have.remove(place);
            steps.push(Edit::Remove(place));
        }
    }
    for (place, item) in new.iter().enumerate() {
        let there = have.get(place).copied().filter(|there| there.is(item));
        match there {
            Some(there) => steps.extend(there.becomes(item, place)),
            None => {
                let later = have.iter().skip(place).position(|other| other.is(item));
                if let Some(later) = later {
                    have.remove(place + later);
                    steps.push(Edit::Remove(place + later));
                }
                have.insert(place, item);
                steps.push(Edit::Insert(place, item.clone()));
            }
        }
    }
    steps
}

impl Item {
    /// Whether one can become the other in place. A submenu with another label cannot: muda 0.20
    /// does not change the label of one on Linux (measured), so it is replaced.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rule { id: a }, Self::Rule { id: b })
            | (Self::Line { id: a, .. }, Self::Line { id: b, .. }) => a == b,
            (
                Self::Submenu { id: a, text, .. },
                Self::Submenu {
                    id: b, text: other, ..
                },
            ) => a == b && text == other,
            (Self::Rule { .. } | Self::Line { .. } | Self::Submenu { .. }, _) => false,
        }
    }

    /// How this item, at this place, becomes the other look of itself.
    fn becomes(&self, next: &Self, place: usize) -> Vec<Edit> {
        let mut steps = Vec::new();
        match (self, next) {
            (
                Self::Line {
                    text: a,
                    enabled: was,
                    ..
                },
                Self::Line {
                    text: b,
                    enabled: is,
                    ..
                },
            ) => {
                if a != b {
                    steps.push(Edit::Text(place, b.clone()));
                }
                if was != is {
                    steps.push(Edit::Enabled(place, *is));
                }
            }
            (Self::Submenu { items: old, .. }, Self::Submenu { items: new, .. }) => {
                let inside = edits(old, new);
                if !inside.is_empty() {
                    steps.push(Edit::Inside(place, inside));
                }
            }
            (Self::Rule { .. } | Self::Line { .. } | Self::Submenu { .. }, _) => {}
        }
        steps
    }
}

fn line(id: &str, text: &str) -> Item {
    Item::Line {
        id: id.to_owned(),
        text: label(text),
        enabled: true,
    }
}

fn note(id: String, text: &str) -> Item {
    Item::Line {
        id,
        text: label(text),
        enabled: false,
    }
}

/// A problem and its next step, whole: a sentence that misses its middle tells nothing, so it goes
/// over several lines.
fn trouble(about: &str, problem: &Problem) -> Vec<Item> {
    let message = format!("⚠ {}", problem.message);
    let mut items = paragraph(&format!("problem:{about}"), &message);
    items.extend(paragraph(&format!("hint:{about}"), &problem.hint));
    items
}

/// As many notes as the text has lines when it is broken between words.
fn paragraph(id: &str, text: &str) -> Vec<Item> {
    let mut lines: Vec<String> = Vec::new();
    for word in one_line(text, PARAGRAPH_MAX).split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < LABEL_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    let numbered = lines.iter().enumerate();
    numbered
        .map(|(n, line)| note(format!("{id}:{n}"), line))
        .collect()
}

/// One line, safe to show, in which `&` is an `&` and not a keyboard shortcut.
fn label(text: &str) -> String {
    one_line(text, LABEL_MAX).replace('&', "&&")
}

#[cfg(test)]
mod tests;
