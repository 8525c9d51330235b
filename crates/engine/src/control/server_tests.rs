use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::MetadataExt as _,
        net::{UnixListener as StdListener, UnixStream as StdStream},
    },
    sync::Mutex,
};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::control::{Client, SOCKET};

/// `Status` answers, `Headers` waits for ever and tells when it is dropped.
#[derive(Clone)]
struct Fake {
    refused: Arc<Mutex<Vec<(&'static str, Peer)>>>,
    started: mpsc::Sender<()>,
    dropped: mpsc::Sender<()>,
}

struct TellOnDrop(mpsc::Sender<()>);
impl Drop for TellOnDrop {
    fn drop(&mut self) {
        self.0.try_send(()).unwrap();
    }
}

impl Commands for Fake {
    async fn run(&self, command: Command, steps: mpsc::Sender<Value>) -> Result<Value, Problem> {
        match command {
            Command::TeamTest { .. } => {
                for step in 0..STEPS_WAITING * 2 {
                    steps.send(json!(step)).await.unwrap();
                }
                Ok(json!("end"))
            }
            Command::Status {} => Ok(json!({"fine": true})),
            Command::Headers {} => {
                let _tell = TellOnDrop(self.dropped.clone());
                self.started.send(()).await.unwrap();
                std::future::pending().await
            }
            other => Err(Problem::new(Code::NotFound, other.name(), "none")),
        }
    }
    async fn refused(&self, command: &'static str, peer: Peer) {
        self.refused.lock().unwrap().push((command, peer));
    }
}

struct House {
    _tmp: tempfile::TempDir,
    home: Home,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    refused: Arc<Mutex<Vec<(&'static str, Peer)>>>,
    started: mpsc::Receiver<()>,
    dropped: mpsc::Receiver<()>,
}

fn house_at(name: &str, is_agent: fn(i32) -> bool) -> House {
    let tmp = tempfile::tempdir().unwrap();
    let home = Home::at(tmp.path().join(name));
    home.prepare().unwrap();
    let (started, started_rx) = mpsc::channel(4);
    let (dropped, dropped_rx) = mpsc::channel(4);
    let fake = Fake {
        refused: Arc::default(),
        started,
        dropped,
    };
    let refused = fake.refused.clone();
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    listen(&home, fake, is_agent, &tasks, shutdown.clone()).unwrap();
    House {
        _tmp: tmp,
        home,
        tasks,
        shutdown,
        refused,
        started: started_rx,
        dropped: dropped_rx,
    }
}

fn house() -> House {
    house_at("h", |_| false)
}

impl House {
    async fn call(&self, command: Command) -> Result<Value, Problem> {
        let client = Client::new(&self.home);
        tokio::task::spawn_blocking(move || client.call(&command))
            .await
            .unwrap()
    }
    async fn raw(&self, text: Vec<u8>) -> String {
        let path = self.home.run().join(SOCKET);
        tokio::task::spawn_blocking(move || {
            let mut stream = StdStream::connect(path).unwrap();
            // The server may hang up on too long a line while we still write.
            let written = stream.write_all(&text);
            let mut reply = String::new();
            match stream.read_to_string(&mut reply) {
                Ok(_) => reply,
                Err(error) => format!("{written:?} {error}"),
            }
        })
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn a_command_gets_its_reply_and_an_error_its_problem() {
    let house = house();
    assert_eq!(
        house.call(Command::Status {}).await.unwrap(),
        json!({"fine": true})
    );
    let problem = house.call(Command::Pending {}).await.unwrap_err();
    assert_eq!(
        (problem.code, problem.message.as_str()),
        (Code::NotFound, "pending")
    );
}

#[tokio::test]
async fn homes_of_every_kind_work() {
    for name in [
        "with space",
        "ünï-日本",
        &format!("{}/{}", "a".repeat(120), "b".repeat(120)),
    ] {
        let house = house_at(name, |_| false);
        assert!(house.call(Command::Status {}).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn the_socket_is_private_and_goes_with_iris() {
    let house = house();
    let path = house.home.run().join(SOCKET);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    house.shutdown.cancel();
    house.tasks.close();
    house.tasks.wait().await;
    assert!(!path.exists(), "nothing is left");
    let problem = house.call(Command::Status {}).await.unwrap_err();
    assert_eq!(problem.code, Code::Unavailable, "{problem:?}");
}

#[tokio::test]
async fn the_socket_of_a_killed_iris_is_replaced() {
    let tmp = tempfile::tempdir().unwrap();
    let home = Home::at(tmp.path());
    home.prepare().unwrap();
    drop(StdListener::bind(home.run().join(SOCKET)).unwrap());
    let problem = Client::new(&home).call(&Command::Status {}).unwrap_err();
    assert_eq!(
        problem.code,
        Code::Unavailable,
        "nobody answers: {problem:?}"
    );
    socket::bind(&path(&home)).expect("the leftover is replaced");
}

#[tokio::test]
async fn who_hangs_up_cancels_what_runs() {
    let mut house = house();
    let mut stream = StdStream::connect(house.home.run().join(SOCKET)).unwrap();
    stream.write_all(b"{\"command\":\"headers\"}\n").unwrap();
    house.started.recv().await.unwrap();
    drop(stream);
    timeout(Duration::from_secs(5), house.dropped.recv())
        .await
        .expect("the command is dropped when its caller is gone");
}

#[tokio::test]
async fn who_waits_at_the_end_is_told() {
    let mut house = house();
    let client = Client::new(&house.home);
    let waiting = tokio::task::spawn_blocking(move || client.call(&Command::Headers {}));
    house.started.recv().await.unwrap();
    house.shutdown.cancel();
    let problem = waiting.await.unwrap().unwrap_err();
    assert_eq!(problem.code, Code::Unavailable);
    assert!(problem.message.contains("shutting down"), "{problem:?}");
}

#[tokio::test]
async fn an_agent_is_refused_whatever_it_says() {
    let house = house_at("h", |_| true);
    let problem = house.call(Command::Status {}).await.unwrap_err();
    assert_eq!(problem.code, Code::Forbidden);
    let reply = house.raw(b"not json\n".to_vec()).await;
    assert!(reply.contains("\"forbidden\""), "{reply}");
    let refused = house.refused.lock().unwrap().clone();
    assert_eq!(
        refused.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["status", "invalid"]
    );
    let me = i32::try_from(std::process::id()).unwrap();
    assert!(
        refused.iter().all(|(_, peer)| peer.pid == Some(me)),
        "{refused:?}"
    );
}

#[test]
fn who_may_call() {
    let uid = rustix::process::geteuid().as_raw();
    let agent = |pid: i32| pid == 7;
    assert!(may_call(Peer { uid, pid: Some(8) }, agent));
    assert!(!may_call(Peer { uid, pid: Some(7) }, agent), "an agent");
    assert!(
        !may_call(
            Peer {
                uid: uid + 1,
                pid: Some(8)
            },
            agent
        ),
        "another user"
    );
    assert!(
        !may_call(Peer { uid, pid: None }, agent),
        "who is not known is not let in"
    );
}

#[tokio::test]
async fn noise_gets_an_error_and_harms_nobody() {
    let house = house();
    for text in [
        b"\n".to_vec(),
        b"not json\n".to_vec(),
        b"{\"command\":\"reboot\"}\n".to_vec(),
        b"\xff\xfe\n".to_vec(),
    ] {
        let reply = house.raw(text.clone()).await;
        assert!(reply.contains("\"invalidInput\""), "{text:?}: {reply}");
    }
    // Too long: the reply, or a hang-up while we still write; never acceptance.
    let reply = house.raw(vec![b'x'; 5 * 1024 * 1024]).await;
    assert!(!reply.contains("\"ok\""), "{reply}");
    assert!(
        house.call(Command::Status {}).await.is_ok(),
        "and others are served"
    );
}

#[tokio::test]
async fn who_is_one_too_many_is_told() {
    let house = house();
    let path = house.home.run().join(SOCKET);
    let held: Vec<_> = (0..CALLERS_MAX)
        .map(|_| StdStream::connect(&path).unwrap())
        .collect();
    // Accepted in order, so ours comes after all of them.
    let problem = house.call(Command::Status {}).await.unwrap_err();
    assert_eq!(problem.code, Code::Busy, "{problem:?}");
    drop(held);
}

#[tokio::test]
async fn a_silent_caller_holds_up_nobody() {
    let house = house();
    let (tx, rx) = oneshot::channel::<()>();
    let path = house.home.run().join(SOCKET);
    let silent = tokio::task::spawn_blocking(move || {
        let stream = StdStream::connect(path).unwrap();
        assert!(rx.blocking_recv().is_err(), "held until the test ends");
        drop(stream);
    });
    assert!(house.call(Command::Status {}).await.is_ok());
    drop(tx);
    silent.await.unwrap();
}

/// Our own children; the real walk up the process tree has its own tests.
fn is_child(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    after_name.split(' ').nth(1).unwrap() == std::process::id().to_string()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test starts itself as a child")]
async fn a_real_child_process_is_refused_and_its_parent_is_not() {
    let house = house_at("h", is_child);
    assert!(
        house.call(Command::Status {}).await.is_ok(),
        "we are not our own child"
    );
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "control::server::tests::as_a_child",
            "--ignored",
            "--nocapture",
        ])
        .env("IRIS_TEST_CHILD_HOME", house.home.root())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("the child heard: Forbidden"), "{said}");
    let refused = house.refused.lock().unwrap().clone();
    assert_eq!(refused.len(), 1, "and it is written down: {refused:?}");
    assert_eq!(refused[0].0, "approve");
}

#[test]
#[ignore = "runs in the child process of the test above"]
fn as_a_child() {
    let env = crate::environment::Environment::of_this_process();
    let home = env.get("IRIS_TEST_CHILD_HOME").unwrap();
    let command = Command::Approve {
        id: "k3".into(),
        input: None,
        remember: None,
    };
    match Client::new(&Home::at(home)).call(&command) {
        Ok(value) => println!("the child was answered: {value}"),
        Err(problem) => println!("the child heard: {:?}", problem.code),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_come_in_order_before_the_reply() {
    let house = house();
    let client = Client::new(&house.home);
    let team = "api".parse().unwrap();
    let (steps, end) = tokio::task::spawn_blocking(move || {
        let mut steps = Vec::new();
        let end = client.watch(&Command::TeamTest { team }, |step| steps.push(step));
        (steps, end)
    })
    .await
    .unwrap();
    assert_eq!(end, Ok(json!("end")));
    let all: Vec<Value> = (0..STEPS_WAITING * 2).map(|step| json!(step)).collect();
    assert_eq!(steps, all);
}
