//! The tools: their names, their schemas, and who may call which.

mod agent;
mod date;
mod forwarded;
mod logs;
mod permission;
mod session;
mod teams;
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
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    callbacks::{Callbacks, Refused},
    refusals::Refusals,
    schema,
};
use crate::{
    agents::Agents, approvals::Approvals, claude::SERVER, clock, metrics::Metrics, teams::Teams,
    tokens::Caller,
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
    /// The state of everything.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Where the log files are.
    pub logs: PathBuf,
    /// Refused calls are audit rows.
    pub refusals: Refusals,
    /// What agents may call, and how often.
    pub callbacks: Callbacks,
}

/// A tool's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// Claude Code asks whether a tool may run.
    PermissionsApprove,
    /// What the agents that the caller gave a task want to do.
    PermissionsPending,
    /// Allows or denies one of these.
    PermissionsDecide,
    /// The configured teams.
    ListTeams,
    /// How teams are.
    TeamStatus,
    /// Starts an agent.
    TeamWake,
    /// Ends a team's agents.
    TeamSleep,
    /// Gives a team a task.
    SendMessage,
    /// Begins a new conversation.
    SessionReboot,
    /// Deletes a conversation.
    SessionDelete,
    /// What Iris wrote down about itself.
    GetLogs,
    /// What an agent of a kind is told to be.
    GetAgent,
    /// The time.
    GetDate,
}

impl Name {
    /// What agents see.
    pub(super) const ALL: [Self; 13] = [
        Self::PermissionsApprove,
        Self::PermissionsPending,
        Self::PermissionsDecide,
        Self::ListTeams,
        Self::TeamStatus,
        Self::TeamWake,
        Self::TeamSleep,
        Self::SendMessage,
        Self::SessionReboot,
        Self::SessionDelete,
        Self::GetLogs,
        Self::GetAgent,
        Self::GetDate,
    ];
    /// What the console sees: it asks nobody for permission.
    pub(super) const CONSOLE: [Self; 10] = [
        Self::ListTeams,
        Self::TeamStatus,
        Self::TeamWake,
        Self::TeamSleep,
        Self::SendMessage,
        Self::SessionReboot,
        Self::SessionDelete,
        Self::GetLogs,
        Self::GetAgent,
        Self::GetDate,
    ];

    /// The tool of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// The published name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::PermissionsApprove => "permissions__approve",
            Self::PermissionsPending => "permissions_pending",
            Self::PermissionsDecide => "permissions_decide",
            Self::ListTeams => "list_teams",
            Self::TeamStatus => "team_status",
            Self::TeamWake => "team_wake",
            Self::TeamSleep => "team_sleep",
            Self::SendMessage => "send_message",
            Self::SessionReboot => "session_reboot",
            Self::SessionDelete => "session_delete",
            Self::GetLogs => "get_logs",
            Self::GetAgent => "get_agent",
            Self::GetDate => "get_date",
        }
    }

    /// What clients are told about the tool.
    pub(super) fn definition(self) -> Tool {
        let reads = |title: &str| {
            ToolAnnotations::with_title(title)
                .read_only(true)
                .idempotent(true)
                .open_world(false)
        };
        let acts = |title: &str, destructive, idempotent, open_world| {
            ToolAnnotations::with_title(title)
                .read_only(false)
                .destructive(destructive)
                .idempotent(idempotent)
                .open_world(open_world)
        };
        match self {
            // No output schema: Claude Code takes no answer that has structured content (measured
            // with 2.1.330).
            Self::PermissionsApprove => Tool::new(
                self.as_str(),
                "Asks whether a tool call may run. Decided by the team's rules, or by the human. \
                 For Claude Code's --permission-prompt-tool; only agents that Iris started may ask.",
                schema::of::<permission::Arguments>(),
            )
            .with_annotations(acts("Ask for permission", false, true, false)),
            Self::PermissionsPending => Tool::new(
                self.as_str(),
                "Lists the tool calls for which agents that you gave a task wait for your permission \
                 (teams with grantPermission: forward). Look here when such an agent does not answer.",
                schema::of::<Nothing>(),
            )
            .with_raw_output_schema(schema::of::<forwarded::Pending>())
            .with_annotations(reads("Permissions that wait for you")),
            Self::PermissionsDecide => Tool::new(
                self.as_str(),
                "Allows or denies one tool call from permissions_pending, once and as it is. You can \
                 allow only what your own team's rules let you do yourself; everything else goes on \
                 to the user.",
                schema::of::<forwarded::DecideArguments>(),
            )
            .with_raw_output_schema(schema::of::<forwarded::Decided>())
            .with_annotations(acts("Decide a permission", true, false, false)),
            Self::ListTeams => Tool::new(
                self.as_str(),
                "Lists every configured team.",
                schema::of::<Nothing>(),
            )
            .with_raw_output_schema(schema::of::<wire::TeamList>())
            .with_annotations(reads("List teams")),
            Self::TeamStatus => Tool::new(
                self.as_str(),
                "Tells how the teams are: awake or asleep, what state, how many permission \
                 requests wait for the human.",
                schema::of::<wire::StatusArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Status>())
            .with_annotations(reads("Team status")),
            Self::TeamWake => Tool::new(
                self.as_str(),
                "Starts the team's agent for your conversation with it, and returns when it is \
                 ready. send_message wakes a team by itself.",
                schema::of::<wire::WakeArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Woken>())
            .with_annotations(acts("Wake a team", false, true, false)),
            Self::TeamSleep => Tool::new(
                self.as_str(),
                "Ends every agent process of the team, whoever started it, and returns when they \
                 are gone. Conversations are kept.",
                schema::of::<wire::SleepArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Slept>())
            .with_annotations(acts("Put a team to sleep", true, true, false)),
            Self::SendMessage => Tool::new(
                self.as_str(),
                "Sends a task or question to a team, waking it if need be, and waits for its \
                 answer.",
                schema::of::<wire::SendArguments>(),
            )
            .with_raw_output_schema(schema::of::<wire::Sent>())
            .with_annotations(acts("Send a message", true, false, true)),
            Self::SessionReboot => Tool::new(
                self.as_str(),
                "Begins a new, empty conversation with a team, and returns when it is ready. The old \
                 one stays if that does not work; otherwise it is gone for good. A turn that runs \
                 is ended; messages that wait go to the new conversation.",
                schema::of::<session::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<session::RebootedOut>())
            .with_annotations(acts("Begin a new conversation", true, false, false)),
            Self::SessionDelete => Tool::new(
                self.as_str(),
                "Deletes your conversation with a team for good: its process, messages that wait, \
                 and Claude Code's record of it on the team's host. The next message begins a new \
                 one.",
                schema::of::<session::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<session::DeletedOut>())
            .with_annotations(acts("Delete a conversation", true, true, false)),
            Self::GetLogs => Tool::new(
                self.as_str(),
                "Reads Iris's own log, newest lines at the end: what it did and what went wrong. \
                 An agent sees the lines about its own team and conversation. To find out why \
                 something failed, ask with level [\"warn\", \"error\"] first.",
                schema::of::<logs::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<logs::Logs>())
            .with_annotations(reads("Read the log").idempotent(false)),
            Self::GetAgent => Tool::new(
                self.as_str(),
                "Gives the prompt that makes an agent a specialist (tech-writer, unit-tester, \
                 integration-tester, code-reviewer, debugger, refactorer, changeloger, error-handler, \
                 example-writer, logger, and kinds of your own), filled with what is found out about a \
                 project. Work by it yourself, or give it to a subagent.",
                schema::of::<agent::Arguments>(),
            )
            .with_raw_output_schema(schema::of::<agent::AgentOut>())
            .with_annotations(reads("Prompt of a specialist")),
            Self::GetDate => Tool::new(
                self.as_str(),
                "Tells the current date and time, UTC.",
                schema::of::<Nothing>(),
            )
            .with_raw_output_schema(schema::of::<date::Date>())
            .with_annotations(reads("Date and time").idempotent(false)),
        }
    }
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
        let result = self.run(caller, name, arguments).await;
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
            Name::PermissionsApprove => {
                // Large: the other tools' calls need not carry its size.
                return Box::pin(permission::approve(self, caller, arguments)).await;
            }
            Name::PermissionsPending => {
                read(name, arguments).and_then(|Nothing {}| self.forwarded_to(caller, name))
            }
            Name::PermissionsDecide => self.decide(caller, name, read(name, arguments)).await,
            Name::ListTeams => read(name, arguments)
                .and_then(|Nothing {}| result(&teams::list(&self.snapshot.borrow()))),
            Name::TeamStatus => self.status(caller, read(name, arguments)),
            Name::TeamWake => self.wake(caller, read(name, arguments)).await,
            Name::TeamSleep => self.sleep(caller, read(name, arguments)).await,
            Name::SendMessage => self.send(caller, read(name, arguments)).await,
            Name::SessionReboot => self.reboot(caller, read(name, arguments)).await,
            Name::SessionDelete => self.delete(caller, read(name, arguments)).await,
            Name::GetLogs => self.logs(caller, read(name, arguments)).await,
            Name::GetAgent => self.agent(caller, read(name, arguments)).await,
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
