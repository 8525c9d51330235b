//! Opens the user's terminal with a command in it, on the desktop that Iris runs on.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use iris_domain::{
    Problem,
    problem::Code,
    terminal::{self, KNOWN, Template, TemplateError},
};

use crate::{
    claude,
    environment::Environment,
    process::{self, Processes, Program, is_program},
};

/// A terminal that cannot open its window ends at once; one that runs for so long has opened it.
const OPENED: Duration = Duration::from_millis(800);
/// Says where macOS has the better one.
const ITERM: &str = "/Applications/iTerm.app";

/// The program that opens a terminal, and its arguments.
#[derive(Debug, PartialEq)]
struct Opener {
    path: PathBuf,
    arguments: Vec<String>,
}

/// Why no terminal is opened.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Unopened {
    /// What the user set cannot be read.
    #[error("{0} cannot be used: {1}.")]
    Unreadable(&'static str, TemplateError),
    /// What the user set is not there.
    #[error("There is no program `{1}`, which {0} names.")]
    Missing(&'static str, String),
    /// There is no desktop.
    #[error("Iris runs without a desktop, so no terminal can be opened.")]
    NoDesktop,
    /// None of those that are known is there.
    #[error("No terminal was found.")]
    NotFound,
}

/// Opens a terminal that runs the command; returns what it is called. `by_hand`: what the user can
/// type where none can be opened.
///
/// # Errors
/// There is none, or it does not open: the problem has the command to run by hand.
pub(crate) async fn open(
    processes: &Processes,
    env: &Environment,
    setting: Option<&str>,
    command: &[String],
    by_hand: &str,
) -> Result<String, Problem> {
    let instead = |message: String| {
        Problem::new(
            Code::Config,
            message,
            format!(
                "Run this in a terminal yourself: {by_hand}\nOr set `settings.terminal` to your terminal."
            ),
        )
    };
    let Opener { path, arguments } =
        opener(env, setting, command).map_err(|why| instead(why.to_string()))?;
    let name = path.display().to_string();
    let program = Program {
        path,
        args: arguments.into_iter().map(OsString::from).collect(),
        dir: "/".into(),
        env: claude::humans(env),
        mark: String::new(),
    };
    processes
        .hand_over(&program, OPENED)
        .await
        .map_err(|error| instead(format!("The terminal {name} did not open: {error}.")))?;
    Ok(name)
}

/// What opens it; or why nothing does.
fn opener(
    env: &Environment,
    setting: Option<&str>,
    command: &[String],
) -> Result<Opener, Unopened> {
    let given = match (setting, env.text("TERMINAL")) {
        (Some(text), _) => Some(("settings.terminal", Template::parse(text))),
        (None, Some(text)) => Some(("the variable TERMINAL", terminal::named(text))),
        (None, None) => None,
    };
    if let Some((source, template)) = given {
        let template = template.map_err(|error| Unopened::Unreadable(source, error))?;
        let program = template.program();
        let path =
            find(env, program).ok_or_else(|| Unopened::Missing(source, program.to_owned()))?;
        return Ok(Opener {
            path,
            arguments: template.arguments(command),
        });
    }
    if cfg!(target_os = "macos") {
        let iterm = PathBuf::from(ITERM).exists();
        return Ok(Opener {
            path: "/usr/bin/osascript".into(),
            arguments: terminal::apple_script(iterm, &terminal::any_shell(command)),
        });
    }
    if cfg!(windows) {
        return Ok(Opener {
            path: "wt.exe".into(),
            arguments: terminal::windows_terminal(command),
        });
    }
    if env.text("DISPLAY").is_none() && env.text("WAYLAND_DISPLAY").is_none() {
        return Err(Unopened::NoDesktop);
    }
    let found = KNOWN.iter().find_map(|known| {
        let path = find(env, known.program)?;
        let template = Template::of(known.program, known.arguments);
        Some(Opener {
            path,
            arguments: template.arguments(command),
        })
    });
    found.ok_or(Unopened::NotFound)
}

fn find(env: &Environment, program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| is_program(path));
    }
    process::find(env.get("PATH"), program)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[cfg(not(any(target_os = "macos", windows)))]
    #[test]
    fn the_setting_wins_then_the_variable_then_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let env = |more: &[(&str, &str)]| -> Environment {
            let path = ("PATH", dir.path().to_str().unwrap());
            let all = more.iter().copied().chain([path]);
            all.map(|(n, v)| (n.into(), v.into())).collect()
        };
        let on = |more: &[(&str, &str)], setting| opener(&env(more), setting, &words(&["c"]));
        let opens = |path, arguments: &[&str]| {
            Ok(Opener {
                path,
                arguments: words(arguments),
            })
        };
        let display = ("DISPLAY", ":1");

        assert!(on(&[], None).unwrap_err() == Unopened::NoDesktop);
        assert!(on(&[display], None).unwrap_err() == Unopened::NotFound);
        let xterm = place("xterm");
        assert_eq!(on(&[display], None), opens(xterm, &["-e", "c"]));
        let gnome = place("gnome-terminal");
        let wayland = ("WAYLAND_DISPLAY", "w");
        assert_eq!(on(&[wayland], None), opens(gnome.clone(), &["--", "c"]));
        let foot = place("foot");
        let named = ("TERMINAL", "foot");
        assert_eq!(on(&[display, named], None), opens(foot, &["c"]));
        let whole = gnome.to_str().unwrap();
        assert_eq!(
            on(&[("TERMINAL", whole)], None),
            opens(gnome.clone(), &["--", "c"])
        );
        let mine = place("mine");
        assert_eq!(
            on(&[named], Some("mine -a {command} -b")),
            opens(mine, &["-a", "c", "-b"])
        );
        let missing = on(&[named], Some("gone")).unwrap_err().to_string();
        assert!(missing.contains("`gone`"), "{missing}");
        let broken = on(&[("TERMINAL", "x 'y")], None).unwrap_err().to_string();
        assert!(broken.contains("TERMINAL"), "{broken}");
    }
}
