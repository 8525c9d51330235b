//! What would come of other rules: of a grant while a human chooses it, of a draft of the config.

use std::{sync::Arc, time::Duration};

use iris_domain::{
    Problem,
    audit::{Filter, Kind},
    config,
    decision::RuleList,
    grant::{Live, Scope, rules_of, would_hold},
    ids::{ApprovalId, TeamName},
    policy::{IRIS, IRIS_TOOLS, Policy},
    problem::Code,
    replay::{self, Consequences, Edited, Explained, PREVIEW_MAX, Past, Preview, Replay},
    request::{ToolRequest, canonical, digest_of},
};
use serde_json::Value;

use crate::{
    Engine,
    approvals::no_such_team,
    config_file::{CommonEdit, TeamEdit},
    store::{AuditQuery, Store},
};

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
        let offers = self.approvals.offers(id, input.clone()).await?;
        let (team, request) = self.approvals.request(id, input)?;
        let policy = self.approvals.policy_knowing(&team, &request).await?;
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
        let looks = self.approvals.policy(&team)?;
        let past = self.past(&team, PREVIEW_MAX).await?;
        let matched = off_thread(move || replay::matched(&looks, &live, &past)).await?;
        let config = if texts.is_empty() {
            None
        } else {
            let list = RuleList::AutoApprove;
            let edited = self.config.preview_rules(team, list, texts.clone());
            let (before, after) = edited.await?;
            Some(shown(&before, &after)?)
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

    /// What would happen to this request of the team's agents, and why. Of the grants those count that hold
    /// for the whole team. Nothing is recorded.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub async fn explain(
        &self,
        team: &TeamName,
        request: &ToolRequest,
    ) -> Result<Explained, Problem> {
        let verdict = self.approvals.verdict(team, request).await?;
        Ok(Explained::of(&verdict))
    }

    /// The last requests against the text of a config that does not hold yet; `team`: only its own.
    ///
    /// # Errors
    /// `Config`: the draft has errors; `NotFound`: there is no such team; `Storage`: the log cannot be
    /// read; `Timeout`: a disk does not answer.
    pub async fn replay(
        &self,
        draft: &str,
        team: Option<TeamName>,
        at_most: u32,
    ) -> Result<Replay, Problem> {
        let parsed = config::parse(draft, |name| self.env.text(name).map(str::to_owned));
        let draft = parsed.config.ok_or_else(|| match parsed.problems.first() {
            Some(first) => Problem::new(Code::Config, format!("the draft, {first}"), &*first.hint),
            None => Problem::new(Code::Config, "the draft has errors", "Mend it."),
        })?;
        let rules = Rules {
            now: self.approvals.policies_now(),
            then: self.approvals.policies_of(draft),
        };
        replay(&self.store, team, at_most, rules).await
    }

    /// What would come of an edit of the team: for its last requests, and in the config file.
    ///
    /// # Errors
    /// As the edit itself, and as [`Engine::replay`].
    pub async fn preview_team(
        &self,
        name: TeamName,
        edit: TeamEdit,
    ) -> Result<Consequences, Problem> {
        // Its requests are known by the name that it has.
        let unnamed = TeamEdit {
            name: None,
            ..edit.clone()
        };
        let (_, draft) = self.config.preview_team(name.clone(), unnamed).await?;
        let (before, after) = self.config.preview_team(name.clone(), edit).await?;
        let replay = self.replay(&draft, Some(name), PREVIEW_MAX).await?;
        consequences(replay, &before, &after)
    }

    /// What would come of other rules for all teams: for the last requests of all, and in the config file.
    ///
    /// # Errors
    /// As the edit itself, and as [`Engine::replay`].
    pub async fn preview_common(&self, edit: CommonEdit) -> Result<Consequences, Problem> {
        let (before, after) = self.config.preview_common(edit).await?;
        let replay = self.replay(&after, None, PREVIEW_MAX).await?;
        consequences(replay, &before, &after)
    }

    async fn past(&self, team: &TeamName, at_most: u32) -> Result<Vec<Past>, Problem> {
        let mut history = History::of(&self.store, Some(team.to_string()), at_most);
        let mut all = Vec::new();
        while let Some(some) = history.next().await? {
            all.extend(some);
        }
        Ok(all)
    }
}

fn consequences(replay: Replay, before: &str, after: &str) -> Result<Consequences, Problem> {
    Ok(Consequences {
        replay: replay.riskiest_first(),
        config: shown(before, after)?,
    })
}

/// The config's text for a surface. It is good, so it can be read; fail closed all the same.
fn shown(before: &str, after: &str) -> Result<Edited, Problem> {
    let both = config::shown(before).zip(config::shown(after));
    let (before, after) = both.ok_or_else(|| {
        Problem::new(
            Code::Config,
            "the config file cannot be shown",
            "Look at it yourself; `iris config check` says what is wrong with it.",
        )
    })?;
    Ok(Edited { before, after })
}

/// A request as `iris explain` takes it. The bare name of a tool of Iris is meant as in a rule.
///
/// # Errors
/// `InvalidInput`.
pub fn request(tool: &str, input: Value) -> Result<ToolRequest, Problem> {
    let tool = if IRIS_TOOLS.contains(&tool) {
        format!("{IRIS}{tool}")
    } else {
        tool.to_owned()
    };
    ToolRequest::new(tool, input, "explain".to_owned()).map_err(|error| {
        Problem::new(
            Code::InvalidInput,
            format!("no agent can ask that: {error}"),
            "Give the tool's name, such as `Bash`, and its input as a JSON object, such as {\"command\":\"ls\"}.",
        )
    })
}

/// Two sets of policies, by team.
pub struct Rules<N, T> {
    /// Those that hold.
    pub now: N,
    /// Those of a draft.
    pub then: T,
}

/// The last requests on record (0: all) under two sets of policies; `team`: only its own.
///
/// # Errors
/// `NotFound`: neither set has this team; `Storage`: the log cannot be read; `Timeout`: a disk does not
/// answer.
pub async fn replay<N, T>(
    store: &Store,
    team: Option<TeamName>,
    at_most: u32,
    rules: Rules<N, T>,
) -> Result<Replay, Problem>
where
    N: Fn(&TeamName) -> Option<Arc<Policy>> + Send + Sync + 'static,
    T: Fn(&TeamName) -> Option<Arc<Policy>> + Send + Sync + 'static,
{
    if let Some(team) = &team
        && (rules.now)(team).is_none()
        && (rules.then)(team).is_none()
    {
        return Err(no_such_team(team));
    }
    let rules = Arc::new(rules);
    let mut history = History::of(store, team.map(|team| team.to_string()), at_most);
    let mut replay = Replay::default();
    while let Some(some) = history.next().await? {
        let rules = Arc::clone(&rules);
        replay = off_thread(move || {
            for past in &some {
                let team = &past.seen.team;
                let (now, then) = ((rules.now)(team), (rules.then)(team));
                replay.add(past, now.as_deref(), then.as_deref());
            }
            replay
        })
        .await?;
    }
    Ok(replay)
}

/// Rows that are read at once: a log of any length is never in memory as a whole.
const PAGE: u32 = 1_000;

/// The requests on record, newest first, some at a time.
struct History<'s> {
    store: &'s Store,
    filter: Filter,
    before: Option<u64>,
    /// `None`: all.
    left: Option<usize>,
}

impl<'s> History<'s> {
    /// At most so many; 0: all.
    fn of(store: &'s Store, team: Option<String>, at_most: u32) -> Self {
        let left = usize::try_from(at_most).unwrap_or(usize::MAX);
        Self {
            store,
            filter: Filter {
                team,
                kind: Some(Kind::Permission),
                ..Filter::default()
            },
            before: None,
            left: (left > 0).then_some(left),
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<Past>>, Problem> {
        while self.left != Some(0) {
            let query = AuditQuery {
                filter: self.filter.clone(),
                before: self.before,
                after: None,
                limit: Some(PAGE),
            };
            let rows = self.store.audit(query).await;
            let rows = rows.map_err(|error| error.problem())?;
            let Some(last) = rows.last() else {
                return Ok(None);
            };
            self.before = Some(last.seq);
            let mut some: Vec<Past> = rows.iter().filter_map(Past::of).collect();
            if let Some(left) = &mut self.left {
                some.truncate(*left);
                *left -= some.len();
            }
            if !some.is_empty() {
                return Ok(Some(some));
            }
        }
        Ok(None)
    }
}

/// How long rules may be tried on one page of requests. It takes milliseconds, unless a disk hangs that
/// paths lead to.
const TRIAL_LIMIT: Duration = Duration::from_secs(30);

/// Hundreds of commands are taken apart, and paths are looked up: not on the thread that serves calls.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    match tokio::time::timeout(TRIAL_LIMIT, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Problem::new(
            Code::Internal,
            format!("the rules could not be tried: {error}"),
            "This is a defect in Iris; please report it with the log.",
        )),
        Err(_) => Err(Problem::new(
            Code::Timeout,
            format!("the rules could not be tried within {TRIAL_LIMIT:?}"),
            "A disk that the paths of old requests lead to does not answer. Try again when it does.",
        )),
    }
}
