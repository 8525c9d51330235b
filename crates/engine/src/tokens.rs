//! Who calls: 256 random bits for the console and for each live agent process.

use iris_domain::request::Asker;

use crate::secrets::Secret;

/// A caller, proven by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The human, or a Claude that they run themselves.
    Console,
    /// An agent that Iris started.
    Agent(Asker),
}

/// The tokens that are valid now.
#[derive(Debug, Clone)]
pub struct Tokens {}

impl Tokens {
    /// With this token for the console.
    pub fn new(_console: Secret) -> Self {
        Self {}
    }

    /// A new token for an agent process.
    pub fn mint(&self, _asker: Asker) -> Secret {
        Secret::new(String::new())
    }

    /// That token is worth nothing from now on.
    pub fn revoke(&self, _token: &Secret) {}

    /// Whose token this is.
    pub fn caller(&self, _presented: &str) -> Option<Caller> {
        None
    }

    /// The console's token.
    pub fn console(&self) -> Secret {
        Secret::new(String::new())
    }
}
