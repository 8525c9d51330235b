//! Stopping a program where it stands, with all that it started, and letting it go on.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tracing::debug;

use super::tree::{self, Stat};

/// How long a halt may take. A signal acts within milliseconds; what hangs in the kernel is stopped
/// when it comes back, and is told of as not stopped.
const WITHIN: Duration = Duration::from_secs(1);
/// So long nobody is stopped before who started it stands still. Then all are: one hangs in the kernel.
const IN_TURN: Duration = Duration::from_millis(500);
/// How often the process table is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// What the process table shows of a program and of what it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Halted {
    /// So many processes.
    pub found: u32,
    /// Of these, stopped.
    pub stopped: u32,
}

impl Halted {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            found: self.found + other.found,
            stopped: self.stopped + other.stopped,
        }
    }
}

/// Stops the program with this pid and all that it started: its group, what descends from it, and
/// what carries `mark` (`NAME=value`) in its environment. Whoever started another stands still before it:
/// a shell that sees its command stopped takes that for put aside, and runs the next. Blocks until the process table shows that
/// they are stopped, a second at most, or until it is `overtaken`; says what it shows.
///
/// Without `/proc` only the group is stopped, and what is stopped is not known.
pub fn halt(pid: u32, mark: &str, overtaken: impl Fn() -> bool) -> Halted {
    let begun = Instant::now();
    if !cfg!(target_os = "linux") {
        signal_group(pid, Signal::STOP);
        return Halted {
            found: 1,
            stopped: 0,
        };
    }
    loop {
        let all = belonging(pid, mark);
        let running: HashSet<i32> = all
            .iter()
            .filter(|one| !one.stopped)
            .map(|one| one.pid)
            .collect();
        let in_turn = begun.elapsed() < IN_TURN;
        for one in all.iter().filter(|one| running.contains(&one.pid)) {
            if !in_turn || !running.contains(&one.parent) {
                signal(one.pid, Signal::STOP);
            }
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let halted = Halted {
            found: count(all.len()),
            stopped: count(all.iter().filter(|one| one.stopped).count()),
        };
        // One that forked before it was stopped shows in the next look.
        if halted.found == halted.stopped || begun.elapsed() > WITHIN || overtaken() {
            return halted;
        }
        std::thread::sleep(LOOK);
    }
}

/// Lets what [`halt`] stopped go on: the youngest first, as a shell must not see its command stand still.
pub fn go_on(pid: u32, mark: &str) {
    if !cfg!(target_os = "linux") {
        return signal_group(pid, Signal::CONT);
    }
    for one in belonging(pid, mark).iter().rev() {
        signal(one.pid, Signal::CONT);
    }
}

/// The live processes of a program, itself included; nobody before who started it.
fn belonging(pid: u32, mark: &str) -> Vec<Stat> {
    let pid = pid.cast_signed();
    let all: Vec<Stat> = tree::all().into_iter().filter(|one| !one.zombie).collect();
    let mut ours: HashSet<i32> = all
        .iter()
        .filter(|one| one.pid == pid || one.group == pid || tree::has_in_environment(one.pid, mark))
        .map(|one| one.pid)
        .collect();
    // Children of children, until a look adds none.
    loop {
        let before = ours.len();
        ours.extend(
            all.iter()
                .filter(|one| ours.contains(&one.parent))
                .map(|one| one.pid)
                .collect::<Vec<_>>(),
        );
        if ours.len() == before {
            break;
        }
    }
    let mut found: Vec<Stat> = all
        .into_iter()
        .filter(|one| ours.contains(&one.pid))
        .collect();
    found.sort_unstable_by_key(|one| (one.started, one.pid));
    found
}

fn signal(pid: i32, signal: Signal) {
    let Some(pid) = Pid::from_raw(pid) else {
        return;
    };
    if let Err(error) = rustix::process::kill_process(pid, signal) {
        debug!(?pid, %error, "a process was gone before its signal");
    }
}

fn signal_group(pid: u32, signal: Signal) {
    let Some(pid) = Pid::from_raw(pid.cast_signed()) else {
        return;
    };
    if let Err(error) = rustix::process::kill_process_group(pid, signal) {
        debug!(?pid, %error, "a group was gone before its signal");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A child whose end the test does not forget.
    struct Started(std::process::Child);

    impl Drop for Started {
        fn drop(&mut self) {
            signal_group(self.0.id(), Signal::KILL);
            assert!(self.0.wait().is_ok());
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a program to stop")]
    fn everything_that_belongs_to_it_stands_still_and_goes_on() {
        use std::{io::BufRead as _, os::unix::process::CommandExt as _, process::Stdio};
        let mark = format!("IRIS_HALT_TEST={}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        // One in the group, one that left it, one that shed the mark as well but descends from it.
        let script = "sleep 100 & setsid sleep 100 & env -i /usr/bin/setsid /bin/sleep 100 & \
                      sleep 0.2; echo up; wait";
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .env(name, value)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = String::new();
        let out = child.stdout.take().unwrap();
        std::io::BufReader::new(out).read_line(&mut up).unwrap();
        assert_eq!(up, "up\n");
        let started = Started(child);
        let pid = started.0.id();
        let halted = halt(pid, &mark, || false);
        assert_eq!(
            halted,
            Halted {
                found: 4,
                stopped: 4
            },
            "the shell and three sleeps"
        );
        let state = |pid: i32| tree::all().into_iter().find(|one| one.pid == pid);
        let all = belonging(pid, &mark);
        assert!(all.iter().all(|one| state(one.pid).unwrap().stopped));
        go_on(pid, &mark);
        assert!(
            all.iter()
                .all(|one| state(one.pid).is_none_or(|now| !now.stopped)),
            "they go on"
        );
        for one in all {
            signal(one.pid, Signal::KILL);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a program to stop")]
    fn a_shell_never_sees_its_command_stand_still() {
        use std::{io::Read as _, os::unix::process::CommandExt as _, process::Stdio};
        // With job control a shell goes on when its command is stopped, as at a terminal.
        let mut child = std::process::Command::new("bash")
            .args(["-c", "set -m; cat; echo through"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let input = child.stdin.take().unwrap();
        let started = Started(child);
        let pid = started.0.id();
        let nobody = "IRIS_HALT_TEST=nobody";
        let begun = Instant::now();
        while belonging(pid, nobody).len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(10), "it runs `cat`");
            std::thread::yield_now();
        }
        for _ in 0..50 {
            assert_eq!(halt(pid, nobody, || false).stopped, 2);
            go_on(pid, nobody);
        }
        drop(input);
        let mut said = String::new();
        out.read_to_string(&mut said).unwrap();
        assert_eq!(said, "through\n");
    }
}
