//! A team's policy: which requests rules decide, and which are asked.
//!
//! The order is fixed: `deny`, then `requireApproval`, then `autoApprove`, then the mode. What is
//! not understood never allows: a rule that cannot be read makes every request ask.

mod rule;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    config::{GrantPermission, Team},
    decision::{AllowedBy, DeniedBy, RuleList},
    request::{ToolRequest, hex},
};

pub(crate) use rule::{IRIS, glob_matches};
pub use rule::{IRIS_TOOLS, Rule, RuleError};

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
}

impl Policy {
    /// The policy of a team. Rules that do not parse were refused when the config was read; one
    /// that gets here all the same makes every request ask (fail closed).
    pub fn of(team: &Team) -> Self {
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
        }
    }

    /// What it says to this request. Total: it never fails and never panics.
    pub fn evaluate(&self, request: &ToolRequest) -> Verdict {
        if let Some((by, message)) = self.denies(request) {
            return Verdict::Deny(by, message);
        }
        if let Some(why) = &self.broken {
            return Verdict::Ask(why.clone());
        }
        // Before the rules that allow: a question is answered, not permitted.
        if request.is_question() {
            return match self.mode {
                GrantPermission::No => self.by_mode(request),
                GrantPermission::Yes | GrantPermission::Ask | GrantPermission::Forward => {
                    Verdict::Ask("The agent asks you something; only you can answer it.".into())
                }
            };
        }
        if let Some(rule) = find(&self.require_approval, request) {
            let list = RuleList::RequireApproval;
            return Verdict::Ask(format!("The rule `{}` in {list} asks you.", rule.text()));
        }
        if let Some(rule) = find(&self.auto_approve, request) {
            return Verdict::Allow(AllowedBy::Rule(RuleList::AutoApprove, rule.text().into()));
        }
        self.by_mode(request)
    }

    /// The deny rule that holds against this request, and what the agent is told. It holds
    /// against a human's answer too: `deny` wins over everything.
    pub fn denies(&self, request: &ToolRequest) -> Option<(DeniedBy, String)> {
        let rule = find(&self.deny, request)?;
        let message = format!(
            "Denied by Iris: the rule `{}` in this team's deny list forbids {}. Do not try the same thing \
             another way: use a tool that is allowed, or say what you need it for, so that the user can change the rule.",
            rule.text(),
            request.tool
        );
        Some((DeniedBy::Rule(RuleList::Deny, rule.text().into()), message))
    }

    /// SHA-256, hex, of the policy: the audit log says which policy held.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    fn by_mode(&self, request: &ToolRequest) -> Verdict {
        let mode = self.mode.as_str();
        let tool = &request.tool;
        match self.mode {
            GrantPermission::Yes => Verdict::Allow(AllowedBy::ModeYes),
            GrantPermission::Ask => Verdict::Ask(
                "No rule covers it, and this team asks you then (its mode, grantPermission, is “ask”).".into(),
            ),
            GrantPermission::No => Verdict::Deny(
                DeniedBy::Mode(mode),
                format!(
                    "Denied by Iris: this team may only use what its rules allow (grantPermission: no), and no rule \
                     allows {tool}. Use a tool that is allowed, or say what you need it for, so that the user can add a rule."
                ),
            ),
            GrantPermission::Forward => Verdict::Deny(
                DeniedBy::Mode(mode),
                format!(
                    "Denied by Iris: no rule allows {tool}, and a request cannot be forwarded to the session that gave you \
                     the task (grantPermission: forward). Ask it in your answer to do this itself, or to have the user set \
                     this team to grantPermission: ask, which shows the request to the user instead."
                ),
            ),
        }
    }
}

fn find<'r>(rules: &'r [Rule], request: &ToolRequest) -> Option<&'r Rule> {
    rules.iter().find(|rule| rule.matches(&request.tool))
}

#[cfg(test)]
mod tests;
