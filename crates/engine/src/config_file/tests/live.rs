use serde_json::json;

use super::*;

const ONE: &str = r#"{ "teams": { "one": { "path": "x" } } } // one"#;
const TWO: &str = r#"{ "teams": { "two": { "path": "x" } } }"#;

#[tokio::test]
async fn a_missing_file_is_an_empty_config() {
    let dir = TempDir::new().expect("a temporary directory");
    let home = Home::at(dir.path().join("not/yet"));
    let bench = Bench::opened(dir, home, true).await;
    assert_eq!(bench.teams(), [""; 0]);
    assert_eq!(
        bench.problem(),
        None,
        "that nothing is configured is no problem"
    );
    assert_eq!(bench.rows(), [], "nothing happened");
    bench.write(ONE);
    bench.until_teams(&["one"]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_home_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().expect("a temporary directory");
    let home = Home::at(dir.path().join("new"));
    let bench = Bench::opened(dir, home, true).await;
    let mode = fs::metadata(bench.home.root())
        .expect("made")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_change_holds_at_once_and_is_recorded_by_name() {
    let bench = Bench::with(ONE).await;
    assert_eq!(bench.teams(), ["one"], "read before `open` returns");
    bench.write(r#"{ "settings": { "httpPort": 99 }, "teams": { "one": { "path": "y", "env": { "T": "${SECRET}" } }, "two": { "path": "z" } } }"#);
    bench.until_teams(&["one", "two"]).await;
    let (event, details) = bench.rows().last().cloned().expect("a row");
    assert_eq!(event, "config.changed");
    assert_eq!(
        details,
        json!({ "settings": ["httpPort"], "added": ["two"], "changed": { "one": ["env", "path"] } })
    );
    let rows = bench.rows.lock().expect("rows");
    assert!(
        !format!("{rows:?}").contains("hunter2"),
        "no values in the audit log"
    );
    let row = rows.last().expect("a row");
    assert_eq!(
        (row.caller.as_str(), row.decided_by.as_str()),
        ("unknown", "file")
    );
}

#[tokio::test]
async fn every_way_of_saving_is_noticed() {
    let bench = Bench::with(ONE).await;
    // Another file renamed over it, as most editors do.
    let other = bench.home.root().join("config.json~");
    fs::write(&other, TWO).expect("write");
    fs::rename(&other, bench.path()).expect("rename");
    bench.until_teams(&["two"]).await;
    // Written in place.
    bench.write(ONE);
    bench.until_teams(&["one"]).await;
    // Moved aside, then written anew.
    fs::rename(bench.path(), &other).expect("rename");
    bench.write(TWO);
    bench.until_teams(&["two"]).await;
    bench.until_problem(None).await;
    // Through the file that a later save replaces.
    bench.write(ONE);
    bench.until_teams(&["one"]).await;
}

#[tokio::test]
async fn only_what_the_config_means_is_a_change() {
    let bench = Bench::with(ONE).await;
    bench.write(ONE);
    bench.write(&format!("// a comment\n{ONE}"));
    fs::write(bench.home.root().join("iris.db"), "not the config").expect("write");
    bench.write(TWO);
    bench.until_teams(&["two"]).await;
    assert_eq!(
        bench.rows(),
        [(
            "config.changed".into(),
            json!({ "added": ["two"], "removed": ["one"] })
        )],
        "the same text and a comment are no changes"
    );
}

#[tokio::test]
async fn a_broken_edit_keeps_the_last_good_config_until_it_is_mended() {
    let bench = Bench::with(ONE).await;
    bench.write(
        "{\n  \"teams\": {\n    \"one\": { \"path\": \"${SECRET}\", \"pth\": 1, \"x\": 2 }\n  }\n}",
    );
    let problem = bench
        .until_problem(Some("line 3"))
        .await
        .expect("a problem");
    assert_eq!(problem.code, Code::Config);
    assert!(
        problem
            .message
            .contains("column 35: teams.one.pth: unknown key"),
        "{problem:?}"
    );
    assert!(problem.message.contains("1 more"), "{problem:?}");
    assert!(problem.hint.contains("Did you mean `path`?"), "{problem:?}");
    assert!(
        problem.hint.contains("last good config holds"),
        "{problem:?}"
    );
    assert_eq!(bench.teams(), ["one"], "the last good config holds");

    bench.write(TWO);
    bench.until_teams(&["two"]).await;
    bench.until_problem(None).await;

    bench.write("{");
    bench.until_problem(Some("no `}`")).await;
    bench.write(TWO);
    bench.until_problem(None).await;
    let events: Vec<String> = bench.rows().into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, ["config.broken", "config.changed", "config.broken"]);
    assert!(
        !format!("{:?}", bench.rows()).contains("hunter2"),
        "no values in the audit log"
    );
}

#[tokio::test]
async fn a_file_that_vanishes_or_is_emptied_stops_no_team() {
    let bench = Bench::with(ONE).await;
    fs::remove_file(bench.path()).expect("remove");
    let problem = bench
        .until_problem(Some("is gone"))
        .await
        .expect("a problem");
    assert!(problem.hint.contains("config.json.bak"), "{problem:?}");
    assert_eq!(bench.teams(), ["one"]);
    let refused = bench.file.add_team(team("two"), at(bench.project())).await;
    assert_eq!(
        refused.map_err(|p| p.code),
        Err(Code::Config),
        "it would lose the team `one`"
    );
    bench.write("\n");
    bench.until_problem(Some("is empty")).await;
    assert_eq!(bench.teams(), ["one"]);
    bench.write("{}");
    bench.until_teams(&[]).await;
    bench.until_problem(None).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_where_it_leads() {
    let bench = Bench::prepared(|home| {
        let dotfiles = home.parent().expect("a parent").join("dotfiles");
        fs::create_dir(&dotfiles).expect("mkdir");
        fs::write(dotfiles.join("iris.json"), ONE).expect("write");
        std::os::unix::fs::symlink("../dotfiles/iris.json", home.join("config.json"))
            .expect("link");
    })
    .await;
    let target = bench.dir.path().join("dotfiles/iris.json");
    assert_eq!(bench.teams(), ["one"]);
    fs::write(&target, TWO).expect("write");
    bench.until_teams(&["two"]).await;

    bench
        .file
        .add_team(team("new"), at(bench.project()))
        .await
        .expect("added");
    assert!(
        fs::symlink_metadata(bench.path())
            .expect("there")
            .is_symlink(),
        "it stays a link"
    );
    assert!(
        fs::read_to_string(&target)
            .expect("read")
            .contains("\"new\""),
        "the target changed"
    );

    let elsewhere = bench.dir.path().join("elsewhere.json");
    fs::write(&elsewhere, ONE).expect("write");
    fs::remove_file(bench.path()).expect("unlink");
    std::os::unix::fs::symlink(&elsewhere, bench.path()).expect("link");
    bench.until_teams(&["one"]).await;
    fs::write(&elsewhere, TWO).expect("write");
    bench.until_teams(&["two"]).await;
}

#[tokio::test]
async fn the_task_ends_when_it_is_closed_and_when_nobody_is_left() {
    let bench = Bench::with(ONE).await;
    let second = bench.file.clone();
    bench.file.close().await;
    bench.tasks.close();
    tokio::time::timeout(DEADLINE, bench.tasks.wait())
        .await
        .expect("the task ends");
    assert_eq!(
        names(&second.watch().borrow()),
        ["one"],
        "the config stays readable"
    );
    let refused = second.remove_team(team("one")).await;
    assert_eq!(refused.map_err(|p| p.code), Err(Code::Unavailable));

    let Bench {
        tasks,
        file,
        dir: _dir,
        ..
    } = Bench::with(ONE).await;
    drop(file);
    tasks.close();
    tokio::time::timeout(DEADLINE, tasks.wait())
        .await
        .expect("the task ends");
}
