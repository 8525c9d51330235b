//! The desktop shell: tray, window, notifications, and the commands of the window. It renders the
//! engine's snapshot and turns clicks into calls on the engine's handles; it decides nothing and
//! keeps no state of its own but where the user looks. The only place that names tauri.

mod commands;
mod notify;
mod present;
#[cfg(test)]
mod samples;
mod shell;
mod shortcuts;
mod start;
mod tray;
mod windows;

pub use start::run;
