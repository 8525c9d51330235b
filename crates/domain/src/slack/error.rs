//! What Slack's refusals mean, by the code in its answers.

use crate::{Problem, problem::Code};

/// What to make of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A token does not do: nothing can go on until a human mends it.
    Token(Problem),
    /// The channel cannot be written to, which a human can mend in Slack.
    Channel(Problem),
    /// The message that was to be changed is gone.
    Gone,
    /// Slack is in trouble itself, or busy: later.
    Later,
    /// This one call is not possible.
    Never,
}

/// The meaning of `code`, which Slack answered to `method`.
pub fn refusal(method: &str, code: &str) -> Refusal {
    let (token, scope, put) = match method {
        "apps.connections.open" => (
            "the app-level token (`appToken`)",
            "connections:write",
            "Make an app-level token with the scope `connections:write`, put it away with `iris secrets set`, and turn Socket Mode on.",
        ),
        _ => (
            "the bot's token (`botToken`)",
            "chat:write",
            "Install the app with the scope `chat:write`, and put the bot's token away with `iris secrets set`.",
        ),
    };
    match code {
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type"
        | "org_login_required"
        | "ekm_access_denied"
        | "access_denied"
        | "user_is_bot"
        | "forbidden_team" => Refusal::Token(Problem::new(
            Code::Forbidden,
            format!("Slack does not take {token}: {code}."),
            put,
        )),
        "missing_scope" | "no_permission" => Refusal::Token(Problem::new(
            Code::Forbidden,
            format!("{token} lacks the scope `{scope}`.").replacen("the", "The", 1),
            put,
        )),
        "channel_not_found"
        | "not_in_channel"
        | "is_archived"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_non_threadable_channel"
        | "user_not_in_channel"
        | "cannot_dm_bot"
        | "messages_tab_disabled" => Refusal::Channel(Problem::new(
            Code::Forbidden,
            format!("Slack does not let Iris write to the channel: {code}."),
            "Invite the app to the channel (`/invite @Iris`), or mend `settings.slack.channel`.",
        )),
        "message_not_found" | "cant_update_message" | "edit_window_closed" | "update_failed" => {
            Refusal::Gone
        }
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "message_limit_exceeded" => Refusal::Later,
        _ => Refusal::Never,
    }
}
