//! `team_wake_all`.

use futures::{StreamExt as _, stream};
use iris_domain::{Problem, ids::TeamName, problem::Code, snapshot::Snapshot};
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Name, Tools, result,
    teams::{count, milliseconds, now},
};
use crate::tokens::Caller;

/// How many agents start at the same time: each takes a processor for about a second, and half a
/// gigabyte of memory for longer.
const AT_ONCE: usize = 2;
/// The same with `parallel`.
const AT_ONCE_PARALLEL: usize = 8;

/// Of `team_wake_all`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// Starts eight at the same time instead of two. Default: false.
    #[serde(default)]
    parallel: bool,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

/// Of `team_wake_all`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Woken {
    message: String,
    /// By name.
    teams: Vec<One>,
    summary: Summary,
    /// Milliseconds.
    duration: i64,
    /// Milliseconds since 1970.
    timestamp: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct One {
    team: String,
    /// `awake`: it was, or is now; `failed`.
    status: &'static str,
    /// Why it is not, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Summary {
    total: i64,
    already_awake: i64,
    woken: i64,
    failed: i64,
}

enum Outcome {
    Awake,
    Woken,
    Failed(Problem),
}

impl Tools {
    /// `team_wake_all`: the teams that the caller may wake, but itself.
    pub(super) async fn wake_all(
        &self,
        caller: &Caller,
        arguments: Result<Arguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let Arguments {
            parallel,
            from_team,
        } = arguments?;
        let me = self.acting(caller, Name::TeamWakeAll, from_team.as_deref())?;
        let begun = Instant::now();
        let teams = others(&self.snapshot.borrow(), caller);
        let at_once = if parallel { AT_ONCE_PARALLEL } else { AT_ONCE };
        // None that runs gives way to one that is only woken because all are.
        let mut free = self.teams.free_places();
        let mut planned = Vec::with_capacity(teams.len());
        for team in teams {
            let known = match self.may(caller, Name::TeamWakeAll, &team) {
                Err(problem) => Some(Outcome::Failed(problem)),
                Ok(()) if self.teams.is_awake(&me, &team) => Some(Outcome::Awake),
                Ok(()) if free == 0 => Some(Outcome::Failed(no_place())),
                Ok(()) => {
                    free -= 1;
                    None
                }
            };
            planned.push((team, known));
        }
        let wakes = planned.into_iter().map(|(team, known)| {
            let me = me.clone();
            async move {
                let outcome = match known {
                    Some(known) => known,
                    None => match self.teams.wake(me, team.clone()).await {
                        Ok(_) => Outcome::Woken,
                        Err(problem) => Outcome::Failed(problem),
                    },
                };
                (team, outcome)
            }
        });
        let done: Vec<(TeamName, Outcome)> = stream::iter(wakes).buffered(at_once).collect().await;
        let counted = |of: fn(&Outcome) -> bool| count(done.iter().filter(|(_, o)| of(o)).count());
        let summary = Summary {
            total: count(done.len()),
            already_awake: counted(|o| matches!(o, Outcome::Awake)),
            woken: counted(|o| matches!(o, Outcome::Woken)),
            failed: counted(|o| matches!(o, Outcome::Failed(_))),
        };
        result(&Woken {
            message: format!(
                "Of {} teams {} were awake, {} were woken, {} failed.",
                summary.total, summary.already_awake, summary.woken, summary.failed
            ),
            teams: done.into_iter().map(one).collect(),
            summary,
            duration: milliseconds(begun.elapsed()),
            timestamp: now(),
        })
    }
}

fn others(snapshot: &Snapshot, caller: &Caller) -> Vec<TeamName> {
    let teams = snapshot.teams.iter().map(|team| &team.name);
    let others = teams.filter(|name| match caller {
        Caller::Agent(asker) => asker.team != **name,
        Caller::Console => true,
    });
    others.cloned().collect()
}

fn no_place() -> Problem {
    Problem::new(
        Code::Busy,
        "no more agents may run at the same time",
        "Put a team to sleep, or have the user raise `settings.maxProcesses`.",
    )
}

fn one((team, outcome): (TeamName, Outcome)) -> One {
    let (status, error) = match outcome {
        Outcome::Awake | Outcome::Woken => ("awake", None),
        Outcome::Failed(problem) => ("failed", Some(problem.in_one_text())),
    };
    One {
        team: team.into(),
        status,
        error,
    }
}
