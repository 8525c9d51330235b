//! Slack and webhooks, as the running Iris sees them.

use iris_domain::snapshot::{SlackState, SlackView, WebhookView};

use super::Check;

/// A check of each that is configured.
pub fn check(slack: Option<&SlackView>, webhooks: &[WebhookView]) -> Vec<Check> {
    let slack = slack.map(|slack| {
        let found = match &slack.problem {
            Some(problem) => format!("{}: {}", slack.state.as_str(), problem.message),
            None => format!("{}, channel {}", slack.state.as_str(), slack.channel),
        };
        let fix = slack.problem.as_ref().map(|problem| problem.hint.as_str());
        match slack.state {
            SlackState::Up => Check::ok("slack", found),
            SlackState::Connecting | SlackState::Reconnecting => Check::warning(
                "slack",
                found,
                fix.unwrap_or("Iris tries by itself; look again in a moment."),
            ),
            SlackState::NeedsYou => Check::failed(
                "slack",
                found,
                fix.unwrap_or("`iris slack test` says more."),
            ),
        }
    });
    let webhooks = webhooks.iter().map(|hook| {
        let found = format!("{}, {} events lost", hook.url, hook.lost);
        match &hook.problem {
            Some(problem) => Check::warning(
                "webhook",
                format!("{found}: {}", problem.message),
                problem.hint.as_str(),
            ),
            None => Check::ok("webhook", found),
        }
    });
    slack.into_iter().chain(webhooks).collect()
}
