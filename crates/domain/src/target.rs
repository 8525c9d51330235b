//! What `ssh` is told for a team: its options and the destination, from `remote` and
//! `remoteOptions`. What cannot be used is found when the config is read.

use serde::Serialize;

use crate::{
    Problem,
    config::{RemoteOptions, StrictHostKeyChecking},
    display::visible,
    problem::Code,
};

/// Flags that say how to connect. All others say what to do with the connection, which is Iris's.
const FLAGS: &str = "46AaCKkx";
/// The same, of those with a value.
const WITH_VALUE: &str = "BbcFIiJlmopP";
/// Of the others these take a value: it must be taken with them, to say the right thing.
const OTHERS_WITH_VALUE: &str = "DEeLOQRSWw";
/// The rest of those that `ssh` has.
const OTHERS: &str = "12fGgMNnqsTtVvXYy";

/// Settings that are Iris's, in small letters.
const OURS: &[&str] = &[
    "batchmode",
    "clearallforwardings",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "exitonforwardfailure",
    "forkafterauthentication",
    "localcommand",
    "localforward",
    "loglevel",
    "permitlocalcommand",
    "remotecommand",
    "remoteforward",
    "requesttty",
    "sessiontype",
    "stdinnull",
    "tunnel",
    "tunneldevice",
];

/// Why `remote` or `remoteOptions` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A quote is not closed.
    #[error("a quote of the host is not closed")]
    Quotes,
    /// There are only options.
    #[error("no host is named")]
    NoDestination,
    /// The host or user has characters that no host or user has.
    #[error("{0:?} cannot be a host")]
    BadDestination(String),
    /// Words stand after the destination, or beside the options of `extraSshArgs`.
    #[error("{0:?} is a remote command, and which command runs is decided by Iris")]
    Command(String),
    /// An option that says what to do with the connection.
    #[error("the ssh option `{0}` cannot be used: Iris decides what runs over the connection")]
    Ours(String),
    /// An option that `ssh` does not have.
    #[error("ssh has no option `{0}`")]
    Unknown(String),
    /// An option needs a value and has none.
    #[error("the ssh option `{0}` has no value")]
    NoValue(String),
    /// Host keys would not be checked.
    #[error("`{0}` would turn the checking of host keys off")]
    Unchecked(String),
    /// A word that no program can take.
    #[error("`remote` or `remoteOptions` has a NUL in it")]
    Nul,
}

impl TargetError {
    /// For the user.
    pub fn problem(&self) -> Problem {
        let message = format!("{}.", upper(&self.to_string()));
        Problem::new(Code::Config, message, self.hint())
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Quotes | Self::NoDestination | Self::BadDestination(_) | Self::Nul => {
                "Write `user@host`, `ssh user@host -p 2222`, or a name of ~/.ssh/config."
            }
            Self::Command(_) => {
                "Remove it; only the host and options that say how to connect stand here."
            }
            Self::Unknown(_) => "Remove it, or see `man ssh` for the one that you mean.",
            Self::Ours(_) => "Remove it; options that say how to connect may stay.",
            Self::NoValue(_) => "Give it a value, or remove it.",
            Self::Unchecked(_) => {
                "Use `ask` or `yes`; Iris shows an unknown key's fingerprint for you to confirm."
            }
        }
    }
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// What `ssh` is told for a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    words: Vec<String>,
    destination: String,
}

/// What is wrong with a list of words, and at which of them.
pub(crate) type Misuse = (usize, TargetError);

impl Target {
    /// Reads `remote` (`user@host`, or an `ssh` command line without a command) and
    /// `remoteOptions`, which win where both say the same thing.
    ///
    /// # Errors
    /// When it names no host, or says more than how to connect to one.
    pub fn of(remote: &str, options: Option<&RemoteOptions>) -> Result<Self, TargetError> {
        let mut words: Vec<String> = Vec::new();
        if let Some(options) = options {
            words.extend(structured(options));
            let extra = &options.extra_ssh_args;
            check_extra(extra).map_err(|(_, error)| error)?;
            words.extend_from_slice(extra);
        }
        let mut given = shell_words::split(remote).map_err(|_| TargetError::Quotes)?;
        if given.first().is_some_and(|word| word == "ssh") {
            given.remove(0);
        }
        let others = check(&given).map_err(|(_, error)| error)?;
        let destination = match others.as_slice() {
            [] => return Err(TargetError::NoDestination),
            [(_, destination)] => (*destination).to_owned(),
            [_, (_, command), ..] => return Err(TargetError::Command((*command).to_owned())),
        };
        check_destination(&destination)?;
        words.extend(options_of(&given));
        words.push("--".into());
        words.push(destination.clone());
        if words.iter().any(|word| word.contains('\0')) {
            return Err(TargetError::Nul);
        }
        Ok(Self { words, destination })
    }

    /// The options, then `--` and the destination.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether it says `-o NAME=…` itself.
    pub fn sets(&self, name: &str) -> bool {
        let says = |word: &String| {
            word.split_once('=')
                .is_some_and(|(said, _)| said.eq_ignore_ascii_case(name))
        };
        self.words.iter().any(says)
    }

    /// The destination as it was written, for people.
    pub fn destination(&self) -> &str {
        &self.destination
    }
}

/// What is wrong with a host that is being typed, each in its own field's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct TargetMistakes {
    /// With `remote`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub remote: Option<String>,
    /// With `extraSshArgs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub extra_ssh_args: Option<String>,
}

impl TargetMistakes {
    /// Of these two as typed. What a placeholder stands for is known when the config is read.
    pub fn of(remote: &str, extra_ssh_args: &[String]) -> Self {
        let said = |error: TargetError| visible(&error.problem().in_one_text());
        let remote = match remote.contains("${") {
            true => None,
            false => Target::of(remote, None).err(),
        };
        let extra = match extra_ssh_args.iter().any(|word| word.contains("${")) {
            true => None,
            false => check_extra(extra_ssh_args).err(),
        };
        Self {
            remote: remote.map(said),
            extra_ssh_args: extra.map(|(_, error)| said(error)),
        }
    }
}

/// Checks `extraSshArgs`.
pub(crate) fn check_extra(words: &[String]) -> Result<(), Misuse> {
    match check(words)?.first() {
        Some((at, word)) => Err((*at, TargetError::Command((*word).to_owned()))),
        None => Ok(()),
    }
}

/// The fields of `remoteOptions` as options of `ssh`.
fn structured(options: &RemoteOptions) -> Vec<String> {
    let mut words = Vec::new();
    let mut set = |name: &str, value: Option<String>| {
        let option = value.map(|value| ["-o".to_owned(), format!("{name}={value}")]);
        words.extend(option.into_iter().flatten());
    };
    let yes_no = |on: bool| if on { "yes" } else { "no" }.to_owned();
    set("Port", options.port.map(|n| n.to_string()));
    set(
        "ConnectTimeout",
        options.connect_timeout.map(|n| n.to_string()),
    );
    set(
        "ServerAliveInterval",
        options.server_alive_interval.map(|n| n.to_string()),
    );
    set(
        "ServerAliveCountMax",
        options.server_alive_count_max.map(|n| n.to_string()),
    );
    set("Compression", options.compression.map(yes_no));
    set("ForwardAgent", options.forward_agent.map(yes_no));
    let strict = options.strict_host_key_checking.map(|strict| match strict {
        StrictHostKeyChecking::Ask => "ask".to_owned(),
        StrictHostKeyChecking::Yes => "yes".to_owned(),
    });
    set("StrictHostKeyChecking", strict);
    if let Some(identity) = &options.identity {
        words.extend(["-i".to_owned(), identity.clone()]);
    }
    words
}

/// A word of a command line, as `getopt` sees it.
enum Word<'a> {
    /// A word of options, with the value if that stands in the next word.
    Options(&'a str, Option<&'a str>),
    /// `--`
    End,
    /// Anything else.
    Other(&'a str),
}

/// Splits a command line as OpenSSH does, which reads options after the destination too. Each with
/// its place.
fn walk(words: &[String]) -> Vec<(usize, Word<'_>)> {
    let mut walked = Vec::new();
    let mut rest = words.iter().map(String::as_str).enumerate();
    let mut has_destination = false;
    let mut ended = false;
    while let Some((at, word)) = rest.next() {
        if ended {
            // What follows `--` is the destination, and options are read again after it; or it is
            // a command to its end.
            walked.push((at, Word::Other(word)));
            ended = has_destination;
            has_destination = true;
        } else if word == "--" {
            walked.push((at, Word::End));
            ended = true;
        } else if word.len() > 1 && word.starts_with('-') {
            let takes_next = word[1..]
                .char_indices()
                .find(|(_, flag)| WITH_VALUE.contains(*flag) || OTHERS_WITH_VALUE.contains(*flag))
                .is_some_and(|(end, flag)| end + 1 + flag.len_utf8() == word.len());
            let value = takes_next.then(|| rest.next()).flatten();
            walked.push((at, Word::Options(word, value.map(|(_, value)| value))));
        } else {
            walked.push((at, Word::Other(word)));
            has_destination = true;
        }
    }
    walked
}

/// Checks the options; returns the words that are none, with their places.
fn check(words: &[String]) -> Result<Vec<(usize, &str)>, Misuse> {
    let mut others = Vec::new();
    for (at, word) in walk(words) {
        match word {
            Word::Options(flags, value) => {
                check_flags(flags, value).map_err(|error| (at, error))?;
            }
            Word::End => {}
            Word::Other(word) => others.push((at, word)),
        }
    }
    Ok(others)
}

/// Without the destination and `--`.
fn options_of(words: &[String]) -> Vec<String> {
    let mut options = Vec::new();
    for (_, word) in walk(words) {
        if let Word::Options(flags, value) = word {
            options.push(flags.to_owned());
            options.extend(value.map(str::to_owned));
        }
    }
    options
}

/// `-4C`, `-p22`, `-o` with its value in the next word.
fn check_flags(word: &str, next: Option<&str>) -> Result<(), TargetError> {
    for (at, flag) in word.char_indices().skip(1) {
        if FLAGS.contains(flag) {
            continue;
        }
        if !WITH_VALUE.contains(flag) {
            let known = OTHERS.contains(flag) || OTHERS_WITH_VALUE.contains(flag);
            let flag = format!("-{flag}");
            return Err(if known {
                TargetError::Ours(flag)
            } else {
                TargetError::Unknown(flag)
            });
        }
        let joined = &word[at + flag.len_utf8()..];
        let value = if joined.is_empty() {
            next
        } else {
            Some(joined)
        };
        let value = value.ok_or_else(|| TargetError::NoValue(format!("-{flag}")))?;
        if flag == 'o' {
            check_setting(value)?;
        }
        break;
    }
    Ok(())
}

/// `Name=value`, `Name value`, `name = "value"`.
fn check_setting(setting: &str) -> Result<(), TargetError> {
    let setting = setting.trim();
    let end = setting
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(setting.len());
    let (name, value) = setting.split_at(end);
    let name = name.trim_matches('"').to_ascii_lowercase();
    let value = value
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''))
        .to_ascii_lowercase();
    // `=Tunnel=yes`: ssh looks past the `=` for the name.
    if name.is_empty() || OURS.contains(&name.as_str()) {
        return Err(TargetError::Ours(format!("-o {setting}")));
    }
    let unchecked = match name.as_str() {
        "stricthostkeychecking" => !matches!(value.as_str(), "ask" | "yes" | "true"),
        "nohostauthenticationforlocalhost" => !matches!(value.as_str(), "no" | "false"),
        _ => false,
    };
    if unchecked {
        return Err(TargetError::Unchecked(setting.to_owned()));
    }
    Ok(())
}

/// `user@host`, `ssh://user@host:port`, an alias. Characters that a shell knows have no place in
/// it: `ssh` puts the host into the user's own `ProxyCommand`s.
fn check_destination(destination: &str) -> Result<(), TargetError> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "'\"`\\$;&|<>(){}*?!#^".contains(c);
    let host = destination
        .rsplit_once('@')
        .map_or(destination, |(_, host)| host);
    let bad = destination.contains(odd)
        || destination.starts_with(['-', '@'])
        || host.is_empty()
        || host.starts_with('-');
    if bad {
        return Err(TargetError::BadDestination(destination.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
