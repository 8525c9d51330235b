//! Who calls: 256 random bits for the console and for each live agent process.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use iris_domain::{
    ids::{Party, SessionId, TeamName},
    request::Asker,
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::secrets::Secret;

/// What the scraper's token is made with, beside the console's.
const SCRAPER: &str = "iris metrics\n";

/// A caller, proven by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The human, or a Claude that they run themselves.
    Console,
    /// An agent that Iris started.
    Agent(Asker),
}

impl Caller {
    /// As whom it acts.
    pub fn party(&self) -> Party {
        match self {
            Self::Console => Party::Console,
            Self::Agent(asker) => Party::Team(asker.team.clone()),
        }
    }

    /// The conversation it works in; the console works in none.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Console => None,
            Self::Agent(asker) => Some(asker.session),
        }
    }
}

/// What a valid token gives: who calls, and when that stops being true.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Cancelled when the token is revoked: calls that still run end then.
    pub revoked: CancellationToken,
}

/// The tokens that are valid now; cheap to clone. Of agents' tokens only the SHA-256 is kept.
#[derive(Clone)]
pub struct Tokens(Arc<Registry>);

struct Registry {
    console: Secret,
    entries: RwLock<Vec<Entry>>,
    /// How many were minted and revoked: says that [`Tokens::agents`] may be others now.
    changes: watch::Sender<u64>,
}

struct Entry {
    hash: [u8; 32],
    admission: Admission,
    /// No two tokens have the same.
    serial: u64,
}

/// An agent that has a token now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its team.
    pub team: TeamName,
    /// Its conversation.
    pub session: SessionId,
    /// Of its token: the next process of the same conversation has another one.
    pub serial: u64,
}

impl Tokens {
    /// With this token for the console.
    pub fn new(console: Secret) -> Self {
        let entry = Entry::new(&console, Caller::Console, 0);
        Self(Arc::new(Registry {
            console,
            entries: RwLock::new(vec![entry]),
            changes: watch::Sender::new(0),
        }))
    }

    /// The agents that have a token now.
    pub fn agents(&self) -> Vec<Agent> {
        let entries = self
            .0
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let agent = |entry: &Entry| match &*entry.admission.caller {
            Caller::Console => None,
            Caller::Agent(asker) => Some(Agent {
                team: asker.team.clone(),
                session: asker.session,
                serial: entry.serial,
            }),
        };
        entries.iter().filter_map(agent).collect()
    }

    /// Changes with each token that is minted or revoked.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn changed(&self) {
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// A new token for an agent process.
    pub fn mint(&self, asker: Asker) -> Secret {
        let token = Secret::random();
        {
            let mut entries = self
                .0
                .entries
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            // Under the lock the count of changes is nobody else's; it grows with each token.
            let serial = *self.0.changes.borrow() + 1;
            entries.push(Entry::new(&token, Caller::Agent(asker), serial));
            self.changed();
        }
        token
    }

    /// That token is worth nothing from now on, and the calls made with it end. The console's
    /// token is not revoked here.
    pub fn revoke(&self, token: &Secret) {
        let hash = digest(token.expose());
        self.0
            .entries
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|entry| {
                let goes = *entry.admission.caller != Caller::Console && entry.is(&hash);
                if goes {
                    entry.admission.revoked.cancel();
                }
                !goes
            });
        self.changed();
    }

    /// Every token of this team's agents is worth nothing from now on, and the calls made with
    /// them end. Says how many there were.
    pub fn revoke_team(&self, team: &TeamName) -> usize {
        let mut entries = self
            .0
            .entries
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = entries.len();
        entries.retain(|entry| {
            let goes = match &*entry.admission.caller {
                Caller::Console => false,
                Caller::Agent(asker) => asker.team == *team,
            };
            if goes {
                entry.admission.revoked.cancel();
            }
            !goes
        });
        self.changed();
        before - entries.len()
    }

    /// Whose token this is.
    pub fn caller(&self, presented: &str) -> Option<Caller> {
        self.admit(presented)
            .map(|admission| Caller::clone(&admission.caller))
    }

    /// Whose token this is, and until when. Every entry is compared, each in constant time, so
    /// that the time taken tells nothing about how close a guess was.
    pub fn admit(&self, presented: &str) -> Option<Admission> {
        if presented.is_empty() {
            return None;
        }
        let hash = digest(presented);
        let entries = self
            .0
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for entry in entries.iter() {
            if entry.is(&hash) {
                found = Some(&entry.admission);
            }
        }
        found.cloned()
    }

    /// The token that reads `/metrics` and nothing else. It follows from the console's, which does not
    /// follow from it: nothing more is to be kept, and a new console token makes it new.
    pub fn scraper(&self) -> Secret {
        let console = self.0.console.expose();
        if console.is_empty() {
            // No token for the console, none for a scraper.
            return Secret::new(String::new());
        }
        let hash = digest(&format!("{SCRAPER}{console}"));
        Secret::new(BASE64_URL_SAFE_NO_PAD.encode(hash))
    }

    /// Whether this is the scraper's token, compared in constant time.
    pub fn is_scraper(&self, presented: &str) -> bool {
        let token = self.scraper();
        !token.expose().is_empty() && digest(presented).ct_eq(&digest(token.expose())).into()
    }

    /// The console's token.
    pub fn console(&self) -> Secret {
        self.0.console.clone()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens([redacted])")
    }
}

impl Entry {
    fn new(token: &Secret, caller: Caller, serial: u64) -> Self {
        Self {
            hash: digest(token.expose()),
            admission: Admission {
                caller: Arc::new(caller),
                revoked: CancellationToken::new(),
            },
            serial,
        }
    }

    fn is(&self, hash: &[u8; 32]) -> bool {
        self.hash.ct_eq(hash).into()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(team: &str) -> Asker {
        Asker {
            team: team.parse().unwrap(),
            session: SessionId(uuid::Uuid::new_v4()),
            from: Party::Console,
            host: "local".to_owned(),
        }
    }

    #[test]
    fn a_token_names_its_caller_and_no_other_text_does() {
        let tokens = Tokens::new(Secret::random());
        let blue = asker("blue");
        let token = tokens.mint(blue.clone());
        assert_eq!(tokens.caller(token.expose()), Some(Caller::Agent(blue)));
        assert_eq!(
            tokens.caller(tokens.console().expose()),
            Some(Caller::Console)
        );
        let cut = &token.expose()[..token.expose().len() - 1];
        for wrong in ["", "x", cut, &format!("{}A", token.expose())] {
            assert_eq!(tokens.caller(wrong), None, "{wrong:?} is nobody's token");
        }
    }

    #[test]
    fn revoking_ends_one_token_and_its_calls_only() {
        let tokens = Tokens::new(Secret::random());
        let (blue, red) = (tokens.mint(asker("blue")), tokens.mint(asker("red")));
        let running = tokens.admit(blue.expose()).unwrap();
        let other = tokens.admit(red.expose()).unwrap();
        tokens.revoke(&blue);
        assert!(
            running.revoked.is_cancelled(),
            "a call made with the token ends"
        );
        assert!(
            !other.revoked.is_cancelled(),
            "another agent's call goes on"
        );
        assert_eq!(
            tokens.caller(blue.expose()),
            None,
            "a revoked token is nobody's"
        );
        assert!(
            tokens.caller(red.expose()).is_some(),
            "the other token still holds"
        );
    }

    #[test]
    fn revoking_a_team_ends_all_its_tokens_and_no_other() {
        let tokens = Tokens::new(Secret::random());
        let blue = [tokens.mint(asker("blue")), tokens.mint(asker("blue"))];
        let red = tokens.mint(asker("red"));
        let running = tokens.admit(blue[1].expose()).unwrap();
        assert_eq!(tokens.revoke_team(&"blue".parse().unwrap()), 2);
        assert!(running.revoked.is_cancelled(), "its calls end");
        for token in &blue {
            assert_eq!(tokens.caller(token.expose()), None, "nobody's token");
        }
        assert!(tokens.caller(red.expose()).is_some(), "the other team's");
        assert!(tokens.caller(tokens.console().expose()).is_some());
        assert_eq!(tokens.revoke_team(&"blue".parse().unwrap()), 0);
    }

    #[test]
    fn the_scrapers_token_follows_from_the_consoles_and_is_nobodys() {
        let console = Secret::random();
        let tokens = Tokens::new(console.clone());
        let scraper = tokens.scraper();
        assert_eq!(scraper, Tokens::new(console.clone()).scraper());
        assert_ne!(scraper, Tokens::new(Secret::random()).scraper());
        assert_eq!(tokens.caller(scraper.expose()), None, "it calls nothing");
        assert!(tokens.is_scraper(scraper.expose()));
        for other in ["", console.expose(), "x"] {
            assert!(!tokens.is_scraper(other));
        }
        let none = Tokens::new(Secret::new(String::new()));
        assert!(!none.is_scraper("") && !none.is_scraper(none.scraper().expose()));
    }

    #[test]
    fn an_empty_console_token_lets_nobody_in() {
        let tokens = Tokens::new(Secret::new(String::new()));
        assert_eq!(tokens.caller(""), None, "no text is no token");
    }

    #[test]
    fn debug_shows_no_token() {
        let tokens = Tokens::new(Secret::new("s3cret".to_owned()));
        assert!(
            !format!("{tokens:?}").contains("s3cret"),
            "tokens never reach a log"
        );
    }
}
