//! Checks of the surroundings, each with its fix.

mod desktop;
mod outside;
mod port;
mod programs;

use std::time::Duration;

use iris_domain::config::{self, Config};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::{environment::Environment, home::Home, secrets::Secrets};

pub use outside::check as outside;
pub use port::holder as port_holder;
pub(crate) use programs::{claude_version, version_of};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Iris works; something is missing that it could use.
    Warning,
    /// Iris, or its agents, will not work.
    Failed,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            health: Health::Ok,
            found: found.into(),
            fix: None,
        }
    }

    fn warning(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            health: Health::Warning,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }

    fn failed(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            health: Health::Failed,
            ..Self::warning(name, found, fix)
        }
    }
}

/// No check may hold up the others. Longer than the keychain's own limit, so that its words are
/// heard; `claude --version` takes a second on a busy machine.
const CHECK_WAIT: Duration = Duration::from_secs(20);

/// Looks at everything. `running`: the endpoint of the Iris that runs on this home, if one does.
pub async fn check(
    home: &Home,
    env: &Environment,
    secrets: &Secrets,
    running: Option<&str>,
) -> Vec<Check> {
    let (config, read) = config(home, env);
    let port = port(read.as_ref(), env);
    // One that cannot be read may have any team.
    let needed = read.is_none_or(|read| {
        let mut teams = read.teams.values();
        read.teams.is_empty() || teams.any(|it| it.remote.is_none() && it.claude_path.is_none())
    });
    let (claude, ssh, keychain, notifications, tray, port) = tokio::join!(
        bounded("claude", programs::claude(home, env, needed)),
        bounded("ssh", programs::ssh(env)),
        bounded("keychain", keychain(secrets)),
        bounded("notifications", desktop::notifications()),
        bounded("tray", desktop::tray()),
        bounded("port", async { port::check(port, running) }),
    );
    vec![
        claude,
        ssh,
        self::home(home),
        config,
        port,
        keychain,
        notifications,
        tray,
    ]
}

async fn bounded(name: &str, check: impl Future<Output = Check>) -> Check {
    timeout(CHECK_WAIT, check).await.unwrap_or_else(|_| {
        Check::failed(
            name,
            format!("no answer within {} s", CHECK_WAIT.as_secs()),
            "Find out what hangs: the program or service that this check asks.",
        )
    })
}

fn home(home: &Home) -> Check {
    if !home.root().exists() {
        return Check::ok(
            "home",
            format!("{} is made at the first start", home.root().display()),
        );
    }
    match home.prepare() {
        Ok(tightened) if tightened.is_empty() => {
            Check::ok("home", format!("{} is yours alone", home.root().display()))
        }
        Ok(tightened) => Check::ok("home", tightened.join("; ")),
        Err(error) => {
            let problem = iris_domain::Problem::from(error);
            Check::failed("home", problem.message, problem.hint)
        }
    }
}

/// The port that holds with this config.
fn port(config: Option<&Config>, env: &Environment) -> u16 {
    env.text("IRIS_HTTP_PORT")
        .and_then(|text| text.parse().ok())
        .or_else(|| config.map(|config| config.settings.http_port))
        .unwrap_or_else(|| config::Settings::default().http_port)
}

/// The config, if it can be used.
fn config(home: &Home, env: &Environment) -> (Check, Option<Config>) {
    let path = home.config();
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let check = Check::ok(
                "config",
                format!("{shown} is not there yet; the defaults hold"),
            );
            return (check, Some(Config::default()));
        }
        Err(error) => {
            let check = Check::failed(
                "config",
                format!("cannot read {shown}: {error}"),
                "Make the file readable for you.",
            );
            return (check, None);
        }
    };
    let parsed = config::parse(&text, |name| env.text(name).map(str::to_owned));
    let check = match (&parsed.config, &parsed.problems[..]) {
        (Some(config), []) => {
            Check::ok("config", format!("{shown}, {} team(s)", config.teams.len()))
        }
        (_, problems) => {
            let first = problems.first().map_or_else(String::new, |p| {
                format!(
                    ", the first in line {} column {}: {}",
                    p.line, p.column, p.message
                )
            });
            Check::failed(
                "config",
                format!("{shown} has {} mistake(s){first}", problems.len()),
                "`iris config check` lists them all, each with what to do.",
            )
        }
    };
    (check, parsed.config)
}

async fn keychain(secrets: &Secrets) -> Check {
    match secrets.probe().await {
        Ok(()) => Check::ok("keychain", "it answers and is unlocked"),
        Err(error) => {
            let problem = iris_domain::Problem::from(error);
            Check::warning(
                "keychain",
                format!(
                    "{} Secrets then last until Iris ends: the console's token is a new one at each start (`iris headers` always has it), and passphrases are asked for again",
                    problem.sentence()
                ),
                problem.hint,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_check_comes_back_and_every_trouble_has_its_fix() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::at(tmp.path().join("h"));
        // No PATH, no bus: as bad as it gets.
        let checks = check(&home, &Environment::default(), &Secrets::memory(), None).await;
        let names: Vec<&str> = checks.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "claude",
                "ssh",
                "home",
                "config",
                "port",
                "keychain",
                "notifications",
                "tray"
            ]
        );
        for check in &checks {
            assert_eq!(check.fix.is_some(), check.health != Health::Ok, "{check:?}");
        }
    }

    #[tokio::test]
    async fn a_claude_that_no_team_needs_is_not_missed() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::at(tmp.path());
        for (team, health) in [
            (r#""claudePath": "/opt/claude""#, Health::Ok),
            (r#""remote": "me@box""#, Health::Ok),
            (r#""description": "here""#, Health::Failed),
        ] {
            let config = format!(r#"{{"teams": {{"api": {{"path": "/srv/api", {team}}}}}}}"#);
            std::fs::write(home.config(), config).unwrap();
            let checks = check(&home, &Environment::default(), &Secrets::memory(), None).await;
            assert_eq!(checks[0].health, health, "{team}: {:?}", checks[0]);
        }
    }

    #[test]
    fn a_broken_config_is_said_with_its_place() {
        let tmp = tempfile::tempdir().unwrap();
        let home = Home::at(tmp.path());
        std::fs::write(home.config(), "{ \"settings\": { \"httpPort\": true } }").unwrap();
        let (check, read) = config(&home, &Environment::default());
        assert_eq!(check.health, Health::Failed);
        assert_eq!(port(read.as_ref(), &Environment::default()), 1615);
        assert!(check.found.contains("line 1"), "{check:?}");
    }
}
