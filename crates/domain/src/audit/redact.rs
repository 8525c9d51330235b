//! Secrets are taken out of what is written down.
//!
//! Known by their form: a record that is kept for months must not be where a token that an agent typed
//! once can be found. It is a net with holes, not a promise: a password that looks like any other word
//! passes. The digest is that of the original, so a row still stands for exactly what was asked.

use std::{
    borrow::Cow,
    sync::{LazyLock, OnceLock},
};

use regex::{Captures, Regex, RegexSet};
use serde_json::Value;

use super::Draft;

/// What stands where a secret stood.
pub const MARK: &str = "[redacted]";

/// The ends of names whose values are secrets, compared without case, `_`, `-` and spaces.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "credentials",
    "authorization",
];

/// The names as they stand in texts.
const NAMES: &str = "(?:password|passwd|passphrase|secret|token|(?:api|access|private|secret)[_-]?key|credentials?)";

/// A value after a name: quoted, or up to what ends a word in a shell.
const VALUE: &str = r#"(?:"[^"\n]*"|'[^'\n]*'|[^\s"'&;|,<>()]+)"#;

/// The forms. What is in the group `keep` and `rest` stays, `secret` goes.
fn forms() -> Vec<String> {
    vec![
        // Key files.
        r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z))".to_owned(),
        // Tokens that say by their beginning whose they are: model APIs, GitHub, GitLab, Slack, AWS, Google, npm,
        // PyPI, Hugging Face, Stripe; and JSON web tokens.
        concat!(
            r"(?P<secret>\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
            r"|glpat-[A-Za-z0-9_-]{16,}|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}",
            r"|AIza[A-Za-z0-9_-]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|hf_[A-Za-z0-9]{30,}",
            r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*))",
        )
        .to_owned(),
        // Headers.
        r#"(?i)(?P<keep>\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:basic|bearer|token)\s+)?)(?P<secret>[^\s"',;]{4,})"#.to_owned(),
        // Long enough to be no word of a sentence.
        r"(?i)(?P<keep>\bbearer\s+)(?P<secret>[A-Za-z0-9._~+/=-]{16,})".to_owned(),
        // NAME=value, name: value, "name": "value".
        format!(r#"(?i)(?P<keep>\b[A-Z0-9_.-]*{NAMES}["']?\s*[=:]\s*)(?P<secret>{VALUE})"#),
        // --password value.
        format!(r"(?i)(?P<keep>(?:^|\s)--?[a-z0-9-]*{NAMES}\s+)(?P<secret>{VALUE})"),
        r"(?P<keep>\bsshpass\s+-p\s*)(?P<secret>\S+)".to_owned(),
        // curl's and wget's user.
        r"(?P<keep>\s(?:-u|--user|--proxy-user)[\s=]*[^\s:]+:)(?P<secret>[^\s]+)".to_owned(),
        // https://user:password@host.
        r"(?i)(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)(?P<secret>[^\s/@]+)(?P<rest>@)".to_owned(),
    ]
}

/// The forms, and all at once: nearly every text has none, so that each by itself is only made when it
/// is needed. It takes memory.
struct Forms {
    any: RegexSet,
    each: Vec<Form>,
}

struct Form {
    text: String,
    read: OnceLock<Option<Regex>>,
}

impl Form {
    /// `None` as for [`FORMS`].
    fn read(&self) -> Option<&Regex> {
        let read = || Regex::new(&self.text).ok();
        self.read.get_or_init(read).as_ref()
    }
}

/// `None` only if a form were no correct expression, which a test rules out; then all is taken out.
static FORMS: LazyLock<Option<Forms>> = LazyLock::new(|| {
    let forms = forms();
    let any = RegexSet::new(&forms).ok()?;
    let each = forms.into_iter().map(|text| Form {
        text,
        read: OnceLock::new(),
    });
    Some(Forms {
        any,
        each: each.collect(),
    })
});

/// The text without the secrets that are known by their form.
pub fn redact(text: &str) -> Cow<'_, str> {
    let Some(forms) = &*FORMS else {
        return Cow::Borrowed(MARK);
    };
    // By far the quicker question.
    if !forms.any.is_match(text) {
        return Cow::Borrowed(text);
    }
    let mut redacted = Cow::Borrowed(text);
    for found in forms.any.matches(text) {
        let Some(form) = forms.each.get(found).and_then(Form::read) else {
            return Cow::Borrowed(MARK);
        };
        let next = form.replace_all(&redacted, replacement);
        if let Cow::Owned(next) = next {
            redacted = Cow::Owned(next);
        }
    }
    match redacted {
        Cow::Owned(redacted) if redacted != text => Cow::Owned(redacted),
        _ => Cow::Borrowed(text),
    }
}

fn replacement(found: &Captures<'_>) -> String {
    let part = |name| found.name(name).map_or("", |part| part.as_str());
    let secret = part("secret");
    if is_reference(secret) {
        return found[0].to_owned();
    }
    format!("{}{MARK}{}", part("keep"), part("rest"))
}

/// Whether the value is only the name of where it stands: `$TOKEN`, `"${TOKEN}"`. That is no secret, and
/// worth knowing.
fn is_reference(value: &str) -> bool {
    let bare = value.trim_matches(['"', '\'']);
    let Some(name) = bare.strip_prefix('$') else {
        return false;
    };
    let name = name
        .strip_prefix('{')
        .map_or(name, |name| name.strip_suffix('}').unwrap_or(""));
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_secret_name(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_NAMES.iter().any(|end| name.ends_with(end))
}

/// Takes them out of every text in it. A text under a secret's name goes whole. Whether anything changed.
fn redact_value(value: &mut Value) -> bool {
    match value {
        Value::String(text) => match redact(text) {
            Cow::Owned(redacted) => {
                *text = redacted;
                true
            }
            Cow::Borrowed(_) => false,
        },
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |changed, item| redact_value(item) | changed),
        Value::Object(fields) => fields.iter_mut().fold(false, |changed, (name, value)| {
            changed
                | match value {
                    Value::String(text)
                        if is_secret_name(name)
                            && !text.is_empty()
                            && text != MARK
                            && !is_reference(text) =>
                    {
                        MARK.clone_into(text);
                        true
                    }
                    _ => redact_value(value),
                }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The value without the secrets that are known by their form or by the name that they stand under.
pub fn redacted(value: &Value) -> Value {
    let mut value = value.clone();
    redact_value(&mut value);
    value
}

impl Draft {
    /// The draft as it may be written down.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        redact_value(&mut self.input);
        if let Cow::Owned(redacted) = redact(&self.why) {
            self.why = redacted;
        }
        // Of who decided, only a rule's text is somebody's own; `token:unknown` is a word of ours.
        if let Some((list, rule)) = rule_of(&self.decided_by)
            && let Cow::Owned(redacted) = redact(rule)
        {
            self.decided_by = format!("rule:{list}:{redacted}");
        }
        self
    }
}

/// The list and the text of the rule that decided, as `crate::decision` prints them.
fn rule_of(decided_by: &str) -> Option<(&str, &str)> {
    decided_by.strip_prefix("rule:")?.split_once(':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::audit::Kind;

    #[test]
    fn the_forms_are_correct() {
        let forms = FORMS.as_ref().unwrap();
        assert!(forms.each.iter().all(|form| form.read().is_some()));
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (text, wanted) in [
            (
                "curl -H 'Authorization: Bearer abcdefgh12345678' https://x.org",
                "curl -H 'Authorization: Bearer [redacted]' https://x.org",
            ),
            (
                "curl -H \"authorization: Basic dXNlcjpwdw==\" x",
                "curl -H \"authorization: Basic [redacted]\" x",
            ),
            (
                "curl -u me:hunter2 https://x.org",
                "curl -u me:[redacted] https://x.org",
            ),
            (
                "git clone https://me:hunter2@x.org/a.git",
                "git clone https://me:[redacted]@x.org/a.git",
            ),
            (
                "export GH_TOKEN=ghx; make",
                "export GH_TOKEN=[redacted]; make",
            ),
            (
                "DB_PASSWORD='a b' ./run --fast",
                "DB_PASSWORD=[redacted] ./run --fast",
            ),
            (
                "mysql --password hunter2 -e 'show tables'",
                "mysql --password [redacted] -e 'show tables'",
            ),
            ("vault --token=s.abc list", "vault --token=[redacted] list"),
            (
                "sshpass -p hunter2 ssh host",
                "sshpass -p [redacted] ssh host",
            ),
            (
                "echo ghp_0123456789abcdefghijklmnopqrstuvwxyz > f",
                "echo [redacted] > f",
            ),
            ("KEY1=sk-test-0123456789abcdefghij", "KEY1=[redacted]"),
            ("aws AKIAIOSFODNN7EXAMPLE end", "aws [redacted] end"),
            (
                "{\"api_key\": \"abc\", \"n\": 1}",
                "{\"api_key\": [redacted], \"n\": 1}",
            ),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\nafter",
                "[redacted]\nafter",
            ),
            ("-----BEGIN RSA PRIVATE KEY-----\ncut off", "[redacted]"),
        ] {
            assert_eq!(redact(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "npm run build",
            "git push origin main",
            "export TOKEN=$OTHER",
            "curl -H \"X-Token: ${TOKEN}\" x",
            "https://x.org:8080/a",
            "ssh me@host",
            "The bearer of this letter",
            "max_tokens: 100",
            "cat ~/.ssh/id_ed25519",
        ] {
            assert!(
                matches!(redact(text), Cow::Borrowed(_)),
                "{text}: {}",
                redact(text)
            );
        }
    }

    #[test]
    fn every_text_of_an_input_is_looked_at() {
        let mut input = json!({
            "asked": {"command": "curl -u me:hunter2 x", "n": 1},
            "list": ["ok", "PASSWORD=hunter2"],
            "clientSecret": "hunter2",
            "max_tokens": 5,
            "apiKey": "$KEY",
        });
        assert!(redact_value(&mut input));
        assert!(!input.to_string().contains("hunter2"), "{input}");
        assert_eq!(input["asked"]["n"], 1);
        assert_eq!(input["apiKey"], "$KEY");
        assert!(!redact_value(&mut input), "once is enough");
    }

    #[test]
    fn who_decided_stays_readable() {
        let by = |decided_by: &str| {
            let draft = Draft {
                decided_by: decided_by.to_owned(),
                ..Draft::event(jiff::Timestamp::UNIX_EPOCH, Kind::Auth, "endpoint")
            };
            draft.redacted().decided_by
        };
        for ours in ["token:elsewhere", "session:token:1", "human:cli:token: x"] {
            assert_eq!(by(ours), ours);
        }
        assert_eq!(
            by("rule:deny:Bash(curl -u me:hunter2 *)"),
            "rule:deny:Bash(curl -u me:[redacted] *)"
        );
    }

    proptest! {
        #[test]
        fn once_is_enough_for_any_text(text in "(?s).{0,200}") {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once).into_owned(), once);
        }
    }
}
