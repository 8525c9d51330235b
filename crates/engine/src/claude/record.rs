//! Claude Code's own record of a conversation, on this computer (measured with 2.1.330): the file
//! `projects/FOLDER/SESSION.jsonl` of its configuration directory, and a folder `SESSION` beside it.
//!
//! `FOLDER` is made of the folder in which the conversation began, which may not be the team's any
//! more: it is looked for in every one. A session's name is in no other.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use iris_domain::{Problem, conversation::Removal, ids::SessionId, problem::Code};

mod answer;
pub use answer::answer;

use super::clean;
use crate::{environment::Environment, secrets::Secret};

/// The variables that say where Claude Code keeps its records.
pub const CONFIG_VARS: [&str; 2] = ["CLAUDE_CONFIG_DIR", "HOME"];

/// The configuration directory of an agent that is started in `folder` with this environment; `None`
/// without a home.
///
/// # Errors
/// The team's `env` cannot be used.
pub fn config_dir(
    env: &Environment,
    team: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, Secret>,
    folder: &Path,
) -> Result<Option<PathBuf>, Problem> {
    let env = clean(env, team, secrets)?.0;
    let of = |name: &str| env.get(OsStr::new(name)).filter(|value| !value.is_empty());
    let [config, home] = CONFIG_VARS.map(of);
    Ok(match (config, home) {
        (Some(config), _) => Some(folder.join(config)),
        (None, Some(home)) => Some(folder.join(home).join(".claude")),
        (None, None) => None,
    })
}

/// Removes the record of a conversation, and nothing else: links are not followed.
pub fn forget(config_dir: &Path, session: SessionId) -> Removal {
    let projects = projects(config_dir);
    let mut removal = Removal::default();
    let folders = match folders(&projects) {
        Ok(folders) => folders,
        Err(error) => {
            removal.left = Some(left(&projects, &error));
            return removal;
        }
    };
    for folder in folders {
        let folder = match folder {
            Ok(folder) => folder,
            Err(error) => {
                removal.left = Some(left(&projects, &error));
                continue;
            }
        };
        for path in [
            folder.join(format!("{session}.jsonl")),
            folder.join(session.to_string()),
        ] {
            match remove(&path) {
                Ok(true) => removal.removed.push(path.display().to_string()),
                Ok(false) => {}
                Err(error) => removal.left = Some(left(&path, &error)),
            }
        }
    }
    removal
}

fn projects(config_dir: &Path) -> PathBuf {
    config_dir.join("projects")
}

/// The folders of the records; those that are links lead out, and are none. No records: none.
fn folders(projects: &Path) -> io::Result<impl Iterator<Item = io::Result<PathBuf>>> {
    let entries = match fs::read_dir(projects) {
        // Nothing was ever said there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        entries => Some(entries?),
    };
    let found = |entry: fs::DirEntry| Ok((entry.file_type()?, entry.path()));
    let folder = move |entry: io::Result<fs::DirEntry>| match entry.and_then(found) {
        Ok((kind, path)) => kind.is_dir().then_some(Ok(path)),
        Err(error) => Some(Err(error)),
    };
    Ok(entries.into_iter().flatten().filter_map(folder))
}

/// Whether there was something.
fn remove(path: &Path) -> io::Result<bool> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn left(path: &Path, error: &io::Error) -> Problem {
    let path = path.display();
    Problem::new(
        Code::Storage,
        format!("{path} could not be removed: {error}."),
        format!("Remove it yourself: `rm -r '{path}'`."),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn session(n: u128) -> SessionId {
        SessionId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn the_record_goes_from_every_folder_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let (mine, other) = (session(1), session(2));
        let outside = dir.path().join("outside");
        let [a, b] = ["-a", "-b"].map(|name| dir.path().join("projects").join(name));
        for folder in [&a, &b, &outside] {
            for session in [mine, other] {
                fs::create_dir_all(folder.join(session.to_string()).join("sub")).unwrap();
                fs::write(folder.join(format!("{session}.jsonl")), "x").unwrap();
            }
        }
        // A folder that is a link leads out, and so does a record that is one.
        symlink(&outside, dir.path().join("projects/-link")).unwrap();
        fs::remove_dir_all(b.join(mine.to_string())).unwrap();
        symlink(&outside, b.join(mine.to_string())).unwrap();

        let removal = forget(dir.path(), mine);
        assert_eq!(removal.left, None);
        assert_eq!(removal.removed.len(), 4, "{:?}", removal.removed);
        for folder in [&a, &b] {
            assert!(!folder.join(format!("{mine}.jsonl")).exists());
            assert!(fs::symlink_metadata(folder.join(mine.to_string())).is_err());
            assert!(folder.join(format!("{other}.jsonl")).exists());
            assert!(folder.join(other.to_string()).join("sub").exists());
        }
        assert!(outside.join(format!("{mine}.jsonl")).exists());
        assert!(outside.join(mine.to_string()).join("sub").exists());
        assert_eq!(forget(dir.path(), mine), Removal::default(), "twice");
        assert_eq!(forget(&dir.path().join("none"), mine), Removal::default());
    }

    #[test]
    fn what_cannot_be_removed_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("projects"), "a file").unwrap();
        let left = forget(dir.path(), session(1)).left.unwrap();
        assert!(left.message.contains("projects"), "{left:?}");
    }

    #[test]
    fn it_is_where_the_agent_keeps_it() {
        let env: Environment = [("HOME".into(), "/home/me".into())].into_iter().collect();
        for (team, dir) in [
            (vec![], "/home/me/.claude"),
            (vec![("HOME", "/h")], "/h/.claude"),
            (vec![("CLAUDE_CONFIG_DIR", "")], "/home/me/.claude"),
            (vec![("CLAUDE_CONFIG_DIR", "/c")], "/c"),
            (vec![("CLAUDE_CONFIG_DIR", "c")], "/p/c"),
        ] {
            let team = team
                .into_iter()
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .collect();
            let found = config_dir(&env, &team, &BTreeMap::new(), Path::new("/p")).unwrap();
            assert_eq!(found, Some(dir.into()));
        }
        let none = config_dir(
            &Environment::default(),
            &BTreeMap::new(),
            &BTreeMap::new(),
            Path::new("/p"),
        );
        assert_eq!(none.unwrap(), None);
    }
}
