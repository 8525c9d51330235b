//! What a path of the config means, and whether a team's directory can be used.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use iris_domain::{Problem, problem::Code};

/// A path of the config: `~` is the home directory, and what is relative starts at `base`, the
/// config file's folder.
///
/// # Errors
/// When it names a home directory that is not known.
pub fn expand(path: &str, home: Option<&Path>, base: &Path) -> Result<PathBuf, Problem> {
    let Some(rest) = path.strip_prefix('~') else {
        return Ok(base.join(path));
    };
    match (rest.is_empty() || rest.starts_with('/'), home) {
        // A second slash would begin an absolute path.
        (true, Some(home)) => Ok(home.join(rest.trim_start_matches('/'))),
        (true, None) => Err(Problem::new(
            Code::Config,
            format!("`{path}` needs a home directory, and HOME is not set."),
            "Set HOME, or write the whole path.",
        )),
        (false, _) => Err(Problem::new(
            Code::Config,
            format!("`{path}` names another user's home, which Iris does not look up."),
            "Write the whole path.",
        )),
    }
}

/// Whether a directory is there and can be read.
pub(crate) fn check_directory(dir: &Path) -> Result<(), Problem> {
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
