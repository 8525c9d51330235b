//! The MCP server: which tools there are, and that every call of one is answered.

use std::{any::Any, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use futures::FutureExt as _;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ListToolsResult,
        PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::tools::{Name, Tools};
use crate::tokens::Caller;

/// A client that does not take a progress notification within this is not reading; the tool must
/// not wait for it.
const PROGRESS_SEND: Duration = Duration::from_secs(1);

/// The server; cheap to clone: rmcp takes one for each request.
#[derive(Clone)]
pub(super) struct Server(Arc<Inner>);

struct Inner {
    tools: Tools,
    /// What agents and what the console may see.
    agents: Vec<Tool>,
    console: Vec<Tool>,
    progress_every: Duration,
}

impl Server {
    /// With these tools.
    pub(super) fn new(tools: Tools, progress_every: Duration) -> Self {
        let definitions = |names: &[Name]| names.iter().map(|name| name.definition()).collect();
        Self(Arc::new(Inner {
            tools,
            agents: definitions(&Name::ALL),
            console: definitions(&Name::CONSOLE),
            progress_every,
        }))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("iris", env!("CARGO_PKG_VERSION")))
            .with_instructions(
                "Iris runs teams: Claude Code agents in project directories. list_teams says which \
                 there are, team_status how they are, and send_message gives one a task and waits \
                 for its answer.",
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
        let Some(name) = Name::of(&request.name) else {
            return Err(ErrorData::invalid_params(
                format!("no tool {:?}", request.name),
                None,
            ));
        };
        let arguments = request.arguments.unwrap_or_default();
        let tool = self.0.tools.call(&caller, name, arguments);
        answered(&context, self.0.progress_every, tool).await
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

/// Runs a tool so that its call is always answered and never outlives its client: a panic becomes
/// an error (rmcp 3.9 would leave the call unanswered for ever), a client that went away ends it,
/// and while it waits the client hears that it does, if it asked to.
pub(super) async fn answered(
    context: &RequestContext<RoleServer>,
    progress_every: Duration,
    tool: impl Future<Output = CallToolResult>,
) -> Result<CallToolResponse, ErrorData> {
    let mut tool = pin!(AssertUnwindSafe(tool).catch_unwind());
    let progress = context.meta.get_progress_token();
    let mut ticks = interval_at(Instant::now() + progress_every, progress_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0.0;
    loop {
        tokio::select! {
            biased;
            () = context.ct.cancelled() => {
                return Err(ErrorData::internal_error("the client went away", None));
            }
            result = &mut tool => {
                return match result {
                    Ok(result) => Ok(result.into()),
                    Err(panic) => {
                        tracing::error!(panic = what(&*panic), "a tool panicked");
                        Err(ErrorData::internal_error(
                            "Iris failed while it answered this call; its log says more", None))
                    }
                };
            }
            _ = ticks.tick() => {
                let Some(token) = progress.clone() else { continue };
                count += 1.0;
                let sent = context.peer.notify_progress(ProgressNotificationParam::new(token, count));
                match timeout(PROGRESS_SEND, sent).await {
                    Ok(Ok(())) => (),
                    Ok(Err(error)) => tracing::debug!(%error, "no progress could be sent"),
                    Err(_) => tracing::debug!("the client does not read the progress of its call"),
                }
            }
        }
    }
}

fn what(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
