//! The one place that knows the `git` program: what a project has changed since its last commit.
//!
//! A repository is somebody's text. Its config names programs (filters, `fsmonitor`, drivers for diffs,
//! hooks, a pager), so none of its config is read: `git` works with a repository of our own that borrows
//! the objects and has a copy of the index, and with nobody's settings. Attributes then name drivers that
//! do not exist, and no such program runs.

mod repository;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    claude::{is_program, on_path},
    environment::Environment,
    process::{Environ, Output, Processes, Program, SpawnError},
};
use repository::Repository;

/// More of a diff is cut.
const DIFF_MAX: usize = 256 * 1024;
/// `git` is ended after this.
const WITHIN: Duration = Duration::from_secs(10);
/// Of a larger file only that it changed is told.
const CONFIG: &str =
    "[core]\n\trepositoryformatversion = 1\n\tbare = false\n\tbigFileThreshold = 1m\n";

/// Why there is no diff. Each is a sentence for the agent.
#[derive(Debug, thiserror::Error)]
pub enum NoDiff {
    /// There is no `.git` here or above.
    #[error("the project is in no git repository")]
    NoRepository,
    /// Nothing to compare with.
    #[error("the repository has no commit yet")]
    NoCommit,
    /// It uses what is not read here, or leads elsewhere.
    #[error("the repository is not read: {0}")]
    NotRead(&'static str),
    /// A file of it cannot be read.
    #[error("`{0}` of the repository cannot be read: {1}")]
    File(&'static str, io::Error),
    /// No `git` on the `PATH`.
    #[error("`git` is not installed")]
    NoGit,
    /// It did not start.
    #[error("git did not start: {0}")]
    NotStarted(#[from] SpawnError),
    /// It took too long.
    #[error("git had no answer within {} s", WITHIN.as_secs())]
    TimedOut,
    /// It failed, and said this.
    #[error("git failed: {0}")]
    Failed(String),
    /// Iris could not make what it needs for it.
    #[error("Iris could not prepare for it: {0}")]
    Prepare(io::Error),
}

/// What is changed and not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// As `git diff HEAD` writes it; empty when nothing is changed.
    pub text: String,
    /// Whether there is more.
    pub cut: bool,
}

/// What is changed below this folder since the last commit. `scratch` is a private folder to work in.
///
/// # Errors
/// Why it is not known.
pub async fn diff(
    processes: &Processes,
    env: &Environment,
    scratch: &Path,
    folder: &Path,
) -> Result<Diff, NoDiff> {
    let git = on_path(env.get("PATH"), "git")
        .into_iter()
        .find(|path| is_program(path))
        .ok_or(NoDiff::NoGit)?;
    let (scratch, folder) = (scratch.to_owned(), folder.to_owned());
    let (ours, program) = tokio::task::spawn_blocking({
        let env = env.clone();
        move || {
            let repository = Repository::find(&folder)?;
            let ours = borrow(&repository, &scratch)?;
            let program = program(git, &env, &repository.tree, ours.path(), folder);
            Ok::<_, NoDiff>((ours, program))
        }
    })
    .await
    .map_err(|error| NoDiff::Prepare(io::Error::other(error)))??;
    let told = timeout(WITHIN, run(processes, program)).await;
    // Its files are of no use any more, whatever came of it.
    drop(ours);
    told.map_err(|_| NoDiff::TimedOut)?
}

async fn run(processes: &Processes, program: Program) -> Result<Diff, NoDiff> {
    let (mut process, mut output) = processes.start(program)?;
    process.end_input();
    let mut text = String::new();
    while let Some(heard) = output.recv().await {
        match heard {
            Output::Line(line) if text.len() + line.len() < DIFF_MAX => {
                text.push_str(&line);
                text.push('\n');
            }
            // The process is stopped when it is dropped.
            Output::Line(_) | Output::TooLong(_) => return Ok(Diff { text, cut: true }),
            Output::Ended(ended) => {
                let good = ended.status.is_some_and(|status| status.success());
                return if good {
                    Ok(Diff { text, cut: false })
                } else {
                    Err(NoDiff::Failed(ended.stderr.join(" ")))
                };
            }
        }
    }
    Err(NoDiff::Failed("Iris is ending".to_owned()))
}

/// A repository of our own: the objects of the other, its `HEAD` and a copy of its index.
fn borrow(repository: &Repository, scratch: &Path) -> Result<TempDir, NoDiff> {
    let objects = repository
        .objects
        .to_str()
        .filter(|path| !path.contains('\n'));
    let objects = objects.ok_or(NoDiff::NotRead(
        "its path has characters that git cannot be told",
    ))?;
    let ours = tempfile::Builder::new()
        .prefix("git-")
        .tempdir_in(scratch)
        .map_err(NoDiff::Prepare)?;
    let write = |name: &str, bytes: &[u8]| fs::write(ours.path().join(name), bytes);
    let all = || {
        fs::create_dir_all(ours.path().join("objects/info"))?;
        fs::create_dir(ours.path().join("refs"))?;
        write("objects/info/alternates", format!("{objects}\n").as_bytes())?;
        write("HEAD", format!("{}\n", repository.head).as_bytes())?;
        write("index", &repository.index)?;
        let format = match repository.head.len() {
            40 => "",
            _ => "[extensions]\n\tobjectFormat = sha256\n",
        };
        write("config", format!("{CONFIG}{format}").as_bytes())
    };
    all().map_err(NoDiff::Prepare)?;
    Ok(ours)
}

fn program(git: PathBuf, env: &Environment, tree: &Path, ours: &Path, folder: PathBuf) -> Program {
    let args = [
        "--no-pager",
        "--no-replace-objects",
        "diff",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        // A submodule has a config of its own, which would be read.
        "--ignore-submodules=all",
        "HEAD",
        "--",
        ".",
    ];
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    for (name, value) in [
        ("GIT_DIR", ours.as_os_str()),
        ("GIT_WORK_TREE", tree.as_os_str()),
        ("HOME", ours.as_os_str()),
        ("XDG_CONFIG_HOME", ours.as_os_str()),
        ("GIT_CONFIG_NOSYSTEM", "1".as_ref()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".as_ref()),
        ("GIT_ATTR_NOSYSTEM", "1".as_ref()),
        ("GIT_OPTIONAL_LOCKS", "0".as_ref()),
        ("GIT_NO_LAZY_FETCH", "1".as_ref()),
        ("GIT_TERMINAL_PROMPT", "0".as_ref()),
        ("LC_ALL", "C".as_ref()),
        ("IRIS_GIT", ours.as_os_str()),
    ] {
        all.insert(name.into(), value.to_owned());
    }
    if let Some(path) = env.get("PATH") {
        all.insert("PATH".into(), path.to_owned());
    }
    Program {
        path: git,
        args: args.map(OsString::from).into(),
        dir: folder,
        env: Environ(all),
        mark: format!("IRIS_GIT={}", ours.display()),
    }
}

#[cfg(test)]
mod tests;
