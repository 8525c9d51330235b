//! What happened in sessions, for people and for programs.

use std::io::{self, IsTerminal as _, Write as _};

use iris_domain::{
    Problem,
    decision::{Verb, who},
    display::{one_line, visible},
    problem::Code,
    request::ToolRequest,
    transcript::{Entry, EntryKind, LIMIT_MAX, Line, Page, Query},
};
use iris_engine::{
    control::{Command, read},
    runtime,
    transcripts::Transcripts,
};
use jiff::{civil::Date, tz::TimeZone};

use crate::{Context, DONE, args::Log, records::known, when};

/// Lines of a tool's answer that are printed; `--json` has what is kept.
const RESULT_LINES: usize = 8;
/// Characters of such a line, and of a name.
const LINE_MAX: usize = 200;

pub fn log(context: &Context, args: Log) -> Result<u8, Problem> {
    let time = |text: Option<String>| text.map(|text| when::when(&text)).transpose();
    let query = Query {
        team: args.team,
        from: args.from,
        kinds: known::<Vec<EntryKind>>("--kind", args.kind.into())?,
        since: time(args.since)?,
        until: time(args.until)?,
        search: args.search,
        limit: Some(args.limit),
        ..Query::default()
    };
    let mut printer = Printer::new(context);
    if args.follow {
        follow(context, query, &mut printer)?;
        return Ok(DONE);
    }
    let lines = newest(query, args.limit, |query| page(context, query))?;
    context.out.show(&lines, || match lines[..] {
        [] => "Nothing of that is kept.".to_owned(),
        _ => lines.iter().map(|line| printer.text(line)).collect(),
    })?;
    Ok(DONE)
}

/// So many, page by page; oldest first.
fn newest(
    query: Query,
    limit: u32,
    mut page: impl FnMut(Query) -> Result<Page, Problem>,
) -> Result<Vec<Line>, Problem> {
    let mut pages = Vec::new();
    let (mut left, mut before) = (limit, None);
    while left > 0 {
        let Page { lines, more, .. } = page(Query {
            before,
            limit: Some(left.min(LIMIT_MAX)),
            ..query.clone()
        })?;
        left = left.saturating_sub(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        before = lines.first().map(|line| line.id);
        pages.push(lines);
        if !more {
            break;
        }
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

fn page(context: &Context, query: Query) -> Result<Page, Problem> {
    let asked = context.client().ask(&Command::Log {
        query: query.clone(),
        follow: false,
    });
    match asked {
        Err(problem) if problem.code == Code::Unavailable => directly(context, query),
        answer => answer,
    }
}

/// Without a running Iris; none starts meanwhile.
fn directly(context: &Context, query: Query) -> Result<Page, Problem> {
    if !context.home.transcripts().exists() {
        return Ok(Page::default());
    }
    let _lock = context.home.lock()?;
    runtime()?.block_on(async {
        let (transcripts, problem) = Transcripts::open(&context.home);
        if let Some(problem) = problem {
            context.out.problem(&problem);
        }
        let page = transcripts.page(query).await;
        transcripts.close().await;
        Ok(page?)
    })
}

fn follow(context: &Context, query: Query, printer: &mut Printer) -> Result<(), Problem> {
    let mut failed = None;
    let said = context.client().watch(
        &Command::Log {
            query,
            follow: true,
        },
        |lines| match read::<Vec<Line>>(lines) {
            Ok(lines) => lines.iter().for_each(|line| printer.print(line)),
            Err(problem) => failed = Some(problem),
        },
    );
    match failed {
        Some(problem) => Err(problem),
        None => said.map(drop),
    }
}

/// Prints entries for people, or as JSON.
struct Printer {
    json: bool,
    coloured: bool,
    zone: TimeZone,
    /// The day of the last entry.
    day: Option<Date>,
}

/// A colour of terminals.
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Faint,
    Bold,
    Good,
    Bad,
}

impl Printer {
    fn new(context: &Context) -> Self {
        Self {
            json: context.out.is_json(),
            coloured: io::stdout().is_terminal() && context.env.text("NO_COLOR").is_none(),
            zone: TimeZone::system(),
            day: None,
        }
    }

    fn print(&mut self, line: &Line) {
        let text = if self.json {
            match serde_json::to_string(line) {
                Ok(json) => format!("{json}\n"),
                Err(error) => {
                    tracing::error!(%error, "an entry cannot be written as JSON");
                    return;
                }
            }
        } else {
            self.text(line)
        };
        let mut out = io::stdout().lock();
        if out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            // Nobody reads any more (`iris log -f | head`): there is nothing to go on for.
            std::process::exit(DONE.into());
        }
    }

    /// The entry as lines of text; the day before it, where it is another one.
    fn text(&mut self, line: &Line) -> String {
        let time = line.time.to_zoned(self.zone.clone());
        let mut text = String::new();
        if self.day.replace(time.date()) != Some(time.date()) {
            text.push_str(&self.ink(Ink::Faint, &format!("{}", time.strftime("%A, %Y-%m-%d"))));
            text.push('\n');
        }
        let within = line.within.as_ref().map_or("", |_| " (subagent)");
        let head = format!(
            "{} {} → {}{within}",
            time.strftime("%H:%M:%S"),
            line.from,
            line.to
        );
        let (ink, said) = said(&line.entry);
        let said = visible(&said);
        let mut lines = said.lines();
        text.push_str(&self.ink(Ink::Faint, &head));
        text.push_str("  ");
        text.push_str(&self.ink(ink, lines.next().unwrap_or_default()));
        text.push('\n');
        for more in lines {
            text.push_str("         ");
            text.push_str(&self.ink(ink, more));
            text.push('\n');
        }
        text
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => "",
            _ if !self.coloured || text.is_empty() => "",
            Ink::Faint => "2",
            Ink::Bold => "1",
            Ink::Good => "32",
            Ink::Bad => "31",
        };
        if code.is_empty() {
            text.to_owned()
        } else {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        }
    }
}

fn said(entry: &Entry) -> (Ink, String) {
    match entry {
        Entry::Message { text, .. } => (Ink::Bold, format!("message: {text}")),
        Entry::Text { text } => (Ink::Plain, text.clone()),
        Entry::Thinking { text } => (Ink::Faint, format!("thinks: {text}")),
        Entry::ToolCall { tool, input, .. } => {
            let call = ToolRequest {
                tool: tool.clone(),
                input: input.clone(),
                tool_use_id: String::new(),
            };
            let tool = one_line(tool, LINE_MAX);
            (Ink::Plain, format!("{tool}: {}", call.summary()))
        }
        Entry::ToolResult { text, error, .. } => {
            let (ink, word) = if *error {
                (Ink::Bad, "failed")
            } else {
                (Ink::Faint, "result")
            };
            (ink, format!("{word}: {}", first_lines(text)))
        }
        Entry::Decision {
            tool, decision, by, ..
        } => {
            let (ink, word) = match decision {
                Verb::Allow => (Ink::Good, "allowed"),
                Verb::Deny => (Ink::Bad, "denied"),
                Verb::Noted => (Ink::Plain, "noted"),
            };
            let tool = one_line(tool, LINE_MAX);
            (ink, format!("{tool} {word} by {}", who(by)))
        }
        Entry::TurnEnd {
            cost_usd,
            tokens,
            duration_ms,
            model,
            error,
            ..
        } => {
            let read = tokens.input + tokens.cache_read + tokens.cache_written;
            let seconds = std::time::Duration::from_millis(*duration_ms).as_secs_f64();
            let cost = format!(
                "${cost_usd:.4}, {read} tokens read, {} written, {seconds:.1} s",
                tokens.output
            );
            let model = match model.as_str() {
                "" => String::new(),
                model => format!(", {model}"),
            };
            match error {
                Some(error) if error.is_empty() => {
                    (Ink::Bad, format!("turn ended early: {cost}{model}"))
                }
                Some(error) => (Ink::Bad, format!("turn failed ({cost}{model}): {error}")),
                None => (Ink::Faint, format!("turn ended: {cost}{model}")),
            }
        }
        Entry::Started { host, resumed } => {
            let resumed = if *resumed {
                ", goes on with the conversation"
            } else {
                ""
            };
            let host = match host.as_str() {
                "local" => "here".to_owned(),
                host => format!("on {host}"),
            };
            (Ink::Faint, format!("agent started {host}{resumed}"))
        }
        Entry::Interrupted {} => (Ink::Bad, "interrupted".to_owned()),
        Entry::Ended { why: None } => (Ink::Faint, "agent ended".to_owned()),
        Entry::Ended { why: Some(why) } => (Ink::Bad, format!("agent ended: {why}")),
        Entry::HostLost { host } => (Ink::Bad, format!("the link to {host} was lost")),
        Entry::Missing { entries } => (Ink::Bad, format!("{entries} entries are missing here")),
    }
}

fn first_lines(text: &str) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    let shown = all.iter().take(RESULT_LINES);
    let mut lines: Vec<String> = shown.map(|line| one_line(line, LINE_MAX)).collect();
    if all.len() > RESULT_LINES {
        lines.push(format!("… {} lines more", all.len() - RESULT_LINES));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use iris_domain::ids::{Party, SessionId};

    use super::*;

    fn line(id: u64, entry: Entry) -> Line {
        Line {
            id,
            time: "2026-11-26T14:03:22Z".parse().unwrap(),
            session: "00000000-0000-0000-0000-000000000000"
                .parse::<SessionId>()
                .unwrap(),
            from: Party::Console,
            to: "api".parse().unwrap(),
            within: None,
            entry,
        }
    }

    fn printer(coloured: bool) -> Printer {
        Printer {
            json: false,
            coloured,
            zone: TimeZone::UTC,
            day: None,
        }
    }

    #[test]
    fn entries_read_well_and_hide_nothing() {
        let mut printer = printer(false);
        let call = Entry::ToolCall {
            call: "c".into(),
            tool: "Bash".into(),
            input: serde_json::json!({ "command": "ls" }),
        };
        let result = Entry::ToolResult {
            call: "c".into(),
            text: (1..=10).map(|n| format!("{n}\n")).collect(),
            error: false,
        };
        let text: String = [
            Entry::Text {
                text: "one\ntwo\u{202e}".into(),
            },
            call,
            result,
            Entry::Decision {
                call: "c".into(),
                tool: "Bash".into(),
                decision: Verb::Allow,
                by: "human:cli:ann".into(),
            },
        ]
        .into_iter()
        .map(|entry| printer.text(&line(1, entry)))
        .collect();
        assert_eq!(
            text,
            "Thursday, 2026-11-26\n\
             14:03:22 console → api  one\n         two⟨U+202E⟩\n\
             14:03:22 console → api  Bash: ls\n\
             14:03:22 console → api  result: 1\n         2\n         3\n         4\n         5\n         6\n         7\n         8\n         … 2 lines more\n\
             14:03:22 console → api  Bash allowed by ann (cli)\n"
        );
    }

    #[test]
    fn colours_are_for_terminals() {
        let entry = Entry::Interrupted {};
        assert!(
            printer(true)
                .text(&line(1, entry.clone()))
                .contains("\u{1b}[31m")
        );
        assert!(!printer(false).text(&line(1, entry)).contains('\u{1b}'));
    }

    #[test]
    fn many_entries_come_page_by_page() {
        let text = |n| line(n, Entry::Interrupted {});
        let lines = newest(Query::default(), 1_500, |query| {
            let before = query.before.unwrap_or(3_001);
            let count = u64::from(query.limit.unwrap());
            Ok(Page {
                lines: (before - count..before).map(text).collect(),
                upto: 3_000,
                more: true,
            })
        });
        let ids: Vec<u64> = lines.unwrap().iter().map(|line| line.id).collect();
        assert_eq!(ids, (1_501..=3_000).collect::<Vec<_>>());
    }
}
