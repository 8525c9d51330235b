//! A team's policy: which requests rules decide, and which are asked.
//!
//! The order is fixed: `deny`, then `requireApproval`, then `autoApprove`, then the mode. What is
//! not understood never allows: a rule that cannot be read makes every request ask.

mod command;
mod facts;
mod glob;
mod path;
mod rule;
mod shell;
mod suggest;
mod web;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    config::{GrantPermission, Team},
    decision::{AllowedBy, DeniedBy, RuleList},
    display,
    request::{ToolRequest, hex},
};

use command::cover;
use facts::{Command, Facts, What};
use rule::{Access, Holds};
use shell::Kind;

pub(crate) use glob::glob_matches;
pub use path::Place;
pub(crate) use rule::IRIS;
pub use rule::{IRIS_TOOLS, Rule, RuleError};
pub use suggest::{Suggestions, suggest};

/// What the policy says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs.
    Allow(AllowedBy),
    /// It does not run; the text is told to the agent.
    Deny(DeniedBy, String),
    /// A human decides; the text says why they are asked.
    Ask(String),
}

/// A team's rules and mode, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    deny: Vec<Rule>,
    require_approval: Vec<Rule>,
    auto_approve: Vec<Rule>,
    mode: GrantPermission,
    /// Why the rules cannot be trusted to be complete; everything that no rule denies asks.
    broken: Option<String>,
    hash: String,
    place: Place,
}

/// The first part that no rule allows, as the start of a sentence; empty: the whole.
#[derive(Debug, Default)]
struct Uncovered(String);

/// How much of a command a sentence quotes.
const QUOTED_MAX: usize = 120;

impl Policy {
    /// The policy of a team. Rules that do not parse were refused when the config was read; one
    /// that gets here all the same makes every request ask (fail closed).
    ///
    /// `place` says what the paths in its rules mean.
    pub fn of(team: &Team, place: Place) -> Self {
        let lists = &team.approval_policy;
        let mut broken = None;
        let mut read = |list: RuleList, texts: &[String]| -> Vec<Rule> {
            let mut rules = Vec::with_capacity(texts.len());
            for text in texts {
                match Rule::parse(text) {
                    Ok(rule) => rules.push(rule),
                    Err(why) => {
                        broken.get_or_insert(format!(
                            "The rule `{text}` in {list} cannot be used ({why}), so every request of this team asks."
                        ));
                    }
                }
            }
            rules
        };
        let deny = read(RuleList::Deny, &lists.deny);
        let require_approval = read(RuleList::RequireApproval, &lists.require_approval);
        let auto_approve = read(RuleList::AutoApprove, &lists.auto_approve);
        // The texts, not the parsed rules: a rule that cannot be read is part of what held.
        let text = json!({
            "autoApprove": lists.auto_approve,
            "deny": lists.deny,
            "grantPermission": team.grant_permission.as_str(),
            "requireApproval": lists.require_approval,
        })
        .to_string();
        let hash = hex(&Sha256::digest(text.as_bytes()));
        Self {
            deny,
            require_approval,
            auto_approve,
            mode: team.grant_permission,
            broken,
            hash,
            place,
        }
    }

    /// What it says to this request. Total: it never fails and never panics.
    pub fn evaluate(&self, request: &ToolRequest) -> Verdict {
        let facts = Facts::of(request, &self.place);
        let (denied, perhaps_denied) = strictest(&self.deny, &facts);
        if let Some(rule) = denied {
            let (by, message) = denial(rule, request);
            return Verdict::Deny(by, message);
        }
        if let Some(why) = &self.broken {
            return Verdict::Ask(why.clone());
        }
        // Before the rules that allow: a question is answered, not permitted.
        if request.is_question() {
            return match self.mode {
                GrantPermission::No => self.by_mode(request, ""),
                GrantPermission::Yes | GrantPermission::Ask | GrantPermission::Forward => {
                    Verdict::Ask("The agent asks you something; only you can answer it.".into())
                }
            };
        }
        let (required, perhaps_required) = strictest(&self.require_approval, &facts);
        if let Some(rule) = required {
            let list = RuleList::RequireApproval;
            return Verdict::Ask(format!("The rule `{}` in {list} asks you.", rule.text()));
        }
        let verdict = match self.allowed_by(&facts) {
            Ok(rules) => Verdict::Allow(AllowedBy::Rule(
                RuleList::AutoApprove,
                rules.join(RULES_JOINED),
            )),
            Err(Uncovered(why)) => self.by_mode(request, &why),
        };
        let perhaps = perhaps_denied
            .map(|rule| (rule, RuleList::Deny))
            .or(perhaps_required.map(|rule| (rule, RuleList::RequireApproval)));
        match (verdict, perhaps) {
            // What a rule that denies cannot see, a rule that allows does not let through.
            (Verdict::Allow(_), Some((rule, list))) => Verdict::Ask(format!(
                "It cannot be told whether the rule `{}` in {list} forbids it{}.",
                rule.text(),
                because(&facts)
            )),
            (verdict, _) => verdict,
        }
    }

    /// The deny rule that holds against this request, and what the agent is told. It holds
    /// against a human's answer too: `deny` wins over everything.
    pub fn denies(&self, request: &ToolRequest) -> Option<(DeniedBy, String)> {
        // Without rules nothing needs to be read.
        if self.deny.is_empty() {
            return None;
        }
        let facts = Facts::of(request, &self.place);
        strictest(&self.deny, &facts)
            .0
            .map(|rule| denial(rule, request))
    }

    /// The rules that allow every part of it.
    fn allowed_by(&self, facts: &Facts<'_>) -> Result<Vec<&str>, Uncovered> {
        if let Some(rule) = self.auto_approve.iter().find(|rule| rule.covers(facts)) {
            return Ok(vec![rule.text()]);
        }
        match facts.what() {
            What::Command(command) => self.allowed_command(command),
            What::NoCommand | What::Files(..) | What::Address(_) | What::Agent(_) | What::Other => {
                Err(Uncovered::default())
            }
        }
    }

    fn allowed_command(&self, command: &Command<'_>) -> Result<Vec<&str>, Uncovered> {
        let patterns: Vec<_> = self
            .auto_approve
            .iter()
            .enumerate()
            .filter_map(|(at, rule)| Some((at, rule.command()?)))
            .collect();
        let text = |at: usize| self.auto_approve.get(at).map(Rule::text);
        if let Some((at, _)) = patterns
            .iter()
            .find(|(_, pattern)| pattern.is(command.text))
        {
            return Ok(text(*at).into_iter().collect());
        }
        if let Some(doubt) = command.script.doubts.first() {
            return Err(Uncovered(format!(
                "No rule can allow it, because {}",
                doubt.why
            )));
        }
        let mut used = Vec::new();
        for (at, run) in command.script.runs.iter().enumerate() {
            let shown = command.texts.get(at).map_or("", String::as_str);
            if let Some(rule) = cover(&patterns, &command.script, &command.texts, at) {
                used.push(rule);
                continue;
            }
            // Without a rule of its own, `cd` is let through within the team's folder only.
            let stays = || {
                run.words.get(1).is_some_and(|word| {
                    word.value
                        .as_deref()
                        .is_some_and(|path| path != "-" && self.place.look(path, false).in_folder())
                })
            };
            let free = match run.kind {
                Kind::Program => false,
                Kind::Transparent => true,
                Kind::Free => !run.words.first().is_some_and(|word| word.is("cd")) || stays(),
            };
            if !free {
                return Err(Uncovered(format!("No rule covers `{}`", quote(shown))));
            }
        }
        for file in &command.files {
            let rule = file.path.as_ref().and_then(|path| {
                if file.relative && command.script.moves {
                    return None;
                }
                self.auto_approve
                    .iter()
                    .position(|rule| rule.covers_file(file.access, path))
            });
            // A rule for the whole tool does not need to know which file it is.
            let rule = rule.or_else(|| {
                self.auto_approve.iter().position(|rule| match file.access {
                    Access::Read => rule.matches("Read"),
                    Access::Edit => rule.matches("Edit") || rule.matches("Write"),
                })
            });
            let free = file.access == Access::Read
                && !(file.relative && command.script.moves)
                && file.path.as_ref().is_some_and(path::Looked::in_folder);
            match rule {
                Some(rule) => used.push(rule),
                None if free => {}
                None => {
                    let does = match file.access {
                        Access::Read => "reading",
                        Access::Edit => "writing to",
                    };
                    return Err(Uncovered(format!(
                        "No rule covers {does} `{}`",
                        quote(&file.raw)
                    )));
                }
            }
        }
        used.sort_unstable();
        used.dedup();
        if used.is_empty() {
            return Err(Uncovered::default());
        }
        Ok(used.into_iter().filter_map(text).collect())
    }

    /// SHA-256, hex, of the policy: the audit log says which policy held.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// `why`: which part no rule allows, as the start of a sentence.
    fn by_mode(&self, request: &ToolRequest, why: &str) -> Verdict {
        let mode = self.mode.as_str();
        let why = if why.is_empty() {
            "No rule covers it"
        } else {
            why
        };
        let tool = &request.tool;
        match self.mode {
            GrantPermission::Yes => Verdict::Allow(AllowedBy::ModeYes),
            GrantPermission::Ask => Verdict::Ask(format!(
                "{why}, and this team asks you then (its mode, grantPermission, is “ask”)."
            )),
            GrantPermission::No => Verdict::Deny(
                DeniedBy::Mode(mode),
                format!(
                    "Denied by Iris: this team may only use what its rules allow (grantPermission: no), and no rule \
                     allows this use of {tool}. {why}. Use what is allowed, or say what you need it for, so that the user can add a rule."
                ),
            ),
            GrantPermission::Forward => Verdict::Deny(
                DeniedBy::Mode(mode),
                format!(
                    "Denied by Iris: no rule allows this use of {tool}, and a request cannot be forwarded to the session that gave you \
                     the task (grantPermission: forward). Ask it in your answer to do this itself, or to have the user set \
                     this team to grantPermission: ask, which shows the request to the user instead."
                ),
            ),
        }
    }
}

/// Between the texts of the rules that allow a request together.
pub const RULES_JOINED: &str = " + ";

/// The first rule that holds, and the first that may.
fn strictest<'r>(rules: &'r [Rule], facts: &Facts<'_>) -> (Option<&'r Rule>, Option<&'r Rule>) {
    let mut perhaps = None;
    for rule in rules {
        match rule.holds(facts) {
            Holds::Yes => return (Some(rule), perhaps),
            Holds::Perhaps if perhaps.is_none() => perhaps = Some(rule),
            Holds::Perhaps | Holds::No => {}
        }
    }
    (None, perhaps)
}

fn denial(rule: &Rule, request: &ToolRequest) -> (DeniedBy, String) {
    let message = format!(
        "Denied by Iris: the rule `{}` in this team's deny list forbids {}. Do not try the same thing \
         another way: use a tool that is allowed, or say what you need it for, so that the user can change the rule.",
        rule.text(),
        request.tool
    );
    (DeniedBy::Rule(RuleList::Deny, rule.text().into()), message)
}

fn because(facts: &Facts<'_>) -> String {
    match facts.what() {
        What::Command(command) => command.script.blind().map_or_else(
            || ", because part of it is only known when it runs".into(),
            |why| format!(", because {why}"),
        ),
        What::NoCommand | What::Files(..) | What::Address(_) | What::Agent(_) | What::Other => {
            ", because its input does not say what it does".into()
        }
    }
}

/// A command in a sentence.
fn quote(text: &str) -> String {
    display::one_line(text, QUOTED_MAX)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod corpus;

#[cfg(test)]
mod fuzz;
