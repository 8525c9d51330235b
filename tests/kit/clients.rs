//! MCP clients of others before an Iris: the official SDKs and the official conformance suite, as
//! `scripts/test.sh` installs them outside the repository.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{Iris, program::Program, require};

/// Where the sources of the clients are.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// An official SDK.
#[derive(Debug, Clone, Copy)]
pub enum Sdk {
    /// TypeScript; it speaks the era 2025-11-25.
    TypeScript,
    /// Python; it speaks the era 2026-07-28.
    Python,
}

/// How a client comes to Iris.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// Over HTTP, with the console's token.
    Http,
    /// Through `iris mcp`.
    Stdio,
}

/// A Node that is new enough for the conformance suite.
fn node(clients: &Path) -> PathBuf {
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    clients.join(format!("node_modules/node-linux-{arch}/bin/node"))
}

impl Iris {
    /// Starts a client of that SDK (`tests/clients/client.*`), which says what it does.
    pub async fn client(&self, sdk: Sdk, way: Way) -> Program {
        let clients = require::clients().expect("the test requires it");
        let (program, source) = match sdk {
            Sdk::TypeScript => (node(&clients), "client.mjs"),
            Sdk::Python => (clients.join("python/bin/python"), "client.py"),
        };
        let mut command = Command::new(program);
        command.arg(Path::new(SOURCES).join(source));
        match way {
            Way::Http => command.args(["http", self.endpoint()]),
            Way::Stdio => command.arg("stdio").arg(require::built("iris")).arg("mcp"),
        };
        let authorization = self.authorization().await;
        let mut env = self.variables().clone();
        env.insert("IRIS_TEST_CLIENTS".into(), clients.into());
        env.insert("IRIS_TEST_AUTHORIZATION".into(), authorization.into());
        Program::start("client", &mut command, env, &self.dir().join("logs"), None)
    }

    /// Starts the conformance suite: what a revision of the protocol requires of a server. It fails
    /// where a scenario fails that `tests/clients/conformance.yml` does not expect to, and where one
    /// of these does not.
    pub fn conformance(&self, revision: &str, url: &str) -> Program {
        let clients = require::clients().expect("the test requires it");
        let mut command = Command::new(node(&clients));
        command
            .arg(clients.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
            .args(["server", "--url", url, "--requirements", revision])
            .arg("--expected-failures")
            .arg(format!("{SOURCES}/conformance.{revision}.yml"))
            .arg("--output-dir")
            .arg(self.dir().join("conformance"));
        let logs = self.dir().join("logs");
        Program::start("conformance", &mut command, self.variables(), &logs, None)
    }

    /// What the header of that name says for the console.
    pub async fn authorization(&self) -> String {
        let headers = self.cli(&["headers"]).await.json();
        let said = headers["Authorization"].as_str();
        said.expect("`iris headers` has it").to_owned()
    }

    /// The token of the console.
    pub async fn token(&self) -> String {
        let said = self.authorization().await;
        let token = said.strip_prefix("Bearer ");
        token.expect("a bearer token").to_owned()
    }
}

/// Stands before an Iris for clients that cannot send a token, and adds it. Everything else goes
/// through as it is, but that its own address becomes Iris's. It ends with its owner.
#[derive(Debug)]
pub struct Doorman {
    url: String,
    server: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Door {
    client: legacy::Client<legacy::connect::HttpConnector, Body>,
    authorization: HeaderValue,
    /// Addresses: its own, and Iris's.
    own: String,
    iris: String,
}

impl Doorman {
    /// Before that Iris.
    pub async fn start(iris: &Iris) -> Self {
        let endpoint: Uri = iris.endpoint().parse().expect("an address");
        let address = iris.address().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("it is bound").to_string();
        let authorization = iris.authorization().await;
        let door = Door {
            client: legacy::Client::builder(TokioExecutor::new()).build_http(),
            authorization: authorization.parse().expect("a header"),
            own: own.clone(),
            iris: address,
        };
        let app = Router::new().fallback(pass).with_state(door);
        let server = tokio::spawn(async move {
            axum::serve(listener, app)
                .await
                .expect("a bound socket serves");
        });
        Self {
            url: format!("http://{own}{}", endpoint.path()),
            server,
        }
    }

    /// The endpoint, for who has no token.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Doorman {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Door {
    /// Names Iris where the client named the doorman.
    fn rename(&self, headers: &mut HeaderMap) {
        for name in [header::HOST, header::ORIGIN] {
            let renamed = headers
                .get(&name)
                .and_then(|value| value.to_str().ok())
                .map(|value| value.replace(&self.own, &self.iris));
            if let Some(renamed) = renamed {
                headers.insert(name, renamed.parse().expect("a header"));
            }
        }
    }
}

async fn pass(State(door): State<Door>, mut request: Request) -> Response {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let uri = format!("http://{}{path}", door.iris);
    *request.uri_mut() = uri.parse().expect("an address");
    door.rename(request.headers_mut());
    let authorization = door.authorization.clone();
    request
        .headers_mut()
        .insert(header::AUTHORIZATION, authorization);
    match door.client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
