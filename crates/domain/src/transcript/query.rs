//! Which entries are meant, and the terms by which an index finds them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Entry, EntryKind, Line};
use crate::{
    ids::{Party, SessionId, TeamName},
    words::{Terms, field, found, term, texts_of, words},
};

/// Entries of a page that does not say how many.
pub const LIMIT_DEFAULT: u32 = 200;
/// Entries of a page at most.
pub const LIMIT_MAX: u32 = 1_000;

/// Which entries. What is absent does not matter; everything that is there must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[cfg_attr(
    feature = "bindings",
    derive(ts_rs::TS),
    ts(optional_fields, rename = "TranscriptQuery")
)]
pub struct Query {
    /// Of sessions in this team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamName>,
    /// Of sessions that this one started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Party>,
    /// Of this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Of these kinds; empty: of all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "bindings", ts(optional, as = "Option<Vec<EntryKind>>"))]
    pub kinds: Vec<EntryKind>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional, as = "Option<String>"))]
    pub since: Option<Timestamp>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional, as = "Option<String>"))]
    pub until: Option<Timestamp>,
    /// Each of its words begins a word of the entry. Upper and lower case are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// The newest before this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional, type = "number"))]
    pub before: Option<u64>,
    /// The oldest after this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional, type = "number"))]
    pub after: Option<u64>,
    /// So many at most; absent: [`LIMIT_DEFAULT`], and never more than [`LIMIT_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Some entries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(rename = "TranscriptPage"))]
pub struct Page {
    /// The entries, oldest first.
    pub lines: Vec<Line>,
    /// What is meant up to this place is in here, or before it: who goes on with `after` this place misses
    /// nothing and gets nothing twice.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub upto: u64,
    /// There may be more: older ones, or with `after` newer ones.
    pub more: bool,
}

impl Query {
    /// How many entries a page has at most.
    pub fn entries(&self) -> usize {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// Whether an index is needed to find them.
    pub fn is_search(&self) -> bool {
        !self.kinds.is_empty()
            || words(self.search.as_deref().unwrap_or_default())
                .next()
                .is_some()
    }

    /// Whether this entry is meant, wherever it stands. The last word, whatever an index says.
    pub fn matches(&self, line: &Line) -> bool {
        self.team.as_ref().is_none_or(|team| line.to == *team)
            && self.from.as_ref().is_none_or(|from| line.from == *from)
            && self.session.is_none_or(|session| line.session == session)
            && (self.kinds.is_empty() || self.kinds.contains(&line.entry.kind()))
            && self.since.is_none_or(|since| line.time >= since)
            && self.until.is_none_or(|until| line.time < until)
            && self
                .search
                .as_ref()
                .is_none_or(|search| found(search, |each| texts_in(&line.entry, each)))
    }

    /// What an index of [`terms_of`] is asked in the language of FTS5: it finds every entry that is meant,
    /// and at most a few more. Terms are letters, digits, `_` and `:`; in quotes no word of theirs means
    /// anything there. Times are not among them.
    pub fn expression(&self) -> String {
        let mut all = Vec::new();
        let mut one = |name: &str, value: &str| all.push(format!("\"{}\"", field(name, value)));
        if let Some(team) = &self.team {
            one("to", team.as_str());
        }
        if let Some(from) = &self.from {
            one("from", &from.to_string());
        }
        if let Some(session) = self.session {
            one("session", &session.to_string());
        }
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|kind| format!("\"{}\"", field("kind", kind.as_str())))
            .collect();
        if !kinds.is_empty() {
            all.push(format!("({})", kinds.join(" OR ")));
        }
        let search = words(self.search.as_deref().unwrap_or_default());
        all.extend(search.map(|word| format!("\"{}\"*", term(&word))));
        all.join(" AND ")
    }
}

/// The terms by which an index finds this entry, between blanks: its words, and its fields as `to:api`.
pub fn terms_of(line: &Line) -> String {
    let mut terms = Terms::default();
    texts_in(&line.entry, &mut |text| terms.words(text));
    terms.field("to", line.to.as_str());
    terms.field("from", &line.from.to_string());
    terms.field("session", &line.session.to_string());
    terms.field("kind", line.entry.kind().as_str());
    terms.into()
}

/// The texts that are searched.
fn texts_in(entry: &Entry, each: &mut dyn FnMut(&str)) {
    let mut texts = |texts: &[&str]| texts.iter().for_each(|text| each(text));
    match entry {
        Entry::Message { text, .. } | Entry::Text { text } | Entry::Thinking { text } => {
            texts(&[text]);
        }
        Entry::ToolCall { call, tool, input } => {
            texts(&[call, tool]);
            texts_of(input, each);
        }
        Entry::ToolResult { call, text, .. } => texts(&[call, text]),
        Entry::Decision {
            call,
            tool,
            decision,
            by,
        } => texts(&[call, tool, decision.as_str(), by]),
        Entry::TurnEnd { model, error, .. } => {
            texts(&[model, error.as_deref().unwrap_or_default()]);
        }
        Entry::Started { host, .. } | Entry::HostLost { host } => texts(&[host]),
        Entry::Ended { why } => texts(&[why.as_deref().unwrap_or_default()]),
        Entry::Interrupted {} | Entry::Missing { .. } => {}
    }
}
