//! What stands in the log files, read back: the newest lines that somebody may see.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    path::Path,
};

use iris_domain::{audit::redacted, request::Asker};
use jiff::Timestamp;
use serde_json::Value;

use super::daily;

/// Lines in one answer.
const LINES_MAX: usize = 500;
/// Bytes of them: what an agent can still read.
const BYTES_MAX: usize = 64 * 1024;
/// Of a day's file, its end is looked at.
const FILE_READ_MAX: u64 = 16 * 1024 * 1024;

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogQuery {
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only of these levels, as they stand in the file; empty: of every one.
    pub levels: Vec<&'static str>,
    /// Only what is about this agent's team, and about none of the team's other conversations.
    pub about: Option<Asker>,
}

/// The lines, oldest first.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// Each without the secrets that are known by their form.
    pub lines: Vec<Value>,
    /// Older ones that match may be left out.
    pub cut: bool,
}

impl LogQuery {
    fn wants(&self, line: &Value) -> bool {
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        let recent = self.since.is_none_or(|since| {
            text("timestamp")
                .and_then(|at| at.parse::<Timestamp>().ok())
                .is_some_and(|at| at >= since)
        });
        let of_level = self.levels.is_empty()
            || text("level").is_some_and(|level| self.levels.contains(&level));
        let may_be_seen = self.about.as_ref().is_none_or(|asker| {
            text("team") == Some(asker.team.as_str())
                && line
                    .get("session")
                    .is_none_or(|session| session.as_str() == Some(&asker.session.to_string()))
        });
        recent && of_level && may_be_seen
    }
}

/// Reads the files of this directory. A line that is no JSON (a crash cut it) is nobody's.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn read(dir: &Path, query: &LogQuery) -> io::Result<Found> {
    let first_day = query.since.map(daily::day_of);
    let mut newest = Newest::default();
    for (day, name) in daily::files(dir)?.into_iter().rev() {
        if first_day.is_some_and(|first| day < first) || newest.full() {
            break;
        }
        let (of_day, cut) = of_file(&dir.join(name), query, newest.room())?;
        newest.put_before(of_day, cut);
    }
    Ok(Found {
        lines: newest.lines.into_iter().map(|(line, _)| line).collect(),
        cut: newest.cut,
    })
}

/// A line and its length.
type Sized = (Value, usize);

/// What there is so far, and whether there was more.
#[derive(Default)]
struct Newest {
    lines: VecDeque<Sized>,
    cut: bool,
}

impl Newest {
    fn full(&self) -> bool {
        self.cut
    }

    fn room(&self) -> (usize, usize) {
        let bytes: usize = self.lines.iter().map(|(_, bytes)| bytes).sum();
        (LINES_MAX - self.lines.len(), BYTES_MAX - bytes)
    }

    fn put_before(&mut self, older: VecDeque<Sized>, cut: bool) {
        for line in older.into_iter().rev() {
            self.lines.push_front(line);
        }
        self.cut |= cut;
    }
}

/// The newest lines of one file that there is room for, and whether there were others.
fn of_file(
    path: &Path,
    query: &LogQuery,
    (lines, bytes): (usize, usize),
) -> io::Result<(VecDeque<Sized>, bool)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(FILE_READ_MAX);
    file.seek(SeekFrom::Start(skipped))?;
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    if skipped > 0 {
        // The line that this is the middle of.
        reader.read_until(b'\n', &mut text)?;
    }
    let mut kept = VecDeque::new();
    let mut held = 0;
    let mut cut = skipped > 0;
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text)? == 0 {
            return Ok((kept, cut));
        }
        let Ok(line) = serde_json::from_slice::<Value>(&text) else {
            continue;
        };
        if !query.wants(&line) {
            continue;
        }
        held += text.len();
        kept.push_back((redacted(&line), text.len()));
        while kept.len() > lines || held > bytes {
            if let Some((_, gone)) = kept.pop_front() {
                held -= gone;
                cut = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use iris_domain::ids::{Party, SessionId};
    use serde_json::json;

    use super::*;

    fn line(at: &str, level: &str, fields: Value) -> String {
        let mut line = json!({ "timestamp": at, "level": level, "message": "m" });
        line.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        format!("{line}\n")
    }

    fn asker() -> Asker {
        Asker {
            team: "blue".parse().unwrap(),
            session: SessionId(uuid::Uuid::from_u128(7)),
            from: Party::Console,
            host: "local".to_owned(),
        }
    }

    fn messages(dir: &Path, query: &LogQuery) -> Vec<String> {
        let found = read(dir, query).unwrap();
        let text = |line: &Value| line["n"].as_str().unwrap().to_owned();
        found.lines.iter().map(text).collect()
    }

    #[test]
    fn lines_come_by_time_level_and_whose_they_are_without_secrets() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path();
        let own = asker().session.to_string();
        fs::write(
            dir.join("iris-2026-01-01.jsonl"),
            line("2026-01-01T10:00:00Z", "INFO", json!({ "n": "a" }))
                + "{\"torn\": \n"
                + &line(
                    "2026-01-01T11:00:00Z",
                    "WARN",
                    json!({ "n": "b", "team": "blue", "token": "hush-hush" }),
                ),
        )
        .unwrap();
        fs::write(
            dir.join("iris-2026-01-02.jsonl"),
            [
                json!({ "n": "c", "team": "blue", "session": own }),
                json!({ "n": "d", "team": "blue", "session": "another" }),
                json!({ "n": "e", "team": "red" }),
            ]
            .map(|fields| line("2026-01-02T10:00:00Z", "INFO", fields))
            .concat(),
        )
        .unwrap();
        fs::write(dir.join("notes.txt"), "mine").unwrap();

        let all = LogQuery::default();
        assert_eq!(messages(dir, &all), ["a", "b", "c", "d", "e"]);
        let found = read(dir, &all).unwrap();
        assert!(!found.cut);
        assert!(!format!("{found:?}").contains("hush-hush"));
        let of_blue = LogQuery {
            about: Some(asker()),
            ..LogQuery::default()
        };
        assert_eq!(messages(dir, &of_blue), ["b", "c"]);
        let warnings = LogQuery {
            levels: vec!["WARN", "ERROR"],
            ..LogQuery::default()
        };
        assert_eq!(messages(dir, &warnings), ["b"]);
        let late = LogQuery {
            since: Some("2026-01-01T11:00:00Z".parse().unwrap()),
            ..LogQuery::default()
        };
        assert_eq!(messages(dir, &late), ["b", "c", "d", "e"]);
    }

    #[test]
    fn the_newest_stay_when_there_are_too_many() {
        let tmp = tempfile::tempdir().unwrap();
        let write = |day: &str, count: usize| {
            let lines: String = (0..count)
                .map(|n| {
                    line(
                        "2026-01-01T10:00:00Z",
                        "INFO",
                        json!({ "n": format!("{day}-{n}") }),
                    )
                })
                .collect();
            fs::write(tmp.path().join(format!("iris-2026-01-{day}.jsonl")), lines).unwrap();
        };
        write("01", 300);
        write("02", 400);
        let found = read(tmp.path(), &LogQuery::default()).unwrap();
        assert_eq!(found.lines.len(), LINES_MAX);
        assert!(found.cut);
        assert_eq!(found.lines[0]["n"], "01-200");
        assert_eq!(found.lines[LINES_MAX - 1]["n"], "02-399");

        let large = line(
            "2026-01-03T10:00:00Z",
            "INFO",
            json!({ "n": "x".repeat(BYTES_MAX / 3) }),
        );
        fs::write(tmp.path().join("iris-2026-01-03.jsonl"), large.repeat(9)).unwrap();
        let found = read(tmp.path(), &LogQuery::default()).unwrap();
        assert!(found.cut && found.lines.len() == 2, "{}", found.lines.len());
    }
}
