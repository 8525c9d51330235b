//! What agents and humans are told about an approval's end.

use super::answer::WORDS_MAX;
use crate::{
    Problem,
    decision::{Decision, DeniedBy, Verb, who},
    ids::{ApprovalId, TeamName},
    problem::Code,
};

/// Told to an agent whose request comes, or waits, when Iris ends.
pub const SHUTDOWN: &str = "it is shutting down, so nobody can be asked. Stop here.";
/// Told to an agent whose request comes, or waits, while it is frozen.
pub const FROZEN: &str = "the user froze you and stopped everything. Do not try again by yourself: say where you \
     stand, and wait for what the user says.";
pub(super) const SWAPPED: &str =
    "a call with this tool_use_id already waits with another input. Make a new call.";
pub(super) const LIMIT: &str =
    "too many requests already wait for the user. Wait for their answers before you ask for more.";
/// Told to an agent whose request is denied because it cannot be recorded.
pub const AUDIT: &str = "the audit log cannot be written, and nothing runs without a record. The user can see \
     that in Iris; go on without this, or try again later.";

pub(super) fn too_many_words() -> Problem {
    Problem::new(
        Code::InvalidInput,
        format!("A denial's words have {WORDS_MAX} bytes at most."),
        "Say it shorter, or deny and send the agent a message.",
    )
}

/// A denial by Iris itself: `code` is what the audit log says, `why` what the agent is told.
pub fn deny_by_iris(code: &'static str, why: &str) -> Decision {
    Decision::Deny {
        by: DeniedBy::Iris(code),
        message: format!("Denied by Iris: {why}"),
    }
}

/// A denial with what the agent is told: who denied, why, and what it can do instead. `words` are
/// the human's own.
pub fn tell(by: DeniedBy, tool: &str, words: Option<&str>) -> Decision {
    let words = words.map(str::trim).filter(|words| !words.is_empty());
    let message = match &by {
        DeniedBy::Human(human) => match words {
            Some(words) => format!("{} denied {tool}: {words}", human.user),
            None => format!(
                "{} denied {tool}. Do not try the same thing another way; go on without it, or ask what to do instead.",
                human.user
            ),
        },
        DeniedBy::Session(team, _) => match words {
            Some(words) => {
                format!("The session of {team} that gave you this task denied {tool}: {words}")
            }
            None => format!(
                "The session of {team} that gave you this task denied {tool}. Go on without it, or ask it what to do instead."
            ),
        },
        DeniedBy::Timeout => format!(
            "Denied by Iris: nobody answered the request to use {tool} in time. Go on without it and say so in your answer; \
             ask for the very same thing again later, as the user may allow your next try."
        ),
        DeniedBy::Withdrawn(why) => {
            format!("Denied by Iris: the request to use {tool} was withdrawn ({why}).")
        }
        DeniedBy::Lost => format!(
            "Denied by Iris: it ended while the request to use {tool} waited. Ask again if it is still needed."
        ),
        DeniedBy::Rule(list, rule) => {
            format!("Denied by Iris: the rule `{rule}` in {list} forbids {tool}.")
        }
        DeniedBy::Mode(mode) => format!("Denied by Iris: this team has grantPermission: {mode}."),
        DeniedBy::Iris(why) => format!("Denied by Iris ({why})."),
    };
    Decision::Deny { by, message }
}

/// There is none.
pub fn not_waiting(id: &ApprovalId) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("No approval {id} waits."),
        "Look at `iris pending` for those that do; one that ended is in `iris audit`.",
    )
}

pub(super) fn already(id: &ApprovalId, verb: Verb, decided_by: &str) -> Problem {
    let done = match verb {
        Verb::Allow => "allowed",
        Verb::Deny => "denied",
        Verb::Noted => "ended",
    };
    Problem::new(
        Code::AlreadyDecided,
        format!("Approval {id} was already {done} by {}.", who(decided_by)),
        "Your answer changed nothing; `iris audit` shows what was decided.",
    )
}

pub(super) fn not_recorded(id: &ApprovalId) -> Problem {
    Problem::new(
        Code::Storage,
        format!(
            "Approval {id} was denied, because your answer could not be written to the audit log."
        ),
        "Free some disk space or make the database writable, then let the agent ask again.",
    )
}

pub(super) fn forbidden(by: &DeniedBy) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("It cannot be allowed: {} forbids it.", who(&by.to_string())),
        "Deny it, or change the team's approvalPolicy first.",
    )
}

pub(super) fn team_gone(team: &TeamName) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("It cannot be allowed: the team {team} is no longer in the config."),
        "Deny it, or add the team again first.",
    )
}

pub(super) fn not_forwarded(id: &ApprovalId) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("Approval {id} is not yours to decide."),
        "permissions_pending lists those of the sessions that you gave a task.",
    )
}

pub(super) fn once_only(id: &ApprovalId) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!(
            "Approval {id} can be allowed once and as it is; only the user edits or grants more."
        ),
        "Allow it as it is, or deny it and say what to do instead.",
    )
}

pub(super) fn wider_than_own(id: &ApprovalId, team: &TeamName, why: &str) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("{team} may not do that itself, so it cannot allow approval {id}. {why}"),
        "Deny it and say what to do instead, or leave it to the user.",
    )
}

pub(super) fn passed_on(id: &ApprovalId, above: Option<&TeamName>) -> Problem {
    let whom = above.map_or_else(
        || "the user".to_owned(),
        |team| format!("the session of {team} that gave you your task"),
    );
    Problem::new(
        Code::Forbidden,
        format!(
            "You would be asked yourself for what approval {id} wants, so it was passed on to {whom}."
        ),
        "Nothing more is to be done; permissions_pending no longer lists it.",
    )
}
