use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use tokio::io::{DuplexStream, duplex};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    (dir, home)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A connection of this client to this server, to its end.
async fn connect(
    client: Arc<ClientConfig>,
    server: &Tls,
) -> std::io::Result<TlsStream<DuplexStream>> {
    let (near, far) = duplex(16 * 1024);
    let connector = TlsConnector::from(client);
    let (client, server) = tokio::join!(
        connector.connect(own_name(), near),
        server.acceptor().accept(far)
    );
    drop(server);
    client
}

fn leaf_of(stream: &TlsStream<DuplexStream>) -> CertificateDer<'static> {
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn the_authority_is_kept_and_only_the_user_reads_it() {
    let (_dir, home) = home();
    let first = Tls::load(&home).unwrap();
    for (name, expected) in [("", 0o700), ("ca.key", 0o600), ("ca.pem", 0o600)] {
        assert_eq!(mode(&home.tls().join(name)), expected, "{name}");
    }
    let kept = fs::read_to_string(home.tls().join("ca.pem")).unwrap();
    assert_eq!(kept, first.ca_pem());
    assert!(!kept.contains("PRIVATE"), "what is given away is no key");
    let second = Tls::load(&home).unwrap();
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.fingerprint().len(), 64);
    let connected = connect(first.client(), &second).await;
    assert!(
        connected.is_ok(),
        "an agent of before trusts us after a start"
    );
    let stranger = Tls::temporary().unwrap();
    assert!(connect(stranger.client(), &second).await.is_err());
    let shown = format!("{first:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[tokio::test]
async fn a_certificate_that_is_missing_or_not_the_keys_is_made_anew() {
    let (_dir, home) = home();
    let first = Tls::load(&home).unwrap();
    let path = home.tls().join("ca.pem");
    let foreign = Tls::temporary().unwrap().ca_pem().to_owned();
    for spoilt in [None, Some(""), Some("no pem"), Some(foreign.as_str())] {
        match spoilt {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let again = Tls::load(&home).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), again.ca_pem());
        let connected = connect(first.client(), &again).await;
        assert!(connected.is_ok(), "the key is the same: {spoilt:?}");
    }
}

#[test]
fn a_key_that_cannot_be_trusted_is_not_used_and_not_replaced() {
    type Spoil = fn(&Path);
    let cases: [(Spoil, Code, &str); 5] = [
        (
            |key| fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap(),
            Code::Forbidden,
            "can be read by other users (mode 640)",
        ),
        (
            |key| fs::write(key, "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap(),
            Code::Storage,
            "holds no private key",
        ),
        (
            |key| fs::write(key, b"\xff\xfe").unwrap(),
            Code::Storage,
            "holds no private key",
        ),
        (
            |key| {
                fs::remove_file(key).unwrap();
                std::os::unix::fs::symlink("/dev/null", key).unwrap();
            },
            Code::Storage,
            "is not a plain file",
        ),
        (
            |key| {
                fs::remove_file(key).unwrap();
                fs::create_dir(key).unwrap();
            },
            Code::Storage,
            "is not a plain file",
        ),
    ];
    for (spoil, code, message) in cases {
        let (_dir, home) = home();
        Tls::load(&home).unwrap();
        let key = home.tls().join("ca.key");
        spoil(&key);
        let problem = Tls::load(&home).unwrap_err();
        assert_eq!(problem.code, code, "{problem:?}");
        assert!(problem.message.contains(message), "{problem:?}");
        assert!(problem.message.contains("ca.key"), "it names the file");
        assert!(problem.hint.contains("Delete that file"), "{problem:?}");
        assert!(fs::symlink_metadata(&key).is_ok(), "it is left as it is");
    }
}

#[test]
fn whose_key_it_is_matters() {
    let me = rustix::process::geteuid().as_raw();
    for (is_file, uid, mode, expected) in [
        (true, me, 0o100_600, Ok(())),
        (true, me, 0o100_400, Ok(())),
        (true, me, 0o100_604, Err(KeyFault::Shared(0o604))),
        (true, me + 1, 0o100_600, Err(KeyFault::Owner(me + 1))),
        (false, me, 0o100_600, Err(KeyFault::NotFile)),
    ] {
        assert_eq!(authority::trusted(is_file, uid, mode), expected);
    }
    let path = PathBuf::from("/h/tls/ca.key");
    let fault = KeyFault::Owner(7);
    let problem = Problem::from(TlsError::Key { path, fault });
    assert_eq!(problem.code, Code::Forbidden);
    assert_eq!(
        problem.message,
        "/h/tls/ca.key belongs to another user (uid 7)"
    );
}

#[tokio::test]
async fn the_certificate_is_renewed_before_it_expires_while_iris_runs() {
    const DAY: i64 = 24 * 60 * 60;
    let (_dir, home) = home();
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let days = Arc::new(AtomicI64::new(0));
    let clock: Clock = {
        let days = Arc::clone(&days);
        Arc::new(move || {
            let seconds = DAY * days.load(Ordering::SeqCst);
            start
                .checked_add(jiff::SignedDuration::from_secs(seconds))
                .unwrap()
        })
    };
    let tls = Tls::keeping(&home, clock).unwrap();
    // Each client checks the certificate against the same clock.
    let leaf = async |day: i64| {
        days.store(day, Ordering::SeqCst);
        let stream = connect(tls.client(), &tls).await;
        leaf_of(&stream.unwrap_or_else(|error| panic!("day {day}: {error}")))
    };
    let first = leaf(0).await;
    assert_eq!(leaf(14).await, first, "it holds for half its time");
    let second = leaf(15).await;
    assert_ne!(second, first, "a new one");
    assert_eq!(leaf(20).await, second);
    assert_eq!(leaf(13).await, second, "a clock that went back a little");
    let back = leaf(-300).await;
    assert_ne!(back, second, "a clock that went back by much");
    let mut last = leaf(0).await;
    for day in (100..4000).step_by(100) {
        let leaf = leaf(day).await;
        assert_ne!(leaf, last, "day {day}");
        last = leaf;
    }
}

#[tokio::test]
async fn the_authority_speaks_for_no_name_of_the_internet() {
    // What Claude Code must trust for all its connections is good for nothing but us.
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = Authority::new().unwrap();
    let mut params = rcgen::CertificateParams::new(["api.example.com".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    let forged = params.signed_by(&key, authority.issuer()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![forged.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let clock: Clock = Arc::new(clock::now);
    let client = Arc::new(client(roots, &provider, &clock).unwrap());
    let (near, far) = duplex(16 * 1024);
    let connector = TlsConnector::from(client);
    let name = ServerName::try_from("api.example.com").unwrap();
    let (client, _server) = tokio::join!(
        connector.connect(name, near),
        TlsAcceptor::from(Arc::new(server)).accept(far)
    );
    let error = client.unwrap_err().to_string();
    assert!(error.contains("NameConstraint"), "{error}");
}

#[test]
fn the_authority_is_one_certificate_in_pem() {
    let tls = Tls::temporary().unwrap();
    let pem = tls.ca_pem();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert_eq!(pem.matches("BEGIN").count(), 1);
    assert!(CertificateDer::from_pem_slice(pem.as_bytes()).is_ok());
    assert!(pem.is_ascii(), "any shell can carry it");
}
