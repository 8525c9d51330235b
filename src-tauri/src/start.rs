//! From the first line of `main` to the running application, and orderly out of it again.

use std::{process::ExitCode, sync::Arc, time::Duration};

use iris_domain::{Problem, problem::Code};
use iris_engine::{
    Deps, Engine, askpass, control,
    environment::Environment,
    home::Home,
    logs::{self, Echo, Logs},
    secrets::Secrets,
};
use tauri::RunEvent;
use tokio::runtime::Runtime;

use crate::{
    commands, notify, present,
    shell::Shell,
    shortcuts, tray,
    windows::{self, At},
};

/// How long an orderly end may take. The engine's own ladder (ask, TERM, KILL) is shorter; this
/// is for the case that it hangs, so that a session's end is never held up for ever.
const SHUTDOWN_MAX: Duration = Duration::from_secs(20);

/// How long surfaces may take to withdraw what they show after the engine has ended.
const WITHDRAW_MAX: Duration = Duration::from_secs(1);

/// There is no display to show anything on.
const EXIT_NO_DISPLAY: u8 = 2;

/// Runs the application until it is quit. Exit codes: 0 quit, or another Iris was asked to show its
/// window; 1 it could not start; 2 there is no display.
pub fn run() -> ExitCode {
    let env = Environment::of_this_process();
    // ssh waits for it, and a screen is not needed: before everything else.
    if let Some(code) = askpass::answer_ssh(&env, std::env::args_os()) {
        return code;
    }
    if let Err(reason) = display(&env) {
        say(&format!(
            "iris-desktop: {reason}\nhint: start it inside a desktop session, or run `iris serve`, \
             which does the same work without a screen."
        ));
        return ExitCode::from(EXIT_NO_DISPLAY);
    }
    let runtime = match iris_engine::runtime() {
        Ok(runtime) => runtime,
        Err(problem) => {
            say(&format!(
                "iris-desktop: {}\nhint: {}",
                problem.message, problem.hint
            ));
            return ExitCode::FAILURE;
        }
    };
    tauri::async_runtime::set(runtime.handle().clone());
    let code = match start(&runtime, env) {
        Ok(Some((shell, logs))) => application(&runtime, shell, logs),
        Ok(None) => ExitCode::SUCCESS,
        Err(problem) => refuse(&problem),
    };
    // What still runs now has been told to stop and did not; it does not hold up the end.
    runtime.shutdown_timeout(WITHDRAW_MAX);
    code
}

/// Starts Iris; `None`: another process is Iris, and shows its window now.
fn start(runtime: &Runtime, env: Environment) -> Result<Option<(Shell, Logs)>, Problem> {
    let home = Home::of(&env).ok_or_else(|| {
        Problem::new(
            Code::Config,
            "neither IRIS_HOME nor HOME says where Iris keeps its files",
            "set HOME, or IRIS_HOME to a folder of your own, and start Iris again",
        )
    })?;
    let tightened = home.prepare()?;
    let logs = logs::start(&home, &env, Echo::Stderr)?;
    for line in tightened {
        tracing::warn!("{line}");
    }
    let deps = Deps {
        home: home.clone(),
        env,
        port: None,
        secrets: Secrets::keychain(),
    };
    match runtime.block_on(Engine::start(deps)) {
        Ok(engine) => Ok(Some((Shell::new(engine), logs))),
        Err(problem) if problem.code == Code::Conflict => {
            control::ask_to_show(&home)?;
            tracing::info!("another Iris runs on this home; it was asked to show its window");
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// The tauri application around a running engine.
fn application(runtime: &Runtime, shell: Shell, logs: Logs) -> ExitCode {
    // Held here too, so that what the end logs is still written.
    let logs = Arc::new(logs);
    shell.spawn(log_as_configured(shell.clone(), logs.clone()));
    let built = commands::register(tauri::Builder::default())
        .plugin(tauri_plugin_dialog::init())
        .manage(shell.clone())
        .setup({
            let shell = shell.clone();
            move |app| {
                surfaces(app.handle(), shell);
                Ok(())
            }
        })
        .build(context());
    let app = match built {
        Ok(app) => app,
        Err(error) => {
            runtime.block_on(end(&shell));
            return refuse(&Problem::new(
                Code::Internal,
                format!("the desktop application could not be built: {error}"),
                "run `iris doctor`; until it is mended, `iris serve` does the same work without a screen",
            ));
        }
    };
    let code = app.run_return(|_app, event| match event {
        // The last window closed. Iris lives in the tray; only Quit ends it.
        RunEvent::ExitRequested {
            code: None, api, ..
        } => api.prevent_exit(),
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => windows::show(_app, At::Anywhere),
        _ => {}
    });
    drop(logs);
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Logs as much as the config says, now and when it changes.
async fn log_as_configured(shell: Shell, logs: Arc<Logs>) {
    let mut config = shell.engine.config.watch();
    loop {
        let level = config.borrow_and_update().settings.log_level;
        logs.set_level(level);
        match shell.until_stopped(config.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// The config and the pages that were built into the binary; expanded once, they are in it once.
fn context() -> tauri::Context {
    tauri::generate_context!()
}

/// Starts everything that the user sees. Nothing here can fail the start: an Iris that lost a
/// surface still guards its teams, and says what is missing.
fn surfaces(app: &tauri::AppHandle, shell: Shell) {
    let tray = match tray::Tray::new(app, &shell) {
        Ok(tray) => Some(tray),
        Err(error) => {
            tracing::error!(%error, "no tray icon; the window is shown instead");
            windows::show(app, At::Anywhere);
            None
        }
    };
    let handle = app.clone();
    shell.spawn({
        let shell = shell.clone();
        async move { present::run(shell, handle, tray).await }
    });
    let handle = app.clone();
    shell.spawn({
        let shell = shell.clone();
        async move { notify::approvals(shell, handle).await }
    });
    let handle = app.clone();
    shell.spawn({
        let shell = shell.clone();
        async move { shortcuts::follow(shell, handle).await }
    });
    let handle = app.clone();
    shell.spawn({
        let shell = shell.clone();
        async move { show_when_asked(shell, handle).await }
    });
    let handle = app.clone();
    // Not one of the shell's tasks: it waits for them.
    tauri::async_runtime::spawn(async move {
        shell.told_to_quit().await;
        end(&shell).await;
        handle.exit(0);
    });
}

/// The window, when someone starts Iris a second time; and at the start, when there is no tray
/// that could show the icon.
async fn show_when_asked(shell: Shell, app: tauri::AppHandle) {
    if !tray::host_is_there().await {
        tracing::warn!(
            "no StatusNotifier tray on this desktop, so nothing shows Iris's icon; the window is \
             shown instead. On GNOME, the AppIndicator extension adds a tray"
        );
        windows::show(&app, At::Anywhere);
    }
    let Some(mut requests) = shell.engine.show_requests() else {
        return;
    };
    while let Some(()) = shell.until_stopped(requests.recv()).await.flatten() {
        windows::show(&app, At::Anywhere);
    }
}

/// Ends the engine, then the surfaces, which still show what the engine's end changed.
async fn end(shell: &Shell) {
    tracing::info!("quitting");
    if tokio::time::timeout(SHUTDOWN_MAX, shell.engine.shutdown())
        .await
        .is_err()
    {
        tracing::error!(
            seconds = SHUTDOWN_MAX.as_secs(),
            "the engine did not end in time; what it left is ended at the next start"
        );
    }
    if tokio::time::timeout(WITHDRAW_MAX, shell.stop_surfaces())
        .await
        .is_err()
    {
        tracing::warn!("a surface did not end in time");
    }
}

/// Says in a native dialog why Iris cannot start.
fn refuse(problem: &Problem) -> ExitCode {
    use tauri_plugin_dialog::{DialogExt as _, MessageDialogKind};

    say(&format!(
        "iris-desktop: {}\nhint: {}",
        problem.message, problem.hint
    ));
    tracing::error!(code = ?problem.code, message = problem.message, "cannot start");
    let text = format!("{}\n\n{}", problem.message, problem.hint);
    let built = tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .setup(move |app| {
            let handle = app.handle().clone();
            app.dialog()
                .message(text)
                .title("Iris cannot start")
                .kind(MessageDialogKind::Error)
                .show(move |_| handle.exit(1));
            Ok(())
        })
        .build(context());
    match built {
        Ok(app) => {
            app.run_return(|_, event| {
                if let RunEvent::ExitRequested {
                    code: None, api, ..
                } = event
                {
                    api.prevent_exit();
                }
            });
        }
        Err(error) => tracing::error!(%error, "the dialog could not be shown either"),
    }
    ExitCode::FAILURE
}

/// Whether anything can be shown. GTK is asked itself: tauri would panic where it cannot start.
#[cfg(target_os = "linux")]
fn display(env: &Environment) -> Result<(), String> {
    if env.text("DISPLAY").is_none() && env.text("WAYLAND_DISPLAY").is_none() {
        return Err("there is no display (DISPLAY and WAYLAND_DISPLAY are not set)".into());
    }
    // Panels show it when the pointer rests on the tray icon; unset, it is the program's file name.
    gtk::glib::set_application_name("Iris");
    gtk::init().map_err(|_| {
        let display = env
            .text("WAYLAND_DISPLAY")
            .or(env.text("DISPLAY"))
            .unwrap_or_default();
        format!("the display `{display}` does not answer, or refuses this user")
    })
}

#[cfg(not(target_os = "linux"))]
fn display(_env: &Environment) -> Result<(), String> {
    Ok(())
}

/// To the terminal that started Iris, if one did: before there is a log or a window.
#[expect(
    clippy::print_stderr,
    reason = "the only place to say it before anything runs"
)]
fn say(text: &str) {
    eprintln!("{text}");
}
