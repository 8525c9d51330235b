//! Iris killed at every step of a message's life: nothing that was accepted is lost, nothing runs
//! twice, and nothing runs that is not on record. The steps are found by injection: a library in
//! `iris serve` counts what it leaves outside of itself, and kills it at one of these calls.

use std::{collections::BTreeMap, fs, path::PathBuf};

use iris_domain::message::given_as;
use iris_tests::{Bridge, Dying, Iris, eventually, require};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

/// How many are tried at once.
const LANES: usize = 3;

/// Two messages, their agent, their Iris, and what kills it.
struct Lane {
    iris: Iris,
    bridge: Bridge,
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
        Self {
            bridge: iris.bridge(),
            gate: iris.dir().join("gate"),
            iris,
            dying,
            accepted: BTreeMap::new(),
        }
    }

    /// What a tool answers; `None` where Iris died meanwhile.
    async fn call(&mut self, tool: &str, arguments: Value) -> Option<Value> {
        match self.bridge.call(tool, arguments).await {
            Ok(given) => Some(given),
            Err(answer) => {
                let what = format!("an Iris that gives no answer dies: {answer}");
                eventually(&what, async || self.iris.has_died().then_some(())).await;
                None
            }
        }
    }

    async fn send(&mut self, text: &str) {
        let arguments = json!({"toTeam": "api", "message": text, "persist": true});
        if let Some(sent) = self.call("quick_message", arguments).await {
            assert_eq!(sent["status"], "queued", "{sent}");
            let id = sent["messageId"].as_str().unwrap().to_owned();
            self.accepted.insert(id, text.to_owned());
        }
    }

    /// Claude Code's own record: what it was given, in its order.
    fn given(&self) -> Vec<Given> {
        let folder = self.iris.dir().join("home/.claude/projects/-fake");
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut records =
            files.filter(|file| file.path().extension().is_some_and(|e| e == "jsonl"));
        let Some(record) = records.next() else {
            return vec![];
        };
        assert!(
            records.next().is_none(),
            "the conversation is still the same"
        );
        let mut given: Vec<Given> = Vec::new();
        for line in fs::read_to_string(record.path()).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let id = |name: &str| entry[name].as_str().map(|id| id.parse::<Uuid>().unwrap());
            let text = entry["message"]["content"][0]["text"].as_str().unwrap();
            match id("parentUuid") {
                None => given.push(Given {
                    id: id("uuid").unwrap(),
                    text: text.to_owned(),
                    answered: 0,
                }),
                Some(before) => {
                    let given = given.iter_mut().find(|given| given.id == before);
                    given.unwrap().answered += 1;
                }
            }
        }
        given
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.iris.home().join("iris.db")).unwrap()
    }

    /// All that were accepted, in their order.
    fn messages(&self) -> Vec<Kept> {
        let database = self.database();
        let sql = "SELECT id, text, state, settled_at IS NOT NULL, coalesce(response, ''),
                   coalesce(error, '') FROM message ORDER BY seq";
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok(Kept {
                id: row.get::<_, String>(0)?.parse().unwrap(),
                text: row.get(1)?,
                state: row.get(2)?,
                settled: row.get(3)?,
                response: row.get(4)?,
                error: row.get(5)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn all_settled(&self) -> Option<()> {
        self.messages().iter().all(|m| m.settled).then_some(())
    }

    /// One life of two messages, the second sent while the first runs. It may be cut short.
    async fn live(&mut self, round: usize) {
        if self.gate.exists() {
            fs::remove_file(&self.gate).unwrap();
        }
        let before = self.given().len();
        let first = format!("when {} first ü€ {round}", self.gate.display());
        self.send(&first).await;
        eventually("the turn begins, or Iris dies", async || {
            (self.given().len() > before || self.iris.has_died()).then_some(())
        })
        .await;
        if self.iris.has_died() {
            return;
        }
        self.send(&format!("second {round}")).await;
        fs::write(&self.gate, "").unwrap();
        self.ends_or_dies().await;
    }

    async fn ends_or_dies(&mut self) {
        eventually("all has ended, or Iris dies", async || {
            self.all_settled()
                .or_else(|| self.iris.has_died().then_some(()))
        })
        .await;
    }

    /// A life that ends at this call, and, where it is said, another one at that call of the next
    /// start. Returns what the calls were; `None`: it lived on.
    async fn round(&mut self, call: usize, again: Option<usize>) -> [Option<String>; 2] {
        self.iris.kill9();
        self.iris.restart_dying(&self.dying.clone()).await;
        let torn = call.is_multiple_of(2);
        self.dying.at(call, torn);
        self.live(call).await;
        let first = self.died_at(call);
        // What the agent does now, without Iris, is seen by no one.
        let goes_on = call % 4 < 2;
        if goes_on {
            fs::write(&self.gate, "").unwrap();
        }
        let mut second = None;
        if let Some(again) = again {
            self.iris.kill9();
            self.dying.at(again, torn);
            self.iris.restart_dying(&self.dying.clone()).await;
            fs::write(&self.gate, "").unwrap();
            self.ends_or_dies().await;
            second = self.died_at(again);
        }
        self.iris.kill9();
        self.iris.restart().await;
        fs::write(&self.gate, "").unwrap();
        eventually("everything that was accepted ends", async || {
            self.all_settled()
        })
        .await;
        self.check(if again.is_some() { 2 } else { 1 });
        [first, second]
    }

    fn died_at(&mut self, call: usize) -> Option<String> {
        let died = self.iris.has_died();
        let calls = self.dying.calls();
        if !died {
            return None;
        }
        let number = format!("{call} ");
        let named = calls
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix(&number));
        Some(
            named
                .unwrap_or_else(|| panic!("{call} of {calls:#?}"))
                .to_owned(),
        )
    }

    /// What holds at any time.
    fn check(&self, ends: u32) {
        let (messages, mut given) = (self.messages(), self.given());
        for (id, text) in &self.accepted {
            let kept = messages
                .iter()
                .find(|message| message.id.to_string() == *id);
            let kept = kept.unwrap_or_else(|| panic!("{text} was accepted, and is lost"));
            assert_eq!(kept.text, *text);
        }
        for message in &messages {
            let ended = (message.state.as_str(), message.error.as_str());
            assert_eq!(ended, ("answered", ""), "{message:?}");
            let task = message.text.rsplit("gate ").next();
            assert!(message.response.ends_with(task.unwrap()), "{message:?}");
        }
        // Answered in their order, each once; before that only what an end of Iris cut short.
        for message in messages {
            for times in 0..=ends {
                let now = given.remove(0);
                assert_eq!(now.id, given_as(message.id, times), "{message:?}, {now:?}");
                assert!(now.text.ends_with(&message.text), "{now:?}");
                assert_eq!(now.text.starts_with("[Iris: "), times > 0, "{now:?}");
                if now.answered == 1 {
                    break;
                }
                assert_eq!(now.answered, 0, "{now:?}");
                assert!(times < ends, "{now:?} was not answered");
            }
        }
        assert!(
            given.is_empty(),
            "that ran and is not on record, or ran again: {given:?}"
        );
        let intact: String = self
            .database()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(intact, "ok");
    }

    async fn end(mut self) {
        self.iris.verify_audit().await;
        drop(self.bridge);
        self.iris.stop();
    }
}

/// What an agent was given, and how often it answered that.
#[derive(Debug)]
struct Given {
    id: Uuid,
    text: String,
    answered: u32,
}

/// A message as the database has it.
#[derive(Debug)]
struct Kept {
    id: Uuid,
    text: String,
    state: String,
    settled: bool,
    response: String,
    error: String,
}

/// How many calls a start makes, and one life.
async fn calls() -> [usize; 2] {
    const NEVER: usize = 1 << 31;
    let mut lane = Lane::start().await;
    lane.iris.kill9();
    lane.dying.at(NEVER, false);
    lane.iris.restart_dying(&lane.dying.clone()).await;
    let start = lane.dying.calls().len();
    lane.dying.at(NEVER, false);
    lane.live(0).await;
    let life = lane.dying.calls().len();
    lane.end().await;
    [start, life]
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_step_of_a_message_nothing_is_lost_or_doubled() {
    require!("cc");
    let [_, calls] = calls().await;
    let lane = async |offset: usize| {
        let mut lane = Lane::start().await;
        let mut died = Vec::new();
        for call in (1 + offset..=calls).step_by(LANES) {
            let [at, _] = lane.round(call, None).await;
            died.extend(at);
        }
        lane.end().await;
        died
    };
    let died = futures::future::join_all((0..LANES).map(lane))
        .await
        .concat();
    eprintln!("killed at {} of {calls} calls", died.len());
    assert!(died.len() >= 30, "{died:#?}");
    for part in [
        "pipe:",
        "socket:",
        "iris.db-wal",
        "transcripts.db-wal",
        "fsync ",
    ] {
        assert!(
            died.iter().any(|at| at.contains(part)),
            "never at {part}: {died:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_while_it_goes_on_nothing_is_lost_or_doubled() {
    const ROUNDS: usize = 30;
    require!("cc");
    let [start, life] = calls().await;
    // Going on is a start and a part of a life.
    let again = start + life / 4;
    let lane = async |offset: usize| {
        let mut lane = Lane::start().await;
        let mut died = Vec::new();
        for round in (offset..ROUNDS).step_by(LANES) {
            let first = 1 + round * life / ROUNDS;
            // Prime to the rounds: each of them is another pair.
            let second = 1 + (round * 7 % ROUNDS) * again / ROUNDS;
            let [at, then] = lane.round(first, Some(second)).await;
            died.extend(at.and(then));
        }
        lane.end().await;
        died
    };
    let died = futures::future::join_all((0..LANES).map(lane))
        .await
        .concat();
    eprintln!(
        "killed twice {} times, then at one of {again} calls",
        died.len()
    );
    assert!(died.len() >= ROUNDS / 3, "{died:#?}");
}

/// The real Claude Code takes no message twice: neither one that it answered nor one in whose turn it
/// was cut short.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_claude_code_goes_on_with_what_was_cut_short_and_answers_once() {
    require!("claude");
    let mut iris = Iris::start().await;
    let project = iris.add_team("api").await;
    let mut bridge = iris.bridge();
    let task = "FAKE:bash echo once >> it.txt";
    let arguments = json!({"toTeam": "api", "message": task, "persist": true});
    let id = bridge.call("quick_message", arguments).await.unwrap()["messageId"].clone();
    let lost = iris.pending_one().await;
    // Without Iris it would go on with a permission that it did not get, and may answer so.
    for agent in iris.agents() {
        agent.signal(Signal::SIGSTOP);
    }
    iris.kill9();

    iris.restart().await;
    let again = eventually("it asks again", async || {
        let pending = iris.pending().await;
        pending.into_iter().find(|pending| pending.id != lost.id)
    })
    .await;
    iris.approve(&again).await;
    let status = json!({"messageId": id, "timeout": 60_000});
    let end = bridge.call("message_status", status.clone()).await.unwrap();
    assert_eq!(end["status"], "answered", "{end:#}");
    let response = end["response"].clone();

    // As if the answer had been on its way when Iris was killed.
    iris.kill9();
    let database = rusqlite::Connection::open(iris.home().join("iris.db")).unwrap();
    let delivered = "UPDATE message SET state = 'delivered', settled_at = NULL, response = NULL";
    database.execute_batch(delivered).unwrap();
    drop(database);
    iris.restart().await;
    let end = bridge.call("message_status", status).await.unwrap();
    assert_eq!(
        (&end["status"], &end["response"]),
        (&json!("answered"), &response),
        "{end:#}"
    );
    let ran = fs::read_to_string(project.join("it.txt")).unwrap();
    assert_eq!(ran, "once\n", "it ran once");
    assert!(iris.pending().await.is_empty());
    drop(bridge);
    iris.stop();
}
