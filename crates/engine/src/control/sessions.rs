//! What the command line does with a whole conversation.

use iris_domain::{
    Problem,
    decision::Human,
    ids::{Party, TeamName},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::commands::to_json;
use crate::Engine;

/// What is done with a whole conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SessionAct {
    /// Opens a copy of it in the user's terminal: [`iris_domain::conversation::Forked`].
    Fork,
    /// Begins a new one: [`iris_domain::conversation::Rebooted`].
    Reboot,
    /// Deletes it: [`iris_domain::conversation::Deleted`].
    Delete,
    /// Ends its process: `{"stopped": bool}`.
    Sleep,
}

impl SessionAct {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fork => "sessionFork",
            Self::Reboot => "sessionReboot",
            Self::Delete => "sessionDelete",
            Self::Sleep => "sessionSleep",
        }
    }

    pub(super) async fn run(
        self,
        engine: &Engine,
        from: Party,
        to: TeamName,
        human: Human,
    ) -> Result<Value, Problem> {
        match self {
            Self::Fork => to_json(&engine.fork_session(from, to, human).await?),
            Self::Reboot => to_json(&engine.reboot_session(from, to, human).await?),
            Self::Delete => to_json(&engine.delete_session(from, to, human).await?),
            Self::Sleep => Ok(json!({ "stopped": engine.sleep_session(from, to, human).await? })),
        }
    }
}
