//! The audit history against other rules: what a grant would have let through, and what a draft of
//! the policy would decide otherwise.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    audit::{Kind, Row},
    decision::{AllowedBy, Verb},
    grant::Live,
    ids::TeamName,
    policy::{Policy, Verdict},
    request::ToolRequest,
};

/// How many requests a preview looks back on: a day or two of a busy team, decided in milliseconds.
pub const PREVIEW_MAX: u32 = 500;
/// How many of them it shows: what fits beside the question.
pub const RISKIEST: usize = 3;

/// A request of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// What is shown of it.
    pub seen: Seen,
    request: ToolRequest,
}

/// A request of the past, as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Seen {
    /// Its row.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub seq: u64,
    /// When it was decided.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub time: Timestamp,
    /// Whose agent asked.
    pub team: TeamName,
    /// The tool.
    pub tool: String,
    /// The heart of the input, in one line.
    pub summary: String,
    /// How it was decided.
    pub decision: Verb,
    /// By whom or what, as in the audit log.
    pub decided_by: String,
}

impl Past {
    /// Of a row of the audit log; `None`: it is no request.
    pub fn of(row: &Row) -> Option<Self> {
        let draft = &row.draft;
        // Refused before it could be read: its row has no input of a tool.
        if draft.kind != Kind::Permission || draft.decided_by.starts_with("iris:") {
            return None;
        }
        let request = ToolRequest {
            tool: draft.tool.clone(),
            input: asked(&draft.input).clone(),
            tool_use_id: String::new(),
        };
        Some(Self {
            seen: Seen {
                seq: row.seq,
                time: draft.time,
                team: draft.team.parse().ok()?,
                tool: draft.tool.clone(),
                summary: request.summary(),
                decision: draft.decision,
                decided_by: draft.decided_by.clone(),
            },
            request,
        })
    }
}

/// What was asked, where a human allowed something else.
fn asked(input: &Value) -> &Value {
    match (input.as_object(), input.get("asked"), input.get("ran")) {
        (Some(object), Some(asked), Some(_)) if object.len() == 2 => asked,
        _ => input,
    }
}

/// What a grant would have let through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Matched {
    /// Requests that were looked at.
    pub of: usize,
    /// Those that the team's rules do not allow and the grant would have.
    pub matched: usize,
    /// Of these, those that a human denied.
    pub denied: usize,
    /// Of these, those that could do most harm, the worst first.
    pub riskiest: Vec<Seen>,
}

fn was_denied(past: &Past) -> bool {
    past.seen.decision == Verb::Deny && past.seen.decided_by.starts_with("human:")
}

/// What a grant like this would have let through.
pub fn matched(policy: &Policy, grant: &Live, past: &[Past]) -> Matched {
    let newly = |past: &&Past| {
        matches!(
            policy.evaluate_with(&past.request, &[grant]),
            Verdict::Allow {
                by: AllowedBy::Grant(_),
                ..
            }
        )
    };
    let hits: Vec<&Past> = past.iter().filter(newly).collect();
    let mut worst: Vec<(bool, u32, &Past)> = hits
        .iter()
        .map(|past| (was_denied(past), policy.risk(&past.request), *past))
        .collect();
    // The newest first among those that are as bad.
    worst.sort_by_key(|(denied, risk, past)| std::cmp::Reverse((*denied, *risk, past.seen.seq)));
    let mut riskiest: Vec<Seen> = Vec::new();
    for (_, _, past) in worst {
        let same = |seen: &Seen| seen.tool == past.seen.tool && seen.summary == past.seen.summary;
        if riskiest.len() < RISKIEST && !riskiest.iter().any(same) {
            riskiest.push(past.seen.clone());
        }
    }
    Matched {
        of: past.len(),
        matched: hits.len(),
        denied: hits.iter().filter(|past| was_denied(past)).count(),
        riskiest,
    }
}

/// A request that a draft would decide otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Differs {
    /// The request.
    #[serde(flatten)]
    #[cfg_attr(feature = "bindings", ts(flatten))]
    pub seen: Seen,
    /// What the rules that hold say to it: `allow`, `deny` or `ask`.
    pub now: String,
    /// What the draft says.
    pub then: String,
    /// Why, for people.
    pub why: String,
    /// How much harm it could do, and whether a human denied it: to sort by.
    #[serde(skip)]
    #[cfg_attr(feature = "bindings", ts(skip))]
    weight: (bool, u32),
}

/// What a draft of the policy would decide otherwise than the rules that hold. Newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Replay {
    /// Requests that were looked at.
    pub of: usize,
    /// Allowed now.
    pub newly_allowed: Vec<Differs>,
    /// Asked now.
    pub newly_asked: Vec<Differs>,
    /// Denied now.
    pub newly_denied: Vec<Differs>,
}

impl Replay {
    /// One more request, under the rules that hold and under the draft. `None`: there is no such team
    /// there, so everything is denied.
    pub fn add(&mut self, past: &Past, now: Option<&Policy>, draft: Option<&Policy>) {
        self.of += 1;
        let verdict = |policy: Option<&Policy>| policy.map(|policy| policy.evaluate(&past.request));
        let word = |verdict: &Option<Verdict>| verdict.as_ref().map_or("deny", Verdict::word);
        let (before, after) = (verdict(now), verdict(draft));
        if word(&before) == word(&after) {
            return;
        }
        let why = after
            .as_ref()
            .map_or("There is no such team in the draft.", Verdict::why);
        let risk = now.or(draft).map(|policy| policy.risk(&past.request));
        let risk = risk.unwrap_or_default();
        let differs = Differs {
            seen: past.seen.clone(),
            now: word(&before).to_owned(),
            then: word(&after).to_owned(),
            why: why.to_owned(),
            weight: (was_denied(past), risk),
        };
        match word(&after) {
            "allow" => self.newly_allowed.push(differs),
            "ask" => self.newly_asked.push(differs),
            _ => self.newly_denied.push(differs),
        }
    }

    /// The same with the riskiest first, after those that a human denied.
    #[must_use]
    pub fn riskiest_first(mut self) -> Self {
        for list in [
            &mut self.newly_allowed,
            &mut self.newly_asked,
            &mut self.newly_denied,
        ] {
            list.sort_by_key(|one| std::cmp::Reverse((one.weight, one.seen.seq)));
        }
        self
    }
}

/// What would come of an edit of rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Consequences {
    /// What it would have decided otherwise, the riskiest first.
    #[serde(flatten)]
    #[cfg_attr(feature = "bindings", ts(flatten))]
    pub replay: Replay,
    /// What the config file becomes.
    pub config: Edited,
}

/// What a grant means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Preview {
    /// Its rules; empty for one input only.
    pub rules: Vec<String>,
    /// What it would have let through of the team's last requests.
    #[serde(flatten)]
    #[cfg_attr(feature = "bindings", ts(flatten))]
    pub matched: Matched,
    /// What the config file would become if it were always allowed; absent where no rule can say it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub config: Option<Edited>,
}

/// The config file's text as it may be shown, now and then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Edited {
    /// Now.
    pub before: String,
    /// Then.
    pub after: String,
}

/// What would happen to a request, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Explained {
    /// `allow`, `deny` or `ask`.
    pub verdict: String,
    /// Who or what decides, as in the audit log; `human` or the session's team for `ask`.
    pub by: String,
    /// In words.
    pub why: String,
}

impl Explained {
    /// Of a verdict.
    pub fn of(verdict: &Verdict) -> Self {
        Self {
            verdict: verdict.word().to_owned(),
            by: match verdict {
                Verdict::Allow { by, .. } => by.to_string(),
                Verdict::Deny { by, .. } => by.to_string(),
                Verdict::Ask { .. } => "human".to_owned(),
                Verdict::Forward { .. } => "session".to_owned(),
            },
            why: verdict.why().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
