//! What the session that gave an agent its task may see and decide of its requests.

use iris_domain::{
    Problem,
    approval::Answerer,
    decision::Answer,
    ids::ApprovalId,
    policy::{Policy, Verdict},
    request::{Asker, ToolRequest},
    snapshot::{ApprovalView, EndedApproval},
};

use super::{Approvals, GONE};

impl Approvals {
    /// What this agent is asked: the requests of the sessions that its team gave a task.
    pub fn forwarded(&self, to: &Asker) -> Vec<ApprovalView> {
        let view = self.view.borrow();
        let mine = view
            .pending
            .iter()
            .filter(|approval| approval.forwarded_to.as_ref() == Some(&to.team));
        mine.map(|it| ApprovalView::clone(it)).collect()
    }

    /// This agent answers one of them. It allows nothing that its own policy would not let it do.
    ///
    /// # Errors
    /// As for [`Approvals::answer`]; `Forbidden` when it is not its to decide, or was passed on.
    pub async fn decide(
        &self,
        by: &Asker,
        id: ApprovalId,
        answer: Answer,
    ) -> Result<EndedApproval, Problem> {
        let asked = self
            .forwarded(by)
            .into_iter()
            .find(|approval| approval.id == id);
        let verdict = match (&asked, self.policies.now().of(&by.team)) {
            (Some(asked), Some(policy)) => {
                let request = ToolRequest {
                    tool: asked.tool.clone(),
                    input: asked.input.clone(),
                    tool_use_id: String::new(),
                };
                let held = self.held_by(by);
                let decide = |policy: &Policy| policy.evaluate_with(&request, &held.refs());
                self.looks.seen(&by.team, &policy, decide).await.verdict()
            }
            // It is told that there is nothing for it, without a word about what there is.
            (None, _) | (_, None) => Verdict::Ask {
                why: GONE.to_owned(),
            },
        };
        let answerer = Answerer::Session {
            team: by.team.clone(),
            session: by.session,
            verdict: Box::new(verdict),
            above: self.above(by),
        };
        self.answered(id, answer, answerer).await
    }
}
