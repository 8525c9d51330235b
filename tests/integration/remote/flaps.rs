//! A link that comes and goes all the time.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use iris_tests::{Iris, processes, require, wait};
use nix::sys::signal::Signal;
use serde_json::json;

use super::{
    Far,
    faults::{masters, signed_in},
    is_well, link_is,
};

/// What a side has at a time.
#[derive(Debug, PartialEq)]
struct Load {
    processes: usize,
    descriptors: usize,
    /// Ports where it listens.
    ports: usize,
    files: usize,
}

impl Load {
    fn of(pids: &[u32], dirs: &[PathBuf]) -> Self {
        Self {
            processes: pids.len(),
            descriptors: pids
                .iter()
                .map(|pid| processes::descriptors(*pid).len())
                .sum(),
            ports: processes::listening(pids),
            files: dirs.iter().map(|dir| files(dir)).sum(),
        }
    }

    /// Here: Iris, its `ssh` programs, the run directory and the temporary files.
    fn near(iris: &Iris) -> Self {
        let running = processes::marked(iris.dir());
        let ours = running.iter().filter(|it| {
            let name = it.exe.file_name().and_then(|name| name.to_str());
            matches!(name, Some("iris" | "ssh"))
        });
        let pids: Vec<u32> = ours.map(|it| it.pid).collect();
        Self::of(&pids, &[iris.home().join("run"), iris.dir().join("tmp")])
    }

    /// There: `sshd`, what runs in its sessions, and the home.
    fn far(far: &Far) -> Self {
        let running = processes::marked(far.home.path());
        let mut pids: Vec<u32> = running.iter().map(|it| it.pid).collect();
        pids.extend(far.sshd.children());
        Self::of(&pids, &[far.home.path().to_owned()])
    }
}

fn files(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => 1 + files(&entry.path()),
        _ => 1,
    };
    entries.map(below).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_flaps_leaves_nothing_behind() {
    require!("sshd");
    const FLAPS: usize = 200;
    // Half of a flap is the exchange of keys: not the usual one, which is safe from computers to come.
    let far = Far::with(&["KexAlgorithms curve25519-sha256"]).await;
    // A Claude Code that starts at once: the link is what is tested.
    let claude = require::built("fake-claude");
    let mut iris = far
        .prepare("far", json!({"claudePath": claude}))
        .await
        .serve()
        .await;
    is_well(&iris, "far", "before").await;
    let before = (Load::near(&iris), Load::far(&far));
    assert_eq!(before.0.ports, 1, "the endpoint: {before:?}");
    assert_eq!(before.1.ports, 1, "the tunnel: {before:?}");

    let begun = Instant::now();
    for flap in 1..=FLAPS {
        if flap % 2 == 0 {
            masters(&iris)[0].signal(Signal::SIGKILL);
        } else {
            for pid in far.sshd.children() {
                processes::signal_pid(pid, Signal::SIGKILL);
            }
        }
        signed_in(&far, flap + 1).await;
        link_is(&iris, "up").await;
    }
    eprintln!("{FLAPS} flaps took {:?}", begun.elapsed());
    is_well(&iris, "far", "after").await;
    // What has just ended may be held for a moment.
    let mut now = None;
    let same = wait::blocking(Duration::from_secs(10), || {
        now = Some((Load::near(&iris), Load::far(&far)));
        now.as_ref() == Some(&before)
    });
    assert!(same, "before: {before:#?}\nafter: {now:#?}");
    iris.stop();
    far.is_clean().await;
}
