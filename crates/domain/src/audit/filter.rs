//! Which rows of the record are meant, and the terms by which an index finds them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Draft, Kind};
use crate::{
    decision::Verb,
    policy::{IRIS, IRIS_TOOLS},
    words::{Terms, field, found, term, texts_of, words},
};

/// Which rows. What is absent does not matter; everything that is there must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(optional_fields))]
pub struct Filter {
    /// Of this team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Decided so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Verb>,
    /// This tool or event; with `*` at its end: what begins so. The bare name of a tool of Iris is
    /// meant as in a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What decided, by the parts of `decidedBy`: `human`, `human:cli`, `rule:deny`, `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional, as = "Option<String>"))]
    pub since: Option<Timestamp>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional, as = "Option<String>"))]
    pub until: Option<Timestamp>,
    /// Each of its words begins a word of the row: of its tool, input, `why`, `decidedBy`, caller,
    /// team, host or session. Upper and lower case are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// A term that a row must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As [`terms_of`] writes it.
    pub text: String,
    /// The row's term only begins so.
    pub begins: bool,
}

impl Filter {
    /// Whether every row is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this row is meant. The last word, whatever an index says.
    pub fn matches(&self, row: &Draft) -> bool {
        let of = |wanted: &Option<String>, holds: &dyn Fn(&str) -> bool| {
            wanted.as_deref().is_none_or(holds)
        };
        of(&self.team, &|team| row.team == team)
            && self.kind.is_none_or(|kind| row.kind == kind)
            && self.decision.is_none_or(|verb| row.decision == verb)
            && of(&self.tool, &|tool| named(tool, &row.tool))
            && of(&self.by, &|by| decided(by, &row.decided_by))
            && self.since.is_none_or(|since| row.time >= since)
            && self.until.is_none_or(|until| row.time < until)
            && of(&self.search, &|search| {
                found(search, |each| texts_in(row, each))
            })
    }

    /// Terms that each row has which is meant: an index of [`terms_of`] finds them all, and at most
    /// a few more. Times are not among them.
    pub fn terms(&self) -> Vec<Term> {
        let mut terms = Vec::new();
        let mut whole = |name: &str, value: &str| {
            terms.push(Term {
                text: field(name, value),
                begins: false,
            });
        };
        if let Some(team) = &self.team {
            whole("team", team);
        }
        if let Some(kind) = self.kind {
            whole("kind", kind.as_str());
        }
        if let Some(verb) = self.decision {
            whole("decision", verb.as_str());
        }
        if let Some(by) = &self.by {
            whole("by", first_part(by));
        }
        if let Some(tool) = &self.tool {
            let (name, begins) = begun(tool);
            terms.push(Term {
                text: field("tool", &whole_name(name)),
                begins,
            });
        }
        let search = words(self.search.as_deref().unwrap_or_default());
        terms.extend(search.map(|word| Term {
            text: term(&word),
            begins: true,
        }));
        terms
    }
}

/// The terms by which an index finds this row, between blanks: its words, and its fields as `team:api`.
pub fn terms_of(row: &Draft) -> String {
    let mut terms = Terms::default();
    texts_in(row, &mut |text| terms.words(text));
    terms.field("team", &row.team);
    terms.field("kind", row.kind.as_str());
    terms.field("decision", row.decision.as_str());
    terms.field("tool", &row.tool);
    terms.field("by", first_part(&row.decided_by));
    terms.into()
}

/// The texts that are searched.
fn texts_in(row: &Draft, each: &mut dyn FnMut(&str)) {
    for text in [
        &row.tool,
        &row.why,
        &row.decided_by,
        &row.caller,
        &row.team,
        &row.host,
        &row.session,
    ] {
        each(text);
    }
    texts_of(&row.input, each);
}

fn named(wanted: &str, tool: &str) -> bool {
    let (wanted, begins) = begun(wanted);
    let wanted = whole_name(wanted);
    if begins {
        tool.starts_with(&wanted)
    } else {
        tool == wanted
    }
}

fn begun(tool: &str) -> (&str, bool) {
    match tool.strip_suffix('*') {
        Some(beginning) => (beginning, true),
        None => (tool, false),
    }
}

fn whole_name(tool: &str) -> String {
    if IRIS_TOOLS.contains(&tool) {
        format!("{IRIS}{tool}")
    } else {
        tool.to_owned()
    }
}

fn decided(wanted: &str, by: &str) -> bool {
    by.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn first_part(by: &str) -> &str {
    by.split(':').next().unwrap_or(by)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row() -> Draft {
        Draft {
            caller: "api".into(),
            team: "api".into(),
            host: "local".into(),
            tool: "Bash".into(),
            input: json!({"command": "git push origin fix/ÄRGER_2 && curl -d @x https://Example.org", "n": 1.5}),
            decision: Verb::Deny,
            decided_by: "human:cli:ann".into(),
            why: "no rule covers `git push`".into(),
            ..Draft::event(
                "2026-01-02T03:04:05Z".parse().unwrap(),
                Kind::Permission,
                "",
            )
        }
    }

    fn filter(set: impl FnOnce(&mut Filter)) -> Filter {
        let mut filter = Filter::default();
        set(&mut filter);
        filter
    }

    /// Whether an index finds the row by the filter's terms.
    fn indexed(filter: &Filter, row: &Draft) -> bool {
        let all = terms_of(row);
        filter.terms().iter().all(|term| {
            all.split(' ')
                .any(|of| of == term.text || term.begins && of.starts_with(&term.text))
        })
    }

    #[test]
    fn each_part_must_hold() {
        let text = |text: &str| Some(text.to_owned());
        let hits = [
            filter(|_| {}),
            filter(|f| f.team = text("api")),
            filter(|f| f.kind = Some(Kind::Permission)),
            filter(|f| f.decision = Some(Verb::Deny)),
            filter(|f| f.tool = text("Bash")),
            filter(|f| f.tool = text("Ba*")),
            filter(|f| f.by = text("human")),
            filter(|f| f.by = text("human:cli")),
            filter(|f| f.by = text("human:cli:ann")),
            filter(|f| f.since = Some("2026-01-02T03:04:05Z".parse().unwrap())),
            filter(|f| f.until = Some("2026-01-02T03:04:06Z".parse().unwrap())),
            filter(|f| f.search = text("git PUSH")),
            filter(|f| f.search = text("pus ori")),
            filter(|f| f.search = text("fix/ärger_2")),
            filter(|f| f.search = text("example.org ann covers 1.5")),
            filter(|f| f.search = text("  ")),
            filter(|f| (f.team, f.search) = (text("api"), text("curl"))),
        ];
        for filter in hits {
            assert!(filter.matches(&row()), "{filter:?}");
            assert!(indexed(&filter, &row()), "{filter:?}");
        }
        let misses = [
            filter(|f| f.team = text("ap")),
            filter(|f| f.team = text("")),
            filter(|f| f.kind = Some(Kind::Auth)),
            filter(|f| f.decision = Some(Verb::Allow)),
            filter(|f| f.tool = text("Ba")),
            filter(|f| f.by = text("hum")),
            filter(|f| f.by = text("human:c")),
            filter(|f| f.since = Some("2026-01-02T03:04:05.1Z".parse().unwrap())),
            filter(|f| f.until = Some("2026-01-02T03:04:05Z".parse().unwrap())),
            filter(|f| f.search = text("git pull")),
            filter(|f| f.search = text("ush")),
            filter(|f| (f.team, f.search) = (text("web"), text("curl"))),
        ];
        for filter in misses {
            assert!(!filter.matches(&row()), "{filter:?}");
        }
    }

    #[test]
    fn a_tool_of_iris_goes_by_its_bare_name() {
        let mut row = row();
        row.tool = format!("{IRIS}list_teams");
        let filter = filter(|f| f.tool = Some("list_teams".into()));
        assert!(filter.matches(&row) && indexed(&filter, &row));
    }

    #[test]
    fn no_text_of_an_agent_passes_for_a_field() {
        let mut row = row();
        row.input = json!({"command": "team:web kind:auth \"by:timeout\""});
        let filter = filter(|f| f.team = Some("web".into()));
        assert!(!indexed(&filter, &row) && !filter.matches(&row));
        row.tool = "a\" b\nteam:web".into();
        assert!(!indexed(&filter, &row));
        let by_name = Filter {
            tool: Some(row.tool.clone()),
            ..Filter::default()
        };
        assert!(by_name.matches(&row) && indexed(&by_name, &row));
    }

    #[test]
    fn what_is_long_is_found_by_its_whole() {
        let mut row = row();
        let (long, other) = ("x".repeat(90), format!("{}y", "x".repeat(89)));
        row.input = json!([long]);
        let of = |text: &str| filter(|f| f.search = Some(text.into()));
        assert!(of(&long).matches(&row) && indexed(&of(&long), &row));
        assert!(!of(&other).matches(&row), "the row decides, not the index");
    }

    #[test]
    fn a_part_that_is_not_known_is_an_error() {
        assert!(serde_json::from_value::<Filter>(json!({"teem": "api"})).is_err());
        let text = json!({"decision": "deny", "since": "2026-01-02T03:04:05Z"});
        let read: Filter = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), text);
    }
}
