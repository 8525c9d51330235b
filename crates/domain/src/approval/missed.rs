//! Requests that nobody answered in time, and what a human may still do about them.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::{
    Problem,
    audit::Draft,
    decision::{Human, who},
    ids::ApprovalId,
    problem::Code,
    request::ToolRequest,
    snapshot::{ApprovalView, MissedView},
};

/// How long the agent has for its next try after a human allowed what was missed: an agent that goes
/// on without comes back to it within that, and a permission that nobody used ends soon.
pub const NEXT_TRY: SignedDuration = SignedDuration::from_mins(30);
/// How many are remembered: a night of an agent that asks every few minutes.
pub const MISSED_MAX: usize = 200;

#[derive(Debug, Clone)]
struct Entry {
    view: MissedView,
    digest: String,
    allowed: Option<(Human, Timestamp)>,
}

/// Those that were missed, newest first.
#[derive(Debug, Default)]
pub(super) struct Missed(VecDeque<Entry>);

impl Missed {
    /// Nobody answered this one. The same request, missed again, takes its place.
    pub fn add(&mut self, view: &ApprovalView, now: Timestamp) {
        self.put(
            MissedView {
                id: view.id.clone(),
                team: view.team.clone(),
                session: view.session,
                host: view.host.clone(),
                tool: view.tool.clone(),
                input: view.input.clone(),
                summary: view.summary.clone(),
                why: view.why.clone(),
                time: now,
                allowed_until: None,
            },
            view.digest.clone(),
        );
    }

    /// This one waited when the last Iris ended. `None`: its record names no team or session.
    pub fn add_lost(&mut self, id: ApprovalId, row: &Draft) -> Option<()> {
        let request = ToolRequest {
            tool: row.tool.clone(),
            input: row.input.clone(),
            tool_use_id: String::new(),
        };
        self.put(
            MissedView {
                id,
                team: row.team.parse().ok()?,
                session: row.session.parse().ok()?,
                host: row.host.clone(),
                summary: request.summary(),
                tool: request.tool,
                input: request.input,
                why: row.why.clone(),
                time: row.time,
                allowed_until: None,
            },
            row.digest.clone(),
        );
        Some(())
    }

    fn put(&mut self, view: MissedView, digest: String) {
        self.0.retain(|entry| entry.digest != digest);
        self.0.push_front(Entry {
            view,
            digest,
            allowed: None,
        });
        self.0.truncate(MISSED_MAX);
    }

    /// What surfaces show.
    pub fn views(&self) -> Vec<MissedView> {
        self.0.iter().map(|entry| entry.view.clone()).collect()
    }

    /// The request of one, to be looked at by the rules that hold now.
    pub fn view(&self, id: &ApprovalId) -> Option<&MissedView> {
        self.0
            .iter()
            .map(|entry| &entry.view)
            .find(|view| view.id == *id)
    }

    /// A human allows the next try.
    pub fn allow(
        &mut self,
        id: &ApprovalId,
        human: Human,
        now: Timestamp,
    ) -> Result<MissedView, Problem> {
        let entry = self.0.iter_mut().find(|entry| entry.view.id == *id);
        let entry = entry.ok_or_else(|| not_missed(id))?;
        let until = now.checked_add(NEXT_TRY).unwrap_or(now);
        entry.allowed = Some((human, until));
        entry.view.allowed_until = Some(until);
        Ok(entry.view.clone())
    }

    /// A human does not want to see it any more. What they allowed ends with it.
    pub fn dismiss(&mut self, id: &ApprovalId) -> Result<MissedView, Problem> {
        let at = self.0.iter().position(|entry| entry.view.id == *id);
        at.and_then(|at| self.0.remove(at))
            .map(|entry| entry.view)
            .ok_or_else(|| not_missed(id))
    }

    /// The agent tries again: who allowed that, and the reason for the record. Once.
    pub fn take(&mut self, digest: &str, now: Timestamp) -> Option<(Human, String)> {
        let at = self.0.iter().position(|entry| {
            entry.digest == digest
                && entry
                    .allowed
                    .as_ref()
                    .is_some_and(|(_, until)| now < *until)
        })?;
        let (human, _) = self.0.remove(at)?.allowed?;
        let name = who(&format!("human:{}:{}", human.surface, human.user));
        let why = format!(
            "{name} allowed the next try of this request, which nobody had answered in time."
        );
        Some((human, why))
    }
}

/// There is none.
pub fn not_missed(id: &ApprovalId) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("No missed request {id} is there any more."),
        "`iris pending` lists what waits and what was missed.",
    )
}
