//! Says when the config file may have changed.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use notify::{
    Config, Event, EventKind, EventKindMask, RecursiveMode, Watcher as _,
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

/// On Linux the end of each write is an event of its own, and the writes are not asked for: the
/// database next to the config is written to all the time, and each would wake a thread.
const KINDS: EventKindMask = {
    let writes = if cfg!(target_os = "linux") {
        EventKindMask::ACCESS_CLOSE
    } else {
        EventKindMask::MODIFY_DATA
    };
    EventKindMask::CREATE
        .union(EventKindMask::REMOVE)
        .union(EventKindMask::MODIFY_NAME)
        .union(EventKindMask::MODIFY_META)
        .union(writes)
};

impl Watcher {
    /// Sends to `changed` when the file may have changed. One waiting message is enough.
    pub fn new(path: &Path, changed: mpsc::Sender<()>) -> Result<Self, notify::Error> {
        let target = disk::target(path);
        let names: Vec<OsString> = [path, &target]
            .into_iter()
            .filter_map(|path| path.file_name().map(OsString::from))
            .collect();
        let when = move |event: notify::Result<Event>| {
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
        };
        let config = Config::default().with_event_kinds(KINDS);
        let mut watcher = notify::RecommendedWatcher::new(when, config)?;
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

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RemoveKind};

    use super::*;

    #[test]
    fn reading_is_not_a_change() {
        for (kind, change) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (EventKind::Access(AccessKind::Read), false),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Read)),
                false,
            ),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                true,
            ),
            (EventKind::Create(CreateKind::File), true),
            (EventKind::Modify(ModifyKind::Any), true),
            (EventKind::Remove(RemoveKind::File), true),
        ] {
            assert_eq!(is_change(kind), change, "{kind:?}");
        }
    }

    #[test]
    fn the_files_beside_it_are_not_it() {
        let names = [OsString::from("config.json")];
        let event = |path: &str| Event::new(EventKind::Any).add_path(path.into());
        assert!(names_us(&event("/home/me/.iris/config.json"), &names));
        for other in ["iris.db-wal", "config.json.bak", ".config.json.x1", "logs"] {
            assert!(
                !names_us(&event(&format!("/home/me/.iris/{other}")), &names),
                "{other}"
            );
        }
    }
}
