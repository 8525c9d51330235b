//! Native notifications: a hint that something waits. Everything works without them.
//!
//! Answers to approvals must be believed. On Linux our own D-Bus client takes them: notify-rust
//! 4.19 accepts a forged answer, can lose a quick one and waits for ever on a dead daemon (all
//! three measured). Plain information, which nobody answers, goes through notify-rust everywhere.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use std::{fmt, time::Duration};

use iris_domain::{
    Problem,
    announce::{Announced, Announcer, Mood},
    config::Settings,
    display::one_line,
    ids::ApprovalId,
    prompt::PromptView,
    snapshot::{ApprovalView, Snapshot, TeamState},
};
use iris_engine::clock;
use jiff::{civil::Time, tz::TimeZone};

#[cfg(target_os = "linux")]
pub(crate) use self::linux::approvals;
#[cfg(not(target_os = "linux"))]
pub(crate) use self::other::approvals;
use crate::{
    shell::{Intent, Shell, asks, is_question, place},
    windows::View,
};

/// The longest title and line, characters.
const LINE_MAX: usize = 200;

/// While it is quiet and something waits, the clock is looked at so often: a timer that was set to the
/// end of the quiet hours would be late by as long as the computer slept.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What a notification stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// One approval.
    One(ApprovalId),
    /// Several, as one.
    Many,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(id) => write!(f, "{id}"),
            Self::Many => f.write_str("several"),
        }
    }
}

/// A notification that is to be on the screen.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    about: About,
    title: String,
    body: String,
    buttons: &'static [(&'static str, &'static str)],
}

/// What speaks for or against telling the user now.
fn mood(settings: &Settings, watched: bool, now: Time) -> Mood {
    if !settings.notifications {
        Mood::Off
    } else if watched {
        Mood::Watched
    } else if settings.quiet_hours.is_some_and(|hours| hours.hold(now)) {
        Mood::Quiet
    } else {
        Mood::Open
    }
}

/// The notifications that are to be on the screen now, and after what time that may be others although
/// nothing happened.
fn wanted(
    announcer: &mut Announcer,
    snapshot: &Snapshot,
    settings: &Settings,
    watched: bool,
) -> (Vec<Wanted>, Option<Duration>) {
    let zone = TimeZone::system();
    let mood = mood(
        settings,
        watched,
        clock::now().to_zoned(zone.clone()).time(),
    );
    let waiting: Vec<&ApprovalView> = snapshot.for_human().collect();
    let again = (mood == Mood::Quiet && !waiting.is_empty()).then_some(LOOK_AGAIN);
    (announced(announcer, &waiting, mood, &zone), again)
}

fn announced(
    announcer: &mut Announcer,
    waiting: &[&ApprovalView],
    mood: Mood,
    zone: &TimeZone,
) -> Vec<Wanted> {
    match announcer.step(waiting, mood) {
        Announced::Each(ids) => {
            let told = waiting.iter().filter(|view| ids.contains(&view.id));
            told.map(|view| Wanted {
                about: About::One(view.id.clone()),
                title: title(view),
                body: body(view, zone),
                buttons: buttons(view),
            })
            .collect()
        }
        Announced::Together(counts) => vec![Wanted {
            about: About::Many,
            title: counts.title(),
            body: one_line(&counts.by_team(), LINE_MAX),
            buttons: &[("details", "Details"), ("default", "Open Iris")],
        }],
    }
}

/// The title of an approval's notification.
fn title(view: &ApprovalView) -> String {
    let title = match view.tool.as_str() {
        "AskUserQuestion" => format!("{} has a question", view.team),
        "ExitPlanMode" => format!("{} has a plan for you", view.team),
        tool => format!("{} wants to use {tool}", view.team),
    };
    one_line(&title, LINE_MAX)
}

/// The text of an approval's notification: what would run, where, and how long it waits.
fn body(view: &ApprovalView, zone: &TimeZone) -> String {
    let mut lines = vec![
        one_line(&view.summary, LINE_MAX),
        one_line(&place(view), LINE_MAX),
    ];
    if let Some(end) = view.expires_at {
        lines.push(format!(
            "Waits until {}",
            end.to_zoned(zone.clone()).strftime("%H:%M")
        ));
    }
    lines.join("\n")
}

/// The buttons: what the daemon gives back, and what the user reads.
fn buttons(view: &ApprovalView) -> &'static [(&'static str, &'static str)] {
    if is_question(view) {
        // A bare Allow would answer it with nothing; the window has its choices.
        return &[
            ("details", "Answer…"),
            ("deny", "Deny"),
            ("default", "Open Iris"),
        ];
    }
    &[
        ("allow", "Allow"),
        ("deny", "Deny"),
        ("details", "Details"),
        ("default", "Open Iris"),
    ]
}

/// What a button of a notification means.
fn pressed(button: &str, about: About) -> Option<Intent> {
    match (button, about) {
        ("allow", About::One(id)) => Some(Intent::Allow(id)),
        ("deny", About::One(id)) => Some(Intent::Deny(id)),
        ("details" | "default", About::One(id)) => Some(Intent::Details(id)),
        ("details" | "default", About::Many) => Some(Intent::View(View::Approvals)),
        (_, About::One(_) | About::Many) => None,
    }
}

/// Text for a daemon that reads the body as markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Plain information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    title: String,
    body: String,
}

impl Note {
    /// A question of `ssh`. It says who asks for what and no more: the window shows the rest.
    fn of_prompt(view: &PromptView) -> Self {
        Self {
            title: one_line(&asks(view), LINE_MAX),
            body: "Answer it in the window of Iris; until then its teams wait.".to_owned(),
        }
    }

    /// A problem, and what to do.
    pub(crate) fn about(title: &str, problem: &Problem) -> Self {
        Self {
            title: one_line(title, LINE_MAX),
            body: format!(
                "{}\n{}",
                one_line(&problem.message, LINE_MAX),
                one_line(&problem.hint, LINE_MAX)
            ),
        }
    }
}

/// What `ssh` asks now and did not ask before.
pub(crate) fn new_prompts<'a>(
    before: Option<&Snapshot>,
    now: &'a Snapshot,
) -> impl Iterator<Item = &'a PromptView> {
    let known: Vec<_> = before
        .into_iter()
        .flat_map(|before| &before.prompts)
        .map(|prompt| prompt.id.clone())
        .collect();
    now.prompts
        .iter()
        .filter(move |prompt| !known.contains(&prompt.id))
}

/// What happened between two snapshots that the user should hear of without looking.
pub(crate) fn news(before: &Snapshot, now: &Snapshot) -> Vec<Note> {
    let was_in_trouble = |name| {
        before
            .teams
            .iter()
            .any(|team| &team.name == name && team.state == TeamState::Trouble)
    };
    let teams = now
        .teams
        .iter()
        .filter(|team| team.state == TeamState::Trouble && !was_in_trouble(&team.name))
        .filter_map(|team| {
            let problem = team.problem.as_ref()?;
            Some(Note::about(
                &format!("{} is in trouble", team.name),
                problem,
            ))
        });
    let iris = now
        .problems
        .iter()
        .filter(|problem| !before.problems.contains(problem))
        .map(|problem| Note::about("Iris needs your attention", problem));
    let prompts = new_prompts(Some(before), now).map(Note::of_prompt);
    prompts.chain(teams).chain(iris).collect()
}

/// Shows a note, unless the user turned notifications off. Returns at once; where there is no
/// daemon, nothing is shown: tray and window say the same.
pub(crate) fn tell(shell: &Shell, note: Note) {
    if !shell.engine.config.watch().borrow().settings.notifications {
        return;
    }
    // notify-rust blocks, on Linux for as long as the daemon likes.
    let shown = tauri::async_runtime::spawn_blocking(move || {
        let body = if reads_markup() {
            escape(&note.body)
        } else {
            note.body
        };
        let mut notification = notify_rust::Notification::new();
        notification
            .appname("Iris")
            .summary(&note.title)
            .body(&body);
        notification.show().map(drop)
    });
    let told = shell.clone();
    shell.spawn(async move {
        match told.until_stopped(shown).await {
            Some(Ok(Ok(()))) | None => {}
            Some(Ok(Err(error))) => tracing::info!(%error, "no notification was shown"),
            Some(Err(error)) => tracing::warn!(%error, "the notification's thread died"),
        }
    });
}

/// Whether the daemon reads the body as markup.
#[cfg(all(unix, not(target_os = "macos")))]
fn reads_markup() -> bool {
    notify_rust::get_capabilities().is_ok_and(|can| can.iter().any(|it| it == "body-markup"))
}

/// Only freedesktop daemons do.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn reads_markup() -> bool {
    false
}

#[cfg(test)]
mod tests;
