//! The kit itself: what the tests believe must be true of their tools first.

use std::{collections::HashMap, path::Path, process::Stdio};

use futures::StreamExt;
use iris_tests::{Desktop, FakeModel, Iris, eventually, processes, require};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use zbus::{proxy, zvariant};

/// The real Claude Code alone, with permission requests on its own pipes.
struct Claude {
    child: Child,
    stdin: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
}

impl Claude {
    fn start(model: &FakeModel, dir: &Path) -> Self {
        let mut child = Command::new(require::claude().expect("checked by the caller"))
            .args([
                "-p",
                "--input-format",
                "stream-json",
                "--output-format",
                "stream-json",
            ])
            .args(["--verbose", "--permission-prompt-tool", "stdio"])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", dir)
            .env("ANTHROPIC_API_KEY", "fake")
            .env("ANTHROPIC_BASE_URL", model.url())
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_AUTOUPDATER", "1")
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("claude starts");
        let stdin = child.stdin.take().expect("a pipe");
        let events = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self {
            child,
            stdin,
            events,
        }
    }

    async fn write(&mut self, line: Value) {
        self.stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("claude reads");
    }

    async fn prompt(&mut self, text: &str) {
        self.write(json!({"type": "user", "message": {"role": "user", "content": text}}))
            .await;
    }

    async fn event(&mut self, kind: &str) -> Value {
        while let Some(line) = self.events.next_line().await.expect("claude writes UTF-8") {
            let event: Value = serde_json::from_str(&line).expect("claude writes JSON");
            if event["type"] == kind {
                return event;
            }
        }
        panic!("claude ended before a {kind} event")
    }

    async fn answer(&mut self, asked: &Value, response: Value) {
        let id = &asked["request_id"];
        self.write(json!({"type": "control_response",
            "response": {"subtype": "success", "request_id": id, "response": response}}))
            .await;
    }
}

#[tokio::test]
async fn the_real_claude_code_follows_the_fake_model() {
    require!("claude");
    let dir = tempfile::tempdir().unwrap();
    let model = FakeModel::start().await;
    let mut claude = Claude::start(&model, dir.path());

    claude.prompt("hello").await;
    assert_eq!(claude.event("result").await["result"], "echo: hello");

    claude.prompt("FAKE:bash touch made-by-bash").await;
    let asked = claude.event("control_request").await;
    assert_eq!(asked["request"]["input"]["command"], "touch made-by-bash");
    claude
        .answer(&asked, json!({"behavior": "allow", "updatedInput": {}}))
        .await;
    let result = claude.event("result").await;
    assert!(
        result["result"].as_str().unwrap().starts_with("done: OK"),
        "{result:#}"
    );
    assert!(
        dir.path().join("made-by-bash").exists(),
        "an allowed command runs"
    );

    claude.prompt("FAKE:write denied.txt some text").await;
    let asked = claude.event("control_request").await;
    assert_eq!(asked["request"]["tool_name"], "Write");
    claude
        .answer(&asked, json!({"behavior": "deny", "message": "not today"}))
        .await;
    let result = claude.event("result").await;
    assert_eq!(
        result["result"], "done: ERROR not today",
        "the agent is told why"
    );

    claude
        .prompt("FAKE:question Which database? | SQLite | Postgres")
        .await;
    let asked = claude.event("control_request").await;
    assert_eq!(asked["request"]["tool_name"], "AskUserQuestion");
    let mut input = asked["request"]["input"].clone();
    input["answers"] = json!({"Which database?": "SQLite"});
    claude
        .answer(&asked, json!({"behavior": "allow", "updatedInput": input}))
        .await;
    let result = claude.event("result").await;
    assert!(
        result["result"].as_str().unwrap().contains("SQLite"),
        "{result:#}"
    );

    claude
        .prompt("FAKE:parallel read /etc/hostname ||| read /etc/hosts")
        .await;
    for _ in 0..2 {
        let asked = claude.event("control_request").await;
        claude
            .answer(&asked, json!({"behavior": "allow", "updatedInput": {}}))
            .await;
    }
    let result = claude.event("result").await;
    assert_eq!(
        result["result"].as_str().unwrap().matches("OK").count(),
        2,
        "{result:#}"
    );

    claude.prompt("FAKE:slow 2000").await;
    eventually("the slow answer begins", async || {
        model
            .prompts()
            .iter()
            .any(|prompt| prompt == "FAKE:slow 2000")
            .then_some(())
    })
    .await;
    claude
        .write(json!({"type": "control_request", "request_id": "i1", "request": {"subtype": "interrupt"}}))
        .await;
    let result = claude.event("result").await;
    assert_eq!(
        result["is_error"], true,
        "an interrupted turn is no answer: {result:#}"
    );

    drop(claude.stdin);
    assert!(
        claude.child.wait().await.unwrap().code().is_some(),
        "claude ends with its input"
    );
    assert!(
        model
            .requests()
            .iter()
            .all(|request| request.api_key == "fake")
    );
}

#[proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Notifier {
    #[expect(clippy::too_many_arguments, reason = "the specification says so")]
    fn notify(
        &self,
        app: &str,
        replaces: u32,
        icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, zvariant::Value<'_>>,
        timeout: i32,
    ) -> zbus::Result<u32>;
    fn close_notification(&self, id: u32) -> zbus::Result<()>;
    #[zbus(signal)]
    fn action_invoked(&self, id: u32, key: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    fn notification_closed(&self, id: u32, reason: u32) -> zbus::Result<()>;
}

#[tokio::test]
async fn notifications_are_recorded_pressed_and_withdrawn() {
    require!("dbus-daemon", "Xvfb");
    let mut desktop = Desktop::start().await;
    let connection = desktop.connection().await;
    let client = NotifierProxy::new(&connection).await.unwrap();
    let mut pressed = client.receive_action_invoked().await.unwrap();
    let mut closed = client.receive_notification_closed().await.unwrap();
    let buttons = ["allow", "Allow", "deny", "Deny"];
    let hints = HashMap::from([("urgency", zvariant::Value::U8(2))]);

    let id = client
        .notify("app", 0, "", "title", "a &lt; b", &buttons, hints, 0)
        .await
        .unwrap();
    let shown = desktop.notifications.one().await;
    assert_eq!(
        (shown.id, shown.urgency, shown.body.as_str()),
        (id, 2, "a &lt; b")
    );

    desktop.notifications.press(&shown, "Allow").await;
    let signal = pressed.next().await.unwrap();
    assert_eq!(
        (signal.args().unwrap().id, signal.args().unwrap().key),
        (id, "allow")
    );
    assert_eq!(closed.next().await.unwrap().args().unwrap().reason, 2);
    desktop.notifications.none().await;

    let id = client
        .notify("app", 0, "", "t", "b", &[], HashMap::new(), 0)
        .await
        .unwrap();
    client.close_notification(id).await.unwrap();
    assert_eq!(closed.next().await.unwrap().args().unwrap().reason, 3);
    assert!(
        desktop.notifications.open().is_empty(),
        "what was withdrawn is not shown"
    );

    desktop.notifications.die().await;
    let error = client
        .notify("app", 0, "", "t", "b", &[], HashMap::new(), 0)
        .await;
    assert!(error.is_err(), "a dead service takes nothing");
    desktop.notifications.come_back().await;
    client
        .notify("app", 0, "", "t", "b", &[], HashMap::new(), 0)
        .await
        .unwrap();
    desktop.notifications.one().await;
}

/// A tray menu as libdbusmenu serves it.
struct Menu {
    clicked: tokio::sync::mpsc::UnboundedSender<i32>,
}

type Entry = (
    i32,
    HashMap<&'static str, zvariant::Value<'static>>,
    Vec<zvariant::Value<'static>>,
);

fn entry(id: i32, label: &'static str, children: Vec<Entry>) -> Entry {
    let children = children
        .into_iter()
        .map(|child| {
            zvariant::Value::new(
                zvariant::StructureBuilder::new()
                    .add_field(child.0)
                    .add_field(child.1)
                    .add_field(child.2)
                    .build()
                    .unwrap(),
            )
        })
        .collect();
    (
        id,
        HashMap::from([("label", zvariant::Value::from(label))]),
        children,
    )
}

#[zbus::interface(name = "com.canonical.dbusmenu")]
impl Menu {
    fn about_to_show(&self, _id: i32) -> bool {
        false
    }
    fn get_layout(&self, _parent: i32, _depth: i32, _names: Vec<String>) -> (u32, Entry) {
        let approval = entry(
            1,
            "alpha · Bash · touch my__file",
            vec![entry(2, "_Allow", vec![]), entry(3, "_Deny", vec![])],
        );
        (7, entry(0, "", vec![approval, entry(4, "Quit", vec![])]))
    }
    fn event(&self, id: i32, kind: &str, _data: zvariant::Value<'_>, _time: u32) {
        assert_eq!(kind, "clicked");
        self.clicked.send(id).unwrap();
    }
}

struct Item;

#[zbus::interface(name = "org.kde.StatusNotifierItem")]
impl Item {
    #[zbus(property)]
    fn menu(&self) -> zvariant::ObjectPath<'_> {
        zvariant::ObjectPath::from_static_str_unchecked("/menu")
    }
    #[zbus(property)]
    fn title(&self) -> &str {
        "an item"
    }
}

#[tokio::test]
async fn a_tray_menu_is_read_and_clicked() {
    require!("dbus-daemon", "Xvfb");
    let desktop = Desktop::start().await;
    let (clicked, mut clicks) = tokio::sync::mpsc::unbounded_channel();
    let connection = zbus::connection::Builder::address(desktop.bus_address().as_str())
        .unwrap()
        .serve_at("/item", Item)
        .unwrap()
        .serve_at("/menu", Menu { clicked })
        .unwrap()
        .build()
        .await
        .unwrap();
    connection
        .call_method(
            Some("org.kde.StatusNotifierWatcher"),
            "/StatusNotifierWatcher",
            Some("org.kde.StatusNotifierWatcher"),
            "RegisterStatusNotifierItem",
            &("/item",),
        )
        .await
        .unwrap();

    let labels = desktop.tray.labels().await;
    assert_eq!(
        labels[..2],
        [
            "alpha · Bash · touch my_file".to_owned(),
            "alpha · Bash · touch my_file/Allow".to_owned(),
        ]
    );
    desktop.tray.click(&["touch my_file", "allow"]).await;
    assert_eq!(clicks.recv().await, Some(2));
    desktop.tray.gone(&["Allow", "touch"]).await;
    assert_eq!(desktop.tray.property("Title").await, "an item");
}

#[tokio::test]
async fn a_desktop_ends_with_its_owner() {
    require!("dbus-daemon", "Xvfb", "gnome-keyring-daemon");
    let desktop = Desktop::start().await.with_keyring().await;
    let pids = desktop.pids();
    assert_eq!(pids.len(), 3, "bus, display and keyring");
    drop(desktop);
    let left: Vec<_> = pids
        .into_iter()
        .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[tokio::test]
async fn a_prepared_home_is_clean_and_marked() {
    let setup = Iris::prepare()
        .await
        .setting("permissionTimeout", 2)
        .team("alpha", json!({}));
    let config: Value =
        serde_json::from_slice(&std::fs::read(setup.home().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["settings"]["permissionTimeout"], 2);
    assert!(Path::new(config["teams"]["alpha"]["path"].as_str().unwrap()).is_dir());

    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .current_dir(setup.dir())
        .spawn()
        .unwrap();
    let found = processes::marked(setup.dir());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        found.len(),
        1,
        "a program in the directory is found: {found:?}"
    );
    assert!(
        processes::marked(setup.dir()).is_empty(),
        "one that ended is not"
    );
}
