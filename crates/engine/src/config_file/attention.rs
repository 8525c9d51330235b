//! How Iris asks for attention, as a surface edits it.

use std::collections::BTreeMap;

use iris_domain::{
    Problem,
    config::{Change, QuietHours, Set, Settings},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ConfigFile;

/// `settings.notifications`, `settings.quietHours` and `settings.shortcuts`, whole. What is absent is taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attention {
    /// Whether there are notifications.
    pub notifications: bool,
    /// When there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quiet_hours: Option<HoursEdit>,
    /// Keys that are heard everywhere, by what they do, as they are typed.
    #[serde(default)]
    pub shortcuts: BTreeMap<String, String>,
}

/// Quiet hours as they are typed: the config says what is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursEdit {
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`.
    pub to: String,
}

impl Attention {
    fn of(settings: &Settings) -> Self {
        let hours = |hours: &QuietHours| HoursEdit {
            from: hours.from.into(),
            to: hours.to.into(),
        };
        let keys = settings.shortcuts.iter().flat_map(|keys| keys.set());
        Self {
            notifications: settings.notifications,
            quiet_hours: settings.quiet_hours.as_ref().map(hours),
            shortcuts: keys
                .map(|(press, keys)| (press.name().to_owned(), keys.as_str().to_owned()))
                .collect(),
        }
    }

    fn fields(self) -> Set {
        let hours = self.quiet_hours.map(|hours| json!(hours));
        let shortcuts = (!self.shortcuts.is_empty()).then(|| json!(self.shortcuts));
        vec![
            (
                "notifications".into(),
                Some(Value::Bool(self.notifications)),
            ),
            ("quietHours".into(), hours),
            ("shortcuts".into(), shortcuts),
        ]
    }
}

impl ConfigFile {
    /// How Iris asks for attention.
    pub fn attention(&self) -> Attention {
        Attention::of(&self.config.borrow().settings)
    }

    /// Sets that; returns when it holds. `Config`: it cannot be so.
    pub async fn edit_attention(&self, edit: Attention) -> Result<(), Problem> {
        let fields = edit.fields();
        self.change(Change::Settings { fields }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_what_is_read_and_the_rest_is_taken_out() {
        let edit: Attention = serde_json::from_value(json!({
            "notifications": false, "quietHours": { "from": "22:00", "to": "07:00" },
            "shortcuts": { "allow": "Ctrl+Alt+A" },
        }))
        .unwrap();
        let fields = edit.clone().fields();
        let set = fields
            .iter()
            .map(|(name, value)| (name.clone().into_owned(), value.clone().unwrap()));
        let settings: Settings = serde_json::from_value(Value::Object(set.collect())).unwrap();
        assert_eq!(Attention::of(&settings), edit);
        let none = Attention::of(&Settings::default()).fields();
        assert_eq!(
            none[1..],
            [("quietHours".into(), None), ("shortcuts".into(), None)]
        );
    }
}
