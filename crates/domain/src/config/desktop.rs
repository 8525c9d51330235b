//! How the desktop app asks for attention, and what keys it hears everywhere.

use jiff::civil::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every day between these times no notification is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuietHours {
    /// When they begin, `HH:MM` by the clock of this computer.
    pub from: TimeOfDay,
    /// When they end; earlier than `from`: on the next day.
    pub to: TimeOfDay,
}

impl QuietHours {
    /// Whether it is quiet at this time of the day. Hours that begin when they end are none.
    pub fn hold(&self, now: Time) -> bool {
        let (from, to) = (self.from.0, self.to.0);
        if from <= to {
            from <= now && now < to
        } else {
            from <= now || now < to
        }
    }

    /// The next time of the day at which it becomes quiet, or ends to be.
    pub fn next_change(&self, now: Time) -> Time {
        if self.hold(now) {
            self.to.0
        } else {
            self.from.0
        }
    }
}

/// A time of the day, written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TimeOfDay(Time);

/// A text that is no time of the day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no time of the day")]
pub struct NoTimeOfDay;

impl TryFrom<String> for TimeOfDay {
    type Error = NoTimeOfDay;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (hour, minute) = text.split_once(':').ok_or(NoTimeOfDay)?;
        let number = |digits: &str| match digits.as_bytes() {
            [b'0'..=b'9', b'0'..=b'9'] => digits.parse().map_err(|_| NoTimeOfDay),
            _ => Err(NoTimeOfDay),
        };
        Time::new(number(hour)?, number(minute)?, 0, 0)
            .map(Self)
            .map_err(|_| NoTimeOfDay)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.0.hour(), time.0.minute())
    }
}

/// Keys that Iris hears whatever program is in front. None is set by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Shortcuts {
    /// Open the window at the oldest request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Shortcut>,
    /// Allow the request that the window shows, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Shortcut>,
    /// Deny the request that the window shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<Shortcut>,
    /// Freeze everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Shortcut>,
}

/// What a shortcut does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Press {
    /// Open the window at the oldest request.
    Next,
    /// Allow what the window shows.
    Allow,
    /// Deny what the window shows.
    Deny,
    /// Freeze everything.
    Freeze,
}

impl Press {
    /// Its key in `settings.shortcuts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Freeze => "freeze",
        }
    }
}

impl Shortcuts {
    /// Those that are set.
    pub fn set(&self) -> impl Iterator<Item = (Press, &Shortcut)> {
        [
            (Press::Next, &self.next),
            (Press::Allow, &self.allow),
            (Press::Deny, &self.deny),
            (Press::Freeze, &self.freeze),
        ]
        .into_iter()
        .filter_map(|(press, keys)| Some((press, keys.as_ref()?)))
    }
}

/// Keys that are pressed together, written `Ctrl+Alt+A`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Shortcut(String);

/// A text that is no shortcut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShortcutError {
    /// The last part is no key.
    #[error("its last part is no key that can be a shortcut")]
    Key,
    /// Another part is no key that is held.
    #[error("what stands before the key is not Ctrl, Alt, Shift or Super")]
    Held,
    /// It would take a key that is typed.
    #[error("it would take a key away from every other program")]
    Typed,
}

/// The keys beside letters, digits and `F1` to `F24`.
const KEYS: [&str; 12] = [
    "space", "enter", "up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert",
    "delete",
];

impl Shortcut {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Shortcut {
    type Error = ShortcutError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts: Vec<String> = text.split('+').map(|it| it.trim().to_lowercase()).collect();
        let (key, held) = parts.split_last().ok_or(ShortcutError::Key)?;
        let function = key.strip_prefix('f').and_then(|n| n.parse::<u8>().ok());
        let is_function = function.is_some_and(|n| (1..=24).contains(&n));
        let is_letter = key.len() == 1 && key.chars().all(|c| c.is_ascii_alphanumeric());
        if !is_letter && !is_function && !KEYS.contains(&key.as_str()) {
            return Err(ShortcutError::Key);
        }
        let known = ["ctrl", "alt", "shift", "super"];
        if held.iter().any(|part| !known.contains(&part.as_str())) {
            return Err(ShortcutError::Held);
        }
        // Shift alone makes capitals.
        if held.iter().all(|part| part == "shift") {
            return Err(ShortcutError::Typed);
        }
        Ok(Self(text))
    }
}

impl From<Shortcut> for String {
    fn from(shortcut: Shortcut) -> Self {
        shortcut.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        TimeOfDay::try_from(text.to_owned()).unwrap().0
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        for (from, to, now, quiet, change) in [
            ("22:00", "07:00", "21:59", false, "22:00"),
            ("22:00", "07:00", "22:00", true, "07:00"),
            ("22:00", "07:00", "03:00", true, "07:00"),
            ("22:00", "07:00", "07:00", false, "22:00"),
            ("12:00", "13:30", "12:00", true, "13:30"),
            ("12:00", "13:30", "13:30", false, "12:00"),
            ("12:00", "13:30", "11:00", false, "12:00"),
            ("09:00", "09:00", "09:00", false, "09:00"),
        ] {
            let hours = QuietHours {
                from: TimeOfDay(time(from)),
                to: TimeOfDay(time(to)),
            };
            let now = time(now);
            assert_eq!(hours.hold(now), quiet, "{from}–{to} at {now}");
            assert_eq!(hours.next_change(now), time(change), "{from}–{to} at {now}");
        }
    }

    #[test]
    fn a_time_of_the_day_has_hours_and_minutes() {
        for bad in [
            "", "7:00", "24:00", "07:60", "07:00:00", "seven", "+7:00", "0700",
        ] {
            assert!(TimeOfDay::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let noon = TimeOfDay::try_from("12:05".to_owned()).unwrap();
        assert_eq!(String::from(noon), "12:05");
    }

    #[test]
    fn a_shortcut_takes_no_key_that_is_typed() {
        for (text, error) in [
            ("Ctrl+Alt+A", None),
            ("super+F12", None),
            ("Ctrl + Shift + Space", None),
            ("A", Some(ShortcutError::Typed)),
            ("Shift+A", Some(ShortcutError::Typed)),
            ("F9", Some(ShortcutError::Typed)),
            ("Ctrl+Alt", Some(ShortcutError::Key)),
            ("Ctrl+F25", Some(ShortcutError::Key)),
            ("Ctrl+ä", Some(ShortcutError::Key)),
            ("", Some(ShortcutError::Key)),
            ("Strg+A", Some(ShortcutError::Held)),
            ("Ctrl++A", Some(ShortcutError::Held)),
        ] {
            assert_eq!(Shortcut::try_from(text.to_owned()).err(), error, "{text}");
        }
    }
}
