//! TLS on the endpoint: a certificate authority of this Iris's own, and a certificate for
//! 127.0.0.1 that it signs. A remote agent is told to trust that authority, so that whoever else
//! answers on the remote end of the tunnel is found out before a token is sent to it.
//!
//! The authority's key is made once and kept (`tls/ca.key`). The certificate that connections see
//! lives in memory only: a new one at each start, and again before it expires.

mod authority;
mod leaf;

use std::{path::PathBuf, sync::Arc};

use iris_domain::{Problem, problem::Code};
use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{ServerName, UnixTime},
    time_provider::TimeProvider,
    version::TLS13,
};
use tokio_rustls::TlsAcceptor;

use self::{authority::Authority, leaf::Leaves};
use crate::{
    clock,
    home::{Home, HomeError},
};

/// What tells the time; tests bring their own.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// HTTP/1.1 is what the endpoint speaks, and it says so.
const ALPN: &[u8] = b"http/1.1";

/// The endpoint's side of TLS, and what trusts it; cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    ca_pem: String,
    fingerprint: String,
    acceptor: TlsAcceptor,
    client: Arc<ClientConfig>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The directory cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The key cannot be trusted, or is none.
    #[error("{} {fault}", .path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// The file system said no.
    #[error("cannot {doing} {}: {error}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library does not take what was made.
    #[error("the certificate cannot be used: {0}")]
    Use(#[from] rustls::Error),
}

/// What is wrong with a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A directory, a device, a symbolic link, …
    #[error("is not a plain file")]
    NotFile,
    /// Whoever owns it knows the key.
    #[error("belongs to another user (uid {0})")]
    Owner(u32),
    /// Others may have read it.
    #[error("can be read by other users (mode {0:o})")]
    Shared(u32),
    /// There is no private key in it.
    #[error("holds no private key that Iris can use")]
    Broken,
}

impl From<TlsError> for Problem {
    fn from(error: TlsError) -> Self {
        const ANEW: &str = "Delete that file: Iris makes a new key at its next start, and remote \
                            agents learn of it when they are started again.";
        let message = error.to_string();
        let (code, hint) = match error {
            TlsError::Home(error) => return error.into(),
            TlsError::Key { path: _, fault } => match fault {
                KeyFault::Owner(_) | KeyFault::Shared(_) => (Code::Forbidden, ANEW),
                KeyFault::NotFile | KeyFault::Broken => (Code::Storage, ANEW),
            },
            TlsError::Io { .. } => (
                Code::Storage,
                "Check that the directory is yours, writable and not on a full disk.",
            ),
            TlsError::Make(_) | TlsError::Use(_) => (
                Code::Internal,
                "Delete the folder `tls` in Iris's home and start Iris again; if that does not \
                 help, please report it.",
            ),
        };
        Problem::new(code, message, hint)
    }
}

impl Tls {
    /// With the authority of this home, which is made when there is none.
    ///
    /// # Errors
    /// A key file that is broken, or that others own or can read, is not used and not replaced:
    /// the problem says what to do.
    pub fn load(home: &Home) -> Result<Self, Problem> {
        Ok(Self::keeping(home, Arc::new(clock::now))?)
    }

    /// With an authority that nobody keeps, for a run whose home has none that can be used.
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn temporary() -> Result<Self, Problem> {
        let made = Authority::new().and_then(|it| Self::of(it, Arc::new(clock::now)));
        Ok(made?)
    }

    fn keeping(home: &Home, clock: Clock) -> Result<Self, TlsError> {
        Self::of(Authority::load(&home.tls())?, clock)
    }

    fn of(authority: Authority, clock: Clock) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone())?;
        let (ca_pem, fingerprint) = (authority.pem().to_owned(), authority.fingerprint());
        let client = client(roots, &provider, &clock)?;
        let leaves = Leaves::new(authority, clock)?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(leaves));
        server.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(Arc::new(Inner {
            ca_pem,
            fingerprint,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            client: Arc::new(client),
        })))
    }

    /// The authority's certificate, PEM: what a remote agent gets as `NODE_EXTRA_CA_CERTS`.
    pub fn ca_pem(&self) -> &str {
        &self.0.ca_pem
    }

    /// SHA-256 of the authority's certificate, hex.
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Speaks TLS as the endpoint.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.acceptor.clone()
    }

    /// A client that trusts this authority and nobody else.
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.client)
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.0.fingerprint).finish()
    }
}

/// The name in which the endpoint answers.
pub(crate) fn own_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into())
}

fn client(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
    clock: &Clock,
) -> Result<ClientConfig, rustls::Error> {
    let time = Arc::new(ClockTime(Arc::clone(clock)));
    let mut client = ClientConfig::builder_with_details(Arc::clone(provider), time)
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![ALPN.to_vec()];
    // Each connection is to prove who answers, not that somebody answered earlier.
    client.resumption = Resumption::disabled();
    Ok(client)
}

/// Our clock, for the TLS library.
struct ClockTime(Clock);

impl std::fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClockTime")
    }
}

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from((self.0)().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

#[cfg(test)]
mod tests;
