//! Where the rules of a policy stand in the file, so that every decision can name its line.

use jsonc_parser::{ast, common::Ranged as _};

use super::{ApprovalPolicy, Config, line_and_column};
use crate::{decision::RuleList, ids::TeamName};

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleSource {
    /// In the team's own list, on this line.
    Team(usize),
    /// In `settings.defaults`, on this line.
    Defaults(usize),
    /// Nowhere: Iris has it where neither says anything.
    BuiltIn,
}

/// Where each rule of a policy stands; empty where nobody knows. Two policies with the same rules are
/// the same, wherever these stand.
#[derive(Debug, Clone, Default)]
pub struct RuleSources {
    deny: Vec<RuleSource>,
    require_approval: Vec<RuleSource>,
    auto_approve: Vec<RuleSource>,
}

impl ApprovalPolicy {
    /// The rules of a list.
    pub fn list(&self, list: RuleList) -> &[String] {
        match list {
            RuleList::Deny => &self.deny,
            RuleList::RequireApproval => &self.require_approval,
            RuleList::AutoApprove => &self.auto_approve,
        }
    }

    /// Where the rule at this place of the list stands, for people: `autoApprove, line 12`.
    pub fn place(&self, list: RuleList, at: usize) -> String {
        match self.sources.of(list).get(at) {
            Some(RuleSource::Team(line)) => format!("{list}, line {line} of the config"),
            Some(RuleSource::Defaults(line)) => {
                format!("{list} of all teams, line {line} of the config")
            }
            Some(RuleSource::BuiltIn) => format!("{list}, unless the config says otherwise"),
            None => list.to_string(),
        }
    }

    /// The rules of a list that stand in the team's own settings; in those of a template, its own.
    pub(super) fn own(&self, list: RuleList) -> Vec<String> {
        let sources = self.sources.of(list);
        let rules = self.list(list).iter().enumerate();
        let is_own = |at: &usize| match sources.get(*at) {
            Some(RuleSource::Team(_)) => true,
            Some(RuleSource::Defaults(_) | RuleSource::BuiltIn) | None => false,
        };
        let own = rules.filter(|(at, _)| is_own(at));
        own.map(|(_, rule)| rule.clone()).collect()
    }

    /// What a list is to be in the team's own settings when these rules are added to it: its own,
    /// and where nobody said anything those that Iris has then.
    pub fn own_with(&self, list: RuleList, added: &[String]) -> Vec<String> {
        let sources = self.sources.of(list);
        let own = self.list(list).iter().enumerate();
        let own = own.filter(|(at, _)| !matches!(sources.get(*at), Some(RuleSource::Defaults(_))));
        let mut rules: Vec<String> = own.map(|(_, rule)| rule.clone()).collect();
        for rule in added {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        rules
    }
}

impl PartialEq for RuleSources {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl RuleSources {
    pub(super) fn of(&self, list: RuleList) -> &[RuleSource] {
        match list {
            RuleList::Deny => &self.deny,
            RuleList::RequireApproval => &self.require_approval,
            RuleList::AutoApprove => &self.auto_approve,
        }
    }
}

/// Notes where each rule stands. The lists are already what they are: the template's, then the team's.
pub(super) fn note(config: &mut Config, source: &str, root: &ast::Value) {
    let Some(root) = root.as_object() else {
        return;
    };
    let template = root
        .get_object("settings")
        .and_then(|settings| settings.get_object("defaults"));
    if let Some(defaults) = &mut config.settings.defaults
        && let Some(policy) = &mut defaults.approval_policy
    {
        note_policy(policy, |list| {
            let known = lines(template, list, source).into_iter();
            known.map(RuleSource::Defaults).collect()
        });
    }
    let teams = root.get_object("teams");
    for (name, team) in &mut config.teams {
        let own = teams.and_then(|teams| teams.get_object(TeamName::as_str(name)));
        note_policy(&mut team.approval_policy, |list| {
            let defaults = lines(template, list, source)
                .into_iter()
                .map(RuleSource::Defaults);
            let own = lines(own, list, source).into_iter().map(RuleSource::Team);
            defaults.chain(own).collect()
        });
    }
}

fn note_policy(policy: &mut ApprovalPolicy, lines: impl Fn(RuleList) -> Vec<RuleSource>) {
    let sources = |list: RuleList| {
        let known = lines(list);
        if known.is_empty() {
            vec![RuleSource::BuiltIn; policy.list(list).len()]
        } else {
            known
        }
    };
    policy.sources = RuleSources {
        deny: sources(RuleList::Deny),
        require_approval: sources(RuleList::RequireApproval),
        auto_approve: sources(RuleList::AutoApprove),
    };
}

fn lines(owner: Option<&ast::Object>, list: RuleList, source: &str) -> Vec<usize> {
    let found = owner
        .and_then(|owner| owner.get_object("approvalPolicy"))
        .and_then(|policy| policy.get_array(&list.to_string()));
    let items = found.into_iter().flat_map(|list| &list.elements);
    items
        .map(|item| line_and_column(source, item.range().start).0)
        .collect()
}
