//! Logs: JSON lines in `$IRIS_HOME/logs`, one file a day, and readable lines on a terminal.
//!
//! Spans and events carry ids of teams, sessions and requests; no secret and no input of a tool.

mod daily;
mod read;

use std::io::{self, IsTerminal as _};

use iris_domain::{Problem, config::LogLevel, problem::Code};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use crate::{
    environment::Environment,
    home::{Home, private_dir},
};
use daily::Daily;
pub(crate) use read::{LogQuery, read};

/// Where log lines go besides the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Also to stderr, for people.
    Stderr,
    /// Nowhere.
    None,
}

/// Lines that wait for the disk at most; what comes on top is dropped, and counted nowhere. The queue
/// is made whole at the start, 32 bytes a line: the library's own 128,000 are 4 MB for ever.
const QUEUE: usize = 8192;

/// The running log. Dropping it writes what is queued and ends the files' thread.
#[must_use = "the log ends when this is dropped"]
#[derive(Debug)]
pub struct Logs {
    /// `None` when `IRIS_LOG` decides, which wins over the config.
    filter: Option<reload::Handle<EnvFilter, Registry>>,
    _files: WorkerGuard,
}

/// Starts logging for the whole process. `IRIS_LOG` (the syntax of `RUST_LOG`) decides what is
/// logged, else [`Logs::set_level`].
///
/// # Errors
/// When the log directory cannot be written.
pub fn start(home: &Home, env: &Environment, echo: Echo) -> Result<Logs, Problem> {
    private_dir(&home.logs())?;
    let daily = Daily::open(home.logs()).map_err(|error| {
        Problem::new(
            Code::Storage,
            format!("cannot write a log in {}: {error}", home.logs().display()),
            "Check that the directory is yours, writable and not on a full disk.",
        )
    })?;
    let (files, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUE)
        .finish(daily);
    let chosen = match env.text("IRIS_LOG") {
        Some(text) => Some(EnvFilter::try_new(text).map(quiet).map_err(|error| {
            Problem::new(
                Code::InvalidInput,
                format!("IRIS_LOG is `{text}`: {error}"),
                "Use a level (`debug`) or targets (`iris_engine=debug,warn`).",
            )
        })?),
        None => None,
    };
    let given = chosen.is_some();
    let (filter, handle) =
        reload::Layer::new(chosen.unwrap_or_else(|| filter_of(LogLevel::default())));
    let echo = (echo == Echo::Stderr).then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .compact()
            .boxed()
    });
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_writer(files);
    tracing_subscriber::registry()
        .with(filter)
        .with(json)
        .with(echo)
        .try_init()
        .map_err(|error| {
            Problem::new(
                Code::Internal,
                format!("the log cannot be started: {error}"),
                "This is a defect in Iris; please report it.",
            )
        })?;
    Ok(Logs {
        filter: (!given).then_some(handle),
        _files: guard,
    })
}

impl Logs {
    /// Logs as much as the config says, from now on; without effect while `IRIS_LOG` decides.
    pub fn set_level(&self, level: LogLevel) {
        if let Some(handle) = &self.filter
            && let Err(error) = handle.reload(filter_of(level))
        {
            tracing::error!(%error, "the log level could not be changed");
        }
    }
}

/// Iris (every crate's name begins so) at that level; libraries only when something is wrong.
fn filter_of(level: LogLevel) -> EnvFilter {
    quiet(EnvFilter::new(match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "warn,iris=info",
        LogLevel::Debug => "warn,iris=debug",
        LogLevel::Trace => "warn,iris=trace",
    }))
}

/// Libraries that may log whole requests below `warn`, with their tokens and inputs.
const QUIET: [&str; 10] = [
    // The shell parser's own targets: it tells every command that it reads.
    "expansion",
    "parse",
    "tokenize",
    "hyper",
    "hyper_util",
    "keyring_core",
    "rmcp",
    "secret_service",
    "zbus",
    "zbus_secret_service_keyring_store",
];

/// Whatever was asked for, no library tells secrets to a log.
fn quiet(mut filter: EnvFilter) -> EnvFilter {
    for library in QUIET {
        match format!("{library}=warn").parse() {
            Ok(directive) => filter = filter.add_directive(directive),
            Err(error) => tracing::error!(%error, library, "a log filter could not be set"),
        }
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_see_tokens_stay_quiet_whatever_is_asked() {
        for asked in ["trace", "rmcp=trace", "hyper=debug,iris_engine=debug"] {
            let filter = quiet(EnvFilter::new(asked)).to_string();
            let directives: Vec<&str> = filter.split(',').collect();
            for library in QUIET {
                assert!(
                    directives.contains(&format!("{library}=warn").as_str()),
                    "{filter}"
                );
                assert!(
                    !directives.contains(&format!("{library}=trace").as_str()),
                    "{filter}"
                );
            }
        }
    }
}
