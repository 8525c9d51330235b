//! Changes to a config file's text that leave everything else as the user wrote it.

use std::borrow::Cow;

use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::{
    Config, ConfigProblem,
    changes::plain,
    lists,
    parse::{BYTE_ORDER_MARK, SYNTAX, parse},
};
use crate::{decision::RuleList, ids::TeamName};

/// Fields to set (`Some`) or to remove (`None`), by their names in the file; `outer.inner` is the
/// field of an object that stands there, and leaves the object's other fields as they are. A list of rules
/// (`approvalPolicy.deny`; in the settings `defaults.approvalPolicy.deny`) is changed rule by rule.
pub type Set = Vec<(Cow<'static, str>, Option<Value>)>;

/// A change to the config file.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new team.
    AddTeam {
        /// Its name.
        team: TeamName,
        /// Its fields.
        fields: Set,
    },
    /// Other fields or another name for a team.
    EditTeam {
        /// Its name until now.
        team: TeamName,
        /// Its name from now on.
        rename: Option<TeamName>,
        /// What to set and remove.
        fields: Set,
    },
    /// A team goes.
    RemoveTeam {
        /// Its name.
        team: TeamName,
    },
    /// More rules for a team, behind those that it has.
    AddRules {
        /// Its name.
        team: TeamName,
        /// In which list.
        list: RuleList,
        /// Those that are not in it yet.
        rules: Vec<String>,
    },
    /// Another webhook, behind those that there are.
    AddWebhook {
        /// Its fields.
        fields: Set,
    },
    /// A webhook goes.
    RemoveWebhook {
        /// Its place in the list.
        at: usize,
    },
    /// Other settings.
    Settings {
        /// What to set and remove.
        fields: Set,
    },
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is broken as it is; changing it might make it worse.
    #[error("the config file has errors")]
    Broken(Vec<ConfigProblem>),
    /// The change would break the file.
    #[error("the config file would have errors")]
    WouldBreak(Vec<ConfigProblem>),
    /// No such team.
    #[error("there is no team `{0}`")]
    NoSuchTeam(TeamName),
    /// The name is taken.
    #[error("there is a team `{0}` already")]
    NameTaken(TeamName),
    /// No webhook stands at that place.
    #[error("there is no webhook at place {0}")]
    NoSuchWebhook(usize),
}

/// Makes a change to a config file's text. Comments, order, indentation, line ends and `${VAR}`
/// stay as they are; a comment that stands above a removed team stays too. A field that already
/// has the value, be it through a placeholder or a default, is not touched. The result is valid
/// whenever it is `Ok`.
pub fn edit(
    text: &str,
    change: &Change,
    vars: impl Fn(&str) -> Option<String>,
) -> Result<String, EditError> {
    let parsed = parse(text, &vars);
    let Some(before) = parsed.config else {
        return Err(EditError::Broken(parsed.problems));
    };
    let (mark, body) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(body) => (&text[..BYTE_ORDER_MARK.len_utf8()], body),
        None => ("", text),
    };
    let root = CstRootNode::parse(body, &SYNTAX).map_err(|error| {
        let at = error.range().start;
        let problem = ConfigProblem::at(body, at, "", error.kind().to_string(), "Mend the syntax.");
        EditError::Broken(vec![problem])
    })?;
    apply(&root.object_value_or_set(), change, &before)?;

    let mut result = format!("{mark}{root}");
    if body.trim().is_empty() && !result.ends_with('\n') {
        result.push('\n');
    }
    let parsed = parse(&result, &vars);
    match parsed.config {
        Some(_) => Ok(result),
        None => Err(EditError::WouldBreak(parsed.problems)),
    }
}

fn apply(root: &CstObject, change: &Change, before: &Config) -> Result<(), EditError> {
    match change {
        Change::AddTeam { team, fields } => {
            if before.teams.contains_key(team) {
                return Err(EditError::NameTaken(team.clone()));
            }
            let teams = root.object_value_or_set("teams");
            teams.append(team.as_str(), object_of(fields));
        }
        Change::EditTeam {
            team,
            rename,
            fields,
        } => {
            let no_such_team = || EditError::NoSuchTeam(team.clone());
            let teams = root.object_value("teams").ok_or_else(no_such_team)?;
            let prop = teams.get(team.as_str()).ok_or_else(no_such_team)?;
            let object = prop.object_value().ok_or_else(no_such_team)?;
            let holds = before.teams.get(team).ok_or_else(no_such_team)?;
            let (rules, fields) = rules_in(fields, "");
            set(&object, &fields, &plain(holds));
            for (list, wanted) in rules {
                let held = holds.approval_policy.own(list);
                lists::set(&object, list, &held, wanted.as_deref());
            }
            if let Some(name) = rename.as_ref().filter(|name| *name != team) {
                if before.teams.contains_key(name) {
                    return Err(EditError::NameTaken(name.clone()));
                }
                let key = prop.name().and_then(|key| key.as_string_lit());
                // A team's name needs no escapes.
                key.ok_or_else(no_such_team)?
                    .set_raw_value(format!("\"{name}\""));
            }
        }
        Change::RemoveTeam { team } => {
            let prop = root
                .object_value("teams")
                .and_then(|teams| teams.get(team.as_str()));
            prop.ok_or_else(|| EditError::NoSuchTeam(team.clone()))?
                .remove();
        }
        Change::AddRules { team, list, rules } => {
            let no_such_team = || EditError::NoSuchTeam(team.clone());
            let teams = root.object_value("teams").ok_or_else(no_such_team)?;
            let object = teams.object_value(team.as_str()).ok_or_else(no_such_team)?;
            let holds = before.teams.get(team).ok_or_else(no_such_team)?;
            let policy = object.object_value_or_set("approvalPolicy");
            let name = list.to_string();
            match policy.array_value(&name) {
                // Its own rules stay as they are written, with the comments between them.
                Some(written) => {
                    let known = holds.approval_policy.list(*list);
                    for rule in rules.iter().filter(|rule| !known.contains(rule)) {
                        written.append(lists::written(rule));
                    }
                }
                None => {
                    let all = holds.approval_policy.own_with(*list, rules);
                    let all = all.iter().map(|rule| lists::written(rule)).collect();
                    policy.append(&name, CstInputValue::Array(all));
                }
            }
        }
        Change::AddWebhook { fields } => {
            let settings = root.object_value_or_set("settings");
            let hooks = settings.array_value_or_set("webhooks");
            hooks.append(object_of(fields));
        }
        Change::RemoveWebhook { at } => {
            let hooks = root
                .object_value("settings")
                .and_then(|settings| settings.array_value("webhooks"));
            let hook = hooks.and_then(|hooks| hooks.elements().into_iter().nth(*at));
            hook.ok_or(EditError::NoSuchWebhook(*at))?.remove();
        }
        Change::Settings { fields } => {
            let object = root.object_value_or_set("settings");
            let (rules, fields) = rules_in(fields, "defaults.");
            set(&object, &fields, &plain(&before.settings));
            let template = before.settings.defaults.as_ref();
            let policy = template.and_then(|defaults| defaults.approval_policy.as_ref());
            for (list, wanted) in rules {
                let held = policy.map(|policy| policy.list(list)).unwrap_or_default();
                let defaults = match (&wanted, object.object_value("defaults")) {
                    (_, Some(defaults)) => defaults,
                    (Some(_), None) => object.object_value_or_set("defaults"),
                    (None, None) => continue,
                };
                lists::set(&defaults, list, held, wanted.as_deref());
            }
        }
    }
    Ok(())
}

/// The rules of a list that an edit sets, or that it removes the list.
type Rules = (RuleList, Option<Vec<String>>);

/// The lists of rules among the fields, and the other fields.
fn rules_in(fields: &Set, before: &str) -> (Vec<Rules>, Set) {
    let mut rules = Vec::new();
    let mut others = Set::new();
    for (name, value) in fields {
        let list = name.strip_prefix(before).and_then(lists::named);
        let texts = value.as_ref().map(|value| {
            let items = value.as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        });
        match list {
            Some(list) => rules.push((list, texts)),
            None => others.push((name.clone(), value.clone())),
        }
    }
    (rules, others)
}

fn set(object: &CstObject, fields: &Set, holds: &Value) {
    for (name, value) in fields {
        match name.split_once('.') {
            Some((outer, inner)) => set_inside(object, outer, inner, value.as_ref(), holds),
            None => set_one(object, name, value.as_ref(), holds),
        }
    }
}

fn set_one(object: &CstObject, name: &str, value: Option<&Value>, holds: &Value) {
    match (object.get(name), value) {
        (_, Some(value)) if holds.get(name) == Some(value) => {}
        (Some(prop), Some(value)) => prop.set_value(input(value)),
        (None, Some(value)) => {
            object.append(name, input(value));
        }
        (Some(prop), None) => prop.remove(),
        (None, None) => {}
    }
}

fn set_inside(object: &CstObject, outer: &str, inner: &str, value: Option<&Value>, holds: &Value) {
    let holds = holds.get(outer).unwrap_or(&Value::Null);
    match (object.object_value(outer), value) {
        (Some(nested), _) => {
            set_one(&nested, inner, value, holds);
            if value.is_none()
                && says_nothing(&nested.to_string())
                && let Some(prop) = object.get(outer)
            {
                prop.remove();
            }
        }
        (None, Some(value)) if holds.get(inner) != Some(value) => {
            set_one(
                &object.object_value_or_set(outer),
                inner,
                Some(value),
                holds,
            );
        }
        (None, Some(_) | None) => {}
    }
}

/// Whether an object is empty: there is no comment in it either.
pub(super) fn says_nothing(text: &str) -> bool {
    text.chars()
        .all(|c| matches!(c, '{' | '}') || c.is_whitespace())
}

/// What a new team has.
fn object_of(fields: &Set) -> CstInputValue {
    let mut all: Vec<(String, CstInputValue)> = Vec::new();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let Some((outer, inner)) = name.split_once('.') else {
            all.push((name.to_string(), input(value)));
            continue;
        };
        let value = match (lists::named(name), value) {
            (Some(_), Value::Array(rules)) => {
                let rules = rules.iter().filter_map(Value::as_str);
                CstInputValue::Array(rules.map(lists::written).collect())
            }
            _ => input(value),
        };
        let field = (inner.to_owned(), value);
        match all.iter_mut().find(|(name, _)| name == outer) {
            Some((_, CstInputValue::Object(nested))) => nested.push(field),
            Some(_) | None => all.push((outer.to_owned(), CstInputValue::Object(vec![field]))),
        }
    }
    CstInputValue::Object(all)
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(b) => CstInputValue::Bool(*b),
        Value::Number(n) => CstInputValue::Number(n.to_string()),
        Value::String(s) => CstInputValue::String(s.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(fields) => CstInputValue::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), input(value)))
                .collect(),
        ),
    }
}
