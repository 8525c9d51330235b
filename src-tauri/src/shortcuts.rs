//! Keys that are heard whatever program is in front, as the config names them. None by itself: without
//! one, nothing of this runs.

use iris_domain::{
    Problem,
    config::{Press, Shortcuts},
    decision::Surface,
    problem::Code,
};
use tauri::{AppHandle, Manager as _, Wry};
use tauri_plugin_global_shortcut::{
    GlobalShortcut, GlobalShortcutExt as _, Shortcut, ShortcutEvent, ShortcutState,
};
use tokio::sync::oneshot;

use crate::{
    shell::{Intent, Shell},
    windows::{self, At, View},
};

/// Follows the config until the surfaces stop.
pub(crate) async fn follow(shell: Shell, app: AppHandle) {
    let mut config = shell.engine.config.watch();
    let mut held = Shortcuts::default();
    loop {
        let wanted = config.borrow_and_update().settings.shortcuts.clone();
        let wanted = wanted.unwrap_or_default();
        if wanted != held {
            if let Some(problems) = on_main_thread(&shell, &app, wanted.clone()).await {
                shell.engine.surface_problems(problems);
            }
            held = wanted;
        }
        match shell.until_stopped(config.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Some systems hear keys on the main thread only. `None`: it has ended.
async fn on_main_thread(shell: &Shell, app: &AppHandle, wanted: Shortcuts) -> Option<Vec<Problem>> {
    let (tell, told) = oneshot::channel();
    let (shell, handle) = (shell.clone(), app.clone());
    // The other end is gone only when the surfaces stop.
    let sent = app.run_on_main_thread(move || drop(tell.send(take(&shell, &handle, &wanted))));
    if let Err(error) = sent {
        tracing::error!(%error, "the shortcuts cannot be set");
        return None;
    }
    told.await.ok()
}

/// Takes these keys, and gives back those that were held; why some could not be taken.
fn take(shell: &Shell, app: &AppHandle, wanted: &Shortcuts) -> Vec<Problem> {
    if on_wayland(shell) && wanted.set().next().is_some() {
        return vec![Problem::new(
            Code::Unavailable,
            "Shortcuts do not work on Wayland: there, no program may take keys from others.",
            "Set a key in your desktop's settings that runs `iris freeze` or `iris deny`, and take \
             settings.shortcuts out of the config.",
        )];
    }
    // Made when it is first needed.
    if app.try_state::<GlobalShortcut<Wry>>().is_none()
        && let Err(error) = app.plugin(tauri_plugin_global_shortcut::Builder::new().build())
    {
        tracing::warn!(%error, "no shortcuts");
        return vec![unavailable()];
    }
    let keys = app.global_shortcut();
    if let Err(error) = keys.unregister_all() {
        tracing::warn!(%error, "the old shortcuts were not given back");
    }
    let mut problems = Vec::new();
    for (press, shortcut) in wanted.set() {
        let handler = {
            let shell = shell.clone();
            move |app: &AppHandle, _: &Shortcut, event: ShortcutEvent| {
                if event.state == ShortcutState::Pressed {
                    pressed(&shell, app, press);
                }
            }
        };
        if let Err(error) = keys.on_shortcut(shortcut.as_str(), handler) {
            tracing::warn!(%error, keys = shortcut.as_str(), "a shortcut was not taken");
            problems.push(taken(press, shortcut.as_str()));
        }
    }
    problems
}

fn unavailable() -> Problem {
    Problem::new(
        Code::Unavailable,
        "This desktop gives no shortcuts to programs.",
        "Take settings.shortcuts out of the config.",
    )
}

fn taken(press: Press, keys: &str) -> Problem {
    let name = press.name();
    Problem::new(
        Code::Conflict,
        format!("The shortcut {keys} is taken by another program, or by another shortcut of Iris."),
        format!("Choose other keys for settings.shortcuts.{name} in the config."),
    )
}

fn pressed(shell: &Shell, app: &AppHandle, press: Press) {
    match press {
        Press::Next => {
            let oldest = shell
                .engine
                .snapshot()
                .borrow()
                .for_human()
                .next()
                .map(|view| view.id.clone());
            let at = oldest.map_or(At::View(View::Approvals), At::Approval);
            windows::show(app, at);
        }
        // Only the window knows what the user sees.
        Press::Allow | Press::Deny => windows::press(app, press.name()),
        Press::Freeze => shell.act(app, Intent::Freeze(None), Surface::Window),
    }
}

/// Whether the desktop is one on which keys cannot be taken.
fn on_wayland(shell: &Shell) -> bool {
    cfg!(target_os = "linux") && shell.engine.env.text("WAYLAND_DISPLAY").is_some()
}
