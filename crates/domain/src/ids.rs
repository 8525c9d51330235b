//! Names and identifiers, validated once, at the edge.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest team name: it stands in menus, paths and log lines.
pub const TEAM_NAME_MAX: usize = 64;

/// The name of a team: 1–64 of `A-Z a-z 0-9 _ - @ .`, not starting with `.` or `-`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
pub struct TeamName(String);

/// Why a text is not a team name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TeamNameError {
    /// The text is empty or longer than [`TEAM_NAME_MAX`].
    #[error("a team name has 1 to {TEAM_NAME_MAX} characters")]
    Length,
    /// A character that is not allowed where it stands.
    #[error(
        "a team name is made of letters, digits, `_`, `-`, `@` and `.`, and starts with a letter, a digit, `_` or `@`; `{0}` is not allowed there"
    )]
    Character(char),
    /// `console` is the human's own identity.
    #[error("`console` is the name of you, the human; call the team something else")]
    Reserved,
}

impl TeamName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TeamName {
    type Err = TeamNameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.is_empty() || s.chars().count() > TEAM_NAME_MAX {
            return Err(TeamNameError::Length);
        }
        for (i, c) in s.chars().enumerate() {
            let inner = c.is_ascii_alphanumeric() || matches!(c, '_' | '@');
            let ok = if i == 0 {
                inner
            } else {
                inner || matches!(c, '-' | '.')
            };
            if !ok {
                return Err(TeamNameError::Character(c));
            }
        }
        if s.eq_ignore_ascii_case(Party::CONSOLE) {
            return Err(TeamNameError::Reserved);
        }
        Ok(Self(s.to_owned()))
    }
}

impl TryFrom<String> for TeamName {
    type Error = TeamNameError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<TeamName> for String {
    fn from(name: TeamName) -> Self {
        name.0
    }
}

impl fmt::Display for TeamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One end of a session: the human (`console`), or a team.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
pub enum Party {
    /// The human, or a Claude that the human runs themselves.
    Console,
    /// A team's agent.
    Team(TeamName),
}

impl Party {
    /// How the human is written.
    pub const CONSOLE: &'static str = "console";
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Console => f.write_str(Self::CONSOLE),
            Self::Team(name) => name.fmt(f),
        }
    }
}

impl FromStr for Party {
    type Err = TeamNameError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s == Self::CONSOLE {
            Ok(Self::Console)
        } else {
            Ok(Self::Team(s.parse()?))
        }
    }
}

impl TryFrom<String> for Party {
    type Error = TeamNameError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Party> for String {
    fn from(party: Party) -> Self {
        party.to_string()
    }
}

/// A Claude session: the conversation of one ordered pair `from -> to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
pub struct SessionId(pub uuid::Uuid);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(Self(s.parse()?))
    }
}

/// A message's own identity: the `uuid` stamped on what is written to the agent.
pub type MessageId = uuid::Uuid;

/// An approval's short name, made to be typed: random, so that it is never reused after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
pub struct ApprovalId(pub String);

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A grant's short name, made to be typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(type = "string"))]
pub struct GrantId(pub String);

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
