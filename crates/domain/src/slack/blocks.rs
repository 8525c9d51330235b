//! How messages look: Slack's Block Kit.
//!
//! What comes from an agent stands in `rich_text` blocks only, whose texts Slack shows as they are: no
//! formatting, no mentions, no links made of them. The one text that Slack does read is that of its own
//! notifications, and there `&`, `<` and `>` are escaped.

use serde_json::{Value, json};

use crate::{
    Problem,
    decision::{Verb, who},
    display::{one_line, visible},
    outside,
    snapshot::{ApprovalView, EndedApproval},
};

/// Characters of an input in a message. Slack takes some 13 000 in all the blocks of one, and a channel is read
/// at a glance.
const INPUT_MAX: usize = 2000;
/// Characters of an input in what *Details* shows, to stay below the same bound.
const DETAILS_MAX: usize = 10_000;
/// Characters of a line about it.
const LINE_MAX: usize = 300;

/// The buttons' names.
pub(super) const ALLOW: &str = "iris.allow";
pub(super) const DENY: &str = "iris.deny";
pub(super) const DETAILS: &str = "iris.details";

/// The tool with which an agent asks a person something: there is nothing to allow.
pub(super) const QUESTION: &str = "AskUserQuestion";

/// What of an approval is remembered to say later how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    title: String,
    summary: String,
    host: String,
}

impl Head {
    /// Of one that waits.
    pub fn of(view: &ApprovalView) -> Self {
        let title = match view.tool.as_str() {
            QUESTION => format!("{} has a question", view.team),
            "ExitPlanMode" => format!("{} has a plan", view.team),
            tool => format!("{} wants to use {tool}", view.team),
        };
        Self {
            title: one_line(&title, LINE_MAX),
            summary: outside::summary(view),
            host: one_line(&view.host, LINE_MAX),
        }
    }
}

/// An approval that waits. Without `can_answer` it has no buttons.
pub fn waiting(view: &ApprovalView, can_answer: bool) -> Value {
    let head = Head::of(view);
    let mut rich = Rich::default();
    rich.line([bold(&head.title)]);
    if rich.input(view, INPUT_MAX) {
        rich.line([bold(
            "Not all of it is shown here. Look at the whole before you approve.",
        )]);
    }
    let is_question = view.tool == QUESTION;
    if is_question {
        rich.line([bold("Answer it in Iris.")]);
    }
    let about = format!("{} · {} · for {}", view.host, view.path, view.from);
    rich.line([plain(&one_line(&about, LINE_MAX))]);
    rich.line([plain(&one_line(&view.why, LINE_MAX))]);
    if let Some(at) = view.expires_at {
        let date = json!({
            "type": "date",
            "timestamp": at.as_second(),
            "format": "{date_short_pretty} {time}",
            "fallback": at.to_string(),
        });
        rich.line([plain("Denied if nobody answers until "), date]);
    }
    let mut blocks = vec![rich.block()];
    if can_answer {
        blocks.push(buttons(view, is_question));
    }
    let text = format!("{}: {}", head.title, head.summary);
    message(&text, blocks)
}

/// One that does not wait any more; `ended`: how, where that is still known.
pub fn ended(head: &Head, ended: Option<&EndedApproval>) -> Value {
    match ended {
        Some(ended) => over(head, &how(ended)),
        None => over(
            head,
            "It does not wait any more: the audit log of Iris says how it ended",
        ),
    }
}

/// One that waits and can no longer be answered here.
pub fn farewell(head: &Head) -> Value {
    over(head, "Answers are not taken here any more: answer in Iris")
}

/// A message of an earlier Iris, whose approval does not wait any more; `ended`: how, where that is known.
pub fn late(ended: Option<&EndedApproval>) -> Value {
    match ended {
        Some(ended) => {
            let title = format!("{} wanted to use {}", ended.team, ended.tool);
            let head = Head {
                title: one_line(&title, LINE_MAX),
                summary: ended.summary.clone(),
                host: String::new(),
            };
            over(&head, &how(ended))
        }
        None => line("It does not wait any more: the audit log of Iris says how it ended"),
    }
}

/// The whole of an approval, as far as Slack takes it, for who asked for it.
pub fn details(view: &ApprovalView) -> Value {
    let head = Head::of(view);
    let mut rich = Rich::default();
    rich.line([bold(&head.title)]);
    if rich.input(view, DETAILS_MAX) {
        rich.line([bold("Slack takes no more of it. The whole is in Iris.")]);
    }
    for about in [
        format!("team {} on {}, {}", view.team, view.host, view.path),
        format!("session {}, task from {}", view.session, view.from),
        format!("approval {}, digest {}", view.id, view.digest),
        view.why.clone(),
    ] {
        rich.line([plain(&one_line(&about, LINE_MAX))]);
    }
    message(&head.title, vec![rich.block()])
}

/// What one person is told.
pub fn told(problem: &Problem) -> Value {
    line(&problem.in_one_text())
}

/// A test.
pub fn test(sender: &str) -> Value {
    line(&format!("Iris can write here. {sender} tested it."))
}

fn how(ended: &EndedApproval) -> String {
    let done = match ended.decision {
        Verb::Allow => "✅ Allowed",
        Verb::Deny => "⛔ Denied",
        Verb::Noted => "Ended",
    };
    format!("{done} by {}", who(&ended.decided_by))
}

fn over(head: &Head, words: &str) -> Value {
    let words = one_line(words, LINE_MAX);
    let mut rich = Rich::default();
    rich.line([bold(&head.title)]);
    rich.preformatted(&head.summary);
    if !head.host.is_empty() {
        rich.line([plain(&head.host)]);
    }
    rich.line([bold(&words)]);
    let text = format!("{}: {words}", head.title);
    message(&text, vec![rich.block()])
}

fn line(words: &str) -> Value {
    let words = visible(words);
    let mut rich = Rich::default();
    rich.line([plain(&words)]);
    message(&words, vec![rich.block()])
}

/// A `rich_text` block as it grows.
#[derive(Default)]
struct Rich {
    parts: Vec<Value>,
    /// Of the section that is being written.
    section: Vec<Value>,
}

impl Rich {
    fn line(&mut self, elements: impl IntoIterator<Item = Value>) {
        if !self.section.is_empty() {
            self.section.push(plain("\n"));
        }
        self.section.extend(elements);
    }

    fn preformatted(&mut self, text: &str) {
        self.end_section();
        // Slack refuses an empty text.
        let text = if text.is_empty() { " " } else { text };
        self.parts
            .push(json!({ "type": "rich_text_preformatted", "elements": [plain(text)] }));
    }

    /// Whether something of it was left out.
    fn input(&mut self, view: &ApprovalView, max: usize) -> bool {
        let shown = outside::input(view, max);
        for field in &shown.fields {
            self.line([plain(&field.name)]);
            self.preformatted(&field.text);
        }
        shown.is_cut
    }

    fn end_section(&mut self) {
        if !self.section.is_empty() {
            let elements = std::mem::take(&mut self.section);
            self.parts
                .push(json!({ "type": "rich_text_section", "elements": elements }));
        }
    }

    fn block(mut self) -> Value {
        self.end_section();
        json!({ "type": "rich_text", "elements": self.parts })
    }
}

fn message(text: &str, blocks: Vec<Value>) -> Value {
    json!({ "text": escaped(text), "blocks": blocks })
}

fn buttons(view: &ApprovalView, is_question: bool) -> Value {
    // The digest: what is answered is what this message shows.
    let value = format!("{} {}", view.id, view.digest);
    let button = |action: &str, label: &str, style: Option<&str>| {
        let mut button = json!({
            "type": "button",
            "action_id": action,
            "text": { "type": "plain_text", "text": label, "emoji": false },
            "value": value,
        });
        if let Some(style) = style {
            button["style"] = style.into();
        }
        button
    };
    let mut elements = Vec::new();
    if !is_question {
        elements.push(button(ALLOW, "Approve", Some("primary")));
        elements.push(button(DENY, "Deny", Some("danger")));
    }
    elements.push(button(DETAILS, "Details", None));
    json!({ "type": "actions", "block_id": "iris", "elements": elements })
}

fn plain(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn bold(text: &str) -> Value {
    json!({ "type": "text", "text": text, "style": { "bold": true } })
}

/// For the one text in which Slack looks for mentions and links.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
