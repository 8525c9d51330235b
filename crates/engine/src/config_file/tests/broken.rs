//! What lies in the way at start.

use super::*;

#[tokio::test]
async fn a_file_with_errors_at_start_allows_nothing() {
    let bench =
        Bench::with("{ \"teams\": { \"one\": { \"path\": \"x\", \"mode\": \"yes\" } } }").await;
    assert_eq!(**bench.file.watch().borrow(), Config::default());
    let problem = bench.problem().expect("a problem");
    assert!(
        problem
            .message
            .contains("line 1, column 36: teams.one.mode"),
        "{problem:?}"
    );
    assert!(problem.hint.contains("there are no teams"), "{problem:?}");
    assert_eq!(bench.rows()[0].0, "config.broken");

    let refused = bench
        .file
        .add_team(team("two"), at(bench.project()))
        .await
        .expect_err("refused");
    assert_eq!(
        refused.code,
        Code::Config,
        "a file with errors is not edited: {refused:?}"
    );

    bench.write("{ \"teams\": { \"one\": { \"path\": \"x\" } } }");
    bench.until_teams(&["one"]).await;
    bench.until_problem(None).await;
}

#[tokio::test]
async fn what_is_not_a_config_file_is_said() {
    let bench =
        Bench::prepared(|home| fs::create_dir(home.join("config.json")).expect("mkdir")).await;
    let problem = bench.problem().expect("a problem");
    assert!(problem.message.contains("is not a file"), "{problem:?}");

    let bench = Bench::prepared(|home| {
        fs::write(home.join("config.json"), b"{\n\"\xff\": 1}").expect("write");
    })
    .await;
    let problem = bench.problem().expect("a problem");
    assert!(
        problem.message.contains("not UTF-8 text: line 2"),
        "{problem:?}"
    );

    let bench = Bench::prepared(|home| {
        fs::write(home.join("config.json"), vec![b' '; 5 << 20]).expect("write");
    })
    .await;
    let problem = bench.problem().expect("a problem");
    assert!(problem.message.contains("larger than 4 MiB"), "{problem:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_its_place_does_not_hang() {
    let open = Bench::prepared(|home| {
        nix::unistd::mkfifo(&home.join("config.json"), nix::sys::stat::Mode::S_IRWXU)
            .expect("mkfifo");
    });
    let bench = tokio::time::timeout(DEADLINE, open)
        .await
        .expect("it opens");
    assert!(
        bench
            .problem()
            .expect("a problem")
            .message
            .contains("is not a file")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_may_not_be_read_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let closed = fs::Permissions::from_mode(0o000);
    let bench = Bench::prepared(|home| {
        fs::write(home.join("config.json"), "{}").expect("write");
        fs::set_permissions(home.join("config.json"), closed).expect("chmod");
    })
    .await;
    if nix::unistd::geteuid().is_root() {
        // Root may read everything.
        assert_eq!(bench.problem(), None);
        return;
    }
    let problem = bench.problem().expect("a problem");
    assert!(problem.message.contains("you may not read"), "{problem:?}");
    assert!(problem.hint.contains("chmod u+rw"), "{problem:?}");
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o600)).expect("chmod");
    bench.until_problem(None).await;
}

#[tokio::test]
async fn a_home_that_cannot_be_made_is_said() {
    let dir = TempDir::new().expect("a temporary directory");
    fs::write(dir.path().join("file"), "").expect("write");
    let home = Home::at(dir.path().join("file/home"));
    let bench = Bench::opened(dir, home, true).await;
    let problem = bench.problem().expect("a problem");
    assert_eq!(problem.code, Code::Storage, "{problem:?}");
    assert!(
        problem.message.contains("cannot make the folder"),
        "{problem:?}"
    );
}

#[tokio::test]
async fn a_config_holds_even_when_it_cannot_be_recorded() {
    let dir = TempDir::new().expect("a temporary directory");
    fs::write(dir.path().join("config.json"), "{").expect("write");
    let home = Home::at(dir.path());
    let bench = Bench::opened(dir, home, false).await;
    assert!(bench.problem().is_some());
    bench.write("{ \"teams\": { \"one\": { \"path\": \"x\" } } }");
    bench.until_teams(&["one"]).await;
}
