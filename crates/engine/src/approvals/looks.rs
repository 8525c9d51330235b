//! Looks at the disk that a decision needs: where the paths of a request lead.
//!
//! The thread that serves every call never waits for a disk. A policy is asked first with nothing
//! looked up, which is the whole of it for a request without paths; what it then wants to know is looked
//! up on another thread. A disk that hangs holds up nobody but who asked for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use iris_domain::{
    Problem,
    ids::TeamName,
    policy::{Follow, LookedUp, Policy, Real, Verdict},
    problem::Code,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

/// How long a look may take. A disk here answers within microseconds and a network disk that works
/// within milliseconds; after so long it hangs, and a human is asked.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
/// How many looks of one team may go on at once. Each that hangs keeps a thread for as long as it
/// hangs: a team whose disk is gone must not take the threads of the others.
const LOOKS_PER_TEAM: usize = 4;

/// Who looks; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Looks {
    follow: Follow,
    teams: Arc<Mutex<HashMap<TeamName, Arc<Semaphore>>>>,
}

/// An answer of a policy.
pub(super) struct Seen<T> {
    pub answer: T,
    /// The policy, knowing what it was told: the same request needs no further look.
    pub policy: Policy,
    /// The disk did not answer: where paths lead is not known.
    pub hung: bool,
}

impl Looks {
    pub fn new(follow: Follow) -> Self {
        Self {
            follow,
            teams: Arc::default(),
        }
    }

    /// What `ask` hears from the policy when it knows where the paths lead that it asks for.
    pub async fn seen<T>(
        &self,
        team: &TeamName,
        policy: &Policy,
        ask: impl Fn(&Policy) -> T,
    ) -> Seen<T> {
        let deadline = Instant::now() + LOOK_LIMIT;
        let mut looked_up = Arc::new(LookedUp::default());
        loop {
            let policy = policy.knowing(Real::Before(Arc::clone(&looked_up)));
            let answer = ask(&policy);
            let missing = looked_up.missing();
            if missing.is_empty() {
                return Seen {
                    answer,
                    policy,
                    hung: false,
                };
            }
            let Some(found) = self.look(team, missing, deadline).await else {
                return Seen {
                    answer,
                    policy,
                    hung: true,
                };
            };
            let mut known = looked_up.known().clone();
            known.extend(found);
            looked_up = Arc::new(LookedUp::new(known));
        }
    }

    /// Where these lead; `None`: it cannot be told in time.
    async fn look(
        &self,
        team: &TeamName,
        paths: impl IntoIterator<Item = String> + Send + 'static,
        deadline: Instant,
    ) -> Option<HashMap<String, Option<String>>> {
        let turn = timeout_at(deadline, self.turns_of(team).acquire_owned());
        let turn = turn.await.ok()?.ok()?;
        let follow = self.follow;
        let looking = tokio::task::spawn_blocking(move || {
            // Given back when the disk has answered, not when nobody waits for it any more.
            let _turn = turn;
            let found = paths.into_iter().map(|path| {
                let leads = follow(&path);
                (path, leads)
            });
            found.collect::<HashMap<_, _>>()
        });
        match timeout_at(deadline, looking).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::error!(%team, %error, "A look at the disk failed.");
                None
            }
            Err(_) => {
                tracing::warn!(%team, limit = ?LOOK_LIMIT, "A disk does not answer.");
                None
            }
        }
    }

    fn turns_of(&self, team: &TeamName) -> Arc<Semaphore> {
        // A panic while it was held cannot leave half of it.
        let mut teams = self.teams.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(LOOKS_PER_TEAM));
        Arc::clone(teams.entry(team.clone()).or_insert_with(new))
    }
}

impl Seen<Verdict> {
    /// The verdict. Nothing is allowed by a policy that does not know where paths lead: it might lead to
    /// what a rule denies.
    pub fn verdict(&self) -> Verdict {
        match &self.answer {
            Verdict::Allow { .. } | Verdict::Ask { .. } | Verdict::Forward { .. } if self.hung => {
                Verdict::Ask { why: hung() }
            }
            verdict => verdict.clone(),
        }
    }
}

impl<T> Seen<T> {
    /// What was heard, if it rests on all that there is to know.
    ///
    /// # Errors
    /// `Storage`: the disk does not answer.
    pub fn certain(self) -> Result<(T, Policy), Problem> {
        if self.hung {
            return Err(Problem::new(
                Code::Storage,
                hung(),
                "Try again when it answers. Deny it if you do not want to wait.",
            ));
        }
        Ok((self.answer, self.policy))
    }
}

fn hung() -> String {
    format!(
        "The disk does not answer ({LOOK_LIMIT:?}), so it cannot be told where its paths lead and whether a rule forbids that."
    )
}
