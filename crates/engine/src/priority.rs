//! How much processor time a thread gets beside others.

/// The niceness of a thread that a person may look over the shoulder of: a tenth of the time of another
/// that wants it too.
pub(crate) const LOW: i32 = 10;
/// The niceness of a thread that is never in a hurry: what nobody else wants.
pub(crate) const LEAST: i32 = 19;

/// Gives this thread that niceness, for good. Linux only: elsewhere the call means the whole program.
#[cfg(target_os = "linux")]
pub(crate) fn lower(niceness: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, niceness) {
        tracing::debug!(%error, "A thread has the priority of all others.");
    }
}

/// Linux only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lower(_niceness: i32) {}
