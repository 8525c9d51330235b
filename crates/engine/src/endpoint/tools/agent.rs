//! `get_agent`, and the same as MCP prompts: what an agent of a kind is told to be.

use iris_domain::{Problem, problem::Code};
use rmcp::model::{
    CallToolResult, GetPromptRequestParams, GetPromptResult, JsonObject, Prompt, PromptArgument,
    PromptMessage, Role,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Name, Tools, read, result};
use crate::{
    agents::{CONTEXT_MAX, Folder, Kind, Reached, Wanted},
    tokens::Caller,
};

/// Of `get_agent`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// The kind of agent. A file `.iris/templates/KIND.hbs` of the project adds one; `availableAgents` of
    /// any answer names them all.
    agent_type: String,
    /// Further variables for the template. They win over what is found out about the project
    /// (`projectName`, `framework`, `testingFramework`, ...).
    #[serde(default)]
    context: Map<String, Value>,
    /// The project, or a folder in it. An agent may name its own team's project only, which is also the
    /// default; the user's own client any local team's.
    #[serde(default)]
    project_path: Option<String>,
    /// Whether the prompt has what is changed in the project and not committed. Default: false.
    #[serde(default)]
    include_git_diff: bool,
    /// Your own team. May be left out: Iris knows who calls, and refuses another name.
    #[serde(default)]
    from_team: Option<String>,
}

/// Of `get_agent`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgentOut {
    agent_type: String,
    /// The prompt; where `valid` is false, what is wrong.
    prompt: String,
    /// Whether there is such a kind.
    valid: bool,
    /// The kinds that there are.
    available_agents: Vec<String>,
    /// What of the project could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// What is known of a call.
struct Found {
    project: Option<Folder>,
    notes: Vec<String>,
    kinds: Vec<Kind>,
}

impl Tools {
    /// `get_agent`.
    pub(super) async fn agent(
        &self,
        caller: &Caller,
        arguments: Result<Arguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let arguments = arguments?;
        let found = self.found(caller, &arguments).await?;
        let names: Vec<String> = found.kinds.iter().map(|kind| kind.name.clone()).collect();
        let kind = arguments.agent_type.clone();
        if !names.contains(&kind) {
            let out = AgentOut {
                prompt: no_such(&kind, &names),
                agent_type: kind,
                valid: false,
                available_agents: names,
                notes: Vec::new(),
            };
            return result(&out).map(|mut result| {
                result.is_error = Some(true);
                result
            });
        }
        let told = self.agents.prompt(wanted(found, arguments)).await?;
        result(&AgentOut {
            agent_type: kind,
            prompt: told.prompt,
            valid: true,
            available_agents: names,
            notes: told.notes,
        })
    }

    /// The kinds as prompts. Who may not call `get_agent` is shown none.
    pub(in crate::endpoint) async fn prompts(
        &self,
        caller: &Caller,
    ) -> Result<Vec<Prompt>, Problem> {
        if let Caller::Agent(asker) = caller
            && !self
                .callbacks
                .has_right(&asker.team, Name::GetAgent.as_str())
        {
            return Ok(Vec::new());
        }
        let project = match self.agents.reach(&caller.party(), None).await? {
            Reached::Here(folder) => Some(folder),
            Reached::Nothing | Reached::Far(_) => None,
        };
        let kinds = self.agents.kinds(project).await?;
        Ok(kinds.into_iter().map(prompt_of).collect())
    }

    /// One of them, filled. It is a call of `get_agent`, with that tool's rights and bounds.
    pub(in crate::endpoint) async fn prompt(
        &self,
        caller: &Caller,
        params: GetPromptRequestParams,
    ) -> Result<GetPromptResult, Problem> {
        let got = self.filled(caller, params).await;
        self.metrics.called(Name::GetAgent.as_str(), got.is_ok());
        got
    }

    async fn filled(
        &self,
        caller: &Caller,
        params: GetPromptRequestParams,
    ) -> Result<GetPromptResult, Problem> {
        let name = Name::GetAgent;
        let arguments = as_call(params.name, params.arguments.unwrap_or_default())?;
        let arguments: Arguments = read(name, self.admit(caller, name, arguments).await?)?;
        let found = self.found(caller, &arguments).await?;
        let kind = found
            .kinds
            .iter()
            .find(|kind| kind.name == arguments.agent_type);
        let Some(description) = kind.map(|kind| kind.description.clone()) else {
            let names: Vec<String> = found.kinds.into_iter().map(|kind| kind.name).collect();
            return Err(Problem::new(
                Code::NotFound,
                no_such(&arguments.agent_type, &names),
                "prompts/list names them, too.",
            ));
        };
        let told = self.agents.prompt(wanted(found, arguments)).await?;
        let description = [vec![description], told.notes].concat().join(" ");
        let text = PromptMessage::new_text(Role::User, told.prompt);
        Ok(GetPromptResult::new(vec![text]).with_description(description))
    }

    async fn found(&self, caller: &Caller, arguments: &Arguments) -> Result<Found, Problem> {
        let size = serde_json::to_vec(&arguments.context).map_or(usize::MAX, |json| json.len());
        if size > CONTEXT_MAX {
            return Err(Problem::new(
                Code::InvalidInput,
                format!("context is larger than {CONTEXT_MAX} bytes"),
                "Give less: what the agent needs can stand in files of the project.",
            ));
        }
        let me = self.acting(caller, Name::GetAgent, arguments.from_team.as_deref())?;
        let path = arguments.project_path.as_deref();
        let reached = self.agents.reach(&me, path).await.inspect_err(|problem| {
            if problem.code == Code::Forbidden {
                let tool = Name::GetAgent.as_str();
                self.refusals
                    .call(caller, tool, "project", &problem.message);
            }
        })?;
        let (project, notes) = match reached {
            Reached::Nothing => (None, Vec::new()),
            Reached::Here(folder) => (Some(folder), Vec::new()),
            Reached::Far(why) => (None, vec![why]),
        };
        let kinds = self.agents.kinds(project.clone()).await?;
        Ok(Found {
            project,
            notes,
            kinds,
        })
    }
}

fn wanted(found: Found, arguments: Arguments) -> Wanted {
    Wanted {
        kind: arguments.agent_type,
        project: found.project,
        git_diff: arguments.include_git_diff,
        context: arguments.context,
        notes: found.notes,
    }
}

fn no_such(kind: &str, names: &[String]) -> String {
    format!(
        "There is no agent type {kind:?}. There are: {}. A file .iris/templates/KIND.hbs of the project, or \
         templates/KIND.hbs of Iris's own folder, adds one.",
        names.join(", ")
    )
}

fn prompt_of(kind: Kind) -> Prompt {
    let arguments = vec![
        PromptArgument::new("projectPath")
            .with_description(
                "The project, or a folder in it: its name, framework and rules go into the prompt.",
            )
            .with_required(false),
        PromptArgument::new("includeGitDiff")
            .with_description("true: with what is changed and not committed.")
            .with_required(false),
    ];
    Prompt::new(kind.name, Some(kind.description), Some(arguments))
}

/// The call of `get_agent` that a prompt is. Arguments of prompts are texts.
fn as_call(kind: String, given: JsonObject) -> Result<JsonObject, Problem> {
    let mut call = Map::from_iter([("agentType".to_owned(), Value::String(kind))]);
    for (name, value) in given {
        let value = match (name.as_str(), value.as_str()) {
            ("projectPath", Some("")) => continue,
            ("projectPath", Some(path)) => json!(path),
            ("includeGitDiff", Some("true" | "1")) => json!(true),
            ("includeGitDiff", Some("false" | "0" | "")) => json!(false),
            _ => {
                return Err(Problem::new(
                    Code::InvalidInput,
                    format!("the argument {name:?} of the prompt cannot be {value}"),
                    "A prompt takes projectPath (a path) and includeGitDiff (true or false), as texts.",
                ));
            }
        };
        call.insert(name, value);
    }
    Ok(call)
}
