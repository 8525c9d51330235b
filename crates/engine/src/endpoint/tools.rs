//! The tools: their names, their schemas, and who may call which.

mod agent;
mod date;
mod forwarded;
mod logs;
mod messages;
mod names;
mod permission;
mod progress;
mod report;
mod said;
mod session;
mod teams;
mod wake_all;
mod wire;

use std::{path::PathBuf, sync::Arc};

use iris_domain::{
    Problem,
    decision::{Decision, DeniedBy},
    ids::{Party, TeamName},
    problem::Code,
    request::ToolRequest,
    snapshot::Snapshot,
};
pub(super) use names::Name;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    callbacks::{Callbacks, Refused},
    refusals::Refusals,
};
use crate::{
    agents::Agents, approvals::Approvals, claude::SERVER, clock, metrics::Metrics, teams::Teams,
    tokens::Caller, transcripts::Transcripts,
};

/// What the tools work on.
pub(super) struct Tools {
    /// Counts the calls.
    pub metrics: Metrics,
    /// Decides permission requests.
    pub approvals: Approvals,
    /// Knows the kinds of agents.
    pub agents: Agents,
    /// Wakes, sleeps and messages teams.
    pub teams: Teams,
    /// What was said in conversations.
    pub transcripts: Transcripts,
    /// The state of everything.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Where the log files are.
    pub logs: PathBuf,
    /// Refused calls are audit rows.
    pub refusals: Refusals,
    /// What agents may call, and how often.
    pub callbacks: Callbacks,
}

/// No arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Tools {
    /// Runs a tool for a caller.
    pub(super) async fn call(
        &self,
        caller: &Caller,
        name: Name,
        arguments: JsonObject,
    ) -> CallToolResult {
        // Boxed here, and once: each layer above would have the size of the largest tool, twice that of
        // the layer below it, and be copied from hand to hand.
        let result = Box::pin(self.run(caller, name, arguments)).await;
        let worked = result.is_error != Some(true);
        self.metrics.called(name.as_str(), worked);
        result
    }

    async fn run(&self, caller: &Caller, name: Name, arguments: JsonObject) -> CallToolResult {
        let arguments = match self.admit(caller, name, arguments).await {
            Ok(arguments) => arguments,
            Err(problem) => return failed(name, &problem),
        };
        let done = match name {
            Name::PermissionsApprove => return permission::approve(self, caller, arguments).await,
            Name::PermissionsPending => {
                read(name, arguments).and_then(|Nothing {}| self.forwarded_to(caller, name))
            }
            Name::PermissionsDecide => self.decide(caller, name, read(name, arguments)).await,
            Name::ListTeams => read(name, arguments)
                .and_then(|Nothing {}| result(&teams::list(&self.snapshot.borrow()))),
            Name::TeamStatus => self.status(caller, read(name, arguments)).await,
            Name::TeamWake | Name::TeamLaunch => {
                self.wake(caller, name, read(name, arguments)).await
            }
            Name::TeamSleep => self.sleep(caller, read(name, arguments)).await,
            Name::TeamWakeAll => self.wake_all(caller, read(name, arguments)).await,
            Name::SendMessage | Name::AskMessage => {
                self.send(caller, name, read(name, arguments)).await
            }
            Name::QuickMessage => {
                let quick = read::<messages::QuickArguments>(name, arguments);
                self.send(caller, name, quick.map(Into::into)).await
            }
            Name::MessageStatus => self.message_status(caller, read(name, arguments)).await,
            Name::SessionReport => self.session_report(caller, read(name, arguments)).await,
            Name::SessionCancel => self.session_cancel(caller, read(name, arguments)).await,
            Name::SessionFork => self.fork(caller, read(name, arguments)).await,
            Name::SessionReboot => self.reboot(caller, read(name, arguments)).await,
            Name::SessionDelete => self.delete(caller, read(name, arguments)).await,
            Name::GetAgent => self.agent(caller, read(name, arguments)).await,
            Name::GetLogs => self.logs(caller, read(name, arguments)).await,
            Name::GetDate => {
                read(name, arguments).and_then(|Nothing {}| result(&date::Date::of(clock::now())))
            }
        };
        done.unwrap_or_else(|problem| failed(name, &problem))
    }

    /// What the caller's team may call, and its rules, on arrival: whether its permission prompt was
    /// asked first is the caller's word only. What a human must allow waits for them here, unless they
    /// just did so at the prompt. The prompt itself may always be asked.
    async fn admit(
        &self,
        caller: &Caller,
        name: Name,
        arguments: JsonObject,
    ) -> Result<JsonObject, Problem> {
        let Caller::Agent(asker) = caller else {
            return Ok(arguments);
        };
        if name == Name::PermissionsApprove {
            return Ok(arguments);
        }
        self.callbacks
            .admit(&asker.team, name.as_str())
            .map_err(|refused| self.refused(caller, name, refused))?;
        let tool = format!("mcp__{SERVER}__{}", name.as_str());
        let request = ToolRequest::new(tool, Value::Object(arguments), "direct".to_owned())
            .map_err(|error| unusable(name, &error.to_string()))?;
        if let Some(Decision::Deny { by, message }) =
            self.approvals.arrived(asker, request.clone()).await
        {
            if let DeniedBy::Rule(..) | DeniedBy::Mode(_) = by {
                self.callbacks.failed(caller);
            }
            return Err(Problem::new(
                Code::Forbidden,
                message,
                "Use another tool, or say what you need this one for.",
            ));
        }
        match request.input {
            Value::Object(arguments) => Ok(arguments),
            // `new` takes objects only.
            _ => Err(unusable(name, "they are no object")),
        }
    }

    /// As whom the caller acts; a lie about it counts against its team.
    fn acting(
        &self,
        caller: &Caller,
        name: Name,
        from_team: Option<&str>,
    ) -> Result<Party, Problem> {
        acting(&self.refusals, caller, name, from_team)
            .inspect_err(|_| self.callbacks.failed(caller))
    }

    /// As whom the caller acts on that team, if it may use this tool on it.
    fn pair(
        &self,
        caller: &Caller,
        name: Name,
        from_team: Option<&str>,
        target: &TeamName,
    ) -> Result<Party, Problem> {
        let me = self.acting(caller, name, from_team)?;
        self.may(caller, name, target)?;
        Ok(me)
    }

    /// Whether this caller may use this tool on that team: decided on arrival, whatever the
    /// caller's own permission prompt said.
    fn may(&self, caller: &Caller, name: Name, target: &TeamName) -> Result<(), Problem> {
        not_itself(&self.refusals, caller, name, target)?;
        self.may_see(caller, name, target)
    }

    /// The same for a tool that only reads: a team may look at itself.
    fn may_see(&self, caller: &Caller, name: Name, target: &TeamName) -> Result<(), Problem> {
        let Caller::Agent(asker) = caller else {
            return Ok(());
        };
        self.callbacks
            .target(&asker.team, name.as_str(), target)
            .map_err(|refused| self.refused(caller, name, refused))
    }

    /// Writes a refusal down, and counts it where it was for want of a right.
    fn refused(&self, caller: &Caller, name: Name, refused: Refused) -> Problem {
        let Refused { why, problem } = refused;
        self.refusals
            .call(caller, name.as_str(), why, &problem.message);
        if why == Refused::RIGHT {
            self.callbacks.failed(caller);
        }
        problem
    }
}

fn unusable(name: Name, why: &str) -> Problem {
    Problem::new(
        Code::InvalidInput,
        format!("the arguments of {} cannot be used: {why}", name.as_str()),
        "The tool's input schema says what it takes.",
    )
}

/// As whom the caller acts. Identity comes from the token: a `fromTeam` that says otherwise is
/// refused (and written down), not believed.
fn acting(
    refusals: &Refusals,
    caller: &Caller,
    name: Name,
    from_team: Option<&str>,
) -> Result<Party, Problem> {
    let party = caller.party();
    match from_team {
        Some(said) if said != party.to_string() => {
            let problem = Problem::new(
                Code::Forbidden,
                format!("fromTeam says {said:?}, but this call comes from {party}"),
                "Leave fromTeam out: Iris knows who calls.",
            );
            refusals.call(caller, name.as_str(), "identity", &problem.message);
            Err(problem)
        }
        Some(_) | None => Ok(party),
    }
}

/// No team uses such a tool on itself.
fn not_itself(
    refusals: &Refusals,
    caller: &Caller,
    name: Name,
    target: &TeamName,
) -> Result<(), Problem> {
    match caller {
        Caller::Agent(asker) if asker.team == *target => {
            let problem = Problem::new(
                Code::Forbidden,
                format!("{target} cannot use {} on itself", name.as_str()),
                "Name another team; list_teams shows them.",
            );
            refusals.call(caller, name.as_str(), "self", &problem.message);
            Err(problem)
        }
        Caller::Agent(_) | Caller::Console => Ok(()),
    }
}

/// The arguments of a call, checked against their type.
fn read<A: DeserializeOwned>(name: Name, arguments: JsonObject) -> Result<A, Problem> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| unusable(name, &error.to_string()))
}

/// A tool's result: structured, and the same as text.
fn result(output: &impl Serialize) -> Result<CallToolResult, Problem> {
    match serde_json::to_value(output) {
        Ok(value) => Ok(CallToolResult::structured(value)),
        Err(error) => Err(Problem::new(
            Code::Internal,
            format!("the result could not be written as JSON: {error}"),
            "Please report this.",
        )),
    }
}

/// What the model reads when a tool did not do what was asked.
fn failed(name: Name, problem: &Problem) -> CallToolResult {
    let text = json!({
        "error": problem.message,
        "hint": problem.hint,
        "code": problem.code,
        "tool": name.as_str(),
    });
    CallToolResult::error(vec![ContentBlock::text(text.to_string())])
}

#[cfg(test)]
mod tests;
