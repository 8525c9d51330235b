//! `iris messages`.

use clap::{Args, Subcommand};
use iris_domain::{
    ids::{MessageId, Party, TeamName},
    message::LISTED_MAX,
};

/// The latest messages, newest first.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Messages {
    /// Only those to this team.
    #[arg(long, value_name = "NAME")]
    pub team: Option<TeamName>,
    /// Only those of this sender: `console`, or a team.
    #[arg(long, value_name = "PARTY")]
    pub from: Option<Party>,
    /// At most so many, and never more than 200.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=i64::from(LISTED_MAX)))]
    pub limit: u32,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<MessagesCommand>,
}

/// Commands on messages.
#[derive(Debug, Subcommand)]
pub enum MessagesCommand {
    /// Take one back that waits, or end the turn that answers it
    Cancel {
        /// Its id from `iris messages`.
        id: MessageId,
    },
}
