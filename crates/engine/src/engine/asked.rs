//! What a person asks for that concerns more than one owner.

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    decision::{AllowedBy, Answer, Human, RuleList},
    grant::{Lifetime, Live, Remember, rules_of, would_hold},
    ids::{ApprovalId, Party},
    snapshot::EndedApproval,
    target::Target,
};
use serde_json::json;

use super::Engine;
use crate::{clock, config_file::RemoteOptionsEdit, ssh::Resolved};

impl Engine {
    /// What `ssh -G` says of a host as it would be written into a team's config: nothing is connected,
    /// nothing is written.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub async fn resolve_host(
        &self,
        remote: &str,
        options: RemoteOptionsEdit,
    ) -> Result<Resolved, Problem> {
        let template = self.config.watch().borrow().settings.defaults.clone();
        let template = template.and_then(|it| it.remote_options);
        let options = options.onto(template.unwrap_or_default());
        let target = Target::of(remote, Some(&options)).map_err(|error| error.problem())?;
        let resolved = self.links.ssh().resolve(&target).await;
        resolved.map_err(|failure| failure.problem(target.destination()))
    }

    /// A human's answer, on whichever surface. What is to be allowed always becomes a rule in the
    /// team's config once the answer has decided: who comes too late changes no rules.
    ///
    /// # Errors
    /// As for [`crate::approvals::Approvals::answer`]; and what kept the rule out of the config, while the one call
    /// was allowed.
    pub async fn answer(
        &self,
        id: ApprovalId,
        answer: Answer,
        human: Human,
    ) -> Result<EndedApproval, Problem> {
        let Answer::Allow {
            input,
            remember:
                Some(Remember {
                    what,
                    until: Lifetime::Always {},
                }),
        } = &answer
        else {
            return self.approvals.answer(id, answer, human).await;
        };
        if let Some(problem) = self.config.problem().borrow().clone() {
            let message = format!("No rule can be written now: {}", problem.message);
            return Err(Problem { message, ..problem });
        }
        let offers = self.approvals.offers(&id, input.clone())?;
        let rules = rules_of(&offers, what)?;
        let request = self.approvals.request(&id, input.clone())?;
        let policy = self.approvals.policy(&request.0)?;
        would_hold(&policy, &request.1, &Live::of_rules(rules.clone()))?;
        let rules: Vec<String> = rules.iter().map(|rule| rule.text().to_owned()).collect();
        let by = AllowedBy::Human(human.clone()).to_string();
        let ended = self.approvals.answer(id, answer, human).await?;
        let written = self
            .config
            .add_rules(ended.team.clone(), RuleList::AutoApprove, rules.clone())
            .await;
        if let Err(problem) = written {
            let message = format!(
                "It was allowed this once, but the rule could not be written: {}",
                problem.message
            );
            return Err(Problem { message, ..problem });
        }
        self.note(Draft {
            caller: Party::CONSOLE.to_owned(),
            team: ended.team.to_string(),
            input: json!({ "approval": ended.id, "list": RuleList::AutoApprove, "rules": rules }),
            decided_by: by,
            ..Draft::event(clock::now(), Kind::Operation, "rule.added")
        })
        .await;
        Ok(ended)
    }
}
