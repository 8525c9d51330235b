//! What differs between two configs, by name: for the audit log, which must hold no values.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Config;
use crate::ids::TeamName;

/// What differs between two configs. Names only: values may be secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Settings that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// New teams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<TeamName>,
    /// Teams that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<TeamName>,
    /// Teams that differ, and in which fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<TeamName, Vec<String>>,
}

impl Changes {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The team that all of it concerns, if it is one.
    pub fn only_team(&self) -> Option<&TeamName> {
        let mut teams = self
            .added
            .iter()
            .chain(&self.removed)
            .chain(self.changed.keys());
        match (teams.next(), teams.next(), self.settings.is_empty()) {
            (Some(team), None, true) => Some(team),
            _ => None,
        }
    }
}

/// What differs between two configs.
pub fn changes(before: &Config, after: &Config) -> Changes {
    let mut out = Changes {
        settings: fields(&before.settings, &after.settings),
        ..Changes::default()
    };
    for (name, team) in &after.teams {
        match before.teams.get(name) {
            None => out.added.push(name.clone()),
            Some(old) if old == team => {}
            Some(old) => {
                out.changed.insert(name.clone(), fields(old, team));
            }
        }
    }
    let gone = before
        .teams
        .keys()
        .filter(|name| !after.teams.contains_key(*name));
    out.removed = gone.cloned().collect();
    out
}

/// The names of the fields that differ.
fn fields(before: &impl Serialize, after: &impl Serialize) -> Vec<String> {
    let (before, after) = (plain(before), plain(after));
    let empty = serde_json::Map::new();
    let before = before.as_object().unwrap_or(&empty);
    let after = after.as_object().unwrap_or(&empty);
    let mut names: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| before.get(name) != after.get(name));
    names
}

/// As JSON. The config's types always serialise: their keys are texts.
pub(super) fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
