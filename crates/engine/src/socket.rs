//! Private unix sockets: made, reached and removed, however long the home's path is.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::{
    fs, io,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener as StdListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;
use tracing::{info, warn};

/// The longest path that a socket address holds on every system that we build for (Linux: 108
/// bytes with the final zero, macOS: 104).
const ADDRESS_MAX: usize = 103;

/// Binds a socket that only the user can reach. Call it with the home's lock held: what lies in its
/// place is then the leftover of an Iris that was killed, and is replaced.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Ok(()) => info!(
            path = %path.display(),
            "replaced the socket of an Iris that did not end in order"
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = StdListener::bind(Address::of(path)?.path)?;
    // `run/` is closed to others already; this is the second lock on the same door.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Reaches a socket.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(Address::of(path)?.path)
}

/// Closes a socket and takes its file away.
pub(crate) fn remove(listener: UnixListener, path: &Path) {
    drop(listener);
    if let Err(error) = fs::remove_file(path) {
        warn!(%error, path = %path.display(), "a socket could not be removed");
    }
}

/// A path under which the socket can be bound or reached.
struct Address {
    path: PathBuf,
    /// Keeps `/proc/self/fd/N` meaningful.
    #[cfg(target_os = "linux")]
    _dir: Option<File>,
}

impl Address {
    #[cfg(target_os = "linux")]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= ADDRESS_MAX {
            return Ok(Self {
                path: path.to_owned(),
                _dir: None,
            });
        }
        let dir = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
        Ok(Self {
            path,
            _dir: Some(dir),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= ADDRESS_MAX {
            return Ok(Self {
                path: path.to_owned(),
            });
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the path {} is too long for a socket; set IRIS_HOME to a shorter one",
                path.display()
            ),
        ))
    }
}
