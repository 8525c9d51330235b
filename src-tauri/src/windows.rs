//! The one window: made when it is asked for, gone when it is closed. An Iris without it has no
//! web process: about 50 instead of 265 MiB (measured with WebKitGTK on Debian 12).

use iris_domain::{ids::ApprovalId, snapshot::Snapshot};
use tauri::{AppHandle, Emitter as _, Manager as _, WebviewUrl, WebviewWindowBuilder};

/// The window's label: the only one that the capability names.
pub(crate) const MAIN: &str = "main";

/// Sent to the window with every change; the payload is the whole snapshot.
const SNAPSHOT: &str = "snapshot";
/// Sent to an open window that should show one approval; the payload is its id.
const SHOW_APPROVAL: &str = "show-approval";

/// Shows the window, at an approval if one is named. Callable from any thread; returns at once.
pub(crate) fn show(app: &AppHandle, approval: Option<&ApprovalId>) {
    let handle = app.clone();
    let approval = approval.cloned();
    let shown = app.run_on_main_thread(move || {
        if let Err(error) = show_now(&handle, approval.as_ref()) {
            tracing::error!(%error, "the window could not be shown");
        }
    });
    if let Err(error) = shown {
        tracing::error!(%error, "the window could not be shown");
    }
}

/// Opens the window if there is none; one that is there stays where it is. Callable from any
/// thread; returns at once.
pub(crate) fn open(app: &AppHandle) {
    if app.get_webview_window(MAIN).is_none() {
        show(app, None);
    }
}

fn show_now(app: &AppHandle, approval: Option<&ApprovalId>) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(MAIN) {
        window.unminimize()?;
        window.show()?;
        window.set_focus()?;
        return match approval {
            Some(id) => app.emit_to(MAIN, SHOW_APPROVAL, id),
            None => Ok(()),
        };
    }
    // A new page hears no events yet: it reads its address instead.
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App(page(approval).into()))
        .title("Iris")
        .inner_size(960.0, 640.0)
        .min_inner_size(640.0, 420.0)
        .center()
        .focused(true)
        .on_navigation(is_ours)
        .on_new_window(|_, _| tauri::webview::NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

/// Gives the window, if there is one, the new state.
pub(crate) fn publish(app: &AppHandle, snapshot: &Snapshot) {
    if app.get_webview_window(MAIN).is_none() {
        return;
    }
    if let Err(error) = app.emit_to(MAIN, SNAPSHOT, snapshot) {
        tracing::warn!(%error, "the window did not get the new state");
    }
}

/// The page's address; an id that could change what the address means is left out.
fn page(approval: Option<&ApprovalId>) -> String {
    match approval {
        Some(ApprovalId(id)) if id.chars().all(|c| c.is_ascii_alphanumeric()) => {
            format!("index.html#approval={id}")
        }
        Some(_) | None => "index.html".to_owned(),
    }
}

/// The window shows our own pages and nothing else, whatever text an agent gets it to show.
fn is_ours(url: &tauri::Url) -> bool {
    // `tauri://localhost` on Linux and macOS, `http://tauri.localhost` on Windows.
    url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_carries_an_approval() {
        let id = ApprovalId("k7mq2x".into());
        assert_eq!(page(Some(&id)), "index.html#approval=k7mq2x");
        assert_eq!(page(None), "index.html", "no approval, no fragment");
        let odd = ApprovalId("x&view=teams".into());
        assert_eq!(
            page(Some(&odd)),
            "index.html",
            "an id never becomes more than an id"
        );
    }

    #[test]
    fn the_window_stays_at_home() {
        for (url, ours) in [
            ("tauri://localhost/index.html", true),
            ("http://tauri.localhost/", true),
            ("https://evil.example/", false),
            ("http://localhost/", false),
            ("file:///etc/passwd", false),
        ] {
            let parsed = tauri::Url::parse(url).expect("the table holds addresses");
            assert_eq!(is_ours(&parsed), ours, "{url}");
        }
    }
}
