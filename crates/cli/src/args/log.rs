//! `iris log`.

use clap::Args;
use iris_domain::ids::{Party, TeamName};

/// What happens in sessions.
#[derive(Debug, Args)]
pub struct Log {
    /// Of this team; all without it.
    pub team: Option<TeamName>,
    /// Only of sessions that this one started: `console`, or a team.
    #[arg(long, value_name = "PARTY")]
    pub from: Option<Party>,
    /// Go on and print what happens from now on, too; with --json an entry a line.
    #[arg(short, long)]
    pub follow: bool,
    /// Only of this kind; may be repeated.
    #[arg(long, value_parser = KINDS)]
    pub kind: Vec<String>,
    /// Not before: `7d`, `2h 30m` (so long ago), `2026-11-26`, `2026-11-26 14:00`, or a time with
    /// its zone.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Before; as `--since`.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// With these words, or words that begin so.
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,
    /// At most so many entries, the newest.
    #[arg(long, default_value_t = 100)]
    pub limit: u32,
}

const KINDS: [&str; 12] = [
    "message",
    "text",
    "thinking",
    "toolCall",
    "toolResult",
    "decision",
    "turnEnd",
    "started",
    "interrupted",
    "ended",
    "hostLost",
    "missing",
];
