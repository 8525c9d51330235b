//! The remote end of a team on another host: what runs there for Iris, without anything installed.
//!
//! One constant command, [`COMMAND`], is what `ps` shows there. The program comes as the first line
//! on its stdin: POSIX sh, with the values that it works on. What follows on stdin belongs to what
//! the program runs. The files `*.sh` beside this one are that program's parts.
//!
//! - [`Launch`] starts an agent, and ends everything that it leaves; or says whether one could be
//!   started.
//! - [`sweep`] and its kin end what an earlier connection left.
//! - [`halt`] stops an agent where it stands, and lets it go on.
//! - [`Forget`] removes Claude Code's record of a conversation.
//! - [`fork`] runs Claude Code in the user's own terminal there: the one program that is an argument.
//! - [`prove`] sends the proof of a tunnel from the host itself.
//! - [`read`] reads what they say.

use std::fmt;

use iris_domain::ids::SessionId;
use uuid::Uuid;

mod forget;
mod fork;
mod launch;
mod line;
mod said;
mod sweep;

pub use forget::{Forget, forgotten};
pub use fork::fork;
pub use launch::Launch;
pub use said::{Nonce, Said, Unstarted, read, said_nothing};
pub use sweep::{Errand, Halt, end, halt, leave, listening, prove, sweep};

/// What `ssh` is told to run. Every login shell understands it (measured with sh, dash, bash, zsh,
/// fish and tcsh).
pub const COMMAND: &str = "exec sh -c 'read -r l; eval \"$l\"'";

const COMMON: &str = include_str!("remote/common.sh");
const PREPARE: &str = include_str!("remote/prepare.sh");
const CHECK: &str = include_str!("remote/check.sh");
const LAUNCH: &str = include_str!("remote/launch.sh");
const SWEEP: &str = include_str!("remote/sweep.sh");
const LISTENING: &str = include_str!("remote/listening.sh");
const FORK: &str = include_str!("remote/fork.sh");
const FORGET: &str = include_str!("remote/forget.sh");
const HALT: &str = include_str!("remote/halt.sh");
const PROVE: &str = include_str!("remote/prove.sh");

/// One run of a session on a host: what is left of it is known by this, and told from the run that
/// follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The conversation.
    pub session: SessionId,
    id: Uuid,
}

impl Run {
    /// A run that has not begun.
    pub fn of(session: SessionId) -> Self {
        Self {
            session,
            id: Uuid::new_v4(),
        }
    }
}

/// As its folder on the host is called.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session, self.id.simple())
    }
}

/// A name of a folder made of `instance`: whatever it is, it stays in its parent.
fn folder_name(instance: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    instance.chars().map(safe).collect()
}
