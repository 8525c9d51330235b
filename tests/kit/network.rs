//! A network of two computers with a cable between them, which a test can cut: two network
//! namespaces. Only root may make them; they vanish with the test, however it ends.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read as _,
    net::Ipv4Addr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::sched::{CloneFlags, setns};
use tokio::{net::TcpListener, time::Instant};

/// Where Iris is.
const NEAR: &str = "10.77.0.2";
/// Where Iris is after [`Network::move_near`].
const MOVED: &str = "10.77.0.3";
/// Where the other host is.
pub const FAR: &str = "10.77.0.1";
/// The name of both ends of the cable.
const CABLE: &str = "cable";
/// The hardware address of nobody: what is sent there is lost without a word.
const NOBODY: &str = "02:00:00:00:00:99";

/// Two computers with a cable between them.
#[derive(Debug)]
pub struct Network {
    near: Computer,
    far: Computer,
}

/// A network namespace. A program that reads from this test keeps it.
#[derive(Debug)]
struct Computer(Child);

/// On which computer a program runs; by default on that of the test.
#[derive(Debug, Clone, Default)]
pub struct Inside(Option<PathBuf>);

impl Network {
    /// A working one; `None`, said aloud, where this user may not make one. That is never a failure:
    /// nobody can be asked to run tests as root.
    pub fn new() -> Option<Self> {
        let (Some(near), Some(far)) = (Computer::new(), Computer::new()) else {
            let thread = std::thread::current();
            eprintln!(
                "SKIPPED {}: only root may make network namespaces",
                thread.name().unwrap_or("a test")
            );
            return None;
        };
        let peer = far.0.id().to_string();
        near.ip(&format!(
            "link add {CABLE} type veth peer name {CABLE} netns {peer}"
        ));
        for (computer, address) in [(&near, NEAR), (&far, FAR)] {
            computer.ip("link set lo up");
            // Without the changes that the search for an IPv6 address would bring.
            computer.ip(&format!("link set {CABLE} addrgenmode none"));
            computer.ip(&format!("addr add {address}/24 dev {CABLE}"));
            computer.ip(&format!("link set {CABLE} up"));
        }
        Some(Self { near, far })
    }

    /// The computer of Iris.
    pub fn near(&self) -> Inside {
        self.near.inside()
    }

    /// The other host.
    pub fn far(&self) -> Inside {
        self.far.inside()
    }

    /// Takes the near end of the cable out: the system there sees it, and has no way any more.
    pub fn unplug(&self) -> Instant {
        self.near.ip(&format!("link set {CABLE} down"));
        Instant::now()
    }

    /// Puts it back in.
    pub fn plug(&self) -> Instant {
        self.near.ip(&format!("link set {CABLE} up"));
        Instant::now()
    }

    /// From now on nothing arrives, in either direction, and neither system sees why.
    pub fn silence(&self) -> Instant {
        for (computer, other) in self.ways() {
            computer.ip(&format!(
                "neigh replace {other} lladdr {NOBODY} nud permanent dev {CABLE}"
            ));
        }
        Instant::now()
    }

    /// Ends the silence, and neither system sees that.
    pub fn end_silence(&self) -> Instant {
        for (computer, other) in self.ways() {
            computer.ip(&format!("neigh del {other} dev {CABLE}"));
        }
        Instant::now()
    }

    /// The near computer gets another address: its connections are dead for good.
    pub fn move_near(&self) -> Instant {
        self.near.ip(&format!("addr del {NEAR}/24 dev {CABLE}"));
        self.near.ip(&format!("addr add {MOVED}/24 dev {CABLE}"));
        Instant::now()
    }

    fn ways(&self) -> [(&Computer, &str); 2] {
        [(&self.near, FAR), (&self.far, NEAR)]
    }
}

/// Lets a cut that began then last so long: the one thing for which a test lets time pass.
pub async fn lasts(since: Instant, long: Duration) {
    tokio::time::sleep_until(since + long).await;
}

impl Computer {
    fn new() -> Option<Self> {
        let mut keeper = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut said = [0];
        let made = keeper.stdout.as_mut()?.read_exact(&mut said).is_ok();
        // Of one that may not be made, the keeper has ended.
        let computer = Self(keeper);
        made.then_some(computer)
    }

    fn inside(&self) -> Inside {
        Inside(Some(PathBuf::from(format!("/proc/{}/ns/net", self.0.id()))))
    }

    fn ip(&self, words: &str) {
        let output = self
            .inside()
            .command("ip")
            .args(words.split(' '))
            .output()
            .expect("iproute2 and util-linux are there");
        assert!(
            output.status.success(),
            "ip {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        // At the end of what it reads it ends.
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            eprintln!("a network namespace may be left: {error}");
        }
    }
}

impl Inside {
    /// The program, to be started there. It replaces what leads there: its id is the child's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match &self.0 {
            None => Command::new(program),
            Some(namespace) => {
                let mut net = std::ffi::OsString::from("--net=");
                net.push(namespace);
                let mut command = Command::new("nsenter");
                command.arg(net).arg("--").arg(program);
                command
            }
        }
    }

    /// A socket that listens there, on a free port of the loopback.
    pub async fn listen(&self) -> TcpListener {
        const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
        let Some(namespace) = self.0.clone() else {
            return TcpListener::bind(ANY).await.expect("a free port");
        };
        // A socket stays where it was made; the thread that went there ends.
        let bound = std::thread::spawn(move || {
            let namespace = File::open(namespace).expect("the namespace is there");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may go there");
            std::net::TcpListener::bind(ANY).expect("a free port")
        });
        let listener = bound.join().expect("it says what went wrong");
        listener.set_nonblocking(true).expect("a socket can be set");
        TcpListener::from_std(listener).expect("a socket can be awaited")
    }
}
