//! Why `ssh` did not do it: its own words, read and put into plain ones.

use iris_domain::{Problem, display::one_line, problem::Code};

/// A line of `ssh` in a sentence is cut to this many characters.
const QUOTED_MAX: usize = 300;

/// Why it did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason:?}: {detail}")]
pub struct Failure {
    /// The kind.
    pub reason: Reason,
    /// The line in which `ssh` says it, safe to show; may be empty.
    pub detail: String,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No address is known for the host.
    UnknownHost,
    /// Nothing takes the connection, or it is closed before the sign-in.
    Refused,
    /// No answer in time.
    TimedOut,
    /// The network does not lead there.
    NoRoute,
    /// None of the keys and passwords is accepted.
    AuthFailed,
    /// The host's key is not known, and nobody confirmed it.
    HostKeyUnknown,
    /// The host's key is another than the known one.
    HostKeyChanged,
    /// The human cancelled a question.
    Cancelled,
    /// The host does not allow tunnels.
    ForwardingForbidden,
    /// The port of the tunnel is taken on the host.
    PortTaken,
    /// The host takes no further session on this connection.
    TooManySessions,
    /// The program `ssh` is missing or cannot be run.
    NoSsh,
    /// The program `ssh` is too old.
    TooOld,
    /// An option or a line of the configuration cannot be used.
    BadConfig,
    /// The connection was up and went away.
    Lost,
    /// The connection was closed on purpose.
    Closed,
    /// Anything else.
    Other,
}

/// What `ssh` writes and what it means, the more telling first: a failure on the way to a later
/// line is said before that line. With `LC_ALL=C`; the tests
/// against a real `sshd` keep the common ones true.
const TEXTS: &[(&str, Reason)] = &[
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        Reason::HostKeyChanged,
    ),
    ("REVOKED HOST KEY DETECTED", Reason::HostKeyChanged),
    (
        "has changed and you have requested strict checking",
        Reason::HostKeyChanged,
    ),
    ("host key is known for", Reason::HostKeyUnknown),
    ("Host key verification failed", Reason::HostKeyUnknown),
    ("Session open refused by peer", Reason::TooManySessions),
    ("session request failed", Reason::TooManySessions),
    // Of a control socket, not of the host: before `Connection refused`.
    ("Control socket connect(", Reason::Lost),
    ("read from master failed", Reason::Lost),
    ("master is dead", Reason::Lost),
    (
        "remote port forwarding failed for listen port",
        Reason::PortTaken,
    ),
    ("administratively prohibited", Reason::ForwardingForbidden),
    ("Permission denied (", Reason::AuthFailed),
    ("Too many authentication failures", Reason::AuthFailed),
    ("No supported authentication methods", Reason::AuthFailed),
    ("no more authentication methods", Reason::AuthFailed),
    ("Could not resolve hostname", Reason::UnknownHost),
    ("No route to host", Reason::NoRoute),
    ("Network is unreachable", Reason::NoRoute),
    ("Network is down", Reason::NoRoute),
    ("Host is down", Reason::NoRoute),
    ("Can't assign requested address", Reason::NoRoute),
    ("timed out", Reason::TimedOut),
    ("Timeout, server", Reason::TimedOut),
    ("Connection refused", Reason::Refused),
    ("Unable to negotiate", Reason::BadConfig),
    ("Bad configuration option", Reason::BadConfig),
    ("Bad owner or permissions", Reason::BadConfig),
    ("Can't open user config file", Reason::BadConfig),
    ("command-line: line ", Reason::BadConfig),
    ("command-line line ", Reason::BadConfig),
    ("Cannot specify -J", Reason::BadConfig),
    ("Only a single -J", Reason::BadConfig),
    ("Invalid -J", Reason::BadConfig),
    ("jumphost loop", Reason::BadConfig),
    ("too long for Unix domain socket", Reason::BadConfig),
    ("hostname contains invalid characters", Reason::BadConfig),
    ("Bad port", Reason::BadConfig),
    ("unknown option --", Reason::BadConfig),
    ("usage: ssh", Reason::BadConfig),
    ("kex_exchange_identification", Reason::Refused),
    ("banner exchange", Reason::Refused),
    ("Not allowed at this time", Reason::Refused),
    ("Exceeded MaxStartups", Reason::Refused),
    ("Connection closed by", Reason::Refused),
    ("Connection reset", Reason::Refused),
    ("closed by remote host", Reason::Refused),
];

impl Failure {
    /// A failure; the detail is made safe to show.
    pub(super) fn new(reason: Reason, detail: &str) -> Self {
        Self {
            reason,
            detail: one_line(detail, QUOTED_MAX),
        }
    }

    /// What the lines of an `ssh` that failed to connect, or to use a connection, mean.
    pub fn of(stderr: &str) -> Self {
        let lines = || {
            stderr
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
        };
        for (text, reason) in TEXTS {
            if let Some(line) = lines().find(|line| line.contains(text)) {
                return Self::new(*reason, line);
            }
        }
        Self::new(Reason::Other, lines().next_back().unwrap_or(""))
    }

    /// What the lines of a [session](super::Connection::session) that ended with status 255
    /// mean: that the connection is gone or took no further session. `None` when it was not
    /// `ssh` that failed, but the command.
    pub fn of_session(stderr: &str) -> Option<Self> {
        let failure = Self::of(stderr);
        match failure.reason {
            Reason::TooManySessions | Reason::Lost => return Some(failure),
            _ => {}
        }
        // The words of an `ssh` whose own connection is barred; the host it names does not exist.
        let barred = stderr
            .lines()
            .find(|line| line.contains("UNKNOWN port 65535"));
        barred.map(|_| Self::new(Reason::Lost, "the connection is gone"))
    }

    /// What the end of a connection that was up means.
    pub(super) fn of_master(stderr: &str) -> Self {
        let line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
        Self::new(Reason::Lost, line.unwrap_or(""))
    }

    /// Whether trying again is of no use before a human has done something.
    pub fn needs_human(&self) -> bool {
        match self.reason {
            Reason::AuthFailed
            | Reason::HostKeyUnknown
            | Reason::HostKeyChanged
            | Reason::Cancelled
            | Reason::ForwardingForbidden
            | Reason::NoSsh
            | Reason::TooOld
            | Reason::BadConfig => true,
            // A name that is not known may be one of a network that is not up yet, and a port may
            // be held by the end of an earlier connection that its host has not noticed.
            Reason::UnknownHost
            | Reason::Refused
            | Reason::TimedOut
            | Reason::NoRoute
            | Reason::PortTaken
            | Reason::TooManySessions
            | Reason::Lost
            | Reason::Closed
            | Reason::Other => false,
        }
    }

    /// Whether a refused sign-in could have been one with a password or a code: `ssh` names the ways
    /// that the host takes, `Permission denied (publickey,password)`.
    fn host_takes_answers(&self) -> bool {
        let ways = self.detail.rsplit_once('(').map_or("", |(_, ways)| ways);
        ways.split([',', ')'])
            .any(|way| matches!(way, "password" | "keyboard-interactive"))
    }

    /// For the user: what is wrong with this destination, and what to do next.
    pub fn problem(&self, destination: &str) -> Problem {
        let at = one_line(destination, QUOTED_MAX);
        let detail = if self.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.detail.trim_end_matches('.'))
        };
        let (code, message, hint) = match self.reason {
            Reason::UnknownHost => (
                Code::Network,
                format!("No address is known for {at}{detail}."),
                "Check the host's name in `remote`, and the network or VPN that knows it.",
            ),
            Reason::Refused => (
                Code::Network,
                format!("{at} does not take the connection{detail}."),
                "Check the port, and that sshd runs there; a busy host takes it when tried again.",
            ),
            Reason::TimedOut => (
                Code::Timeout,
                format!("{at} does not answer{detail}."),
                "Check that the host is up, and the network, VPN or firewall on the way.",
            ),
            Reason::NoRoute => (
                Code::Network,
                format!("The network does not lead to {at}{detail}."),
                "Check the network or VPN; on macOS allow Iris the local network in System Settings.",
            ),
            Reason::AuthFailed => (
                Code::Network,
                format!("{at} does not accept the sign-in{detail}."),
                if self.host_takes_answers() {
                    "Check the user, and the key (`identity`) or the password and code; start the team again to be asked anew."
                } else {
                    "Check the user, the key (`identity`) and the host's authorized_keys; `ssh` in a terminal must work."
                },
            ),
            Reason::HostKeyUnknown => (
                Code::Network,
                format!("The host key of {at} was not confirmed{detail}."),
                "Connect again and compare the fingerprint, or add the key to known_hosts with `ssh` in a terminal.",
            ),
            Reason::HostKeyChanged => (
                Code::Network,
                format!(
                    "The host key of {at} is another than the known one: somebody may be in between."
                ),
                "Ask the host's owner; if the change is right, remove the old key with `ssh-keygen -R HOST`.",
            ),
            Reason::Cancelled => (
                Code::Network,
                format!("A question for {at} was cancelled."),
                "Start the team again, and answer it.",
            ),
            Reason::ForwardingForbidden => (
                Code::Network,
                format!("{at} does not allow the tunnel{detail}."),
                "Ask its owner for `AllowTcpForwarding yes` in sshd_config, or set `enableReverseMcp` to false.",
            ),
            Reason::PortTaken => (
                Code::Conflict,
                format!("The port of the tunnel cannot be had on {at}{detail}."),
                "Choose another `reverseMcpPort`, or remove it: then a free port is taken.",
            ),
            Reason::TooManySessions => (
                Code::Busy,
                format!("{at} takes no further session on this connection{detail}."),
                "Stop a team there, or raise `MaxSessions` in the host's sshd_config.",
            ),
            Reason::NoSsh => (
                Code::Config,
                format!("The program `ssh` cannot be run here{detail}."),
                "Install the OpenSSH client (Debian: apt install openssh-client).",
            ),
            Reason::TooOld => (
                Code::Config,
                format!("The program `ssh` cannot be used{detail}."),
                "Install OpenSSH 8.5 or newer.",
            ),
            Reason::BadConfig => (
                Code::Config,
                format!("ssh cannot use the settings for {at}{detail}."),
                "Correct `remote`, `remoteOptions` or ~/.ssh/config; `ssh` in a terminal must work.",
            ),
            Reason::Lost => (
                Code::Network,
                format!("The connection to {at} was lost{detail}."),
                "Iris connects again by itself; check the network if it does not.",
            ),
            Reason::Closed => (
                Code::Unavailable,
                format!("The connection to {at} was closed."),
                "Start the team again.",
            ),
            Reason::Other => (
                Code::Network,
                format!("ssh to {at} failed{detail}."),
                "Try the same with `ssh` in a terminal.",
            ),
        };
        Problem::new(code, message, hint)
    }
}

#[cfg(test)]
mod tests;
