//! The names of hosts in the user's own `~/.ssh/config`, to be suggested.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use glob::MatchOptions;
use iris_domain::ssh_config::{Line, lines};

use super::Target;

/// Files deep in other files: as far as `ssh` follows them.
const DEPTH_MAX: u32 = 16;
/// A file that is longer is no list of hosts that anybody wrote.
const FILE_MAX: u64 = 1024 * 1024;
/// More names than this help nobody to choose.
const NAMES_MAX: usize = 1000;

/// As glob(3) does it for `ssh`.
const AS_GLOB: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The names below this home, in the order of the files. A file that cannot be read has none: what
/// `ssh` thinks of that is said when it is asked for a host.
pub(super) fn names(home: &Path) -> Vec<String> {
    let mut reading = Reading {
        home,
        names: Vec::new(),
        seen: HashSet::new(),
    };
    reading.file(&home.join(".ssh/config"), 0);
    reading.names
}

struct Reading<'a> {
    home: &'a Path,
    names: Vec<String>,
    /// Each file counts once: files that include each other come to an end.
    seen: HashSet<PathBuf>,
}

impl Reading<'_> {
    fn file(&mut self, path: &Path, depth: u32) {
        if depth > DEPTH_MAX || !self.seen.insert(path.to_owned()) {
            return;
        }
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no hosts are suggested from it");
                return;
            }
        };
        for line in lines(&text) {
            match line {
                Line::Host(name) => self.host(name),
                Line::Include(pattern) => {
                    for path in self.included(&pattern) {
                        self.file(&path, depth + 1);
                    }
                }
            }
        }
    }

    /// Only what can be used as it stands.
    fn host(&mut self, name: String) {
        let usable = Target::of(&name, None).is_ok_and(|target| target.destination() == name);
        if usable && self.names.len() < NAMES_MAX && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Relative paths start in `~/.ssh`.
    fn included(&self, pattern: &str) -> Vec<PathBuf> {
        let from_home = pattern.strip_prefix("~/");
        let base = match from_home {
            Some(_) => self.home.to_owned(),
            None => self.home.join(".ssh"),
        };
        // The user's own path is no pattern; an absolute one takes the place of it.
        let Some(base) = base.to_str().map(glob::Pattern::escape) else {
            tracing::warn!("the home directory is no UTF-8: `Include` is not followed");
            return Vec::new();
        };
        let whole = Path::new(&base).join(from_home.unwrap_or(pattern));
        match glob::glob_with(&whole.to_string_lossy(), AS_GLOB) {
            Ok(found) => found.flatten().collect(),
            Err(error) => {
                tracing::warn!(pattern, %error, "an `Include` is no pattern");
                Vec::new()
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    // A pipe would wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::Builder::new()
            .prefix("home [1]")
            .tempdir()
            .unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        home
    }

    #[test]
    fn without_a_file_there_is_nothing() {
        assert_eq!(names(home(&[]).path()), Vec::<String>::new());
    }

    #[test]
    fn includes_are_followed_in_order_and_once() {
        let outside = home(&[("hosts", "Host outside")]);
        let outside = outside.path().join("hosts");
        let config = format!(
            "Include conf.d/*.conf ~/work/hosts missing\nInclude \"{}\"\nHost box db\nHost box",
            glob::Pattern::escape(outside.to_str().unwrap())
        );
        let home = home(&[
            (".ssh/config", &config),
            (".ssh/conf.d/20.conf", "Host second\nInclude config"),
            (".ssh/conf.d/10.conf", "Host first\nInclude conf.d/20.conf"),
            (".ssh/conf.d/.hidden.conf", "Host hidden"),
            (".ssh/conf.d/note.txt", "Host note"),
            ("work/hosts", "Host work"),
        ]);
        assert_eq!(
            names(home.path()),
            ["first", "second", "work", "outside", "box", "db"]
        );
    }

    #[test]
    fn what_iris_would_refuse_is_not_suggested() {
        let home = home(&[(
            ".ssh/config",
            "Host -oProxyCommand=x\nHost a;b \"two words\" $x ssh good me@good",
        )]);
        assert_eq!(names(home.path()), ["good", "me@good"]);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let home = home(&[(".ssh/config", "Host a\nInclude *\nHost b")]);
        assert_eq!(names(home.path()), ["a", "b"]);
    }
}
