//! What the window may ask for about the record.

use iris_domain::{
    Problem,
    audit::{Filter, Format, Row},
    decision::Surface,
};
use iris_engine::{
    clock,
    export::Export,
    human,
    store::{AuditQuery, ChainCheck},
};
use serde::Serialize;
use serde_json::Value;
use tauri::{State, WebviewWindow};
use tauri_plugin_dialog::DialogExt as _;
use tokio::sync::oneshot;

use super::{Answered, parsed};
use crate::shell::Shell;

/// Rows that the window gets at once.
const PAGE_MAX: u32 = 500;

/// A page of rows.
#[tauri::command]
pub(super) async fn audit(shell: State<'_, Shell>, query: Value) -> Answered<Vec<Row>> {
    let query: AuditQuery = parsed("query", query)?;
    let query = AuditQuery {
        limit: Some(query.limit.map_or(PAGE_MAX, |limit| limit.min(PAGE_MAX))),
        ..query
    };
    shell.engine.store.audit(query).await.map_err(Problem::from)
}

/// Checks that no row was changed or removed.
#[tauri::command]
pub(super) async fn verify_audit(shell: State<'_, Shell>) -> Answered<ChainCheck> {
    shell.engine.store.verify().await.map_err(Problem::from)
}

/// Where an export is.
#[derive(Serialize)]
pub(super) struct Exported {
    path: String,
    rows: u64,
}

/// Writes rows to a file that the user picks; `None`: they picked none, and nothing was taken out.
#[tauri::command]
pub(super) async fn export_audit(
    shell: State<'_, Shell>,
    window: WebviewWindow,
    filter: Value,
    format: Value,
) -> Answered<Option<Exported>> {
    let filter: Filter = parsed("filter", filter)?;
    let format: Format = parsed("format", format)?;
    let ending = format.as_str();
    let (chosen, choice) = oneshot::channel();
    let dialog = window
        .dialog()
        .file()
        .set_title("Export the record")
        .set_file_name(format!(
            "iris-audit-{}.{ending}",
            clock::now().strftime("%Y-%m-%d")
        ))
        .add_filter(ending, &[ending])
        .set_parent(&window);
    // The receiver is gone only when the window is.
    dialog.save_file(move |file| drop(chosen.send(file)));
    let Some(file) = choice.await.ok().flatten() else {
        return Ok(None);
    };
    let path = std::path::PathBuf::from(file.to_string());
    let store = shell.engine.store.clone();
    let export = Export::begin(store, filter, format, human(Surface::Window)).await?;
    let rows = export.write_to(&path).await?;
    let path = path.display().to_string();
    Ok(Some(Exported { path, rows }))
}
