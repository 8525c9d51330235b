//! A project's folder, of which nothing outside is read: no link out of it, no pipe, nothing endless.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions, OpenOptionsExt as _},
};
use iris_domain::{Problem, agent, problem::Code};
use rustix::fs::OFlags;

/// A file of a project that is longer is not read.
const FILE_MAX: usize = 256 * 1024;
/// A template that is longer is not read.
pub(super) const TEMPLATE_MAX: usize = 64 * 1024;
/// More files in a folder of templates are not looked at.
const TEMPLATES_MAX: usize = 200;
const ENDING: &str = ".hbs";

/// A folder that may be read.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// `None`: it is not there, and nothing is in it.
    dir: Option<Arc<Dir>>,
    /// Where templates are in it.
    templates: &'static str,
}

impl Folder {
    /// A project: `path`, which must lie in `root` whatever links there are.
    ///
    /// # Errors
    /// When it does not, or cannot be read.
    pub fn project(root: &Path, path: &Path) -> Result<Self, Problem> {
        let outside = |_: io::Error| not_inside(path, root);
        let real = root
            .canonicalize()
            .map_err(|error| unreadable(root, &error))?;
        let asked = real.join(path).canonicalize().map_err(outside)?;
        let within = asked
            .strip_prefix(&real)
            .map_err(|_| not_inside(path, root))?;
        let all = Dir::open_ambient_dir(&real, ambient_authority());
        let all = all.map_err(|error| unreadable(root, &error))?;
        let dir = if within.as_os_str().is_empty() {
            all
        } else {
            all.open_dir(within).map_err(outside)?
        };
        Ok(Self {
            path: asked,
            dir: Some(Arc::new(dir)),
            templates: ".iris/templates",
        })
    }

    /// The user's own templates; there need not be any.
    pub(super) fn users(path: PathBuf) -> Result<Self, Problem> {
        let dir = match Dir::open_ambient_dir(&path, ambient_authority()) {
            Ok(dir) => Some(Arc::new(dir)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&path, &error)),
        };
        Ok(Self {
            path,
            dir,
            templates: ".",
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        let found = self.dir.as_ref().map(|dir| dir.metadata(name));
        matches!(found, Some(Ok(found)) if found.is_file())
    }

    /// The text of a file; `None` when there is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        self.read(name, FILE_MAX)
    }

    /// The template of a kind, and where it is.
    pub(super) fn template(&self, kind: &str) -> Result<Option<(PathBuf, String)>, Problem> {
        let name = format!("{}/{kind}{ENDING}", self.templates);
        let text = self.read(&name, TEMPLATE_MAX)?;
        Ok(text.map(|text| (self.file(kind), text)))
    }

    /// The kinds that have a template here, by name, each with its file.
    pub(super) fn templates(&self) -> Result<Vec<(String, PathBuf)>, Problem> {
        let Some(dir) = &self.dir else {
            return Ok(Vec::new());
        };
        let failed = |error: io::Error| unreadable(&self.path.join(self.templates), &error);
        let entries = match dir.read_dir(self.templates) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries.take(TEMPLATES_MAX) {
            let file = entry.map_err(failed)?.file_name();
            let name = file.to_str().and_then(|name| name.strip_suffix(ENDING));
            if let Some(name) = name.filter(|name| agent::is_name(name)) {
                names.push((name.to_owned(), self.file(name)));
            }
        }
        names.sort();
        Ok(names)
    }

    fn file(&self, kind: &str) -> PathBuf {
        let folder = match self.templates {
            "." => self.path.clone(),
            below => self.path.join(below),
        };
        folder.join(format!("{kind}{ENDING}"))
    }

    fn read(&self, name: &str, max: usize) -> Result<Option<String>, Problem> {
        let Some(dir) = &self.dir else {
            return Ok(None);
        };
        let failed = |error: io::Error| unreadable(&self.path.join(name), &error);
        let Some(bytes) = read_within(dir, Path::new(name), max).map_err(failed)? else {
            return Ok(None);
        };
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| failed(io::Error::other("it is no UTF-8 text")))
    }
}

fn not_inside(path: &Path, root: &Path) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!(
            "{} is no folder of the project {}",
            path.display(),
            root.display()
        ),
        "Name the project itself or a folder in it.",
    )
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        Code::InvalidInput,
        format!("{} cannot be read: {error}", path.display()),
        "Only regular files within the project are read, of a bounded size; links must not lead out of it.",
    )
}

/// A file below a folder, whole; `None` when there is none. Links are followed as far as they stay in it.
pub(crate) fn read_within(dir: &Dir, path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut options = OpenOptions::new();
    // A pipe would wait for its other end.
    let at_once = OFlags::NONBLOCK | OFlags::NOCTTY;
    options
        .read(true)
        .custom_flags(at_once.bits().cast_signed());
    let found = dir.metadata(path).and_then(|found| {
        // Asked before it is opened: some devices act when they are.
        if found.is_file() {
            dir.open_with(path, &options)
        } else {
            Err(io::Error::other("it is no regular file"))
        }
    });
    let file = match found {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    let bound = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(io::Error::other(format!("it is larger than {max} bytes")));
    }
    Ok(Some(bytes))
}
