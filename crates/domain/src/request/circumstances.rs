//! What is said beside a call.

use serde::{Deserialize, Serialize};

use crate::display::one_line;

/// More suggestions than this are of no help to a human.
const RULES_MAX: usize = 8;
/// A line of it is cut to this many characters, its head and its tail stay.
const LINE_MAX: usize = 300;

/// What Claude Code says about a request beside the call itself, where its channel carries that. The
/// agent's host says it and nothing proves it: it is shown, and decides nothing. Every line is safe
/// to show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Circumstances {
    /// The rules by which Claude Code itself would allow it from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "bindings", ts(optional, as = "Option<Vec<String>>"))]
    pub suggested_rules: Vec<String>,
    /// The path that is outside of what the agent may touch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub blocked_path: Option<String>,
    /// Why Claude Code asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub decision_reason: Option<String>,
    /// The subagent that asks; absent: the agent itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub agent_id: Option<String>,
}

impl Circumstances {
    /// Of words as they came. Empty ones say nothing.
    pub fn new<'a>(
        suggested_rules: impl IntoIterator<Item = String>,
        blocked_path: Option<&'a str>,
        decision_reason: Option<&'a str>,
        agent_id: Option<&'a str>,
    ) -> Self {
        let line = |text: &str| Some(one_line(text, LINE_MAX)).filter(|line| !line.is_empty());
        let mut rules: Vec<String> = Vec::new();
        for rule in suggested_rules.into_iter().filter_map(|rule| line(&rule)) {
            if rules.len() < RULES_MAX && !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        Self {
            suggested_rules: rules,
            blocked_path: blocked_path.and_then(line),
            decision_reason: decision_reason.and_then(line),
            agent_id: agent_id.and_then(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_safe_to_show_and_bounded() {
        let evil = "a\u{202e}b\n\u{1b}[2Jc";
        let rules = (0..100).map(|number| format!("{evil}{}", number / 2));
        let long = "x".repeat(100_000);
        let said = Circumstances::new(rules, Some(evil), Some(&long), Some("  "));
        assert_eq!(said.suggested_rules.len(), RULES_MAX, "each once");
        assert_eq!(
            said.blocked_path.as_deref(),
            Some("a⟨U+202E⟩b⏎⟨U+001B⟩[2Jc")
        );
        let reason = said.decision_reason.unwrap();
        assert!(reason.chars().count() <= LINE_MAX && reason.contains('…'));
        assert_eq!(said.agent_id, None);
        for rule in said.suggested_rules {
            assert!(!rule.contains(['\u{202e}', '\u{1b}', '\n']), "{rule:?}");
        }
    }
}
