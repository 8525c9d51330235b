//! `get_date`: models do not know what day it is.

use jiff::{Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use serde::Serialize;

/// The date and time, UTC.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Date {
    /// Milliseconds since 1970.
    timestamp: i64,
    /// ISO 8601.
    iso: String,
    /// As people write it.
    utc: String,
    /// Seconds since 1970.
    unix: i64,
    /// The parts.
    components: Components,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Components {
    year: i64,
    /// 1 to 12.
    month: i64,
    day: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    milliseconds: i64,
    /// 0 is Sunday.
    day_of_week: i64,
    /// 1 is the first of January.
    day_of_year: i64,
}

impl Date {
    /// That moment.
    pub(super) fn of(time: Timestamp) -> Self {
        let utc = time.to_zoned(TimeZone::UTC);
        Self {
            timestamp: time.as_millisecond(),
            iso: format!(
                "{}.{:03}Z",
                utc.strftime("%Y-%m-%dT%H:%M:%S"),
                utc.millisecond()
            ),
            utc: utc.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            unix: time.as_second(),
            components: Components {
                year: utc.year().into(),
                month: utc.month().into(),
                day: utc.day().into(),
                hours: utc.hour().into(),
                minutes: utc.minute().into(),
                seconds: utc.second().into(),
                milliseconds: utc.millisecond().into(),
                day_of_week: utc.weekday().to_sunday_zero_offset().into(),
                day_of_year: utc.day_of_year().into(),
            },
        }
    }
}
