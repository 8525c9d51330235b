//! What a test needs from the machine, and what happens when it is not there.

use std::path::{Path, PathBuf};

/// Set by `scripts/test.sh`: what is missing fails the test instead of skipping it.
const STRICT: &str = "IRIS_TEST_STRICT";
/// Names the real Claude Code binary; set by `scripts/test.sh`.
const CLAUDE: &str = "IRIS_TEST_CLAUDE";
/// Names the directory of the MCP clients; set by `scripts/test.sh`.
const CLIENTS: &str = "IRIS_TEST_CLIENTS";

/// Needs programs by name; returns from the test when one is missing. `claude` is the real Claude
/// Code that `IRIS_TEST_CLAUDE` names; `mcp clients` are those of `tests/clients`; `pam` is what an
/// `sshd` needs that asks for passwords.
#[macro_export]
macro_rules! require {
    ($($program:expr),+ $(,)?) => {
        $(
            if !$crate::require::has($program) {
                $crate::require::skip($program);
                return;
            }
        )+
    };
}

/// Whether the program is there.
pub fn has(program: &str) -> bool {
    match program {
        "claude" => claude().is_some(),
        "mcp clients" => clients().is_some(),
        // No user's program: not on every PATH.
        "sshd" => Path::new(crate::sshd::SSHD).is_file(),
        "pam" => crate::sshd::missing_for_pam().is_none() && crate::sshd::pam_is_allowed(),
        _ => find(program).is_some(),
    }
}

/// The real Claude Code.
pub fn claude() -> Option<PathBuf> {
    std::env::var_os(CLAUDE)
        .map(PathBuf::from)
        .filter(|path| path.is_file())
}

/// Where the MCP clients of others are installed.
pub fn clients() -> Option<PathBuf> {
    std::env::var_os(CLIENTS)
        .map(PathBuf::from)
        .filter(|path| path.join("complete").is_file())
}

/// Where a program lies on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Says which test is skipped and why; fails it where nothing may be skipped.
pub fn skip(program: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let missing = match program {
        "pam" => crate::sshd::missing_for_pam(),
        _ => Some(program),
    };
    let Some(missing) = missing else {
        // No installation gives that to who runs the tests without it.
        eprintln!("SKIPPED {test}: it needs to be root, and allowed a mount namespace");
        return;
    };
    let said = format!("SKIPPED {test}: {missing} is missing (scripts/test.sh installs it)");
    assert!(std::env::var_os(STRICT).is_none(), "{said}");
    eprintln!("{said}");
}

/// A program that the workspace builds, beside the running test.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("tests lie in target/PROFILE/deps");
    let program = target.join(name);
    assert!(
        program.is_file(),
        "{} is not built: run scripts/test.sh, or `cargo build --workspace --all-targets`",
        program.display()
    );
    program
}
