//! Where a local team's directory is, and whether it can be used.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use iris_domain::{Problem, problem::Code};

use crate::environment::Environment;

/// The directory that a local team's `path` means: `~` is the user's home directory, and a
/// relative path starts at `home_root`, the config file's folder.
pub fn resolve_local_path(team_path: &str, home_root: &Path, env: &Environment) -> PathBuf {
    let in_home = match team_path {
        "~" => Some(""),
        path => path.strip_prefix("~/"),
    };
    match (in_home, env.home_dir()) {
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
        (_, None) | (None, Some(_)) => home_root.join(team_path),
    }
}

/// Whether a directory is there and can be read.
pub(super) fn check_directory(dir: &Path) -> Result<(), Problem> {
    let shown = dir.display();
    let refused =
        |message: String, hint: &str| Err(Problem::new(Code::InvalidInput, message, hint));
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => refused(
            format!("there is no folder {shown}"),
            "Create it, or choose a folder that exists.",
        ),
        ErrorKind::NotADirectory => refused(
            format!("{shown} is not a folder"),
            "Choose the project's folder.",
        ),
        ErrorKind::PermissionDenied => refused(
            format!("you may not read the folder {shown}"),
            "Change its permissions, or choose another folder.",
        ),
        _ => refused(
            format!("the folder {shown} cannot be read: {error}"),
            "Choose another folder.",
        ),
    };
    match fs::metadata(dir) {
        Err(error) => unreadable(error),
        Ok(found) if !found.is_dir() => refused(
            format!("{shown} is not a folder"),
            "Choose the project's folder.",
        ),
        Ok(_) => fs::read_dir(dir).map(drop).or_else(unreadable),
    }
}
