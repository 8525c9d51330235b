//! Which texts and keys the config accepts, and what it says about the others.

use super::{
    desktop::{Shortcut, TimeOfDay},
    outside::{KeychainName, UrlError, safe_url},
    placeholder::is_variable_name,
    read::excerpt,
    shape::{Key, Text},
};
use crate::{ids::TeamName, policy::Rule, target::Target, terminal::Template};

/// What to do about a text whose own complaint quotes it.
pub(super) fn hint_of(rule: Text) -> Option<&'static str> {
    matches!(rule, Text::Rule)
        .then_some("Write a tool's name, or a rule with an argument, such as `Bash(git push:*)`.")
}

/// What is wrong, and what to do.
pub(super) type Complaint = (String, String);

fn complaint(message: impl Into<String>, hint: impl Into<String>) -> Result<(), Complaint> {
    Err((message.into(), hint.into()))
}

/// Whether a text, its placeholders replaced, may stand here.
pub(super) fn check(rule: Text, text: &str) -> Result<(), Complaint> {
    if text.contains('\0') {
        return complaint(
            "a text cannot contain a NUL character",
            "Remove the \\u0000.",
        );
    }
    match rule {
        Text::Any => Ok(()),
        Text::Filled if text.trim().is_empty() => complaint(
            "this is empty",
            "Fill it in, or leave it out where it may be left out.",
        ),
        Text::Filled => Ok(()),
        Text::Program if text.trim().is_empty() => {
            complaint("this is empty", "Fill it in, or leave the key out.")
        }
        Text::Program if text.starts_with('-') => complaint(
            format!("`{}` would be taken for an option", excerpt(text)),
            "Start it with something other than `-`.",
        ),
        Text::Program => Ok(()),
        Text::Color if is_color(text) => Ok(()),
        Text::Color => complaint(
            format!("`{}` is not a colour", excerpt(text)),
            "Write `#` and six hexadecimal digits, such as \"#7c3aed\".",
        ),
        Text::Remote => match Target::of(text, None) {
            Ok(_) => Ok(()),
            Err(error) => complaint(error.to_string(), error.hint()),
        },
        Text::Rule => match Rule::parse(text) {
            Ok(_) => Ok(()),
            Err(error) => complaint(error.to_string(), error.hint()),
        },
        Text::Glob if !text.is_empty() && text.chars().all(is_glob_char) => Ok(()),
        Text::Glob => complaint(
            format!("`{}` is not a name or pattern", excerpt(text)),
            "Write a name; `*` in it stands for any characters.",
        ),
        Text::Variable if text == "keychain:" => complaint(
            "`keychain:` names no entry of the keychain",
            "Write `keychain:NAME`.",
        ),
        Text::Variable => Ok(()),
        // The text is not quoted: it may be the secret.
        Text::Keychain => match KeychainName::try_from(text.to_owned()) {
            Ok(_) => Ok(()),
            Err(_) => complaint(
                "a secret does not stand in the config; its name in the keychain does",
                KEYCHAIN_HINT,
            ),
        },
        Text::Url => match safe_url(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
            Ok(_) => complaint(UrlError::Scheme.to_string(), URL_HINT),
            Err(error) => complaint(error.to_string(), URL_HINT),
        },
        Text::SlackChannel if is_slack_id(text, "CGDUW") => Ok(()),
        Text::SlackChannel => complaint(
            format!("`{}` is not the id of a channel", excerpt(text)),
            "Write the id at the end of the channel's details in Slack, such as \"C0123ABCD\".",
        ),
        Text::SlackUser if is_slack_id(text, "UW") => Ok(()),
        Text::SlackUser => complaint(
            format!("`{}` is not the id of a person in Slack", excerpt(text)),
            "Write the member id from their profile's menu, such as \"U0123ABCD\": names can be changed.",
        ),
        Text::Time if TimeOfDay::try_from(text.to_owned()).is_ok() => Ok(()),
        Text::Time => complaint(
            format!("`{}` is not a time of the day", excerpt(text)),
            "Write hours and minutes, such as \"22:00\".",
        ),
        Text::Terminal => match Template::parse(text) {
            Ok(_) => Ok(()),
            Err(error) => complaint(error.to_string(), error.hint()),
        },
        Text::Shortcut => match Shortcut::try_from(text.to_owned()) {
            Ok(_) => Ok(()),
            Err(error) => complaint(
                format!("`{}` cannot be a shortcut: {error}", excerpt(text)),
                "Write keys that are held (Ctrl, Alt, Shift, Super) and one more, such as \"Ctrl+Alt+A\".",
            ),
        },
    }
}

/// What a text must be, for the case that what it is must not be shown.
pub(super) fn expected(rule: Text) -> &'static str {
    match rule {
        Text::Any => "a text",
        Text::Filled => "a text that is not empty",
        Text::Program => "a name that is not empty and does not start with `-`",
        Text::Color => "a colour",
        Text::Remote => "an ssh destination",
        Text::Rule => "a rule",
        Text::Glob => "a name or pattern",
        Text::Variable => "the value of an environment variable",
        Text::Keychain => "`keychain:NAME`",
        Text::Url => "an https address",
        Text::SlackChannel => "the id of a channel in Slack",
        Text::SlackUser => "the id of a person in Slack",
        Text::Time => "a time of the day",
        Text::Shortcut => "a shortcut",
        Text::Terminal => "a terminal's program and options",
    }
}

/// Whether a key may stand here.
pub(super) fn check_key(key: Key, name: &str) -> Result<(), Complaint> {
    match key {
        Key::Team => match name.parse::<TeamName>() {
            Ok(_) => Ok(()),
            Err(error) => complaint(
                format!("`{}`: {error}", excerpt(name)),
                "Give the team another name.",
            ),
        },
        Key::Variable if is_variable_name(name) => Ok(()),
        Key::Variable => complaint(
            format!(
                "`{}` is not the name of an environment variable",
                excerpt(name)
            ),
            "Names are made of letters, digits and `_`, and do not start with a digit.",
        ),
    }
}

const KEYCHAIN_HINT: &str =
    "Put it away with `iris secrets set NAME`, and write \"keychain:NAME\" here.";
const URL_HINT: &str = "Write https://…; http is possible on 127.0.0.1 only.";

fn is_slack_id(text: &str, kinds: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|kind| kinds.contains(kind))
        && text.len() > 1
        && chars.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_glob_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '*')
}
