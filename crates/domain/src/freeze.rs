//! What is frozen: every agent, or those of some teams. A frozen agent is stopped where it stands, may
//! do nothing, and goes on from there when it is thawed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Problem, ids::TeamName, problem::Code};

/// What is frozen, since when, by whom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Frozen {
    /// Everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<FrozenView>,
    /// These teams.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub teams: BTreeMap<TeamName, FrozenView>,
}

/// Something frozen, as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct FrozenView {
    /// Since when.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub since: Timestamp,
    /// By whom, as the audit log names them.
    pub by: String,
    /// What the process tables showed then; absent until they were looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub proof: Option<Proof>,
}

/// What the process tables show of the agents after they were told to stop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Proof {
    /// Processes of agents: Claude Code, and what it started.
    pub found: u32,
    /// Those of them that are stopped.
    pub stopped: u32,
    /// How long it took from the wish to the last look, milliseconds.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub took_ms: u64,
    /// Hosts that could not be looked at: their agents were cut off and end there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unreached: Vec<String>,
}

impl Frozen {
    /// Whether this team's agents are.
    pub fn is(&self, team: &TeamName) -> bool {
        self.of(team).is_some()
    }

    /// What holds for this team.
    pub fn of(&self, team: &TeamName) -> Option<&FrozenView> {
        self.all.as_ref().or_else(|| self.teams.get(team))
    }

    /// Freezes a team, or with `None` everything. What was frozen stays so since then.
    pub fn freeze(&mut self, team: Option<&TeamName>, since: Timestamp, by: &str) {
        let view = || FrozenView {
            since,
            by: by.to_owned(),
            proof: None,
        };
        match team {
            None => {
                self.all.get_or_insert_with(view);
            }
            Some(team) => {
                self.teams.entry(team.clone()).or_insert_with(view);
            }
        }
    }

    /// Notes what was seen.
    pub fn proved(&mut self, team: Option<&TeamName>, proof: Proof) {
        let view = match team {
            None => self.all.as_mut(),
            Some(team) => self.teams.get_mut(team),
        };
        // Thawed meanwhile: nothing is left to prove.
        if let Some(view) = view {
            view.proof = Some(proof);
        }
    }

    /// Thaws a team, or with `None` everything.
    ///
    /// # Errors
    /// `Conflict`: it is not frozen, or only together with everything.
    pub fn thaw(&mut self, team: Option<&TeamName>) -> Result<(), Problem> {
        match team {
            None if self.all.is_none() && self.teams.is_empty() => Err(Problem::new(
                Code::Conflict,
                "Nothing is frozen.",
                "`iris status` shows how the teams are.",
            )),
            None => {
                *self = Self::default();
                Ok(())
            }
            Some(team) if self.all.is_some() => Err(Problem::new(
                Code::Conflict,
                format!("Everything is frozen, not only {team}."),
                "Thaw everything: `iris thaw`.",
            )),
            Some(team) => match self.teams.remove(team) {
                Some(_) => Ok(()),
                None => Err(Problem::new(
                    Code::Conflict,
                    format!("{team} is not frozen."),
                    "`iris status` shows how the teams are.",
                )),
            },
        }
    }
}

impl Proof {
    /// In words: `7 of 7 processes stopped in 0.4 s`.
    pub fn words(&self) -> String {
        let seconds = std::time::Duration::from_millis(self.took_ms).as_secs_f64();
        let mut words = if self.found == 0 && self.unreached.is_empty() {
            "no agent was running".to_owned()
        } else {
            format!(
                "{} of {} processes stopped in {seconds:.1} s",
                self.stopped, self.found
            )
        };
        if !self.unreached.is_empty() {
            words.push_str(&format!(
                "; {} could not be looked at, so the agents there were cut off",
                self.unreached.join(", ")
            ));
        }
        words
    }

    /// Whether everything that was found is stopped, and everything was looked at.
    pub fn is_whole(&self) -> bool {
        self.found == self.stopped && self.unreached.is_empty()
    }
}

/// What a caller is told whose agents, or whose target, is frozen.
pub fn problem(team: &TeamName) -> Problem {
    Problem::new(
        Code::Conflict,
        format!(
            "{team} is frozen: the user stopped its agents, and nothing is started or allowed."
        ),
        "Thaw it in the tray, in the window or with `iris thaw`; until then it waits.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(name: &str) -> TeamName {
        name.parse().unwrap()
    }

    #[test]
    fn one_team_or_everything() {
        let now = Timestamp::UNIX_EPOCH;
        let mut frozen = Frozen::default();
        frozen.freeze(Some(&team("a")), now, "x");
        assert!(frozen.is(&team("a")) && !frozen.is(&team("b")));
        frozen.freeze(None, now, "y");
        assert!(frozen.is(&team("b")));
        assert_eq!(
            frozen.thaw(Some(&team("a"))).unwrap_err().code,
            Code::Conflict
        );
        frozen.thaw(None).unwrap();
        assert_eq!(frozen, Frozen::default(), "and the one team with it");
        assert_eq!(frozen.thaw(None).unwrap_err().code, Code::Conflict);
        frozen.freeze(Some(&team("a")), now, "x");
        assert!(frozen.thaw(Some(&team("b"))).is_err());
        frozen.thaw(Some(&team("a"))).unwrap();
    }

    #[test]
    fn the_proof_in_words() {
        let proof = Proof {
            found: 7,
            stopped: 7,
            took_ms: 412,
            unreached: vec![],
        };
        assert_eq!(proof.words(), "7 of 7 processes stopped in 0.4 s");
        assert!(proof.is_whole());
        let cut = Proof {
            unreached: vec!["me@box".into()],
            stopped: 6,
            ..proof
        };
        assert!(cut.words().contains("me@box could not be looked at") && !cut.is_whole());
        assert_eq!(Proof::default().words(), "no agent was running");
    }
}
