//! Renders each new snapshot: tray, window, news.

use std::{sync::Arc, time::Duration};

use iris_domain::snapshot::Snapshot;
use tauri::AppHandle;
use tokio::sync::oneshot;

use crate::{notify, shell::Shell, tray::Tray, windows};

/// At most ten renderings a second, each of the latest state: xfce4-panel died of 300 menu changes
/// in a row and lived with one each 100 ms (measured with 4.18), and a person sees no difference.
const PACE: Duration = Duration::from_millis(100);

/// Renders until the surfaces stop.
pub(crate) async fn run(shell: Shell, app: AppHandle, mut tray: Option<Tray>) {
    let mut snapshots = shell.engine.snapshot();
    let mut before: Option<Arc<Snapshot>> = None;
    loop {
        let now = snapshots.borrow_and_update().clone();
        if let Some(held) = tray.take() {
            tray = on_main_thread(&app, held, now.clone()).await;
        }
        windows::publish(&app, &now);
        // Nothing goes on without an answer, and only the window takes it.
        if notify::new_prompts(before.as_deref(), &now)
            .next()
            .is_some()
        {
            windows::open(&app);
        }
        if let Some(before) = &before {
            for note in notify::news(before, &now) {
                notify::tell(&shell, note);
            }
        }
        before = Some(now);
        let next = async {
            tokio::time::sleep(PACE).await;
            snapshots.changed().await
        };
        match shell.until_stopped(next).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Menus belong to the main thread; the tray goes there and comes back.
async fn on_main_thread(app: &AppHandle, mut tray: Tray, snapshot: Arc<Snapshot>) -> Option<Tray> {
    let (give_back, back) = oneshot::channel();
    let sent = app.run_on_main_thread(move || {
        if let Err(error) = tray.show(&snapshot) {
            tracing::error!(%error, "the tray menu could not be brought up to date");
        }
        // The other end is gone only when the surfaces stop.
        drop(give_back.send(tray));
    });
    if let Err(error) = sent {
        tracing::error!(%error, "the tray cannot be reached");
        return None;
    }
    back.await.ok()
}
