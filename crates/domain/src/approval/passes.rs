//! What a human allowed at the prompt, on its way to Iris: a tool of Iris is asked for once, and
//! checked again where it runs.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::decision::AllowedBy;

/// How long the call may take from the answer to here. It follows at once; a slow link adds seconds.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(2);
/// How many may be on their way: as many as may wait.
const PASSES_MAX: usize = super::PENDING_MAX;

/// Calls that may arrive, by the digest of (team, session, tool, input): each is good once.
#[derive(Debug, Default)]
pub(super) struct Passes(HashMap<String, Vec<(Timestamp, AllowedBy)>>);

impl Passes {
    /// One more call like this may arrive. Beyond the limit none is added: the human is asked again.
    pub fn add(&mut self, digest: String, by: AllowedBy, now: Timestamp) {
        self.0.retain(|_, passes| {
            passes.retain(|(until, _)| now < *until);
            !passes.is_empty()
        });
        if self.0.len() < PASSES_MAX {
            let until = now.checked_add(ON_ITS_WAY).unwrap_or(now);
            self.0.entry(digest).or_default().push((until, by));
        }
    }

    /// Who allowed this call, if somebody did: it may run without being asked again.
    pub fn take(&mut self, digest: &str, now: Timestamp) -> Option<AllowedBy> {
        let passes = self.0.get_mut(digest)?;
        passes.retain(|(until, _)| now < *until);
        passes.pop().map(|(_, by)| by)
    }
}
