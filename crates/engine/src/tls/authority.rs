//! The certificate authority: its key in a file that only the user can read, and its certificate.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, date_time_ymd,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KeyFault, TlsError};
use crate::home::private_dir;

/// A key takes 250 bytes; whatever is much longer is none.
const KEY_FILE_MAX: u64 = 64 * 1024;
/// What group and others have.
const SHARED_BITS: u32 = 0o077;
/// The only name below this authority. Whoever trusts it (a remote agent must, for all its
/// connections) still trusts it for no name of the Internet, should the key ever leak. Addresses
/// stay free: BoringSSL, in Claude Code's own runtime, rejects every certificate that has one below
/// an authority that constrains them.
const NAME: &str = "localhost";

/// A key that signs, and the certificate that says so.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    /// A new one, in memory.
    pub(super) fn new() -> Result<Self, TlsError> {
        Self::of(KeyPair::generate()?)
    }

    /// The one that is kept in this directory. The key is what counts: a certificate that is
    /// missing or is not the key's is written anew.
    pub(super) fn load(dir: &Path) -> Result<Self, TlsError> {
        if let Some(line) = private_dir(dir)? {
            tracing::warn!("{line}");
        }
        let key_path = dir.join("ca.key");
        let key = match read_key(&key_path)? {
            Some(key) => key,
            None => {
                let key = KeyPair::generate()?;
                let pem = Zeroizing::new(key.serialize_pem());
                write(dir, &key_path, pem.as_bytes())?;
                key
            }
        };
        let mut made = Self::of(key)?;
        let pem_path = dir.join("ca.pem");
        match fs::read(&pem_path) {
            Ok(text) => {
                // The same certificate at every start: it can be looked at and compared.
                if made.take(&text).is_some() {
                    return Ok(made);
                }
                tracing::warn!("ca.pem was not the key's certificate; it is made anew");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "ca.pem cannot be read; it is made anew"),
        }
        write(dir, &pem_path, made.pem.as_bytes())?;
        Ok(made)
    }

    fn of(key: KeyPair) -> Result<Self, TlsError> {
        let signed: Certificate = ca_params().self_signed(&key)?;
        Ok(Self {
            certificate: signed.der().clone(),
            pem: signed.pem(),
            issuer: Issuer::new(ca_params(), key),
        })
    }

    /// Takes the certificate that was kept, when it is one of this authority.
    fn take(&mut self, pem: &[u8]) -> Option<()> {
        let text = std::str::from_utf8(pem).ok()?;
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        let anchor = |certificate: &CertificateDer<'static>| {
            let mut store = RootCertStore::empty();
            store.add(certificate.clone()).ok()?;
            store.roots.pop()
        };
        // Name, key and constraints.
        if anchor(&certificate)? != anchor(&self.certificate)? {
            return None;
        }
        self.certificate = certificate;
        text.clone_into(&mut self.pem);
        Some(())
    }

    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the certificate, hex.
    pub(super) fn fingerprint(&self) -> String {
        Sha256::digest(&self.certificate)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Iris local authority");
    // Well in the past: a remote host's clock may be slow.
    params.not_before = date_time_ymd(2020, 1, 1);
    // "No well-defined end" (RFC 5280, 4.1.2.5): it is replaced by deleting the key.
    params.not_after = date_time_ymd(9999, 12, 31);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(NAME.to_owned())],
        excluded_subtrees: Vec::new(),
    });
    params
}

pub(super) fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// The key in this file; `None`: there is no file.
fn read_key(path: &Path) -> Result<Option<KeyPair>, TlsError> {
    let io = |doing| {
        move |error| TlsError::Io {
            doing,
            path: path.to_owned(),
            error,
        }
    };
    let fault = |fault| TlsError::Key {
        path: path.to_owned(),
        fault,
    };
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Err(fault(KeyFault::NotFile)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("look at")(error)),
    }
    let nofollow = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nofollow)
        .open(path)
        .map_err(io("open"))?;
    // Of what was opened, not of what stood there before.
    let meta = file.metadata().map_err(io("look at"))?;
    trusted(meta.is_file(), meta.uid(), meta.mode()).map_err(fault)?;
    let text = read_text(&file).map_err(io("read"))?;
    KeyPair::from_pem(&text)
        .map(Some)
        .map_err(|_| fault(KeyFault::Broken))
}

fn read_text(file: &File) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(KEY_FILE_MAX).read_to_end(&mut bytes)?;
    // What is no text is no key; the reader of the key says so.
    Ok(Zeroizing::new(
        std::str::from_utf8(&bytes).unwrap_or_default().to_owned(),
    ))
}

/// Whether nobody but the user can know what is in a file.
pub(super) fn trusted(is_file: bool, uid: u32, mode: u32) -> Result<(), KeyFault> {
    if !is_file {
        return Err(KeyFault::NotFile);
    }
    if uid != rustix::process::geteuid().as_raw() {
        return Err(KeyFault::Owner(uid));
    }
    if mode & SHARED_BITS != 0 {
        return Err(KeyFault::Shared(mode & 0o7777));
    }
    Ok(())
}

/// A whole file or none, which only the user can read.
fn write(dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    let io = |error| TlsError::Io {
        doing: "write",
        path: path.to_owned(),
        error,
    };
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}
