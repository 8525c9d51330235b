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
        "outside_settings",
        "edit_slack",
        "test_slack",
        "add_webhook",
        "remove_webhook",
        "test_webhooks",
        "audit",
        "pick_folder",
        "quit",
    ]);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
    Ok(())
}
