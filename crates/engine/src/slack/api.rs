//! Slack's Web API: the five methods that Iris calls.

use std::time::Duration;

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use hyper::body::Bytes;
use iris_domain::{
    Problem,
    config::SlackSettings,
    display,
    problem::Code,
    slack::{Place, Refusal, refusal},
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    https::{Https, HttpsError},
    secrets::{NamedSecrets, Secret},
};

/// The longest pause that Slack may ask for: with more, approvals would end before they are seen.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);
/// Of a code in Slack's answers, characters.
const CODE_MAX: usize = 80;

/// Slack, with the tokens for it; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub https: Https,
    base: String,
    app: Secret,
    bot: Secret,
}

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{0}")]
    NotReached(#[from] HttpsError),
    #[error("it has too many calls")]
    Busy(Duration),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer makes no sense")]
    Nonsense,
    #[error("{code}")]
    Refused { method: &'static str, code: String },
}

impl ApiError {
    /// What to make of it.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused { method, code } => refusal(method, code),
            Self::NotReached(_) | Self::Busy(_) | Self::Status(_) | Self::Nonsense => {
                Refusal::Later
            }
        }
    }

    /// As shown.
    pub fn problem(&self) -> Problem {
        match self.refusal() {
            Refusal::Token(problem) | Refusal::Channel(problem) => problem,
            Refusal::Gone | Refusal::Later | Refusal::Never => Problem::new(
                Code::Network,
                format!("Slack cannot be used now: {self}."),
                "Iris tries again by itself; look at your network and at Slack's status page if it lasts.",
            ),
        }
    }
}

impl Api {
    /// With what is in the keychain now.
    ///
    /// # Errors
    /// A token is missing, or cannot be one.
    pub async fn new(
        https: Https,
        settings: &SlackSettings,
        secrets: &NamedSecrets,
    ) -> Result<Self, Problem> {
        let app = &settings.app_token;
        let app = secrets.wanted(app.name(), "`slack.appToken`").await?;
        let bot = &settings.bot_token;
        let bot = secrets.wanted(bot.name(), "`slack.botToken`").await?;
        for (token, place) in [(&app, "appToken"), (&bot, "botToken")] {
            if bearer(token).is_none() {
                return Err(Problem::new(
                    Code::Keychain,
                    format!("What the keychain has for `slack.{place}` cannot be a token."),
                    "Put it away again with `iris secrets set`, as one line.",
                ));
            }
        }
        Ok(Self {
            https,
            base: settings.api_url.trim_end_matches('/').to_owned(),
            app,
            bot,
        })
    }

    /// Where to connect to, for Socket Mode.
    pub async fn open(&self) -> Result<String, ApiError> {
        let answer = self
            .call("apps.connections.open", &self.app, &json!({}))
            .await?;
        let url = answer.get("url").and_then(Value::as_str);
        url.map(str::to_owned).ok_or(ApiError::Nonsense)
    }

    /// Whether the bot's token does.
    pub async fn test(&self) -> Result<(), ApiError> {
        let answer = self.call("auth.test", &self.bot, &json!({})).await;
        answer.map(drop)
    }

    /// A new message.
    pub async fn post(&self, channel: &str, message: Value) -> Result<Place, ApiError> {
        let mut body = message;
        body["channel"] = channel.into();
        body["mrkdwn"] = false.into();
        body["unfurl_links"] = false.into();
        body["unfurl_media"] = false.into();
        let answer = self.call("chat.postMessage", &self.bot, &body).await?;
        place(&answer).ok_or(ApiError::Nonsense)
    }

    /// Another text for a message.
    pub async fn update(&self, place: &Place, message: Value) -> Result<(), ApiError> {
        let mut body = message;
        body["channel"] = place.channel.as_str().into();
        body["ts"] = place.ts.as_str().into();
        self.call("chat.update", &self.bot, &body).await.map(drop)
    }

    /// Something that only this person sees.
    pub async fn tell(&self, channel: &str, user: &str, message: Value) -> Result<(), ApiError> {
        let mut body = message;
        body["channel"] = channel.into();
        body["user"] = user.into();
        let told = self.call("chat.postEphemeral", &self.bot, &body).await;
        told.map(drop)
    }

    async fn call(
        &self,
        method: &'static str,
        token: &Secret,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let url = format!("{}/{method}", self.base);
        let url = Url::parse(&url).map_err(|_| ApiError::Nonsense)?;
        let mut headers = HeaderMap::new();
        // It was one when this was made.
        headers.insert(AUTHORIZATION, bearer(token).ok_or(ApiError::Nonsense)?);
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
        let body = Bytes::from(body.to_string());
        let answer = self.https.post(&url, headers, body).await?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            let pause = answer.retry_after.unwrap_or(Duration::from_secs(1));
            return Err(ApiError::Busy(pause.min(RETRY_AFTER_MAX)));
        }
        if !answer.status.is_success() {
            return Err(ApiError::Status(answer.status));
        }
        let answer: Value = serde_json::from_slice(&answer.body).map_err(|_| ApiError::Nonsense)?;
        if answer.get("ok") == Some(&Value::Bool(true)) {
            return Ok(answer);
        }
        let code = answer.get("error").and_then(Value::as_str);
        let code = code.ok_or(ApiError::Nonsense)?;
        Err(ApiError::Refused {
            method,
            code: display::one_line(code, CODE_MAX),
        })
    }
}

fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn place(answer: &Value) -> Option<Place> {
    let of = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Place {
        channel: of("channel")?,
        ts: of("ts")?,
    })
}
