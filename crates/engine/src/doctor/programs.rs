//! The programs that Iris runs.

use std::{io, path::Path, process::Stdio};

use tokio::time::timeout;

use super::{CHECK_WAIT, Check};
use crate::{claude, environment::Environment, home::Home, process, ssh};

/// The oldest Claude Code that Iris was measured with.
const CLAUDE_MIN: Version = Version(2, 1, 197);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// The first `1.2.3` of a text: `2.1.330 (Claude Code)`.
    fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.')
            .find_map(|word| {
                let mut parts = word.split('.').map(str::parse);
                match (parts.next()?, parts.next()?, parts.next()?) {
                    (Ok(major), Ok(minor), Ok(patch)) => Some(Self(major, minor, patch)),
                    _ => None,
                }
            })
    }
}

/// Looks where teams look that have no `claudePath`; `needed`: there is one, or there is no team yet.
pub(super) async fn claude(home: &Home, env: &Environment, needed: bool) -> Check {
    const NAME: &str = "claude";
    let found = claude::find(
        None,
        env.get("PATH"),
        env.home_dir().as_deref(),
        home.root(),
    );
    let path = match found {
        Ok(path) => path,
        Err(_) if !needed => {
            return Check::ok(
                NAME,
                "it is not in your PATH, and no team needs it there: each names its own (claudePath), or runs on another host",
            );
        }
        Err(problem) => return Check::failed(NAME, problem.message, problem.hint),
    };
    let shown = path.display();
    let said = match run(env, &path, "--version").await {
        Ok(said) => said,
        Err(error) => {
            return Check::failed(
                NAME,
                format!("{shown} does not run: {error}"),
                format!(
                    "Run `{shown} --version` in a terminal; reinstall Claude Code if it fails."
                ),
            );
        }
    };
    match claude_version(&shown.to_string(), &said) {
        (found, None) => Check::ok(NAME, found),
        (found, Some(fix)) => Check::warning(NAME, found, fix),
    }
}

/// What it says of its version.
pub(crate) async fn version_of(env: &Environment, claude: &Path) -> io::Result<String> {
    timeout(CHECK_WAIT, run(env, claude, "--version"))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Where it is and which version, of what it says; and what to do, if that is not a known good one.
pub(crate) fn claude_version(path: &str, said: &str) -> (String, Option<String>) {
    match Version::find(said) {
        Some(version) if version >= CLAUDE_MIN => (format!("{path}, {version}"), None),
        Some(version) => (
            format!("{path} is {version}; Iris is known to work with {CLAUDE_MIN} and newer"),
            Some("Update it: `claude update`.".to_owned()),
        ),
        None => (
            format!("{path} does not say its version: {}", first_line(said)),
            Some("Check that it is Claude Code.".to_owned()),
        ),
    }
}

pub(super) async fn ssh(env: &Environment) -> Check {
    const FIX: &str = "Install the OpenSSH client (Debian: `apt install openssh-client`). Local teams do without.";
    let Some(path) = process::find(env.get("PATH"), "ssh") else {
        return Check::warning("ssh", "there is no ssh on the PATH", FIX);
    };
    let shown = path.display();
    match run(env, &path, "-V").await {
        Ok(said) => match ssh::Version::of(&said) {
            Ok(_) => Check::ok("ssh", format!("{shown}, {}", first_line(&said))),
            Err(failure) => Check::warning(
                "ssh",
                format!("{shown}: {}", failure.detail),
                "Install OpenSSH 8.5 or newer, for teams on other hosts. Local teams do without.",
            ),
        },
        Err(error) => Check::warning("ssh", format!("{shown} does not run: {error}"), FIX),
    }
}

fn first_line(text: &str) -> String {
    iris_domain::display::one_line(text.lines().next().unwrap_or_default(), 80)
}

/// What a program says about itself, on either stream. It is killed when the check ends before it.
#[expect(
    clippy::disallowed_methods,
    reason = "asks for a version and is gone; no agent is started"
)]
async fn run(env: &Environment, path: &Path, argument: &str) -> io::Result<String> {
    let output = tokio::process::Command::new(path)
        .arg(argument)
        .env_clear()
        .envs(
            ["PATH", "HOME", "LANG"]
                .iter()
                .filter_map(|name| Some((name, env.get(name)?))),
        )
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(io::Error::other(format!(
            "{}: {}",
            output.status,
            first_line(&said)
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn versions_are_found_and_compared() {
        assert_eq!(
            Version::find("2.1.330 (Claude Code)"),
            Some(Version(2, 1, 330))
        );
        assert_eq!(Version::find("claude v2.1.9-beta"), Some(Version(2, 1, 9)));
        assert_eq!(Version::find("no version"), None);
        assert!(Version(2, 1, 9) < CLAUDE_MIN, "numbers, not text");
    }

    #[tokio::test]
    async fn an_old_claude_and_a_broken_one_are_told_apart() {
        let tmp = tempfile::tempdir().unwrap();
        let env: Environment = [("PATH".into(), tmp.path().into())].into_iter().collect();
        let home = Home::at(tmp.path().join("iris"));
        let program = tmp.path().join("claude");
        for (script, expected) in [
            (
                "#!/bin/sh\necho '2.1.330 (Claude Code)'",
                super::super::Health::Ok,
            ),
            (
                "#!/bin/sh\necho '1.0.3 (Claude Code)'",
                super::super::Health::Warning,
            ),
            (
                "#!/bin/sh\necho broken >&2; exit 3",
                super::super::Health::Failed,
            ),
        ] {
            // A new file each time: one that is open for writing somewhere cannot be run.
            let fresh = tmp.path().join("fresh");
            std::fs::write(&fresh, script).unwrap();
            std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).unwrap();
            std::fs::rename(&fresh, &program).unwrap();
            let check = super::claude(&home, &env, true).await;
            assert_eq!(check.health, expected, "{check:?}");
        }
    }
}
