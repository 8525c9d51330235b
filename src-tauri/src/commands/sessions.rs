//! Whole conversations, of whatever pair.

use iris_domain::{
    conversation::{Deleted, Forked, Listed, Rebooted},
    decision::Surface,
};
use iris_engine::human;
use serde_json::Value;
use tauri::State;

use super::{Answered, parsed};
use crate::shell::Shell;

/// The conversations of all teams.
#[tauri::command]
pub(super) async fn list_sessions(shell: State<'_, Shell>) -> Answered<Vec<Listed>> {
    shell.engine.sessions(None).await
}

/// Opens a copy of a pair's conversation in the user's terminal.
#[tauri::command]
pub(super) async fn fork_session(
    shell: State<'_, Shell>,
    from: Value,
    to: Value,
) -> Answered<Forked> {
    let (from, to) = (parsed("from", from)?, parsed("to", to)?);
    let human = human(Surface::Window);
    shell.engine.fork_session(from, to, human).await
}

/// Begins a new conversation for a pair.
#[tauri::command]
pub(super) async fn reboot_session(
    shell: State<'_, Shell>,
    from: Value,
    to: Value,
) -> Answered<Rebooted> {
    let (from, to) = (parsed("from", from)?, parsed("to", to)?);
    let human = human(Surface::Window);
    shell.engine.reboot_session(from, to, human).await
}

/// Deletes the conversation of a pair.
#[tauri::command]
pub(super) async fn delete_session(
    shell: State<'_, Shell>,
    from: Value,
    to: Value,
) -> Answered<Deleted> {
    let (from, to) = (parsed("from", from)?, parsed("to", to)?);
    let human = human(Surface::Window);
    shell.engine.delete_session(from, to, human).await
}

/// Ends the process of a pair's conversation.
#[tauri::command]
pub(super) async fn sleep_session(
    shell: State<'_, Shell>,
    from: Value,
    to: Value,
) -> Answered<bool> {
    let (from, to) = (parsed("from", from)?, parsed("to", to)?);
    let human = human(Surface::Window);
    shell.engine.sleep_session(from, to, human).await
}
