//! Makes the permissions of our commands, so that a capability has to name each of them.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manifest = tauri_build::AppManifest::new().commands(&[
        "snapshot",
        "answer",
        "preview_grant",
        "revoke_grant",
        "extend_grant",
        "allow_missed",
        "dismiss_missed",
        "wake",
        "sleep",
        "send",
        "interrupt",
        "freeze",
        "thaw",
        "add_team",
        "edit_team",
        "remove_team",
        "team_settings",
        "team_rules",
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
        "audit",
        "pick_folder",
        "quit",
    ]);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
    Ok(())
}
