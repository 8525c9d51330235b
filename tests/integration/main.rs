//! Iris on real parts: the built programs, the real Claude Code, a private desktop.
//!
//! One binary, because each would link the whole engine again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests, and helpers of tests"
)]

mod answers;
mod architecture;
mod bindings;
mod claude_trouble;
mod cli;
mod clients;
mod config;
mod console;
mod conversations;
mod cut_short;
mod desktop;
mod desktop_grants;
mod desktop_inputs;
mod desktop_sessions;
mod freeze;
mod grants;
mod guards;
mod home;
mod journeys;
mod killed;
mod kit;
mod launcher;
mod limits;
mod log;
mod mcp;
mod message_tools;
mod messages;
mod prompts;
mod races;
mod record;
mod remote;
mod secrets;
mod self_approval;
mod slack;
mod ssh;
mod stdio;
mod supervisor;
mod surfaces;
mod templates;
mod times;
mod transcript;
mod webhook;

#[test]
fn every_file_is_part_of_this_binary() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/integration");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let listed = include_str!("main.rs")
            .lines()
            .any(|line| line == format!("mod {name};"));
        assert!(
            name == "main" || listed,
            "{} never runs: list it here",
            path.display()
        );
    }
}
