//! A user's side and a host, and what tests do with them.

use std::{ffi::OsString, path::Path, time::Duration};

use iris_domain::target::Target;
use iris_engine::{
    process::Processes,
    ssh::{Connection, Failure, Resolved, Ssh},
};
use iris_tests::{SshUser, Sshd, eventually, processes};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    time::timeout,
};
use tokio_util::task::TaskTracker;

/// No test waits longer than this for anything.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Our side: the module under test, as this user would run it.
pub struct Side {
    pub user: SshUser,
    pub ssh: Ssh,
    pub processes: Processes,
    private: TempDir,
}

impl Side {
    pub fn new() -> Self {
        Self::of(SshUser::new())
    }

    pub fn of(user: SshUser) -> Self {
        let processes = Processes::new(&TaskTracker::new());
        let private = tempfile::tempdir().unwrap();
        let env = user.env().into_iter().collect();
        let ssh = Ssh::new(env, processes.clone(), private.path().to_owned());
        Self {
            user,
            ssh,
            processes,
            private,
        }
    }

    pub async fn connect(&self, remote: &str) -> Result<Connection, Failure> {
        self.connect_asked(remote, &[]).await
    }

    pub async fn connect_asked(
        &self,
        remote: &str,
        askpass: &[(OsString, OsString)],
    ) -> Result<Connection, Failure> {
        let target = Target::of(remote, None).unwrap();
        timeout(LIMIT, self.ssh.connect(&target, askpass))
            .await
            .unwrap()
    }

    pub async fn resolve(&self, remote: &str) -> Resolved {
        let target = Target::of(remote, None).unwrap();
        self.ssh.resolve(&target).await.unwrap()
    }

    /// No process and no file of a connection is there any more.
    pub async fn is_clean(&self) {
        eventually("no ssh is left", async || {
            processes::marked(self.user.home().parent().unwrap())
                .is_empty()
                .then_some(())
        })
        .await;
        let left: Vec<_> = std::fs::read_dir(self.private.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A host that lets a user in who knows it.
pub async fn host(lines: &[&str]) -> (Side, Sshd) {
    let side = Side::new();
    let sshd = Sshd::with(&side.user, lines).await;
    side.user.trust(&sshd);
    (side, sshd)
}

pub async fn connected(lines: &[&str]) -> (Side, Sshd, Connection) {
    let (side, sshd) = host(lines).await;
    let connection = side
        .connect(&sshd.remote())
        .await
        .unwrap_or_else(|failure| panic!("{failure:?}\n{}", sshd.log()));
    (side, sshd, connection)
}

/// Answers with what it hears; its port.
pub async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let echoing = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut read, mut write) = stream.split();
            if tokio::io::copy(&mut read, &mut write).await.is_err() {
                continue;
            }
        }
    };
    tokio::spawn(echoing);
    port
}

pub fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}

pub async fn says(socket: &Path, text: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    timeout(LIMIT, stream.read_to_string(&mut heard))
        .await
        .unwrap()
        .unwrap();
    heard
}

pub async fn closed(connection: &mut Connection) -> Failure {
    timeout(LIMIT, connection.closed()).await.unwrap()
}
