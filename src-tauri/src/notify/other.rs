//! Approvals on macOS and Windows: through notify-rust, whose systems route an answer to the
//! program that asked. Neither lets us withdraw a notification: one that was answered elsewhere
//! stays until the user closes it, and its buttons then say that it was too late.

use std::collections::BTreeSet;

use iris_domain::{decision::Surface, ids::ApprovalId, snapshot::ApprovalView};
use jiff::tz::TimeZone;
use tauri::AppHandle;

use super::{SHOWN_MAX, body, buttons, pressed, title, wanted};
use crate::shell::Shell;

/// Shows one notification for each approval until the surfaces stop.
pub(crate) async fn approvals(shell: Shell, app: AppHandle) {
    let mut snapshots = shell.engine.snapshot();
    let config = shell.engine.config.watch();
    let mut shown = BTreeSet::<ApprovalId>::new();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let turned_on = config.borrow().settings.notifications;
        let wanted = wanted(&snapshot, turned_on);
        shown.retain(|id| wanted.iter().any(|view| &view.id == id));
        for view in wanted.iter().take(SHOWN_MAX) {
            if shown.insert(view.id.clone()) {
                show(&shell, &app, view);
            }
        }
        match shell.until_stopped(snapshots.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// The thread that waits for the answer lives as long as the notification.
fn show(shell: &Shell, app: &AppHandle, view: &ApprovalView) {
    let (shell, app, id) = (shell.clone(), app.clone(), view.id.clone());
    let mut notification = notify_rust::Notification::new();
    notification
        .appname("Iris")
        .summary(&title(view))
        .body(&body(view, &TimeZone::system()));
    for (key, label) in buttons(view) {
        notification.action(key, label);
    }
    tauri::async_runtime::spawn_blocking(move || match notification.show() {
        Ok(handle) => handle.wait_for_action(|button| {
            if let Some(intent) = pressed(button, id.clone()) {
                shell.act(&app, intent, Surface::Notification);
            }
        }),
        Err(error) => tracing::info!(request = %id, %error, "no notification was shown"),
    });
}
