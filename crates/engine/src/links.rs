//! The links: one authenticated SSH connection for each destination, shared by the teams there.
//!
//! The owner task knows which links exist; each link's `task` owns its connections and executes the
//! step function of [`iris_domain::link`]. Who needs a link takes a [`Lease`]; the link is up for as
//! long as somebody holds one.

mod host;
mod lease;
mod lines;
mod live;
mod proof;
mod task;
mod tunnel;
mod view;
mod way_up;
mod work;

use std::{
    collections::{BTreeMap, HashMap},
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::future::BoxFuture;
use iris_domain::{
    Problem,
    config::Team,
    ids::TeamName,
    problem::Code,
    session::{Cure, Failure},
    snapshot::LinkView,
    target::Target,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::{
    endpoint::{OwnPorts, Probes},
    metrics::Metrics,
    prompts::Prompts,
    ssh::{self, LinkKey, Resolved, Ssh},
    tls::Tls,
};
use host::Host;
pub use lease::{Lease, Reach};
pub use live::Live;
use task::{Task, Told, Wish};
use view::{Shown, Status};

/// What links are made of.
#[derive(Debug, Clone)]
pub struct LinksDeps {
    /// The ssh program.
    pub ssh: Ssh,
    /// Answers what ssh asks.
    pub prompts: Prompts,
    /// Proves that the far end of a tunnel leads to us.
    pub tls: Tls,
    /// Nonces for that.
    pub probes: Probes,
    /// The ports of tunnels, which are ours, too.
    pub own_ports: OwnPorts,
    /// The port of the endpoint here.
    pub port: u16,
    /// This Iris among those that may use the same account on a host.
    pub instance: String,
    /// The sessions that run now: what else is found on a host is a leftover.
    pub live: Live,
    /// Counts what becomes of them.
    pub metrics: Metrics,
    /// Every task is spawned here.
    pub tasks: TaskTracker,
}

/// The links of the teams that have one.
pub type LinkViews = BTreeMap<TeamName, LinkView>;

/// A handle on the links; cheap to clone.
#[derive(Debug, Clone)]
pub struct Links {
    deps: Arc<LinksDeps>,
    owner: mpsc::UnboundedSender<Question>,
    views: watch::Receiver<Arc<LinkViews>>,
    next: Arc<AtomicU64>,
}

/// A way to a link's task.
#[derive(Debug, Clone)]
struct Handle {
    told: mpsc::UnboundedSender<Told>,
    status: watch::Receiver<Arc<Status>>,
}

enum Question {
    /// The link with this key, made if there is none.
    Link(Resolved, Target, oneshot::Sender<Handle>),
    Nudge,
    /// The tunnel of this team is closed.
    Cut(TeamName),
    Shutdown(oneshot::Sender<()>),
}

impl Links {
    /// Starts the owner task. No connection is made.
    pub fn start(deps: LinksDeps) -> Self {
        let (owner, questions) = mpsc::unbounded_channel();
        let (views_tx, views) = watch::channel(Arc::default());
        let tasks = deps.tasks.clone();
        let deps = Arc::new(deps);
        tasks.spawn(own(Arc::clone(&deps), questions, Arc::new(views_tx)));
        Self {
            deps,
            owner,
            views,
            next: Arc::default(),
        }
    }

    /// Takes the link of a team; it is up, or tried, until the lease is dropped.
    ///
    /// # Errors
    /// `remote` or `remoteOptions` cannot be used, or ssh does not understand them.
    pub async fn lease(&self, name: &TeamName, team: &Team) -> Result<Lease, Failure> {
        let remote = team.remote.as_deref().unwrap_or_default();
        let target = Target::of(remote, team.remote_options.as_ref())
            .map_err(|error| human(error.problem()))?;
        let resolved = self
            .deps
            .ssh
            .resolve(&target)
            .await
            .map_err(|failure| failed(&failure, target.destination()))?;
        let destination = target.destination().to_owned();
        let account = host::account(&resolved);
        let link = resolved.key.to_string().into();
        let (reply, handle) = oneshot::channel();
        self.ask(Question::Link(resolved, target, reply))?;
        let Handle { told, status } = handle.await.map_err(|_| human(shutting_down()))?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let wish = Wish {
            team: name.clone(),
            tunnel: team.enable_reverse_mcp.then_some(team.reverse_mcp_port),
            allow_http: team.allow_http,
        };
        let lease = Lease {
            id,
            destination,
            account,
            link,
            tunnel: wish.tunnel,
            told,
            status,
            live: self.deps.live.clone(),
        };
        // Answered when it is heard: the status that is read next is not from before.
        let (heard, ack) = oneshot::channel();
        lease
            .told
            .send(Told::Want(id, wish, heard))
            .map_err(|_| human(shutting_down()))?;
        ack.await.map_err(|_| human(shutting_down()))?;
        Ok(lease)
    }

    /// The computer woke up, the network changed, or a human wants all links tried now.
    pub fn nudge(&self) {
        if self.owner.send(Question::Nudge).is_err() {
            tracing::debug!("no link is kept any more");
        }
    }

    /// Closes the tunnel of this team at once, whoever holds a lease for it. The next lease opens it.
    pub fn cut(&self, team: &TeamName) {
        if self.owner.send(Question::Cut(team.clone())).is_err() {
            tracing::debug!("no link is kept any more");
        }
    }

    /// The program that makes them.
    pub fn ssh(&self) -> &Ssh {
        &self.deps.ssh
    }

    /// What surfaces show of the links, by team.
    pub fn watch(&self) -> watch::Receiver<Arc<LinkViews>> {
        self.views.clone()
    }

    /// Closes every connection; returns when they are gone.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        if self.owner.send(Question::Shutdown(reply)).is_ok() && done.await.is_err() {
            tracing::warn!("the owner of the links ended early");
        }
    }

    fn ask(&self, question: Question) -> Result<(), Failure> {
        self.owner
            .send(question)
            .map_err(|_| human(shutting_down()))
    }
}

async fn own(
    deps: Arc<LinksDeps>,
    mut questions: mpsc::UnboundedReceiver<Question>,
    views: Arc<watch::Sender<Arc<LinkViews>>>,
) {
    let mut links: HashMap<LinkKey, Handle> = HashMap::new();
    while let Some(question) = questions.recv().await {
        match question {
            Question::Link(resolved, target, reply) => {
                let handle = links
                    .entry(resolved.key)
                    .or_insert_with(|| start(&deps, target, &resolved, &views));
                if reply.send(handle.clone()).is_err() {
                    tracing::debug!("who wanted a link is gone");
                }
            }
            Question::Nudge => {
                for handle in links.values() {
                    handle.tell(Told::Nudge);
                }
            }
            Question::Cut(team) => {
                for handle in links.values() {
                    handle.tell(Told::Cut(team.clone()));
                }
            }
            Question::Shutdown(done) => {
                let closing = links.drain().map(|(_, handle)| handle.close());
                futures::future::join_all(closing).await;
                if done.send(()).is_err() {
                    tracing::debug!("nobody waits for the end of the links");
                }
                return;
            }
        }
    }
}

fn start(
    deps: &Arc<LinksDeps>,
    target: Target,
    resolved: &Resolved,
    views: &Arc<watch::Sender<Arc<LinkViews>>>,
) -> Handle {
    let (told, inbox) = mpsc::unbounded_channel();
    let (shown, status) = Shown::new(Arc::clone(views));
    let task = Task::new(Host::new(Arc::clone(deps), target, resolved), shown);
    deps.tasks.spawn(task.run(inbox));
    Handle { told, status }
}

impl Handle {
    fn tell(&self, told: Told) {
        if self.told.send(told).is_err() {
            tracing::debug!("the link's task has ended");
        }
    }

    async fn close(self) {
        let (done, closed) = oneshot::channel();
        self.tell(Told::Close(done));
        if closed.await.is_err() {
            tracing::debug!("the link's task had ended");
        }
    }
}

/// Awaits it where there is one.
async fn ready<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// What ssh could not do, for a lifecycle.
fn failed(failure: &ssh::Failure, destination: &str) -> Failure {
    Failure {
        problem: failure.problem(destination),
        cure: if failure.needs_human() {
            Cure::Human
        } else {
            Cure::Retry
        },
    }
}

fn human(problem: Problem) -> Failure {
    Failure {
        problem,
        cure: Cure::Human,
    }
}

fn shutting_down() -> Problem {
    Problem::new(
        Code::Unavailable,
        "Iris is shutting down.",
        "Start Iris again, then start the team.",
    )
}
