//! Events posted to webhooks: signed, in order, tried again for a while, and dropped where that is of no use.
//!
//! One task follows what surfaces show; one for each hook posts. While there is no hook, the first only waits for
//! the config.

mod post;

use std::{sync::Arc, time::Duration};

use iris_domain::{
    Problem, backoff,
    config::Webhook,
    snapshot::{Snapshot, WebhookView},
    webhook::{EventKind, body, events},
};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::post::{Posted, Poster};
use crate::{Engine, clock, metrics::Metrics, secrets::NamedSecrets};

/// Events that may wait for one hook: an hour's worth on a busy day. More of them are dropped, the newest first,
/// counted and shown.
const QUEUE_MAX: usize = 256;
/// How long an event is tried: longer than a restart of the receiver, and not so long that old news comes.
const GIVE_UP: Duration = Duration::from_secs(15 * 60);
/// How long the end of Iris, or of a hook, waits for what is still to be posted.
const FAREWELL: Duration = Duration::from_secs(3);

type Shown = watch::Sender<Vec<WebhookView>>;

/// The end of the webhooks, for who ends Iris.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    stop: CancellationToken,
    ended: CancellationToken,
}

/// How the test of a hook went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookTest {
    /// Its address without the path.
    pub url: String,
    /// Why it did not arrive; absent: it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<Problem>,
}

/// An event on its way.
#[derive(Debug)]
struct Sent {
    kind: EventKind,
    id: Uuid,
    body: String,
    at: Instant,
}

impl Webhooks {
    /// Before anything is started.
    pub fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Follows the config: there are as many hooks as it says. `view` is what surfaces show.
    pub fn follow(&self, engine: &Engine, view: Shown) {
        let webhooks = self.clone();
        let mut follower = Follower {
            secrets: engine.named_secrets.clone(),
            metrics: engine.store.metrics().clone(),
            snapshot: engine.snapshot(),
            view: Arc::new(view),
        };
        let mut config = engine.config.watch();
        engine.tasks.spawn(async move {
            let _ended = webhooks.ended.drop_guard();
            while !webhooks.stop.is_cancelled() && config.has_changed().is_ok() {
                let hooks = config.borrow_and_update().settings.webhooks.clone();
                let changed = async {
                    while config.changed().await.is_ok() {
                        if config.borrow().settings.webhooks != hooks {
                            return;
                        }
                    }
                };
                let over = async {
                    tokio::select! {
                        () = webhooks.stop.cancelled() => {}
                        () = changed => {}
                    }
                };
                if hooks.is_empty() {
                    over.await;
                } else {
                    follower.run(&hooks, over).await;
                }
            }
        });
    }

    /// Posts what is still to be posted, for a moment, and ends.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}

/// Posts a `test` to each hook once.
pub(crate) async fn test(hooks: &[Webhook], secrets: &NamedSecrets) -> Vec<WebhookTest> {
    let body = body("test", Uuid::new_v4(), clock::now(), &Map::new());
    let mut out = Vec::new();
    for hook in hooks {
        let posted = match Poster::new().await {
            Ok(poster) => {
                poster
                    .post(hook, secrets, "test", Uuid::new_v4(), &body)
                    .await
            }
            Err(problem) => Posted::Again(None, problem),
        };
        out.push(WebhookTest {
            url: hook.shown(),
            problem: match posted {
                Posted::Taken => None,
                Posted::Again(_, problem) | Posted::Never(problem) => Some(problem),
            },
        });
    }
    out
}

struct Follower {
    secrets: NamedSecrets,
    metrics: Metrics,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    view: Arc<Shown>,
}

impl Follower {
    /// Until `over`.
    async fn run(&mut self, hooks: &[Webhook], over: impl Future<Output = ()>) {
        let views = hooks.iter().map(|hook| WebhookView {
            url: hook.shown(),
            lost: 0,
            problem: None,
        });
        self.view.send_replace(views.collect());
        let closing = CancellationToken::new();
        let mut running = JoinSet::new();
        let mut queues = Vec::new();
        for (at, hook) in hooks.iter().enumerate() {
            let (queue, events) = mpsc::channel(QUEUE_MAX);
            queues.push(queue);
            let task = HookTask {
                at,
                hook: hook.clone(),
                secrets: self.secrets.clone(),
                metrics: self.metrics.clone(),
                view: Arc::clone(&self.view),
                closing: closing.clone(),
            };
            running.spawn(task.run(events));
        }
        let mut before = Arc::clone(&self.snapshot.borrow_and_update());
        let mut over = std::pin::pin!(over);
        loop {
            let goes_on = tokio::select! {
                () = &mut over => false,
                changed = self.snapshot.changed() => changed.is_ok(),
            };
            let after = Arc::clone(&self.snapshot.borrow_and_update());
            self.tell(&before, &after, hooks, &queues);
            before = after;
            if !goes_on {
                break;
            }
        }
        closing.cancel();
        drop(queues);
        if timeout(FAREWELL, running.join_all()).await.is_err() {
            tracing::warn!("Webhooks: what was still to be posted is dropped.");
        }
        self.view.send_replace(Vec::new());
    }

    fn tell(
        &self,
        before: &Snapshot,
        after: &Snapshot,
        hooks: &[Webhook],
        queues: &[mpsc::Sender<Arc<Sent>>],
    ) {
        for event in events(before, after) {
            let id = Uuid::new_v4();
            let sent = Arc::new(Sent {
                kind: event.kind,
                id,
                body: body(event.kind.as_str(), id, clock::now(), &event.about),
                at: Instant::now(),
            });
            for (at, (hook, queue)) in hooks.iter().zip(queues).enumerate() {
                if !hook.wants(event.kind) {
                    continue;
                }
                if queue.try_send(Arc::clone(&sent)).is_err() {
                    tracing::warn!(
                        url = hook.shown(),
                        event = event.kind.as_str(),
                        "Webhooks: an event is dropped, because too many wait."
                    );
                    lose(&self.view, &self.metrics, at, "dropped");
                }
            }
        }
    }
}

/// An event that a hook will not get.
fn lose(view: &Shown, metrics: &Metrics, at: usize, how: &'static str) {
    metrics.webhook(how);
    view.send_modify(|views| {
        if let Some(view) = views.get_mut(at) {
            view.lost = view.lost.saturating_add(1);
        }
    });
}

/// Posts to one hook.
struct HookTask {
    at: usize,
    hook: Webhook,
    secrets: NamedSecrets,
    metrics: Metrics,
    view: Arc<Shown>,
    closing: CancellationToken,
}

impl HookTask {
    async fn run(self, mut events: mpsc::Receiver<Arc<Sent>>) {
        let mut poster = None;
        while let Some(sent) = events.recv().await {
            self.deliver(&mut poster, &sent).await;
        }
    }

    async fn deliver(&self, poster: &mut Option<Poster>, sent: &Sent) {
        let mut attempt = 0_u32;
        loop {
            attempt = attempt.saturating_add(1);
            let (wait, problem) = match self.attempt(poster, sent).await {
                Posted::Taken => {
                    self.metrics.webhook("delivered");
                    self.show(None);
                    return;
                }
                Posted::Never(problem) => return self.give_up(sent, problem),
                Posted::Again(wait, problem) => (wait, problem),
            };
            let wait = wait.unwrap_or_else(|| backoff::delay(attempt));
            if sent.at.elapsed() + wait > GIVE_UP || self.closing.is_cancelled() {
                return self.give_up(sent, problem);
            }
            tracing::info!(url = self.hook.shown(), %problem, attempt, "Webhooks: a post is tried again.");
            self.show(Some(problem));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    async fn attempt(&self, poster: &mut Option<Poster>, sent: &Sent) -> Posted {
        let poster = match poster {
            Some(poster) => poster,
            None => match Poster::new().await {
                Ok(made) => poster.insert(made),
                Err(problem) => return Posted::Again(None, problem),
            },
        };
        let (hook, kind) = (&self.hook, sent.kind.as_str());
        let post = poster.post(hook, &self.secrets, kind, sent.id, &sent.body);
        Box::pin(post).await
    }

    fn give_up(&self, sent: &Sent, problem: Problem) {
        tracing::warn!(url = self.hook.shown(), event = sent.kind.as_str(), id = %sent.id, %problem, "Webhooks: an event is given up.");
        lose(&self.view, &self.metrics, self.at, "failed");
        self.show(Some(problem));
    }

    fn show(&self, problem: Option<Problem>) {
        self.view.send_if_modified(|views| {
            let Some(view) = views.get_mut(self.at) else {
                return false;
            };
            let changed = view.problem != problem;
            view.problem = problem;
            changed
        });
    }
}
