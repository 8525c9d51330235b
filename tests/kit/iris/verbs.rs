//! What a user does with Iris, in their words.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Iris, cli};
use crate::eventually;

/// An approval that waits, as `iris pending --json` tells it. What is not optional is promised.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Its short name.
    pub id: String,
    /// The team that asks.
    pub team: String,
    /// The conversation it asks in.
    pub session: String,
    /// Who gave it its task.
    pub from: String,
    /// Where the tool would run.
    pub host: String,
    /// The tool.
    pub tool: String,
    /// Its input.
    pub input: Value,
    /// The heart of the input.
    pub summary: String,
    /// The team whose session is asked first.
    pub forwarded_to: Option<String>,
    /// When it was asked.
    pub created_at: String,
    /// When it is denied if nobody answers.
    pub expires_at: Option<String>,
}

/// A row of the audit log, as `iris audit --json` tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its place in the chain.
    pub seq: u64,
    /// When it happened.
    pub time: String,
    /// `permission`, `call`, `auth`, `config` or `operation`.
    pub kind: String,
    /// The team it concerns.
    pub team: String,
    /// The tool, or the event.
    pub tool: String,
    /// `allow`, `deny` or `noted`.
    pub decision: String,
    /// Who or what decided.
    pub decided_by: String,
    /// Digest of the request.
    pub digest: String,
    /// What was asked for, or ran.
    #[serde(default)]
    pub input: Value,
}

/// A `send` that waits for its answer.
#[derive(Debug)]
#[must_use = "await the outcome"]
pub struct Sending(JoinHandle<cli::Cli>);

impl Sending {
    /// What became of the message.
    pub async fn outcome(mut self) -> Value {
        (&mut self.0).await.expect("the sending task ends").json()
    }

    /// The agent's answer; fails when it did not answer.
    pub async fn response(self) -> String {
        let outcome = self.outcome().await;
        assert_eq!(outcome["status"], "answered", "{outcome:#}");
        outcome["response"]
            .as_str()
            .expect("an answer is a text")
            .to_owned()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Iris {
    /// Adds a local team with a fresh project directory, which is returned.
    pub async fn add_team(&self, name: &str) -> PathBuf {
        let project = self.project(name);
        let path = project.to_str().expect("the kit's paths are UTF-8");
        self.cli(&["team", "add", name, path]).await.ok();
        project
    }

    /// Sends a task and returns at once.
    pub fn send_in_background(&self, team: &str, text: &str) -> Sending {
        let env = self.variables().clone();
        let args = ["send", team, text, "--timeout", "100", "--json"].map(str::to_owned);
        Sending(tokio::spawn(async move {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            cli::run(&env, &args).await
        }))
    }

    /// Everything that waits, oldest first.
    pub async fn pending(&self) -> Vec<Pending> {
        let said = self.cli(&["pending", "--json"]).await.ok();
        serde_json::from_str(&said)
            .unwrap_or_else(|e| panic!("`pending` broke its word: {e}\n{said}"))
    }

    /// Waits until exactly so many approvals wait.
    pub async fn pending_count(&self, count: usize) -> Vec<Pending> {
        eventually(&format!("{count} approvals wait"), async || {
            Some(self.pending().await).filter(|pending| pending.len() == count)
        })
        .await
    }

    /// Waits until exactly one approval waits.
    pub async fn pending_one(&self) -> Pending {
        self.pending_count(1).await.remove(0)
    }

    /// Allows it on the command line.
    pub async fn approve(&self, pending: &Pending) {
        self.cli(&["approve", &pending.id]).await.ok();
    }

    /// Denies it on the command line, with words for the agent.
    pub async fn deny(&self, pending: &Pending, message: &str) {
        self.cli(&["deny", &pending.id, "-m", message]).await.ok();
    }

    /// The audit log, oldest first.
    pub async fn audit(&self) -> Vec<Row> {
        let said = self.cli(&["audit", "--limit", "0", "--json"]).await.ok();
        let mut rows: Vec<Row> = serde_json::from_str(&said)
            .unwrap_or_else(|e| panic!("`audit` broke its word: {e}\n{said}"));
        rows.sort_by_key(|row| row.seq);
        rows
    }

    /// The permission decisions about a team's tools, oldest first. Iris's own tools, which the
    /// default policy allows, are left out.
    pub async fn decisions(&self, team: &str) -> Vec<Row> {
        let mut rows = self.audit().await;
        rows.retain(|row| {
            row.kind == "permission" && row.team == team && !row.tool.starts_with("mcp__iris__")
        });
        rows
    }

    /// The only permission decision about a team's tools.
    pub async fn decision(&self, team: &str) -> Row {
        let mut rows = self.decisions(team).await;
        assert_eq!(rows.len(), 1, "one decision is one row: {rows:#?}");
        rows.remove(0)
    }

    /// Checks the chain of the audit log.
    pub async fn verify_audit(&self) {
        self.cli(&["audit", "verify"]).await.ok();
    }

    /// Waits until `ssh` asks something of this kind (`passphrase`, `hostKey`, …).
    pub async fn prompt(&self, kind: &str) -> Value {
        eventually(&format!("ssh asks for a {kind}"), async || {
            let asked = self.prompts().await;
            asked
                .into_iter()
                .find(|prompt| prompt["kind"]["type"] == kind)
        })
        .await
    }

    /// All that `ssh` asks now.
    pub async fn prompts(&self) -> Vec<Value> {
        let asked = self.cli(&["prompts", "--json"]).await.json();
        asked.as_array().expect("`prompts` is a list").clone()
    }

    /// Answers what `ssh` asks.
    pub async fn answer(&self, prompt: &Value, text: &str, further: &[&str]) {
        let id = prompt["id"].as_str().expect("a prompt has an id");
        let args = [&["answer", id], further].concat();
        self.cli_with(&args, &format!("{text}\n")).await.ok();
    }

    /// `iris status --json`.
    pub async fn status(&self) -> Value {
        self.cli(&["status", "--json"])
            .await
            .ok()
            .parse()
            .expect("`status` is JSON")
    }

    /// A team's state word.
    pub async fn state(&self, team: &str) -> String {
        let status = self.status().await;
        let teams = status["teams"].as_array().expect("`status` lists teams");
        let found = teams.iter().find(|entry| entry["name"] == team);
        found
            .and_then(|entry| entry["state"].as_str())
            .unwrap_or("unknown")
            .to_owned()
    }

    /// Waits until the team is in that state.
    pub async fn state_becomes(&self, team: &str, state: &str) {
        eventually(&format!("{team} is {state}"), async || {
            (self.state(team).await == state).then_some(())
        })
        .await;
    }

    /// Waits until `status` shows a problem with that code; its message.
    pub async fn problem(&self, code: &str) -> Value {
        eventually(&format!("a problem with code {code}"), async || {
            let status = self.status().await;
            let problems = status["problems"].as_array().cloned().unwrap_or_default();
            problems.into_iter().find(|problem| problem["code"] == code)
        })
        .await
    }

    /// Every file below a directory that contains one of these texts, as `path: text`.
    ///
    /// Agents may be at work in it: what they take away between the listing and the look is not
    /// there any more, and no error.
    pub fn files_with(dir: &Path, texts: &[&str]) -> Vec<String> {
        assert!(dir.is_dir(), "{} is where texts are found", dir.display());
        let mut found = Vec::new();
        let mut paths = vec![dir.to_owned()];
        while let Some(path) = paths.pop() {
            let Some(kind) = unless_gone(path.symlink_metadata(), &path) else {
                continue;
            };
            if kind.is_dir() {
                let entries = unless_gone(std::fs::read_dir(&path), &path);
                let entries = entries.into_iter().flatten();
                paths.extend(entries.filter_map(|entry| Some(unless_gone(entry, &path)?.path())));
            } else if kind.is_file() {
                let content = unless_gone(std::fs::read(&path), &path).unwrap_or_default();
                let hits = texts.iter().filter(|text| {
                    content
                        .windows(text.len())
                        .any(|window| window == text.as_bytes())
                });
                found.extend(hits.map(|text| format!("{}: {text}", path.display())));
            }
        }
        found
    }
}

/// What was read; nothing if the path was taken away meanwhile. Any other error is a failure.
fn unless_gone<T>(read: std::io::Result<T>, path: &Path) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{} cannot be read: {error}", path.display()),
    }
}
