//! What stops agents at once: freezing, taking their keys, cutting their tunnel.

use std::time::Instant;

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    decision::{AllowedBy, Human, who},
    freeze::{FrozenView, Proof},
    ids::{Party, TeamName},
    problem::Code,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Engine;
use crate::clock;

/// What became of a team's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Tokens that are worth nothing any more.
    pub revoked: usize,
    /// Agents that were started again, with new ones.
    pub restarted: usize,
}

impl Engine {
    /// Stops every agent of a team, or with `None` all, where it stands: what waits is denied, nothing
    /// new is allowed or started, messages wait. Returns what the process tables show.
    ///
    /// # Errors
    /// `NotFound`: there is no such team. `Conflict`: it was thawed before all was seen. `Storage`: it is frozen, but a restart would not know.
    pub async fn freeze(
        &self,
        team: Option<TeamName>,
        human: Human,
    ) -> Result<FrozenView, Problem> {
        let begun = Instant::now();
        self.known(team.as_ref())?;
        let team = team.as_ref();
        let by = AllowedBy::Human(human).to_string();
        // First: from here on nothing is allowed and nothing starts, and each agent's halter stops it.
        self.freeze.begin(team, &by);
        self.approvals.freeze(team.cloned());
        let looking = async {
            // Frozen once more meanwhile, what is seen belongs to that freeze.
            while let Some(order) = self.freeze.order(team) {
                let proof = tokio::select! {
                    proof = self.teams.seen(team, order) => proof,
                    () = self.freeze.is_over(team, order) => continue,
                };
                let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                let proof = Proof { took_ms, ..proof };
                if let Some(view) = self.freeze.proved(team, order, proof.clone()) {
                    return Some((view, proof));
                }
            }
            None
        };
        // Kept and written down at once: a host that does not answer takes seconds.
        let (proved, kept, ()) = tokio::join!(
            looking,
            self.freeze.keep(),
            self.note_stop("freeze", team, &by, Value::Null),
        );
        let (view, proof) = proved.ok_or_else(overtaken)?;
        tracing::warn!(
            team = team.map(TeamName::as_str),
            proof = proof.words(),
            "frozen"
        );
        let details = json!({ "proof": proof, "words": proof.words() });
        self.note_stop("freeze.proof", team, &by, details).await;
        kept?;
        self.freeze.keep().await?;
        Ok(view)
    }

    /// Lets them go on from where they stand.
    ///
    /// # Errors
    /// `NotFound`: there is no such team. `Conflict`: it is not frozen. `Storage`: it goes on, but a
    /// restart would be frozen.
    pub async fn thaw(&self, team: Option<TeamName>, human: Human) -> Result<(), Problem> {
        self.known(team.as_ref())?;
        let by = AllowedBy::Human(human).to_string();
        self.freeze.end(team.as_ref())?;
        self.note_stop("thaw", team.as_ref(), &by, Value::Null)
            .await;
        self.freeze.keep().await
    }

    /// Takes every key of a team's agents: calls that run end at once, the agents end, and nothing but a
    /// human's start brings the team back. Returns how many there were.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub async fn revoke_keys(&self, team: TeamName, human: Human) -> Result<Keys, Problem> {
        self.known(Some(&team))?;
        let by = AllowedBy::Human(human).to_string();
        let revoked = self.callbacks.cut(&team, keys_taken(&team, &by));
        let details = json!({ "revoked": revoked });
        self.note_stop("key.revoked", Some(&team), &by, details)
            .await;
        Ok(Keys {
            revoked,
            restarted: 0,
        })
    }

    /// Gives a team's agents new keys: calls that run end at once, the agents end and are started again,
    /// each in its conversation; while the team is frozen, when it is thawed. Messages that wait go on
    /// waiting; a turn that ran is cut short.
    ///
    /// # Errors
    /// `NotFound`: there is no such team. What kept an agent from being started again.
    pub async fn rotate_keys(&self, team: TeamName, human: Human) -> Result<Keys, Problem> {
        self.known(Some(&team))?;
        let by = AllowedBy::Human(human).to_string();
        let revoked = self.tokens.revoke_team(&team);
        let restarted = self.teams.restart(&team, &keys_changed(&team, &by)).await?;
        let details = json!({ "revoked": revoked });
        self.note_stop("key.rotated", Some(&team), &by, details)
            .await;
        let keys = Keys {
            revoked,
            restarted: restarted.len(),
        };
        if self.freeze.is_frozen(&team) {
            return Ok(keys);
        }
        let wakes = restarted
            .into_iter()
            .map(|from| self.teams.wake(from, team.clone()));
        futures::future::try_join_all(wakes).await?;
        Ok(keys)
    }

    /// Closes the tunnel of a team at once: what its agents do through it ends, and so do they. Nothing
    /// but a human's start of the team opens it again.
    ///
    /// # Errors
    /// `NotFound`: there is no such team. `Conflict`: it has no tunnel.
    pub async fn kill_tunnel(&self, team: TeamName, human: Human) -> Result<(), Problem> {
        self.known(Some(&team))?;
        let tunnelled = {
            let config = self.config.watch();
            let config = config.borrow();
            let settings = config.teams.get(&team);
            settings.is_some_and(|team| team.remote.is_some() && team.enable_reverse_mcp)
        };
        if !tunnelled {
            return Err(Problem::new(
                Code::Conflict,
                format!("{team} has no tunnel."),
                "`iris tunnel list` shows the teams that have one.",
            ));
        }
        let by = AllowedBy::Human(human).to_string();
        self.links.cut(&team);
        let revoked = self.callbacks.cut(&team, tunnel_cut(&team, &by));
        let details = json!({ "revoked": revoked });
        self.note_stop("tunnel.killed", Some(&team), &by, details)
            .await;
        Ok(())
    }

    fn known(&self, team: Option<&TeamName>) -> Result<(), Problem> {
        let Some(team) = team else { return Ok(()) };
        self.approvals.policy(team).map(drop)
    }

    async fn note_stop(&self, event: &str, team: Option<&TeamName>, by: &str, input: Value) {
        let row = Draft {
            caller: Party::CONSOLE.to_owned(),
            team: team.map(ToString::to_string).unwrap_or_default(),
            input,
            decided_by: by.to_owned(),
            ..Draft::event(clock::now(), Kind::Operation, event)
        };
        self.note(row).await;
    }
}

fn overtaken() -> Problem {
    Problem::new(
        Code::Conflict,
        "It was thawed before all of it was seen to stand still.",
        "`iris status` shows what holds now.",
    )
}

fn keys_changed(team: &TeamName, by: &str) -> Problem {
    Problem::new(
        Code::Agent,
        format!(
            "{} gave {team} new keys: the turn that ran was cut short.",
            who(by)
        ),
        "Send the message again if it still holds.",
    )
}

fn keys_taken(team: &TeamName, by: &str) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("{} took the keys of {team}: its agents are ended.", who(by)),
        "Start the team when it may go on; its agents then have new keys.",
    )
}

fn tunnel_cut(team: &TeamName, by: &str) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!(
            "{} cut the tunnel of {team}: its agents are ended.",
            who(by)
        ),
        "Start the team when it may go on; the tunnel is then opened anew.",
    )
}
