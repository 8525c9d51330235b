//! Looks into `/proc`: which programs still run that a test has started, however indirectly.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A running program.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The program file.
    pub exe: PathBuf,
    /// Its arguments, with spaces between.
    pub command: String,
}

impl Process {
    /// Sends it a signal; one that is gone already is as good.
    pub fn signal(&self, signal: Signal) {
        signal_pid(self.pid, signal);
    }

    /// A variable of the environment it was started with.
    pub fn variable(&self, name: &str) -> Option<String> {
        let environ = fs::read(format!("/proc/{}/environ", self.pid)).ok()?;
        let start = format!("{name}=");
        environ
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(start.as_bytes()))
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// Sends a signal to a process that this test has started.
pub fn signal_pid(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("process ids are small"));
    match kill(pid, signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(e) => panic!("cannot send {signal} to {pid}: {e}"),
    }
}

/// Every running program whose environment or working directory names `marker`: a directory that
/// only one test uses. Programs that ended but were not reaped do not count.
pub fn marked(marker: &Path) -> Vec<Process> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").expect("tests run where /proc is");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| is_marked(*pid, marker))
        .filter_map(read)
        .collect()
}

/// What a process has open, as `/proc` names it; nothing of one that is gone.
pub fn descriptors(pid: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    let entries = entries.into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .collect()
}

/// At how many TCP ports these processes listen.
pub fn listening(pids: &[u32]) -> usize {
    const LISTEN: &str = "0A";
    let mut sockets = BTreeSet::new();
    for pid in pids {
        let open = descriptors(*pid);
        for table in ["tcp", "tcp6"] {
            let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
            let rows = table.lines().skip(1).map(|row| row.split_whitespace());
            sockets.extend(rows.filter_map(|mut row| {
                let is_listening = row.nth(3) == Some(LISTEN);
                // The inode, of which a descriptor is `socket:[INODE]`.
                let socket = PathBuf::from(format!("socket:[{}]", row.nth(5)?));
                (is_listening && open.contains(&socket)).then_some(socket)
            }));
        }
    }
    sockets.len()
}

fn is_marked(pid: u32, marker: &Path) -> bool {
    let marker = marker.as_os_str().as_bytes();
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ.windows(marker.len()).any(|window| window == marker)
        || fs::read_link(format!("/proc/{pid}/cwd"))
            .is_ok_and(|cwd| cwd.as_os_str().as_bytes().starts_with(marker))
}

fn read(pid: u32) -> Option<Process> {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command)
        .replace('\0', " ")
        .trim_end()
        .to_owned();
    Some(Process { pid, exe, command })
}
