//! Whole conversations, of whatever pair.

use iris_domain::{
    conversation::{Deleted, Forked, Listed, Rebooted},
    decision::Surface,
    message::{LISTED_MAX, Message},
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

/// Interrupts what a pair's conversation is doing; says whether something ran.
#[tauri::command]
pub(super) async fn interrupt(shell: State<'_, Shell>, from: Value, to: Value) -> Answered<bool> {
    let (from, to) = (parsed("from", from)?, parsed("to", to)?);
    let human = human(Surface::Window);
    shell.engine.interrupt(from, to, human).await
}

/// The latest messages of a pair, newest first.
#[tauri::command]
pub(super) async fn messages(
    shell: State<'_, Shell>,
    from: Value,
    to: Value,
) -> Answered<Vec<Message>> {
    let (from, to) = (parsed("from", from)?, parsed("to", to)?);
    shell
        .engine
        .messages(Some(from), Some(to), LISTED_MAX)
        .await
}

/// Takes a message back that waits, or interrupts its turn; says whether it had not ended.
#[tauri::command]
pub(super) async fn cancel_message(shell: State<'_, Shell>, id: Value) -> Answered<bool> {
    let human = human(Surface::Window);
    shell.engine.cancel_message(parsed("id", id)?, human).await
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
