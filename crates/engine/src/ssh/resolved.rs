//! Where a target leads, as `ssh -G` says.

use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Failure, Reason};

/// Settings that differ between two names of one destination, or that Iris sets itself: they make
/// no other connection.
const NO_DIFFERENCE: &[&str] = &[
    "host",
    "batchmode",
    "clearallforwardings",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "escapechar",
    "exitonforwardfailure",
    "forkafterauthentication",
    "localcommand",
    "localforward",
    "loglevel",
    "numberofpasswordprompts",
    "permitlocalcommand",
    "remotecommand",
    "remoteforward",
    "requesttty",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "sessiontype",
    "setenv",
    "stdinnull",
    "tag",
    "visualhostkey",
];

/// Where a target leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// The host's real name.
    pub host: String,
    /// Who signs in there.
    pub user: String,
    /// The port of its `sshd`.
    pub port: u16,
    /// What the connection goes through, in words: jump hosts, or a command.
    pub via: Option<String>,
    /// Targets with the same key share a link.
    #[serde(skip)]
    pub key: LinkKey,
}

/// Names a connection by everything that decides where it leads and how it signs in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkKey([u8; 32]);

impl fmt::Display for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Half of a SHA-256 still has no collisions, and stands in logs.
        self.0[..16]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkKey({self})")
    }
}

/// The output of `ssh -G`: lines of a name in small letters and a value.
#[derive(Debug)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self(text.lines().map(line).collect())
    }

    /// A setting's first value; `None` also where this version does not know the setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn resolved(&self) -> Result<Resolved, Failure> {
        let need = |name| {
            self.get(name).ok_or_else(|| {
                Failure::new(Reason::Other, &format!("`ssh -G` does not say `{name}`"))
            })
        };
        let port = need("port")?;
        Ok(Resolved {
            host: need("hostname")?.to_owned(),
            user: need("user")?.to_owned(),
            port: port
                .parse()
                .map_err(|_| Failure::new(Reason::BadConfig, &format!("bad port {port:?}")))?,
            via: self.via(),
            key: self.key(),
        })
    }

    fn via(&self) -> Option<String> {
        let set = |name| self.get(name).filter(|value| *value != "none");
        match (set("proxyjump"), set("proxycommand")) {
            (Some(jump), _) => Some(jump.to_owned()),
            // It may be long, and hold a secret.
            (None, Some(_)) => Some("a ProxyCommand".to_owned()),
            (None, None) => None,
        }
    }

    fn key(&self) -> LinkKey {
        let mut hash = Sha256::new();
        for (name, value) in &self.0 {
            if !NO_DIFFERENCE.contains(&name.as_str()) {
                hash.update(format!("{name} {value}\n"));
            }
        }
        LinkKey(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Resolved {
        Settings::parse(text).resolved().unwrap()
    }

    #[test]
    fn names_of_one_destination_have_one_key() {
        let alias = resolved(
            "host box\nuser me\nhostname 10.0.0.1\nport 22\nloglevel INFO\nidentityfile ~/.ssh/a\n",
        );
        let plain = resolved(
            "host 10.0.0.1\nuser me\nhostname 10.0.0.1\nport 22\nloglevel ERROR\nidentityfile ~/.ssh/a\n",
        );
        assert_eq!(alias, plain);
        assert_eq!(
            (alias.host.as_str(), alias.user.as_str(), alias.port),
            ("10.0.0.1", "me", 22)
        );
        for other in [
            "user you\nhostname 10.0.0.1\nport 22\nidentityfile ~/.ssh/a\n",
            "user me\nhostname 10.0.0.2\nport 22\nidentityfile ~/.ssh/a\n",
            "user me\nhostname 10.0.0.1\nport 23\nidentityfile ~/.ssh/a\n",
            "user me\nhostname 10.0.0.1\nport 22\nidentityfile ~/.ssh/b\n",
            "user me\nhostname 10.0.0.1\nport 22\nidentityfile ~/.ssh/a\nproxyjump x\n",
        ] {
            assert_ne!(resolved(other).key, alias.key, "{other}");
        }
    }

    #[test]
    fn the_way_there_is_told() {
        for (line, via) in [
            ("", None),
            ("proxyjump none\nproxycommand none\n", None),
            ("proxyjump me@gate:2222\n", Some("me@gate:2222")),
            ("proxycommand nc --secret x %h\n", Some("a ProxyCommand")),
        ] {
            let found = resolved(&format!("user me\nhostname h\nport 22\n{line}"));
            assert_eq!(found.via.as_deref(), via, "{line}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let failure = Settings::parse("user me\nport 22\n")
            .resolved()
            .unwrap_err();
        assert!(failure.detail.contains("hostname"), "{failure:?}");
    }
}
