//! The program that starts an agent on a remote host.

use std::{collections::BTreeMap, ffi::OsString};

use iris_domain::{Problem, config::Team, problem::Code};
use zeroize::Zeroizing;

use super::{
    CHECK, COMMON, LAUNCH, Nonce, PREPARE, Run, folder_name,
    line::{Nul, encode, quote},
};
use crate::{claude::passed_on, secrets::Secret};

/// Seconds after which the watchdog notices that the connection is gone. A check costs a file of
/// `/proc`; what it ends has no master any more in the meantime.
const WATCH_INTERVAL: u32 = 5;

/// An agent that is to be started on a remote host.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The team's settings; paths in them are the host's.
    pub team: &'a Team,
    /// The run that it begins.
    pub run: Run,
    /// The arguments of Claude Code, from [`crate::claude::Invocation::args`].
    pub args: &'a [OsString],
    /// What the agent proves itself with; none without a tunnel.
    pub token: Option<&'a Secret>,
    /// Iris's own certificate authority, where the tunnel has TLS.
    pub ca_pem: Option<&'a str>,
    /// The team's `env`, with the values that came from the keychain.
    pub env: &'a BTreeMap<String, Secret>,
    /// This Iris among those that may use the same account.
    pub instance: &'a str,
    /// Marks what it says.
    pub nonce: &'a Nonce,
}

impl Launch<'_> {
    /// The program, in one line without its end.
    ///
    /// # Errors
    /// A setting that no program or environment can hold.
    pub fn first_line(&self) -> Result<Zeroizing<String>, Problem> {
        self.line(LAUNCH)
    }

    /// The program that finds out whether the agent could be started, likewise. It answers
    /// [`super::Said::Version`], [`super::Said::Found`] and [`super::Said::Entered`], or
    /// [`super::Said::Failed`].
    ///
    /// # Errors
    /// As [`Launch::first_line`].
    pub fn check_line(&self) -> Result<Zeroizing<String>, Problem> {
        self.line(CHECK)
    }

    fn line(&self, script: &str) -> Result<Zeroizing<String>, Problem> {
        // Room for everything: a growing string would leave copies of its secrets behind.
        let env: usize = self
            .env
            .iter()
            .map(|(n, v)| n.len() + v.expose().len() * 4 + 32)
            .sum();
        let args: usize = self.args.iter().map(|arg| arg.len() * 4 + 8).sum();
        let room = COMMON.len() + PREPARE.len() + script.len() + env + args + 64 * 1024;
        let mut program = Zeroizing::new(String::with_capacity(room));
        self.values(&mut program)?;
        program.push_str(COMMON);
        program.push_str(PREPARE);
        program.push_str(script);
        encode(&program).map_err(|error| unusable("The team's settings hold", error))
    }

    fn values(&self, program: &mut String) -> Result<(), Problem> {
        let (keep, dropped) = passed_on();
        let (session, run) = (self.run.session.to_string(), self.run.to_string());
        let interval = WATCH_INTERVAL.to_string();
        for (name, value) in [
            ("nonce", self.nonce.as_str()),
            ("instance", &folder_name(self.instance)),
            ("session", &session),
            ("run", &run),
            ("token", self.token.map_or("", Secret::expose)),
            ("ca", self.ca_pem.unwrap_or_default()),
            ("keep", &keep),
            ("dropped", &dropped),
            ("interval", &interval),
        ] {
            assign(name, program);
            quote(value, program).map_err(|error| unusable("A value of Iris holds", error))?;
            program.push('\n');
        }
        assign("folder", program);
        path(&self.team.path, "`path`", program)?;
        program.push('\n');
        assign("given", program);
        match &self.team.claude_path {
            Some(given) if given.contains('/') => path(given, "`claudePath`", program)?,
            Some(name) => quote(name, program).map_err(|e| unusable("`claudePath` holds", e))?,
            None => program.push_str("''"),
        }
        program.push_str("\nset --");
        for arg in self.args {
            program.push(' ');
            let arg = arg.to_str().ok_or_else(|| {
                Problem::new(
                    Code::Config,
                    "A setting of the team is no valid text.",
                    "Write it with characters of UTF-8.",
                )
            })?;
            quote(arg, program).map_err(|error| unusable("A setting of the team holds", error))?;
        }
        for dir in &self.team.add_dirs {
            program.push_str(" --add-dir=");
            path(dir, "`addDirs`", program)?;
        }
        program.push_str("\niris_team_env() {\n:\n");
        for (name, value) in self.env {
            if !is_name(name) {
                return Err(Problem::new(
                    Code::Config,
                    format!("`env` has an entry {name:?} that a shell cannot set."),
                    "Use letters, digits and `_` for the name, and no digit at its beginning.",
                ));
            }
            program.push_str("export ");
            program.push_str(name);
            program.push('=');
            quote(value.expose(), program)
                .map_err(|error| unusable(&format!("`env.{name}` holds"), error))?;
            program.push('\n');
        }
        program.push_str("}\n");
        Ok(())
    }
}

pub(super) fn assign(name: &str, program: &mut String) {
    program.push_str("iris_");
    program.push_str(name);
    program.push('=');
}

/// A path of the remote host as a word that the shell there expands: `~` is the home directory, and
/// so is where a relative path starts, because that is where a command over ssh starts.
pub(super) fn path(path: &str, setting: &str, program: &mut String) -> Result<(), Problem> {
    let mut word = |home: bool, rest: &str| {
        if home {
            program.push_str("\"${HOME:-}\"/");
        }
        quote(rest, program).map_err(|error| unusable(&format!("{setting} holds"), error))
    };
    match path.strip_prefix('~') {
        Some("") => word(true, ""),
        Some(rest) if rest.starts_with('/') => word(true, rest.trim_start_matches('/')),
        Some(_) => Err(Problem::new(
            Code::Config,
            format!("`{path}` names another user's home, which Iris does not look up."),
            "Write the whole path.",
        )),
        None => word(!path.starts_with('/'), path),
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(super) fn unusable(what: &str, error: Nul) -> Problem {
    Problem::new(
        Code::Config,
        format!("{what} {error}, which no program can be given."),
        "Take it out.",
    )
}

#[cfg(test)]
mod tests {
    use iris_domain::ids::SessionId;

    use super::*;

    fn line(change: impl FnOnce(&mut Team), env: &[(&str, &str)]) -> Result<String, Problem> {
        let mut team = Team::at("~/p");
        change(&mut team);
        let launch = Launch {
            team: &team,
            run: Run::of(SessionId(uuid::Uuid::from_u128(7))),
            args: &["-p".into(), "--x=it's".into()],
            token: Some(&Secret::new("sekret".into())),
            ca_pem: Some("A\nB\n"),
            env: &env
                .iter()
                .map(|(n, v)| ((*n).to_owned(), Secret::new((*v).to_owned())))
                .collect(),
            instance: "../x",
            nonce: &Nonce::random(),
        };
        let check = launch.check_line();
        let line = launch.first_line();
        assert_eq!(check.is_ok(), line.is_ok());
        if let Ok(check) = check {
            assert!(!check.contains(['\n', '\0']), "so is the check");
        }
        line.map(|line| line.as_str().to_owned())
    }

    #[test]
    fn it_is_one_line_whatever_the_settings_hold() {
        let odd = "a 'b' \"c\" $d `e` \\ \n ü \u{1F600} !x ~";
        let line = line(
            |team| {
                team.path = odd.into();
                team.claude_path = Some(format!("~/{odd}/claude"));
                team.add_dirs = vec![odd.into()];
            },
            &[("A", odd)],
        )
        .unwrap();
        assert!(!line.contains(['\n', '\0']));
        assert!(!line.contains("../x"), "an instance stays in its folder");
    }

    #[test]
    fn what_no_program_can_hold_is_a_clear_problem() {
        for (problem, says) in [
            (line(|t| t.path = "a\0".into(), &[]), "`path` holds a NUL"),
            (
                line(|t| t.path = "~root/x".into(), &[]),
                "another user's home",
            ),
            (line(|_| {}, &[("a-b", "")]), "\"a-b\""),
            (line(|_| {}, &[("1a", "")]), "\"1a\""),
            (line(|_| {}, &[("", "")]), "\"\""),
            (line(|_| {}, &[("A", "\0")]), "`env.A` holds a NUL"),
        ] {
            let problem = problem.unwrap_err();
            assert!(problem.message.contains(says), "{says}: {problem:?}");
        }
    }

    #[test]
    fn paths_expand_on_the_host() {
        for (given, word) in [
            ("~", "\"${HOME:-}\"/''"),
            ("~/a b", "\"${HOME:-}\"/'a b'"),
            ("~//etc", "\"${HOME:-}\"/'etc'"),
            ("/a'b", "'/a'\\''b'"),
            ("rel/$x", "\"${HOME:-}\"/'rel/$x'"),
        ] {
            let mut program = String::new();
            path(given, "`path`", &mut program).unwrap();
            assert_eq!(program, word);
        }
    }
}
