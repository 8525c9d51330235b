//! Slack and webhooks as a surface edits them: secrets by their names, addresses of webhooks without their paths.

use std::borrow::Cow;

use iris_domain::{
    Problem,
    config::{Change, Config, KEYCHAIN, Set, SlackSettings, Webhook},
    problem::Code,
    webhook::EventKind,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ConfigFile;

/// `settings.slack` as it is edited. `apiUrl` is left as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlackEdit {
    /// The id of the channel.
    pub channel: String,
    /// The ids of the people who may answer.
    pub approvers: Vec<String>,
    /// The name of the app-level token in the keychain.
    pub app_token: String,
    /// The name of the bot's token in the keychain.
    pub bot_token: String,
}

/// A new webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookEdit {
    /// Its address.
    pub url: String,
    /// The name of what it is signed with in the keychain.
    pub secret: String,
    /// Which events; all, when absent.
    #[serde(default)]
    pub events: Option<Vec<EventKind>>,
}

/// A webhook that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookItem {
    /// Its address without the path.
    pub url: String,
    /// The name of what it is signed with in the keychain.
    pub secret: String,
    /// Which events; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventKind>>,
}

/// What is configured, for a surface to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideSettings {
    /// Slack; absent: not configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackEdit>,
    /// The webhooks, in the order of the file.
    pub webhooks: Vec<WebhookItem>,
}

impl OutsideSettings {
    fn of(config: &Config) -> Self {
        let slack = |slack: &SlackSettings| SlackEdit {
            channel: slack.channel.clone(),
            approvers: slack.approvers.clone(),
            app_token: slack.app_token.name().to_owned(),
            bot_token: slack.bot_token.name().to_owned(),
        };
        let webhook = |hook: &Webhook| WebhookItem {
            url: hook.shown(),
            secret: hook.secret.name().to_owned(),
            events: hook.events.clone(),
        };
        Self {
            slack: config.settings.slack.as_ref().map(slack),
            webhooks: config.settings.webhooks.iter().map(webhook).collect(),
        }
    }
}

fn named(name: &str) -> Value {
    format!("{KEYCHAIN}{name}").into()
}

fn field(name: &'static str, value: impl Into<Value>) -> (Cow<'static, str>, Option<Value>) {
    (name.into(), Some(value.into()))
}

impl ConfigFile {
    /// What is set for Slack and webhooks.
    pub fn outside(&self) -> OutsideSettings {
        OutsideSettings::of(&self.config.borrow())
    }

    /// Sets Slack up, or with `None` takes it out; returns when that holds. `Config`: it cannot be so.
    pub async fn edit_slack(&self, edit: Option<SlackEdit>) -> Result<(), Problem> {
        let fields: Set = match edit {
            Some(edit) => vec![
                field("slack.channel", edit.channel),
                field("slack.approvers", edit.approvers),
                field("slack.appToken", named(&edit.app_token)),
                field("slack.botToken", named(&edit.bot_token)),
            ],
            None => vec![("slack".into(), None)],
        };
        self.change(Change::Settings { fields }).await
    }

    /// Adds a webhook; returns when it is there. `Config`: it cannot be so.
    pub async fn add_webhook(&self, edit: WebhookEdit) -> Result<(), Problem> {
        let mut fields = vec![field("url", edit.url), field("secret", named(&edit.secret))];
        if let Some(events) = edit.events {
            fields.push(field("events", json!(events)));
        }
        self.change(Change::AddWebhook { fields }).await
    }

    /// Takes the webhook at this place out, if its address, as shown, is this one.
    pub async fn remove_webhook(&self, at: usize, url: &str) -> Result<(), Problem> {
        let shown = self.outside().webhooks;
        if shown.get(at).is_none_or(|hook| hook.url != url) {
            return Err(Problem::new(
                Code::Conflict,
                "The list of webhooks has changed meanwhile.",
                "Look at it again.",
            ));
        }
        self.change(Change::RemoveWebhook { at }).await
    }
}
