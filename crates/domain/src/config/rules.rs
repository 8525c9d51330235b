//! The rules of a team, or of all teams, as a surface shows them: its own, and those that hold besides.

use serde::{Deserialize, Serialize};

use super::{ApprovalPolicy, Config, GrantPermission, RuleSource, shape::Text, text::check};
use crate::{decision::RuleList, ids::TeamName};

/// The three lists, and what decides when they do not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct RulesView {
    /// Denied without asking.
    pub deny: ListView,
    /// Always asked.
    pub require_approval: ListView,
    /// Allowed without asking.
    pub auto_approve: ListView,
    /// The mode that `settings.defaults` says, which teams have that say none; absent: it says none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub common_mode: Option<GrantPermission>,
}

/// One list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ListView {
    /// What can be edited here; absent: nothing is written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub own: Option<Vec<RuleView>>,
    /// Those of `settings.defaults`, which hold besides.
    pub common: Vec<RuleView>,
    /// Those that Iris has where nothing is written, neither here nor for all teams; none where
    /// `settings.defaults` has this list.
    pub built_in: Vec<String>,
}

/// A rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct RuleView {
    /// The rule.
    pub text: String,
    /// Its line in the config.
    pub line: usize,
}

/// Why a text is not a rule, as an error of the config says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct RuleMistake {
    /// What is wrong.
    pub message: String,
    /// What was likely meant.
    pub hint: String,
}

impl RuleMistake {
    /// Of a text; `None`: it is a rule.
    pub fn of(text: &str) -> Option<Self> {
        let (message, hint) = check(Text::Rule, text).err()?;
        Some(Self { message, hint })
    }
}

impl RulesView {
    /// Those of a team; `None`: there is no such team.
    pub fn of_team(config: &Config, name: &TeamName) -> Option<Self> {
        let team = config.teams.get(name)?;
        let own = |source| match source {
            RuleSource::Team(line) => Some(line),
            RuleSource::Defaults(_) | RuleSource::BuiltIn => None,
        };
        Some(Self::of(config, |list| ListView {
            own: lines(&team.approval_policy, list, own),
            ..common(config, list)
        }))
    }

    /// Those that a team has without a word of its own.
    pub fn of_new_team(config: &Config) -> Self {
        Self::of(config, |list| common(config, list))
    }

    /// Those that hold for all teams, to be edited.
    pub fn of_all_teams(config: &Config) -> Self {
        Self::of(config, |list| ListView {
            own: template(config).and_then(|policy| lines(policy, list, of_template)),
            common: Vec::new(),
            built_in: built_in(list),
        })
    }

    fn of(config: &Config, list: impl Fn(RuleList) -> ListView) -> Self {
        let template = config.settings.defaults.as_ref();
        Self {
            deny: list(RuleList::Deny),
            require_approval: list(RuleList::RequireApproval),
            auto_approve: list(RuleList::AutoApprove),
            common_mode: template.and_then(|defaults| defaults.grant_permission),
        }
    }
}

fn common(config: &Config, list: RuleList) -> ListView {
    let common = template(config).and_then(|policy| lines(policy, list, of_template));
    ListView {
        own: None,
        built_in: match common {
            Some(_) => Vec::new(),
            None => built_in(list),
        },
        common: common.unwrap_or_default(),
    }
}

fn template(config: &Config) -> Option<&ApprovalPolicy> {
    config.settings.defaults.as_ref()?.approval_policy.as_ref()
}

fn of_template(source: RuleSource) -> Option<usize> {
    match source {
        RuleSource::Defaults(line) => Some(line),
        RuleSource::Team(_) | RuleSource::BuiltIn => None,
    }
}

fn built_in(list: RuleList) -> Vec<String> {
    ApprovalPolicy::default().list(list).to_vec()
}

/// The rules of a list that stand where `line` says; `None`: nothing is written there.
fn lines(
    policy: &ApprovalPolicy,
    list: RuleList,
    line: impl Fn(RuleSource) -> Option<usize>,
) -> Option<Vec<RuleView>> {
    let sources = policy.sources.of(list);
    if sources.contains(&RuleSource::BuiltIn) || (sources.is_empty() && built_in(list).is_empty()) {
        return None;
    }
    let rules = policy.list(list).iter().zip(sources);
    let here = rules.filter_map(|(text, source)| {
        let line = line(*source)?;
        let text = text.clone();
        Some(RuleView { text, line })
    });
    Some(here.collect())
}
