//! The agent's environment: what a program needs to run, what Claude Code needs to sign in, and
//! nothing by which an agent could act as the user towards Iris (session bus, display, keychain,
//! ssh-agent, `IRIS_HOME`).

use std::{collections::BTreeMap, ffi::OsString};

use iris_domain::{Problem, config::KEYCHAIN, problem::Code};

use super::{SESSION_VAR, TOKEN_VAR};
use crate::{environment::Environment, process::Environ, secrets::Secret};

/// What is passed on by name.
const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TERM",
    "CLAUDE_CONFIG_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
];
/// What is passed on by the beginning of its name.
const PREFIXES: &[&str] = &["LC_", "ANTHROPIC_", "CLAUDE_CODE_", "DISABLE_"];
/// What a running Claude Code sets for its own children. When Iris is started from inside one, its
/// agents must not take themselves for parts of that session.
const OF_A_SESSION: &[&str] = &[
    "CLAUDE_CODE_SESSION_",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_MESSAGING_",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_CHILD_",
    "CLAUDE_CODE_AGENT_",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_WEBSOCKET_",
    "CLAUDE_CODE_WORKER_",
];

/// The environment of an agent: the allowed part of Iris's own, then the team's, with the values
/// that the keychain has by the variable's name.
pub fn clean(
    env: &Environment,
    team: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Environ, Problem> {
    let mut clean = BTreeMap::new();
    for (name, value) in env.iter() {
        if name.to_str().is_some_and(is_passed_on) {
            clean.insert(name.to_owned(), value.to_owned());
        }
    }
    for (name, value) in team {
        let value = match (secrets.get(name), value.starts_with(KEYCHAIN)) {
            (Some(secret), true) => secret.expose(),
            // Who calls this looks them up; the agent must not get the name for the value.
            (None, true) => {
                return Err(Problem::new(
                    Code::Keychain,
                    format!("`env.{name}` names a secret that was not looked up."),
                    "This is a defect in Iris; please report it.",
                ));
            }
            (_, false) => value,
        };
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Problem::new(
                Code::Config,
                format!("`env` has an entry {name:?} that no environment can hold."),
                "Use letters, digits and `_` for the name, and no NUL in the value.",
            ));
        }
        clean.insert(name.into(), value.into());
    }
    keep_loopback_off_the_proxy(&mut clean);
    Ok(Environ(clean))
}

/// The user's own environment, for what is theirs: without what Iris, or a Claude Code that it was
/// started from, set for an agent.
pub fn humans(env: &Environment) -> Environ {
    let of_an_agent = |name: &str| {
        [TOKEN_VAR, SESSION_VAR, "CLAUDECODE"].contains(&name)
            || OF_A_SESSION.iter().any(|p| name.starts_with(p))
    };
    Environ(
        env.iter()
            .filter(|(name, _)| !name.to_str().is_some_and(of_an_agent))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// The same for a shell on another host: a pattern of the names that are passed on, and one of those
/// that are not although they match the first.
pub fn passed_on() -> (String, String) {
    let any = |beginnings: &[&str]| beginnings.join("*|") + "*";
    (
        format!("{}|{}", NAMES.join("|"), any(PREFIXES)),
        any(OF_A_SESSION),
    )
}

fn is_passed_on(name: &str) -> bool {
    NAMES.contains(&name)
        || (PREFIXES.iter().any(|p| name.starts_with(p))
            && !OF_A_SESSION.iter().any(|p| name.starts_with(p)))
}

/// The way to Iris is 127.0.0.1; a proxy would refuse it, or see every request.
fn keep_loopback_off_the_proxy(env: &mut BTreeMap<OsString, OsString>) {
    const PROXIES: [&str; 6] = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ];
    if !PROXIES
        .iter()
        .any(|name| env.contains_key(std::ffi::OsStr::new(name)))
    {
        return;
    }
    for name in ["NO_PROXY", "no_proxy"] {
        let list = env.entry(name.into()).or_default();
        if !list.is_empty() {
            list.push(",");
        }
        list.push("127.0.0.1,localhost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(iris: &[&str], team: &[(&str, &str)]) -> Vec<String> {
        let env = iris
            .iter()
            .map(|n| (OsString::from(n), OsString::from("x")))
            .collect();
        let team = team
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()))
            .collect();
        let clean = clean(&env, &team, &BTreeMap::new()).unwrap();
        clean
            .0
            .keys()
            .map(|n| n.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn only_what_is_needed_is_passed_on() {
        for (name, passed) in [
            ("PATH", true),
            ("HOME", true),
            ("LC_ALL", true),
            ("LANG", true),
            ("TZ", true),
            ("ANTHROPIC_API_KEY", true),
            ("ANTHROPIC_BASE_URL", true),
            ("CLAUDE_CONFIG_DIR", true),
            ("CLAUDE_CODE_OAUTH_TOKEN", true),
            ("CLAUDE_CODE_MAX_RETRIES", true),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", true),
            ("DISABLE_AUTOUPDATER", true),
            ("NODE_EXTRA_CA_CERTS", true),
            // Set by a Claude Code session for its children.
            ("CLAUDECODE", false),
            ("CLAUDE_CODE_SESSION_ID", false),
            ("CLAUDE_CODE_ENTRYPOINT", false),
            ("CLAUDE_CODE_MESSAGING_TOKEN", false),
            ("CLAUDE_CODE_MESSAGING_SOCKET", false),
            ("CLAUDE_CODE_SSE_PORT", false),
            // The ways to act as the user.
            ("DBUS_SESSION_BUS_ADDRESS", false),
            ("DISPLAY", false),
            ("WAYLAND_DISPLAY", false),
            ("XAUTHORITY", false),
            ("XDG_RUNTIME_DIR", false),
            ("SSH_AUTH_SOCK", false),
            ("SSH_ASKPASS", false),
            ("GNOME_KEYRING_CONTROL", false),
            ("IRIS_HOME", false),
            ("IRIS_HTTP_PORT", false),
            ("LD_PRELOAD", false),
            ("NODE_OPTIONS", false),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("GITHUB_TOKEN", false),
        ] {
            assert_eq!(names(&[name], &[]) == [name], passed, "{name}");
        }
    }

    #[test]
    fn the_team_has_the_last_word() {
        assert_eq!(names(&["DISPLAY"], &[("DISPLAY", ":7")]), ["DISPLAY"]);
        let env = [(OsString::from("LANG"), OsString::from("C"))]
            .into_iter()
            .collect();
        let team = [("LANG".to_owned(), "de".to_owned())].into();
        assert_eq!(
            clean(&env, &team, &BTreeMap::new()).unwrap().0[std::ffi::OsStr::new("LANG")],
            "de"
        );
    }

    #[test]
    fn the_user_gets_their_own_environment_and_nothing_of_an_agent() {
        let env = [
            "DISPLAY",
            "SSH_AUTH_SOCK",
            "IRIS_HOME",
            "IRIS_TOKEN",
            "IRIS_SESSION",
            "CLAUDECODE",
            "CLAUDE_CODE_SESSION_ID",
        ];
        let env = env.map(|n| (OsString::from(n), OsString::from("x")));
        let kept: Vec<_> = humans(&env.into_iter().collect()).0.into_keys().collect();
        assert_eq!(kept, ["DISPLAY", "IRIS_HOME", "SSH_AUTH_SOCK"]);
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        assert_eq!(
            names(&["HTTPS_PROXY"], &[]),
            ["HTTPS_PROXY", "NO_PROXY", "no_proxy"]
        );
        assert_eq!(
            names(&[], &[("http_proxy", "p")]),
            ["NO_PROXY", "http_proxy", "no_proxy"]
        );
        assert!(names(&["PATH"], &[]) == ["PATH"]);
    }

    #[test]
    fn a_keychain_value_is_the_secret_or_a_problem() {
        let env = Environment::default();
        let team = [
            ("KEY".to_owned(), "keychain:work".to_owned()),
            ("PLAIN".to_owned(), "as it is".to_owned()),
        ]
        .into();
        let secrets = ["KEY", "PLAIN"]
            .map(|name| (name.to_owned(), Secret::new("value".to_owned())))
            .into();
        let agents = clean(&env, &team, &secrets).unwrap().0;
        let of = |name: &str| {
            agents[std::ffi::OsStr::new(name)]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            (of("KEY"), of("PLAIN")),
            ("value".into(), "as it is".into())
        );
        let problem = clean(&env, &team, &BTreeMap::new()).unwrap_err();
        assert!(problem.message.contains("env.KEY"), "{problem:?}");
    }
}
