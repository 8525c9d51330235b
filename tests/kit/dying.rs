//! An `iris serve` that is killed at one of the calls by which it leaves something outside of itself:
//! `fakes/dying.c`, loaded into it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What kills, and the file that says when.
#[derive(Debug, Clone)]
pub struct Dying {
    library: PathBuf,
    plan: PathBuf,
}

impl Dying {
    /// Builds it into this directory, with the `cc` that builds Iris.
    pub fn in_dir(dir: &Path) -> Self {
        let dying = Self {
            library: dir.join("dying.so"),
            plan: dir.join("dying"),
        };
        let built = Command::new("cc")
            .args([
                "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1", "-o",
            ])
            .arg(&dying.library)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/fakes/dying.c"))
            .status();
        assert!(built.expect("cc starts").success(), "dying.c is built");
        dying
    }

    /// What `iris serve` is to find in its environment.
    pub fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("DYING", self.plan.clone()),
        ]
    }

    /// From now on calls are counted; it dies at this one, with half of it written where it is
    /// `torn`.
    pub fn at(&self, call: usize, torn: bool) {
        let torn = if torn { " torn" } else { "" };
        // In one step: the calls are counted from the moment at which the file is there.
        let draft = self.plan.with_extension("draft");
        fs::write(&draft, format!("{call}{torn}")).expect("a plan can be written");
        fs::rename(draft, &self.plan).expect("a plan can be moved");
    }

    /// No calls are counted from now on; those that were, each as `N WHAT ON SIZE`.
    pub fn calls(&self) -> Vec<String> {
        for path in [&self.plan, &self.plan.with_extension("calls")] {
            assert!(path.exists(), "{} is not there", path.display());
        }
        fs::remove_file(&self.plan).expect("a plan can be removed");
        let calls = self.plan.with_extension("calls");
        let said = fs::read_to_string(&calls).expect("the calls can be read");
        fs::remove_file(calls).expect("the calls can be removed");
        said.lines().map(str::to_owned).collect()
    }
}
