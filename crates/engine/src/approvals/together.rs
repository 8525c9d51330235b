//! One answer of a human for several approvals that they saw together.

use std::collections::HashSet;

use futures::future::join_all;
use iris_domain::{
    Problem,
    approval::{NotAnswered, TOGETHER_MAX, Together, likeness, not_alike},
    decision::{Answer, Human},
    grant::Offers,
    ids::ApprovalId,
    problem::Code,
    snapshot::EndedApproval,
};

use super::Approvals;

impl Approvals {
    /// Gives these approvals one answer. Each is decided by itself: once, with its own row, or not at
    /// all. To be allowed together they must be alike ([`likeness`]), also by the rules as they are now:
    /// what a rule always asks a human for is left to wait.
    ///
    /// # Errors
    /// `InvalidInput`: they are too many, or the answer is not one for several. What keeps a single one from
    /// being answered is told in [`Together::not`].
    pub async fn answer_together(
        &self,
        mut ids: Vec<ApprovalId>,
        answer: Answer,
        human: Human,
    ) -> Result<Together, Problem> {
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        if ids.len() > TOGETHER_MAX {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("{} approvals cannot be answered at once.", ids.len()),
                format!("Answer at most {TOGETHER_MAX} together."),
            ));
        }
        let allows = match &answer {
            Answer::Allow {
                input: None,
                remember: None,
            } => true,
            Answer::Allow { .. } => {
                return Err(Problem::new(
                    Code::InvalidInput,
                    "Several approvals are allowed once and as they are.",
                    "Edit or grant one of them by itself.",
                ));
            }
            Answer::Deny { .. } => false,
        };
        let first = ids.iter().find_map(|id| self.waiting(id).ok());
        let common = first.and_then(|view| view.like.clone());
        let one = async |id: ApprovalId| {
            if allows {
                self.is_alike(&id, common.as_deref()).await?;
            }
            self.answer(id, answer.clone(), human.clone()).await
        };
        let outcomes = join_all(ids.iter().map(|id| one(id.clone()))).await;
        let mut together = Together {
            answered: Vec::new(),
            not: Vec::new(),
        };
        for (id, outcome) in ids.into_iter().zip(outcomes) {
            let outcome: Result<EndedApproval, Problem> = outcome;
            match outcome {
                Ok(ended) => together.answered.push(ended),
                Err(problem) => together.not.push(NotAnswered { id, problem }),
            }
        }
        Ok(together)
    }

    /// Whether it has this in common with the others. One that does not wait is not looked at: who answers
    /// it is told why.
    async fn is_alike(&self, id: &ApprovalId, common: Option<&str>) -> Result<(), Problem> {
        let Ok(view) = self.waiting(id) else {
            return Ok(());
        };
        if common.is_none() || view.like.as_deref() != common {
            return Err(not_alike(id));
        }
        let (team, request) = self.request(id, None)?;
        let policy = self.policy_knowing(&team, &request).await?;
        let now = likeness(&team, &request, &Offers::of(&policy, &request));
        if now.as_deref() == common {
            Ok(())
        } else {
            Err(not_alike(id))
        }
    }
}
