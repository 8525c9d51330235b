//! What the programs on the remote host say: marker lines, told from everything else on their
//! stdout by a number that nothing else there knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use iris_domain::{Problem, config::Team, display, problem::Code};

use crate::secrets::Secret;

/// A path or a list of paths in a sentence is cut to this many characters.
const QUOTED_MAX: usize = 1000;

/// What marks the lines of one program: what an rc file prints cannot be taken for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A fresh one.
    pub fn random() -> Self {
        Self(Secret::random().expose().to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A marker line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Claude Code is about to run: everything from here on is its own.
    Started {
        /// The process group of the run on its host.
        pgid: u32,
        /// Where Claude Code was found.
        claude: String,
    },
    /// It was not started.
    Failed(Unstarted),
    /// What Claude Code says of its version.
    Version(String),
    /// Where it was found.
    Found(String),
    /// The project's folder, entered.
    Entered(String),
    /// What a sweep did.
    Swept {
        /// Runs that it ended or removed.
        ended: u32,
        /// Runs of which something does not end even when killed.
        stuck: u32,
        /// The sshd of an earlier connection of this link was still there, and was ended.
        stale_link: bool,
    },
    /// What was seen of an agent that was told to stop where it stands, or to go on.
    Halted {
        /// So many processes.
        found: u32,
        /// Of these, stopped.
        stopped: u32,
    },
    /// On which addresses a port listens; `None`: the host does not say.
    Listening(Option<Vec<IpAddr>>),
    /// A file or folder of a conversation's record is gone.
    Removed(String),
    /// Something of it is left.
    Kept(String),
    /// All of it was looked at.
    Forgotten,
    /// The nonce of a proof was taken by who has Iris's certificate.
    Sent,
    /// It was not; why, or `None`: the host has no program that sends it.
    Unsent(Option<String>),
}

/// Why Claude Code was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unstarted {
    /// There is no home directory.
    Home,
    /// `~/.iris-agent` cannot be written.
    Files,
    /// It is not there; where it was looked for.
    NoClaude(String),
    /// A file of its name is not executable.
    NotExecutable(String),
    /// It does not run; where it is, and what it said.
    Broken(String),
    /// There is no such folder.
    NoFolder(String),
    /// It is not a folder.
    NotAFolder(String),
    /// The user may not enter it.
    ClosedFolder(String),
}

/// Reads a line of stdout; `None`: it is not for Iris.
pub fn read(nonce: &Nonce, line: &str) -> Option<Said> {
    let line = line.strip_prefix("iris:")?.strip_prefix(nonce.as_str())?;
    let line = line.strip_prefix(':')?;
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "started" => {
            let (pgid, claude) = rest.split_once(' ')?;
            Some(Said::Started {
                pgid: pgid.parse().ok()?,
                claude: claude.to_owned(),
            })
        }
        "failed" => {
            let (what, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let rest = display::one_line(rest, QUOTED_MAX);
            Some(Said::Failed(match what {
                "home" => Unstarted::Home,
                "files" => Unstarted::Files,
                "claude" => Unstarted::NoClaude(rest),
                "executable" => Unstarted::NotExecutable(rest),
                "broken" => Unstarted::Broken(rest),
                "folder" => Unstarted::NoFolder(rest),
                "not-folder" => Unstarted::NotAFolder(rest),
                "closed-folder" => Unstarted::ClosedFolder(rest),
                _ => return None,
            }))
        }
        "removed" => Some(Said::Removed(display::one_line(rest, QUOTED_MAX))),
        "kept" => Some(Said::Kept(display::one_line(rest, QUOTED_MAX))),
        "forgotten" => Some(Said::Forgotten),
        "version" => Some(Said::Version(display::one_line(rest, QUOTED_MAX))),
        "found" => Some(Said::Found(display::one_line(rest, QUOTED_MAX))),
        "entered" => Some(Said::Entered(display::one_line(rest, QUOTED_MAX))),
        "swept" => {
            let mut numbers = rest.split(' ').map(str::parse::<u32>);
            Some(Said::Swept {
                ended: numbers.next()?.ok()?,
                stuck: numbers.next()?.ok()?,
                stale_link: numbers.next()?.ok()? > 0,
            })
        }
        "halted" => {
            let mut numbers = rest.split(' ').map(str::parse::<u32>);
            Some(Said::Halted {
                found: numbers.next()?.ok()?,
                stopped: numbers.next()?.ok()?,
            })
        }
        "listening" => {
            let mut words = rest.split_ascii_whitespace();
            let address: fn(&str) -> Option<IpAddr> = match words.next()? {
                "hex" => of_proc,
                "text" => of_text,
                _ => return Some(Said::Listening(None)),
            };
            // An address that cannot be read must not pass for one that is not there.
            let all: Option<Vec<_>> = words.map(address).collect();
            Some(Said::Listening(all))
        }
        "sent" => Some(Said::Sent),
        "unsent" => {
            let words = display::one_line(rest.trim(), QUOTED_MAX);
            let words = words.trim_end_matches('.');
            Some(Said::Unsent((!words.is_empty()).then(|| words.to_owned())))
        }
        _ => None,
    }
}

/// `0100007F`: words of four bytes, each in the order of the host, which is little-endian wherever
/// Claude Code runs.
fn of_proc(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at..at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.swap_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from_bits(word(0)?).into()),
        32 => {
            let mut bits = 0_u128;
            for at in [0, 8, 16, 24] {
                bits = bits << 32 | u128::from(word(at)?);
            }
            let address = Ipv6Addr::from_bits(bits);
            Some(address.to_ipv4_mapped().map_or(address.into(), IpAddr::V4))
        }
        _ => None,
    }
}

/// `127.0.0.1`, `[::1]`, `::1%lo0`, or `*` for all.
fn of_text(text: &str) -> Option<IpAddr> {
    if text == "*" {
        return Some(Ipv6Addr::UNSPECIFIED.into());
    }
    let text = text.trim_start_matches('[').trim_end_matches(']');
    text.split_once('%')
        .map_or(text, |(address, _)| address)
        .parse()
        .ok()
}

const INSTALL: &str = "Install Claude Code there (https://code.claude.com), or set `claudePath` to where it is on that host.";

impl Unstarted {
    /// What the user is told, for a team on this host.
    pub fn problem(&self, team: &Team) -> Problem {
        let host = team.host();
        let folder = "Create it there, or choose another folder in the team's settings (`path`).";
        match self {
            Self::Home => Problem::new(
                Code::Agent,
                format!("Your account on {host} has no home directory."),
                "Ask the administrator of that host for one.",
            ),
            Self::Files => Problem::new(
                Code::Agent,
                format!("The folder ~/.iris-agent on {host} cannot be written."),
                "See that the disk there is not full and that your home directory is yours.",
            ),
            Self::NoClaude(looked) if looked.contains(", ") => Problem::new(
                Code::Agent,
                format!("Claude Code was not found on {host}."),
                format!("{INSTALL} Iris looked at: {looked}."),
            ),
            Self::NoClaude(only) => Problem::new(
                Code::Agent,
                format!("Claude Code is not at {only} on {host}."),
                INSTALL,
            ),
            Self::NotExecutable(file) => Problem::new(
                Code::Agent,
                format!("{file} on {host} is not executable."),
                "Run `chmod +x` on it there, or set `claudePath` to the right file.",
            ),
            Self::Broken(said) => Problem::new(
                Code::Agent,
                format!(
                    "Claude Code does not run on {host}: {}.",
                    said.trim_end_matches('.')
                ),
                "Run it there in a terminal with `--version`, and install it anew if it fails.",
            ),
            Self::NoFolder(dir) => Problem::new(
                Code::Config,
                format!("There is no folder {dir} on {host}."),
                folder,
            ),
            Self::NotAFolder(file) => Problem::new(
                Code::Config,
                format!("{file} on {host} is not a folder."),
                "Choose the project's folder in the team's settings (`path`).",
            ),
            Self::ClosedFolder(dir) => Problem::new(
                Code::Config,
                format!("You may not enter the folder {dir} on {host}."),
                "Change its permissions there, or choose another folder in the team's settings (`path`).",
            ),
        }
    }
}

/// What the user is told when the connection stands, and its command ended before it said anything;
/// `last` is the last line of its stderr.
pub fn said_nothing(team: &Team, last: Option<&str>) -> Problem {
    let host = team.host();
    let said = last.map(|line| display::one_line(line.trim(), QUOTED_MAX));
    let message = match said.as_deref().map(|line| line.trim_end_matches('.')) {
        None | Some("") => format!("Your login shell on {host} ended before it ran anything."),
        Some(line) => {
            format!("Your login shell on {host} ended before it ran anything: {line}.")
        }
    };
    Problem::new(
        Code::Agent,
        message,
        "See that the account may run commands, and that its startup files (.bashrc, .zshenv, config.fish, .cshrc) do not end a shell that is not interactive.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_lines_are_read() {
        let nonce = Nonce("n".into());
        for (line, want) in [
            (
                "iris:n:started 42 /opt/a b/claude",
                Some(Said::Started {
                    pgid: 42,
                    claude: "/opt/a b/claude".into(),
                }),
            ),
            (
                "iris:n:failed claude /a, /b",
                Some(Said::Failed(Unstarted::NoClaude("/a, /b".into()))),
            ),
            ("iris:n:failed home", Some(Said::Failed(Unstarted::Home))),
            (
                "iris:n:failed broken /c: no",
                Some(Said::Failed(Unstarted::Broken("/c: no".into()))),
            ),
            ("iris:n:version 2", Some(Said::Version("2".into()))),
            ("iris:n:found /a b", Some(Said::Found("/a b".into()))),
            ("iris:n:entered /p q", Some(Said::Entered("/p q".into()))),
            (
                "iris:n:swept 2 0 1",
                Some(Said::Swept {
                    ended: 2,
                    stuck: 0,
                    stale_link: true,
                }),
            ),
            ("iris:n:listening unknown", Some(Said::Listening(None))),
            ("iris:n:listening hex", Some(Said::Listening(Some(vec![])))),
            (
                "iris:n:listening hex 0100007F 00000000000000000000000001000000 0000000000000000FFFF00000100007F",
                Some(Said::Listening(Some(vec![
                    "127.0.0.1".parse().unwrap(),
                    "::1".parse().unwrap(),
                    "127.0.0.1".parse().unwrap(),
                ]))),
            ),
            (
                "iris:n:listening text * [::1] 127.0.0.1 fe80::1%lo0",
                Some(Said::Listening(Some(vec![
                    "::".parse().unwrap(),
                    "::1".parse().unwrap(),
                    "127.0.0.1".parse().unwrap(),
                    "fe80::1".parse().unwrap(),
                ]))),
            ),
            ("iris:n:listening text what", Some(Said::Listening(None))),
            ("iris:n:sent", Some(Said::Sent)),
            ("iris:n:unsent", Some(Said::Unsent(None))),
            (
                "iris:n:unsent curl: (7) no \u{1b}way.",
                Some(Said::Unsent(Some("curl: (7) no ⟨U+001B⟩way".into()))),
            ),
            ("iris:n:novel", None),
            ("iris:n:started x", None),
            ("iris:m:failed home", None),
            ("iris:n", None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(read(&nonce, line), want, "{line}");
        }
    }

    #[test]
    fn every_failure_names_the_host_and_the_next_step() {
        let mut team = Team::at("x");
        team.remote = Some("me@far".into());
        let text = || "/p".to_owned();
        for why in [
            Unstarted::Home,
            Unstarted::Files,
            Unstarted::NoClaude(text()),
            Unstarted::NoClaude("/a, /b".into()),
            Unstarted::NotExecutable(text()),
            Unstarted::Broken(text()),
            Unstarted::NoFolder(text()),
            Unstarted::NotAFolder(text()),
            Unstarted::ClosedFolder(text()),
        ] {
            let problem = why.problem(&team);
            assert!(problem.message.contains("me@far"), "{problem:?}");
            assert!(!problem.hint.is_empty());
        }
        let problem = said_nothing(&team, Some("This account is not available."));
        assert!(
            problem
                .message
                .ends_with("anything: This account is not available.")
        );
        assert!(said_nothing(&team, None).message.ends_with("ran anything."));
    }
}
