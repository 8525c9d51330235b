//! Who comes from whom: the process tree as the system shows it.

use rustix::process::Pid;
use tracing::{debug, info};

/// A deeper tree has no honest use; the walk ends, as if it had failed.
const DEPTH_MAX: usize = 512;

/// A process, from `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub pid: i32,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Clock ticks since boot. With the pid it names a process for good.
    pub started: u64,
    pub zombie: bool,
    /// By a signal: it does nothing.
    pub stopped: bool,
}

impl Stat {
    /// `PID (name) S PPID PGRP SESSION …`; the name may hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        let (_, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc(5) counts from 1 and the state is field 3.
        let field = |n: usize| fields.get(n - 3).copied();
        Some(Self {
            pid: pid.parse().ok()?,
            zombie: matches!(field(3)?, "Z" | "X"),
            stopped: field(3)? == "T",
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
        })
    }

    #[cfg(target_os = "linux")]
    fn of(pid: i32) -> Option<Self> {
        // A process that ended meanwhile has no file: that is an answer, not an error.
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Without `/proc`, `ps` knows the parent; the other fields are not needed there.
    #[cfg(not(target_os = "linux"))]
    #[expect(
        clippy::disallowed_methods,
        reason = "part of the one place that spawns"
    )]
    fn of(pid: i32) -> Option<Self> {
        let out = std::process::Command::new("/bin/ps")
            .args(["-o", "ppid=", "-p", &pid.to_string()])
            .output()
            .ok()?;
        let parent = String::from_utf8(out.stdout).ok()?.trim().parse().ok()?;
        Some(Self {
            pid,
            parent,
            group: 0,
            session: 0,
            started: 0,
            zombie: false,
            stopped: false,
        })
    }
}

/// When a process was started, in clock ticks since boot; `None` when there is none, or where the
/// system does not say (only Linux does).
pub fn started(pid: i32) -> Option<u64> {
    if cfg!(target_os = "linux") {
        Some(Stat::of(pid)?.started)
    } else {
        None
    }
}

/// Whether a process descends from this Iris: an agent, or anything it started. Also true when the
/// walk up its parents fails, because who cannot be told apart from an agent must be refused.
/// A double fork does not escape on Linux: Iris is the subreaper of what it starts.
pub fn is_descendant(pid: i32) -> bool {
    descends(pid, own_pid(), Stat::of)
}

fn descends(pid: i32, ancestor: i32, stat: impl Fn(i32) -> Option<Stat>) -> bool {
    if pid == ancestor {
        return false;
    }
    let Some(mut process) = stat(pid) else {
        return true;
    };
    for _ in 0..DEPTH_MAX {
        if process.parent == ancestor {
            return true;
        }
        // 0 stands above init, and above what entered this pid namespace from outside.
        if process.parent == 0 {
            return false;
        }
        let Some(parent) = stat(process.parent) else {
            return true;
        };
        // A "parent" that is younger than its child took over the pid of the real one meanwhile.
        if parent.started > process.started {
            return true;
        }
        process = parent;
    }
    true
}

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

/// The session of this process.
pub(super) fn own_session() -> Option<i32> {
    Stat::of(own_pid()).map(|s| s.session)
}

/// The children of this process, ended ones that nobody waited for included.
pub(super) fn children() -> Vec<Stat> {
    let own = own_pid();
    all().into_iter().filter(|s| s.parent == own).collect()
}

pub(super) fn all() -> Vec<Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return vec![];
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Stat::of)
        .collect()
}

/// Whether the environment that a process was started with holds this `NAME=value`. Nothing is
/// known of one that is gone or belongs to someone else.
pub(super) fn has_in_environment(pid: i32, mark: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| {
        bytes
            .split(|b| *b == 0)
            .any(|entry| entry == mark.as_bytes())
    })
}

/// Kills what carries one of these `NAME=value` in its environment: an Iris that is no more started it,
/// and it left the group that was noted. Says how many there were.
pub fn end_marked(marks: &[String]) -> usize {
    let own = own_pid();
    let is_left = |one: &Stat| {
        one.pid != own && !one.zombie && marks.iter().any(|mark| has_in_environment(one.pid, mark))
    };
    let mut ended = 0;
    for one in all().into_iter().filter(is_left) {
        let Some(pid) = Pid::from_raw(one.pid) else {
            continue;
        };
        match rustix::process::kill_process(pid, rustix::process::Signal::KILL) {
            Ok(()) => ended += 1,
            Err(error) => debug!(pid = one.pid, %error, "what was left behind is gone already"),
        }
    }
    ended
}

/// Kills a process group that an Iris which is no more started and noted. Does nothing unless its
/// leader is the very process that was noted: a pid may have a new owner. Says whether it did.
pub fn end_left_behind(pgid: i32, noted_start: u64) -> bool {
    if started(pgid) != Some(noted_start) {
        return false;
    }
    let Some(pid) = Pid::from_raw(pgid) else {
        return false;
    };
    match rustix::process::kill_process_group(pid, rustix::process::Signal::KILL) {
        Ok(()) => {
            info!(pgid, "ended an agent that an earlier Iris left behind");
            true
        }
        Err(error) => {
            debug!(pgid, %error, "an agent that was left behind is gone already");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_program_is_called() {
        let line = "42 (a) b (c) S 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let want = Stat {
            pid: 42,
            parent: 7,
            group: 40,
            session: 39,
            started: 98765,
            zombie: false,
            stopped: false,
        };
        assert_eq!(Stat::parse(line), Some(want));
        assert_eq!(
            Stat::parse("42 (x) Z 7 40"),
            None,
            "a short line is no process"
        );
        assert_eq!(Stat::parse(""), None);
    }

    /// `(pid, parent, started)`
    fn descends_in(tree: &[(i32, i32, u64)], pid: i32) -> bool {
        let tree: HashMap<i32, Stat> = tree
            .iter()
            .map(|&(pid, parent, started)| {
                (
                    pid,
                    Stat {
                        pid,
                        parent,
                        group: 0,
                        session: 0,
                        started,
                        zombie: false,
                        stopped: false,
                    },
                )
            })
            .collect();
        descends(pid, 100, |pid| tree.get(&pid).copied())
    }

    #[test]
    fn descent_is_walked_and_doubt_refuses() {
        let tree = [
            (1, 0, 0),
            (50, 1, 5),
            (60, 50, 6),
            (100, 50, 10),
            (200, 100, 20),
            (300, 200, 30),
        ];
        assert!(descends_in(&tree, 200), "a child");
        assert!(descends_in(&tree, 300), "a grandchild");
        assert!(!descends_in(&tree, 60), "a sibling");
        assert!(!descends_in(&tree, 100), "Iris itself");
        assert!(!descends_in(&tree, 1), "init");
        assert!(descends_in(&tree, 999), "nobody knows it");
        assert!(descends_in(&[(7, 8, 1)], 7), "the parent is gone");
        assert!(
            descends_in(&[(7, 8, 5), (8, 1, 9), (1, 0, 0)], 7),
            "a younger parent is an impostor"
        );
        assert!(descends_in(&[(7, 8, 1), (8, 7, 1)], 7), "a loop");
    }

    #[test]
    fn this_process_is_no_descendant_of_itself_and_its_parent_neither() {
        assert!(!is_descendant(own_pid()));
        assert!(!is_descendant(
            std::os::unix::process::parent_id().cast_signed()
        ));
        assert!(is_descendant(i32::MAX), "a pid that nobody has");
    }
}
