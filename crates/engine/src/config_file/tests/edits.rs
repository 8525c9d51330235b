use iris_domain::config::{GrantPermission, StrictHostKeyChecking};
use serde_json::json;

use super::{super::disk::SaveError, *};

const FILE: &str = r##"{
  // mine
  "teams": {
    "one": { "path": "~/project", "description": "first", "env": { "T": "${SECRET}" } }
  }
}
"##;

#[tokio::test]
async fn a_team_is_added_changed_renamed_and_removed() {
    let bench = Bench::with(FILE).await;
    let edit = TeamEdit {
        color: Some("#112233".into()),
        description: Some(String::new()),
        ..at("~/other")
    };
    bench.file.add_team(team("two"), edit).await.expect("added");
    assert_eq!(
        bench.teams(),
        ["one", "two"],
        "it holds when the call returns"
    );
    assert_eq!(
        bench.text(),
        FILE.replace(
            " } }\n  }",
            " } },\n    \"two\": {\n      \"path\": \"~/other\",\n      \"color\": \"#112233\"\n    }\n  }"
        )
    );
    let backup = bench.home.root().join("config.json.bak");
    assert_eq!(fs::read_to_string(&backup).expect("a backup"), FILE);

    let before = bench.text();
    let edit = TeamEdit {
        name: Some(team("uno")),
        description: Some(String::new()),
        grant_permission: Some(GrantPermission::No),
        ..TeamEdit::default()
    };
    bench
        .file
        .edit_team(team("one"), edit)
        .await
        .expect("changed");
    let config = bench.file.watch().borrow().clone();
    assert_eq!(names(&config), ["two", "uno"]);
    let uno = &config.teams[&team("uno")];
    assert_eq!(
        (uno.description.as_deref(), uno.grant_permission),
        (None, GrantPermission::No)
    );
    assert_eq!(uno.env["T"], "hunter2");
    assert!(
        bench.text().contains("\"${SECRET}\""),
        "the placeholder stays: {}",
        bench.text()
    );
    assert_eq!(
        fs::read_to_string(&backup).expect("a backup"),
        before,
        "of the last save"
    );

    bench.file.remove_team(team("two")).await.expect("removed");
    assert_eq!(bench.teams(), ["uno"]);
    assert!(bench.text().contains("// mine"), "{}", bench.text());

    assert_eq!(
        bench.rows(),
        [
            ("config.changed".into(), json!({ "added": ["two"] })),
            (
                "config.changed".into(),
                json!({ "added": ["uno"], "removed": ["one"] })
            ),
            ("config.changed".into(), json!({ "removed": ["two"] })),
        ]
    );
    let rows = bench.rows.lock().expect("rows");
    assert_eq!(
        (rows[0].team.as_str(), rows[0].caller.as_str()),
        ("two", "console")
    );
    assert!(!format!("{rows:?}").contains("hunter2"));
}

/// A team on another host: its folder is not looked for here.
fn remote_edit() -> TeamEdit {
    TeamEdit {
        remote: Some("me@box".into()),
        remote_options: Some(RemoteOptionsEdit {
            port: Some(2222),
            connect_timeout: Some(0),
            strict_host_key_checking: Some(StrictHostKeyChecking::Yes),
            extra_ssh_args: Some(vec!["-J".into(), "gate".into()]),
            ..RemoteOptionsEdit::default()
        }),
        enable_reverse_mcp: Some(true),
        allow_http: Some(false),
        reverse_mcp_permissions: Some(PermissionsEdit {
            allowed_tools: Some(Vec::new()),
            denied_targets: Some(vec!["web".into()]),
            ..PermissionsEdit::default()
        }),
        ..at("~/on the box")
    }
}

#[tokio::test]
async fn a_remote_team_is_added_changed_and_brought_home() {
    let bench = Bench::with(FILE).await;
    let (file, two) = (&bench.file, || team("two"));
    file.add_team(two(), remote_edit()).await.expect("added");
    let text = bench.text();
    let written: Value = serde_json::from_str(&text.replace("// mine", "")).expect("JSON");
    assert_eq!(
        written["teams"]["two"],
        json!({
            "path": "~/on the box",
            "remote": "me@box",
            "remoteOptions": {
                "port": 2222,
                "strictHostKeyChecking": "yes",
                "extraSshArgs": ["-J", "gate"],
            },
            "enableReverseMcp": true,
            "allowHttp": false,
            "reverseMcpPermissions": { "deniedTargets": ["web"] },
        })
    );

    let settings = file.settings_of(&two()).expect("it is there");
    assert_eq!(
        settings.remote_options.as_ref().and_then(|o| o.port),
        Some(2222)
    );
    file.edit_team(two(), settings).await.expect("no change");
    assert_eq!(bench.text(), text, "what a team is set to changes nothing");

    let edit = TeamEdit {
        remote_options: Some(RemoteOptionsEdit {
            port: Some(0),
            identity: Some("~/.ssh/box".into()),
            ..RemoteOptionsEdit::default()
        }),
        ..TeamEdit::default()
    };
    file.edit_team(two(), edit).await.expect("changed");
    let config = file.watch().borrow().clone();
    let options = config.teams[&two()].remote_options.clone().expect("some");
    assert_eq!(
        (options.port, options.identity.as_deref()),
        (None, Some("~/.ssh/box"))
    );
    assert_eq!(options.extra_ssh_args, ["-J", "gate"], "left as it was");

    let local = |path: Option<&str>| TeamEdit {
        remote: Some(String::new()),
        enable_reverse_mcp: Some(false),
        path: path.map(String::from),
        ..TeamEdit::default()
    };
    let refused = file.edit_team(two(), local(None)).await.expect_err("gone");
    assert!(
        refused.message.contains("there is no folder"),
        "a folder of the host is looked for here: {refused:?}"
    );
    file.edit_team(two(), local(Some("~/other")))
        .await
        .expect("home");
    assert_eq!(file.watch().borrow().teams[&two()].remote, None);
    let unknown = file.settings_of(&team("three")).expect_err("there is none");
    assert_eq!(unknown.code, Code::NotFound);
}

#[tokio::test]
async fn the_first_team_makes_the_file() {
    let bench = Bench::prepared(|_| ()).await;
    bench
        .file
        .add_team(team("one"), at(bench.project()))
        .await
        .expect("added");
    assert_eq!(
        bench.text(),
        format!(
            "{{\n  \"teams\": {{\n    \"one\": {{\n      \"path\": \"{}\"\n    }}\n  }}\n}}\n",
            bench.project()
        )
    );
    assert!(
        !bench.home.root().join("config.json.bak").exists(),
        "there was nothing to keep"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_mode_of_the_file_stays() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::prepared(|_| ()).await;
    let mode = |bench: &Bench| {
        fs::metadata(bench.path())
            .expect("there")
            .permissions()
            .mode()
            & 0o777
    };
    bench
        .file
        .add_team(team("one"), at(bench.project()))
        .await
        .expect("added");
    assert_eq!(mode(&bench), 0o600, "a new file is for its user alone");
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o640)).expect("chmod");
    bench
        .file
        .add_team(team("two"), at(bench.project()))
        .await
        .expect("added");
    assert_eq!(mode(&bench), 0o640);
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o440)).expect("chmod");
    let refused = bench
        .file
        .remove_team(team("two"))
        .await
        .expect_err("write-protected");
    assert_eq!(refused.code, Code::Storage, "{refused:?}");
    assert!(refused.hint.contains("chmod u+w"), "{refused:?}");
    let left: Vec<_> = fs::read_dir(bench.home.root())
        .expect("read")
        .flatten()
        .collect();
    assert_eq!(
        left.len(),
        2,
        "config and backup, no temporary files: {left:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_the_file_stays_as_it_is() {
    let bench = Bench::with(FILE).await;
    fs::write(bench.dir.path().join("a-file"), "").expect("write");
    let color = |color: &str| TeamEdit {
        color: Some(color.into()),
        ..TeamEdit::default()
    };
    let named = |name: &str| TeamEdit {
        name: Some(team(name)),
        ..TeamEdit::default()
    };
    let file = &bench.file;
    let two = || team("two");
    let one = || team("one");
    let table = [
        (
            file.add_team(two(), TeamEdit::default()).await,
            Code::InvalidInput,
            "needs a project folder",
        ),
        (
            file.add_team(two(), at("")).await,
            Code::InvalidInput,
            "teams.two.path: this is empty",
        ),
        (
            file.add_team(two(), at("/no/such/folder")).await,
            Code::InvalidInput,
            "there is no folder /no/such",
        ),
        (
            file.add_team(two(), at("relative")).await,
            Code::InvalidInput,
            "home/relative",
        ),
        (
            file.add_team(two(), at("~/a-file")).await,
            Code::InvalidInput,
            "a-file is not a folder",
        ),
        (
            file.add_team(two(), at("${UNSET}")).await,
            Code::InvalidInput,
            "`UNSET` is not set",
        ),
        (
            file.add_team(one(), at("~/project")).await,
            Code::Conflict,
            "`one` already",
        ),
        (
            file.add_team(
                two(),
                TeamEdit {
                    enable_reverse_mcp: Some(true),
                    ..at("~/project")
                },
            )
            .await,
            Code::InvalidInput,
            "this team has no `remote`",
        ),
        (
            file.add_team(
                two(),
                TeamEdit {
                    name: Some(team("x")),
                    ..at("~/project")
                },
            )
            .await,
            Code::InvalidInput,
            "both `two`",
        ),
        (
            file.edit_team(two(), color("#000000")).await,
            Code::NotFound,
            "no team `two`",
        ),
        (
            file.edit_team(one(), color("red")).await,
            Code::InvalidInput,
            "`red` is not a colour",
        ),
        (
            file.edit_team(one(), at("")).await,
            Code::InvalidInput,
            "teams.one.path: this is empty",
        ),
        (
            file.edit_team(one(), at("~/nowhere")).await,
            Code::InvalidInput,
            "there is no folder",
        ),
        (
            file.remove_team(two()).await,
            Code::NotFound,
            "no team `two`",
        ),
    ];
    for (result, code, says) in table {
        let problem = result.expect_err(says);
        assert_eq!(problem.code, code, "{problem:?}");
        assert!(problem.message.contains(says), "{says:?} in {problem:?}");
        assert!(!problem.hint.is_empty(), "{problem:?}");
    }
    file.edit_team(one(), named("one"))
        .await
        .expect("its own name is no conflict");
    assert_eq!(bench.text(), FILE, "nothing was written");
    assert_eq!(bench.rows(), []);
    assert!(!bench.home.root().join("config.json.bak").exists());
}

#[tokio::test]
async fn an_edit_of_the_user_a_moment_before_is_kept() {
    let bench = Bench::with(FILE).await;
    // No time for the watch to notice: the edit itself must look.
    bench.write(
        &FILE
            .replace("// mine", "// mine, just now")
            .replace("first", "1st"),
    );
    bench
        .file
        .add_team(team("two"), at("~/other"))
        .await
        .expect("added");
    let text = bench.text();
    assert!(
        text.contains("// mine, just now") && text.contains("1st") && text.contains("two"),
        "{text}"
    );
    let rows: Vec<Value> = bench
        .rows()
        .into_iter()
        .map(|(_, details)| details)
        .collect();
    assert_eq!(
        rows,
        [
            json!({ "changed": { "one": ["description"] } }),
            json!({ "added": ["two"] })
        ]
    );

    bench.write("{");
    let refused = bench
        .file
        .remove_team(team("one"))
        .await
        .expect_err("the file is broken");
    assert!(
        refused.message.contains("cannot be changed now"),
        "{refused:?}"
    );
    assert_eq!(bench.text(), "{", "a broken file is the user's to mend");
}

#[test]
fn a_file_that_changed_meanwhile_is_not_replaced() {
    let dir = TempDir::new().expect("a temporary directory");
    let (path, backup) = (
        dir.path().join("config.json"),
        dir.path().join("config.json.bak"),
    );
    fs::write(&path, "now").expect("write");
    for before in [Some("then"), None] {
        let saved = disk::save(&path, &backup, before, "new");
        assert!(
            matches!(saved, Err(SaveError::ChangedMeanwhile)),
            "{before:?}: {saved:?}"
        );
    }
    assert_eq!(fs::read_to_string(&path).expect("read"), "now");
    disk::save(&path, &backup, Some("now"), "new").expect("saved");
    assert_eq!(fs::read_to_string(&path).expect("read"), "new");
    assert_eq!(fs::read_to_string(&backup).expect("read"), "now");
}

#[tokio::test]
async fn edits_at_the_same_time_are_all_kept() {
    let bench = Bench::with(FILE).await;
    let adds = (0..12).map(|i| {
        let (file, project) = (bench.file.clone(), bench.project());
        async move { file.add_team(team(&format!("t{i}")), at(project)).await }
    });
    for result in futures::future::join_all(adds).await {
        result.expect("added");
    }
    assert_eq!(bench.teams().len(), 13);
    assert_eq!(bench.rows().len(), 12, "one row each");
}

#[test]
fn local_paths() {
    let home = Some(Path::new("/home/me"));
    let base = Path::new("/home/me/.iris");
    for (path, expected) in [
        ("~", "/home/me"),
        ("~/", "/home/me"),
        ("~/a b/é", "/home/me/a b/é"),
        ("~//a", "/home/me/a"),
        ("/abs", "/abs"),
        ("rel/x", "/home/me/.iris/rel/x"),
        ("../x", "/home/me/.iris/../x"),
        ("./~/x", "/home/me/.iris/./~/x"),
    ] {
        assert_eq!(
            expand(path, home, base).unwrap(),
            Path::new(expected),
            "{path}"
        );
    }
    assert!(
        expand("~root/x", home, base).is_err(),
        "not ours to look up"
    );
    assert!(expand("~/x", None, base).is_err(), "there is no home");
}

#[tokio::test]
async fn an_edit_that_could_not_be_read_again_is_not_saved() {
    let bench = Bench::with(FILE).await;
    let edit = TeamEdit {
        description: Some("x".repeat(4 * 1024 * 1024)),
        ..at("~/other")
    };
    let refused = bench.file.add_team(team("two"), edit).await;
    let problem = refused.expect_err("too large");
    assert_eq!(problem.code, Code::InvalidInput, "{}", problem.hint);
    assert_eq!(bench.text(), FILE, "nothing was changed");
}
