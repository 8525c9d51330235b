//! One file a day that only the user can read; old ones go. (`tracing-appender` rotates too, but
//! makes files that everybody can read.)

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::clock;

/// Two weeks: long enough to look back at a problem, short enough to forget.
const FILES_MAX: usize = 14;

pub(super) struct Daily {
    dir: PathBuf,
    day: Date,
    file: File,
}

impl Daily {
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        let day = today();
        let file = open(&dir, day)?;
        prune(&dir)?;
        Ok(Self { dir, day, file })
    }

    fn on(&mut self, day: Date) -> io::Result<()> {
        if day != self.day {
            self.file = open(&self.dir, day)?;
            self.day = day;
            prune(&self.dir)?;
        }
        Ok(())
    }
}

impl Write for Daily {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.on(today())?;
        self.file.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// In UTC, as the times in the lines are.
fn today() -> Date {
    day_of(clock::now())
}

/// The day whose file a line of that time is in.
pub(super) fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn open(dir: &Path, day: Date) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(dir.join(format!("iris-{day}.jsonl")))
}

/// The log files of a directory, oldest first; anything else in it is not ours.
pub(super) fn files(dir: &Path) -> io::Result<Vec<(Date, OsString)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let day = name.to_str().and_then(|name| {
            name.strip_prefix("iris-")?
                .strip_suffix(".jsonl")?
                .parse::<Date>()
                .ok()
        });
        files.extend(day.map(|day| (day, name)));
    }
    files.sort();
    Ok(files)
}

/// Removes all but the newest [`FILES_MAX`] log files; anything else in the directory stays.
fn prune(dir: &Path) -> io::Result<()> {
    let files = files(dir)?;
    let surplus = files.len().saturating_sub(FILES_MAX);
    for (_, name) in &files[..surplus] {
        fs::remove_file(dir.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_new_day_has_a_new_private_file_and_old_ones_go() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().to_owned();
        fs::write(dir.join("notes.txt"), "mine").unwrap();
        for day in 1..=20 {
            fs::write(dir.join(format!("iris-2020-01-{day:02}.jsonl")), "old").unwrap();
        }
        let mut daily = Daily::open(dir.clone()).unwrap();
        daily.write_all(b"one\n").unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&dir)
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            names().len(),
            FILES_MAX + 1,
            "and the stranger stays: {:?}",
            names()
        );
        assert!(
            !names().contains(&"iris-2020-01-01.jsonl".to_owned()),
            "the oldest went"
        );
        let tomorrow = today().tomorrow().unwrap();
        daily.on(tomorrow).unwrap();
        daily.file.write_all(b"two\n").unwrap();
        let path = dir.join(format!("iris-{tomorrow}.jsonl"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(names().len(), FILES_MAX + 1);
    }
}
