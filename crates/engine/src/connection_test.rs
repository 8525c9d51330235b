//! The connection test: everything that an agent of a team needs is done once, step by step, and
//! said as it happens. It goes over the team's own link, which stays up if the team has agents there.

use std::{collections::VecDeque, time::Duration};

use iris_domain::{
    Problem,
    config::Team,
    connection_test::{StepState, TestStep},
    ids::{SessionId, TeamName},
    problem::Code,
    prompt::PromptView,
    target::Target,
};
use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    Engine, claude, clock,
    config_file::{check_directory, expand},
    doctor,
    links::{Lease, Reach},
};

/// The link was proved a moment ago; getting a place on it takes no longer than a new connection.
const REACH_LIMIT: Duration = Duration::from_secs(30);
/// Steps that wait for a slow reader; a test has fewer.
const STEPS_WAITING: usize = 64;

const SSH: &str = "Find ssh";
const HOST: &str = "Find the host";
const SIGN_IN: &str = "Sign in";
const PROGRAM: &str = "Run a program there";
const TUNNEL: &str = "Open the tunnel";
const PROOF: &str = "Prove the way";
const CLAUDE: &str = "Find Claude Code";
const FOLDER: &str = "Enter the folder";
const AGENT: &str = "Start the agent";

const REMOTE: &[&str] = &[
    SSH, HOST, SIGN_IN, PROGRAM, TUNNEL, PROOF, CLAUDE, FOLDER, AGENT,
];
const LOCAL: &[&str] = &[CLAUDE, FOLDER, AGENT];

/// Tests a team; the steps come as they happen. Dropping the receiver ends the test.
pub(crate) fn start(engine: &Engine, name: TeamName, team: Team) -> mpsc::Receiver<TestStep> {
    let (steps, receiver) = mpsc::channel(STEPS_WAITING);
    let engine = engine.clone();
    let tasks = engine.tasks.clone();
    tasks.spawn(async move {
        let names = if team.remote.is_some() { REMOTE } else { LOCAL };
        let report = Report {
            steps: steps.clone(),
            left: names.iter().copied().collect(),
        };
        let test = Test {
            engine,
            name,
            team,
            begun: clock::now(),
            session: SessionId(uuid::Uuid::new_v4()),
        };
        tokio::select! {
            () = test.run(report) => {}
            () = steps.closed() => tracing::debug!("nobody wants to know how the test ends"),
        }
    });
    receiver
}

/// Says how the steps go; they go in order.
struct Report {
    steps: mpsc::Sender<TestStep>,
    left: VecDeque<&'static str>,
}

/// A step failed, which was said.
#[derive(Debug)]
struct Failed;

/// What a step found, in words, and for the steps after it.
struct Good<T> {
    detail: String,
    hint: Option<String>,
    value: T,
}

fn good<T>(detail: impl Into<String>, value: T) -> Good<T> {
    Good {
        detail: detail.into(),
        hint: None,
        value,
    }
}

impl Report {
    /// Does the next step.
    async fn step<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<Good<T>, Problem>>,
    ) -> Result<T, Failed> {
        self.left.retain(|left| *left != name);
        self.say(TestStep::new(name, StepState::Running)).await;
        match work.await {
            Ok(Good {
                detail,
                hint,
                value,
            }) => {
                let step = TestStep::new(name, StepState::Ok);
                let detail = (!detail.is_empty()).then_some(detail);
                self.say(TestStep {
                    detail,
                    hint,
                    ..step
                })
                .await;
                Ok(value)
            }
            Err(problem) => {
                self.say(TestStep::failed(name, problem)).await;
                for name in std::mem::take(&mut self.left) {
                    self.say(TestStep::new(name, StepState::Skipped)).await;
                }
                Err(Failed)
            }
        }
    }

    /// A step that this team does without.
    async fn leave_out(&mut self, name: &'static str, why: &str) {
        self.left.retain(|left| *left != name);
        self.say(TestStep {
            detail: Some(why.to_owned()),
            ..TestStep::new(name, StepState::Skipped)
        })
        .await;
    }

    async fn say(&self, step: TestStep) {
        // Without a reader the whole test ends.
        drop(self.steps.send(step).await);
    }
}

struct Test {
    engine: Engine,
    name: TeamName,
    team: Team,
    begun: Timestamp,
    /// No conversation of the team: nothing is said in it.
    session: SessionId,
}

impl Test {
    async fn run(self, mut report: Report) {
        let outcome = if self.team.remote.is_some() {
            self.remote(&mut report).await
        } else {
            self.local(&mut report).await
        };
        tracing::info!(team = %self.name, works = outcome.is_ok(), "tested");
    }

    async fn local(&self, report: &mut Report) -> Result<(), Failed> {
        report.step(CLAUDE, self.claude_here()).await?;
        report.step(FOLDER, async { self.folder_here() }).await?;
        report.step(AGENT, self.agent(None)).await
    }

    async fn remote(&self, report: &mut Report) -> Result<(), Failed> {
        report.step(SSH, self.ssh()).await?;
        report.step(HOST, self.host()).await?;
        let steps = report.steps.clone();
        let lease = report.step(SIGN_IN, self.sign_in(&steps)).await?;
        report
            .step(PROGRAM, async {
                lease.usable().await?;
                Ok(good("", ()))
            })
            .await?;
        if self.team.enable_reverse_mcp {
            report.step(TUNNEL, tunnel(&lease)).await?;
        } else {
            let why = "the team has none (`enableReverseMcp`): it works, but without Iris's tools";
            report.leave_out(TUNNEL, why).await;
        }
        report
            .step(PROOF, async {
                let took = lease.proof(self.begun).await?;
                Ok(good(format!("back after {}", milliseconds(took)), ()))
            })
            .await?;
        let mut check = report
            .step(CLAUDE, async {
                let reach = self.reach(&lease).await?;
                let mut check = self.engine.teams.check(&self.team, self.session, reach)?;
                let (path, said) = check.claude().await?;
                let (detail, hint) = doctor::claude_version(&path, &said);
                Ok(Good {
                    detail,
                    hint,
                    value: check,
                })
            })
            .await?;
        let reach = report
            .step(FOLDER, async {
                let folder = check.folder().await?;
                Ok(good(folder, check.end().await))
            })
            .await?;
        // The lease is held until the agent has ended.
        report.step(AGENT, self.agent(Some(reach))).await
    }

    async fn ssh(&self) -> Result<Good<()>, Problem> {
        let version = self.engine.links.ssh().version().await;
        let version = version.map_err(|failure| failure.problem(self.team.host()))?;
        Ok(good(format!("OpenSSH {version}"), ()))
    }

    async fn host(&self) -> Result<Good<()>, Problem> {
        let remote = self.team.remote.as_deref().unwrap_or_default();
        let target = Target::of(remote, self.team.remote_options.as_ref())
            .map_err(|error| error.problem())?;
        let resolved = self.engine.links.ssh().resolve(&target).await;
        let to = resolved.map_err(|failure| failure.problem(target.destination()))?;
        let mut place = format!("{}, port {}, as {}", to.host, to.port, to.user);
        if let Some(via) = to.via {
            place.push_str(&format!(", via {via}"));
        }
        Ok(good(place, ()))
    }

    /// Takes the team's link. What ssh asks meanwhile is said, because the test waits for the answer.
    async fn sign_in(&self, steps: &mpsc::Sender<TestStep>) -> Result<Good<Lease>, Problem> {
        let begun = Instant::now();
        let lease = self.engine.links.lease(&self.name, &self.team).await;
        let lease = lease.map_err(|failure| failure.problem)?;
        if lease.is_up() {
            return Ok(good("the team's host is connected already", lease));
        }
        self.signed_in(&lease, steps).await?;
        let took = milliseconds(begun.elapsed());
        Ok(good(format!("took {took}"), lease))
    }

    async fn signed_in(
        &self,
        lease: &Lease,
        steps: &mpsc::Sender<TestStep>,
    ) -> Result<(), Problem> {
        let mut prompts = self.engine.prompts.watch();
        let mut said = None;
        let mut signing_in = std::pin::pin!(lease.signed_in());
        loop {
            let asked = question(&prompts.borrow_and_update(), lease.account());
            if asked.is_some() && asked != said {
                let id = asked.as_deref().unwrap_or_default();
                let waits = TestStep {
                    detail: Some(format!(
                        "ssh asks something: answer it in the window, or with `iris answer {id}`"
                    )),
                    ..TestStep::new(SIGN_IN, StepState::Running)
                };
                // Without a reader the whole test ends.
                drop(steps.send(waits).await);
                said = asked;
            }
            tokio::select! {
                outcome = &mut signing_in => return outcome,
                Ok(()) = prompts.changed() => {}
            }
        }
    }

    async fn reach(&self, lease: &Lease) -> Result<Reach, Problem> {
        let ready = lease.ready(self.session, |_| {});
        match timeout(REACH_LIMIT, ready).await {
            Ok(reach) => reach.map_err(|failure| failure.problem),
            Err(_) => Err(Problem::new(
                Code::Timeout,
                format!("The connection to {} was lost.", lease.destination()),
                "Test again; check the network if it happens once more.",
            )),
        }
    }

    async fn agent(&self, reach: Option<Reach>) -> Result<Good<()>, Problem> {
        let begun = Instant::now();
        let teams = &self.engine.teams;
        let has_tools = teams
            .try_agent(&self.name, &self.team, self.session, reach)
            .await?;
        let took = begun.elapsed().as_secs_f64();
        let tools = if has_tools { ", with Iris's tools" } else { "" };
        Ok(good(
            format!("ready and ended again after {took:.1} s{tools}; no model turn was spent"),
            (),
        ))
    }

    async fn claude_here(&self) -> Result<Good<()>, Problem> {
        let env = &self.engine.env;
        let home = env.home_dir();
        let path = claude::find(
            self.team.claude_path.as_deref(),
            env.get("PATH"),
            home.as_deref(),
            self.engine.home.root(),
        )?;
        let shown = path.display().to_string();
        let said = doctor::version_of(env, &path).await.map_err(|error| {
            Problem::new(
                Code::Agent,
                format!("{shown} does not run: {error}."),
                format!(
                    "Run `{shown} --version` in a terminal; reinstall Claude Code if it fails."
                ),
            )
        })?;
        let (detail, hint) = doctor::claude_version(&shown, &said);
        Ok(Good {
            detail,
            hint,
            value: (),
        })
    }

    fn folder_here(&self) -> Result<Good<()>, Problem> {
        let home = self.engine.env.home_dir();
        let folder = expand(&self.team.path, home.as_deref(), self.engine.home.root())?;
        check_directory(&folder)?;
        Ok(good(folder.display().to_string(), ()))
    }
}

async fn tunnel(lease: &Lease) -> Result<Good<()>, Problem> {
    let port = lease.tunnel().await?;
    Ok(good(
        port.map_or_else(String::new, |port| {
            format!("port {port} there leads to Iris here, for that host alone")
        }),
        (),
    ))
}

/// What is asked in the name of this account.
fn question(prompts: &[PromptView], account: &str) -> Option<String> {
    let prompt = prompts.iter().find(|prompt| prompt.host == account)?;
    Some(prompt.id.to_string())
}

fn milliseconds(took: Duration) -> String {
    format!("{:.0} ms", took.as_secs_f64() * 1000.0)
}
