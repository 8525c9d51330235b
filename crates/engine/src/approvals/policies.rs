//! The teams' policies, parsed once for each version of the config.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use iris_domain::{config::Config, ids::TeamName, policy::Policy};
use tokio::sync::watch;

/// The policies that hold; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Policies {
    config: watch::Receiver<Arc<Config>>,
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
    fn new(config: Arc<Config>) -> Self {
        let policies = config
            .teams
            .iter()
            .map(|(name, team)| (name.clone(), Arc::new(Policy::of(team))))
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
    pub fn of(config: watch::Receiver<Arc<Config>>) -> Self {
        let parsed = Parsed::new(config.borrow().clone());
        Self {
            config,
            parsed: Arc::new(Mutex::new(Arc::new(parsed))),
        }
    }

    /// Those of the config that holds now: never older than the last change that was published.
    pub fn now(&self) -> Arc<Parsed> {
        let config = self.config.borrow().clone();
        // A panic while it was held cannot leave half of it.
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&parsed.config, &config) {
            *parsed = Arc::new(Parsed::new(config));
        }
        Arc::clone(&parsed)
    }
}
