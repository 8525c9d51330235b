//! Claude Code as a program: where it is, its command line, its environment, its stream of JSON
//! lines, and what its failures mean. Measured with Claude Code 2.1.330.

mod entries;
mod environ;
mod failure;
mod find;
mod invocation;
mod permission;
mod record;
mod stream;

pub use entries::Said;
pub use environ::{clean, humans, passed_on};
pub use failure::{ended, not_signed_in, not_started, turn_problem};
pub use find::find;
pub use invocation::{Invocation, SESSION_VAR, TOKEN_VAR, fork_args, mark, started_with};
pub use permission::permission_answer;
pub use record::{CONFIG_VARS, answer, config_dir, forget};
pub use stream::{
    Event, MessageState, Refused, TurnResult, Unreadable, answer_permission, answer_request,
    decode, initialize, interrupt, is_signed_out, mcp_reconnect, mcp_state, mcp_status,
    user_message,
};

/// The name of Iris's MCP server in the agent: its tools are `mcp__iris__…`.
pub const SERVER: &str = "iris";
