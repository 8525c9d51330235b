//! Iris without I/O.
//!
//! Everything that must be right whatever the outside world does lives here as plain values and
//! functions: the config schema, the policy, what a permission request is and how it is shown,
//! the lifecycles of approvals, sessions and links as step functions, the audit chain, and the one
//! [`snapshot::Snapshot`] that tray, window, CLI and tests render.
//!
//! This crate has no async runtime, opens no file or socket and reads no clock: time comes in as
//! a [`jiff::Timestamp`].

pub mod agent;
pub mod announce;
pub mod approval;
pub mod audit;
pub mod backoff;
pub mod callback;
pub mod config;
pub mod connection_test;
pub mod conversation;
pub mod decision;
pub mod display;
pub mod freeze;
pub mod grant;
pub mod ids;
pub mod link;
pub mod message;
pub mod outside;
pub mod policy;
pub mod problem;
pub mod prompt;
pub mod replay;
pub mod request;
pub mod session;
pub mod slack;
pub mod snapshot;
pub mod ssh_config;
pub mod target;
pub mod terminal;
pub mod transcript;
pub mod webhook;
mod words;

pub use problem::Problem;
