//! A team's policy: which requests rules decide, and which are asked.
//!
//! The order is fixed: `deny`, then `requireApproval`, then `autoApprove`, then grants, then the
//! mode. What is not understood never allows: a rule that cannot be read makes every request ask.

mod allow;
mod command;
mod facts;
mod glob;
mod path;
mod real;
mod risk;
mod rule;
mod shell;
mod suggest;
mod web;

use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    config::{GrantPermission, Team},
    decision::{AllowedBy, DeniedBy, RuleList},
    display,
    grant::Live,
    request::{ToolRequest, hex},
};

use facts::{Facts, What};
use rule::Holds;

pub(crate) use glob::glob_matches;
pub use path::Place;
pub use real::{Follow, LookedUp, Real};
pub use rule::{IRIS, IRIS_TOOLS, Rule, RuleError};
pub use suggest::{Suggestions, suggest};

/// What the policy says to a request. `why` is for people: which rule, where it stands, or what is
/// missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs.
    Allow {
        /// What allows it.
        by: AllowedBy,
        /// See [`Verdict`].
        why: String,
    },
    /// It does not run.
    Deny {
        /// What denies it.
        by: DeniedBy,
        /// Told to the agent.
        message: String,
        /// See [`Verdict`].
        why: String,
    },
    /// A human decides.
    Ask {
        /// Why they are asked.
        why: String,
    },
    /// The session that gave the agent its task decides, if it can; a human otherwise.
    Forward {
        /// Why they are asked.
        why: String,
    },
}

impl Verdict {
    /// As `iris explain` says it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allow",
            Self::Deny { .. } => "deny",
            // Somebody is asked either way.
            Self::Ask { .. } | Self::Forward { .. } => "ask",
        }
    }

    /// Why, for people.
    pub fn why(&self) -> &str {
        match self {
            Self::Allow { why, .. }
            | Self::Deny { why, .. }
            | Self::Ask { why }
            | Self::Forward { why } => why,
        }
    }
}

/// A team's rules and mode, parsed. A copy shares the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    deny: Arc<[Rule]>,
    require_approval: Arc<[Rule]>,
    auto_approve: Arc<[Rule]>,
    mode: GrantPermission,
    /// Why the rules cannot be trusted to be complete; everything that no rule denies asks.
    broken: Option<String>,
    hash: Arc<str>,
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
            for (at, text) in texts.iter().enumerate() {
                match Rule::parse(text) {
                    Ok(rule) => rules.push(rule.standing(lists.place(list, at))),
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
            deny: deny.into(),
            require_approval: require_approval.into(),
            auto_approve: auto_approve.into(),
            mode: team.grant_permission,
            broken,
            hash: hash.into(),
            place,
        }
    }

    /// The same policy, that learns in this way where paths lead. Where that cannot be told it stays so.
    #[must_use]
    pub fn knowing(&self, real: Real) -> Self {
        let real = self.place.real.as_ref().map(|_| real);
        let place = Place {
            folder: self.place.folder.clone(),
            home: self.place.home.clone(),
            real,
        };
        Self {
            place,
            ..self.clone()
        }
    }

    /// Looks where all the paths of a request lead, and decides nothing.
    pub fn look(&self, request: &ToolRequest) {
        Facts::of(request, &self.place).what();
    }

    /// What it says to this request, without any grant. Total: it never fails and never panics.
    pub fn evaluate(&self, request: &ToolRequest) -> Verdict {
        self.evaluate_with(request, &[])
    }

    /// The same, with the grants that hold for who asks.
    pub fn evaluate_with(&self, request: &ToolRequest, grants: &[&Live]) -> Verdict {
        let facts = Facts::of(request, &self.place);
        let (denied, perhaps_denied) = strictest(&self.deny, &facts);
        if let Some(rule) = denied {
            let (by, message) = denial(rule, request);
            let why = format!("The rule {} forbids it.", rule.quoted());
            return Verdict::Deny { by, message, why };
        }
        if let Some(why) = &self.broken {
            return Verdict::Ask { why: why.clone() };
        }
        // Before the rules that allow: a question is answered, not permitted.
        if request.is_question() {
            return match self.mode {
                GrantPermission::No => self.by_mode(request, ""),
                GrantPermission::Yes | GrantPermission::Ask | GrantPermission::Forward => {
                    Verdict::Ask {
                        why: "The agent asks you something; only you can answer it.".into(),
                    }
                }
            };
        }
        let (required, perhaps_required) = strictest(&self.require_approval, &facts);
        if let Some(rule) = required {
            return Verdict::Ask {
                why: format!("The rule {} asks you.", rule.quoted()),
            };
        }
        let verdict = match self.allowed(&facts, request, grants) {
            Ok((by, why)) => Verdict::Allow { by, why },
            Err(Uncovered(why)) => self.by_mode(request, &why),
        };
        let perhaps = perhaps_denied.or(perhaps_required);
        match (verdict, perhaps) {
            // What a rule that denies cannot see, a rule that allows does not let through.
            (Verdict::Allow { .. }, Some(rule)) => Verdict::Ask {
                why: format!(
                    "It cannot be told whether the rule {} forbids it{}.",
                    rule.quoted(),
                    because(&facts)
                ),
            },
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

    /// Whether a rule denies this request or wants it asked, or may: no grant holds against that.
    pub fn contradicts(&self, request: &ToolRequest) -> bool {
        let facts = Facts::of(request, &self.place);
        let holds = |rules| matches!(strictest(rules, &facts), (Some(_), _) | (_, Some(_)));
        self.broken.is_some()
            || self.mode == GrantPermission::No
            || holds(&self.deny)
            || holds(&self.require_approval)
    }

    /// What allows every part of it, and why in words.
    fn allowed(
        &self,
        facts: &Facts<'_>,
        request: &ToolRequest,
        grants: &[&Live],
    ) -> Result<(AllowedBy, String), Uncovered> {
        let own: Vec<&Rule> = self.auto_approve.iter().collect();
        let uncovered = match allow::by(&own, facts) {
            Ok(used) => {
                let rules = used.iter().filter_map(|at| own.get(*at));
                let (texts, quoted): (Vec<&str>, Vec<String>) =
                    rules.map(|rule| (rule.text(), rule.quoted())).unzip();
                let by = AllowedBy::Rule(RuleList::AutoApprove, texts.join(RULES_JOINED));
                let why = match &quoted[..] {
                    [one] => format!("The rule {one} allows it."),
                    more => format!("The rules {} allow it together.", more.join(", ")),
                };
                return Ok((by, why));
            }
            Err(uncovered) => uncovered,
        };
        if let Some(live) = grants.iter().find(|live| live.is_exactly(request)) {
            return Ok((AllowedBy::Grant(live.id.0.clone()), live.why.clone()));
        }
        let owners: Vec<&Live> = grants
            .iter()
            .flat_map(|live| live.rules.iter().map(move |_| *live))
            .collect();
        if owners.is_empty() {
            return Err(uncovered);
        }
        let granted = grants.iter().flat_map(|live| &live.rules);
        let all: Vec<&Rule> = own.iter().copied().chain(granted).collect();
        let used = allow::by(&all, facts)?;
        let mut by: Vec<&Live> = Vec::new();
        for at in used.iter().filter_map(|at| at.checked_sub(own.len())) {
            match owners.get(at) {
                Some(live) if !by.iter().any(|known| known.id == live.id) => by.push(live),
                Some(_) | None => {}
            }
        }
        let ids: Vec<&str> = by.iter().map(|live| live.id.0.as_str()).collect();
        let why: Vec<&str> = by.iter().map(|live| live.why.as_str()).collect();
        Ok((AllowedBy::Grant(ids.join(RULES_JOINED)), why.join(" ")))
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
            GrantPermission::Yes => Verdict::Allow {
                by: AllowedBy::ModeYes,
                why: format!(
                    "{why}, and this team allows it then (its mode, grantPermission, is “yes”)."
                ),
            },
            GrantPermission::Ask => Verdict::Ask {
                why: format!(
                    "{why}, and this team asks you then (its mode, grantPermission, is “ask”)."
                ),
            },
            GrantPermission::No => Verdict::Deny {
                by: DeniedBy::Mode(mode),
                message: format!(
                    "Denied by Iris: this team may only use what its rules allow (grantPermission: no), and no rule \
                     allows this use of {tool}. {why}. Use what is allowed, or say what you need it for, so that the user can add a rule."
                ),
                why: format!(
                    "{why}, and this team denies it then (its mode, grantPermission, is “no”)."
                ),
            },
            GrantPermission::Forward => Verdict::Forward {
                why: format!(
                    "{why}, and this team asks who gave it the task (its mode, grantPermission, is “forward”)."
                ),
            },
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
