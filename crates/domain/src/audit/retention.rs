//! What may be taken out of the record when it is old, and what stays of it: the anchor.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Draft, Kind, Stored};

/// The event that records an anchor.
pub const PRUNED: &str = "audit.pruned";

/// Where the record begins after old rows were taken out of its front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Anchor {
    /// The last row that was taken out.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub seq: u64,
    /// Its hash: the first row that stayed follows it.
    pub hash: String,
    /// How many this one took.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub rows: u64,
    /// When.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub time: Timestamp,
}

impl Anchor {
    /// Its row in the record. It stands behind the anchor, so the chain covers what the anchor says.
    pub fn row(&self) -> Draft {
        Draft {
            input: json!({"hash": self.hash, "rows": self.rows, "seq": self.seq}),
            ..Draft::event(self.time, Kind::Operation, PRUNED)
        }
    }

    /// Whether this row is one of [`Anchor::row`], and of which.
    pub(super) fn recorded(text: &str) -> Option<Self> {
        // Few rows are; what is not need not be read.
        if !text.contains(PRUNED) {
            return None;
        }
        let row: Draft = serde_json::from_str(text).ok()?;
        let anchor = Self {
            seq: row.input.get("seq")?.as_u64()?,
            hash: row.input.get("hash")?.as_str()?.to_owned(),
            rows: row.input.get("rows")?.as_u64()?,
            time: row.time,
        };
        // A tool of an agent may have any name; its row is of another kind.
        (anchor.row() == row).then_some(anchor)
    }
}

/// Rows that happened before this may go; `None`: none, ever.
pub fn prune_before(now: Timestamp, days: u32) -> Option<Timestamp> {
    if days == 0 {
        return None;
    }
    now.checked_sub(SignedDuration::from_hours(i64::from(days) * 24))
        .ok()
}

/// Finds the rows that may go: those at the front, up to the first that is not old. A row that cannot
/// be read ends them too: what is broken stays to be seen.
#[derive(Debug)]
pub struct Pruning {
    before: Timestamp,
    rows: u64,
    last: Option<(u64, String)>,
}

impl Pruning {
    /// Of rows that happened before this.
    pub fn of(before: Timestamp) -> Self {
        Self {
            before,
            rows: 0,
            last: None,
        }
    }

    /// Takes the next row from the front; false: it stays, and so do all after it.
    pub fn takes(&mut self, row: &Stored) -> bool {
        let old = serde_json::from_str::<Draft>(&row.draft).is_ok_and(|row| row.time < self.before);
        if old {
            self.rows += 1;
            self.last = Some((row.seq, row.hash.clone()));
        }
        old
    }

    /// The anchor that stays for them; `None`: none may go.
    pub fn anchor(self, now: Timestamp) -> Option<Anchor> {
        let (seq, hash) = self.last?;
        Some(Anchor {
            seq,
            hash,
            rows: self.rows,
            time: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
    }

    fn stored(seq: u64, day: i64) -> Stored {
        let draft = Draft::event(at(day), Kind::Operation, "iris.started");
        Stored {
            seq,
            draft: draft.canonical().unwrap(),
            prev: String::new(),
            hash: format!("h{seq}"),
        }
    }

    fn anchor(rows: &[Stored], before: i64) -> Option<(u64, u64)> {
        let mut pruning = Pruning::of(at(before));
        let taken = rows.iter().take_while(|row| pruning.takes(row)).count();
        let anchor = pruning.anchor(at(100))?;
        assert_eq!(anchor.rows, taken as u64);
        assert_eq!(anchor.hash, format!("h{}", anchor.seq));
        Some((anchor.seq, anchor.rows))
    }

    #[test]
    fn what_is_old_goes_from_the_front_only() {
        let rows = [stored(4, 1), stored(5, 2), stored(6, 9), stored(7, 1)];
        assert_eq!(anchor(&rows, 1), None, "the bound itself is not old");
        assert_eq!(anchor(&rows, 2), Some((4, 1)));
        assert_eq!(anchor(&rows, 9), Some((5, 2)));
        assert_eq!(anchor(&rows, 90), Some((7, 4)));
        assert_eq!(anchor(&[], 9), None);
        let mut broken = rows;
        broken[1].draft = "{}".into();
        assert_eq!(anchor(&broken, 90), Some((4, 1)));
    }

    #[test]
    fn nothing_goes_when_all_is_kept() {
        assert_eq!(prune_before(at(100), 0), None);
        assert_eq!(prune_before(at(100), 90), Some(at(10)));
        assert_eq!(prune_before(Timestamp::MIN, 1), None, "never a guess");
        assert_eq!(prune_before(at(100), u32::MAX), None);
    }

    #[test]
    fn an_anchor_is_known_by_its_row_and_by_no_tool_of_that_name() {
        let anchor = Anchor {
            seq: 7,
            hash: "h7".into(),
            rows: 3,
            time: at(9),
        };
        let text = |row: Draft| row.canonical().unwrap();
        assert_eq!(Anchor::recorded(&text(anchor.row())), Some(anchor.clone()));
        for other in [
            Draft {
                kind: Kind::Permission,
                ..anchor.row()
            },
            Draft {
                caller: "alpha".into(),
                ..anchor.row()
            },
            Draft {
                input: json!({"seq": 7}),
                ..anchor.row()
            },
        ] {
            assert_eq!(Anchor::recorded(&text(other)), None);
        }
    }
}
