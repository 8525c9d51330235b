//! A served endpoint, and a client that sends exactly what a test says.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream, stream::BoxStream};
use iris_domain::{
    audit::Draft,
    config::Config,
    ids::{Party, SessionId},
    request::Asker,
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::super::{
    Callbacks, OwnPorts, Probes, connection,
    guard::{Guard, Known},
    limits::Limits,
    plain::Answers,
    refusals::Refusals,
    server,
};
use crate::{
    metrics::{Metrics, Page},
    secrets::Secret,
    tls::Tls,
    tokens::{Caller, Tokens},
};

/// Only a defect takes longer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for something that must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
}

/// What happens to a waiting tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Began,
    Dropped,
}

/// A handler with tools that answer, wait, and panic.
#[derive(Clone)]
pub struct Probe {
    fates: mpsc::UnboundedSender<Fate>,
    release: CancellationToken,
}

struct OnDrop(mpsc::UnboundedSender<Fate>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.send(Fate::Dropped).ok();
    }
}

impl Probe {
    async fn run(&self, name: &str, caller: &Caller) -> CallToolResult {
        match name {
            "who" => CallToolResult::success(vec![ContentBlock::text(caller.party().to_string())]),
            "panic" => panic!("as the test wants"),
            "wait" => {
                self.fates.send(Fate::Began).unwrap();
                let mark = OnDrop(self.fates.clone());
                self.release.cancelled().await;
                std::mem::forget(mark);
                CallToolResult::success(vec![ContentBlock::text("released")])
            }
            other => panic!("no tool {other}"),
        }
    }
}

impl ServerHandler for Probe {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("probe", "1"))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![Tool::new(
            "who",
            "",
            serde_json::Map::new(),
        )]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>().unwrap();
        assert!(
            !parts.headers.contains_key("authorization"),
            "no tool sees the token"
        );
        let caller = Arc::clone(parts.extensions.get::<Arc<Caller>>().unwrap());
        server::while_wanted(&context, self.call(caller, request)).await
    }
}

impl Answers for Probe {
    async fn call(
        &self,
        caller: Arc<Caller>,
        params: CallToolRequestParams,
    ) -> Result<CallToolResult, ErrorData> {
        server::answered(self.run(&params.name, &caller)).await
    }

    fn progress(
        &self,
        _: &Caller,
        _: &CallToolRequestParams,
    ) -> Option<BoxStream<'static, String>> {
        Some(stream::iter(["waking", "at work"].map(str::to_owned)).boxed())
    }
}

/// An endpoint that is served.
pub struct Served {
    pub port: u16,
    pub tokens: Tokens,
    pub tls: Tls,
    pub own_ports: OwnPorts,
    pub probes: Probes,
    pub callbacks: Callbacks,
    /// What the teams may call.
    pub config: watch::Sender<Arc<Config>>,
    /// An agent, and its token.
    pub agent: Asker,
    pub token: Secret,
    /// Audit rows.
    pub rows: mpsc::Receiver<Draft>,
    pub fates: mpsc::UnboundedReceiver<Fate>,
    /// Lets waiting tools answer.
    pub release: CancellationToken,
    pub shutdown: CancellationToken,
    pub tasks: TaskTracker,
}

/// Bounds that a test can wait for.
pub fn small() -> Limits {
    Limits {
        quick: Duration::from_millis(50),
        sign_every: Duration::from_millis(50),
        grace: Duration::from_millis(100),
        ..Limits::default()
    }
}

pub fn asker(team: &str) -> Asker {
    Asker {
        team: team.parse().unwrap(),
        session: SessionId(uuid::Uuid::new_v4()),
        from: Party::Console,
        host: "local".to_owned(),
    }
}

impl Served {
    pub async fn start() -> Self {
        Self::with(small()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tokens = Tokens::new(Secret::random());
        let agent = asker("blue");
        let token = tokens.mint(agent.clone());
        let (tls, own_ports, probes) = (
            Tls::temporary().unwrap(),
            OwnPorts::default(),
            Probes::of_port(port),
        );
        let (config, configs) = watch::channel(Arc::new(Config::default()));
        let (metrics, (_, snapshot)) = (Metrics::default(), watch::channel(Arc::default()));
        let (refusals, rows) = Refusals::counted_by(metrics.clone());
        let callbacks = Callbacks::with(configs, tokens.clone(), refusals.clone());
        let (fate, fates) = mpsc::unbounded_channel();
        let (release, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let probe = Probe {
            fates: fate,
            release: release.clone(),
        };
        let known = Known {
            ports: own_ports.clone(),
            probes: probes.clone(),
            tokens: tokens.clone(),
            callbacks: callbacks.clone(),
            refusals,
            page: Page::new(metrics, snapshot),
        };
        let guard = Guard::new(port, known, limits, probe);
        tasks.spawn(connection::accept(
            listener,
            guard,
            tls.acceptor(),
            limits,
            tasks.clone(),
            shutdown.clone(),
        ));
        Self {
            port,
            tokens,
            tls,
            own_ports,
            probes,
            callbacks,
            config,
            agent,
            token,
            rows,
            fates,
            release,
            shutdown,
            tasks,
        }
    }

    /// `/mcp/{session}` of the agent.
    pub fn path(&self) -> String {
        format!("/mcp/{}", self.agent.session)
    }

    /// A good POST of the agent, to be sent as it is or spoilt.
    pub fn post(&self, body: impl AsRef<[u8]>) -> Raw {
        Raw::post(&self.path(), self.port)
            .bearer(&self.token)
            .body(body)
    }

    /// Sends it and reads the whole answer.
    pub async fn send(&self, raw: Raw) -> Answer {
        let mut stream = self.open(&raw).await;
        let mut bytes = Vec::new();
        soon("the whole answer", stream.read_to_end(&mut bytes))
            .await
            .unwrap();
        Answer::read(&bytes)
    }

    /// Sends it and leaves the answer to be read.
    pub async fn open(&self, raw: &Raw) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        // A server that refuses early may close before all is written.
        stream.write_all(&raw.bytes()).await.ok();
        stream
    }

    /// A TLS connection that trusts only this endpoint.
    pub async fn secure(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let connector = TlsConnector::from(self.tls.client());
        soon("TLS", connector.connect(crate::tls::own_name(), stream))
            .await
            .unwrap()
    }

    /// Sends it over TLS and reads the whole answer.
    pub async fn send_secure(&self, raw: Raw) -> Answer {
        let mut stream = self.secure().await;
        stream.write_all(&raw.bytes()).await.unwrap();
        let mut bytes = Vec::new();
        soon("the whole answer", stream.read_to_end(&mut bytes))
            .await
            .unwrap();
        Answer::read(&bytes)
    }

    pub async fn row(&mut self) -> Draft {
        soon("an audit row", self.rows.recv()).await.unwrap()
    }

    pub async fn fate(&mut self) -> Fate {
        soon("news of the tool", self.fates.recv()).await.unwrap()
    }
}

/// A request as text.
pub struct Raw {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Raw {
    pub fn post(path: &str, port: u16) -> Self {
        Self {
            line: format!("POST {path} HTTP/1.1"),
            headers: vec![
                format!("host: 127.0.0.1:{port}"),
                "content-type: application/json".to_owned(),
                "accept: application/json, text/event-stream".to_owned(),
                "connection: close".to_owned(),
            ],
            body: Vec::new(),
        }
    }

    pub fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    pub fn bearer(self, token: &Secret) -> Self {
        self.header(&format!("authorization: Bearer {}", token.expose()))
    }

    /// Adds a header line.
    pub fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// Takes a header away.
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|line| !line.starts_with(&format!("{name}:")));
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let length = format!("content-length: {}", self.body.len());
        self.without("content-length").header(&length)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes =
            format!("{}\r\n{}\r\n\r\n", self.line, self.headers.join("\r\n")).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer, taken apart. A chunked body keeps its chunk sizes: tests look for what is in it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        Self {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    pub fn has_header(&self, line: &str) -> bool {
        self.head.lines().any(|l| l == line)
    }
}

/// Reads until the text stands in what came; the rest may follow.
pub async fn read_until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut seen = Vec::new();
    soon(text, async {
        loop {
            let mut chunk = [0; 4096];
            let n = stream.read(&mut chunk).await.unwrap();
            assert!(
                n > 0,
                "the answer ended before {text:?}: {:?}",
                String::from_utf8_lossy(&seen)
            );
            seen.extend_from_slice(&chunk[..n]);
            let so_far = String::from_utf8_lossy(&seen);
            if so_far.contains(text) {
                return so_far.into_owned();
            }
        }
    })
    .await
}

/// `tools/call` of the 2025 eras.
pub fn call(id: u64, tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}
