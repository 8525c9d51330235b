//! How much harm a request could do, roughly: to show first what a wide rule would let through.

use super::{
    facts::{Facts, What},
    path::{Looked, Place},
    rule::Access,
    shell::{Kind, base_name},
    suggest::RUN_ANYTHING,
};
use crate::request::ToolRequest;

/// Programs that destroy, send away, or reach other machines.
const GRAVE: [&str; 34] = [
    "rm",
    "rmdir",
    "dd",
    "mkfs",
    "shred",
    "truncate",
    "kill",
    "killall",
    "pkill",
    "shutdown",
    "reboot",
    "chmod",
    "chown",
    "mv",
    "ln",
    "curl",
    "wget",
    "nc",
    "ncat",
    "scp",
    "sftp",
    "rsync",
    "ftp",
    "telnet",
    "docker",
    "podman",
    "kubectl",
    "terraform",
    "aws",
    "gcloud",
    "az",
    "systemctl",
    "crontab",
    "mount",
];
/// Subcommands that publish or throw work away.
const GRAVE_SUB: [(&str, &str); 12] = [
    ("git", "push"),
    ("git", "reset"),
    ("git", "clean"),
    ("git", "checkout"),
    ("git", "rebase"),
    ("npm", "publish"),
    ("cargo", "publish"),
    ("gh", "release"),
    ("gh", "repo"),
    ("gh", "api"),
    ("npm", "install"),
    ("pip", "install"),
];

impl super::Policy {
    /// How much harm it could do; only good for comparing two requests of one team.
    pub fn risk(&self, request: &ToolRequest) -> u32 {
        risk(request, &self.place)
    }
}

fn risk(request: &ToolRequest, place: &Place) -> u32 {
    let facts = Facts::of(request, place);
    match facts.what() {
        What::Command(command) => {
            let runs = command.script.runs.iter();
            let worst = runs.filter(|run| run.kind == Kind::Program).map(|run| {
                let word = |at: usize| run.words.get(at).and_then(|word| word.value.as_deref());
                // What is not known may be anything.
                let Some(name) = word(0).map(base_name) else {
                    return 9;
                };
                let sub = word(1).unwrap_or_default();
                if RUN_ANYTHING.contains(&name) && name != "rm" {
                    8
                } else if GRAVE.contains(&name) {
                    7
                } else if GRAVE_SUB.contains(&(name, sub)) {
                    6
                } else {
                    1
                }
            });
            let doubts = if command.script.doubts.is_empty() {
                0
            } else {
                10
            };
            let files = command.files.iter().map(|file| {
                let inside = file.path.as_ref().is_some_and(Looked::in_folder);
                weight(file.access, inside)
            });
            doubts + worst.max().unwrap_or(0) + files.max().unwrap_or(0)
        }
        What::Files(access, paths) => {
            let inside = !paths.is_empty() && paths.iter().all(Looked::in_folder);
            weight(*access, inside)
        }
        What::Address(_) => 3,
        What::Agent(_) => 2,
        What::NoCommand | What::Other => 4,
    }
}

fn weight(access: Access, inside: bool) -> u32 {
    match (access, inside) {
        (Access::Edit, false) => 7,
        (Access::Edit, true) => 3,
        (Access::Read, false) => 4,
        (Access::Read, true) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_more_harm_comes_first() {
        let place = Place {
            folder: "/p".into(),
            ..Place::default()
        };
        let of = |tool: &str, input| {
            risk(
                &ToolRequest::new(tool.into(), input, "t".into()).unwrap(),
                &place,
            )
        };
        let bash = |command: &str| of("Bash", json!({ "command": command }));
        let ordered = [
            bash("ls -la"),
            bash("ls > out.txt"),
            bash("git push origin main"),
            bash("curl https://x"),
            bash("sudo make install"),
            bash("eval \"$x\""),
        ];
        assert!(ordered.is_sorted(), "{ordered:?}");
        let write = |path: &str| of("Write", json!({ "file_path": path }));
        assert!(write("/etc/passwd") > write("/p/src/a.rs"));
    }
}
