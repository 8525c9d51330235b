//! What a request does, as rules see it: read once, when the first rule wants to know, then compared
//! with every rule.

use std::cell::OnceCell;

use serde_json::Value;

use super::{
    command::{Readings, shown},
    path::{Looked, Place},
    rule::Access,
    shell::Script,
    web::Target,
};
use crate::request::ToolRequest;

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Facts<'r> {
    pub tool: &'r str,
    request: &'r ToolRequest,
    place: &'r Place,
    what: OnceCell<What<'r>>,
}

#[derive(Debug)]
pub(super) enum What<'r> {
    Command(Box<Command<'r>>),
    /// `Bash` without a command that is a text.
    NoCommand,
    /// None: the input names no file.
    Files(Access, Vec<Looked>),
    Address(Option<Target>),
    Agent(Option<String>),
    Other,
}

/// A command of the shell.
#[derive(Debug)]
pub(super) struct Command<'r> {
    pub text: &'r str,
    pub script: Script,
    /// Its commands as rules that allow see them.
    pub texts: Vec<String>,
    pub readings: Vec<Readings>,
    pub files: Vec<Opened>,
    /// For each of its commands the folder that a `cd` enters, where that can be told.
    pub enters: Vec<Option<Looked>>,
}

/// A file that the shell opens.
#[derive(Debug)]
pub(super) struct Opened {
    pub raw: String,
    pub access: Access,
    /// `None`: which one is only known when it runs.
    pub path: Option<Looked>,
    pub relative: bool,
}

impl<'r> Facts<'r> {
    pub fn of(request: &'r ToolRequest, place: &'r Place) -> Self {
        Self {
            tool: request.tool.as_str(),
            request,
            place,
            what: OnceCell::new(),
        }
    }

    /// What its input says. Taking a command apart is most of the work of a decision, and rules that
    /// are names need none of it.
    pub fn what(&self) -> &What<'r> {
        self.what.get_or_init(|| self.read())
    }

    fn read(&self) -> What<'r> {
        let (request, place) = (self.request, self.place);
        let text = |key: &str| request.input.get(key).and_then(Value::as_str);
        match self.tool {
            "Bash" => text("command").map_or(What::NoCommand, |command| {
                What::Command(Box::new(Command::of(command, place)))
            }),
            "WebFetch" => What::Address(text("url").and_then(Target::of)),
            "Task" | "Agent" => What::Agent(text("subagent_type").map(str::to_owned)),
            tool => match Access::of(tool) {
                Some(access) => What::Files(access, files(tool, &request.input, place)),
                None => What::Other,
            },
        }
    }
}

/// The files that a tool of Claude Code looks at or writes.
fn files(tool: &str, input: &Value, place: &Place) -> Vec<Looked> {
    let given = |key: &str| input.get(key).and_then(Value::as_str);
    if !matches!(tool, "Glob" | "Grep" | "LS") {
        let path = given("file_path").or_else(|| given("notebook_path"));
        return path
            .map(|path| place.look(path, false))
            .into_iter()
            .collect();
    }
    // A path that is no text is none that can be told.
    if input
        .get("path")
        .is_some_and(|path| !path.is_string() && !path.is_null())
    {
        return Vec::new();
    }
    let directory = given("path").unwrap_or(".");
    let mut looked = vec![place.look(directory, true)];
    // What is searched for may lead elsewhere, or name a file.
    for pattern in [
        given("glob"),
        if tool == "Glob" {
            given("pattern")
        } else {
            None
        },
    ]
    .into_iter()
    .flatten()
    {
        let absolute = pattern.starts_with(['/', '~']);
        let fixed = pattern
            .split(['*', '?', '[', '{'])
            .next()
            .unwrap_or_default();
        let head = if fixed.len() == pattern.len() {
            fixed
        } else {
            fixed
                .rsplit_once('/')
                .map_or("", |(head, _)| if head.is_empty() { "/" } else { head })
        };
        let whole = if absolute {
            head.to_owned()
        } else {
            format!("{directory}/{head}")
        };
        looked.push(place.look(&whole, fixed.len() != pattern.len()));
        if pattern.contains("..") {
            looked.push(place.look(
                &if absolute {
                    "/".into()
                } else {
                    format!("{directory}/..")
                },
                true,
            ));
        }
    }
    looked
}

impl<'r> Command<'r> {
    fn of(text: &'r str, place: &Place) -> Self {
        let script = Script::read(text);
        let files = script
            .files
            .iter()
            .map(|file| {
                let word = &file.word;
                let path = match &word.value {
                    Some(path) => Some(place.look(path, false)),
                    None if is_below_home(&word.raw) => Some(place.look_from_shell(&word.raw)),
                    None => None,
                };
                Opened {
                    raw: word.raw.clone(),
                    access: if file.writes {
                        Access::Edit
                    } else {
                        Access::Read
                    },
                    path,
                    relative: !word.raw.starts_with('~') && !word.open.starts_with('/'),
                }
            })
            .collect();
        let enters = script.runs.iter().map(|run| {
            let path = run.words.get(1).filter(|_| run.is_cd())?.value.as_deref();
            Some(place.look(path.filter(|path| *path != "-")?, false))
        });
        Self {
            enters: enters.collect(),
            text,
            texts: script.runs.iter().map(|run| shown(&run.words)).collect(),
            readings: script.runs.iter().map(Readings::of).collect(),
            files,
            script,
        }
    }
}

/// `~/x` without anything else that the shell expands.
fn is_below_home(raw: &str) -> bool {
    raw.strip_prefix("~/").is_some_and(|rest| {
        rest.chars()
            .all(|c| c.is_alphanumeric() || "_@%+=:,./-".contains(c))
    })
}
