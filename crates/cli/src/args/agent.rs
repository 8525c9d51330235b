//! The command line of `iris agent`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Commands on kinds of agents.
#[derive(Debug, Subcommand)]
pub enum Agent {
    /// List the kinds: those of Iris, of the project, and your own
    List(Project),
    /// Print what an agent of a kind is told, as get_agent gives it
    Show {
        /// The kind, such as code-reviewer.
        kind: String,
        /// The project.
        #[command(flatten)]
        project: Project,
        /// With what is changed and not committed.
        #[arg(long, requires = "project")]
        diff: bool,
    },
}

/// A project.
#[derive(Debug, Args)]
pub struct Project {
    /// Its directory.
    #[arg(long, value_name = "DIR")]
    pub project: Option<PathBuf>,
}
