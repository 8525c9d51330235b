//! How teams look in logs and panics: without the values of `env`, which may be secret.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Team, TeamDefaults, changes::plain};

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted("Team", self, f)
    }
}

impl fmt::Debug for TeamDefaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted("TeamDefaults", self, f)
    }
}

fn redacted(name: &str, value: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut plain = plain(value);
    if let Some(env) = plain.get_mut("env").and_then(Value::as_object_mut) {
        env.values_mut().for_each(|value| *value = "…".into());
    }
    write!(f, "{name} {plain}")
}
