//! The tools over HTTP with the real approvals, policy and audit log behind them.

use std::{sync::Arc, time::Duration};

use iris_domain::{
    audit::Kind,
    config::Config,
    decision::{Answer, Human, Surface, Verb},
    ids::{Party, SessionId},
    request::Asker,
    snapshot::Snapshot,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::kit::soon;
use crate::{
    agents::Agents,
    approvals::Approvals,
    endpoint::{self, Callbacks, EndpointDeps, OwnPorts, Probes},
    environment::Environment,
    freeze::Freeze,
    home::Home,
    links::{Links, LinksDeps, Live},
    process::Processes,
    prompts::Prompts,
    secrets::{NamedSecrets, Secret, Secrets},
    ssh::Ssh,
    store::{AuditQuery, Store},
    teams::{Teams, TeamsDeps},
    tls::Tls,
    tokens::Tokens,
};

/// An Iris without windows, agents or keychain.
pub(super) struct Iris {
    port: u16,
    pub(super) tokens: Tokens,
    pub(super) agent: Asker,
    pub(super) token: Secret,
    approvals: Approvals,
    pub(super) store: Store,
    pub(super) callbacks: Callbacks,
    _config: watch::Sender<Arc<Config>>,
    _snapshot: watch::Sender<Arc<Snapshot>>,
    pub(super) home: tempfile::TempDir,
}

impl Iris {
    async fn start() -> Self {
        Self::with(json!({ "blue": {
            "path": "/tmp", "approvalPolicy": { "deny": ["team_sleep"] } } }))
        .await
    }

    pub(super) async fn with(teams: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.prepare().unwrap();
        let config: Config = serde_json::from_value(json!({ "teams": teams })).unwrap();
        let (config_sender, config) = watch::channel(Arc::new(config));
        let snapshot = Snapshot {
            version: "0".to_owned(),
            endpoint: String::new(),
            teams: Vec::new(),
            approvals: Vec::new(),
            recent: Vec::new(),
            missed: Vec::new(),
            grants: Vec::new(),
            frozen: None,
            prompts: Vec::new(),
            slack: None,
            webhooks: Vec::new(),
            problems: Vec::new(),
        };
        let (snapshot_sender, snapshot) = watch::channel(Arc::new(snapshot));
        let tasks = TaskTracker::new();
        let store = Store::open(&home).await.unwrap().store;
        let tokens = Tokens::new(Secret::random());
        let freeze = Freeze::load(&home);
        let (transcripts, _) = crate::transcripts::Transcripts::open(&home);
        let approvals = Approvals::start(
            config.clone(),
            crate::approvals::Ground::default(),
            store.clone(),
            tokens.clone(),
            freeze.clone(),
            Vec::new(),
            &tasks,
        )
        .await
        .noted_in(transcripts.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        home.prepare().unwrap();
        let processes = Processes::new(&tasks);
        let secrets = Secrets::memory();
        let shutdown = CancellationToken::new();
        let callbacks = Callbacks::start(
            config.clone(),
            tokens.clone(),
            store.clone(),
            &tasks,
            shutdown.clone(),
        );
        let prompts = Prompts::start(&home, secrets, store.clone(), &tasks, shutdown.clone());
        let links = Links::start(LinksDeps {
            ssh: Ssh::new(Environment::default(), processes.clone(), home.ssh()),
            prompts: prompts.await.unwrap(),
            tls: Tls::temporary().unwrap(),
            probes: Probes::of_port(port),
            own_ports: OwnPorts::default(),
            port,
            instance: "test".into(),
            live: Live::default(),
            metrics: store.metrics().clone(),
            tasks: tasks.clone(),
        });
        let agents = Agents::new(
            &home,
            config.clone(),
            Environment::of_this_process(),
            processes.clone(),
        );
        let teams = Teams::start(TeamsDeps {
            home,
            env: Environment::default(),
            config,
            store: store.clone(),
            tokens: tokens.clone(),
            callbacks: callbacks.clone(),
            approvals: approvals.clone(),
            freeze,
            secrets: NamedSecrets::new(Secrets::memory(), store.clone()),
            processes: processes.clone(),
            links,
            ca_pem: String::new(),
            instance: "test".into(),
            endpoint: Some(format!("http://127.0.0.1:{port}/mcp")),
            transcripts: transcripts.clone(),
            tasks: tasks.clone(),
        })
        .await;
        let agent = Asker {
            team: "blue".parse().unwrap(),
            session: SessionId(uuid::Uuid::new_v4()),
            from: Party::Console,
            host: "local".to_owned(),
        };
        let token = tokens.mint(agent.clone());
        let deps = EndpointDeps {
            tokens: tokens.clone(),
            tls: Tls::temporary().unwrap(),
            own_ports: OwnPorts::default(),
            probes: Probes::of_port(port),
            callbacks: callbacks.clone(),
            approvals: approvals.clone(),
            agents,
            teams,
            transcripts,
            snapshot,
            logs: dir.path().join("logs"),
            store: store.clone(),
            tasks,
            shutdown: CancellationToken::new(),
        };
        endpoint::serve(listener, deps);
        Self {
            port,
            tokens,
            agent,
            token,
            approvals,
            store,
            callbacks,
            _config: config_sender,
            _snapshot: snapshot_sender,
            home: dir,
        }
    }

    pub(super) async fn open(
        &self,
        path: &str,
        token: &Secret,
        method: &str,
        params: &Value,
    ) -> TcpStream {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.port,
            token.expose(),
            body.len(),
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        stream
    }

    pub(super) async fn by_agent(&self, tool: &str, arguments: Value) -> TcpStream {
        let path = format!("/mcp/{}", self.agent.session);
        let params = json!({ "name": tool, "arguments": arguments });
        self.open(&path, &self.token, "tools/call", &params).await
    }

    pub(super) async fn by_console(&self, method: &str, params: Value) -> TcpStream {
        self.open("/mcp", &self.tokens.console(), method, &params)
            .await
    }

    /// The only approval that waits.
    pub(super) async fn pending(&self) -> iris_domain::snapshot::ApprovalView {
        let mut view = self.approvals.watch();
        let seen = soon(
            "an approval",
            view.wait_for(|view| !view.pending.is_empty()),
        )
        .await;
        iris_domain::snapshot::ApprovalView::clone(&seen.unwrap().pending[0])
    }
}

/// The JSON-RPC answer, whether it came as JSON or as the event of a stream.
pub(super) async fn answer(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    soon("an answer", stream.read_to_string(&mut text))
        .await
        .unwrap();
    let line = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("data: ")
                .or(line.starts_with('{').then_some(line))
        })
        .next_back();
    serde_json::from_str(line.unwrap_or_else(|| panic!("no message in {text}"))).unwrap()
}

/// What Claude Code reads: the one text, and nothing structured beside it.
pub(super) fn permission(answer: &Value) -> Value {
    let result = &answer["result"];
    assert_eq!(
        result.get("structuredContent"),
        None,
        "it makes every answer invalid: {answer}"
    );
    assert_eq!(
        result["content"].as_array().map(Vec::len),
        Some(1),
        "exactly one text: {answer}"
    );
    serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
}

pub(super) fn bash(id: &str) -> Value {
    json!({ "tool_name": "Bash", "input": { "command": "make" }, "tool_use_id": id })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_answers_at_once_and_a_human_when_they_do() {
    let iris = Iris::start().await;
    let list = json!({ "tool_name": "mcp__iris__list_teams", "input": {}, "tool_use_id": "t1" });
    let ruled = answer(iris.by_agent("permissions__approve", list).await).await;
    assert_eq!(
        permission(&ruled),
        json!({ "behavior": "allow", "updatedInput": {} })
    );

    let waiting = iris.by_agent("permissions__approve", bash("t2")).await;
    let pending = iris.pending().await;
    assert_eq!(
        (pending.tool.as_str(), &pending.session),
        ("Bash", &iris.agent.session)
    );
    let human = Human {
        surface: Surface::Cli,
        user: "me".to_owned(),
    };
    let edited = json!({ "command": "make test" });
    let allow = Answer::Allow {
        input: Some(edited.clone()),
        remember: None,
    };
    iris.approvals
        .answer(pending.id, allow, human.clone())
        .await
        .unwrap();
    let allowed = permission(&answer(waiting).await);
    assert_eq!(
        allowed,
        json!({ "behavior": "allow", "updatedInput": edited })
    );

    let waiting = iris.by_agent("permissions__approve", bash("t3")).await;
    let pending = iris.pending().await;
    let deny = Answer::Deny {
        message: Some("not today".to_owned()),
    };
    iris.approvals
        .answer(pending.id, deny, human)
        .await
        .unwrap();
    let denied = permission(&answer(waiting).await);
    assert_eq!(denied["behavior"], "deny");
    assert!(
        denied["message"].as_str().unwrap().contains("not today"),
        "{denied}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_withdraws_the_request() {
    let iris = Iris::start().await;
    let waiting = iris.by_agent("permissions__approve", bash("t1")).await;
    let pending = iris.pending().await;
    drop(waiting);
    let mut view = iris.approvals.watch();
    soon("withdrawn", view.wait_for(|view| view.pending.is_empty()))
        .await
        .unwrap();
    let human = Human {
        surface: Surface::Cli,
        user: "me".to_owned(),
    };
    let late = iris
        .approvals
        .answer(pending.id, Answer::ALLOW_ONCE, human)
        .await;
    assert!(late.is_err(), "nobody is there to be allowed: {late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_denied_in_claude_codes_words_and_written_down() {
    let iris = Iris::start().await;
    for arguments in [
        json!({}),
        json!({ "tool_name": "Bash", "input": "x", "tool_use_id": "t" }),
        json!({ "tool_name": "", "input": {}, "tool_use_id": "t" }),
        json!({ "tool_name": "Bash", "input": {}, "tool_use_id": "t", "sandbox": "off" }),
    ] {
        let said = answer(
            iris.by_agent("permissions__approve", arguments.clone())
                .await,
        )
        .await;
        let denied = permission(&said);
        assert_eq!(denied["behavior"], "deny", "{arguments}");
        assert!(
            denied["message"].is_string(),
            "a denial needs a message: {arguments}"
        );
    }
    let rows = rows(&iris.store, 4).await;
    assert!(
        rows.iter().all(|row| row.draft.decision == Verb::Deny),
        "{rows:?}"
    );
    assert!(
        rows.iter().all(|row| row.draft.decided_by == "iris:input"),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_asks_nobody_and_lies_are_refused() {
    let iris = Iris::start().await;
    let list = answer(iris.by_console("tools/list", json!({})).await).await;
    let names: Vec<_> = list["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert!(names.contains(&"list_teams"), "{names:?}");
    assert!(!names.contains(&"permissions__approve"), "{names:?}");
    let params = json!({ "name": "permissions__approve", "arguments": bash("t") });
    let asked = answer(iris.by_console("tools/call", params).await).await;
    assert_eq!(asked["result"]["isError"], true, "{asked}");

    let lie = json!({ "fromTeam": "console" });
    let lied = answer(iris.by_agent("team_status", lie).await).await;
    assert_eq!(lied["result"]["isError"], true, "{lied}");
    let own = json!({ "toTeam": "blue", "message": "hello me" });
    let own = answer(iris.by_agent("send_message", own).await).await;
    assert_eq!(own["result"]["isError"], true, "{own}");
    let rows = rows(&iris.store, 3).await;
    let mut whys: Vec<_> = rows
        .iter()
        .map(|row| row.draft.decided_by.as_str())
        .collect();
    whys.sort_unstable();
    assert_eq!(
        whys,
        ["console", "identity", "self"],
        "each refusal is written down"
    );
    assert!(
        rows.iter().all(|row| row.draft.kind == Kind::Call),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quick_tools_answer_with_the_same_as_text_and_structured() {
    let iris = Iris::start().await;
    for tool in ["list_teams", "team_status", "get_logs", "get_date"] {
        let said = answer(iris.by_agent(tool, json!({})).await).await;
        let result = &said["result"];
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"], "{tool}");
        assert!(text.get("timestamp").is_some(), "{tool}: {text}");
    }
    let unknown = answer(iris.by_agent("session_destroy", json!({})).await).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_reads_of_the_log_what_is_its_own() {
    let iris = Iris::start().await;
    let line = |level: &str, team: &str| {
        json!({ "timestamp": "2026-01-02T10:00:00Z", "level": level, "message": "m", "team": team,
            "password": "hush-hush" })
        .to_string()
            + "\n"
    };
    let lines = line("INFO", "red") + &line("WARN", "blue") + &line("INFO", "blue");
    let file = iris.home.path().join("logs/iris-2026-01-02.jsonl");
    std::fs::write(file, lines).unwrap();
    let logs = async |arguments: Value| {
        answer(iris.by_agent("get_logs", arguments).await).await["result"].clone()
    };

    let all = &logs(json!({})).await["structuredContent"];
    assert_eq!(all["logCount"], 2, "{all}");
    assert_eq!(all["logs"][0]["team"], "blue");
    assert_eq!(all["storeName"], "iris");
    assert_eq!(all["query"], json!({ "format": "parsed" }));
    assert!(!all.to_string().contains("hush-hush"), "{all}");
    let raw = json!({ "storeName": "iris-mcp", "format": "raw", "level": "warn", "logs_since": 5 });
    let raw = &logs(raw).await["structuredContent"];
    assert_eq!(raw["logCount"], 1, "{raw}");
    assert!(raw["logs"][0].as_str().unwrap().contains("\"WARN\""));
    assert_eq!(
        raw["query"],
        json!({ "since": 5, "format": "raw", "level": ["warn"] })
    );
    let none = &logs(json!({ "level": ["fatal", "error"] })).await["structuredContent"];
    assert_eq!((&none["logCount"], &none["logs"]), (&json!(0), &json!([])));
    let stores = &logs(json!({ "getAllStores": true })).await["structuredContent"];
    assert_eq!(stores["availableStores"], json!(["iris"]));
    assert_eq!(stores.get("logs"), None);

    for (arguments, why) in [
        (json!({ "logs_since": i64::MAX }), "future"),
        (json!({ "logs_since": -1 }), "logs_since"),
        (json!({ "storeName": "other" }), "other"),
        (json!({ "level": "loud" }), "level takes trace"),
    ] {
        let refused = logs(arguments).await;
        assert_eq!(refused["isError"], true, "{refused}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    let console = json!({ "name": "get_logs", "arguments": {} });
    let console = answer(iris.by_console("tools/call", console).await).await;
    let of_all = &console["result"]["structuredContent"];
    assert_eq!(of_all["logCount"], 3, "{console}");
}

/// The audit rows, when there are so many: refusals are written after the answer.
pub(super) async fn rows(store: &Store, count: usize) -> Vec<iris_domain::audit::Row> {
    soon("the audit rows", async {
        loop {
            let rows = store.audit(AuditQuery::default()).await.unwrap();
            if rows.len() >= count {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
