//! `iris mcp` as the MCP client that starts it sees it.

use std::process::{ExitStatus, Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{Iris, Setup, setup::Variables};
use crate::{require, wait::PATIENCE};

/// A running `iris mcp`; it ends when this is dropped.
#[derive(Debug)]
pub struct Bridge {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    called: i64,
}

impl Iris {
    /// Starts `iris mcp` against this Iris.
    pub fn bridge(&self) -> Bridge {
        Bridge::start(self.variables())
    }
}

impl Setup {
    /// Starts `iris mcp` where no Iris runs yet.
    pub fn bridge(&self) -> Bridge {
        Bridge::start(self.variables())
    }
}

impl Bridge {
    fn start(env: &Variables) -> Self {
        let mut child = Command::new(require::built("iris"))
            .arg("mcp")
            .env_clear()
            .envs(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("`iris mcp` starts");
        let stdin = child.stdin.take().expect("it is a pipe");
        let stdout = child.stdout.take().expect("it is a pipe");
        Self {
            child,
            stdin,
            stdout: BufReader::new(stdout).lines(),
            called: 1_000_000,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Writes a line as it is.
    pub async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        let said = self.stdin.write_all(line.as_bytes()).await;
        said.expect("`iris mcp` reads");
    }

    /// The next line, which is JSON-RPC.
    pub async fn hear(&mut self) -> Value {
        let line = timeout(PATIENCE, self.stdout.next_line()).await;
        let line = line.expect("a line in time").expect("UTF-8");
        read(&line.expect("it does not end before it answers"))
    }

    /// Asks in the 2025-11-25 era, and waits for the answer, which is the next line.
    pub async fn ask(&mut self, id: i64, method: &str, params: Value) -> Value {
        let asked = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.say(&asked.to_string()).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Calls a tool: what it gives, or the error in place of that.
    ///
    /// # Errors
    /// The JSON-RPC error, or the text of a result that has nothing else.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Value> {
        self.called += 1;
        let params = json!({"name": tool, "arguments": arguments});
        let mut answer = self.ask(self.called, "tools/call", params).await;
        match answer.pointer_mut("/result/structuredContent") {
            Some(given) => Ok(given.take()),
            None => Err(answer),
        }
    }

    /// Closes its stdin: how it ends, what it still says, and its stderr.
    pub async fn end(mut self) -> (ExitStatus, Vec<Value>, String) {
        drop(self.stdin);
        let mut said = Vec::new();
        let ending = async {
            while let Some(line) = self.stdout.next_line().await.expect("UTF-8") {
                said.push(read(&line));
            }
            let mut errors = String::new();
            if let Some(stderr) = &mut self.child.stderr {
                stderr.read_to_string(&mut errors).await.expect("UTF-8");
            }
            (self.child.wait().await.expect("it ends"), errors)
        };
        let (status, errors) = timeout(PATIENCE, ending).await.expect("it ends in time");
        (status, said, errors)
    }
}

fn read(line: &str) -> Value {
    let read: Value = serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("stdout is for JSON-RPC only ({error}): {line}"));
    assert_eq!(read["jsonrpc"], "2.0", "{line}");
    read
}
