//! What is posted to webhooks: which events there are, and which of them two snapshots differ by.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    Problem,
    freeze::FrozenView,
    ids::TeamName,
    outside,
    snapshot::{ApprovalView, LinkState, Snapshot, TeamState, TeamView},
};

/// What can be posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EventKind {
    /// A request waits for a person.
    #[serde(rename = "approval.asked")]
    ApprovalAsked,
    /// It does not wait any more.
    #[serde(rename = "approval.ended")]
    ApprovalEnded,
    /// A team does not work.
    #[serde(rename = "team.trouble")]
    TeamTrouble,
    /// The link to a team's host is lost.
    #[serde(rename = "link.lost")]
    LinkLost,
    /// A team, or everything, is frozen.
    #[serde(rename = "freeze")]
    Freeze,
    /// It is not frozen any more.
    #[serde(rename = "thaw")]
    Thaw,
    /// Something is wrong with Iris itself.
    #[serde(rename = "iris.trouble")]
    IrisTrouble,
}

impl EventKind {
    /// The names, as the config takes them.
    pub const NAMES: &[&str] = &[
        "approval.asked",
        "approval.ended",
        "team.trouble",
        "link.lost",
        "freeze",
        "thaw",
        "iris.trouble",
    ];

    /// As written in the config, and in `X-Iris-Event`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalAsked => "approval.asked",
            Self::ApprovalEnded => "approval.ended",
            Self::TeamTrouble => "team.trouble",
            Self::LinkLost => "link.lost",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::IrisTrouble => "iris.trouble",
        }
    }
}

/// The longest input that stands in a body, bytes of its JSON: what is longer is told by its summary and digest.
const INPUT_MAX: usize = 2048;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// What about: the fields that its body has besides `id`, `event`, `time` and `version`.
    pub about: Map<String, Value>,
}

impl Event {
    fn new(kind: EventKind, key: &str, about: Value) -> Self {
        Self {
            kind,
            about: Map::from_iter([(key.to_owned(), about)]),
        }
    }
}

/// The body of a post. `name` is that of the event; the same `id` again is the same event again.
pub fn body(name: &str, id: uuid::Uuid, time: Timestamp, about: &Map<String, Value>) -> String {
    let mut body = about.clone();
    body.insert("event".to_owned(), name.into());
    body.insert("id".to_owned(), id.to_string().into());
    body.insert("time".to_owned(), time.to_string().into());
    body.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    Value::Object(body).to_string()
}

/// What happened between two snapshots. What began and ended between them is told by its end.
pub fn events(before: &Snapshot, after: &Snapshot) -> Vec<Event> {
    let mut events = Vec::new();
    approvals(before, after, &mut events);
    freezes(before, after, &mut events);
    for team in &after.teams {
        let earlier = before
            .teams
            .iter()
            .find(|earlier| earlier.name == team.name);
        if let Some(earlier) = earlier {
            team_events(earlier, team, &mut events);
        }
    }
    for problem in &after.problems {
        if !before.problems.contains(problem) {
            let about = json!(problem);
            events.push(Event::new(EventKind::IrisTrouble, "problem", about));
        }
    }
    events
}

fn approvals(before: &Snapshot, after: &Snapshot, events: &mut Vec<Event>) {
    let was: BTreeMap<_, _> = before.approvals.iter().map(|it| (&it.id, it)).collect();
    let is: BTreeSet<_> = after.approvals.iter().map(|it| &it.id).collect();
    let ended_before: BTreeSet<_> = before.recent.iter().map(|it| &it.id).collect();
    let ended: BTreeMap<_, _> = after.recent.iter().map(|it| (&it.id, it)).collect();
    // The oldest first.
    for one in after.recent.iter().rev() {
        if !ended_before.contains(&one.id) && !was.contains_key(&one.id) {
            events.push(Event::new(EventKind::ApprovalEnded, "approval", json!(one)));
        }
    }
    for view in before.approvals.iter().filter(|it| !is.contains(&it.id)) {
        let about = match ended.get(&view.id) {
            Some(one) => json!(one),
            // More ended at once than a snapshot tells of.
            None => json!({
                "id": view.id, "team": view.team, "tool": view.tool, "summary": outside::summary(view),
            }),
        };
        events.push(Event::new(EventKind::ApprovalEnded, "approval", about));
    }
    for view in after.for_human() {
        if !was
            .get(&view.id)
            .is_some_and(|earlier| earlier.is_for_human())
        {
            events.push(Event::new(
                EventKind::ApprovalAsked,
                "approval",
                asked(view),
            ));
        }
    }
}

fn asked(view: &ApprovalView) -> Value {
    let mut about = json!({
        "id": view.id,
        "team": view.team,
        "session": view.session,
        "from": view.from,
        "host": view.host,
        "path": view.path,
        "tool": view.tool,
        "summary": outside::summary(view),
        "why": view.why,
        "digest": view.digest,
        "createdAt": view.created_at,
        "expiresAt": view.expires_at,
    });
    if let Some(input) = outside::small_input(view, INPUT_MAX) {
        about["input"] = input;
    }
    about
}

fn freezes(before: &Snapshot, after: &Snapshot, events: &mut Vec<Event>) {
    let mut tell = |team: Option<&TeamName>, was: bool, is: Option<&FrozenView>| {
        let kind = match (was, is) {
            (false, Some(_)) => EventKind::Freeze,
            (true, None) => EventKind::Thaw,
            (false, None) | (true, Some(_)) => return,
        };
        let mut event = Event::new(kind, "team", json!(team));
        if let Some(frozen) = is {
            event.about.insert("frozen".to_owned(), json!(frozen));
        }
        events.push(event);
    };
    tell(None, before.frozen.is_some(), after.frozen.as_ref());
    if before.frozen.is_some() != after.frozen.is_some() {
        // That of all is told.
        return;
    }
    for team in &after.teams {
        let earlier = before
            .teams
            .iter()
            .find(|earlier| earlier.name == team.name);
        let was = earlier.is_some_and(|earlier| earlier.frozen.is_some());
        tell(Some(&team.name), was, team.frozen.as_ref());
    }
}

fn team_events(earlier: &TeamView, team: &TeamView, events: &mut Vec<Event>) {
    let about = |problem: Option<&Problem>| json!({ "name": team.name, "host": team.host, "problem": problem });
    if team.state == TeamState::Trouble && earlier.state != TeamState::Trouble {
        let about = about(team.problem.as_ref());
        events.push(Event::new(EventKind::TeamTrouble, "team", about));
    }
    let (Some(was), Some(is)) = (&earlier.link, &team.link) else {
        return;
    };
    let stood = matches!(was.state, LinkState::Up | LinkState::Degraded);
    let gone = matches!(is.state, LinkState::Reconnecting | LinkState::NeedsYou);
    if stood && gone {
        let about = about(is.problem.as_ref());
        events.push(Event::new(EventKind::LinkLost, "team", about));
    }
}

#[cfg(test)]
mod tests;
