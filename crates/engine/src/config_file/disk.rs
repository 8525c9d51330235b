//! The file itself: read whole, replaced whole.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use iris_domain::{Problem, problem::Code};

/// A config is some kilobytes; whatever is larger than this is not one, and is not read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// A new config file is for its user alone: its `env` may hold what should have been in the
/// keychain.
#[cfg(unix)]
const NEW_FILE_MODE: u32 = 0o600;

/// Why a file was not replaced.
#[derive(Debug)]
pub(super) enum SaveError {
    /// It is not what the change was made to.
    ChangedMeanwhile,
    /// The disk would not.
    Failed(Problem),
}

/// The file's text; `None` when there is no file.
pub(super) fn read(path: &Path) -> Result<Option<String>, Problem> {
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    if !found.is_file() {
        return Err(Problem::new(
            Code::Config,
            format!("{shown} is not a file"),
            "Move what is there away; Iris keeps its config in a file of that name.",
        ));
    }
    if found.len() > LARGEST {
        return Err(Problem::new(
            Code::Config,
            format!("{shown} is larger than 4 MiB, which no config is"),
            "Put the config back there; the last one that Iris changed is in config.json.bak.",
        ));
    }
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            Problem::new(
                Code::Config,
                format!("{shown} is not UTF-8 text: line {line} has a byte that does not fit"),
                "Save it as UTF-8 in your editor.",
            )
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let shown = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Problem::new(
            Code::Config,
            format!("you may not read {shown}"),
            format!("Make it yours again: chmod u+rw '{shown}'."),
        ),
        _ => Problem::new(
            Code::Config,
            format!("{shown} cannot be read: {error}"),
            "Mend the file system, or put the file somewhere that can be read.",
        ),
    }
}

/// The file that `path` names when every symbolic link is followed; it need not exist.
pub(super) fn target(path: &Path) -> PathBuf {
    if let Ok(target) = fs::canonicalize(path) {
        return target;
    }
    // A link to a file that is not there yet: saving makes it.
    match (fs::read_link(path), path.parent()) {
        (Ok(link), Some(dir)) => dir.join(link),
        _ => path.to_owned(),
    }
}

/// Replaces the file, provided that it still says `before`, and keeps `before` in `backup`. The
/// old text or the new one is there at any moment, whatever happens. A symbolic link stays one.
pub(super) fn save(
    path: &Path,
    backup: &Path,
    before: Option<&str>,
    after: &str,
) -> Result<(), SaveError> {
    let failed = |path: &Path, error: io::Error| {
        SaveError::Failed(Problem::new(
            Code::Storage,
            format!("cannot write {}: {error}", path.display()),
            "Make room on the disk, or make the folder writable; nothing was changed.",
        ))
    };
    if u64::try_from(after.len()).map_or(true, |length| length > LARGEST) {
        // It could be written, and would not be read again.
        return Err(SaveError::Failed(Problem::new(
            Code::InvalidInput,
            "the config would be larger than 4 MiB, which is the most",
            "Put what is long elsewhere: an agent's instructions belong into its project.",
        )));
    }
    let target = target(path);
    let unchanged = || match read(path) {
        Ok(now) if now.as_deref() == before => Ok(()),
        Ok(_) | Err(_) => Err(SaveError::ChangedMeanwhile),
    };
    unchanged()?;
    // A read-only file is somebody's wish, although replacing it would not need its permission.
    let mode = fs::metadata(&target).ok().map(|found| found.permissions());
    if mode.as_ref().is_some_and(fs::Permissions::readonly) {
        return Err(SaveError::Failed(Problem::new(
            Code::Storage,
            format!("{} is write-protected", target.display()),
            format!(
                "Allow writing: chmod u+w '{}'; or edit it by hand.",
                target.display()
            ),
        )));
    }
    if let Some(before) = before {
        let temporary =
            written(backup, before, mode.clone()).map_err(|error| failed(backup, error))?;
        put(temporary, backup).map_err(|error| failed(backup, error))?;
    }
    let temporary = written(&target, after, mode).map_err(|error| failed(&target, error))?;
    // Once more, now that only the rename is left: what the user just saved must not be lost.
    unchanged()?;
    put(temporary, &target).map_err(|error| failed(&target, error))
}

/// A temporary file next to `path` with this text, safe on disk.
fn written(
    path: &Path,
    text: &str,
    mode: Option<fs::Permissions>,
) -> io::Result<tempfile::NamedTempFile> {
    let dir = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut file = tempfile::Builder::new()
        .prefix(".config.json.")
        .tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    #[cfg(unix)]
    let mode = {
        use std::os::unix::fs::PermissionsExt;
        mode.or_else(|| Some(fs::Permissions::from_mode(NEW_FILE_MODE)))
    };
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// Moves it into place, so that it is there after a power cut too.
fn put(temporary: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.persist(path).map_err(|error| error.error)?;
    match path.parent() {
        // Windows has no handle on a directory, and no need of one.
        Some(dir) if cfg!(unix) => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

/// Makes the folder of the config, for its user alone, unless it is there.
pub(super) fn make_folder(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
