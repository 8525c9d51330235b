//! What a human grants beyond one answer: offered, taken back, extended; and what was missed.

use iris_domain::{
    Problem,
    approval::not_missed,
    audit::{Draft, Kind},
    decision::{AllowedBy, Human, who},
    grant::{GrantView, Offers},
    ids::{ApprovalId, GrantId, Party, SessionId, TeamName},
    policy::Policy,
    problem::Code,
    request::ToolRequest,
    snapshot::MissedView,
};
use serde_json::{Value, json};

use super::{Approvals, GONE, owner::Message};
use crate::clock;

impl Approvals {
    /// What can be granted with an answer to this approval, with this input in place of its own.
    ///
    /// # Errors
    /// `NotFound`; `InvalidInput`: it is no input of a tool; `Storage`: a disk does not answer.
    pub async fn offers(&self, id: &ApprovalId, input: Option<Value>) -> Result<Offers, Problem> {
        let approval = self.waiting(id)?;
        if input.is_none() {
            return Ok(approval.offers.clone());
        }
        let (team, request) = self.request(id, input)?;
        let policy = self.policy_knowing(&team, &request).await?;
        Ok(Offers::of(&policy, &request))
    }

    /// What runs if this approval is answered with this input in place of its own, and whose agent asks.
    ///
    /// # Errors
    /// `NotFound`; `InvalidInput`: it is no input of a tool.
    pub fn request(
        &self,
        id: &ApprovalId,
        input: Option<Value>,
    ) -> Result<(TeamName, ToolRequest), Problem> {
        let approval = self.waiting(id)?;
        let input = input.unwrap_or_else(|| approval.input.clone());
        let request = ToolRequest::new(approval.tool.clone(), input, "edited".to_owned());
        let request = request.map_err(|error| {
            Problem::new(
                Code::InvalidInput,
                format!("The edited input cannot be used: {error}."),
                "Give the whole input as a JSON object, as it is shown, with your changes.",
            )
        })?;
        Ok((approval.team.clone(), request))
    }

    /// The team's policy, knowing where the paths of this request lead.
    ///
    /// # Errors
    /// `NotFound`: there is no such team; `Storage`: a disk does not answer.
    pub(crate) async fn policy_knowing(
        &self,
        team: &TeamName,
        request: &ToolRequest,
    ) -> Result<Policy, Problem> {
        let policy = self.policy(team)?;
        let seen = self.looks.seen(team, &policy, |p| p.look(request)).await;
        seen.certain().map(|(_, policy)| policy)
    }

    /// A human allows the agent's next try of a request that was missed, once, within
    /// [`iris_domain::approval::NEXT_TRY`].
    ///
    /// # Errors
    /// `NotFound`; `Forbidden`: a deny rule holds against it; `Storage`: a disk does not answer, or it could
    /// not be recorded, so nothing is allowed.
    pub async fn allow_missed(&self, id: ApprovalId, human: Human) -> Result<MissedView, Problem> {
        let missed = self.view.borrow().missed.clone();
        let Some(view) = missed.into_iter().find(|missed| missed.id == id) else {
            return Err(not_missed(&id));
        };
        let request = ToolRequest {
            tool: view.tool.clone(),
            input: view.input.clone(),
            tool_use_id: String::new(),
        };
        let by = match self.policies.now().of(&view.team) {
            None => Some(GONE.to_owned()),
            Some(policy) => {
                let denies = |policy: &Policy| policy.denies(&request);
                let seen = self.looks.seen(&view.team, &policy, denies).await;
                let (denied, _) = seen.certain()?;
                denied.map(|(by, _)| who(&by.to_string()))
            }
        };
        if let Some(by) = by {
            return Err(Problem::new(
                Code::Forbidden,
                format!("It cannot be allowed: {by} forbids it."),
                "Change the team's approvalPolicy first.",
            ));
        }
        let by = AllowedBy::Human(human.clone()).to_string();
        let details = json!({ "approval": id, "tool": view.tool, "input": view.input });
        self.operation(
            "missed.allowed",
            &view.team,
            Some(view.session),
            &by,
            details,
        )
        .await?;
        self.missed(id, Some(human)).await
    }

    /// A human does not want to see a missed request any more.
    ///
    /// # Errors
    /// `NotFound`; `Storage`: it is gone, and that could not be recorded.
    pub async fn dismiss_missed(
        &self,
        id: ApprovalId,
        human: Human,
    ) -> Result<MissedView, Problem> {
        let view = self.missed(id, None).await?;
        let by = AllowedBy::Human(human).to_string();
        let details = json!({ "approval": view.id, "tool": view.tool });
        let session = Some(view.session);
        self.operation("missed.dismissed", &view.team, session, &by, details)
            .await?;
        Ok(view)
    }

    async fn missed(&self, id: ApprovalId, allow: Option<Human>) -> Result<MissedView, Problem> {
        let ticket = self.ticket();
        self.asked(|reply| Message::Missed {
            ticket,
            id,
            allow,
            reply,
        })
        .await
    }

    /// Takes a grant back: no request is allowed by it any more.
    ///
    /// # Errors
    /// `NotFound`; `Storage`: it is taken back, and that could not be recorded.
    pub async fn revoke_grant(&self, id: GrantId, human: Human) -> Result<GrantView, Problem> {
        let view = self.asked(|reply| Message::Revoke(id, reply)).await?;
        let by = AllowedBy::Human(human).to_string();
        self.note(view.row("grant.revoked", &by, clock::now(), Value::Null))
            .await?;
        Ok(view)
    }

    /// Gives a grant that ends by the clock five minutes more.
    ///
    /// # Errors
    /// `NotFound`; `Conflict`: it does not end by the clock; `Storage`: it could not be recorded, so it
    /// is taken back.
    pub async fn extend_grant(&self, id: GrantId, human: Human) -> Result<GrantView, Problem> {
        let view = self
            .asked(|reply| Message::Extend(id.clone(), reply))
            .await?;
        let by = AllowedBy::Human(human).to_string();
        let noted = self
            .note(view.row("grant.extended", &by, clock::now(), Value::Null))
            .await;
        if let Err(problem) = noted {
            self.asked(|reply| Message::Revoke(id, reply)).await?;
            return Err(problem);
        }
        Ok(view)
    }

    async fn operation(
        &self,
        event: &str,
        team: &TeamName,
        session: Option<SessionId>,
        by: &str,
        input: Value,
    ) -> Result<(), Problem> {
        self.note(Draft {
            caller: Party::CONSOLE.to_owned(),
            team: team.to_string(),
            session: session.map(|id| id.to_string()).unwrap_or_default(),
            input,
            decided_by: by.to_owned(),
            ..Draft::event(clock::now(), Kind::Operation, event)
        })
        .await
    }

    async fn note(&self, row: Draft) -> Result<(), Problem> {
        let written = self.store.append(row).await;
        written.map(drop).map_err(|error| error.problem())
    }
}
