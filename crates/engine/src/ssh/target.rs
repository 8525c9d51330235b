//! What `ssh` is told for a team: its options and the destination, from `remote` and
//! `remoteOptions`.

use std::ffi::OsString;

use iris_domain::{
    Problem,
    config::{RemoteOptions, StrictHostKeyChecking},
    problem::Code,
};

use super::options::option;

/// Flags that say how to connect. All others say what to do with the connection, which is Iris's.
const FLAGS: &str = "46AaCKkx";
/// The same, of those with a value.
const WITH_VALUE: &str = "BbcFIiJlmopP";
/// Of the others these take a value: it must be taken with them, to say the right thing.
const OTHERS_WITH_VALUE: &str = "DEeLOQRSWw";

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
        let hint = match self {
            Self::Quotes | Self::NoDestination | Self::BadDestination(_) | Self::Nul => {
                "Write `user@host`, `ssh user@host -p 2222`, or a name of ~/.ssh/config."
            }
            Self::Command(_) => "Remove it: nothing stands after the host and its options.",
            Self::Ours(_) => "Remove it; options that say how to connect may stay.",
            Self::NoValue(_) => "Give it a value, or remove it.",
            Self::Unchecked(_) => {
                "Use `ask` or `yes`; Iris shows an unknown key's fingerprint for you to confirm."
            }
        };
        Problem::new(Code::Config, format!("{}.", upper(&self.to_string())), hint)
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
    words: Vec<OsString>,
    destination: String,
}

impl Target {
    /// Reads `remote` (`user@host`, or an `ssh` command line without a command) and
    /// `remoteOptions`, which win where both say the same thing.
    ///
    /// # Errors
    /// When it names no host, or says more than how to connect to one.
    pub fn of(remote: &str, options: Option<&RemoteOptions>) -> Result<Self, TargetError> {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(options) = options {
            words.extend(structured(options));
            let extra = options.extra_ssh_args.clone();
            if let Some(word) = check(&extra)?.first() {
                return Err(TargetError::Command((*word).to_owned()));
            }
            words.extend(extra.into_iter().map(OsString::from));
        }
        let mut given = shell_words::split(remote).map_err(|_| TargetError::Quotes)?;
        if given.first().is_some_and(|word| word == "ssh") {
            given.remove(0);
        }
        let others: Vec<String> = check(&given)?.into_iter().map(str::to_owned).collect();
        let destination = match others.as_slice() {
            [] => return Err(TargetError::NoDestination),
            [destination] => destination.clone(),
            [_, command, ..] => return Err(TargetError::Command(command.clone())),
        };
        check_destination(&destination)?;
        words.extend(options_of(given).into_iter().map(OsString::from));
        words.push("--".into());
        words.push(destination.clone().into());
        if words
            .iter()
            .any(|word| word.as_encoded_bytes().contains(&0))
        {
            return Err(TargetError::Nul);
        }
        Ok(Self { words, destination })
    }

    /// The options, then `--` and the destination.
    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// Whether it says `-o NAME=…` itself.
    pub(super) fn sets(&self, name: &str) -> bool {
        let says = |word: &OsString| {
            let text = word.to_string_lossy();
            text.split_once('=')
                .is_some_and(|(said, _)| said.eq_ignore_ascii_case(name))
        };
        self.words.iter().any(says)
    }

    /// The destination as it was written, for people.
    pub fn destination(&self) -> &str {
        &self.destination
    }
}

/// The fields of `remoteOptions` as options of `ssh`.
fn structured(options: &RemoteOptions) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut set = |name: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| option(name, value)));
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
        words.extend(["-i".into(), identity.into()]);
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

/// Splits a command line as OpenSSH does, which reads options after the destination too.
fn walk(words: &[String]) -> Vec<Word<'_>> {
    let mut walked = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    let mut has_destination = false;
    let mut ended = false;
    while let Some(word) = rest.next() {
        if ended {
            // What follows `--` is the destination, and options are read again after it; or it is
            // a command to its end.
            walked.push(Word::Other(word));
            ended = has_destination;
            has_destination = true;
        } else if word == "--" {
            walked.push(Word::End);
            ended = true;
        } else if word.len() > 1 && word.starts_with('-') {
            let takes_next = word[1..]
                .char_indices()
                .find(|(_, flag)| WITH_VALUE.contains(*flag) || OTHERS_WITH_VALUE.contains(*flag))
                .is_some_and(|(at, flag)| at + 1 + flag.len_utf8() == word.len());
            walked.push(Word::Options(
                word,
                takes_next.then(|| rest.next()).flatten(),
            ));
        } else {
            walked.push(Word::Other(word));
            has_destination = true;
        }
    }
    walked
}

/// Checks the options; returns the words that are none.
fn check(words: &[String]) -> Result<Vec<&str>, TargetError> {
    let mut others = Vec::new();
    for word in walk(words) {
        match word {
            Word::Options(flags, value) => check_flags(flags, value)?,
            Word::End => {}
            Word::Other(word) => others.push(word),
        }
    }
    Ok(others)
}

/// Without the destination and `--`.
fn options_of(words: Vec<String>) -> Vec<String> {
    let mut options = Vec::new();
    for word in walk(&words) {
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
            return Err(TargetError::Ours(format!("-{flag}")));
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
    if OURS.contains(&name.as_str()) {
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
