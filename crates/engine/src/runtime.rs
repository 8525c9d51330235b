//! The tokio runtime that Iris runs on.

use iris_domain::{Problem, problem::Code};
use tokio::runtime::{Builder, Runtime};

/// A runtime of one worker. Nothing here computes for long, so a second one would mostly be woken for
/// work that the first had at hand: permissions at 16 connections are a third slower with two.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> Result<Runtime, Problem> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("iris")
        .enable_all()
        .build()
        .map_err(|error| {
            Problem::new(
                Code::Internal,
                format!("the system gives Iris no threads: {error}"),
                "Check your limits (`ulimit -u`) and try again.",
            )
        })
}
