//! A time as a person types it.

use iris_domain::{Problem, problem::Code};
use jiff::{Span, Timestamp, Zoned, civil, tz::TimeZone};

/// `7d` (so long ago), `2026-11-26`, `2026-11-26 14:00` (here), or a time with its zone.
///
/// # Errors
/// `InvalidInput`.
pub fn when(text: &str) -> Result<Timestamp, Problem> {
    let now = iris_engine::clock::now().to_zoned(TimeZone::system());
    read(text, &now).ok_or_else(|| {
        Problem::new(
            Code::InvalidInput,
            format!("`{text}` is no time."),
            "Say how long ago, such as 7d or `2h 30m`, or when: 2026-11-26, `2026-11-26 14:00`, 2026-11-26T14:00:00Z.",
        )
    })
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let here =
        |time: civil::DateTime| Some(time.to_zoned(now.time_zone().clone()).ok()?.timestamp());
    if let Ok(time) = text.parse::<civil::DateTime>() {
        return here(time);
    }
    let ago: Span = text.parse().ok()?;
    (!ago.is_negative())
        .then(|| now.checked_sub(ago).ok())?
        .map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Zoned = "2026-11-26T16:00:00+01:00[+01:00]".parse().unwrap();
        for (text, expected) in [
            ("7d", "2026-11-19T15:00:00Z"),
            ("2h 30m", "2026-11-26T12:30:00Z"),
            ("90 minutes", "2026-11-26T13:30:00Z"),
            ("2026-11-25", "2026-11-24T23:00:00Z"),
            ("2026-07-01 14:00", "2026-07-01T13:00:00Z"),
            ("2026-11-25T14:00:00Z", "2026-11-25T14:00:00Z"),
            ("2026-11-25T14:00:00+02:00", "2026-11-25T12:00:00Z"),
        ] {
            let read = read(text, &now).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
        for text in ["", "soon", "7", "-7d", "2026-13-01", "14:00"] {
            assert_eq!(read(text, &now), None, "{text}");
        }
    }
}
