//! Approvals on macOS and Windows: through notify-rust, whose systems route an answer to the
//! program that asked. Neither lets us withdraw a notification: one that was answered elsewhere
//! stays until the user closes it, and its buttons then say that it was too late.

use std::collections::BTreeMap;

use iris_domain::{announce::Announcer, decision::Surface};
use tauri::AppHandle;

use super::{About, Wanted, pressed, wanted};
use crate::shell::Shell;

/// Shows what is to be told of until the surfaces stop.
pub(crate) async fn approvals(shell: Shell, app: AppHandle) {
    let mut snapshots = shell.engine.snapshot();
    let config = shell.engine.config.watch();
    let looking = shell.looking();
    let mut announcer = Announcer::default();
    // What each said when it was shown.
    let mut shown = BTreeMap::<About, String>::new();
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let settings = config.borrow().settings.clone();
        let watched = looking.borrow().at_approvals();
        let (wanted, again) = wanted(&mut announcer, &snapshot, &settings, watched);
        shown.retain(|about, _| wanted.iter().any(|one| one.about == *about));
        for one in wanted {
            let said = shown.insert(one.about.clone(), one.body.clone());
            if said.as_ref() != Some(&one.body) {
                show(&shell, &app, one);
            }
        }
        let changed = async {
            match again {
                None => snapshots.changed().await,
                Some(time) => tokio::time::timeout(time, snapshots.changed())
                    .await
                    .unwrap_or(Ok(())),
            }
        };
        match shell.until_stopped(changed).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// The thread that waits for the answer lives as long as the notification.
fn show(shell: &Shell, app: &AppHandle, wanted: Wanted) {
    let (shell, app) = (shell.clone(), app.clone());
    let mut notification = notify_rust::Notification::new();
    notification
        .appname("Iris")
        .summary(&wanted.title)
        .body(&wanted.body);
    for (key, label) in wanted.buttons {
        notification.action(key, label);
    }
    let about = wanted.about;
    tauri::async_runtime::spawn_blocking(move || match notification.show() {
        Ok(handle) => handle.wait_for_action(|button| {
            if let Some(intent) = pressed(button, about.clone()) {
                shell.act(&app, intent, Surface::Notification);
            }
        }),
        Err(error) => tracing::info!(request = %about, %error, "no notification was shown"),
    });
}
