//! What the window may ask for about Slack and webhooks.

use iris_domain::{Problem, decision::Surface};
use iris_engine::{
    config_file::{OutsideSettings, SlackEdit, WebhookEdit},
    human,
    webhook::WebhookTest,
};
use serde_json::Value;
use tauri::State;

use super::{Answered, parsed};
use crate::shell::Shell;

/// What is set for Slack and webhooks: secrets by their names, addresses without their paths.
#[tauri::command]
pub(super) fn outside_settings(shell: State<'_, Shell>) -> OutsideSettings {
    shell.engine.config.outside()
}

/// Sets Slack up, or takes it out.
#[tauri::command]
pub(super) async fn edit_slack(shell: State<'_, Shell>, edit: Value) -> Answered<()> {
    let edit: Option<SlackEdit> = parsed("edit", edit)?;
    shell.engine.config.edit_slack(edit).await
}

/// Writes a line into the channel, and tries the tokens.
#[tauri::command]
pub(super) async fn test_slack(shell: State<'_, Shell>) -> Result<(), Problem> {
    shell.engine.test_slack(human(Surface::Window)).await
}

/// Adds a webhook.
#[tauri::command]
pub(super) async fn add_webhook(shell: State<'_, Shell>, edit: Value) -> Answered<()> {
    let edit: WebhookEdit = parsed("edit", edit)?;
    shell.engine.config.add_webhook(edit).await
}

/// Takes a webhook out.
#[tauri::command]
pub(super) async fn remove_webhook(
    shell: State<'_, Shell>,
    at: usize,
    url: String,
) -> Answered<()> {
    shell.engine.config.remove_webhook(at, &url).await
}

/// Posts a test to each webhook.
#[tauri::command]
pub(super) async fn test_webhooks(shell: State<'_, Shell>) -> Answered<Vec<WebhookTest>> {
    Ok(shell.engine.test_webhooks(human(Surface::Window)).await)
}
