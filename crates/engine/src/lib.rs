//! Iris headless: config, MCP endpoint, teams, approvals, audit. No window, no tauri.
pub mod approvals;
pub mod claude;
pub mod clock;
pub mod config_file;
pub mod control;
pub mod doctor;
pub mod endpoint;
mod engine;
pub mod environment;
pub mod home;
pub mod logs;
pub mod process;
pub mod secrets;
mod snapshot;
pub mod store;
pub mod teams;
pub mod tokens;
pub use engine::{Deps, Engine, human};
