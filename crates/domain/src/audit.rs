//! What is written down: one row for each decision, refused call and change of the rules, each
//! chained to the one before it.

mod export;
mod filter;
mod redact;
mod retention;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use self::{
    export::Format,
    filter::{Filter, Term, terms_of},
    redact::{MARK, redact, redacted},
    retention::{Anchor, PRUNED, Pruning, prune_before},
};
use crate::{decision::Verb, request::hex};

/// Bytes of a row's text as it usually is: a command, and why it may run.
const ROW_USUAL: usize = 1024;

/// What stands for the hash of the row before the first one.
pub const FIRST_PREV: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What kind of event a row records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Kind {
    /// A permission request was decided.
    Permission,
    /// An Iris tool call was refused.
    Call,
    /// Someone came without a token, or with one that is not theirs.
    Auth,
    /// The config changed, or could not be read.
    Config,
    /// Iris started or stopped; a team was started or stopped by a human.
    Operation,
}

impl Kind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Call => "call",
            Self::Auth => "auth",
            Self::Config => "config",
            Self::Operation => "operation",
        }
    }
}

/// A row before it has its place in the chain.
///
/// The fields stand in the order of their names as written, which makes their JSON canonical as it
/// is ([`Draft::canonical`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Draft {
    /// Who caused it: `console`, a team, `iris`, or `unknown`.
    pub caller: String,
    /// The rule, the human and surface, `timeout`, … as `crate::decision` prints them.
    pub decided_by: String,
    /// Allow, deny, or noted.
    pub decision: Verb,
    /// Digest of the request (`crate::request::ToolRequest::digest`); empty when none.
    pub digest: String,
    /// Where the tool runs; empty when nowhere.
    pub host: String,
    /// The input that ran or would have run; for events, their details. Null when none. When a
    /// human edited it before allowing: `{"asked": …, "ran": …}`; `digest` is then that of `asked`,
    /// so that such a row cannot be mistaken for a request whose own input has these two keys. Secrets
    /// are taken out before it is stored ([`Draft::redacted`]); `digest` stays that of the original.
    #[cfg_attr(feature = "bindings", ts(type = "unknown"))]
    pub input: Value,
    /// What kind of event it is.
    pub kind: Kind,
    /// Hash of the policy that held; empty when none.
    pub policy_hash: String,
    /// The session it concerns; empty when none.
    pub session: String,
    /// The team it concerns; empty when none.
    pub team: String,
    /// When it happened.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub time: Timestamp,
    /// The tool, or the event's name (`config.changed`).
    pub tool: String,
    /// From asked to decided, milliseconds.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub wait_ms: u64,
    /// Why it was decided so, or asked: a sentence with the rule and its line, the grant, or what no
    /// rule covers. Empty for events, and in rows of an older Iris.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "bindings", ts(optional, as = "Option<String>"))]
    pub why: String,
}

/// A row in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Row {
    /// Its place, from 1, without gaps.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub draft: Draft,
    /// The hash of the row before; 64 zeros for the first.
    pub prev: String,
    /// SHA-256, hex, over `prev`, `seq` and the draft's canonical JSON ([`hash`]).
    pub hash: String,
}

impl Draft {
    /// The row of an event that nobody decided: `iris` did `tool`. Callers set what else holds.
    pub fn event(time: Timestamp, kind: Kind, tool: &str) -> Self {
        Self {
            time,
            kind,
            caller: "iris".to_owned(),
            team: String::new(),
            session: String::new(),
            host: String::new(),
            tool: tool.to_owned(),
            digest: String::new(),
            input: Value::Null,
            decision: Verb::Noted,
            decided_by: "iris".to_owned(),
            policy_hash: String::new(),
            wait_ms: 0,
            why: String::new(),
        }
    }

    /// The text that is stored and hashed: JSON with sorted keys and no white space.
    ///
    /// # Errors
    /// When a value cannot be JSON; a draft has none such, and who gets the error must not decide
    /// anything on this row.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        // As for `crate::request::canonical`: the fields are declared sorted, and so is every map.
        let mut text = Vec::with_capacity(ROW_USUAL);
        serde_json::to_writer(&mut text, self)?;
        String::from_utf8(text).map_err(serde::ser::Error::custom)
    }
}

/// The hash of a row: SHA-256, hex, over `prev`, a line feed, `seq` in decimal, a line feed, and
/// the draft's canonical JSON. None of the first two holds a line feed, so no two rows share a text.
pub fn hash(prev: &str, seq: u64, draft: &str) -> String {
    let mut sha = Sha256::new();
    sha.update(prev.as_bytes());
    sha.update(format!("\n{seq}\n"));
    sha.update(draft.as_bytes());
    hex(&sha.finalize())
}

/// A row as it is stored: the draft is the very text that was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub seq: u64,
    /// The draft's canonical JSON.
    pub draft: String,
    /// The hash of the row before.
    pub prev: String,
    /// Its own hash.
    pub hash: String,
}

/// Why a row does not fit into the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A later row stands where one is missing.
    #[error("row {expected} is missing: row {found} stands in its place")]
    Missing {
        /// The place.
        expected: u64,
        /// What stands there.
        found: u64,
    },
    /// It names another row as the one before it.
    #[error("row {0} does not follow the row before it")]
    Stranger(u64),
    /// Its text is not the one that its hash covers.
    #[error("row {0} was changed after it was written")]
    Changed(u64),
    /// What was pruned is not what the rows say of it.
    #[error(
        "the anchor says that rows up to {anchor} were pruned, the rows themselves say {recorded}"
    )]
    Anchor {
        /// By the anchor; 0: none were.
        anchor: u64,
        /// By the rows; 0: none were.
        recorded: u64,
    },
}

/// Checks a chain, one row at a time: from its first row on, or from its anchor where old rows were
/// pruned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    anchor: Option<Anchor>,
    last: u64,
    prev: String,
    /// The last anchor that a row of the chain records.
    recorded: Option<Anchor>,
}

impl Verifier {
    /// From here on.
    pub fn from(anchor: Option<Anchor>) -> Self {
        let (last, prev) = match &anchor {
            Some(anchor) => (anchor.seq, anchor.hash.clone()),
            None => (0, FIRST_PREV.to_owned()),
        };
        Self {
            anchor,
            last,
            prev,
            recorded: None,
        }
    }

    /// The last row that fits so far; before the first, what stands before it.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn follow(&mut self, row: &Stored) -> Result<(), Misfit> {
        let expected = self.last + 1;
        if row.seq != expected {
            return Err(Misfit::Missing {
                expected,
                found: row.seq,
            });
        }
        if row.prev != self.prev {
            return Err(Misfit::Stranger(row.seq));
        }
        if row.hash != hash(&row.prev, row.seq, &row.draft) {
            return Err(Misfit::Changed(row.seq));
        }
        if let Some(anchor) = Anchor::recorded(&row.draft) {
            self.recorded = Some(anchor);
        }
        self.last = row.seq;
        self.prev = row.hash.clone();
        Ok(())
    }

    /// Ends the check: the anchor must be the one that the chain records last.
    ///
    /// # Errors
    /// It is another one.
    pub fn end(&self) -> Result<(), Misfit> {
        if self.anchor == self.recorded {
            return Ok(());
        }
        Err(Misfit::Anchor {
            anchor: self.anchor.as_ref().map_or(0, |anchor| anchor.seq),
            recorded: self.recorded.as_ref().map_or(0, |anchor| anchor.seq),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draft(n: u32) -> Draft {
        Draft {
            time: "2026-01-02T03:04:05.678901234Z".parse().unwrap(),
            kind: Kind::Permission,
            caller: "alpha".into(),
            team: "alpha".into(),
            session: String::new(),
            host: "local".into(),
            tool: "Bash".into(),
            digest: "d".into(),
            input: json!({"n": n, "b": 1.5, "a": ["x\n", null]}),
            decision: Verb::Deny,
            decided_by: "timeout".into(),
            policy_hash: String::new(),
            wait_ms: 7,
            why: String::new(),
        }
    }

    fn chain(n: u64) -> Vec<Stored> {
        let mut prev = FIRST_PREV.to_owned();
        (1..=n)
            .map(|seq| {
                let draft = draft(seq as u32).canonical().unwrap();
                let hash = hash(&prev, seq, &draft);
                Stored {
                    seq,
                    draft,
                    prev: std::mem::replace(&mut prev, hash.clone()),
                    hash,
                }
            })
            .collect()
    }

    fn check(rows: &[Stored]) -> Result<u64, Misfit> {
        check_from(None, rows)
    }

    fn check_from(anchor: Option<Anchor>, rows: &[Stored]) -> Result<u64, Misfit> {
        let mut verifier = Verifier::from(anchor);
        rows.iter().try_for_each(|row| verifier.follow(row))?;
        verifier.end()?;
        Ok(verifier.last())
    }

    /// Five rows, of which the first two were pruned: the anchor, and the rows with its record.
    fn pruned() -> (Anchor, Vec<Stored>) {
        let mut rows = chain(5);
        let anchor = Anchor {
            seq: 2,
            hash: rows[1].hash.clone(),
            rows: 2,
            time: draft(1).time,
        };
        let draft = anchor.row().canonical().unwrap();
        let prev = rows[4].hash.clone();
        rows.push(Stored {
            seq: 6,
            hash: hash(&prev, 6, &draft),
            draft,
            prev,
        });
        rows.drain(..2);
        (anchor, rows)
    }

    #[test]
    fn a_pruned_chain_fits_from_its_anchor_on() {
        let (anchor, rows) = pruned();
        assert_eq!(check_from(Some(anchor.clone()), &rows), Ok(6));

        let broken = |anchor: Option<Anchor>, rows: &[Stored]| {
            check_from(anchor, rows).unwrap_err().to_string()
        };
        assert!(broken(None, &rows).contains("row 1 is missing"));
        assert!(broken(Some(anchor.clone()), &rows[1..]).contains("row 3 is missing"));
        // Its record cut off, or never written.
        let unrecorded = broken(Some(anchor.clone()), &rows[..3]);
        assert!(
            unrecorded.contains("up to 2 were pruned, the rows themselves say 0"),
            "{unrecorded}"
        );
        // Moved on, with the rows it then leaves out.
        let moved = Anchor {
            seq: 3,
            hash: rows[0].hash.clone(),
            ..anchor.clone()
        };
        let moved = broken(Some(moved), &rows[1..]);
        assert!(moved.contains("up to 3"), "{moved}");
        let other = Anchor {
            hash: "0".repeat(64),
            ..anchor
        };
        assert!(broken(Some(other), &rows).contains("row 3 does not follow"));
    }

    #[test]
    fn an_anchor_that_was_taken_away_is_missed() {
        let (_, rows) = pruned();
        let whole: Vec<Stored> = chain(2).into_iter().chain(rows).collect();
        let missing = check(&whole).unwrap_err().to_string();
        assert!(
            missing.contains("up to 0 were pruned, the rows themselves say 2"),
            "{missing}"
        );
    }

    #[test]
    fn an_untouched_chain_fits() {
        assert_eq!(check(&chain(5)), Ok(5));
        assert_eq!(check(&[]), Ok(0));
    }

    #[test]
    fn every_change_breaks_it_and_is_found_where_it_is() {
        let tampered = |change: fn(&mut Vec<Stored>)| {
            let mut rows = chain(4);
            change(&mut rows);
            check(&rows).unwrap_err().to_string()
        };
        assert!(
            tampered(|r| r[1].draft = r[1].draft.replace("deny", "allow"))
                .contains("row 2 was changed")
        );
        assert!(tampered(|r| r[2].hash = "0".repeat(64)).contains("row 3 was changed"));
        assert!(tampered(|r| drop(r.remove(1))).contains("row 2 is missing"));
        assert!(tampered(|r| drop(r.remove(0))).contains("row 1 is missing"));
        assert!(tampered(|r| r.swap(1, 2)).contains("row 2 is missing"));
        // Sealed anew, as a forger would: the next row gives it away.
        let resealed = tampered(|r| {
            r[1].draft = r[1].draft.replace("deny", "allow");
            r[1].hash = hash(&r[1].prev, 2, &r[1].draft);
        });
        assert!(resealed.contains("row 3 does not follow"), "{resealed}");
    }

    #[test]
    fn the_canonical_text_is_sorted_and_lossless() {
        let text = draft(1).canonical().unwrap();
        assert!(
            text.starts_with(
                r#"{"caller":"alpha","decidedBy":"timeout","decision":"deny","digest""#
            ),
            "{text}"
        );
        assert!(
            text.contains(r#""time":"2026-01-02T03:04:05.678901234Z""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Draft>(&text).unwrap(), draft(1));
    }
}
