//! Makes the permissions of our commands, so that a capability has to name each of them; and says how
//! the program is linked.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script what it must know in the environment"
)]

use std::{env, fs, io, path::Path, process::Command, time::SystemTime};

/// The first glibc that knows packed relocations (its release notes, "DT_RELR").
const PACKED_SINCE: (u32, u32) = (2, 36);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manifest = tauri_build::AppManifest::new().commands(&[
        "snapshot",
        "answer",
        "answer_together",
        "preview_grant",
        "revoke_grant",
        "extend_grant",
        "allow_missed",
        "dismiss_missed",
        "wake",
        "sleep",
        "send",
        "list_sessions",
        "interrupt",
        "messages",
        "cancel_message",
        "fork_session",
        "reboot_session",
        "delete_session",
        "sleep_session",
        "freeze",
        "thaw",
        "add_team",
        "edit_team",
        "remove_team",
        "team_settings",
        "team_rules",
        "policy_templates",
        "common_rules",
        "check_rules",
        "preview_team",
        "preview_common",
        "edit_common_rules",
        "ssh_hosts",
        "resolve_host",
        "check_remote",
        "test_connection",
        "answer_prompt",
        "cancel_prompt",
        "list_secrets",
        "find_secret",
        "keep_secret",
        "forget_secret",
        "attention",
        "edit_attention",
        "outside_settings",
        "edit_slack",
        "test_slack",
        "add_webhook",
        "remove_webhook",
        "test_webhooks",
        "audit",
        "verify_audit",
        "export_audit",
        "transcript",
        "newer_transcript",
        "showing",
        "pick_folder",
        "quit",
    ]);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
    // Written just now, they would count as changed: the next build would do all of this again, and build
    // the program anew.
    date_back(
        Path::new("permissions"),
        fs::metadata("build.rs")?.modified()?,
    )
    .unwrap_or_else(|error| println!("cargo:warning=the next build is not quick: {error}"));
    if packs_relocations() {
        // Read once and resident for ever: packed, 1.5 MiB of them are some kilobytes.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// Gives everything there this time.
fn date_back(path: &Path, to: SystemTime) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            date_back(&entry?.path(), to)?;
        }
    }
    fs::File::open(path)?.set_modified(to)
}

/// Whether the program is for this machine, whose C library starts programs that have them.
fn packs_relocations() -> bool {
    let told = |name| env::var(name).unwrap_or_default();
    told("TARGET") == told("HOST")
        && told("CARGO_CFG_TARGET_OS") == "linux"
        && told("CARGO_CFG_TARGET_ENV") == "gnu"
        && glibc() >= Some(PACKED_SINCE)
}

/// The version of this machine's C library.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
