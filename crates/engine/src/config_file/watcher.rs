//! Says when the config file may have changed.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use notify::{
    Event, EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::mpsc;

use super::disk;

/// Watches the folder of the config file, because editors replace a file instead of writing to
/// it; for a symbolic link, the folder of its target too.
pub(super) struct Watcher {
    /// Dropping it ends the watch.
    _watcher: notify::RecommendedWatcher,
    target: PathBuf,
}

impl Watcher {
    /// Sends to `changed` when the file may have changed. One waiting message is enough.
    pub fn new(path: &Path, changed: mpsc::Sender<()>) -> Result<Self, notify::Error> {
        let target = disk::target(path);
        let names: Vec<OsString> = [path, &target]
            .into_iter()
            .filter_map(|path| path.file_name().map(OsString::from))
            .collect();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let concerns_us = match event {
                Ok(event) => {
                    event.need_rescan() || (is_change(event.kind) && names_us(&event, &names))
                }
                Err(error) => {
                    tracing::warn!(%error, "watching the config file");
                    true
                }
            };
            if concerns_us && let Err(mpsc::error::TrySendError::Closed(())) = changed.try_send(())
            {
                tracing::trace!("the config file is no longer kept");
            }
        })?;
        let mut folders: Vec<&Path> = [path, &target]
            .into_iter()
            .filter_map(Path::parent)
            .collect();
        folders.dedup();
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self {
            _watcher: watcher,
            target,
        })
    }

    /// Whether the file is still where this watches.
    pub fn fits(&self, path: &Path) -> bool {
        disk::target(path) == self.target
    }
}

/// Opening and reading are events too on Linux; reacting to them by reading would never end.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// The database and the logs lie in the same folder, and change all the time.
fn names_us(event: &Event, names: &[OsString]) -> bool {
    event
        .paths
        .iter()
        .any(|path| names.iter().any(|name| path.file_name() == Some(name)))
}
