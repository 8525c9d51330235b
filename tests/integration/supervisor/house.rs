//! Teams with nothing around them but what they need.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use iris_domain::{
    Problem,
    config::{Config, Team},
    ids::{MessageId, Party, TeamName},
    message::{Message, MessageState, MessageStatus, SendOutcome},
    snapshot::SessionView,
};
use iris_engine::{
    approvals::Approvals,
    endpoint::{Callbacks, OwnPorts, Probes},
    environment::Environment,
    freeze::Freeze,
    home::Home,
    links::{Links, LinksDeps, Live},
    process::Processes,
    prompts::Prompts,
    secrets::{NamedSecrets, Secret, Secrets},
    ssh::Ssh,
    store::Store,
    teams::{Letter, Teams, TeamsDeps},
    tls::Tls,
    tokens::Tokens,
    transcripts::Transcripts,
};
use tempfile::TempDir;
use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// No test waits longer than this for anything.
const LIMIT: Duration = Duration::from_secs(30);

pub struct House {
    pub dir: TempDir,
    pub teams: Teams,
    pub store: Store,
    pub approvals: Approvals,
    pub config: watch::Sender<Arc<Config>>,
    pub tasks: TaskTracker,
    pub transcripts: Transcripts,
    processes: Processes,
    links: Links,
    shutdown: CancellationToken,
}

/// A team's name.
pub fn name(name: &str) -> TeamName {
    name.parse().unwrap()
}

impl House {
    /// A house whose one team, `api`, starts as the words say.
    pub async fn with(words: &str) -> Self {
        Self::changed(words, |_| {}).await
    }

    pub async fn changed(words: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::reached_at(Some("http://127.0.0.1:1/mcp".into()), words, change).await
    }

    /// A house whose agents have no way to Iris but their control channel.
    pub async fn without_endpoint(words: &str, change: impl FnOnce(&mut Config)) -> Self {
        Self::reached_at(None, words, change).await
    }

    async fn reached_at(
        endpoint: Option<String>,
        words: &str,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for path in ["iris", "project", "home"] {
            std::fs::create_dir(dir.path().join(path)).unwrap();
        }
        Self::in_dir(dir, endpoint, words, change).await
    }

    /// The same house after its Iris was killed: its agents are dead, nothing was tidied.
    pub async fn killed(self, words: &str) -> Self {
        let Self { dir, store, .. } = self;
        // From here on it can write nothing down, as one that is dead.
        store.close().await;
        for pid in processes_with(&dir.path().display().to_string()) {
            let pid = nix::unistd::Pid::from_raw(pid);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        let endpoint = Some("http://127.0.0.1:1/mcp".into());
        let house = Self::in_dir(dir, endpoint, words, |_| {}).await;
        house.teams.take_up().await;
        house
    }

    async fn in_dir(
        dir: TempDir,
        endpoint: Option<String>,
        words: &str,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let home = Home::at(dir.path().join("iris"));
        let mut config = Config::default();
        config.settings.spawn_timeout = 20;
        config.teams.insert(name("api"), team(dir.path(), words));
        change(&mut config);
        let env = [
            ("PATH", "/usr/bin:/bin".into()),
            ("HOME", dir.path().join("home").into()),
        ];
        let env: Environment = env.into_iter().map(|(k, v)| (k.into(), v)).collect();
        let tasks = TaskTracker::new();
        let store = Store::open(&home).await.unwrap().store;
        let (config, config_rx) = watch::channel(Arc::new(config));
        let freeze = Freeze::load(&home);
        let (transcripts, problem) = Transcripts::open(&home);
        assert_eq!(problem, None);
        let tokens = Tokens::new(Secret::new("console".into()));
        let approvals = Approvals::start(
            config_rx.clone(),
            iris_engine::approvals::Ground::default(),
            store.clone(),
            tokens.clone(),
            freeze.clone(),
            vec![],
            &tasks,
        )
        .await
        .noted_in(transcripts.clone());
        home.prepare().unwrap();
        let processes = Processes::new(&tasks);
        let shutdown = CancellationToken::new();
        let prompts = Prompts::start(
            &home,
            Secrets::memory(),
            store.clone(),
            &tasks,
            shutdown.clone(),
        );
        let links = Links::start(LinksDeps {
            ssh: Ssh::new(env.clone(), processes.clone(), home.ssh()),
            prompts: prompts.await.unwrap(),
            tls: Tls::temporary().unwrap(),
            probes: Probes::of_port(1),
            own_ports: OwnPorts::default(),
            port: 1,
            instance: "test".into(),
            live: Live::default(),
            metrics: store.metrics().clone(),
            tasks: tasks.clone(),
        });
        let callbacks = Callbacks::start(
            config_rx.clone(),
            tokens.clone(),
            store.clone(),
            &tasks,
            shutdown.clone(),
        );
        let teams = Teams::start(TeamsDeps {
            home,
            env,
            config: config_rx,
            store: store.clone(),
            callbacks,
            tokens,
            approvals: approvals.clone(),
            freeze,
            secrets: NamedSecrets::new(Secrets::memory(), store.clone()),
            processes: processes.clone(),
            links: links.clone(),
            ca_pem: String::new(),
            instance: "test".into(),
            endpoint,
            transcripts: transcripts.clone(),
            tasks: tasks.clone(),
        })
        .await;
        Self {
            dir,
            teams,
            store,
            approvals,
            config,
            tasks,
            transcripts,
            processes,
            links,
            shutdown,
        }
    }

    pub async fn wake(&self) -> Result<SessionView, Problem> {
        within(self.teams.wake(Party::Console, name("api"))).await
    }

    pub async fn send(&self, text: &str) -> SendOutcome {
        self.send_from(Party::Console, text).await
    }

    /// Sends something that may wait, and does not wait itself.
    pub async fn submit(&self, text: &str, ttl_days: Option<u32>) -> MessageId {
        let letter = Letter {
            from: Party::Console,
            session: None,
            to: name("api"),
            text: text.into(),
            ttl_days,
        };
        let outcome = within(self.teams.submit(letter)).await;
        assert_eq!(outcome.status, MessageStatus::Queued, "{outcome:?}");
        outcome.id
    }

    /// Waits until a message is in this state, and returns it.
    pub async fn becomes(&self, id: MessageId, state: MessageState) -> Message {
        let looking = async {
            loop {
                let message = self.teams.message(id).await.unwrap().unwrap();
                if message.state == state {
                    return message;
                }
                assert!(!message.state.is_settled(), "{message:?}");
                tokio::task::yield_now().await;
            }
        };
        within(looking).await
    }

    /// Writes into the database past the store.
    pub fn sql(&self, sql: &str) {
        let file = self.dir.path().join("iris/iris.db");
        rusqlite::Connection::open(file)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    /// What the agents began with, in order.
    pub fn ran(&self) -> Vec<String> {
        let dir = self.dir.path().join("home/.claude/projects/-fake");
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let ran = files.filter(|file| file.file_name().to_string_lossy().ends_with(".ran"));
        ran.flat_map(|file| {
            let text = std::fs::read_to_string(file.path()).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
    }

    pub async fn send_from(&self, from: Party, text: &str) -> SendOutcome {
        within(self.teams.send(from, name("api"), text.into(), None)).await
    }

    /// The answer to a message that must be answered.
    pub async fn answer(&self, text: &str) -> String {
        let outcome = self.send(text).await;
        assert_eq!(outcome.status, MessageStatus::Answered, "{outcome:?}");
        outcome.response.unwrap()
    }

    /// Waits until the console's session is as wanted.
    pub async fn until(&self, why: &str, wanted: impl Fn(&SessionView) -> bool) -> SessionView {
        let mut views = self.teams.watch();
        let waiting = async {
            loop {
                let view = views
                    .borrow_and_update()
                    .get(&name("api"))
                    .and_then(|sessions| {
                        sessions.iter().find(|s| s.from == Party::Console).cloned()
                    });
                if let Some(view) = view.filter(&wanted) {
                    return view;
                }
                views.changed().await.unwrap();
            }
        };
        timeout(LIMIT, waiting)
            .await
            .unwrap_or_else(|_| panic!("{why}"))
    }

    /// Changes the config.
    pub fn edit(&self, change: impl FnOnce(&mut Config)) {
        self.config
            .send_modify(|config| change(Arc::make_mut(config)));
    }

    /// Ends the house and asserts that nothing of it is left.
    pub async fn end(self) {
        within(self.teams.shutdown()).await;
        assert_eq!(
            self.store.noted_groups().await.unwrap(),
            [],
            "every group is forgotten"
        );
        let marks = self.dir.path().display().to_string();
        assert_eq!(
            processes_with(&marks),
            Vec::<i32>::new(),
            "a process was left behind"
        );
        drop(self.teams);
        within(self.links.shutdown()).await;
        self.processes.close();
        self.shutdown.cancel();
        self.tasks.close();
    }
}

fn team(dir: &Path, words: &str) -> Team {
    let mut team = Team::at(dir.join("project").display().to_string());
    team.claude_path = Some(env!("CARGO_BIN_EXE_fake-claude").into());
    team.env.insert("FAKE_CLAUDE".into(), words.into());
    // Not used by anything: what descends from the agent is known by it.
    team.env.insert("MARK".into(), dir.display().to_string());
    team
}

/// What a future gives, in time.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.expect("it took too long")
}

/// The processes (zombies have no environment) whose environment holds the text.
fn processes_with(text: &str) -> Vec<i32> {
    let needle = format!("MARK={text}");
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|env| env.split(|b| *b == 0).any(|e| e == needle.as_bytes()))
        })
        .collect()
}

/// Whether there is such a process, ended and not waited for included.
pub fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}
