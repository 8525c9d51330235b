//! Whom Iris tells what happens: Slack, and webhooks. Both are off until they are configured.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::webhook::EventKind;

/// The prefix of a value that stands in the keychain: the config has its name only.
pub const KEYCHAIN: &str = "keychain:";

/// Slack's own address.
pub const SLACK_API: &str = "https://slack.com/api";

/// A Slack app in Socket Mode: approvals are shown in a channel, and answered there by the people named here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlackSettings {
    /// The id of the channel to write to (`C…`, `G…`), or of a person (`U…`). The app must be in the channel.
    pub channel: String,
    /// The ids of the people who may answer (`U…`). Nobody: messages have no buttons.
    pub approvers: Vec<String>,
    /// The app-level token (`xapp-…`, with `connections:write`): where it is in the keychain.
    pub app_token: KeychainName,
    /// The bot's token (`xoxb-…`, with `chat:write`): where it is in the keychain.
    pub bot_token: KeychainName,
    /// Where Slack's Web API is.
    #[serde(default = "slack_api")]
    pub api_url: String,
}

fn slack_api() -> String {
    SLACK_API.to_owned()
}

impl SlackSettings {
    /// Whether this person may answer.
    pub fn may_answer(&self, user: &str) -> bool {
        self.approvers.iter().any(|approver| approver == user)
    }
}

/// Where events are posted to, signed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// `https://…`, or `http://` on this machine.
    pub url: String,
    /// What the posts are signed with: where it is in the keychain.
    pub secret: KeychainName,
    /// Which events; all, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventKind>>,
}

impl Webhook {
    /// Whether it is told of such events.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.events
            .as_ref()
            .is_none_or(|events| events.contains(&kind))
    }

    /// Its address as it is shown: the path may be as good as a password.
    pub fn shown(&self) -> String {
        match Url::parse(&self.url) {
            Ok(url) => url.origin().ascii_serialization(),
            // The config took it, so it is one.
            Err(_) => "…".to_owned(),
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.shown())
            .field("secret", &self.secret)
            .field("events", &self.events)
            .finish()
    }
}

/// The name of a secret in the keychain, written `keychain:NAME`. The secret itself does not fit in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct KeychainName(String);

/// A text that does not name an entry of the keychain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no `keychain:NAME`")]
pub struct NoKeychainName;

impl KeychainName {
    /// `NAME`, as `iris secrets set` takes it.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KeychainName {
    type Error = NoKeychainName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.strip_prefix(KEYCHAIN) {
            Some(name) if !name.trim().is_empty() => Ok(Self(name.to_owned())),
            Some(_) | None => Err(NoKeychainName),
        }
    }
}

impl From<KeychainName> for String {
    fn from(name: KeychainName) -> Self {
        format!("{KEYCHAIN}{}", name.0)
    }
}

/// Why Iris does not send anything to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read.
    #[error("this is no address of the web")]
    None,
    /// Neither `https` nor `http`.
    #[error("only https is possible here, and http on this machine")]
    Scheme,
    /// Who listens on the way would read it.
    #[error("without TLS, everybody on the way reads it")]
    Plain,
    /// It has a user's name or a password.
    #[error("an address with a user or a password is not possible here")]
    User,
}

/// An address that something may be sent to: with TLS, or on this machine.
///
/// # Errors
/// Why not.
pub fn safe_url(text: &str) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::None)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::User);
    }
    match (url.scheme(), url.host().as_ref().map(is_here)) {
        (_, None) => Err(UrlError::None),
        ("https" | "wss", Some(_)) | ("http" | "ws", Some(true)) => Ok(url),
        ("http" | "ws", Some(false)) => Err(UrlError::Plain),
        (_, Some(_)) => Err(UrlError::Scheme),
    }
}

fn is_here(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
