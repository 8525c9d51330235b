//! Where a folder's repository is, and the little that is read of it by ourselves.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};

use super::NoDiff;
use crate::agents::read_within;

/// An index of a million files has this size.
const INDEX_MAX: usize = 128 * 1024 * 1024;
/// So many refs are packed nowhere.
const PACKED_MAX: usize = 32 * 1024 * 1024;
/// A ref, or a file that names a folder.
const LINE_MAX: usize = 4096;
/// Refs that name refs.
const REFS_MAX: usize = 5;
/// More files of objects are not looked through.
const OBJECTS_MAX: usize = 200_000;

/// What is needed of a repository.
pub(super) struct Repository {
    /// The folder whose files it has.
    pub tree: PathBuf,
    /// Its objects.
    pub objects: PathBuf,
    /// The last commit.
    pub head: String,
    /// The index, as it is.
    pub index: Vec<u8>,
}

impl Repository {
    /// The repository that has this folder: in it, or in one above it.
    pub fn find(folder: &Path) -> Result<Self, NoDiff> {
        let folder = folder.canonicalize().map_err(file("the folder"))?;
        for tree in folder.ancestors() {
            match fs::symlink_metadata(tree.join(".git")) {
                Ok(_) => return Self::at(tree),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(NoDiff::File(".git", error)),
            }
        }
        Err(NoDiff::NoRepository)
    }

    fn at(tree: &Path) -> Result<Self, NoDiff> {
        let git = tree.join(".git");
        let found = fs::symlink_metadata(&git).map_err(file(".git"))?;
        let (own, common) = if found.is_dir() {
            (git.clone(), git)
        } else if found.is_file() {
            linked(tree, &git)?
        } else {
            return Err(NoDiff::NotRead("its `.git` is a link"));
        };
        let open = |path: &Path| {
            Dir::open_ambient_dir(path, ambient_authority()).map_err(file("its folder"))
        };
        let (own, shared) = (open(&own)?, open(&common)?);
        if shared.try_exists("reftable").map_err(file("reftable"))? {
            return Err(NoDiff::NotRead("it keeps its refs as a reftable"));
        }
        self_contained(&shared)?;
        Ok(Self {
            tree: tree.to_owned(),
            objects: common.join("objects"),
            head: head(&own, &shared)?,
            index: bytes(&own, "index", INDEX_MAX)?.ok_or(NoDiff::NotRead("it has no index"))?,
        })
    }
}

/// A worktree that was added to a repository elsewhere: `.git` names its folder there. That folder must
/// name this one, too: or a project could name any repository, and be told what is in it.
fn linked(tree: &Path, git: &Path) -> Result<(PathBuf, PathBuf), NoDiff> {
    const ASTRAY: NoDiff =
        NoDiff::NotRead("its `.git` names a repository elsewhere that does not name it back");
    let here = Dir::open_ambient_dir(tree, ambient_authority()).map_err(file(".git"))?;
    let named = line(&here, ".git")?.ok_or(ASTRAY)?;
    let named = named.strip_prefix("gitdir:").ok_or(ASTRAY)?.trim();
    let own = tree.join(named).canonicalize().map_err(|_| ASTRAY)?;
    let there = Dir::open_ambient_dir(&own, ambient_authority()).map_err(|_| ASTRAY)?;
    let back = line(&there, "gitdir")?.ok_or(ASTRAY)?;
    let common = line(&there, "commondir")?.ok_or(ASTRAY)?;
    let common = own.join(common).canonicalize().map_err(|_| ASTRAY)?;
    let back = own.join(back).canonicalize().map_err(|_| ASTRAY)?;
    let here = git.canonicalize().map_err(file(".git"))?;
    // It lies in the repository itself: a folder of the project could name any.
    if back == here && own.parent() == Some(&common.join("worktrees")) {
        Ok((own, common))
    } else {
        Err(ASTRAY)
    }
}

/// Its objects are its own: links and alternates could lead into any repository.
fn self_contained(shared: &Dir) -> Result<(), NoDiff> {
    const BORROWED: NoDiff = NoDiff::NotRead("it borrows objects from elsewhere");
    let unreadable = file("objects");
    if !shared
        .symlink_metadata("objects")
        .map_err(&unreadable)?
        .is_dir()
    {
        return Err(BORROWED);
    }
    let mut folders = vec![PathBuf::from("objects")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in shared.read_dir(&folder).map_err(&unreadable)? {
            let entry = entry.map_err(&unreadable)?;
            let kind = entry.file_type().map_err(&unreadable)?;
            let path = folder.join(entry.file_name());
            seen += 1;
            if seen > OBJECTS_MAX {
                return Err(NoDiff::NotRead(
                    "it has too many files; `git gc` packs them",
                ));
            }
            let lent = ["objects/info/alternates", "objects/info/http-alternates"];
            if kind.is_symlink() || lent.iter().any(|name| path == Path::new(name)) {
                return Err(BORROWED);
            }
            if kind.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(())
}

/// The last commit.
fn head(own: &Dir, shared: &Dir) -> Result<String, NoDiff> {
    let mut said = line(own, "HEAD")?.ok_or(NoDiff::NotRead("it has no HEAD"))?;
    for _ in 0..REFS_MAX {
        let Some(name) = said.strip_prefix("ref:").map(str::trim) else {
            let hash = said.bytes().all(|byte| byte.is_ascii_hexdigit());
            return match said.len() {
                40 | 64 if hash => Ok(said),
                _ => Err(NoDiff::NotRead("its HEAD is no commit")),
            };
        };
        if !name.starts_with("refs/") {
            return Err(NoDiff::NotRead("its HEAD is no ref"));
        }
        said = match line_at(shared, Path::new(name), "a ref")? {
            Some(said) => said,
            None => packed(shared, name)?.ok_or(NoDiff::NoCommit)?,
        };
    }
    Err(NoDiff::NotRead("its refs name each other"))
}

fn packed(shared: &Dir, name: &str) -> Result<Option<String>, NoDiff> {
    let all = bytes(shared, "packed-refs", PACKED_MAX)?.unwrap_or_default();
    let all = String::from_utf8_lossy(&all);
    let hash = all.lines().find_map(|line| {
        let (hash, named) = line.split_once(' ')?;
        (named == name).then(|| hash.to_owned())
    });
    Ok(hash)
}

fn line(dir: &Dir, name: &'static str) -> Result<Option<String>, NoDiff> {
    line_at(dir, Path::new(name), name)
}

fn line_at(dir: &Dir, path: &Path, shown: &'static str) -> Result<Option<String>, NoDiff> {
    let read = read_within(dir, path, LINE_MAX).map_err(file(shown))?;
    Ok(read.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
}

fn bytes(dir: &Dir, name: &'static str, max: usize) -> Result<Option<Vec<u8>>, NoDiff> {
    read_within(dir, Path::new(name), max).map_err(file(name))
}

fn file(name: &'static str) -> impl Fn(io::Error) -> NoDiff {
    move |error| NoDiff::File(name, error)
}
