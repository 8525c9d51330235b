//! Where `claude` is.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use iris_domain::{Problem, problem::Code};

use crate::{
    config_file::expand,
    process::{is_program, on_path},
};

/// Where its installers put it, beside the `PATH`, which a desktop session often has short.
const PLACES: &[&str] = &[
    "~/.local/bin/claude",
    "~/.claude/local/claude",
    "~/.npm-global/bin/claude",
    "/usr/local/bin/claude",
    "/opt/homebrew/bin/claude",
    "/home/linuxbrew/.linuxbrew/bin/claude",
    "/usr/bin/claude",
];

/// What to do where it is not found.
const INSTALL: &str = "Install Claude Code (https://code.claude.com), or set `claudePath` in the config to where it is.";

/// Finds Claude Code: `claude_path` (`~` expands, relative to `base`; a bare name is looked up on
/// `PATH`), or `claude` on `PATH` and in the usual places. A failure lists where it looked.
pub fn find(
    claude_path: Option<&str>,
    path: Option<&OsStr>,
    home: Option<&Path>,
    base: &Path,
) -> Result<PathBuf, Problem> {
    let candidates: Vec<PathBuf> = match claude_path {
        Some(given) if given.contains('/') => vec![expand(given, home, base)?],
        Some(name) => on_path(path, name),
        None => {
            let mut all: Vec<PathBuf> = on_path(path, "claude");
            let usual = PLACES
                .iter()
                .filter_map(|place| expand(place, home, base).ok());
            all.extend(usual);
            all
        }
    };
    let mut unusable = None;
    for candidate in &candidates {
        if !candidate.is_file() {
            continue;
        }
        if is_program(candidate) {
            return Ok(candidate.clone());
        }
        unusable.get_or_insert(candidate);
    }
    Err(match unusable {
        Some(file) => Problem::new(
            Code::Agent,
            format!("{} is not executable.", file.display()),
            format!(
                "Run `chmod +x {}`, or set `claudePath` to the right file.",
                file.display()
            ),
        ),
        None => {
            let mut looked: Vec<String> = Vec::new();
            for candidate in &candidates {
                let text = candidate.display().to_string();
                if !looked.contains(&text) {
                    looked.push(text);
                }
            }
            // The places stand in the hint: a message of twelve paths is not read.
            let (message, hint) = match looked.as_slice() {
                [] => (
                    "Claude Code was not found: `PATH` is empty.".to_owned(),
                    INSTALL.to_owned(),
                ),
                [only] => (format!("Claude Code is not at {only}."), INSTALL.to_owned()),
                _ => (
                    "Claude Code was not found.".to_owned(),
                    format!("{INSTALL} Iris looked at: {}.", looked.join(", ")),
                ),
            };
            Problem::new(Code::Agent, message, hint)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn put(path: &Path, mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn it_is_found_where_it_is_and_a_failure_says_where_it_was_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home ü");
        let bin = dir.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let path = Some(bin.as_os_str());
        let base = dir.path();

        let problem = find(Some("~/no/claude"), path, Some(&home), base).unwrap_err();
        assert!(
            problem
                .message
                .contains(&home.join("no/claude").display().to_string())
        );
        let problem = find(Some("claude-nightly"), path, Some(&home), base).unwrap_err();
        assert!(
            problem
                .message
                .contains(&bin.join("claude-nightly").display().to_string())
        );
        assert!(find(Some("claude"), None, None, base).is_err());
        let problem = find(None, path, Some(&home), base).unwrap_err();
        assert_eq!(problem.message, "Claude Code was not found.");
        let usual = home.join(".local/bin/claude").display().to_string();
        assert!(problem.hint.contains(&usual), "{problem:?}");

        put(&home.join(".local/bin/claude"), 0o755);
        // A usual place, while the PATH has none.
        assert_eq!(
            find(None, path, Some(&home), base).unwrap(),
            home.join(".local/bin/claude")
        );
        put(&bin.join("claude"), 0o755);
        assert_eq!(
            find(None, path, Some(&home), base).unwrap(),
            bin.join("claude"),
            "PATH first"
        );
        assert_eq!(
            find(Some("bin/claude"), None, None, base).unwrap(),
            bin.join("claude")
        );

        let relative = Some(OsStr::new(":.:bin"));
        assert!(
            find(Some("claude"), relative, None, base).is_err(),
            "what a relative entry means changes with the project"
        );

        put(&home.join("plain"), 0o644);
        let problem = find(Some("~/plain"), path, Some(&home), base).unwrap_err();
        assert!(problem.message.contains("not executable"), "{problem:?}");
        assert!(
            find(Some("./bin"), path, Some(&home), base).is_err(),
            "a directory is no program"
        );
    }
}
