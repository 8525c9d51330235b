//! Secrets in memory and in the OS keychain.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text. `Debug` shows `[redacted]`; to read it is to write `expose`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: grep for the callers.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where secrets are kept.
#[derive(Clone, Debug)]
pub struct Secrets {}

impl Secrets {
    /// The OS keychain; falls back to memory for this run where there is none.
    pub fn keychain() -> Self {
        Self {}
    }

    /// For this run only.
    pub fn memory() -> Self {
        Self {}
    }
}
