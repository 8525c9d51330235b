//! An agent that a test speaks as: with its token, over the wire.

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::Iris;
use crate::processes;

/// The agent of a team, whose calls a test makes.
#[derive(Debug)]
pub struct Agent {
    team: String,
    token: String,
    session: String,
}

impl Agent {
    /// Adds the team and starts it.
    pub async fn of(iris: &Iris, team: &str) -> Self {
        let project = iris.add_team(team).await;
        iris.cli(&["team", "start", team]).await.ok();
        let agents = processes::marked(&project);
        let (token, session) = agents
            .iter()
            .find_map(|it| Some((it.variable("IRIS_TOKEN")?, it.variable("IRIS_SESSION")?)))
            .expect("the team runs");
        Self {
            team: team.to_owned(),
            token,
            session,
        }
    }

    /// Asks for a command, whose name is that of the call, too. The answer is still to come; who drops the
    /// connection withdraws it.
    pub async fn asks(&self, iris: &Iris, command: &str) -> TcpStream {
        let address = iris.address();
        let id = format!("toolu_{}_{}", self.team, command.replace(' ', "_"));
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "permissions__approve", "arguments": {
                "tool_name": "Bash", "input": { "command": command }, "tool_use_id": id,
            }},
        })
        .to_string();
        let request = format!(
            "POST /mcp/{} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
             content-length: {}\r\n\r\n{body}",
            self.session,
            self.token,
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.expect("Iris accepts");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("Iris reads");
        stream
    }
}
