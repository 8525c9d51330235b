//! The tools for messages, as an MCP client has them: each field does what it says, and the sender is
//! told the truth.

use std::{fs, path::PathBuf, time::Instant};

use iris_domain::{message::MESSAGE_MAX, session::QUEUE_MAX};
use iris_tests::{Bridge, Iris, eventually, require};
use serde_json::{Value, json};

/// An Iris with a fake agent, and who sends it messages.
struct Desk {
    iris: Iris,
    bridge: Bridge,
    gate: PathBuf,
}

impl Desk {
    async fn open() -> Self {
        let fake = json!({"claudePath": require::built("fake-claude")});
        let iris = Iris::prepare().await.team("api", fake).serve().await;
        Self {
            bridge: iris.bridge(),
            gate: iris.dir().join("gate"),
            iris,
        }
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let given = self.bridge.call(tool, arguments).await;
        given.unwrap_or_else(|answer| panic!("{answer}"))
    }

    /// Sends with these fields beside the message, and returns what came of it.
    async fn send(&mut self, text: &str, fields: Value) -> Value {
        let mut arguments = json!({"toTeam": "api", "message": text});
        let fields = fields.as_object().unwrap().clone();
        arguments.as_object_mut().unwrap().extend(fields);
        self.call("send_message", arguments).await
    }

    /// Sends something and does not wait; its id.
    async fn leave(&mut self, text: &str) -> Value {
        let sent = self.send(text, json!({"timeout": -1})).await;
        assert_eq!(sent["status"], "queued", "{sent}");
        sent["messageId"].clone()
    }

    /// A message that is answered when the gate is opened, and runs now.
    async fn running(&mut self) -> Value {
        let id = self
            .leave(&format!("when {} opened", self.gate.display()))
            .await;
        let status = json!({"messageId": id});
        eventually("it runs", async || {
            let status = self.call("message_status", status.clone()).await;
            (status["status"] == "delivered").then_some(())
        })
        .await;
        id
    }

    fn open_the_gate(&self) {
        fs::write(&self.gate, "").unwrap();
    }

    /// How a message ended.
    async fn end(&mut self, id: &Value) -> Value {
        let arguments = json!({"messageId": id, "timeout": 60_000});
        let end = self.call("message_status", arguments).await;
        assert!(end["completedAt"].is_i64(), "it has ended: {end}");
        end
    }

    fn close(mut self) {
        drop(self.bridge);
        self.iris.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_is_minus_one_nothing_or_milliseconds() {
    let mut desk = Desk::open().await;
    let id = desk.running().await;
    // It is behind one that is not answered.
    let late = desk.send("late", json!({"timeout": 200})).await;
    assert_eq!(
        (&late["status"], &late["response"]),
        (&json!("timeout"), &Value::Null)
    );
    assert!(late["duration"].as_i64().unwrap() >= 200, "{late}");
    let begun = Instant::now();
    let left = desk.leave("left").await;
    assert!(begun.elapsed().as_secs() < 20, "who does not wait does not");

    let mut patient = desk.iris.bridge();
    let (answer, ()) = tokio::join!(
        patient.call(
            "send_message",
            json!({"toTeam": "api", "message": "patient", "timeout": 0})
        ),
        async { desk.open_the_gate() }
    );
    let answer = answer.unwrap();
    assert_eq!(
        (&answer["status"], &answer["response"]),
        (&json!("answered"), &json!("patient"))
    );
    for (id, said) in [
        (&id, "opened"),
        (&late["messageId"], "late"),
        (&left, "left"),
    ] {
        let end = desk.end(id).await;
        assert_eq!(end["response"], said, "the late answer is kept: {end}");
    }
    let refused = desk.bridge.call(
        "send_message",
        json!({"toTeam": "api", "message": "x", "timeout": -2}),
    );
    assert!(
        refused
            .await
            .unwrap_err()
            .to_string()
            .contains("-1 (do not wait)")
    );
    drop(patient);
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_and_what_it_holds_is_answered() {
    let mut desk = Desk::open().await;
    let first = desk.running().await;
    let mut held = vec![];
    for n in 0..QUEUE_MAX {
        held.push(desk.leave(&format!("number {n}")).await);
    }
    for persist in [false, true] {
        let full = desk.send("one too many", json!({"persist": persist})).await;
        assert_eq!(full["status"], "failed", "{full}");
        let why = full["error"].as_str().unwrap();
        assert!(
            why.starts_with(&format!("{QUEUE_MAX} messages wait")),
            "{why}"
        );
        let arguments = json!({"toTeam": "api", "message": "one too many", "persist": persist});
        let full = desk.call("quick_message", arguments).await;
        assert_eq!(
            full["status"], "failed",
            "who does not wait hears it too: {full}"
        );
    }
    desk.open_the_gate();
    assert_eq!(desk.end(&first).await["response"], "opened");
    let mut before = 0;
    for (n, id) in held.iter().enumerate() {
        let end = desk.end(id).await;
        assert_eq!(end["response"], format!("number {n}"), "{end}");
        let at = end["deliveredAt"].as_i64().unwrap();
        assert!(at >= before, "in their order");
        before = at;
    }
    let again = desk.send("there is room", json!({})).await;
    assert_eq!(again["response"], "there is room", "{again}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_waiting_message_is_taken_back_and_the_others_stay() {
    let mut desk = Desk::open().await;
    let first = desk.running().await;
    let unwanted = desk.leave("unwanted").await;
    let last = desk.leave("last").await;
    let cancel = |id: &Value| json!({"team": "api", "messageId": id});
    let said = desk.call("session_cancel", cancel(&unwanted)).await;
    assert_eq!(said["attempted"], true, "{said}");
    let end = desk.end(&unwanted).await;
    assert_eq!(end["status"], "cancelled", "{end}");
    assert!(
        end["deliveredAt"].is_null(),
        "the agent never got it: {end}"
    );
    let said = desk.call("session_cancel", cancel(&unwanted)).await;
    assert_eq!(said["attempted"], false, "it had ended: {said}");
    desk.open_the_gate();
    assert_eq!(desk.end(&first).await["response"], "opened", "it ran on");
    assert_eq!(desk.end(&last).await["response"], "last");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_message_is_told_to_its_sender_only_and_over_a_restart() {
    let mut desk = Desk::open().await;
    let sent = desk.send("hello", json!({})).await;
    let id = &sent["messageId"];
    let end = desk.end(id).await;
    assert_eq!(
        (&end["status"], &end["response"]),
        (&json!("answered"), &json!("hello"))
    );
    assert_eq!(
        (&end["from"], &end["to"]),
        (&json!("console"), &json!("api"))
    );
    assert_eq!(end["sessionId"], sent["sessionId"]);
    desk.iris.kill9();
    desk.iris.restart().await;
    assert_eq!(desk.end(id).await["response"], "hello");
    let report = desk.call("session_report", json!({"team": "api"})).await;
    assert_eq!(report["entries"][0]["messageId"], *id, "{report}");
    assert_eq!(report["allComplete"], true);
    let unknown = json!({"messageId": "00000000-0000-4000-8000-000000000000"});
    let refused = desk
        .bridge
        .call("message_status", unknown)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("you sent no message"),
        "{refused}"
    );
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_longer_than_its_days_is_expired_and_never_delivered() {
    let mut desk = Desk::open().await;
    desk.running().await;
    let day = json!({"timeout": -1, "persist": true, "ttlDays": 1});
    let late = desk.send("late", day.clone()).await["messageId"].clone();
    let in_time = desk
        .send(
            "in time",
            json!({"timeout": -1, "persist": true, "ttlDays": 2}),
        )
        .await;
    let days = |message: &Value| {
        let time = |name: &str| message[name].as_i64().unwrap();
        (time("expiresAt") - time("createdAt")) / (24 * 3600 * 1000)
    };
    let status = desk
        .call("message_status", json!({"messageId": late}))
        .await;
    assert_eq!((days(&status), &status["status"]), (1, &json!("queued")));
    desk.iris.kill9();
    // As if the first of the two days had passed.
    let database = rusqlite::Connection::open(desk.iris.home().join("iris.db")).unwrap();
    let passed = "UPDATE message SET expires_at = '2020-01-01T00:00:00Z' WHERE text = 'late'";
    assert_eq!(database.execute(passed, []).unwrap(), 1);
    drop(database);
    desk.open_the_gate();
    desk.iris.restart().await;
    let end = desk.end(&late).await;
    assert_eq!(
        (&end["status"], &end["deliveredAt"]),
        (&json!("expired"), &Value::Null)
    );
    assert!(end["error"].as_str().unwrap().contains("ttlDays"), "{end}");
    assert_eq!(desk.end(&in_time["messageId"]).await["response"], "in time");
    let alone = json!({"toTeam": "api", "message": "x", "ttlDays": 3});
    let refused = desk.bridge.call("send_message", alone).await.unwrap_err();
    assert!(refused.to_string().contains("without persist"), "{refused}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_of_any_text_arrives_and_comes_back_exactly() {
    let mut desk = Desk::open().await;
    let odd = "ü€😀\u{202e}\u{feff}\u{0}\u{1b}[31m\"\\\r\n\t</s>{}\u{2028}e\u{301}";
    let mut text = "x".to_owned();
    while text.len() + odd.len() <= MESSAGE_MAX {
        text.push_str(odd);
    }
    text.push_str(&"y".repeat(MESSAGE_MAX - text.len()));
    let answer = desk.send(&text, json!({"timeout": 0})).await;
    assert_eq!(answer["status"], "answered");
    assert!(answer["response"] == text, "to the last byte");
    text.push('z');
    let refused = desk
        .bridge
        .call("send_message", json!({"toTeam": "api", "message": text}));
    assert!(
        refused
            .await
            .unwrap_err()
            .to_string()
            .contains("longer than")
    );
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_found_among_blocks_of_every_kind() {
    let mut desk = Desk::open().await;
    let answer = desk.send("blocks part two", json!({})).await;
    assert_eq!(answer["response"], "part two", "{answer}");
    // One that has no result of its own is answered with all that was said.
    let answer = desk.send("blocks-folded part two", json!({})).await;
    assert_eq!(answer["response"], "part one\n\npart two", "{answer}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_persists_waits_for_a_team_that_sleeps_or_cannot_be_reached() {
    let mut desk = Desk::open().await;
    // Put to sleep, with something that waits for it.
    desk.running().await;
    let waits = desk
        .send("waits", json!({"timeout": -1, "persist": true}))
        .await;
    let gone = desk.leave("gone").await;
    let said = desk
        .call("team_sleep", json!({"team": "api", "force": true}))
        .await;
    assert_eq!(said["status"], "asleep", "{said}");
    assert_eq!(
        desk.end(&gone).await["status"],
        "failed",
        "it was not to persist"
    );
    let status = json!({"messageId": waits["messageId"]});
    let still = desk.call("message_status", status).await;
    assert_eq!(still["status"], "queued", "{still}");
    assert!(still["error"].is_string(), "why it waits: {still}");
    desk.call("team_wake", json!({"team": "api"})).await;
    assert_eq!(desk.end(&waits["messageId"]).await["response"], "waits");

    // On a host that nobody reaches, over a restart, until it is somewhere else.
    let config = desk.iris.home().join("config.json");
    let here = fs::read_to_string(&config).unwrap();
    let mut there: Value = serde_json::from_str(&here).unwrap();
    there["teams"]["api"]["remote"] = json!("ssh nobody@127.0.0.1 -p 1");
    fs::write(&config, there.to_string()).unwrap();
    eventually("the team is on another host", async || {
        let status = desk.iris.status().await;
        (status["teams"][0]["host"] != "local").then_some(())
    })
    .await;
    let far = desk
        .send("far", json!({"timeout": 500, "persist": true}))
        .await;
    assert!(
        far["status"] == "timeout" || far["status"] == "queued",
        "{far}"
    );
    desk.iris.kill9();
    desk.iris.restart().await;
    let status = json!({"messageId": far["messageId"]});
    let still = desk.call("message_status", status).await;
    assert_eq!(still["status"], "queued", "{still}");
    fs::write(&config, here).unwrap();
    assert_eq!(desk.end(&far["messageId"]).await["response"], "far");
    desk.close();
}
