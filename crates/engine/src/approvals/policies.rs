//! The teams' policies, parsed once for each version of the config.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use iris_domain::{
    Problem,
    config::{Config, Team},
    grant::Live,
    ids::TeamName,
    policy::{Follow, Place, Policy, Real, Verdict},
    problem::Code,
    request::ToolRequest,
};
use tokio::sync::watch;

use super::Approvals;
use crate::{clock, config_file::expand};

/// What the paths of a config start from.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The home directory here.
    pub home: Option<PathBuf>,
    /// The config file's folder.
    pub base: PathBuf,
    /// Tells where a path leads.
    pub follow: Follow,
}

impl Default for Ground {
    fn default() -> Self {
        Self {
            home: None,
            base: PathBuf::new(),
            follow: real,
        }
    }
}

impl Ground {
    /// The policies of the teams of a config, by team. They look at the disk themselves.
    pub fn policies(&self, config: Config) -> impl Fn(&TeamName) -> Option<Arc<Policy>> + use<> {
        let policies = Parsed::new(Arc::new(config), self);
        move |team| policies.of(team)
    }

    /// Where a team works. What cannot be told stays unknown: rules with paths then allow nothing.
    fn place(&self, team: &Team) -> Place {
        if team.remote.is_some() {
            // Neither its home nor its links can be looked up from here.
            return Place {
                folder: team.path.clone(),
                home: None,
                real: None,
            };
        }
        let text = |path: PathBuf| path.into_os_string().into_string().ok();
        Place {
            folder: expand(&team.path, self.home.as_deref(), &self.base)
                .ok()
                .and_then(text)
                .unwrap_or_default(),
            home: self.home.clone().and_then(text),
            real: Some(Real::Now(self.follow)),
        }
    }
}

/// Where a path leads. Of what does not exist yet, the part that does is followed; `None`: it
/// cannot be looked up, or is no text.
fn real(path: &str) -> Option<String> {
    let mut rest: Vec<OsString> = Vec::new();
    let mut at = Path::new(path);
    loop {
        match at.canonicalize() {
            Ok(found) => {
                let whole = rest.iter().rev().fold(found, |path, part| path.join(part));
                return whole.into_os_string().into_string().ok();
            }
            // A link to what does not exist: a write would make it, who knows where.
            Err(_) if at.is_symlink() => return None,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // `..` has no name: behind what does not exist, it leads nowhere.
                rest.push(at.file_name()?.to_owned());
                at = at.parent()?;
            }
            Err(_) => return None,
        }
    }
}

/// The policies that hold; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Policies {
    config: watch::Receiver<Arc<Config>>,
    ground: Ground,
    parsed: Arc<Mutex<Arc<Parsed>>>,
}

/// A config and its policies.
#[derive(Debug)]
pub(super) struct Parsed {
    /// What they were made of.
    pub config: Arc<Config>,
    policies: HashMap<TeamName, Arc<Policy>>,
}

impl Parsed {
    fn new(config: Arc<Config>, ground: &Ground) -> Self {
        let policies = config
            .teams
            .iter()
            .map(|(name, team)| (name.clone(), Arc::new(Policy::of(team, ground.place(team)))))
            .collect();
        Self { config, policies }
    }

    /// The policy of a team; `None`: there is no such team.
    pub fn of(&self, team: &TeamName) -> Option<Arc<Policy>> {
        self.policies.get(team).cloned()
    }
}

impl Policies {
    /// Of this config, as it changes.
    pub fn of(config: watch::Receiver<Arc<Config>>, ground: Ground) -> Self {
        let parsed = Parsed::new(config.borrow().clone(), &ground);
        Self {
            config,
            ground,
            parsed: Arc::new(Mutex::new(Arc::new(parsed))),
        }
    }

    /// What their paths start from.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Says when the config is another one.
    pub fn changes(&self) -> watch::Receiver<Arc<Config>> {
        self.config.clone()
    }

    /// Those of the config that holds now: never older than the last change that was published.
    pub fn now(&self) -> Arc<Parsed> {
        let config = self.config.borrow().clone();
        // A panic while it was held cannot leave half of it.
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&parsed.config, &config) {
            *parsed = Arc::new(Parsed::new(config, &self.ground));
        }
        Arc::clone(&parsed)
    }
}

/// Told who names a team that is not there.
pub fn no_such_team(team: &TeamName) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("There is no team {team}."),
        "`iris team list` lists the teams.",
    )
}

impl Approvals {
    /// The policy of a team. It looks at the disk itself: not for the thread that serves calls.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub fn policy(&self, team: &TeamName) -> Result<Arc<Policy>, Problem> {
        self.policies
            .now()
            .of(team)
            .ok_or_else(|| no_such_team(team))
    }

    /// What the rules say to this request of the team's agents, with the grants that hold for all of
    /// them. Nothing is asked and nothing is recorded.
    ///
    /// # Errors
    /// `NotFound`: there is no such team.
    pub async fn verdict(
        &self,
        team: &TeamName,
        request: &ToolRequest,
    ) -> Result<Verdict, Problem> {
        let policy = self.policy(team)?;
        let (all, now) = (Arc::clone(&self.grants.borrow()), clock::now());
        let held = all.iter().filter(|live| live.holds_for_all_of(team, now));
        let held: Vec<&Live> = held.collect();
        let decide = |policy: &Policy| policy.evaluate_with(request, &held);
        Ok(self.looks.seen(team, &policy, decide).await.verdict())
    }

    /// The policies that hold, by team.
    pub fn policies_now(&self) -> impl Fn(&TeamName) -> Option<Arc<Policy>> + use<> {
        let policies = self.policies.now();
        move |team| policies.of(team)
    }

    /// The policies of another config, by team.
    pub fn policies_of(&self, config: Config) -> impl Fn(&TeamName) -> Option<Arc<Policy>> + use<> {
        self.policies.ground().policies(config)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_does_not_exist_is_kept_behind_what_does() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let path = |name: &str| base.join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(base.join("a")).unwrap();
        symlink(base.join("a"), base.join("link")).unwrap();
        symlink(base.join("nowhere"), base.join("dangling")).unwrap();
        assert_eq!(real(&path("link/new/x")), Some(path("a/new/x")));
        assert_eq!(
            real(&path("link/..")),
            Some(path("")).map(|it| it.trim_end_matches('/').to_owned())
        );
        assert_eq!(real(&path("dangling")), None);
        assert_eq!(real(&path("dangling/x")), None);
        assert_eq!(real(&path("new/../x")), None);
    }
}
