//! Iris killed at every step of a message's life: nothing that was accepted is lost, nothing runs
//! twice, and nothing runs that is not on record. The steps are found by injection: a library in
//! `iris serve` counts what it leaves outside of itself, and kills it at one of these calls.

use std::{collections::BTreeMap, fs, path::PathBuf};

use iris_tests::{Bridge, Dying, Iris, eventually, require};
use serde_json::{Value, json};

/// Two messages, their agent, their Iris, and what kills it.
struct Lane {
    iris: Iris,
    bridge: Bridge,
    asked: i64,
    dying: Dying,
    gate: PathBuf,
    /// The messages that their sender got an id for, with their texts.
    accepted: BTreeMap<String, String>,
}

impl Lane {
    async fn start() -> Self {
        let team = json!({"claudePath": require::built("fake-claude")});
        let iris = Iris::prepare().await.team("api", team).serve().await;
        let dying = Dying::in_dir(iris.dir());
        let mut lane = Self {
            bridge: iris.bridge(),
            gate: iris.dir().join("gate"),
            iris,
            asked: 0,
            dying,
            accepted: BTreeMap::new(),
        };
        let initialize = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        lane.ask("initialize", initialize).await;
        lane
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        self.bridge.ask(self.asked, method, params).await
    }

    /// What a tool answers; `None` where Iris died meanwhile.
    async fn call(&mut self, tool: &str, arguments: Value) -> Option<Value> {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.ask("tools/call", params).await;
        let structured = answer.pointer("/result/structuredContent").cloned();
        assert!(structured.is_some() || self.iris.has_died(), "{answer}");
        structured
    }

    async fn send(&mut self, text: &str) {
        let arguments = json!({"toTeam": "api", "message": text, "persist": true});
        if let Some(sent) = self.call("quick_message", arguments).await {
            assert_eq!(sent["status"], "queued", "{sent}");
            let id = sent["messageId"].as_str().unwrap().to_owned();
            self.accepted.insert(id, text.to_owned());
        }
    }

    /// The agents' own record: what they began with, and what they answered.
    fn agents_record(&self, of: &str) -> Vec<String> {
        let folder = self.iris.dir().join("home/.claude/projects/-fake");
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(of));
        files
            .flat_map(|file| {
                let text = fs::read_to_string(file.path()).unwrap();
                text.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.iris.home().join("iris.db")).unwrap()
    }

    /// Each message with its text, its state, its answer and its error.
    fn messages(&self) -> Vec<(String, String, String, String, String)> {
        let database = self.database();
        let sql = "SELECT id, text, state, coalesce(response, ''), coalesce(error, '') FROM message ORDER BY seq";
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// One life of two messages, the second sent while the first runs; it may end early.
    async fn live(&mut self, round: usize) {
        self.send(&format!("when {} first ü€ {round}", self.gate.display())).await;
        let before = self.agents_record(".ran").len();
        eventually("the turn begins, or Iris dies", async || {
            (self.agents_record(".ran").len() > before || self.iris.has_died()).then_some(())
        })
        .await;
        if !self.iris.has_died() {
            self.send(&format!("second {round}")).await;
        }
        fs::write(&self.gate, "").unwrap();
        eventually("all has ended, or Iris dies", async || {
            let ended = self.messages().iter().all(|message| message.2 == "answered");
            (ended || self.iris.has_died()).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_step_of_a_message_nothing_is_lost_or_doubled() {
    require!("cc");
    let mut lane = Lane::start().await;
    lane.iris.kill9();
    lane.iris.restart_dying(&lane.dying.clone()).await;
    lane.dying.at(100_000, false);
    lane.live(0).await;
    for call in lane.dying.calls() { eprintln!("{call}"); }
    eprintln!("{:#?}", lane.messages());
}
