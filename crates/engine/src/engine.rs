//! The engine: every concern started in order, wired together, and ended in order.

mod asked;
mod sessions;
mod stopping;

pub use stopping::Keys;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    connection_test::TestStep,
    decision::{AllowedBy, Human, Surface},
    display,
    ids::{Party, TeamName},
    message::SendOutcome,
    problem::Code,
    snapshot::{SessionView, Snapshot},
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agents::Agents,
    approvals::{Approvals, Ground},
    clock,
    config_file::ConfigFile,
    connection_test, control, doctor,
    endpoint::{self, Callbacks, EndpointDeps, OwnPorts, Probes},
    environment::Environment,
    freeze::Freeze,
    home::{Home, HomeLock},
    links::{Links, LinksDeps, Live},
    network,
    process::Processes,
    prompts::Prompts,
    retention,
    secrets::{NamedSecrets, Secrets},
    slack::{self, Slack},
    snapshot::{self, Sources},
    ssh::Ssh,
    store::Store,
    teams::{Teams, TeamsDeps},
    tls::Tls,
    tokens::Tokens,
    transcripts::Transcripts,
    webhook::{self, WebhookTest, Webhooks},
};

/// How long an orderly end may take beyond the agents' own: a hung disk must not keep a user from
/// quitting.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// What of a task stands in the record, characters.
const TASK_NOTED_MAX: usize = 400;

/// What an engine is made of: the only place where the outside comes in.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Where everything is kept.
    pub home: Home,
    /// The environment of the Iris process.
    pub env: Environment,
    /// Wins over `IRIS_HTTP_PORT` and the config; 0: any free port.
    pub port: Option<u16>,
    /// Where secrets are kept.
    pub secrets: Secrets,
}

/// A running Iris; cheap to clone. Each field is the handle of one owner.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The config file.
    pub config: ConfigFile,
    /// Waiting approvals.
    pub approvals: Approvals,
    /// What ssh asks.
    pub prompts: Prompts,
    /// The ways to other hosts.
    pub links: Links,
    /// The teams' sessions.
    pub teams: Teams,
    freeze: Freeze,
    /// The database.
    pub store: Store,
    /// What happens in each session.
    pub transcripts: Transcripts,
    /// Who may call.
    pub tokens: Tokens,
    /// Where everything is kept.
    pub home: Home,
    /// The environment of the Iris process.
    pub env: Environment,
    /// Where secrets are kept.
    pub secrets: Secrets,
    callbacks: Callbacks,
    slack: Slack,
    webhooks: Webhooks,
    processes: Processes,
    /// Those that a person put away.
    pub named_secrets: NamedSecrets,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    surfaces: Arc<watch::Sender<Vec<Problem>>>,
    pub(crate) tasks: TaskTracker,
    shutdown: CancellationToken,
    show: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
    lock: Arc<Mutex<Option<HomeLock>>>,
}

impl Engine {
    /// Starts everything; returns when the endpoint accepts connections.
    ///
    /// # Errors
    /// `Conflict`: another Iris has this home. `Network`: the port is taken. `Storage`: the home or
    /// the database cannot be used. A broken config is no error: it is in the snapshot.
    pub async fn start(deps: Deps) -> Result<Self, Problem> {
        let Deps {
            home,
            env,
            port,
            secrets,
        } = deps;
        let lock = home.lock()?;
        let tasks = TaskTracker::new();
        let shutdown = CancellationToken::new();

        let opened = Store::open(&home).await.map_err(|e| e.problem())?;
        let store = opened.store;
        let config = ConfigFile::open(&home, &env, store.clone(), &tasks).await;

        let port = match port {
            Some(port) => port,
            None => port_of(&env)?.unwrap_or(config.watch().borrow().settings.http_port),
        };
        let listener = bind(port).await?;
        let port = listener.local_addr().map(|a| a.port()).unwrap_or(port);
        let endpoint = format!("http://{}:{port}/mcp", Ipv4Addr::LOCALHOST);

        let freeze = Freeze::load(&home);
        let tokens = Tokens::new(secrets.console_token(&home).await);
        let (transcripts, transcripts_problem) = Transcripts::open(&home);
        let mut found_at_start: Vec<Problem> = opened.problem.into_iter().collect();
        found_at_start.extend(transcripts_problem);
        let tls = match Tls::load(&home) {
            Ok(tls) => tls,
            // Remote agents are told of the authority when they start: one that lasts for this run
            // serves them as well.
            Err(problem) => {
                tracing::warn!(%problem, "the kept authority is not used");
                found_at_start.push(problem);
                Tls::temporary()?
            }
        };
        let callbacks = Callbacks::start(
            config.watch(),
            tokens.clone(),
            store.clone(),
            &tasks,
            shutdown.clone(),
        );
        let ground = Ground {
            home: env.home_dir(),
            base: home.root().to_owned(),
            ..Ground::default()
        };
        let approvals = Approvals::start(
            config.watch(),
            ground,
            store.clone(),
            tokens.clone(),
            freeze.clone(),
            opened.lost,
            &tasks,
        )
        .await
        .noted_in(transcripts.clone());
        let prompts = Prompts::start(
            &home,
            secrets.clone(),
            store.clone(),
            &tasks,
            shutdown.clone(),
        )
        .await?;
        let named_secrets = NamedSecrets::new(secrets.clone(), store.clone());
        let processes = Processes::new(&tasks);
        let own_ports = OwnPorts::default();
        let probes = Probes::of_port(port);
        let instance = tls.fingerprint().to_owned();
        let ssh = Ssh::new(env.clone(), processes.clone(), home.ssh());
        ssh.end_left_behind().await;
        let links = Links::start(LinksDeps {
            ssh,
            prompts: prompts.clone(),
            tls: tls.clone(),
            probes: probes.clone(),
            own_ports: own_ports.clone(),
            port,
            instance: instance.clone(),
            live: Live::default(),
            metrics: store.metrics().clone(),
            tasks: tasks.clone(),
        });
        network::watch(&links, &tasks, &shutdown);
        tasks.spawn(retention::keep(
            store.clone(),
            transcripts.clone(),
            config.watch(),
            shutdown.clone(),
        ));
        let teams = Teams::start(TeamsDeps {
            home: home.clone(),
            env: env.clone(),
            config: config.watch(),
            store: store.clone(),
            tokens: tokens.clone(),
            callbacks: callbacks.clone(),
            approvals: approvals.clone(),
            freeze: freeze.clone(),
            secrets: named_secrets.clone(),
            processes: processes.clone(),
            links: links.clone(),
            ca_pem: tls.ca_pem().to_owned(),
            instance,
            endpoint: Some(endpoint.clone()),
            transcripts: transcripts.clone(),
            tasks: tasks.clone(),
        })
        .await;
        // What they show is part of what they follow: they start when there is an engine.
        let (slack_view, slack_shown) = watch::channel(None);
        let (webhooks_view, webhooks_shown) = watch::channel(Vec::new());
        let (surfaces, surfaces_shown) = watch::channel(Vec::new());
        let snapshot = snapshot::publish(
            Sources {
                endpoint: endpoint.clone(),
                found_at_start,
                config: config.watch(),
                config_problem: config.problem(),
                sessions: teams.watch(),
                circles: teams.circles(),
                approvals: approvals.watch(),
                links: links.watch(),
                cut_off: callbacks.cut_off(),
                prompts: prompts.watch(),
                frozen: freeze.watch(),
                slack: slack_shown,
                webhooks: webhooks_shown,
                spent: transcripts.sums(),
                surfaces: surfaces_shown,
            },
            &tasks,
            shutdown.clone(),
        );
        endpoint::serve(
            listener,
            EndpointDeps {
                tokens: tokens.clone(),
                tls,
                own_ports,
                probes,
                callbacks: callbacks.clone(),
                approvals: approvals.clone(),
                agents: Agents::new(&home, config.watch(), env.clone(), processes.clone()),
                teams: teams.clone(),
                transcripts: transcripts.clone(),
                snapshot: snapshot.clone(),
                logs: home.logs(),
                store: store.clone(),
                tasks: tasks.clone(),
                shutdown: shutdown.clone(),
            },
        );
        // One wish is as good as many.
        let (show, show_requests) = mpsc::channel(1);
        let engine = Self {
            config,
            approvals,
            prompts,
            links,
            teams,
            freeze,
            store,
            transcripts,
            tokens,
            home,
            env,
            secrets,
            callbacks,
            slack: Slack::new(),
            webhooks: Webhooks::new(),
            named_secrets,
            processes,
            snapshot,
            surfaces: Arc::new(surfaces),
            tasks,
            shutdown,
            show: Arc::new(Mutex::new(Some(show_requests))),
            lock: Arc::new(Mutex::new(Some(lock))),
        };
        control::listen(
            &engine.home,
            engine.clone(),
            show,
            &engine.tasks,
            engine.shutdown.clone(),
        )?;
        engine.slack.follow(engine.clone(), slack_view);
        engine.webhooks.follow(&engine, webhooks_view);
        engine
            .note(Draft {
                input: endpoint.clone().into(),
                ..Draft::event(clock::now(), Kind::Operation, "iris.started")
            })
            .await;
        tracing::info!(endpoint, "Iris accepts connections.");
        engine.teams.take_up().await;
        Ok(engine)
    }

    /// What surfaces show.
    pub fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// What the desktop app could not do for the user, in place of what it said before; every surface
    /// shows it.
    pub fn surface_problems(&self, problems: Vec<Problem>) {
        self.surfaces.send_replace(problems);
    }

    /// Hears of a second start of Iris by a user who wants to see the window. One taker; where it is
    /// dropped, there is no window, and the second start is told so.
    pub fn show_requests(&self) -> Option<mpsc::Receiver<()>> {
        self.show
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Ends everything in order: nothing can be asked, what waits is denied and recorded, agents
    /// end, sockets close, the database is written out, the lock is released.
    pub async fn shutdown(&self) {
        tracing::info!("Iris ends.");
        self.approvals.shutdown().await;
        tokio::join!(
            self.teams.shutdown(),
            self.slack.shutdown(),
            self.webhooks.shutdown()
        );
        self.links.shutdown().await;
        self.processes.close();
        self.config.close().await;
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("Some tasks did not end in {SHUTDOWN_LIMIT:?}.");
        }
        self.note(Draft::event(clock::now(), Kind::Operation, "iris.stopped"))
            .await;
        self.transcripts.close().await;
        self.store.close().await;
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// Starts the console's conversation with a team because a human said so, which nothing else may
    /// do for a team that is cut off; returns when the agent is ready, or why it is not.
    pub async fn start_team(&self, team: TeamName, human: Human) -> Result<SessionView, Problem> {
        self.note_operation("team.start", &team, human).await;
        if self.callbacks.may_run(&team).is_err() {
            // Those from before have no token any more.
            self.teams.sleep(None, team.clone()).await?;
            self.callbacks.restore(&team);
        }
        self.teams.wake(Party::Console, team).await
    }

    /// Ends every process of a team because a human said so. `Ok(false)`: there was none.
    pub async fn stop_team(&self, team: TeamName, human: Human) -> Result<bool, Problem> {
        self.note_operation("team.stop", &team, human).await;
        self.teams.sleep(None, team).await
    }

    /// Gives a team a task because a human said so, and waits for the answer as [`Teams::send`] does.
    pub async fn send_task(
        &self,
        team: TeamName,
        text: String,
        at_most: Option<Duration>,
        human: Human,
    ) -> SendOutcome {
        let details = json!({ "text": display::one_line(&text, TASK_NOTED_MAX) });
        self.note_operation_with("team.send", &team, human, details)
            .await;
        self.teams.send(Party::Console, team, text, at_most).await
    }

    /// Tries everything that Slack is needed for once, because a human said so: a line appears in the channel.
    ///
    /// # Errors
    /// What does not work.
    pub async fn test_slack(&self, human: Human) -> Result<(), Problem> {
        self.note(Draft {
            caller: Party::CONSOLE.to_owned(),
            decided_by: AllowedBy::Human(human.clone()).to_string(),
            ..Draft::event(clock::now(), Kind::Operation, "slack.test")
        })
        .await;
        let settings = self.config.watch().borrow().settings.slack.clone();
        slack::test(settings, &self.named_secrets, &human).await
    }

    /// Posts a test to each webhook, because a human said so.
    pub async fn test_webhooks(&self, human: Human) -> Vec<WebhookTest> {
        self.note(Draft {
            caller: Party::CONSOLE.to_owned(),
            decided_by: AllowedBy::Human(human).to_string(),
            ..Draft::event(clock::now(), Kind::Operation, "webhook.test")
        })
        .await;
        let hooks = self.config.watch().borrow().settings.webhooks.clone();
        webhook::test(&hooks, &self.named_secrets).await
    }

    /// Does everything that an agent of the team needs once, because a human said so; the steps come
    /// as they happen. No model turn is spent. Dropping the receiver ends the test.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub async fn test_team(
        &self,
        team: TeamName,
        human: Human,
    ) -> Result<mpsc::Receiver<TestStep>, Problem> {
        let settings = self.config.watch().borrow().teams.get(&team).cloned();
        let Some(settings) = settings else {
            return Err(Problem::new(
                Code::NotFound,
                format!("there is no team `{team}`"),
                "`iris team list` lists the teams.",
            ));
        };
        self.note_operation("team.test", &team, human).await;
        Ok(connection_test::start(self, team, settings))
    }

    pub(crate) async fn note_operation(&self, event: &str, team: &TeamName, human: Human) {
        self.note_operation_with(event, team, human, Value::Null)
            .await;
    }

    pub(super) async fn note_operation_with(
        &self,
        event: &str,
        team: &TeamName,
        human: Human,
        input: Value,
    ) {
        if !self.config.watch().borrow().teams.contains_key(team) {
            // It will be refused; nothing happens that could be told of.
            return;
        }
        let row = Draft {
            caller: Party::CONSOLE.to_owned(),
            team: team.to_string(),
            input,
            decided_by: AllowedBy::Human(human).to_string(),
            ..Draft::event(clock::now(), Kind::Operation, event)
        };
        self.note(row).await;
    }

    /// Writes down an event. What it tells of happens all the same when that fails: a full disk must
    /// not keep anybody from stopping an agent.
    pub(crate) async fn note(&self, row: Draft) {
        let event = row.tool.clone();
        if let Err(error) = self.store.append(row).await {
            tracing::error!(%error, event, "An event is missing in the audit log.");
        }
    }
}

/// The person at a surface of this process: the user whom it runs as.
pub fn human(surface: Surface) -> Human {
    let uid = nix::unistd::geteuid();
    let user = match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        // Without an entry in the user database the number is the name.
        Ok(None) | Err(_) => format!("uid {uid}"),
    };
    Human { surface, user }
}

fn port_of(env: &Environment) -> Result<Option<u16>, Problem> {
    let Some(text) = env.text("IRIS_HTTP_PORT") else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        Problem::new(
            Code::InvalidInput,
            format!("IRIS_HTTP_PORT is `{text}`, which is not a port number."),
            "Set it to a number from 0 (any free port) to 65535, or unset it.",
        )
    })
}

async fn bind(port: u16) -> Result<TcpListener, Problem> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let holder =
                doctor::port_holder(port).unwrap_or_else(|| "another program".to_owned());
            Problem::new(
                Code::Network,
                format!("Port {port} on 127.0.0.1 is taken by {holder}."),
                "End that program, or give Iris another port: `settings.httpPort` in the config, \
                 IRIS_HTTP_PORT, or `iris serve --port N`.",
            )
        }
        _ => Problem::new(
            Code::Network,
            format!("Iris cannot listen on {address}: {error}."),
            "Choose another port: `settings.httpPort` in the config, IRIS_HTTP_PORT, or \
             `iris serve --port N`.",
        ),
    })
}
