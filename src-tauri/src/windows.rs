//! The one window: made when it is asked for, gone when it is closed. An Iris without it has no
//! web process: about 50 instead of 265 MiB (measured with WebKitGTK on Debian 12).

use iris_domain::{ids::ApprovalId, snapshot::Snapshot};
use tauri::{AppHandle, Emitter as _, Manager as _, WebviewUrl, WebviewWindowBuilder, WindowEvent};

use crate::shell::Shell;

/// The window's label: the only one that the capability names.
pub(crate) const MAIN: &str = "main";

/// Sent to the window with every change; the payload is the whole snapshot.
const SNAPSHOT: &str = "snapshot";
/// Sent to an open window that should show one approval; the payload is its id.
const SHOW_APPROVAL: &str = "show-approval";

/// Sent to an open window that should show a part of itself; the payload is its name.
const SHOW_VIEW: &str = "show-view";

/// Sent to a window that can be seen, when a shortcut was pressed; the payload is `allow` or `deny`.
const PRESS: &str = "press";

/// What the window is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    /// What it shows anyway.
    Anywhere,
    /// One approval.
    Approval(ApprovalId),
    /// A part of it.
    View(View),
}

/// A part of the window that other surfaces lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// What waits.
    Approvals,
    /// What humans granted.
    Grants,
    /// What nobody answered in time.
    Missed,
}

impl View {
    /// Its name, as the page knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Approvals => "approvals",
            Self::Grants => "grants",
            Self::Missed => "missed",
        }
    }

    /// The one with this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Approvals, Self::Grants, Self::Missed]
            .into_iter()
            .find(|view| view.name() == name)
    }
}

/// Shows the window there. Callable from any thread; returns at once.
pub(crate) fn show(app: &AppHandle, at: At) {
    let handle = app.clone();
    let shown = app.run_on_main_thread(move || {
        if let Err(error) = show_now(&handle, &at) {
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
        show(app, At::Anywhere);
    }
}

fn show_now(app: &AppHandle, at: &At) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(MAIN) {
        window.unminimize()?;
        window.show()?;
        window.set_focus()?;
        return match at {
            At::Approval(id) => app.emit_to(MAIN, SHOW_APPROVAL, id),
            At::View(view) => app.emit_to(MAIN, SHOW_VIEW, view.name()),
            At::Anywhere => Ok(()),
        };
    }
    // A new page hears no events yet: it reads its address instead.
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App(page(at).into()))
        .title("Iris")
        .inner_size(960.0, 640.0)
        .min_inner_size(640.0, 420.0)
        .center()
        .focused(true)
        .on_navigation(is_ours)
        .on_new_window(|_, _| tauri::webview::NewWindowResponse::Deny)
        .build()?;
    let shell = app.state::<Shell>().inner().clone();
    shell.focused(window.is_focused()?);
    window.on_window_event(move |event| match event {
        WindowEvent::Focused(focused) => shell.focused(*focused),
        WindowEvent::Destroyed => {
            shell.focused(false);
            shell.showing("");
        }
        _ => {}
    });
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

/// Has the window, if it can be seen, answer the approval that it shows as its own button does. The window
/// is asked, because only it knows what stands before the user's eyes.
pub(crate) fn press(app: &AppHandle, button: &str) {
    let Some(window) = app.get_webview_window(MAIN) else {
        tracing::info!(button, "a shortcut for what no window shows does nothing");
        return;
    };
    let seen = window
        .is_visible()
        .and_then(|visible| Ok(visible && !window.is_minimized()?));
    match seen {
        Ok(true) => {
            if let Err(error) = app.emit_to(MAIN, PRESS, button) {
                tracing::warn!(%error, "the window did not hear a shortcut");
            }
        }
        Ok(false) => tracing::info!(button, "a shortcut for what no window shows does nothing"),
        Err(error) => tracing::warn!(%error, "the window does not say whether it can be seen"),
    }
}

/// The page's address; an id that could change what the address means is left out.
fn page(at: &At) -> String {
    match at {
        At::View(view) => format!("index.html#view={}", view.name()),
        At::Approval(ApprovalId(id)) if id.chars().all(|c| c.is_ascii_alphanumeric()) => {
            format!("index.html#approval={id}")
        }
        At::Approval(_) | At::Anywhere => "index.html".to_owned(),
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
        let at = |id: &str| At::Approval(ApprovalId(id.into()));
        assert_eq!(page(&at("k7mq2x")), "index.html#approval=k7mq2x");
        assert_eq!(page(&At::View(View::Missed)), "index.html#view=missed");
        assert_eq!(
            page(&At::Anywhere),
            "index.html",
            "no approval, no fragment"
        );
        assert_eq!(
            page(&at("x&view=teams")),
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
