//! What an answer decides, or why it decides nothing.

use serde_json::Value;

use super::{Book, Entry, Phase, telling};
use crate::{
    Problem,
    decision::{AllowedBy, Answer, Decision, DeniedBy, Human},
    ids::{ApprovalId, SessionId, TeamName},
    policy::{Policy, Verdict},
};

/// What an agent is told with a denial, bytes: more than that is a task, which is sent as a message.
pub const WORDS_MAX: usize = 16 * 1024;

/// Who answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answerer {
    /// A person. What they may allow is bounded by the team's deny rules only.
    Human(Human),
    /// The session that gave the agent its task.
    Session {
        /// Its team.
        team: TeamName,
        /// Its conversation.
        session: SessionId,
        /// What its own policy says to the request: it cannot allow more than it may itself.
        verdict: Box<Verdict>,
        /// Who is asked if it may not decide: the team that gave it its own task.
        above: Option<TeamName>,
    },
}

/// What comes of an answer.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It decides.
    Decided(Decision),
    /// The session may not decide: it goes one up.
    Passed(Option<TeamName>, Problem),
}

impl Book {
    pub(super) fn outcome_of(
        &self,
        id: &ApprovalId,
        answer: Answer,
        by: Answerer,
        policy: Option<&Policy>,
    ) -> Result<Outcome, Problem> {
        let entry = self.waiting_entry(id)?;
        let view = &entry.asked.view;
        if let Answer::Deny {
            message: Some(words),
        } = &answer
            && words.len() > WORDS_MAX
        {
            return Err(telling::too_many_words());
        }
        match (answer, by) {
            (Answer::Deny { message }, Answerer::Human(human)) => Ok(Outcome::Decided(
                telling::tell(DeniedBy::Human(human), &view.tool, message.as_deref()),
            )),
            (Answer::Allow { input, .. }, Answerer::Human(human)) => {
                let edited = entry.allowed(input, policy)?;
                Ok(Outcome::Decided(Decision::Allow {
                    by: AllowedBy::Human(human),
                    edited,
                }))
            }
            (
                answer,
                Answerer::Session {
                    team,
                    session,
                    verdict,
                    above,
                },
            ) => {
                if view.forwarded_to.as_ref() != Some(&team) {
                    return Err(telling::not_forwarded(id));
                }
                match (answer, *verdict) {
                    (Answer::Deny { message }, _) => Ok(Outcome::Decided(telling::tell(
                        DeniedBy::Session(team, session),
                        &view.tool,
                        message.as_deref(),
                    ))),
                    (
                        Answer::Allow { input: Some(_), .. }
                        | Answer::Allow {
                            remember: Some(_), ..
                        },
                        _,
                    ) => Err(telling::once_only(id)),
                    (Answer::Allow { .. }, Verdict::Allow { .. }) => {
                        entry.allowed(None, policy)?;
                        Ok(Outcome::Decided(Decision::Allow {
                            by: AllowedBy::Session(team, session),
                            edited: None,
                        }))
                    }
                    (Answer::Allow { .. }, Verdict::Ask { .. }) => {
                        Ok(Outcome::Passed(None, telling::passed_on(id, None)))
                    }
                    (Answer::Allow { .. }, Verdict::Forward { .. }) => {
                        let told = telling::passed_on(id, above.as_ref());
                        Ok(Outcome::Passed(above, told))
                    }
                    (Answer::Allow { .. }, Verdict::Deny { why, .. }) => {
                        Err(telling::wider_than_own(id, &team, &why))
                    }
                }
            }
        }
    }

    /// The one that waits for an answer.
    pub(super) fn waiting_entry(&self, id: &ApprovalId) -> Result<&Entry, Problem> {
        let Some(entry) = self.entries.get(id) else {
            return Err(match self.ended.iter().find(|ended| ended.id == *id) {
                Some(ended) => telling::already(id, ended.decision, &ended.decided_by),
                None => telling::not_waiting(id),
            });
        };
        match &entry.phase {
            Phase::Keeping => Err(telling::not_waiting(id)),
            Phase::Shown => Ok(entry),
            Phase::Recording { decision, .. } => {
                Err(telling::already(id, decision.verb(), &decision.by()))
            }
        }
    }
}

impl Entry {
    /// The edited input, if it was edited, where nothing forbids what then runs.
    fn allowed(
        &self,
        input: Option<Value>,
        policy: Option<&Policy>,
    ) -> Result<Option<Value>, Problem> {
        let view = &self.asked.view;
        let edited = input.filter(|input| *input != view.input);
        let runs = self.asked.runs(edited.clone())?;
        let Some(policy) = policy else {
            return Err(telling::team_gone(&view.team));
        };
        match policy.denies(&runs) {
            Some((by, _)) => Err(telling::forbidden(&by)),
            None => Ok(edited),
        }
    }
}
