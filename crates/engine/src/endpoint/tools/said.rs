//! What a team said and ran for each message of a report, from the transcript.

use std::collections::BTreeMap;

use iris_domain::{
    display,
    ids::MessageId,
    message::Message,
    request,
    transcript::{Entry, Line},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::teams::count;

/// How many entries of a transcript a report looks at, the newest.
pub(super) const LOOKED_AT: u32 = 500;
/// How long one thing that was said may be in a report, characters; `message_status` has an answer whole.
const EACH_MAX: usize = 4_000;
/// All of a report, characters: Claude Code refuses a result of more than about 100,000.
const ALL_MAX: usize = 60_000;

/// What an agent said or ran.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Said {
    /// Milliseconds since 1970.
    timestamp: i64,
    /// `assistant`: it said this; `tool_use`: it ran this tool.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Of a long one the beginning and the end.
    content: String,
}

/// What was said for a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct All {
    /// The latest, oldest first.
    pub kept: Vec<Said>,
    /// How many there were.
    pub count: i64,
}

/// What was said for each of these messages (oldest first), as far as it fits. A message that the
/// transcript does not hold any more has its answer alone.
pub(super) fn of(messages: &[Message], lines: &[Line]) -> Vec<All> {
    let mut heard = heard(lines);
    let mut room = ALL_MAX;
    let mut said: Vec<All> = messages
        .iter()
        .rev()
        .map(|message| {
            let mut all = heard.remove(&message.id).unwrap_or_default();
            if !all.iter().any(|said| said.kind == ASSISTANT) {
                all.extend(answer(message));
            }
            let count = count(all.len());
            let mut kept: Vec<Said> = all
                .into_iter()
                .rev()
                .take_while(|said| {
                    let fits = room.checked_sub(said.content.chars().count());
                    room = fits.unwrap_or(0);
                    fits.is_some()
                })
                .collect();
            kept.reverse();
            All { kept, count }
        })
        .collect();
    said.reverse();
    said
}

const ASSISTANT: &str = "assistant";

fn answer(message: &Message) -> Option<Said> {
    Some(Said {
        timestamp: message.settled_at?.as_millisecond(),
        kind: ASSISTANT,
        content: display::shortened(message.response.as_deref()?, EACH_MAX),
    })
}

/// By the message that each was said for.
fn heard(lines: &[Line]) -> BTreeMap<MessageId, Vec<Said>> {
    let mut heard: BTreeMap<MessageId, Vec<Said>> = BTreeMap::new();
    let mut answering = None;
    // A subagent's work is the tool call that it is.
    for line in lines.iter().filter(|line| line.within.is_none()) {
        let (kind, content) = match &line.entry {
            Entry::Message { message, .. } => {
                answering = Some(*message);
                continue;
            }
            Entry::Text { text } => (ASSISTANT, display::shortened(text, EACH_MAX)),
            Entry::ToolCall { tool, input, .. } => ("tool_use", request::in_one_line(tool, input)),
            Entry::TurnEnd { .. } | Entry::Ended { .. } | Entry::HostLost { .. } => {
                answering = None;
                continue;
            }
            Entry::Thinking { .. }
            | Entry::ToolResult { .. }
            | Entry::Decision { .. }
            | Entry::Started { .. }
            | Entry::Interrupted {}
            | Entry::Missing { .. } => continue,
        };
        // What an agent does in a turn of its own answers nobody.
        if let Some(message) = answering {
            heard.entry(message).or_default().push(Said {
                timestamp: line.time.as_millisecond(),
                kind,
                content,
            });
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use iris_domain::{
        ids::{Party, SessionId},
        message::MessageState,
        transcript::Tokens,
    };
    use serde_json::json;

    use super::*;

    fn id(n: u128) -> MessageId {
        uuid::Uuid::from_u128(n)
    }

    fn message(n: u128, response: Option<&str>) -> Message {
        Message {
            id: id(n),
            from: Party::Console,
            to: "blue".parse().unwrap(),
            text: "task".to_owned(),
            persist: false,
            depth: 0,
            state: MessageState::Answered,
            session: None,
            created_at: "2026-11-27T10:00:00Z".parse().unwrap(),
            expires_at: None,
            delivered_at: None,
            settled_at: Some("2026-11-27T10:00:09Z".parse().unwrap()),
            response: response.map(str::to_owned),
            error: None,
        }
    }

    fn lines(entries: Vec<(Option<&str>, Entry)>) -> Vec<Line> {
        let line = |(n, (within, entry)): (usize, (Option<&str>, Entry))| Line {
            id: n as u64,
            time: "2026-11-27T10:00:05Z".parse().unwrap(),
            session: SessionId(uuid::Uuid::from_u128(7)),
            from: Party::Console,
            to: "blue".parse().unwrap(),
            within: within.map(str::to_owned),
            entry,
        };
        entries.into_iter().enumerate().map(line).collect()
    }

    fn told(n: u128) -> Entry {
        Entry::Message {
            message: id(n),
            text: "task".to_owned(),
        }
    }

    fn text(text: &str) -> Entry {
        Entry::Text {
            text: text.to_owned(),
        }
    }

    fn end(n: u128) -> Entry {
        Entry::TurnEnd {
            messages: vec![id(n)],
            cost_usd: 0.0,
            tokens: Tokens::default(),
            duration_ms: 1,
            model: String::new(),
            error: None,
        }
    }

    fn shown(all: &All) -> Vec<(&str, &str)> {
        let each = all.kept.iter().map(|said| (said.kind, &*said.content));
        each.collect()
    }

    #[test]
    fn each_message_has_what_was_said_and_run_for_it() {
        let bash = Entry::ToolCall {
            call: "t".to_owned(),
            tool: "Bash".to_owned(),
            input: json!({ "command": "curl -H 'Authorization: Bearer abcdefghijklmnop' x" }),
        };
        let lines = lines(vec![
            (None, text("of a message that is no longer known")),
            (None, told(1)),
            (None, text("I look.")),
            (None, bash),
            (Some("t"), text("a subagent's")),
            (None, text("Done.")),
            (None, end(1)),
            (None, text("by itself")),
            (None, told(2)),
        ]);
        let messages = [
            message(9, Some("old")),
            message(1, Some("Done.")),
            message(2, None),
        ];
        let said = of(&messages, &lines);
        assert_eq!(shown(&said[0]), [("assistant", "old")]);
        let [first, ran, last] = said[1].kept.as_slice() else {
            panic!("{said:?}")
        };
        assert_eq!((&*first.content, &*last.content), ("I look.", "Done."));
        assert_eq!(ran.kind, "tool_use");
        assert!(ran.content.starts_with("Bash: curl"), "{ran:?}");
        assert!(!ran.content.contains("abcdefghijklmnop"), "{ran:?}");
        assert_eq!(said[2], All::default());
    }

    #[test]
    fn a_report_has_the_newest_that_fits_and_says_how_much_there_was() {
        let mut entries = vec![(None, told(1))];
        let long = "x".repeat(2 * EACH_MAX);
        entries.extend((0..40).map(|_| (None, text(&long))));
        entries.extend([
            (None, end(1)),
            (None, told(2)),
            (None, text("new")),
            (None, end(2)),
        ]);
        let said = of(&[message(1, None), message(2, None)], &lines(entries));
        assert_eq!(shown(&said[1]), [("assistant", "new")]);
        assert_eq!(said[0].count, 40);
        assert_eq!(said[0].kept.len(), (ALL_MAX - 3) / EACH_MAX);
    }
}
