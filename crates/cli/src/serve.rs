//! `iris serve`: Iris without a window.

use std::{io, time::Duration};

use iris_domain::{Problem, problem::Code};
use iris_engine::{
    Deps, Engine,
    logs::{self, Echo, Logs},
    runtime,
    secrets::Secrets,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Context, DONE, FAILED};

/// What may still block a thread when everything has ended in order: nothing that matters.
const RUNTIME_END_WAIT: Duration = Duration::from_secs(1);

pub fn serve(context: &Context, port: Option<u16>) -> Result<u8, Problem> {
    let tightened = context.home.prepare()?;
    let logs = logs::start(&context.home, &context.env, Echo::Stderr)?;
    for line in tightened {
        tracing::warn!("{line}");
    }
    let runtime = runtime()?;
    let code = runtime.block_on(run(context, port, &logs));
    runtime.shutdown_timeout(RUNTIME_END_WAIT);
    code
}

async fn run(context: &Context, port: Option<u16>, logs: &Logs) -> Result<u8, Problem> {
    // Before anything starts, so that an early Ctrl-C ends Iris in order too.
    let mut ends = Ends::new().map_err(|error| {
        Problem::new(
            Code::Internal,
            format!("Iris cannot listen for signals: {error}"),
            "This is a defect in Iris; please report it.",
        )
    })?;
    let engine = Engine::start(Deps {
        home: context.home.clone(),
        env: context.env.clone(),
        port,
        secrets: Secrets::keychain(),
    })
    .await?;
    // There is no window: with its taker gone, who asks for one is told so.
    drop(engine.show_requests());
    let endpoint = engine.snapshot().borrow().endpoint.clone();
    context.out.line(&format!("ready {endpoint}"));
    let mut config = engine.config.watch();
    let level = config.borrow_and_update().settings.log_level;
    logs.set_level(level);
    loop {
        tokio::select! {
            signal = ends.next() => {
                tracing::info!(signal, "ending in order");
                break;
            }
            changed = config.changed() => match changed {
                Ok(()) => {
                    let level = config.borrow_and_update().settings.log_level;
                    logs.set_level(level);
                }
                Err(_) => {
                    tracing::error!("the config's task has ended; ending in order");
                    break;
                }
            },
        }
    }
    // Only a second Ctrl-C is a human who does not want to wait. A terminal that closes, or a service
    // manager, sends several signals at once; the end in order takes seconds at most.
    tokio::select! {
        () = engine.shutdown() => Ok(DONE),
        _ = ends.interrupt.recv() => {
            tracing::warn!("ending at once; the next start cleans up");
            Ok(FAILED)
        }
    }
}

/// The signals that end Iris.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
