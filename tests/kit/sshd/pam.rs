//! Passwords and one-time codes: an `sshd` whose PAM is its own. It runs in a mount namespace in
//! which another file stands at `/etc/pam.d/sshd`; the machine outside of it stays as it is.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

/// What the system's `sshd` reads, whose name it is known by.
const SERVICE: &str = "/etc/pam.d/sshd";
/// Where distributions keep the modules of PAM; `*` is a directory of an architecture.
const MODULES: &[&str] = &[
    "/lib/*/security",
    "/usr/lib/*/security",
    "/usr/lib64/security",
    "/lib/security",
];
/// Codes that are good once each: of Debian's libpam-google-authenticator.
const CODES: &str = "pam_google_authenticator.so";

/// Something that a host wants to hear from who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// The account's password.
    Password,
    /// A code that is good once.
    Code,
}

/// Why no such host can be made here; `None`: it can.
pub fn missing() -> Option<&'static str> {
    if !Path::new(SERVICE).is_file() || !has_module("pam_exec.so") {
        return Some("an sshd with PAM");
    }
    if !has_module(CODES) {
        return Some(CODES);
    }
    None
}

/// Whether this process may give an `sshd` a PAM of its own: root, and not of a container that takes
/// that away.
pub fn allowed() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).output();
    nix::unistd::getuid().is_root() && tried.is_ok_and(|tried| tried.status.success())
}

fn has_module(name: &str) -> bool {
    MODULES.iter().any(|place| match place.split_once('*') {
        None => Path::new(place).join(name).is_file(),
        Some((parent, rest)) => fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| {
                entry
                    .path()
                    .join(rest.trim_start_matches('/'))
                    .join(name)
                    .is_file()
            }),
    })
}

/// Writes the PAM service of an `sshd`: every factor is asked for, in this order, and a wrong one
/// ends the sign-in.
pub(super) fn configure(dir: &Path, factors: &[Factor]) {
    let dir = dir.display();
    let asked = factors.iter().map(|factor| match factor {
        Factor::Password => {
            format!("auth requisite pam_exec.so quiet expose_authtok {dir}/check-password\n")
        }
        Factor::Code => {
            format!("auth requisite {CODES} secret={dir}/codes user=root no_strict_owner\n")
        }
    });
    // Of a stack in which nothing but pam_exec is, credentials cannot be had.
    let service = format!(
        "{}auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
        asked.collect::<String>()
    );
    fs::write(format!("{dir}/pam"), service).expect("a service can be written");
    // PAM ends what it gives with a NUL.
    let check = format!("#!/bin/sh\n[ \"$(tr -d '\\000')\" = \"$(cat '{dir}/password')\" ]\n");
    let program = format!("{dir}/check-password");
    fs::write(&program, check).expect("a script can be written");
    fs::set_permissions(&program, Permissions::from_mode(0o700)).expect("a mode can be set");
}

pub(super) fn set_password(dir: &Path, password: &str) {
    private(&dir.join("password"), password);
}

/// Replaces the codes that are good; they have eight digits, and each is good once.
pub(super) fn issue(dir: &Path, codes: &[&str]) {
    // The secret is for codes by the clock, which nobody here computes.
    let file = format!("JBSWY3DPEHPK3PXP\n\" TOTP_AUTH\n{}\n", codes.join("\n"));
    private(&dir.join("codes"), &file);
}

fn private(path: &Path, content: &str) {
    fs::write(path, content).expect("a file can be written");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode can be set");
}

/// `sshd` with its own PAM: the same process, so that its end is the end of it all.
pub(super) fn command(sshd: &str, dir: &Path) -> Command {
    let mut command = Command::new("unshare");
    let mount = format!("mount --bind \"$1\" {SERVICE} && shift && exec \"$@\"");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &mount,
        "sh",
    ]);
    command.arg(dir.join("pam")).arg(sshd);
    command
}
