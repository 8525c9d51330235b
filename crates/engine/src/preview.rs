//! What would come of other rules: of a grant while a human chooses it, of a draft of the config.

use iris_domain::{
    Problem,
    config::{Config, Team},
    decision::RuleList,
    grant::{Live, Scope, rules_of, would_hold},
    ids::{ApprovalId, TeamName},
    problem::Code,
    replay::{self, Edited, Explained, PREVIEW_MAX, Past, Preview, Replay},
    request::{ToolRequest, canonical, digest_of},
};
use serde_json::Value;

use crate::{Engine, store::AuditQuery};

impl Engine {
    /// What granting this with an answer would mean.
    ///
    /// # Errors
    /// `NotFound`: nothing waits under this id; `InvalidInput`: it cannot be granted.
    pub async fn preview(
        &self,
        id: &ApprovalId,
        what: &Scope,
        input: Option<Value>,
    ) -> Result<Preview, Problem> {
        let offers = self.approvals.offers(id, input.clone())?;
        let (team, request) = self.approvals.request(id, input)?;
        let policy = self.approvals.policy(&team)?;
        let rules = match what {
            // A grant of one input needs no rule, but `always` does.
            Scope::Exact {} => rules_of(&offers, what).unwrap_or_default(),
            Scope::Rules { .. } | Scope::Tool {} => rules_of(&offers, what)?,
        };
        let texts: Vec<String> = rules.iter().map(|rule| rule.text().to_owned()).collect();
        let live = match what {
            Scope::Exact {} => Live {
                exact: Some((request.tool.clone(), digest_of(&canonical(&request.input)))),
                ..Live::default()
            },
            Scope::Rules { .. } | Scope::Tool {} => Live::of_rules(rules),
        };
        would_hold(&policy, &request, &live)?;
        let past = self.past(Some(&team), PREVIEW_MAX).await?;
        let matched = off_thread(move || replay::matched(&policy, &live, &past)).await?;
        let config = if texts.is_empty() {
            None
        } else {
            let list = RuleList::AutoApprove;
            let edited = self.config.preview_rules(team, list, texts.clone());
            let (before, after) = edited.await?;
            Some(Edited { before, after })
        };
        Ok(Preview {
            rules: if matches!(what, Scope::Exact {}) {
                Vec::new()
            } else {
                texts
            },
            matched,
            config,
        })
    }

    /// What would happen to this request of the team's agents, and why. Nothing is recorded.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub fn explain(&self, team: &TeamName, request: &ToolRequest) -> Result<Explained, Problem> {
        let policy = self.approvals.policy(team)?;
        Ok(Explained::of(&policy.evaluate(request)))
    }

    /// The last requests against a draft of the config.
    ///
    /// # Errors
    /// `Storage`: the log cannot be read.
    pub async fn replay(&self, draft: Config, at_most: u32) -> Result<Replay, Problem> {
        let past = self.past(None, at_most).await?;
        let (now, then) = (
            self.approvals.policies_now(),
            self.approvals.policies_of(draft),
        );
        off_thread(move || {
            let mut replay = Replay::default();
            for past in &past {
                let team = &past.seen.team;
                replay.add(past, now(team).as_deref(), then(team).as_deref());
            }
            replay
        })
        .await
    }

    /// The team's last requests against other rules of its own.
    ///
    /// # Errors
    /// `NotFound`: there is no such team; `Storage`: the log cannot be read.
    pub async fn replay_team(&self, name: &TeamName, team: Team) -> Result<Replay, Problem> {
        let now = self.approvals.policy(name)?;
        let then = self.approvals.policy_of(&team);
        let past = self.past(Some(name), PREVIEW_MAX).await?;
        off_thread(move || {
            let mut replay = Replay::default();
            for past in &past {
                replay.add(past, Some(&now), Some(&then));
            }
            replay
        })
        .await
    }

    async fn past(&self, team: Option<&TeamName>, at_most: u32) -> Result<Vec<Past>, Problem> {
        let query = AuditQuery {
            team: team.map(ToString::to_string),
            limit: (at_most > 0).then_some(at_most),
            ..AuditQuery::default()
        };
        let rows = self.store.audit(query).await;
        let rows = rows.map_err(|error| error.problem())?;
        Ok(rows.iter().filter_map(Past::of).collect())
    }
}

/// Hundreds of commands are taken apart, and paths are looked up: not on the thread that serves calls.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Problem::new(
            Code::Internal,
            format!("the rules could not be tried: {error}"),
            "This is a defect in Iris; please report it with the log.",
        )
    })
}
