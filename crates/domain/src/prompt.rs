//! What `ssh` asks a person: classified by its text, answered with care.
//!
//! `ssh` asks by running a program with the question as its argument. Only two kinds come with a
//! hint (`SSH_ASKPASS_PROMPT`); the others are known by their words, which OpenSSH does not
//! translate. A part of them is a server's: since OpenSSH 8.5 such a question begins with
//! `(user@host) `, so that no server can ask in the name of a key or of another host. What is not
//! understood to the last letter is [`PromptKind::Other`]: asked, and never stored.

mod book;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Problem,
    display::{one_line, shortened, visible},
    problem::Code,
};

pub use book::{Asked, AttemptId, Book, Next, PROMPTS_MAX, Ticket, Waiting};

/// `ssh` reads 1023 bytes of an answer, the line's end included.
pub const ANSWER_MAX: usize = 1022;
/// The longest question that is shown, characters. Those of `ssh` have a few hundred; a server's
/// may have any length.
const TEXT_MAX: usize = 2000;
/// OpenSSH cuts a key's path here, so that a longer one does not say which key it is.
const KEY_MAX: usize = 100;
/// The same for the name of a host.
const WHO_MAX: usize = 128;

/// A prompt's short name, made to be typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
pub struct PromptId(pub String);

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum PromptKind {
    /// The passphrase of a private key.
    Passphrase {
        /// The key's file.
        key: String,
    },
    /// A user's password on a host.
    Password {
        /// `user@host`.
        who: String,
    },
    /// A code that is good once.
    Code,
    /// Whether the key of a host that was never seen is the right one: `yes` or `no`.
    HostKey {
        /// The host, as `ssh` names it.
        host: String,
        /// `ED25519`, `RSA`, …
        key_type: String,
        /// `SHA256:…`
        fingerprint: String,
    },
    /// Whether a key may be used, or something else may happen: `yes` or `no`.
    Confirm,
    /// A security key waits to be touched; there is nothing to type.
    Touch,
    /// Something else.
    Other,
}

impl PromptKind {
    /// The answer is `yes` or `no`.
    pub fn is_yes_no(&self) -> bool {
        match self {
            Self::HostKey { .. } | Self::Confirm => true,
            Self::Passphrase { .. }
            | Self::Password { .. }
            | Self::Code
            | Self::Touch
            | Self::Other => false,
        }
    }

    /// The answer is hidden while it is typed. One that was not understood may be a secret.
    pub fn is_secret(&self) -> bool {
        match self {
            Self::Passphrase { .. } | Self::Password { .. } | Self::Code | Self::Other => true,
            Self::HostKey { .. } | Self::Confirm | Self::Touch => false,
        }
    }

    /// Under which name the answer is remembered, while connecting to `destination` (`user@host`
    /// or `user@host:port`); `None`: it never is.
    pub fn secret_name(&self, destination: &str) -> Option<String> {
        match self {
            Self::Passphrase { key } => {
                (key.len() < KEY_MAX).then(|| format!("ssh passphrase {key}"))
            }
            Self::Password { who } if who.len() >= WHO_MAX => None,
            Self::Password { who } => Some(match destination.strip_prefix(who.as_str()) {
                Some("") => format!("ssh password {who}:22"),
                Some(port) if is_port(port) => format!("ssh password {who}{port}"),
                // A jump host, or an alias: what was said to one must not be told to another that
                // has the same name elsewhere.
                Some(_) | None => {
                    format!("ssh password {who} ({})", one_line(destination, WHO_MAX))
                }
            }),
            Self::Code | Self::HostKey { .. } | Self::Confirm | Self::Touch | Self::Other => None,
        }
    }

    /// An answer as `ssh` is to hear it.
    ///
    /// # Errors
    /// When `ssh` could not take it, or would take it for something else.
    pub fn check<'a>(&self, answer: &'a str) -> Result<&'a str, Problem> {
        let invalid = |what: &str, hint: &str| Err(Problem::new(Code::InvalidInput, what, hint));
        if self.is_yes_no() {
            return match answer.trim() {
                yes if yes.eq_ignore_ascii_case("yes") => Ok("yes"),
                no if no.eq_ignore_ascii_case("no") => Ok("no"),
                _ => invalid(
                    "This question is answered with `yes` or `no`.",
                    "Compare the whole fingerprint before you answer `yes`.",
                ),
            };
        }
        match self {
            Self::Touch => invalid(
                "There is nothing to type: the security key waits to be touched.",
                "Touch it, or cancel.",
            ),
            Self::Passphrase { .. } | Self::Password { .. } | Self::Code if answer.is_empty() => {
                invalid(
                    "The answer is empty.",
                    "Type it, or cancel if you do not have it.",
                )
            }
            _ if answer.len() > ANSWER_MAX => invalid(
                "The answer is longer than ssh can read.",
                "See that nothing else was pasted with it.",
            ),
            _ if answer.contains(['\n', '\r', '\0']) => invalid(
                "The answer has more than one line.",
                "See that nothing else was pasted with it.",
            ),
            _ => Ok(answer),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A prompt that waits, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct PromptView {
    /// Its short name.
    pub id: PromptId,
    /// What is asked for.
    pub kind: PromptKind,
    /// The destination that is being connected to.
    pub host: String,
    /// The question itself, safe to show; may have more than one line.
    pub text: String,
    /// Whether the answer can be remembered.
    pub rememberable: bool,
    /// It was answered before in this connection, by what is stored or by a person, and that was
    /// wrong.
    pub retry: bool,
    /// When it was asked.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub created_at: Timestamp,
}

/// What a question asks for. `hint` is `SSH_ASKPASS_PROMPT`.
pub fn classify(text: &str, hint: Option<&str>) -> PromptKind {
    match hint {
        Some(hint) if hint.eq_ignore_ascii_case("confirm") => return PromptKind::Confirm,
        Some(hint) if hint.eq_ignore_ascii_case("none") => return PromptKind::Touch,
        Some(_) | None => {}
    }
    if let Some(kind) = host_key(text) {
        return kind;
    }
    // All others are one line; one with hidden characters wants to look like something else.
    if !is_plain(text) {
        return PromptKind::Other;
    }
    if text == "Accept updated hostkeys? (yes/no): " {
        return PromptKind::Confirm;
    }
    if let Some(key) = passphrase(text) {
        return PromptKind::Passphrase {
            key: key.to_owned(),
        };
    }
    match from_server(text) {
        Some((who, question)) => server_asks(who, question),
        None => match text.strip_suffix("'s password: ") {
            Some(who) if is_who(who) => PromptKind::Password {
                who: who.to_owned(),
            },
            // A program that `ssh` starts may ask without a prefix; a code is not stored, so it may be one.
            Some(_) | None if asks_for_code(text) => PromptKind::Code,
            Some(_) | None => PromptKind::Other,
        },
    }
}

/// The question of `ssh` for a key of its own, and that of `ssh-add`.
fn passphrase(text: &str) -> Option<&str> {
    let quoted = text
        .strip_prefix("Enter passphrase for key '")
        .and_then(|rest| rest.strip_suffix("': "));
    let bare = || {
        let rest = text
            .strip_prefix("Enter passphrase for ")
            .or_else(|| text.strip_prefix("Bad passphrase, try again for "))?;
        rest.strip_suffix(": ")
            .filter(|path| path.starts_with('/') && !path.contains(" (will confirm"))
    };
    quoted.or_else(bare).filter(|key| !key.is_empty())
}

/// `(user@host) question`: what follows the parenthesis was written by the server.
fn from_server(text: &str) -> Option<(&str, &str)> {
    let (who, question) = text.strip_prefix('(')?.split_once(") ")?;
    is_who(who).then_some((who, question))
}

fn server_asks(who: &str, question: &str) -> PromptKind {
    let word = question.trim().trim_end_matches(':').trim_end();
    if word.eq_ignore_ascii_case("password") {
        PromptKind::Password {
            who: who.to_owned(),
        }
    } else if asks_for_code(question) {
        PromptKind::Code
    } else {
        PromptKind::Other
    }
}

fn asks_for_code(question: &str) -> bool {
    const CODES: [&str; 8] = [
        "verification code",
        "one-time password",
        "one time password",
        "authenticator code",
        "passcode",
        "otp",
        "token code",
        "2fa code",
    ];
    let question = question.to_ascii_lowercase();
    let question = question.trim_start();
    CODES.iter().any(|code| {
        question
            .strip_prefix(code)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    })
}

/// `user@host`, of characters that neither hide anything nor end it early.
fn is_who(who: &str) -> bool {
    who.split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && !who.contains([' ', '(', ')', '\''])
}

/// One line, in which nothing is hidden.
fn is_plain(text: &str) -> bool {
    !text.contains(['\n', '\t']) && visible(text) == text
}

/// The host key question has some lines; the first, the second and the last are what it is known
/// by. Between them stands what else is known of the key.
fn host_key(text: &str) -> Option<PromptKind> {
    let mut lines = text.trim_end().lines();
    let host = lines
        .next()?
        .strip_prefix("The authenticity of host '")?
        .strip_suffix("' can't be established.")?;
    let (key_type, fingerprint) = lines.next()?.split_once(" key fingerprint is ")?;
    // Newer versions end the line with a stop.
    let fingerprint = fingerprint.trim_end_matches('.');
    let last = lines.next_back()?;
    let whole = last.starts_with("Are you sure you want to continue connecting (yes/no")
        && fingerprint.starts_with("SHA256:")
        && !fingerprint.contains(' ')
        && [host, key_type, fingerprint].into_iter().all(is_plain);
    whole.then(|| PromptKind::HostKey {
        host: host.to_owned(),
        key_type: key_type.to_owned(),
        fingerprint: fingerprint.to_owned(),
    })
}

/// A question as it is shown: hidden characters are named, and of a long one head and tail stay.
pub fn shown(text: &str) -> String {
    shortened(&visible(text.trim_end()), TEXT_MAX)
}

#[cfg(test)]
mod tests;
