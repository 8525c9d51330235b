//! The command line of `iris session`.

use clap::{Args, Subcommand};
use iris_domain::ids::{Party, TeamName};

/// Commands on conversations.
#[derive(Debug, Subcommand)]
pub enum Session {
    /// List the conversations of every pair
    List {
        /// Of this team only.
        team: Option<TeamName>,
    },
    /// Open a copy of a conversation in your terminal, to go on in it yourself
    Fork(Pair),
    /// Begin a new conversation; the old one stays until the new one is ready, then it is gone
    Reboot(Pair),
    /// End a conversation and delete it, with Claude Code's own record of it
    Delete(Pair),
    /// End the process of one conversation; it is kept
    Sleep(Pair),
}

/// Whose conversation, with whom.
#[derive(Debug, Args)]
pub struct Pair {
    /// The team that it is with.
    pub team: TeamName,
    /// Whose it is: a team, or `console` for your own.
    #[arg(long, value_name = "PARTY", default_value = Party::CONSOLE)]
    pub from: Party,
}
