//! What the policy allows, run by the real shell: nothing runs that no rule names.
//!
//! Random commands are made of what parsers stumble over. The rules allow two harmless programs; where
//! the policy says yes, bash runs the command in an empty folder, and only those two may have run.
#![expect(
    clippy::disallowed_methods,
    reason = "a test compares with the real shell"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use iris_domain::{
    config::{ApprovalPolicy, Team},
    policy::{Place, Policy, Verdict},
    request::ToolRequest,
};
use serde_json::json;

/// Enough for more than a hundred that are allowed, in a few seconds.
const COMMANDS: usize = 6_000;

const PIECES: [&str; 62] = [
    "aa",
    "bb",
    "cc",
    "aa",
    "bb",
    " ",
    " ",
    " ",
    " ",
    "\n",
    ";",
    "&&",
    "||",
    "|",
    "(",
    ")",
    "{ ",
    "}",
    "; }",
    "$(",
    ")",
    "`",
    "'",
    "\"",
    "\\",
    "$x",
    "${x:-",
    "${",
    "}",
    "<<E\n",
    "\nE\n",
    "<<'E'\n",
    "<<<",
    "<(",
    "#",
    "=",
    "[",
    "[[ ",
    " ]]",
    "*",
    "!",
    "if ",
    "; then ",
    "; fi",
    "for i in ",
    "; do ",
    "; done",
    "case ",
    " in ",
    ";; ",
    "esac",
    "sh -c ",
    "$((",
    "))",
    "$'",
    "\t",
    "\\\n",
    "-x",
    "x=1 ",
    "time ",
    "env ",
    "command ",
];

/// `%` is a command.
const FRAMES: [&str; 27] = [
    "if %; then %; fi",
    "for i in a; do %; done",
    "$(%)",
    "aa $(%)",
    "aa \"$(%)\"",
    "(%)",
    "{ %; }",
    "aa `%`",
    "aa <<E\n%\nE\n",
    "aa '%'",
    "aa \"%\"",
    "% # %",
    "aa \"${x:-%}\"",
    "aa ${x:-%}",
    "case a in a) %;; esac",
    "sh -c '%'",
    "aa <(%)",
    "aa $(% # %\n)",
    "% && %",
    "% | %",
    "%; %",
    "aa $((%))",
    "aa <<< %",
    "[[ % ]]",
    "( (%) )",
    "((%))",
    "aa \"$(aa <<'E'\n%\nE\n)\"",
];

/// Numbers that are the same in each run, so that a failure comes back.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap_or(0)
    }

    fn command(&mut self, depth: usize) -> String {
        if depth < 3 && self.below(5) < 3 {
            let frame = FRAMES[self.below(FRAMES.len())];
            let mut parts = frame.split('%');
            let mut text = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                text += &self.command(depth + 1);
                text += part;
            }
            return text;
        }
        let count = 1 + self.below(if depth == 0 { 12 } else { 6 });
        (0..count)
            .map(|_| PIECES[self.below(PIECES.len())])
            .collect()
    }
}

#[test]
fn bash_runs_nothing_that_no_rule_names() {
    let dir = tempfile::tempdir().unwrap();
    let (bin, log, work) = (
        dir.path().join("bin"),
        dir.path().join("log"),
        dir.path().join("work"),
    );
    fs::create_dir(&bin).unwrap();
    fs::create_dir(&work).unwrap();
    for name in ["aa", "bb", "cc"] {
        let program = bin.join(name);
        fs::write(
            &program,
            format!("#!/bin/sh\necho {name} >> '{}'\n", log.display()),
        )
        .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/env", bin.join("env")).unwrap();

    let team = Team {
        approval_policy: ApprovalPolicy {
            auto_approve: vec!["Bash(aa:*)".into(), "Bash(bb:*)".into()],
            require_approval: Vec::new(),
            deny: Vec::new(),
            ..ApprovalPolicy::default()
        },
        ..Team::at("/p")
    };
    let policy = Policy::of(&team, Place::default());
    let mut numbers = Numbers(0x1bad_5eed);
    let mut allowed = 0;
    for _ in 0..COMMANDS {
        let command = numbers.command(0);
        let input = json!({ "command": command });
        let request = ToolRequest::new("Bash".into(), input, "t".into()).unwrap();
        if !matches!(policy.evaluate(&request), Verdict::Allow { .. }) {
            continue;
        }
        allowed += 1;
        fs::write(&log, "").unwrap();
        Command::new("/bin/bash")
            .args(["-c", &command])
            .env_clear()
            .env("PATH", &bin)
            .current_dir(&work)
            .stdin(Stdio::null())
            // Until all that it started has ended: a process substitution outlives its shell.
            .output()
            .unwrap();
        let ran = fs::read_to_string(&log).unwrap();
        assert!(!ran.contains("cc"), "{command:?} ran {ran:?}");
    }
    assert!(
        allowed * 100 > COMMANDS,
        "only {allowed} of {COMMANDS} were allowed: the test sees too little"
    );
}
