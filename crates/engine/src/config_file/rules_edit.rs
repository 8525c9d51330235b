//! What a surface changes of the rules of a team, or of all teams.

use iris_domain::config::Set;
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
