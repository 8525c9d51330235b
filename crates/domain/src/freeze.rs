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
    /// Counts the freezes.
    pub count: u64,
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
    /// Which freeze this is, of all that there were: what is seen later is told of this one only.
    #[serde(default)]
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub order: u64,
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
    /// Agents on hosts that could not be looked at, by host: they were cut off from Iris.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unreached: BTreeMap<String, u32>,
}

impl Frozen {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        self.all.is_none() && self.teams.is_empty()
    }

    /// Whether this team's agents are.
    pub fn is(&self, team: &TeamName) -> bool {
        self.of(team).is_some()
    }

    /// What holds for this team.
    pub fn of(&self, team: &TeamName) -> Option<&FrozenView> {
        self.all.as_ref().or_else(|| self.teams.get(team))
    }

    /// The last freeze that this team's agents are under.
    pub fn order_for(&self, team: &TeamName) -> Option<u64> {
        let views = [self.all.as_ref(), self.teams.get(team)];
        views.into_iter().flatten().map(|view| view.order).max()
    }

    /// Which freeze of a team, or with `None` of everything, is the one that holds.
    pub fn order(&self, team: Option<&TeamName>) -> Option<u64> {
        let view = match team {
            None => self.all.as_ref(),
            Some(team) => self.teams.get(team),
        };
        view.map(|view| view.order)
    }

    /// Freezes a team, or with `None` everything; says which freeze it is. What was frozen stays so
    /// since then, and is looked at anew.
    pub fn freeze(&mut self, team: Option<&TeamName>, since: Timestamp, by: &str) -> u64 {
        self.count += 1;
        let view = FrozenView {
            since,
            by: by.to_owned(),
            order: self.count,
            proof: None,
        };
        let frozen = match team {
            None => self.all.get_or_insert(view),
            Some(team) => self.teams.entry(team.clone()).or_insert(view),
        };
        frozen.order = self.count;
        self.count
    }

    /// Notes what was seen of this freeze; what is shown then. `None`: it was thawed, or frozen anew,
    /// and this proves nothing.
    pub fn proved(
        &mut self,
        team: Option<&TeamName>,
        order: u64,
        proof: Proof,
    ) -> Option<&FrozenView> {
        let view = match team {
            None => self.all.as_mut(),
            Some(team) => self.teams.get_mut(team),
        };
        let view = view.filter(|view| view.order == order)?;
        view.proof = Some(proof);
        Some(view)
    }

    /// Thaws a team, or with `None` everything.
    ///
    /// # Errors
    /// `Conflict`: it is not frozen, or only together with everything.
    pub fn thaw(&mut self, team: Option<&TeamName>) -> Result<(), Problem> {
        match team {
            None if self.is_nothing() => Err(Problem::new(
                Code::Conflict,
                "Nothing is frozen.",
                "`iris status` shows how the teams are.",
            )),
            None => {
                *self = Self {
                    count: self.count,
                    ..Self::default()
                };
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
        let took = match self.took_ms {
            0..100 => "less than 0.1 s".to_owned(),
            _ => format!("{seconds:.1} s"),
        };
        let mut words = if self.found == 0 && self.unreached.is_empty() {
            "no agent was running".to_owned()
        } else {
            format!(
                "{} of {} processes stopped in {took}",
                self.stopped, self.found
            )
        };
        for (host, agents) in &self.unreached {
            let agents = match agents {
                1 => "1 agent".to_owned(),
                n => format!("{n} agents"),
            };
            words.push_str(&format!(
                "; {agents} on {host} not reached: cut off from Iris"
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
        assert!(!frozen.is(&team("a")), "and the one team with it");
        assert_eq!(frozen.thaw(None).unwrap_err().code, Code::Conflict);
        frozen.freeze(Some(&team("a")), now, "x");
        assert!(frozen.thaw(Some(&team("b"))).is_err());
        frozen.thaw(Some(&team("a"))).unwrap();
    }

    #[test]
    fn a_proof_belongs_to_its_freeze() {
        let now = Timestamp::UNIX_EPOCH;
        let mut frozen = Frozen::default();
        let proof = |found| Proof {
            found,
            stopped: found,
            ..Proof::default()
        };
        let first = frozen.freeze(None, now, "x");
        frozen.thaw(None).unwrap();
        assert_eq!(frozen.proved(None, first, proof(1)), None, "thawed");
        let second = frozen.freeze(None, now, "y");
        assert_eq!(frozen.proved(None, first, proof(1)), None, "another one");
        assert_eq!(frozen.order(None), Some(second));
        let view = frozen.proved(None, second, proof(2)).unwrap();
        assert_eq!(view.proof, Some(proof(2)));
        // Frozen again: what was seen stays until more is.
        let third = frozen.freeze(None, now, "z");
        assert_eq!(frozen.proved(None, second, proof(3)), None);
        let all = frozen.all.clone().unwrap();
        assert_eq!((all.by.as_str(), all.order), ("y", third));
        assert_eq!(all.proof, Some(proof(2)));
        let one = frozen.freeze(Some(&team("a")), now, "x");
        assert_eq!(frozen.order_for(&team("a")), Some(one));
        assert_eq!(frozen.order_for(&team("b")), Some(third));
        frozen.thaw(None).unwrap();
        assert_eq!(frozen.order_for(&team("a")), None);
    }

    #[test]
    fn the_proof_in_words() {
        let proof = Proof {
            found: 7,
            stopped: 7,
            took_ms: 412,
            unreached: BTreeMap::new(),
        };
        assert_eq!(proof.words(), "7 of 7 processes stopped in 0.4 s");
        let quick = Proof {
            took_ms: 40,
            ..proof.clone()
        };
        assert!(quick.words().ends_with("stopped in less than 0.1 s"));
        assert!(proof.is_whole());
        let cut = Proof {
            unreached: BTreeMap::from([("me@box".into(), 2), ("other".into(), 1)]),
            stopped: 6,
            ..proof
        };
        assert_eq!(
            cut.words(),
            "6 of 7 processes stopped in 0.4 s; 2 agents on me@box not reached: cut off from Iris; \
             1 agent on other not reached: cut off from Iris"
        );
        assert!(!cut.is_whole());
        assert_eq!(Proof::default().words(), "no agent was running");
    }
}
