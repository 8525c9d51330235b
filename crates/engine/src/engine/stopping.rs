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
    /// `NotFound`: there is no such team. `Storage`: it is frozen, but a restart would not know.
    pub async fn freeze(
        &self,
        team: Option<TeamName>,
        human: Human,
    ) -> Result<FrozenView, Problem> {
        let begun = Instant::now();
        self.known(team.as_ref())?;
        let by = AllowedBy::Human(human).to_string();
        // First: from here on nothing is allowed and nothing starts.
        self.freeze.begin(team.as_ref(), &by);
        self.approvals.freeze(team.clone());
        let proof = self.teams.halt(team.as_ref()).await;
        let proof = Proof {
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..proof
        };
        tracing::warn!(
            team = team.as_ref().map(TeamName::as_str),
            proof = proof.words(),
            "frozen"
        );
        let details = json!({ "proof": proof, "words": proof.words() });
        let view = self.freeze.proved(team.as_ref(), proof.clone());
        self.note_stop("freeze", team.as_ref(), &by, details).await;
        self.freeze.keep().await?;
        Ok(view.unwrap_or_else(|| FrozenView {
            since: clock::now(),
            by,
            proof: Some(proof),
        }))
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
        self.teams.go_on(team.as_ref()).await;
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
    /// each in its conversation. A turn that ran is cut short.
    ///
    /// # Errors
    /// `NotFound`: there is no such team. What kept an agent from being started again.
    pub async fn rotate_keys(&self, team: TeamName, human: Human) -> Result<Keys, Problem> {
        self.known(Some(&team))?;
        let by = AllowedBy::Human(human).to_string();
        let running: Vec<Party> = {
            let views = self.teams.watch();
            let views = views.borrow();
            let sessions = views.get(&team).into_iter().flatten();
            sessions
                .filter(|session| session.pid.is_some())
                .map(|session| session.from.clone())
                .collect()
        };
        let revoked = self.tokens.revoke_team(&team);
        self.teams.sleep(None, team.clone()).await?;
        let details = json!({ "revoked": revoked });
        self.note_stop("key.rotated", Some(&team), &by, details)
            .await;
        let wakes = running
            .into_iter()
            .map(|from| self.teams.wake(from, team.clone()));
        let woken = futures::future::try_join_all(wakes).await?;
        Ok(Keys {
            revoked,
            restarted: woken.len(),
        })
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
