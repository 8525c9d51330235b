//! What the press of a button means, and whether it counts.

use serde_json::Value;

use super::{
    Now, Place,
    blocks::{self, ALLOW, DENY, DETAILS, QUESTION},
};
use crate::{
    Problem,
    config::SlackSettings,
    decision::{Answer, Human, Surface, Verb, who},
    display::one_line,
    ids::ApprovalId,
    problem::Code,
};

/// The longest name of a person that is kept: Slack's have 80 characters at most.
const NAME_MAX: usize = 80;

/// A button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// *Approve*.
    Allow,
    /// *Deny*.
    Deny,
    /// *Details*.
    Details,
}

impl Action {
    /// As written in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Details => "details",
        }
    }
}

/// Somebody pressed a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// Their id, which nobody can choose.
    pub user: String,
    /// Their name, which they can.
    pub name: String,
    /// Which button.
    pub action: Action,
    /// Of which approval.
    pub id: ApprovalId,
    /// The digest of what the message showed.
    pub digest: String,
    /// Which message.
    pub place: Place,
}

/// What a press asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// To answer.
    Answer(Answer),
    /// To see the whole: this is to be shown.
    Details(Value),
    /// Nothing that may be done; they are told.
    Refused(Problem),
    /// Who pressed it may not answer: they are told, and it is written down.
    Stranger(Problem),
}

impl Press {
    /// The presses in what Slack sends when buttons are pressed; those of other things are left out.
    pub fn read(payload: &Value) -> Vec<Self> {
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
        let (Some("block_actions"), Some(user)) = (text("/type"), text("/user/id")) else {
            return Vec::new();
        };
        let name = text("/user/username")
            .or(text("/user/name"))
            .unwrap_or(user);
        let place = Place {
            channel: text("/container/channel_id")
                .or(text("/channel/id"))
                .unwrap_or_default()
                .to_owned(),
            ts: text("/container/message_ts").unwrap_or_default().to_owned(),
        };
        let actions = payload.get("actions").and_then(Value::as_array);
        let press = |action: &Value| {
            let of = |key: &str| action.get(key).and_then(Value::as_str);
            let (id, digest) = of("value")?.split_once(' ')?;
            Some(Self {
                user: one_line(user, NAME_MAX),
                name: one_line(name, NAME_MAX),
                action: match of("action_id")? {
                    ALLOW => Action::Allow,
                    DENY => Action::Deny,
                    DETAILS => Action::Details,
                    _ => return None,
                },
                id: ApprovalId(id.to_owned()),
                digest: digest.to_owned(),
                place: place.clone(),
            })
        };
        actions.into_iter().flatten().filter_map(press).collect()
    }

    /// Who pressed it, as the audit log and the agent are told: the name for people, the id for certainty.
    pub fn human(&self) -> Human {
        Human {
            surface: Surface::Slack,
            user: format!("{} {}", self.name, self.user),
        }
    }

    /// What may be done about it.
    pub fn asks<'n>(&self, settings: &SlackSettings, now: impl Into<Now<'n>>) -> Asked {
        let now = now.into();
        if !settings.may_answer(&self.user) {
            return Asked::Stranger(Problem::new(
                Code::Forbidden,
                "You may not answer for this Iris.",
                "Whoever runs it can add your member id to `settings.slack.approvers`.",
            ));
        }
        let Some(view) = now.waiting(&self.id) else {
            // Without what waits, its digest cannot be compared, so this cannot be an answer.
            return Asked::Refused(self.late(now));
        };
        if view.digest != self.digest {
            return Asked::Refused(Problem::new(
                Code::Conflict,
                "What waits under this name is not what this message shows.",
                "Answer in Iris.",
            ));
        }
        match self.action {
            Action::Details => Asked::Details(blocks::details(view)),
            Action::Allow | Action::Deny if view.tool == QUESTION => Asked::Refused(Problem::new(
                Code::InvalidInput,
                "A question wants an answer, not a yes or no.",
                "Answer it in Iris.",
            )),
            Action::Allow => Asked::Answer(Answer::ALLOW_ONCE),
            Action::Deny => Asked::Answer(Answer::DENY),
        }
    }

    /// Who answered, where that is known.
    fn late(&self, now: Now<'_>) -> Problem {
        let id = one_line(&self.id.0, NAME_MAX);
        match now.ended(&self.id) {
            Some(ended) => Problem::new(
                Code::AlreadyDecided,
                format!(
                    "Approval {id} was already {} by {}.",
                    match ended.decision {
                        Verb::Allow => "allowed",
                        Verb::Deny => "denied",
                        Verb::Noted => "ended",
                    },
                    who(&ended.decided_by)
                ),
                "Your press changed nothing.",
            ),
            None => Problem::new(
                Code::NotFound,
                format!("Approval {id} does not wait any more."),
                "The audit log of Iris has what became of it.",
            ),
        }
    }
}
