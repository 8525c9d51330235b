//! What agents may call, kept: the counts and the breaker of each team. The rules themselves are in
//! [`iris_domain::callback`].

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    callback::{
        Breaker, Denied, FAILURES_MAX, FAILURES_WITHIN, PERMISSION_LIMIT, RateLimiter, Verdict,
    },
    config::Config,
    ids::TeamName,
    problem::Code,
    request::Asker,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{refusals::Refusals, tools::Name};
use crate::{
    clock,
    store::Store,
    teams::Teams,
    tokens::{Caller, Tokens},
};

/// The teams that are cut off, with what the human is told.
type CutOff = Arc<BTreeMap<TeamName, Problem>>;

/// Decides on the calls of agents when they arrive; cheap to clone.
#[derive(Clone)]
pub struct Callbacks(Arc<Inner>);

struct Inner {
    config: watch::Receiver<Arc<Config>>,
    tokens: Tokens,
    refusals: Refusals,
    started: Instant,
    teams: Mutex<BTreeMap<TeamName, Counted>>,
    cut_off: watch::Sender<CutOff>,
    /// Each time that a team is cut off: what follows must happen each time.
    cuts: mpsc::UnboundedSender<TeamName>,
    cuts_taken: Mutex<Option<mpsc::UnboundedReceiver<TeamName>>>,
}

/// What is kept of a team.
#[derive(Default)]
struct Counted {
    calls: RateLimiter,
    permissions: RateLimiter,
    breaker: Breaker,
}

/// A call that is not served.
#[derive(Debug)]
pub(super) struct Refused {
    /// As in the audit log.
    pub why: &'static str,
    /// What the agent is told.
    pub problem: Problem,
}

impl Refused {
    /// Refused for want of a right, not for want of time.
    pub(super) const RIGHT: &'static str = "callback:permissions";
    const RATE: &'static str = "callback:rate";
    const CUT_OFF: &'static str = "callback:breaker";

    fn cut_off(team: &TeamName) -> Self {
        Self {
            why: Self::CUT_OFF,
            problem: Problem::new(
                Code::Forbidden,
                format!("{team} is cut off from Iris: too many of its calls were refused"),
                "Only the human can end this: they start the team again.",
            ),
        }
    }

    fn rate(team: &TeamName, what: &str, wait: Duration) -> Self {
        // Rounded up: nobody is told to come back too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self {
            why: Self::RATE,
            problem: Problem::new(
                Code::Busy,
                format!("{team} made too many {what}; none is taken for {seconds} s"),
                "Wait that long, then go on with fewer; each try before that is refused, too.",
            ),
        }
    }

    fn right(team: &TeamName, what: &str, denied: &Denied) -> Self {
        Self {
            why: Self::RIGHT,
            problem: Problem::new(
                Code::Forbidden,
                format!("{team} may not {what}, because of {denied}"),
                "Do without it, or tell the human what you need it for: the config decides this.",
            ),
        }
    }
}

impl Callbacks {
    /// With what this config says, about agents with these tokens. What is refused is written down.
    pub fn start(
        config: watch::Receiver<Arc<Config>>,
        tokens: Tokens,
        store: Store,
        tasks: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        Self::with(config, tokens, Refusals::start(store, tasks, shutdown))
    }

    pub(super) fn with(
        config: watch::Receiver<Arc<Config>>,
        tokens: Tokens,
        refusals: Refusals,
    ) -> Self {
        let (cuts, taken) = mpsc::unbounded_channel();
        Self(Arc::new(Inner {
            config,
            tokens,
            refusals,
            started: Instant::now(),
            teams: Mutex::default(),
            cut_off: watch::Sender::default(),
            cuts,
            cuts_taken: Mutex::new(Some(taken)),
        }))
    }

    /// Where refused calls are written down.
    pub(super) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// The teams whose agents were refused too often: their tokens were revoked, and no call of
    /// theirs is taken.
    pub fn cut_off(&self) -> watch::Receiver<CutOff> {
        self.0.cut_off.subscribe()
    }

    /// Whether agents of this team may be started. Ask again when its token is minted: who is cut off
    /// meanwhile must not keep that one.
    ///
    /// # Errors
    /// The team is cut off, and only a human may start it.
    pub fn may_run(&self, team: &TeamName) -> Result<(), Problem> {
        let counted = self.counted();
        match counted.get(team) {
            Some(counted) if counted.breaker.is_open() => {
                let cut_off = self.0.cut_off.borrow();
                Err(cut_off.get(team).cloned().unwrap_or_else(|| told(team)))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A human started the team: its calls are taken again.
    pub fn restore(&self, team: &TeamName) {
        self.counted().remove(team);
        self.0.cut_off.send_if_modified(|cut_off| {
            let known = cut_off.contains_key(team);
            if known {
                Arc::make_mut(cut_off).remove(team);
            }
            known
        });
    }

    /// Whether a tool call of this team's agent is served.
    pub(super) fn admit(&self, team: &TeamName, tool: &str) -> Result<(), Refused> {
        let config = self.0.config.borrow().clone();
        let Some(settings) = config.teams.get(team).filter(|team| team.is_watched()) else {
            // A team that is gone is refused by its rules.
            return Ok(());
        };
        {
            let mut teams = self.counted();
            let counted = teams.entry(team.clone()).or_default();
            if counted.breaker.is_open() {
                return Err(Refused::cut_off(team));
            }
            if let Some(limit) = settings.call_limit()
                && let Verdict::Refused { wait } = counted.calls.on(&limit, self.elapsed())
            {
                return Err(Refused::rate(team, "calls", wait));
            }
        }
        match &settings.reverse_mcp_permissions {
            Some(permissions) => permissions
                .tool(tool)
                .map_err(|denied| Refused::right(team, &format!("call {tool}"), &denied)),
            None => Ok(()),
        }
    }

    /// Whether this team has the right to a tool, for what only shows what there is: nothing is counted.
    pub(super) fn has_right(&self, team: &TeamName, tool: &str) -> bool {
        let config = self.0.config.borrow();
        config.teams.get(team).is_some_and(|team| {
            let permissions = team.reverse_mcp_permissions.as_ref();
            permissions.is_none_or(|permissions| permissions.tool(tool).is_ok())
        })
    }

    /// Whether a tool may be used on that team.
    pub(super) fn target(
        &self,
        team: &TeamName,
        tool: &str,
        target: &TeamName,
    ) -> Result<(), Refused> {
        let config = self.0.config.borrow().clone();
        let permissions = config
            .teams
            .get(team)
            .and_then(|team| team.reverse_mcp_permissions.as_ref());
        match permissions {
            Some(permissions) => permissions.target(target).map_err(|denied| {
                Refused::right(team, &format!("call {tool} on {target}"), &denied)
            }),
            None => Ok(()),
        }
    }

    /// Whether a permission request of this agent is put before rules and human, whichever way it
    /// came. That it is not is written down.
    ///
    /// # Errors
    /// Why not, for the agent.
    pub fn ask(&self, asker: &Asker) -> Result<(), Problem> {
        self.request(&asker.team).map_err(|refused| {
            let caller = Caller::Agent(asker.clone());
            let tool = Name::PermissionsApprove.as_str();
            let why = &refused.problem.message;
            self.0.refusals.call(&caller, tool, refused.why, why);
            refused.problem
        })
    }

    fn request(&self, team: &TeamName) -> Result<(), Refused> {
        if !self.watches(team) {
            return Ok(());
        }
        let mut teams = self.counted();
        let counted = teams.entry(team.clone()).or_default();
        if counted.breaker.is_open() {
            return Err(Refused::cut_off(team));
        }
        match counted.permissions.on(&PERMISSION_LIMIT, self.elapsed()) {
            Verdict::Served => Ok(()),
            Verdict::Refused { wait } => Err(Refused::rate(team, "permission requests", wait)),
        }
    }

    /// A call was refused for want of a right, or came with a token for another place. After too
    /// many the team is cut off.
    pub(super) fn failed(&self, caller: &Caller) {
        let Caller::Agent(asker) = caller else { return };
        let team = &asker.team;
        if !self.watches(team) {
            return;
        }
        let opens = self
            .counted()
            .entry(team.clone())
            .or_default()
            .breaker
            .failed(self.elapsed());
        if opens {
            self.close(team, told(team));
        }
    }

    /// A human cuts the team off, with what surfaces then say: as after too many refused calls. Says how
    /// many tokens were revoked.
    pub fn cut(&self, team: &TeamName, why: Problem) -> usize {
        let mut teams = self.counted();
        teams.entry(team.clone()).or_default().breaker.open();
        drop(teams);
        self.close(team, why)
    }

    fn close(&self, team: &TeamName, why: Problem) -> usize {
        let revoked = self.0.tokens.revoke_team(team);
        tracing::warn!(%team, revoked, "a team is cut off");
        self.0.cut_off.send_modify(|cut_off| {
            Arc::make_mut(cut_off).insert(team.clone(), why);
        });
        if self.0.cuts.send(team.clone()).is_err() {
            tracing::debug!(%team, "Iris ends, and its agents with it");
        }
        revoked
    }

    fn cuts(&self) -> Option<mpsc::UnboundedReceiver<TeamName>> {
        let mut taken = self.0.cuts_taken.lock();
        taken.as_mut().unwrap_or_else(|held| held.get_mut()).take()
    }

    fn watches(&self, team: &TeamName) -> bool {
        let config = self.0.config.borrow();
        config.teams.get(team).is_some_and(|team| team.is_watched())
    }

    fn elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn counted(&self) -> MutexGuard<'_, BTreeMap<TeamName, Counted>> {
        self.0.teams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callbacks")
    }
}

/// What the human reads.
fn told(team: &TeamName) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!(
            "Iris stopped {team} and takes no more calls of it: {FAILURES_MAX} within {} minutes \
             were refused.",
            FAILURES_WITHIN.as_secs() / 60
        ),
        format!(
            "Look at what it tried (`iris audit --team {team}`); if that was harmless, start the \
             team again."
        ),
    )
}

/// Writes down each time that a team is cut off, and ends its agents: without a token they can only
/// fail.
pub(super) async fn end_agents(
    callbacks: Callbacks,
    teams: Teams,
    store: Store,
    shutdown: CancellationToken,
) {
    let Some(mut cuts) = callbacks.cuts() else {
        return;
    };
    loop {
        let team = tokio::select! {
            () = shutdown.cancelled() => return,
            cut = cuts.recv() => match cut {
                Some(team) => team,
                None => return,
            },
        };
        let row = Draft {
            team: team.to_string(),
            decided_by: Refused::CUT_OFF.to_owned(),
            ..Draft::event(clock::now(), Kind::Operation, "team.cutOff")
        };
        if let Err(error) = store.append(row).await {
            tracing::error!(%error, %team, "a cut-off is missing in the audit log");
        }
        // Who restored it meanwhile has ended them, and may have started others.
        if callbacks.may_run(&team).is_err()
            && let Err(problem) = teams.sleep(None, team.clone()).await
        {
            tracing::warn!(%team, %problem, "the agents of a team that is cut off go on");
        }
    }
}
