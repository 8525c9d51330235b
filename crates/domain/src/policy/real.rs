//! Where paths lead. Who may touch a disk looks; this crate only says what it needs to know.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Follows symbolic links; what does not exist is kept behind what does. `None`: it cannot be told.
pub type Follow = fn(&str) -> Option<String>;

/// How a policy learns where paths lead.
#[derive(Clone)]
pub enum Real {
    /// Whenever it wants to know: that takes as long as the disk takes.
    Now(Follow),
    /// From what was looked up before. It waits for nothing.
    Before(Arc<LookedUp>),
}

/// Paths that somebody looked up. One that is not among them counts as one that cannot be told,
/// and is noted.
#[derive(Debug, Default)]
pub struct LookedUp {
    known: HashMap<String, Option<String>>,
    missing: Mutex<BTreeSet<String>>,
}

impl LookedUp {
    /// These.
    pub fn new(known: HashMap<String, Option<String>>) -> Self {
        Self {
            known,
            missing: Mutex::default(),
        }
    }

    /// What is known.
    pub fn known(&self) -> &HashMap<String, Option<String>> {
        &self.known
    }

    /// What was asked for and is not known.
    pub fn missing(&self) -> BTreeSet<String> {
        // A panic while it was held cannot leave half of it.
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.clone()
    }

    fn of(&self, path: &str) -> Option<String> {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.insert(path.to_owned());
        None
    }
}

impl Real {
    pub(super) fn of(&self, path: &str) -> Option<String> {
        match self {
            Self::Now(follow) => follow(path),
            Self::Before(looked_up) => looked_up.of(path),
        }
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Now(a), Self::Now(b)) => std::ptr::fn_addr_eq(*a, *b),
            (Self::Before(a), Self::Before(b)) => Arc::ptr_eq(a, b),
            (Self::Now(_), Self::Before(_)) | (Self::Before(_), Self::Now(_)) => false,
        }
    }
}

impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Before(_) => "Before",
        })
    }
}
