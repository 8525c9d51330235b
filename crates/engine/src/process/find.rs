//! Where programs are.

use std::{
    env::split_paths,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

/// Where a program of that name would be on this `PATH`. A relative entry does not count: an agent
/// starts in its project, and would take a program of the project for the user's own.
pub fn on_path(path: Option<&OsStr>, name: &str) -> Vec<PathBuf> {
    let dirs = path.map(split_paths).into_iter().flatten();
    dirs.filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .collect()
}

/// Whether it is a file that this user may run.
pub fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// The first program of that name on this `PATH`.
pub fn find(path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    on_path(path, name).into_iter().find(|at| is_program(at))
}
