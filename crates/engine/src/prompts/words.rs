//! What is written down of an answer, and what a human is told who could not give one.

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    decision::{AllowedBy, DeniedBy, Human, Verb},
    ids::Party,
    problem::Code,
    prompt::{PromptId, PromptKind, Waiting},
};
use serde_json::json;

use crate::{clock, secrets::Secret};

/// The row of a human's answer. What a host's key was answered with stands in it; a secret never.
pub(super) fn answered(waiting: &Waiting, text: &Secret, remember: bool, human: Human) -> Draft {
    let (said, decision) = match &waiting.view.kind {
        PromptKind::HostKey { .. } | PromptKind::Confirm => {
            let verb = match text.expose() {
                "yes" => Verb::Allow,
                _ => Verb::Deny,
            };
            (json!(text.expose()), verb)
        }
        PromptKind::Passphrase { .. }
        | PromptKind::Password { .. }
        | PromptKind::Code
        | PromptKind::Touch
        | PromptKind::Other => (json!("[redacted]"), Verb::Allow),
    };
    let by = match decision {
        Verb::Deny => DeniedBy::Human(human).to_string(),
        Verb::Allow | Verb::Noted => AllowedBy::Human(human).to_string(),
    };
    Draft {
        caller: Party::CONSOLE.to_owned(),
        host: waiting.view.host.clone(),
        input: json!({ "asked": waiting.view.kind, "answer": said, "remember": remember }),
        decision,
        decided_by: by,
        ..Draft::event(clock::now(), Kind::Operation, "prompt.answered")
    }
}

/// The row of a prompt that a human gave up.
pub(super) fn cancelled(waiting: &Waiting, human: Human) -> Draft {
    Draft {
        caller: Party::CONSOLE.to_owned(),
        host: waiting.view.host.clone(),
        input: json!({ "asked": waiting.view.kind }),
        decision: Verb::Deny,
        decided_by: DeniedBy::Human(human).to_string(),
        ..Draft::event(clock::now(), Kind::Operation, "prompt.cancelled")
    }
}

/// The row of an answer that was remembered.
pub(super) fn remembered(name: &str, host: String) -> Draft {
    Draft {
        host,
        input: json!({ "secret": name }),
        decision: Verb::Allow,
        decided_by: "remembered".to_owned(),
        ..Draft::event(clock::now(), Kind::Operation, "prompt.answered")
    }
}

pub(super) fn not_waiting(id: &PromptId) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("No prompt `{id}` is waiting."),
        "`iris prompts` lists those that wait.",
    )
}

pub(super) fn answered_already() -> Problem {
    Problem::new(
        Code::AlreadyDecided,
        "Someone else answered first.",
        "`iris audit` says who it was.",
    )
}

pub(super) fn gone() -> Problem {
    Problem::new(
        Code::NotFound,
        "ssh did not wait for the answer any longer.",
        "It connects anew and asks again; `iris prompts` shows it.",
    )
}

pub(super) fn not_rememberable() -> Problem {
    Problem::new(
        Code::InvalidInput,
        "The answer to this question cannot be remembered.",
        "Answer it without remembering; only passphrases of keys and passwords are kept.",
    )
}
