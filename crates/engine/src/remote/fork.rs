//! The command that runs Claude Code in the user's own terminal on a host.

use super::FORK;

/// Its words. It is the user's: nothing secret is in it, and everybody there may read it.
pub fn fork(
    folder: &str,
    claude_path: Option<&str>,
    [config_dir, home]: [&str; 2],
    args: &[String],
) -> Vec<String> {
    let mut words = ["sh", "-c", &script(), "iris", folder]
        .map(str::to_owned)
        .to_vec();
    words.extend([claude_path.unwrap_or_default(), config_dir, home].map(str::to_owned));
    words.extend_from_slice(args);
    words
}

/// Without its remarks: it is an argument.
fn script() -> String {
    let lines = FORK
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "what a shell makes of it is seen by running one"
)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, process::Command};

    use iris_domain::terminal::any_shell;

    use super::*;

    /// Each shell that is here runs it as it would come over ssh; the program says where it is.
    #[test]
    fn whatever_the_login_shell_is_the_words_arrive_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let evil = "a 'b' \"c\" $(touch x) `touch y` \\ ! ; & \n ü {z} *";
        let folder = dir.path().join(evil);
        std::fs::create_dir(&folder).unwrap();
        let claude = folder.join("claude");
        let said = "#!/bin/sh\npwd\nprintf '<%s>' \"$@\" \"$CLAUDE_CONFIG_DIR\"\n";
        std::fs::write(&claude, said).unwrap();
        std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o755)).unwrap();
        let given = format!("~/{evil}/claude");
        let command = fork(
            &format!("~/{evil}"),
            Some(&given),
            [evil, ""],
            &["--resume=1".to_owned(), evil.to_owned()],
        );
        let line = any_shell(&command);
        let mut seen = 0;
        for shell in ["sh", "dash", "bash", "zsh", "fish", "tcsh", "csh", "ksh"] {
            let ran = Command::new(shell)
                .args(["-c", &line])
                .env("HOME", dir.path())
                .current_dir(dir.path())
                .output();
            let Ok(ran) = ran else { continue };
            seen += 1;
            let said = String::from_utf8_lossy(&ran.stdout).into_owned();
            let want = format!("{}\n<--resume=1><{evil}><{evil}>", folder.display());
            assert_eq!(said, want, "{shell}: {ran:?}");
        }
        assert!(seen > 1);
        for pwned in ["x", "y"] {
            assert!(!dir.path().join(pwned).exists(), "nothing of it was run");
            assert!(!folder.join(pwned).exists(), "nor there");
        }
    }
}
