//! Lists of rules in a config file's text, changed rule by rule, so that the comments between them stay.

use jsonc_parser::cst::{CstArray, CstInputValue, CstLeafNode, CstNode, CstObject};

use super::edit::says_nothing;
use crate::decision::RuleList;

/// Where the lists stand, in a team and in the template.
const POLICY: &str = "approvalPolicy";

/// The list that a field of an edit names, if it names one.
pub(super) fn named(field: &str) -> Option<RuleList> {
    let list = field.strip_prefix(POLICY)?.strip_prefix('.')?;
    [
        RuleList::Deny,
        RuleList::RequireApproval,
        RuleList::AutoApprove,
    ]
    .into_iter()
    .find(|known| known.to_string() == list)
}

/// A rule as it is written: what it has of `${` is no placeholder.
pub(super) fn written(rule: &str) -> CstInputValue {
    CstInputValue::String(escaped(rule))
}

fn escaped(rule: &str) -> String {
    rule.replace("${", "$${")
}

/// Makes a list of a team, or of the template, consist of these rules; `None`: it is not to be there.
/// `held` is what it holds now.
pub(super) fn set(owner: &CstObject, list: RuleList, held: &[String], wanted: Option<&[String]>) {
    let name = list.to_string();
    let policy = owner.object_value(POLICY);
    let array = policy.as_ref().and_then(|policy| policy.array_value(&name));
    match (wanted, policy, array) {
        (Some(wanted), _, Some(array)) if array.elements().len() == held.len() => {
            change(&array, held, wanted);
        }
        (Some(wanted), policy, _) => {
            let policy = policy.unwrap_or_else(|| owner.object_value_or_set(POLICY));
            let rules = CstInputValue::Array(wanted.iter().map(|rule| written(rule)).collect());
            match policy.get(&name) {
                Some(prop) => prop.set_value(rules),
                None => {
                    policy.append(&name, rules);
                }
            }
        }
        (None, Some(policy), _) => {
            if let Some(prop) = policy.get(&name) {
                prop.remove();
            }
            if says_nothing(&policy.to_string())
                && let Some(prop) = owner.get(POLICY)
            {
                prop.remove();
            }
        }
        (None, None, _) => {}
    }
}

fn change(array: &CstArray, held: &[String], wanted: &[String]) {
    let mut at = 0;
    for step in steps(held, wanted) {
        match step {
            Step::Keep => at += 1,
            Step::Change(rule) => {
                replace(array.elements().get(at), rule);
                at += 1;
            }
            Step::Add(rule) => {
                if at == array.elements().len() {
                    array.append(written(rule));
                } else {
                    array.insert(at, written(rule));
                }
                at += 1;
            }
            Step::Remove => {
                if let Some(element) = array.elements().into_iter().nth(at) {
                    element.remove();
                }
            }
        }
    }
}

/// What stands beside it stays.
fn replace(element: Option<&CstNode>, rule: &str) {
    // A list of rules holds nothing else: it was read before.
    if let Some(CstNode::Leaf(CstLeafNode::StringLit(text))) = element {
        let quoted = serde_json::Value::from(escaped(rule));
        text.set_raw_value(quoted.to_string());
    }
}

#[derive(Debug, PartialEq)]
enum Step<'w> {
    Keep,
    /// It becomes this one.
    Change(&'w str),
    /// This one comes before it.
    Add(&'w str),
    Remove,
}

/// The way from one list to the other that keeps the most. What stands between two that stay and differs is
/// changed in place, as far as there is as much of it.
fn steps<'w>(held: &[String], wanted: &'w [String]) -> Vec<Step<'w>> {
    let keeps = longest_common(held, wanted);
    let mut steps = Vec::new();
    let (mut h, mut w) = (0, 0);
    let end = (held.len(), wanted.len());
    for (keep_h, keep_w) in keeps.into_iter().chain([end]) {
        let (gone, new) = (keep_h - h, wanted.get(w..keep_w).unwrap_or_default());
        let changed = gone.min(new.len());
        let (in_place, added) = new.split_at(changed);
        steps.extend(in_place.iter().map(|rule| Step::Change(rule)));
        steps.extend(std::iter::repeat_with(|| Step::Remove).take(gone - changed));
        steps.extend(added.iter().map(|rule| Step::Add(rule)));
        if (keep_h, keep_w) != end {
            steps.push(Step::Keep);
        }
        (h, w) = (keep_h + 1, keep_w + 1);
    }
    steps
}

/// The places, in both, of the rules that both have in the same order. Quadratic, and lists of rules are short.
fn longest_common(a: &[String], b: &[String]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    let mut lengths = vec![0_usize; (a.len() + 1) * width];
    let of = |lengths: &[usize], i: usize, j: usize| lengths.get(i * width + j).copied();
    for (i, one) in a.iter().enumerate().rev() {
        for (j, other) in b.iter().enumerate().rev() {
            let length = if one == other {
                of(&lengths, i + 1, j + 1).map(|length| length + 1)
            } else {
                of(&lengths, i + 1, j).max(of(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i * width + j) {
                *cell = length.unwrap_or_default();
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut common = Vec::new();
    while let (Some(one), Some(other)) = (a.get(i), b.get(j)) {
        if one == other {
            common.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if of(&lengths, i + 1, j) >= of(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_kept_and_what_differs_changes_in_place() {
        let list = |text: &str| -> Vec<String> { text.chars().map(String::from).collect() };
        let way = |from: &str, to: &str| -> String {
            let (from, to) = (list(from), list(to));
            let steps = steps(&from, &to);
            let told = steps.iter().map(|step| match step {
                Step::Keep => "=".to_owned(),
                Step::Change(rule) => format!("~{rule}"),
                Step::Add(rule) => format!("+{rule}"),
                Step::Remove => "-".to_owned(),
            });
            told.collect()
        };
        for (from, to, expected) in [
            ("", "", ""),
            ("abc", "abc", "==="),
            ("", "ab", "+a+b"),
            ("ab", "", "--"),
            ("abc", "axc", "=~x="),
            ("abc", "ac", "=-="),
            ("abc", "abcd", "===+d"),
            ("abc", "xbcd", "~x==+d"),
            ("aab", "ab", "=-="),
            ("ab", "xyz", "~x~y+z"),
        ] {
            assert_eq!(way(from, to), expected, "{from} to {to}");
        }
    }
}
