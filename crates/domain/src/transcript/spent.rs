//! What turns cost.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Tokens, as the model's API counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Tokens {
    /// Read, not from the cache.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub input: u64,
    /// Written.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub output: u64,
    /// Read from the cache.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub cache_read: u64,
    /// Read, and put into the cache.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub cache_written: u64,
}

/// What turns cost, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Spent {
    /// How many.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub turns: u64,
    /// US dollars, as Claude Code reckons them.
    pub cost_usd: f64,
    /// Their tokens.
    pub tokens: Tokens,
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_written = self.cache_written.saturating_add(other.cache_written);
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.turns = self.turns.saturating_add(other.turns);
        self.cost_usd += other.cost_usd;
        self.tokens += other.tokens;
    }
}
