//! A remote host: a real `sshd` on a free port of the loopback, and a user's side to reach it.

mod pam;

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    iris::user,
    network::{self, Inside, Network},
    processes::signal_pid,
    program::Program,
    wait,
};

pub use pam::Factor;
pub(crate) use pam::{allowed as pam_is_allowed, missing as missing_for_pam};

/// Where it is: not on every user's PATH, and it insists on a whole path.
pub const SSHD: &str = "/usr/sbin/sshd";
/// It separates its privileges in this empty directory, which the boot of a system makes.
const PRIVILEGES: &str = "/run/sshd";
/// A killed `sshd` is gone within this, even on a busy machine.
const GONE: Duration = Duration::from_secs(10);

/// A running `sshd` that lets this user in with the keys of [`SshUser`]s it was told of. Dropping
/// it ends it with all its connections.
#[derive(Debug)]
pub struct Sshd {
    address: String,
    inside: Inside,
    port: u16,
    listener: Option<Program>,
    /// How often it was started.
    starts: usize,
    /// It asks for what a [`Factor`] is.
    own_pam: bool,
    // The last field: the directory goes when nothing uses it any more.
    dir: TempDir,
}

impl Sshd {
    /// Starts one that lets `user` in.
    pub async fn start(user: &SshUser) -> Self {
        Self::with(user, &[]).await
    }

    /// Starts one with further lines in its configuration (`MaxSessions 1`, …). They win over
    /// those of the kit.
    pub async fn with(user: &SshUser, lines: &[&str]) -> Self {
        Self::at(user, lines, "127.0.0.1", Inside::default()).await
    }

    /// Starts one on the far computer of that network.
    pub async fn across(user: &SshUser, lines: &[&str], network: &Network) -> Self {
        Self::at(user, lines, network::FAR, network.far()).await
    }

    async fn at(user: &SshUser, lines: &[&str], address: &str, inside: Inside) -> Self {
        let mut sshd = Self::new(user, address, inside);
        sshd.configure(lines);
        sshd.listen().await;
        sshd
    }

    /// Starts one that takes no key, but asks for these, through keyboard-interactive unless the
    /// lines say otherwise. Nothing is right before [`Sshd::set_password`] and [`Sshd::issue`].
    /// Needs `require!("pam")`.
    pub async fn asking(user: &SshUser, factors: &[Factor], lines: &[&str]) -> Self {
        let mut sshd = Self::new(user, "127.0.0.1", Inside::default());
        sshd.own_pam = true;
        pam::configure(sshd.dir(), factors);
        let own = [
            "UsePAM yes",
            "KbdInteractiveAuthentication yes",
            "PubkeyAuthentication no",
        ];
        sshd.configure(&[lines, &own].concat());
        sshd.listen().await;
        sshd
    }

    fn new(user: &SshUser, address: &str, inside: Inside) -> Self {
        let sshd = Self {
            address: address.to_owned(),
            inside,
            port: free_port(),
            listener: None,
            starts: 0,
            own_pam: false,
            dir: tempfile::tempdir().expect("a directory can be made"),
        };
        sshd.new_host_key();
        sshd.admit(user);
        sshd
    }

    /// The password that is right from now on.
    pub fn set_password(&self, password: &str) {
        pam::set_password(self.dir(), password);
    }

    /// The codes that are right from now on: of eight digits, and each once.
    pub fn issue(&self, codes: &[&str]) {
        pam::issue(self.dir(), codes);
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `user@127.0.0.1`, who may sign in: the user that runs the tests.
    pub fn destination(&self) -> String {
        format!("{}@{}", user(), self.address)
    }

    /// `ssh … -p PORT`, for `remote` in a config.
    pub fn remote(&self) -> String {
        format!("ssh {} -p {}", self.destination(), self.port)
    }

    /// Everything of it lies here; its sessions do not.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its host key as `known_hosts` has it.
    pub fn known_host(&self) -> String {
        let key = fs::read_to_string(self.file("host.pub")).expect("it has a host key");
        let key: Vec<&str> = key.split(' ').take(2).collect();
        format!("[{}]:{} {}", self.address, self.port, key.join(" "))
    }

    /// Replaces its host key; counts from the next start on.
    pub fn new_host_key(&self) {
        for old in ["host", "host.pub"] {
            if self.file(old).exists() {
                fs::remove_file(self.file(old)).expect("a host key can be removed");
            }
        }
        keygen(&self.file("host"), "");
    }

    /// Lets another user's key in.
    pub fn admit(&self, user: &SshUser) {
        let keys = self.file("authorized_keys");
        let mut all = fs::read_to_string(&keys).unwrap_or_default();
        all += &fs::read_to_string(user.key().with_extension("pub")).expect("a user has a key");
        fs::write(keys, all).expect("a key can be added");
    }

    /// Writes its configuration; counts from the next start on.
    pub fn configure(&self, lines: &[&str]) {
        let dir = self.dir.path().display();
        // Of several lines for one setting the first counts.
        let config = format!(
            "{}
ListenAddress {}:{}
HostKey {dir}/host
AuthorizedKeysFile {dir}/authorized_keys
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
LogLevel VERBOSE
",
            lines.join("\n"),
            self.address,
            self.port
        );
        fs::write(self.file("config"), config).expect("a configuration can be written");
    }

    /// Kills it with all its connections, as a crash of the host would.
    pub fn kill(&mut self) {
        let children = self.children();
        if let Some(mut listener) = self.listener.take() {
            listener.kill();
        }
        for pid in &children {
            signal_pid(*pid, Signal::SIGKILL);
        }
        let gone = wait::blocking(GONE, || children.iter().all(|pid| name_of(*pid).is_none()));
        assert!(gone, "a killed sshd is gone");
    }

    /// Kills it and starts it again on the same port.
    pub async fn restart(&mut self) {
        self.kill();
        self.listen().await;
    }

    /// Starts it again after [`Sshd::kill`].
    pub async fn listen(&mut self) {
        if nix::unistd::getuid().is_root() {
            fs::create_dir_all(PRIVILEGES).expect("root can make it");
        }
        let mut command = if self.own_pam {
            pam::command(SSHD, self.dir())
        } else {
            self.inside.command(SSHD)
        };
        command.args(["-D", "-e", "-f"]).arg(self.file("config"));
        let env = [("PATH", "/usr/bin:/bin")];
        let mut listener = Program::start("sshd", &mut command, env, self.dir.path(), None);
        self.starts += 1;
        let said = format!("Server listening on {} port {}", self.address, self.port);
        wait::eventually(&said, async || {
            assert_eq!(listener.ended(), None, "sshd ended: {}", listener.stderr());
            (listener.stderr().matches(&said).count() == self.starts).then_some(())
        })
        .await;
        self.listener = Some(listener);
    }

    /// The processes that serve its connections, whoever they run as; not what runs in sessions.
    pub fn children(&self) -> Vec<u32> {
        let Some(listener) = &self.listener else {
            return vec![];
        };
        let mut found = vec![listener.pid()];
        let mut at = 0;
        while let Some(parent) = found.get(at) {
            let children = children_of(*parent);
            found.extend(children.into_iter().filter(|pid| {
                // Newer versions serve with a program of its own, `sshd-session`.
                name_of(*pid).is_some_and(|name| name.starts_with("sshd"))
            }));
            at += 1;
        }
        found.split_off(1)
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("sshd.err")).unwrap_or_default()
    }

    /// How many connections have signed in so far.
    pub fn sign_ins(&self) -> usize {
        // `Accepted key` comes before, once or more for each.
        let log = self.log();
        let accepted = log.lines().filter(|line| line.starts_with("Accepted "));
        accepted.filter(|line| line.contains(" for ")).count()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.kill();
            return;
        }
        // A second panic would abort the run and hide the first.
        for pid in self.children() {
            signal_pid(pid, Signal::SIGKILL);
        }
    }
}

/// A user's side: a throw-away home whose `.ssh` is theirs alone, and an `ssh` on the PATH that
/// uses it. (The real one takes the home of the password file, whatever HOME says.)
#[derive(Debug)]
pub struct SshUser {
    dir: TempDir,
}

impl SshUser {
    /// A user with a key without a passphrase, who knows no host.
    pub fn new() -> Self {
        Self::with_passphrase("")
    }

    /// A user whose key has this passphrase.
    pub fn with_passphrase(passphrase: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let user = Self { dir };
        let ssh = user.home().join(".ssh");
        fs::create_dir_all(&ssh).expect("a directory can be made");
        fs::create_dir(user.dir.path().join("bin")).expect("a directory can be made");
        fs::set_permissions(&ssh, Permissions::from_mode(0o700)).expect("a mode can be set");
        keygen(&user.key(), passphrase);
        user.configure("");
        let real = crate::require::find("ssh").expect("openssh-client is there");
        let script = format!(
            "#!/bin/sh\nexec '{}' -F '{}' \"$@\"\n",
            real.display(),
            user.config().display()
        );
        let program = user.dir.path().join("bin/ssh");
        fs::write(&program, script).expect("a script can be written");
        fs::set_permissions(&program, Permissions::from_mode(0o700)).expect("a mode can be set");
        user
    }

    /// Their home directory.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Where their `ssh` is.
    pub fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    /// Their private key.
    pub fn key(&self) -> PathBuf {
        self.home().join(".ssh/id_ed25519")
    }

    fn config(&self) -> PathBuf {
        self.home().join(".ssh/config")
    }

    /// Their `known_hosts`.
    pub fn known_hosts(&self) -> PathBuf {
        self.home().join(".ssh/known_hosts")
    }

    /// Writes their `~/.ssh/config`: `hosts` (`Host alias …`), then what holds for all.
    pub fn configure(&self, hosts: &str) {
        let config = format!(
            "{hosts}
Host *
  IdentityFile {}
  IdentitiesOnly yes
  UserKnownHostsFile {}
  GlobalKnownHostsFile none
",
            self.key().display(),
            self.known_hosts().display()
        );
        fs::write(self.config(), config).expect("a configuration can be written");
    }

    /// Makes a host known to them.
    pub fn trust(&self, sshd: &Sshd) {
        let mut known = fs::read_to_string(self.known_hosts()).unwrap_or_default();
        known += &format!("{}\n", sshd.known_host());
        fs::write(self.known_hosts(), known).expect("a host can be added");
    }

    /// The environment in which they run programs.
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        let mut path = self.dir.path().join("bin").into_os_string();
        path.push(":/usr/bin:/bin");
        vec![
            ("PATH".into(), path),
            ("HOME".into(), self.home().into()),
            ("SHELL".into(), "/bin/sh".into()),
        ]
    }

    /// The environment of a program that answers each question of `ssh` with this.
    pub fn askpass(&self, answer: &str) -> Vec<(OsString, OsString)> {
        let program = self.dir.path().join("bin/askpass");
        let asked = self.dir.path().join("asked");
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$1\" >>'{}'\nprintf '%s\\n' '{answer}'\n",
            asked.display()
        );
        fs::write(&program, script).expect("a script can be written");
        fs::set_permissions(&program, Permissions::from_mode(0o700)).expect("a mode can be set");
        vec![
            ("SSH_ASKPASS".into(), program.into()),
            ("SSH_ASKPASS_REQUIRE".into(), "force".into()),
        ]
    }

    /// What was asked through [`SshUser::askpass`].
    pub fn asked(&self) -> String {
        fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default()
    }
}

impl Default for SshUser {
    fn default() -> Self {
        Self::new()
    }
}

/// A port of the loopback where nobody listens. Not one of those that the system gives to whoever
/// asks for any (on Linux from 32768 on): another test would get it before this one uses it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    // Two runs of the tests at once begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("it is below COUNT");
    (0..COUNT)
        .map(|_| FIRST + (begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))) % COUNT)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("there are free ports")
}

fn keygen(path: &Path, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", passphrase, "-f"])
        .arg(path)
        .status()
        .expect("openssh-client is there");
    assert!(made.success(), "ssh-keygen: {made}");
}

/// The name of a process; `None` when it is gone, or only its status is left.
fn name_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once(" (")?.1.rsplit_once(") ")?;
    (!rest.starts_with(['Z', 'X'])).then(|| name.to_owned())
}

fn children_of(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("tests run where /proc is");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            fields.split(' ').nth(1).and_then(|it| it.parse().ok()) == Some(parent)
        })
        .collect()
}
