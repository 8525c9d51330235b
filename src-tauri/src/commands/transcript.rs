//! What the window may ask for about what happens in sessions.

use std::time::Duration;

use iris_domain::{
    Problem,
    transcript::{Page, Query},
};
use serde_json::Value;
use tauri::State;

use super::{Answered, parsed};
use crate::shell::Shell;

/// How long the window waits for more: a call that nobody waits for any more ends by itself.
const WAIT: Duration = Duration::from_secs(25);

/// A page of entries.
#[tauri::command]
pub(super) async fn transcript(shell: State<'_, Shell>, query: Value) -> Answered<Page> {
    let query: Query = parsed("query", query)?;
    let transcripts = &shell.engine.transcripts;
    transcripts.page(query).await.map_err(Problem::from)
}

/// What comes after the place `after`, as soon as there is some; an empty page when nothing came for a
/// while. The window asks again with the page's `upto`.
#[tauri::command]
pub(super) async fn newer_transcript(shell: State<'_, Shell>, query: Value) -> Answered<Page> {
    let query: Query = parsed("query", query)?;
    let transcripts = &shell.engine.transcripts;
    transcripts.newer(query, WAIT).await.map_err(Problem::from)
}
