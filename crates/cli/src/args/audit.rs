//! `iris audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The audit log.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// Check that no row was changed or removed.
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    #[command(flatten)]
    pub filters: Box<Filters>,
    /// At most so many rows; 0 is all.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
}

/// Which rows of the audit log; all that is given must hold.
#[derive(Debug, Default, Args)]
pub struct Filters {
    /// Of this team only.
    #[arg(long)]
    pub team: Option<String>,
    /// Of this kind only.
    #[arg(long, value_parser = ["permission", "call", "auth", "config", "operation"])]
    pub kind: Option<String>,
    /// Decided so.
    #[arg(long, value_parser = ["allow", "deny", "noted"])]
    pub decision: Option<String>,
    /// Of this tool or event; with `*` at its end: of those that begin so.
    #[arg(long)]
    pub tool: Option<String>,
    /// Decided by this: `human`, `human:cli`, `rule`, `rule:deny`, `grant`, `mode`, `session`,
    /// `timeout`, `withdrawn`, `lost`, `iris`.
    #[arg(long)]
    pub by: Option<String>,
    /// Not before: `7d`, `2h 30m` (so long ago), `2026-11-26`, `2026-11-26 14:00`, or a time with
    /// its zone.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Before; as `--since`.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// With these words, or words that begin so, in the tool, the input, the reason, or who decided.
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
}

/// Commands on the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the chain: that no row was changed or removed
    Verify,
    /// Write rows for other programs, oldest first; that is recorded, too
    ///
    /// JSONL holds of each row the very text that its hash covers, so that the chain can be checked
    /// elsewhere. CSV is for spreadsheets: no cell is taken for a formula there.
    Export {
        #[command(flatten)]
        filters: Box<Filters>,
        /// jsonl or csv.
        #[arg(long, value_parser = ["jsonl", "csv"])]
        format: String,
        /// To this file, in place of what is there; default: to stdout.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}
