//! `$IRIS_HOME` and what can be wrong with it.

use std::{fs, net::TcpListener, process::Command};

use iris_tests::{Iris, require};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_iris_on_the_same_home_is_refused() {
    let setup = Iris::prepare().await;
    let other = Iris::prepare().await.env("IRIS_HOME", setup.home());
    let mut iris = setup.serve().await;
    let (status, said) = other.refused(&["--port", "0"]).await;
    assert!(!status.success());
    assert!(
        said.contains("running"),
        "it says that one runs already: {said}"
    );
    assert!(
        said.contains(&iris.pid().to_string()),
        "it says which: {said}"
    );
    iris.cli(&["status"]).await.ok();
    iris.stop();
    let left = fs::read_dir(iris.home().join("run")).unwrap();
    let sockets = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|extension| extension == "sock")
    });
    assert_eq!(sockets.count(), 0, "an orderly end leaves no socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_iris_does_not_lock_its_home() {
    let mut iris = Iris::start().await;
    iris.kill9();
    iris.restart().await;
    iris.cli(&["status"]).await.ok();
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let setup = Iris::prepare().await;
    let (status, said) = setup.refused(&["--port", &port]).await;
    assert!(!status.success());
    assert!(said.contains(&port) && said.contains("hint:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_database_is_kept_aside_and_said() {
    let setup = Iris::prepare()
        .await
        .file("iris.db", "this is no database".repeat(1000));
    let mut iris = setup.serve().await;
    iris.problem("storage").await;
    iris.verify_audit().await;
    let kept = fs::read_dir(iris.home()).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        path.to_string_lossy().contains("corrupt")
            && fs::read(&path).is_ok_and(|content| content.starts_with(b"this is no database"))
    });
    assert!(kept, "nothing of the user's is deleted");
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_place_of_the_home_is_refused() {
    let setup = Iris::prepare().await;
    fs::write(setup.home(), "a file").unwrap();
    let (status, said) = setup.refused(&["--port", "0"]).await;
    assert!(!status.success());
    assert!(said.contains("error:") && said.contains("hint:"), "{said}");
    assert_eq!(
        fs::read_to_string(setup.home()).unwrap(),
        "a file",
        "it is left as it is"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_user_can_enter_the_home() {
    use std::os::unix::fs::PermissionsExt;
    let mut iris = Iris::start().await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&iris.home()), 0o700);
    assert_eq!(mode(&iris.home().join("run")), 0o700);
    assert_eq!(mode(&iris.home().join("iris.db")), 0o600);
    iris.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_home_works() {
    let setup = Iris::prepare().await;
    // Longer than the address of a Unix socket may be.
    let long = setup.dir().join("a long name ünd so weiter/".repeat(6));
    let mut iris = setup.env("IRIS_HOME", long).serve().await;
    iris.cli(&["status"]).await.ok();
    iris.stop();
}

/// A disk on which nothing can be written any more, as far as Iris sees it: each write fails
/// where the file would grow.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_allowed_and_iris_lives_on() {
    require!("claude", "prlimit");
    let mut iris = Iris::start().await;
    let project = iris.add_team("alpha").await;
    let sending = iris.send_in_background("alpha", "FAKE:bash touch it.txt");
    let pending = iris.pending_one().await;

    limit_files(&iris, "1:");
    let said = iris.cli(&["approve", &pending.id]).await.refused();
    assert!(
        said.contains("hint:"),
        "the human is told that it did not work: {said}"
    );
    let answer = sending.response().await;
    assert!(
        answer.starts_with("done: ERROR"),
        "what cannot be recorded is denied: {answer}"
    );
    assert!(!project.join("it.txt").exists());
    iris.problem("storage").await;

    limit_files(&iris, "unlimited:");
    let sending = iris.send_in_background("alpha", "FAKE:bash touch later.txt");
    let pending = iris.pending_one().await;
    iris.approve(&pending).await;
    assert!(
        sending.response().await.starts_with("done: OK"),
        "it recovers with the disk"
    );
    iris.verify_audit().await;
    iris.stop();
}

fn limit_files(iris: &Iris, limit: &str) {
    let status = Command::new("prlimit")
        .args([
            "--pid",
            &iris.pid().to_string(),
            &format!("--fsize={limit}"),
        ])
        .status()
        .unwrap();
    assert!(status.success(), "prlimit works on our own child: {status}");
}
