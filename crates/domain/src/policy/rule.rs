//! A rule in Claude Code's syntax: `Tool`, or `Tool(specifier)`.

use super::{
    command::CommandPattern,
    facts::{Facts, What},
    glob::glob_matches,
    path::PathPattern,
    web::DomainPattern,
};

/// The published names of Iris's own tools. As a rule, the bare name means `mcp__iris__NAME`.
pub const IRIS_TOOLS: [&str; 21] = [
    "send_message",
    "ask_message",
    "quick_message",
    "message_status",
    "session_reboot",
    "session_delete",
    "session_fork",
    "session_cancel",
    "session_report",
    "team_wake",
    "team_launch",
    "team_sleep",
    "team_wake_all",
    "team_status",
    "list_teams",
    "get_logs",
    "get_date",
    "get_agent",
    "permissions__approve",
    "permissions_pending",
    "permissions_decide",
];

/// How agents see the names of Iris's tools begin.
pub const IRIS: &str = "mcp__iris__";

/// A rule. Names are case-sensitive; `*` in one stands for any text; `mcp__SERVER` is every tool of
/// that MCP server (as in Claude Code's own rules).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    text: String,
    pattern: Pattern,
    /// Where it stands, for people: `autoApprove, line 12 of the config`.
    place: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `*` stands for any text, the empty one too.
    Glob(String),
    /// `mcp__SERVER`: itself, and what starts with it and `__`.
    Server(String),
    /// `Bash(…)`.
    Command(CommandPattern),
    /// `Read(…)`, `Edit(…)`.
    Path(Access, PathPattern),
    /// `WebFetch(domain:…)`.
    Domain(DomainPattern),
    /// `Task(…)`, `Agent(…)`.
    Agent(String),
}

/// What a tool does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Edit,
}

const READING: [&str; 5] = ["Read", "Glob", "Grep", "LS", "NotebookRead"];
const EDITING: [&str; 4] = ["Edit", "Write", "MultiEdit", "NotebookEdit"];
/// The tool that starts subagents has had both names.
const AGENTS: [&str; 2] = ["Task", "Agent"];

impl Access {
    /// Of a tool.
    pub fn of(tool: &str) -> Option<Self> {
        if READING.contains(&tool) {
            Some(Self::Read)
        } else if EDITING.contains(&tool) {
            Some(Self::Edit)
        } else {
            None
        }
    }

    /// The tool that does the same as a redirection of the shell.
    fn tools(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["Read"],
            Self::Edit => &["Edit", "Write"],
        }
    }
}

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct RuleError {
    why: String,
    hint: String,
}

impl RuleError {
    fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            hint: hint.into(),
        }
    }

    /// What was likely meant, as a sentence.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// Whether a rule that denies or asks holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    No,
    /// It cannot be told.
    Perhaps,
    Yes,
}

const A_NAME: &str = "Write a tool's name, such as `Bash`, a pattern, such as `mcp__github__*`, or a rule with an \
    argument, such as `Bash(git push:*)`.";

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it, and what was likely meant.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.is_empty() {
            return Err(RuleError::new(
                "a rule is the name of a tool, and this one is empty",
                A_NAME,
            ));
        }
        if text.trim() != text {
            return Err(RuleError::new(
                format!("the rule `{text}` has spaces around it"),
                format!("Write `{}`.", text.trim()),
            ));
        }
        let pattern = match text.split_once('(') {
            None => Self::name(text)?,
            Some((tool, rest)) => {
                let Some(argument) = rest.strip_suffix(')') else {
                    return Err(RuleError::new(
                        format!("the rule `{text}` has a `(` and does not end with `)`"),
                        format!("Perhaps you mean `{text})`."),
                    ));
                };
                Self::with_argument(text, tool, argument)?
            }
        };
        Ok(Self {
            text: text.to_owned(),
            pattern,
            place: String::new(),
        })
    }

    /// The same, that stands there.
    pub(super) fn standing(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// The rule in a sentence, with its place.
    pub fn quoted(&self) -> String {
        if self.place.is_empty() {
            return format!("`{}`", self.text);
        }
        format!("`{}` ({})", self.text, self.place)
    }

    fn name(text: &str) -> Result<Pattern, RuleError> {
        let odd = |c: &char| !(c.is_ascii_alphanumeric() || "_-.*".contains(*c));
        if let Some(c) = text.chars().find(odd) {
            let why = format!(
                "`{}` cannot stand in a rule: it is the name of one tool, made of letters, digits, `_`, `-` and `.`, \
                 in which `*` stands for any characters",
                c.escape_debug()
            );
            return Err(RuleError::new(why, A_NAME));
        }
        Ok(if IRIS_TOOLS.contains(&text) {
            Pattern::Glob(format!("{IRIS}{text}"))
        } else if text.strip_prefix("mcp__").is_some_and(|server| {
            !server.is_empty() && !server.contains("__") && !server.contains('*')
        }) {
            Pattern::Server(text.to_owned())
        } else {
            Pattern::Glob(text.to_owned())
        })
    }

    fn with_argument(text: &str, tool: &str, argument: &str) -> Result<Pattern, RuleError> {
        if tool.trim() != tool {
            let likely = format!("Perhaps you mean `{}({argument})`.", tool.trim());
            return Err(RuleError::new(
                format!("the rule `{text}` has spaces before its `(`"),
                likely,
            ));
        }
        let all = || Ok(Pattern::Glob(tool.to_owned()));
        match tool {
            "" => Err(RuleError::new(
                format!("`{text}` names no tool before its `(`"),
                A_NAME,
            )),
            "Bash" => match CommandPattern::parse(argument) {
                Ok(Some(pattern)) => Ok(Pattern::Command(pattern)),
                Ok(None) => all(),
                Err((why, hint)) => Err(RuleError::new(
                    format!("the rule `{text}` cannot be used: {why}"),
                    hint,
                )),
            },
            "Read" | "Edit" => {
                let access = if tool == "Read" {
                    Access::Read
                } else {
                    Access::Edit
                };
                if let Some(domain) = argument.strip_prefix("domain:") {
                    return Err(RuleError::new(
                        format!("the rule `{text}` cannot be used: `{tool}` takes a path"),
                        format!("Perhaps you mean `WebFetch(domain:{domain})`."),
                    ));
                }
                if argument.chars().any(char::is_control) || argument.trim() != argument {
                    return Err(RuleError::new(
                        format!(
                            "the rule `{text}` cannot be used: its path has spaces around it, or control characters"
                        ),
                        "Write the path as it is, such as `Read(~/secrets/**)`.",
                    ));
                }
                match PathPattern::parse(argument) {
                    Ok(pattern) => Ok(Pattern::Path(access, pattern)),
                    Err(why) => Err(RuleError::new(
                        format!("the rule `{text}` cannot be used: {why}"),
                        format!(
                            "A path is `/src/**` from the team's folder, `//etc/**` from the root, `~/x` from the home \
                                 directory, or `*.env` at any depth: `{tool}(/src/**)`."
                        ),
                    )),
                }
            }
            // Claude Code takes such a rule and never looks at it.
            _ if EDITING.contains(&tool) => Err(RuleError::new(
                format!(
                    "the rule `{text}` cannot be used: paths stand in rules for `Edit`, which hold for every tool that writes"
                ),
                format!("Write `Edit({argument})`."),
            )),
            _ if READING.contains(&tool) => Err(RuleError::new(
                format!(
                    "the rule `{text}` cannot be used: paths stand in rules for `Read`, which hold for every tool that reads"
                ),
                format!("Write `Read({argument})`."),
            )),
            "WebFetch" => match argument.strip_prefix("domain:") {
                Some(domain) => match DomainPattern::parse(domain) {
                    Ok(Some(pattern)) => Ok(Pattern::Domain(pattern)),
                    Ok(None) => all(),
                    Err((why, hint)) => Err(RuleError::new(
                        format!("the rule `{text}` cannot be used: {why}"),
                        hint,
                    )),
                },
                None if argument == "*" => all(),
                None => {
                    let host = argument
                        .split_once("://")
                        .map_or(argument, |(_, rest)| rest);
                    let host = host.split(['/', ':', '*']).next().unwrap_or(host);
                    Err(RuleError::new(
                        format!(
                            "the rule `{text}` cannot be used: `WebFetch` takes `domain:` and the name of a host"
                        ),
                        if host.is_empty() {
                            "Write `WebFetch(domain:docs.rs)`.".to_owned()
                        } else {
                            format!("Perhaps you mean `WebFetch(domain:{host})`.")
                        },
                    ))
                }
            },
            _ if AGENTS.contains(&tool) => {
                if argument.is_empty()
                    || argument.chars().any(|c| c.is_control() || "()".contains(c))
                {
                    return Err(RuleError::new(
                        format!("the rule `{text}` cannot be used: it names no subagent"),
                        format!("Write the subagent's name, such as `{tool}(Explore)`."),
                    ));
                }
                Ok(Pattern::Agent(argument.to_owned()))
            }
            _ if tool.starts_with("mcp__") || IRIS_TOOLS.contains(&tool) => Err(RuleError::new(
                format!("the rule `{text}` cannot be used: rules for MCP tools take no arguments"),
                format!("`{tool}` is the rule for every use of that tool."),
            )),
            _ => {
                const WITH: [&str; 6] = ["Bash", "Read", "Edit", "WebFetch", "Task", "Agent"];
                let near = WITH.iter().find(|name| {
                    strsim::damerau_levenshtein(&name.to_lowercase(), &tool.to_lowercase()) <= 1
                });
                Err(RuleError::new(
                    format!(
                        "the rule `{text}` cannot be used: `{tool}` is no tool whose rules take arguments"
                    ),
                    match near {
                        Some(name) => format!("Perhaps you mean `{name}({argument})`."),
                        None => format!(
                            "`{tool}` is the rule for every use of that tool; arguments are for `Bash`, `Read`, `Edit`, `WebFetch` and `Task`."
                        ),
                    },
                ))
            }
        }
    }

    /// The rule as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it speaks of every use of this tool.
    pub fn matches(&self, tool: &str) -> bool {
        match &self.pattern {
            // `session_*`: the tools of Iris go by their bare names here, too.
            Pattern::Glob(glob) => [Some(tool), tool.strip_prefix(IRIS)]
                .into_iter()
                .flatten()
                .any(|name| glob_matches(glob.as_bytes(), name.as_bytes())),
            Pattern::Server(server) => tool
                .strip_prefix(server.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("__")),
            Pattern::Command(_) | Pattern::Path(..) | Pattern::Domain(_) | Pattern::Agent(_) => {
                false
            }
        }
    }

    /// The command part of a rule for Bash.
    pub(super) fn command(&self) -> Option<&CommandPattern> {
        match &self.pattern {
            Pattern::Command(pattern) => Some(pattern),
            _ => None,
        }
    }

    /// Whether it covers a file that the shell itself opens.
    pub(super) fn covers_file(&self, access: Access, path: &super::path::Looked) -> bool {
        match &self.pattern {
            Pattern::Path(mine, pattern) => *mine == access && pattern.covers(path),
            _ => access.tools().iter().any(|tool| self.matches(tool)),
        }
    }

    /// Whether it allows the request, but for commands of the shell, which are looked at one by one.
    pub(super) fn covers(&self, facts: &Facts<'_>) -> bool {
        if self.is_name() {
            return self.matches(facts.tool);
        }
        match (&self.pattern, facts.what()) {
            (Pattern::Path(mine, pattern), What::Files(access, paths)) => {
                mine == access && !paths.is_empty() && paths.iter().all(|path| pattern.covers(path))
            }
            (Pattern::Domain(pattern), What::Address(Some(target))) => pattern.covers(target),
            (Pattern::Agent(name), What::Agent(Some(asked))) => {
                glob_matches(name.as_bytes(), asked.as_bytes())
            }
            _ => false,
        }
    }

    fn is_name(&self) -> bool {
        matches!(self.pattern, Pattern::Glob(_) | Pattern::Server(_))
    }

    /// Whether it names a tool that does what a redirection of this command does.
    fn is_of_opened(&self, facts: &Facts<'_>) -> bool {
        let names = |access: &Access| access.tools().iter().any(|tool| self.matches(tool));
        let named: Vec<Access> = [Access::Read, Access::Edit]
            .into_iter()
            .filter(names)
            .collect();
        // A name of another tool needs no look at the command.
        !named.is_empty()
            && match facts.what() {
                What::Command(command) => command
                    .files
                    .iter()
                    .any(|file| named.contains(&file.access)),
                What::NoCommand
                | What::Files(..)
                | What::Address(_)
                | What::Agent(_)
                | What::Other => false,
            }
    }

    /// Whether it denies the request, or asks for it: any part of it counts.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Holds {
        let sure = |yes: bool| if yes { Holds::Yes } else { Holds::No };
        if self.is_name() {
            return sure(self.matches(facts.tool) || self.is_of_opened(facts));
        }
        match (&self.pattern, facts.what()) {
            (Pattern::Command(pattern), What::Command(command)) => {
                if pattern.is(command.text)
                    || pattern.covers(command.text.trim())
                    || command.readings.iter().any(|run| run.named_by(pattern))
                {
                    Holds::Yes
                } else if command.script.blind().is_some()
                    || command
                        .readings
                        .iter()
                        .any(|run| run.may_be_named_by(pattern))
                {
                    Holds::Perhaps
                } else {
                    Holds::No
                }
            }
            (Pattern::Path(mine, pattern), What::Command(command)) => command
                .files
                .iter()
                .filter(|file| file.access == *mine)
                .map(|file| match &file.path {
                    Some(path) if pattern.touches(path) => Holds::Yes,
                    // After `cd`, a relative path may be anything.
                    Some(_) if !(file.relative && command.script.moves) => Holds::No,
                    Some(_) | None => Holds::Perhaps,
                })
                .max()
                .unwrap_or(Holds::No),
            (Pattern::Path(mine, pattern), What::Files(access, paths)) if mine == access => {
                if paths.is_empty() {
                    Holds::Perhaps
                } else {
                    sure(paths.iter().any(|path| pattern.touches(path)))
                }
            }
            (Pattern::Domain(pattern), What::Address(target)) => target
                .as_ref()
                .map_or(Holds::Perhaps, |target| sure(pattern.touches(target))),
            (Pattern::Agent(name), What::Agent(asked)) => {
                asked.as_ref().map_or(Holds::Perhaps, |asked| {
                    sure(glob_matches(
                        name.to_lowercase().as_bytes(),
                        asked.to_lowercase().as_bytes(),
                    ))
                })
            }
            (Pattern::Command(_), What::NoCommand) => Holds::Perhaps,
            _ => Holds::No,
        }
    }
}

#[cfg(test)]
mod tests;
