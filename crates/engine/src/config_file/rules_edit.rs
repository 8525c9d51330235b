//! What a surface changes of the rules of a team, or of all teams.

use iris_domain::config::{GrantPermission, PolicyTemplate, Set};
use serde::{Deserialize, Serialize};

use super::team_edit::{Removable, removable};

/// Whole lists, each rule as it is to be. `None`: left as it is; `Some(None)`, in JSON `null`: not written, so
/// that the rules hold that Iris has then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RulesEdit {
    /// Denied without asking.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub deny: Removable<Vec<String>>,
    /// Always asked.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub require_approval: Removable<Vec<String>>,
    /// Allowed without asking.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub auto_approve: Removable<Vec<String>>,
}

/// What a surface changes for all teams: `settings.defaults`, as far as it is about permission.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CommonEdit {
    /// What happens to undecided requests of teams that say nothing of it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "removable"
    )]
    pub grant_permission: Removable<GrantPermission>,
    /// The rules that hold for all.
    pub approval_policy: RulesEdit,
}

impl CommonEdit {
    /// The settings to set and to remove.
    pub(super) fn fields(self) -> Set {
        let mode = self.grant_permission.map(|mode| {
            let name = "defaults.grantPermission".into();
            (name, mode.map(|mode| mode.as_str().into()))
        });
        let rules = self.approval_policy.fields("defaults.");
        mode.into_iter().chain(rules).collect()
    }
}

impl From<&PolicyTemplate> for RulesEdit {
    fn from(template: &PolicyTemplate) -> Self {
        let list = |rules: &[&str]| Some(Some(rules.iter().map(|rule| (*rule).into()).collect()));
        Self {
            deny: list(&template.deny),
            require_approval: list(&template.require_approval),
            auto_approve: list(&template.auto_approve),
        }
    }
}

impl RulesEdit {
    /// The fields to set and to remove, in what is called so in the file.
    pub(super) fn fields(self, owner: &str) -> Set {
        [
            ("deny", self.deny),
            ("requireApproval", self.require_approval),
            ("autoApprove", self.auto_approve),
        ]
        .into_iter()
        .filter_map(|(list, rules)| {
            let name = format!("{owner}approvalPolicy.{list}");
            Some((name.into(), rules?.map(Into::into)))
        })
        .collect()
    }
}
