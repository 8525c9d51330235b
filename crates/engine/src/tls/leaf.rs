//! The certificate that connections see: made in memory, and made anew before it expires.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, PoisonError, RwLock},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use rustls::{
    crypto::ring::sign::any_ecdsa_type,
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    Clock, TlsError,
    authority::{self, Authority},
};

/// It holds from so long before it was made: the clocks of remote hosts may be slow.
const BEFORE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// It holds for so long. No agent lives this long, but one that does gets a new one in time.
const AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);
/// It is made anew after so long: a remote clock may also be fast.
const RENEW: SignedDuration = SignedDuration::from_hours(15 * 24);

/// Gives each connection a certificate that holds.
pub(super) struct Leaves {
    authority: Authority,
    clock: Clock,
    current: RwLock<Leaf>,
}

struct Leaf {
    key: Arc<CertifiedKey>,
    made: Timestamp,
}

impl Leaves {
    /// With a first certificate.
    pub(super) fn new(authority: Authority, clock: Clock) -> Result<Self, TlsError> {
        let leaf = Leaf::new(&authority, clock())?;
        Ok(Self {
            authority,
            clock,
            current: RwLock::new(leaf),
        })
    }

    /// The certificate that holds now. Looked at with each connection, so that no timer runs in an
    /// idle Iris; making one takes less than a millisecond.
    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        let now = (self.clock)();
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.is_fresh(now) {
                return Arc::clone(&current.key);
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if !current.is_fresh(now) {
            match Leaf::new(&self.authority, now) {
                Ok(leaf) => *current = leaf,
                // The old one may still hold; a client that finds it expired says so.
                Err(error) => tracing::error!(%error, "the certificate could not be renewed"),
            }
        }
        Arc::clone(&current.key)
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves")
    }
}

impl Leaf {
    fn new(authority: &Authority, now: Timestamp) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = authority::name("Iris");
        params.subject_alt_names = vec![
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::DnsName("localhost".try_into()?),
        ];
        let ((y, m, d), (ey, em, ed)) = (day(now, -BEFORE), day(now, AFTER));
        params.not_before = date_time_ymd(y, m, d);
        params.not_after = date_time_ymd(ey, em, ed);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, authority.issuer())?;
        let signs = any_ecdsa_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        Ok(Self {
            key: Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signs)),
            made: now,
        })
    }

    /// Also false when the clock went back to before it was made by more than it allows for.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.made);
        -BEFORE / 2 < age && age < RENEW
    }
}

/// The day (UTC) so much from now, as year, month, day.
fn day(now: Timestamp, from_now: SignedDuration) -> (i32, u8, u8) {
    let when = now.checked_add(from_now).unwrap_or(now);
    let date = when.to_zoned(TimeZone::UTC).date();
    (
        i32::from(date.year()),
        date.month().unsigned_abs(),
        date.day().unsigned_abs(),
    )
}
