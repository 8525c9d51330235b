//! The MCP server: which tools there are, and that every call of one is answered.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt as _, stream::BoxStream};
use iris_domain::{Problem, problem::Code};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, GetPromptRequestParams,
        GetPromptResponse, Implementation, ListPromptsResult, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};

use super::{
    plain::Answers,
    tools::{Name, Tools},
};
use crate::tokens::Caller;

/// The server; cheap to clone: rmcp takes one for each request.
#[derive(Clone)]
pub(super) struct Server(Arc<Inner>);

struct Inner {
    tools: Tools,
    /// What agents and what the console may see.
    agents: Vec<Tool>,
    console: Vec<Tool>,
}

impl Server {
    /// With these tools.
    pub(super) fn new(tools: Tools) -> Self {
        let all = Name::ALL.into_iter();
        let console = all.clone().filter(|name| name.is_for_console());
        Self(Arc::new(Inner {
            tools,
            agents: all.map(Name::definition).collect(),
            console: console.map(Name::definition).collect(),
        }))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let can = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts();
        ServerConfig::new(can.build())
            .with_server_info(Implementation::new("iris", env!("CARGO_PKG_VERSION")))
            .with_instructions(
                "Iris runs teams: Claude Code agents in project directories. list_teams says which \
                 there are, team_status how they are, and send_message gives one a task and waits \
                 for its answer. A team may have to wait until the user allows what it wants to do.",
            )
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = match *caller(&context)? {
            Caller::Console => &self.0.console,
            Caller::Agent(_) => &self.0.agents,
        };
        Ok(ListToolsResult::with_all_items(tools.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.0.agents.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?;
        while_wanted(&context, self.call(caller, request)).await
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let caller = caller(&context)?;
        while_wanted(&context, async {
            let prompts = answered(self.0.tools.prompts(&caller)).await?;
            prompts.map_err(refused)
        })
        .await
        .map(ListPromptsResult::with_all_items)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let caller = caller(&context)?;
        while_wanted(&context, async {
            let prompt = answered(self.0.tools.prompt(&caller, request)).await?;
            prompt.map(GetPromptResponse::from).map_err(refused)
        })
        .await
    }
}

/// Prompts have no result that is an error.
fn refused(problem: Problem) -> ErrorData {
    let text = problem.in_one_text();
    match problem.code {
        Code::Internal => ErrorData::internal_error(text, None),
        _ => ErrorData::invalid_params(text, None),
    }
}

impl Answers for Server {
    async fn call(
        &self,
        caller: Arc<Caller>,
        params: CallToolRequestParams,
    ) -> Result<CallToolResult, ErrorData> {
        let Some(name) = Name::of(&params.name) else {
            return Err(ErrorData::invalid_params(
                format!("no tool {:?}", params.name),
                None,
            ));
        };
        let arguments = params.arguments.unwrap_or_default();
        answered(self.0.tools.call(&caller, name, arguments)).await
    }

    fn progress(
        &self,
        caller: &Caller,
        params: &CallToolRequestParams,
    ) -> Option<BoxStream<'static, String>> {
        let (name, arguments) = (Name::of(&params.name)?, params.arguments.as_ref()?);
        self.0.tools.progress(caller, name, arguments)
    }
}

/// Who calls, as the guard found out. A call that came past the guard is a defect: it is refused.
fn caller(context: &RequestContext<RoleServer>) -> Result<Arc<Caller>, ErrorData> {
    context
        .extensions
        .get::<http::request::Parts>()
        .and_then(|parts| parts.extensions.get::<Arc<Caller>>())
        .cloned()
        .ok_or_else(|| ErrorData::internal_error("the caller is not known", None))
}

/// A call that came through rmcp, which drops no future: it says when the client went away.
pub(super) async fn while_wanted<A, B: From<A>>(
    context: &RequestContext<RoleServer>,
    call: impl Future<Output = Result<A, ErrorData>>,
) -> Result<B, ErrorData> {
    tokio::select! {
        biased;
        () = context.ct.cancelled() => {
            Err(ErrorData::internal_error("the client went away", None))
        }
        result = call => result.map(B::from),
    }
}

/// Runs a tool so that its call is always answered: a panic becomes an error (rmcp 3.9 would leave
/// the call unanswered for ever).
pub(super) async fn answered<T>(tool: impl Future<Output = T>) -> Result<T, ErrorData> {
    AssertUnwindSafe(tool)
        .catch_unwind()
        .await
        .map_err(|panic| {
            tracing::error!(panic = what(&*panic), "a tool panicked");
            ErrorData::internal_error(
                "Iris failed while it answered this call; its log says more",
                None,
            )
        })
}

fn what(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
