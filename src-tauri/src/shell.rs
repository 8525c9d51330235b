//! What every surface acts on: the engine, who is at the desk, and the way out.

use std::{future::Future, sync::Arc};

use iris_domain::{
    Problem,
    decision::{Answer, Surface},
    ids::{ApprovalId, TeamName},
    prompt::{PromptKind, PromptView},
    request::ToolRequest,
    snapshot::ApprovalView,
};
use iris_engine::{Engine, human};
use tauri::AppHandle;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    notify,
    windows::{self, At, View},
};

/// What a click means, whether in the tray menu or on a notification. It names the approval or
/// the team itself, never a place in a list: a list that shifted under the pointer cannot turn it
/// into another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Allow this one call.
    Allow(ApprovalId),
    /// Deny this one call.
    Deny(ApprovalId),
    /// Deny these calls: those that the menu counted, and none that came later.
    DenyAll(Vec<ApprovalId>),
    /// Show the approval in the window.
    Details(ApprovalId),
    /// Wake the team.
    Start(TeamName),
    /// Put the team to sleep.
    Stop(TeamName),
    /// Stop agents where they stand; `None`: all.
    Freeze(Option<TeamName>),
    /// Let them go on.
    Thaw(Option<TeamName>),
    /// Show a part of the window.
    View(View),
    /// Show the window.
    Open,
    /// End Iris in order.
    Quit,
}

/// Where the tool would run, in words.
pub(crate) fn place(view: &ApprovalView) -> String {
    match view.host.as_str() {
        "local" => format!("on this computer in {}", view.path),
        host => format!("on {host} in {}", view.path),
    }
}

/// What `ssh` wants of the user, in words.
pub(crate) fn asks(view: &PromptView) -> String {
    let host = &view.host;
    match &view.kind {
        PromptKind::Passphrase { .. } => format!("{host} asks for a passphrase"),
        PromptKind::Password { .. } => format!("{host} asks for a password"),
        PromptKind::Code => format!("{host} asks for a code"),
        PromptKind::HostKey { .. } => format!("{host} is new: is its key the right one?"),
        PromptKind::Confirm => format!("{host} asks you to confirm something"),
        PromptKind::Touch => format!("Touch your security key for {host}"),
        PromptKind::Other => format!("{host} asks a question"),
    }
}

/// Whether the agent wants an answer rather than a permission. A bare Allow would answer its
/// question with nothing: only the window, which shows the choices, allows it.
pub(crate) fn is_question(view: &ApprovalView) -> bool {
    let request = ToolRequest {
        tool: view.tool.clone(),
        input: view.input.clone(),
        tool_use_id: String::new(),
    };
    request.is_question()
}

/// Where the user looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Looking {
    /// The window is in front.
    focused: bool,
    /// The view that it shows.
    view: String,
}

impl Looking {
    /// Whether they have the waiting approvals before their eyes.
    pub(crate) fn at_approvals(&self) -> bool {
        self.focused && self.view == View::Approvals.name()
    }
}

/// The engine and the user; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// The engine.
    pub(crate) engine: Engine,
    looking: Arc<watch::Sender<Looking>>,
    quit: CancellationToken,
    stopped: CancellationToken,
    tasks: TaskTracker,
}

impl Shell {
    /// A shell around a running engine.
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            looking: Arc::default(),
            quit: CancellationToken::new(),
            stopped: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Where the user looks, as it changes.
    pub(crate) fn looking(&self) -> watch::Receiver<Looking> {
        self.looking.subscribe()
    }

    /// The window is in front now, or is not.
    pub(crate) fn focused(&self, focused: bool) {
        self.looking.send_if_modified(|now| {
            let changed = now.focused != focused;
            now.focused = focused;
            changed
        });
    }

    /// The window shows this view now; an empty name: there is no window.
    pub(crate) fn showing(&self, view: &str) {
        self.looking.send_if_modified(|now| {
            let changed = now.view != view;
            view.clone_into(&mut now.view);
            changed
        });
    }

    /// Runs a task that [`Self::stop_surfaces`] waits for. Callable from any thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tauri::async_runtime::spawn(self.tasks.track_future(task));
    }

    /// The future's output, or `None` as soon as the surfaces have to stop.
    pub(crate) async fn until_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.stopped.run_until_cancelled(future).await
    }

    /// Returns when the user quits, or the system asks the process to end.
    pub(crate) async fn told_to_quit(&self) {
        tokio::select! {
            () = self.quit.cancelled() => {}
            () = asked_by_the_system() => {}
        }
    }

    /// Tells every surface to withdraw what it shows, and waits until they have.
    pub(crate) async fn stop_surfaces(&self) {
        self.stopped.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Does what was clicked. Returns at once; what goes wrong is said in a notification.
    pub(crate) fn act(&self, app: &AppHandle, intent: Intent, surface: Surface) {
        match intent {
            Intent::Allow(id) => self.answer(id, Answer::ALLOW_ONCE, surface),
            Intent::Deny(id) => self.answer(id, Answer::DENY, surface),
            Intent::DenyAll(ids) => self.deny_all(ids, surface),
            Intent::Details(id) => windows::show(app, At::Approval(id)),
            Intent::View(view) => windows::show(app, At::View(view)),
            Intent::Open => windows::show(app, At::Anywhere),
            Intent::Quit => self.quit.cancel(),
            Intent::Start(team) => {
                let shell = self.clone();
                self.spawn(async move {
                    let woken = shell.engine.start_team(team.clone(), human(surface)).await;
                    shell.report(&format!("{team} did not start"), woken.map(|_| ()));
                });
            }
            Intent::Freeze(team) => {
                let shell = self.clone();
                self.spawn(async move {
                    let frozen = shell.engine.freeze(team, human(surface)).await;
                    shell.report("Freezing did not go well", frozen.map(|_| ()));
                });
            }
            Intent::Thaw(team) => {
                let shell = self.clone();
                self.spawn(async move {
                    let thawed = shell.engine.thaw(team, human(surface)).await;
                    shell.report("It is still frozen", thawed);
                });
            }
            Intent::Stop(team) => {
                let shell = self.clone();
                self.spawn(async move {
                    let slept = shell.engine.stop_team(team.clone(), human(surface)).await;
                    shell.report(&format!("{team} did not stop"), slept.map(|_| ()));
                });
            }
        }
    }

    fn answer(&self, id: ApprovalId, answer: Answer, surface: Surface) {
        let shell = self.clone();
        self.spawn(async move {
            let ended = shell.engine.answer(id, answer, human(surface)).await;
            shell.report("Your answer did not count", ended.map(|_| ()));
        });
    }

    fn deny_all(&self, ids: Vec<ApprovalId>, surface: Surface) {
        let shell = self.clone();
        self.spawn(async move {
            let approvals = &shell.engine.approvals;
            let denied = approvals.answer_together(ids, Answer::DENY, human(surface));
            let denied = denied
                .await
                .and_then(|all| match all.not.into_iter().next() {
                    Some(one) => Err(one.problem),
                    None => Ok(()),
                });
            shell.report("Not all were denied", denied);
        });
    }

    /// Says what went wrong with something that the user just did.
    fn report(&self, title: &str, done: Result<(), Problem>) {
        if let Err(problem) = done {
            tracing::warn!(code = ?problem.code, message = problem.message, "{title}");
            notify::tell(self, notify::Note::about(title, &problem));
        }
    }
}

/// Returns when the system asks the process to end: a signal, the end of the session.
#[cfg(unix)]
async fn asked_by_the_system() {
    use tokio::signal::unix::{SignalKind, signal};

    let listen = || -> std::io::Result<_> {
        Ok((
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ))
    };
    match listen() {
        Ok((mut terminate, mut interrupt, mut hangup)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        Err(error) => {
            tracing::error!(%error, "signals cannot be heard; quit Iris from the tray");
            std::future::pending().await
        }
    }
}

/// Returns when the system asks the process to end.
#[cfg(not(unix))]
async fn asked_by_the_system() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "signals cannot be heard; quit Iris from the tray");
        std::future::pending().await
    }
}
