//! A remembered decision: what it covers, for whom, until when; and the book of those that hold.
//!
//! A grant never outlives what it was given to. One for some minutes or for the session is bound to
//! the agent's process: to its token, by the token's serial number. A process that is started anew,
//! because the user stopped it, it crashed, or the link to its host was made anew, has another
//! token, and what was granted to the one before is gone. One for the team ends when the last of the team's
//! agents does. A change of the rules that contradicts a grant ends it.

mod book;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Problem,
    audit::{Draft, Kind},
    decision::AllowedBy,
    decision::{Human, who},
    display,
    ids::{ApprovalId, GrantId, Party, SessionId, TeamName},
    policy::{Policy, Rule, Verdict, suggest},
    problem::Code,
    request::{ToolRequest, canonical, digest_of},
};

pub use book::{Book, Over};

/// The longest time that a human grants at once, minutes: what needs longer is a rule.
pub const MINUTES_MAX: u32 = 60;
/// What one extension adds, minutes.
pub const EXTENSION_MINUTES: u32 = 5;
/// Rules in one grant: more parts than that has no command that a human reads before they allow it.
pub const RULES_MAX: usize = 20;
/// How many grants hold at once for all teams: more than anybody looks through.
pub const GRANTS_MAX: usize = 500;

/// What is to be allowed from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Scope {
    /// This tool with just this input.
    Exact {},
    /// What these rules allow; they must allow what was asked.
    Rules {
        /// Rules, as in the config.
        rules: Vec<String>,
    },
    /// Every use of the tool.
    Tool {},
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "lifetime", rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum Lifetime {
    /// For the agent that asked, at most so long.
    Minutes {
        /// 1 to [`MINUTES_MAX`].
        minutes: u32,
    },
    /// For the agent that asked, until its process ends.
    Session {},
    /// For every agent of the team, until the last of them ends.
    Team {},
    /// A rule in the config.
    Always {},
}

/// An answer that holds for more than one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Remember {
    /// What is to be allowed.
    pub what: Scope,
    /// For how long.
    pub until: Lifetime,
}

/// What a grant covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covers {
    /// A tool with one input, by the digest of its canonical text.
    Exact {
        /// The tool.
        tool: String,
        /// SHA-256, hex.
        digest: String,
    },
    /// What the rules allow.
    Rules(Vec<Rule>),
}

/// A grant that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// What surfaces show.
    pub view: GrantView,
    /// What it covers.
    pub covers: Covers,
    /// The token of the agent that it was given to; `None`: given to the team.
    pub token: Option<u64>,
    /// The request that it was given for: a policy that would not let it through contradicts it.
    pub given_for: ToolRequest,
}

/// A grant as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct GrantView {
    /// Its short name.
    pub id: GrantId,
    /// Whose agents may.
    pub team: TeamName,
    /// The conversation that it holds in; absent: in every one of the team.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub session: Option<SessionId>,
    /// The rules that it consists of; empty for one input only.
    pub rules: Vec<String>,
    /// The tool that it was given for.
    pub tool: String,
    /// The heart of the input that it was given for, in one line.
    pub summary: String,
    /// How it ends, in words: `in 15 minutes`, `when the agent ends`.
    pub until: Lifetime,
    /// When it ends by itself; absent: not by the clock.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string"))]
    pub expires_at: Option<Timestamp>,
    /// Who gave it, as the audit log names them: `human:window:ann`.
    pub granted_by: String,
    /// When.
    #[cfg_attr(feature = "bindings", ts(type = "string"))]
    pub granted_at: Timestamp,
    /// How many requests it allowed.
    #[cfg_attr(feature = "bindings", ts(type = "number"))]
    pub hits: u64,
    /// When it last did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional, type = "string"))]
    pub last_used: Option<Timestamp>,
    /// The heart of what it last allowed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub last_summary: Option<String>,
}

/// A grant as the policy sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    /// Its short name.
    pub id: GrantId,
    /// Whose; `None`: nobody's.
    pub team: Option<TeamName>,
    /// In which conversation only.
    pub session: Option<SessionId>,
    /// When it is over.
    pub expires_at: Option<Timestamp>,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// The one input: the tool, and the digest.
    pub exact: Option<(String, String)>,
    /// Why it allows, as a sentence.
    pub why: String,
}

impl Live {
    /// One that is not given: to see what it would do.
    pub fn of_rules(rules: Vec<Rule>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Whether it holds for this conversation, now.
    pub fn holds_for(&self, team: &TeamName, session: SessionId, now: Timestamp) -> bool {
        self.team.as_ref() == Some(team)
            && self.session.is_none_or(|only| only == session)
            && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether it was given for this input, byte for byte.
    pub fn is_exactly(&self, request: &ToolRequest) -> bool {
        self.exact.as_ref().is_some_and(|(tool, digest)| {
            *tool == request.tool && *digest == digest_of(&canonical(&request.input))
        })
    }
}

impl Grant {
    /// The grant of an answer, for the agent with this token.
    ///
    /// # Errors
    /// `InvalidInput`: the scope cannot be granted for this request, with what to do instead.
    pub fn new(given: Given<'_>, remember: &Remember) -> Result<Self, Problem> {
        let covers = covers(given.request, given.offers, &remember.what)?;
        let (session, expires_at, token) = match remember.until {
            Lifetime::Minutes { minutes } => {
                if !(1..=MINUTES_MAX).contains(&minutes) {
                    return Err(invalid(
                        format!("{minutes} minutes cannot be granted"),
                        format!("Grant 1 to {MINUTES_MAX} minutes; for longer, make it a rule."),
                    ));
                }
                let at = later(given.now, minutes);
                (Some(given.session), Some(at), given.token)
            }
            Lifetime::Session {} => (Some(given.session), None, given.token),
            Lifetime::Team {} => (None, None, None),
            Lifetime::Always {} => {
                return Err(invalid(
                    "what is always allowed is a rule, not a grant",
                    "Write it into the config.",
                ));
            }
        };
        if session.is_some() && token.is_none() {
            return Err(Problem::new(
                Code::Conflict,
                "The agent that asked has ended; nothing can be granted to it.",
                "Allow it when it is asked again.",
            ));
        }
        let rules = match &covers {
            Covers::Exact { .. } => Vec::new(),
            Covers::Rules(rules) => rules.iter().map(|rule| rule.text().to_owned()).collect(),
        };
        Ok(Self {
            view: GrantView {
                id: given.id,
                team: given.team.clone(),
                session,
                rules,
                tool: given.request.tool.clone(),
                summary: given.request.summary(),
                until: remember.until,
                expires_at,
                granted_by: format!("human:{}:{}", given.human.surface, given.human.user),
                granted_at: given.now,
                hits: 0,
                last_used: None,
                last_summary: None,
            },
            covers,
            token,
            given_for: given.request.clone(),
        })
    }

    /// Whether it would let through what it is given for.
    ///
    /// # Errors
    /// `InvalidInput`: it would not, with what to do instead.
    pub fn holds(&self, policy: &Policy) -> Result<(), Problem> {
        would_hold(policy, &self.given_for, &self.live())
    }

    fn live(&self) -> Live {
        let (rules, exact) = match &self.covers {
            Covers::Exact { tool, digest } => (Vec::new(), Some((tool.clone(), digest.clone()))),
            Covers::Rules(rules) => (rules.clone(), None),
        };
        let view = &self.view;
        Live {
            id: view.id.clone(),
            team: Some(view.team.clone()),
            session: view.session,
            expires_at: view.expires_at,
            rules,
            exact,
            why: format!(
                "The grant {} ({}), which {} gave, allows it.",
                view.id,
                view.words(),
                who(&view.granted_by)
            ),
        }
    }
}

impl Grant {
    /// The row that says who granted what, until when.
    pub fn row(&self, approval: &ApprovalId) -> Draft {
        let details =
            json!({ "approval": approval, "tool": self.view.tool, "input": self.given_for.input });
        self.view.row(
            "grant.made",
            &self.view.granted_by,
            self.view.granted_at,
            details,
        )
    }
}

impl GrantView {
    /// A row about it: `by` did `event` at `time`.
    pub fn row(&self, event: &str, by: &str, time: Timestamp, details: Value) -> Draft {
        let mut input = json!({
            "grant": self.id,
            "rules": self.rules,
            "until": self.until,
            "expiresAt": self.expires_at,
            "hits": self.hits,
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut input, details) {
            all.extend(more);
        }
        Draft {
            caller: Party::CONSOLE.to_owned(),
            team: self.team.to_string(),
            session: self.session.map(|id| id.to_string()).unwrap_or_default(),
            input,
            decided_by: by.to_owned(),
            ..Draft::event(time, Kind::Operation, event)
        }
    }

    /// What it covers, in one line.
    pub fn words(&self) -> String {
        if self.rules.is_empty() {
            let exact = format!("only {} with {}", self.tool, self.summary);
            return display::one_line(&exact, display::SUMMARY_MAX);
        }
        self.rules.join(" + ")
    }
}

/// Whether a grant like this would let the request through.
///
/// # Errors
/// `InvalidInput`: it would not, with what to do instead.
pub fn would_hold(policy: &Policy, request: &ToolRequest, live: &Live) -> Result<(), Problem> {
    match policy.evaluate_with(request, &[live]) {
        Verdict::Allow { .. } => Ok(()),
        Verdict::Ask { why } | Verdict::Forward { why } if !live.rules.is_empty() => Err(invalid(
            format!(
                "it would not have allowed what is asked here. {}",
                why.trim_end_matches('.')
            ),
            "Change the rule so that it covers the whole request, or allow it once.",
        )),
        verdict => Err(invalid(
            verdict.why().trim_end_matches('.'),
            "Allow it once; what a rule always asks, no grant allows.",
        )),
    }
}

/// What a grant is made of.
#[derive(Debug)]
pub struct Given<'a> {
    /// A free one.
    pub id: GrantId,
    /// Whose agent asked.
    pub team: &'a TeamName,
    /// In which conversation.
    pub session: SessionId,
    /// With which token; `None`: it has ended.
    pub token: Option<u64>,
    /// What it asked.
    pub request: &'a ToolRequest,
    /// What was offered for that.
    pub offers: &'a Offers,
    /// Who allows it.
    pub human: &'a Human,
    /// When.
    pub now: Timestamp,
}

/// The rules that a scope means for a request.
///
/// # Errors
/// `InvalidInput`: it cannot be granted, with what to do instead.
pub fn rules_of(offers: &Offers, scope: &Scope) -> Result<Vec<Rule>, Problem> {
    let texts = match scope {
        Scope::Exact {} => &offers.exact,
        Scope::Rules { rules } => rules,
        Scope::Tool {} => &offers.tool,
    };
    if texts.is_empty() {
        return Err(invalid(
            "no rule can say that",
            "Choose another scope, or allow it once.",
        ));
    }
    if texts.len() > RULES_MAX {
        return Err(invalid(
            format!("more than {RULES_MAX} rules at once"),
            "Grant less, or write the rules into the config.",
        ));
    }
    let parse = |text: &String| {
        Rule::parse(text).map_err(|error| invalid(error.to_string(), error.hint().to_owned()))
    };
    texts.iter().map(parse).collect()
}

fn covers(request: &ToolRequest, offers: &Offers, scope: &Scope) -> Result<Covers, Problem> {
    if request.is_question() {
        return Err(invalid(
            "a question is answered, not granted",
            "Answer it here; the next one is another question.",
        ));
    }
    match scope {
        // Byte for byte, so also where no rule can say it.
        Scope::Exact {} => Ok(Covers::Exact {
            tool: request.tool.clone(),
            digest: digest_of(&canonical(&request.input)),
        }),
        Scope::Rules { .. } | Scope::Tool {} => rules_of(offers, scope).map(Covers::Rules),
    }
}

/// The scopes that can be granted for a request. A list that is empty cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Offers {
    /// Whether anything can be granted: not where a rule always asks, and not for a question.
    pub input: bool,
    /// The rule for just this input; a grant needs none.
    pub exact: Vec<String>,
    /// What is usually meant.
    pub suggested: Vec<String>,
    /// Every use of the tool.
    pub tool: Vec<String>,
}

impl Offers {
    /// What this policy would let a grant do for the request.
    pub fn of(policy: &Policy, request: &ToolRequest) -> Self {
        let would_hold = |rules: Vec<Rule>, exact: Option<(String, String)>| {
            let trial = Live {
                rules,
                exact,
                ..Live::default()
            };
            matches!(
                policy.evaluate_with(request, &[&trial]),
                Verdict::Allow {
                    by: AllowedBy::Grant(_),
                    ..
                }
            )
        };
        let exact = (request.tool.clone(), digest_of(&canonical(&request.input)));
        if request.is_question() || !would_hold(Vec::new(), Some(exact)) {
            return Self::default();
        }
        let usable = |texts: Vec<String>| {
            let rules: Result<Vec<Rule>, _> = texts.iter().map(|text| Rule::parse(text)).collect();
            if !texts.is_empty() && rules.is_ok_and(|rules| would_hold(rules, None)) {
                texts
            } else {
                Vec::new()
            }
        };
        let suggestions = suggest(request);
        Self {
            input: true,
            exact: usable(suggestions.exact),
            suggested: usable(suggestions.suggested),
            tool: usable(vec![suggestions.tool]),
        }
    }
}

fn later(now: Timestamp, minutes: u32) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_mins(i64::from(minutes)))
        .unwrap_or(now)
}

fn invalid(why: impl Into<String>, hint: impl Into<String>) -> Problem {
    let why = why.into();
    Problem::new(
        Code::InvalidInput,
        format!("This cannot be granted: {why}."),
        hint,
    )
}

#[cfg(test)]
mod tests;
