//! Which addresses a rule for `WebFetch` speaks of.

use url::{Host, Url};

/// `domain:docs.rs`, `domain:*.docs.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainPattern {
    host: String,
    below: bool,
}

/// The host of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    host: String,
    /// A web address without a user's name in it: nothing that only looks like another host.
    plain: bool,
}

impl DomainPattern {
    /// Reads what stands behind `domain:`; `None`: it covers every address.
    pub fn parse(text: &str) -> Result<Option<Self>, (String, String)> {
        if text == "*" {
            return Ok(None);
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let wrong = || {
            (
                format!("`{text}` is not the name of a host"),
                "Write `WebFetch(domain:docs.rs)`, or `WebFetch(domain:*.docs.rs)` for all below it.".to_owned(),
            )
        };
        if name.contains(['*', '/', ':', '@', '?', '#']) && !name.starts_with('[') {
            return Err(wrong());
        }
        let url = Url::parse(&format!("http://{name}/")).map_err(|_| wrong())?;
        let host = host(&url).ok_or_else(wrong)?;
        if url.port().is_some() || (below && !matches!(url.host(), Some(Host::Domain(_)))) {
            return Err(wrong());
        }
        Ok(Some(Self { host, below }))
    }

    fn names(&self, host: &str) -> bool {
        if self.below {
            host.strip_suffix(self.host.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.host
        }
    }

    /// Whether it surely speaks of this address.
    pub fn covers(&self, target: &Target) -> bool {
        target.plain && self.names(&target.host)
    }

    /// Whether it may speak of it.
    pub fn touches(&self, target: &Target) -> bool {
        self.names(&target.host)
    }
}

impl Target {
    /// Of an address; `None`: it is none that can be read.
    pub fn of(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok()?;
        Some(Self {
            host: host(&url)?,
            plain: matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none(),
        })
    }
}

/// In lower case, international names in ASCII, without the dot of the root.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    (!host.is_empty()).then_some(host)
}

impl Target {
    /// The host's name.
    pub fn host(&self) -> &str {
        &self.host
    }
}
