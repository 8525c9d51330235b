//! Commands on rules.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use iris_domain::{config::PolicyTemplate, ids::TeamName};

/// A request that nobody makes.
#[derive(Debug, Args)]
pub struct Explain {
    /// Whose agents.
    pub team: TeamName,
    /// The tool: `Bash`, `Edit`, `mcp__github__create_issue`, …
    pub tool: String,
    /// The tool's input, a JSON object; `-` reads it from stdin.
    #[arg(value_name = "INPUT_JSON")]
    pub input: String,
}

/// Commands on rules.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Say what a draft of the config would newly allow, ask and deny of what was asked
    Replay {
        /// The draft: a whole config file.
        file: PathBuf,
        /// The requests of this team only.
        #[arg(long)]
        team: Option<TeamName>,
        /// The last so many requests; 0 is all.
        #[arg(long, default_value_t = 500)]
        limit: u32,
    },
    /// Show the ready-made policies: what each allows by itself, and what it asks
    ///
    /// `iris team add --policy TEMPLATE` begins with one; the window's form puts one into a team that
    /// there is, and shows what would change.
    Templates {
        /// Show this one's rules, as they stand in the config.
        #[arg(value_enum)]
        template: Option<Template>,
    },
}

/// A ready-made policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// The agent reads the project, and asks before anything else.
    Conservative,
    /// It also edits the project, builds and tests it.
    Balanced,
    /// It works a task through, and asks for what is dangerous or leaves the project.
    Autonomous,
}

impl From<Template> for PolicyTemplate {
    fn from(template: Template) -> Self {
        match template {
            Template::Conservative => Self::conservative(),
            Template::Balanced => Self::balanced(),
            Template::Autonomous => Self::autonomous(),
        }
    }
}
