//! One post to a webhook, signed.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use hyper::body::Bytes;
use iris_domain::{
    Problem,
    config::{Webhook, safe_url},
    problem::Code,
    request::hex,
};
use ring::hmac;
use uuid::Uuid;

use crate::{
    clock,
    https::{Answer, Https},
    secrets::{NamedSecrets, Secret},
};

/// The longest pause that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// What came of a post.
#[derive(Debug)]
pub(super) enum Posted {
    /// The receiver has it.
    Taken,
    /// It may be taken later; after this, where the receiver said so.
    Again(Option<Duration>, Problem),
    /// It will not be taken.
    Never(Problem),
}

/// Posts.
#[derive(Debug)]
pub(super) struct Poster(Https);

impl Poster {
    /// With the authorities that the system trusts.
    pub async fn new() -> Result<Self, Problem> {
        match Https::of_the_system().await {
            Ok(https) => Ok(Self(https)),
            Err(error) => Err(not_reached("webhooks", &error)),
        }
    }

    /// One attempt.
    pub async fn post(
        &self,
        hook: &Webhook,
        secrets: &NamedSecrets,
        event: &str,
        id: Uuid,
        body: &str,
    ) -> Posted {
        // Looked up each time: one that is mended is used at once, and none stays in memory.
        let secret = secrets.wanted(hook.secret.name(), "A webhook").await;
        let secret = match secret {
            Ok(secret) => secret,
            Err(problem) => return Posted::Again(None, problem),
        };
        let url = match safe_url(&hook.url) {
            Ok(url) => url,
            // The config took it, so it is one.
            Err(error) => return Posted::Never(not_reached(&hook.shown(), &error)),
        };
        let timestamp = clock::now().as_second().to_string();
        let fields = [
            ("x-iris-delivery", id.to_string()),
            ("x-iris-event", event.to_owned()),
            ("x-iris-signature", signature(&secret, &timestamp, body)),
            ("x-iris-timestamp", timestamp),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            match HeaderValue::from_str(&value) {
                Ok(value) => headers.insert(name, value),
                Err(error) => return Posted::Never(not_reached(&hook.shown(), &error)),
            };
        }
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json);
        let answer = self.0.post(&url, headers, Bytes::from(body.to_owned()));
        match answer.await {
            Ok(answer) => judged(&hook.shown(), &answer),
            Err(error) => Posted::Again(None, not_reached(&hook.shown(), &error)),
        }
    }
}

/// `sha256=HEX` of HMAC-SHA256 over the timestamp, a dot, and the body: an old post cannot be sent again as a new one.
fn signature(secret: &Secret, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let signed = format!("{timestamp}.{body}");
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("sha256={}", hex(tag.as_ref()))
}

fn judged(url: &str, answer: &Answer) -> Posted {
    let status = answer.status;
    let wait = answer.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX));
    let problem = |hint: &str| {
        Problem::new(
            Code::Network,
            format!("The webhook at {url} answered {status}."),
            hint,
        )
    };
    let is_busy = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    );
    if status.is_success() {
        Posted::Taken
    } else if status.is_redirection() {
        Posted::Never(problem(
            "Redirects are not followed: write the address that it leads to.",
        ))
    } else if status.is_client_error() && !is_busy {
        Posted::Never(problem(
            "Check its address and its secret, and the receiver's own log.",
        ))
    } else {
        Posted::Again(
            wait,
            problem("It is tried again for 15 minutes; look at the receiver if it lasts."),
        )
    }
}

fn not_reached(url: &str, error: &impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::Network,
        format!("The webhook at {url} is not reached: {error}."),
        "It is tried again for 15 minutes; check its address and your network.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_everybody_can_compute() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let secret = Secret::new("key".to_owned());
        assert_eq!(
            signature(&secret, "1700000000", "{}"),
            "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
        );
    }

    #[test]
    fn an_answer_says_whether_to_try_again() {
        let answer = |status: u16| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(9999)),
            body: Bytes::new(),
        };
        for status in [200, 204] {
            assert!(matches!(judged("x", &answer(status)), Posted::Taken));
        }
        for status in [301, 307, 400, 401, 404, 410] {
            assert!(
                matches!(judged("x", &answer(status)), Posted::Never(_)),
                "{status}"
            );
        }
        for status in [408, 425, 429, 500, 503] {
            let posted = judged("x", &answer(status));
            assert!(
                matches!(posted, Posted::Again(Some(RETRY_AFTER_MAX), _)),
                "{status}"
            );
        }
    }
}
