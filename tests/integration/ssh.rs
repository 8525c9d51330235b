//! The engine's `ssh` against a real `sshd`.

use std::time::Duration;

use iris_domain::target::Target;
use iris_engine::{
    process::Output,
    ssh::{Failure, Reason},
};
use iris_tests::{SshUser, Sshd, eventually, processes, require, sshd::free_port};
use nix::sys::signal::Signal;
use tokio::{net::TcpListener, time::timeout};

use side::{LIMIT, Side, closed, connected, echo, host, is_free, says};

mod side;

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_go_over_one_sign_in_and_nothing_is_left() {
    require!("sshd");
    let (side, sshd, connection) = connected(&[]).await;
    side.ssh.version().await.unwrap();
    let ran = connection
        .run("cat; echo oops >&2; exit 3", b"h\xc3\xa4llo", LIMIT)
        .await
        .unwrap();
    assert_eq!(ran.status, Some(3));
    assert_eq!(ran.stdout, "hällo\n");
    assert_eq!(ran.stderr, "oops");
    let ran = connection.run("exit 255", b"", LIMIT).await.unwrap();
    assert_eq!(ran.status, Some(255), "the command failed, not ssh");
    // It ends by writing when nobody reads any more.
    let endless = "while sleep 0.1; do echo on; done";
    let slow = connection.run(endless, b"", Duration::from_millis(300));
    assert_eq!(slow.await.unwrap_err().reason, Reason::TimedOut);
    assert_eq!(sshd.sign_ins(), 1, "{}", sshd.log());
    assert_eq!(sshd.children().len(), 1);

    timeout(LIMIT, connection.close()).await.unwrap();
    drop(connection);
    side.is_clean().await;
    eventually("the host has no connection", async || {
        sshd.children().is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_environment_goes_to_the_host() {
    require!("sshd");
    let (_side, _sshd, connection) = connected(&["AcceptEnv *"]).await;
    let ran = connection.run("env", b"", LIMIT).await.unwrap();
    for name in ["LC_ALL=", "IRIS_SSH=", "SSH_ASKPASS"] {
        assert!(!ran.stdout.contains(name), "{}", ran.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_ends() {
    require!("sshd");
    let (side, sshd, connection) = connected(&[]).await;
    drop(connection);
    side.is_clean().await;
    eventually("the host has no connection", async || {
        sshd.children().is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_go_to_the_program_that_is_given() {
    require!("sshd");
    let side = Side::of(SshUser::with_passphrase("open sesame"));
    let sshd = Sshd::start(&side.user).await;
    side.user.trust(&sshd);
    let askpass = side.user.askpass("open sesame");
    side.connect_asked(&sshd.remote(), &askpass).await.unwrap();
    assert!(
        side.user.asked().contains("passphrase"),
        "{}",
        side.user.asked()
    );

    let side = Side::new();
    let sshd = Sshd::start(&side.user).await;
    let askpass = side.user.askpass("yes");
    side.connect_asked(&sshd.remote(), &askpass).await.unwrap();
    let asked = side.user.asked();
    assert!(asked.contains("fingerprint is SHA256:"), "{asked}");
    assert!(side.user.known_hosts().exists(), "a confirmed key is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_by_its_kind() {
    require!("sshd");
    let (side, mut sshd) = host(&[]).await;
    let remote = sshd.remote();
    let failure = async |remote: &str| side.connect(remote).await.unwrap_err();

    let stranger = SshUser::new();
    let key = stranger.key();
    let other_key = format!("{remote} -o IdentityFile=none -i {}", key.display());
    let denied = failure(&format!(
        "{other_key} -F /dev/null -o UserKnownHostsFile={}",
        side.user.known_hosts().display()
    ))
    .await;
    assert_eq!(denied.reason, Reason::AuthFailed, "{denied:?}");
    assert!(denied.needs_human());

    let refused = failure(&format!("ssh me@127.0.0.1 -p {}", free_port())).await;
    assert_eq!(refused.reason, Reason::Refused, "{refused:?}");

    let unknown = failure("me@nowhere.invalid").await;
    assert_eq!(unknown.reason, Reason::UnknownHost, "{unknown:?}");

    let bad = failure(&format!("{remote} -o Nonsense=1")).await;
    assert_eq!(bad.reason, Reason::BadConfig, "{bad:?}");
    assert!(bad.detail.contains("onsense"), "{bad:?}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let late = failure(&format!("ssh me@127.0.0.1 -p {port} -o ConnectTimeout=1")).await;
    assert_eq!(late.reason, Reason::TimedOut, "{late:?}");

    sshd.new_host_key();
    sshd.restart().await;
    let changed = failure(&remote).await;
    assert_eq!(changed.reason, Reason::HostKeyChanged, "{changed:?}");
    assert!(changed.needs_human());

    std::fs::remove_file(side.user.known_hosts()).unwrap();
    let strict = failure(&format!("{remote} -o StrictHostKeyChecking=yes")).await;
    assert_eq!(strict.reason, Reason::HostKeyUnknown, "{strict:?}");
    side.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_nobody_waits_for_ends() {
    require!("sshd");
    let side = Side::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = format!(
        "ssh me@127.0.0.1 -p {}",
        silent.local_addr().unwrap().port()
    );
    let target = Target::of(&remote, None).unwrap();
    tokio::select! {
        _ = side.ssh.connect(&target, &[]) => panic!("nobody answered"),
        accepted = silent.accept() => drop(accepted.unwrap()),
    }
    side.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_own_configuration_cannot_bend_the_connection() {
    require!("sshd");
    let (side, sshd) = host(&[]).await;
    let taken = sshd.port();
    side.user.configure(&format!(
        "Host box\n HostName 127.0.0.1\n Port {taken}\n RemoteForward {taken} 127.0.0.1:9\n \
         RemoteCommand sleep 5\n RequestTTY force\n ControlMaster auto\n ControlPath /nowhere/%C\n \
         ControlPersist 60\n BatchMode yes\n LogLevel QUIET\n PermitLocalCommand yes\n LocalCommand false\n"
    ));
    let connection = side.connect("box").await.unwrap();
    let ran = connection.run("echo hi", b"", LIMIT).await.unwrap();
    assert_eq!(ran.stdout, "hi\n");
    connection.close().await;
    drop(connection);

    // Nor can it turn the checking of host keys off.
    std::fs::remove_file(side.user.known_hosts()).unwrap();
    side.user
        .configure("Host *\n StrictHostKeyChecking no\n NoHostAuthenticationForLocalhost yes\n");
    let failure = side.connect(&sshd.remote()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::HostKeyUnknown, "{failure:?}");
    side.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_leads_back_to_us_and_is_probed_the_whole_way() {
    require!("sshd");
    let (side, _sshd, connection) = connected(&[]).await;
    let ours = echo().await;
    let any = connection.forward(0, ours).await.unwrap();
    assert_eq!(connection.forward(0, ours).await, Ok(any), "one tunnel");
    let socket = connection.probe_socket(any).await.unwrap();
    assert_eq!(says(&socket, "ping").await, "ping");
    assert_eq!(
        connection.probe_socket(any).await.as_deref(),
        Ok(socket.as_path())
    );

    let given = free_port();
    assert_eq!(connection.forward(given, ours).await, Ok(given));
    let socket = connection.probe_socket(given).await.unwrap();
    assert_eq!(says(&socket, "pong").await, "pong");

    for port in [any, given] {
        assert!(!is_free(port));
        connection.cancel_forward(port, ours).await.unwrap();
        eventually("the port is free", async || is_free(port).then_some(())).await;
        connection.cancel_forward(port, ours).await.unwrap();
    }
    connection.close().await;
    drop(connection);
    side.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_told_from_a_forbidden_tunnel() {
    require!("sshd");
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port();
    let ours = echo().await;

    let (_side, _sshd, connection) = connected(&[]).await;
    let failure = connection.forward(taken, ours).await.unwrap_err();
    assert_eq!(failure.reason, Reason::PortTaken, "{failure:?}");
    let any = connection.forward(0, ours).await.unwrap();
    let failure = connection.forward(taken, ours).await.unwrap_err();
    assert_eq!(failure.reason, Reason::PortTaken, "{failure:?}");
    let socket = connection.probe_socket(any).await.unwrap();
    assert_eq!(
        says(&socket, "still").await,
        "still",
        "the other tunnel stays"
    );

    let (_side, _sshd, connection) = connected(&["AllowTcpForwarding no"]).await;
    for port in [0, taken, free_port()] {
        let failure = connection.forward(port, ours).await.unwrap_err();
        assert_eq!(
            failure.reason,
            Reason::ForwardingForbidden,
            "{port}: {failure:?}"
        );
        assert!(failure.needs_human());
    }
    assert_eq!(
        connection.run("echo up", b"", LIMIT).await.unwrap().stdout,
        "up\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_too_many_is_said_and_makes_no_connection() {
    require!("sshd");
    for most in [1, 2] {
        let (side, sshd, connection) = connected(&[&format!("MaxSessions {most}")]).await;
        let mut running = Vec::new();
        for _ in 0..most {
            let (process, mut output) = side
                .processes
                .start(connection.session("echo runs; cat"))
                .unwrap();
            let first = timeout(LIMIT, output.recv()).await.unwrap();
            assert!(matches!(first, Some(Output::Line(line)) if line == "runs"));
            running.push((process, output));
        }
        let failure = connection.run("echo hi", b"", LIMIT).await.unwrap_err();
        assert_eq!(failure.reason, Reason::TooManySessions, "{failure:?}");
        assert_eq!(sshd.sign_ins(), 1, "{}", sshd.log());
        // A tunnel is no session.
        connection.forward(0, 9).await.unwrap();

        running.pop();
        eventually("there is room again", async || {
            connection.run("true", b"", LIMIT).await.ok()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_master_nothing_connects_on_its_own() {
    require!("sshd");
    let (side, sshd) = host(&[]).await;
    let port = sshd.port();
    side.user
        .configure(&format!("Host box\n HostName 127.0.0.1\n Port {port}\n"));
    // The first kind could connect by its options alone, the others by the configuration.
    for remote in [sshd.remote(), "box".to_owned(), "ssh -J box box".to_owned()] {
        let mut connection = side.connect(&remote).await.unwrap();
        let before = sshd.sign_ins();
        processes::signal_pid(connection.pid(), Signal::SIGKILL);
        let failure = closed(&mut connection).await;
        assert_eq!(failure.reason, Reason::Lost, "{failure:?}");
        assert_eq!(closed(&mut connection).await, failure, "it is said again");

        let (_process, mut output) = side.processes.start(connection.session("echo hi")).unwrap();
        let Output::Ended(ended) = timeout(LIMIT, output.recv()).await.unwrap().unwrap() else {
            panic!("it ran");
        };
        assert_eq!(ended.status.unwrap().code(), Some(255));
        let read = Failure::of_session(&ended.stderr.join("\n"));
        assert_eq!(
            read.map(|it| it.reason),
            Some(Reason::Lost),
            "{:?}",
            ended.stderr
        );
        for result in [
            connection.run("echo hi", b"", LIMIT).await.map(drop),
            connection.forward(0, 9).await.map(drop),
            connection.cancel_forward(1, 9).await,
            connection.probe_socket(9).await.map(drop),
        ] {
            assert_eq!(result.unwrap_err().reason, Reason::Lost);
        }
        assert_eq!(sshd.sign_ins(), before, "{}", sshd.log());
        connection.close().await;
        drop(connection);
    }
    side.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_goes_away_is_noticed_and_found_again() {
    require!("sshd");
    let (side, mut sshd, mut connection) = connected(&[]).await;
    let (_process, mut output) = side
        .processes
        .start(connection.session("echo runs; cat"))
        .unwrap();
    let first = timeout(LIMIT, output.recv()).await.unwrap();
    assert!(matches!(first, Some(Output::Line(line)) if line == "runs"));

    sshd.kill();
    let failure = closed(&mut connection).await;
    assert_eq!(failure.reason, Reason::Lost, "{failure:?}");
    let ended = timeout(LIMIT, output.recv()).await.unwrap();
    assert!(matches!(ended, Some(Output::Ended(_))), "{ended:?}");
    let failure = side.connect(&sshd.remote()).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Refused, "{failure:?}");

    sshd.listen().await;
    let again = side.connect(&sshd.remote()).await.unwrap();
    assert_eq!(
        again.run("echo hi", b"", LIMIT).await.unwrap().stdout,
        "hi\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_of_the_configuration_is_used() {
    require!("sshd");
    let (side, bastion) = host(&[]).await;
    let inner = Sshd::start(&side.user).await;
    side.user.trust(&inner);
    side.user.configure(&format!(
        "Host bastion\n HostName 127.0.0.1\n Port {}\nHost inner\n HostName 127.0.0.1\n Port {}\n ProxyJump bastion\n",
        bastion.port(),
        inner.port()
    ));
    let connection = side.connect("inner").await.unwrap();
    assert_eq!((bastion.sign_ins(), inner.sign_ins()), (1, 1));
    let ours = echo().await;
    let port = connection.forward(0, ours).await.unwrap();
    let socket = connection.probe_socket(port).await.unwrap();
    assert_eq!(says(&socket, "far").await, "far");
    connection.close().await;
    drop(connection);
    side.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_one_destination_share_a_link() {
    require!("sshd");
    let (side, sshd) = host(&[]).await;
    let port = sshd.port();
    side.user.configure(&format!(
        "Host box crate\n HostName 127.0.0.1\n Port {port}\n"
    ));
    let plain = side.resolve(&sshd.remote()).await;
    assert_eq!((plain.host.as_str(), plain.port), ("127.0.0.1", port));
    for same in ["box", "ssh crate", "ssh -o ServerAliveInterval=5 box"] {
        assert_eq!(side.resolve(same).await, plain, "{same}");
    }
    for other in [
        "ssh -l somebody box",
        "ssh -J other box",
        "ssh -C box",
        "ssh -p 1 box",
    ] {
        assert_ne!(side.resolve(other).await.key, plain.key, "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_iris_left_is_ended() {
    require!("sshd");
    let (side, _sshd, mut connection) = connected(&[]).await;
    side.ssh.end_left_behind().await;
    assert_eq!(closed(&mut connection).await.reason, Reason::Lost);
    side.is_clean().await;
}
