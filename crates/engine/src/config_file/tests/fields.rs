//! What a form sends of a team, as JSON, and what the file then says.

use iris_domain::config::RemoteOptions;
use serde_json::json;

use super::*;

const FILE: &str = r#"{
  "settings": { "defaults": { "env": { "CI": "1", "OLD": "0" } } },
  "teams": {
    "box": {
      "path": "~/train", "remote": "me@box",
      "remoteOptions": { "serverAliveInterval": 0, "compression": false },
      "reverseMcpRateLimit": { "points": 5 },
      "env": {
        "PLAIN": "${SECRET}", // from the shell
        "TOKEN": "keychain:box token",
        "OLD": "1"
      }
    }
  }
}
"#;

fn edit(edit: Value) -> TeamEdit {
    serde_json::from_value(edit).expect("an edit")
}

#[tokio::test]
async fn a_surface_hears_where_a_value_is_and_never_the_value() {
    let bench = Bench::with(FILE).await;
    let settings = bench.file.settings_of(&team("box")).expect("it is there");
    let told = serde_json::to_value(&settings).expect("JSON");
    assert_eq!(
        told["env"],
        json!({
            "OLD": { "from": "text", "value": null },
            "PLAIN": { "from": "text", "value": null },
            "TOKEN": { "from": "keychain", "name": "box token" },
        })
    );
    assert_eq!(told["remoteOptions"]["serverAliveInterval"], 0);
    assert_eq!(told["remoteOptions"]["compression"], false);
    assert_eq!(told["reverseMcpRateLimit"]["points"], 5);
    assert!(!told.to_string().contains("hunter2"), "{told}");
    let back = edit(told);
    assert_eq!(back, settings);
    let box_ = team("box");
    bench.file.edit_team(box_, back).await.expect("no change");
    assert_eq!(bench.text(), FILE, "what a team is set to changes nothing");
}

#[tokio::test]
async fn variables_are_set_moved_to_the_keychain_and_removed() {
    let bench = Bench::with(FILE).await;
    let change = edit(json!({ "env": {
        "OLD": { "from": "nowhere" },
        "PLAIN": { "from": "text" },
        "TOKEN": { "from": "text", "value": "tell-nobody" },
        "NEW": { "from": "keychain", "name": "shared" },
    }}));
    assert!(!format!("{change:?}").contains("tell-nobody"), "{change:?}");
    bench
        .file
        .edit_team(team("box"), change)
        .await
        .expect("changed");
    let text = bench.text();
    assert!(text.contains("\"${SECRET}\", // from the shell"), "{text}");
    let config = bench.file.watch().borrow().clone();
    let env = &config.teams[&team("box")].env;
    // CI and OLD are the template's.
    let env: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        env,
        [
            ("CI", "1"),
            ("NEW", "keychain:shared"),
            ("OLD", "0"),
            ("PLAIN", "hunter2"),
            ("TOKEN", "tell-nobody")
        ]
    );
    let rows = bench.rows();
    assert!(!format!("{rows:?}").contains("tell-nobody"), "{rows:?}");

    for name in ["", "A-B", "1A", "A.B"] {
        let bad = edit(json!({ "env": { name: { "from": "text", "value": "tell-nobody" } } }));
        let refused = bench.file.edit_team(team("box"), bad).await;
        let refused = refused.expect_err("no variable has such a name");
        assert_eq!(refused.code, Code::InvalidInput, "{name:?}");
        assert!(!refused.message.contains("tell-nobody"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_zero_that_means_something_is_not_a_removal() {
    let bench = Bench::with(FILE).await;
    let options = || {
        let config = bench.file.watch().borrow().clone();
        config.teams[&team("box")].remote_options.clone()
    };
    for (sent, want) in [
        (json!({}), (Some(0), None, Some(false), None)),
        (
            json!({ "serverAliveInterval": null, "serverAliveCountMax": 2, "forwardAgent": true }),
            (None, Some(2), Some(false), Some(true)),
        ),
        (
            json!({ "serverAliveInterval": 0, "serverAliveCountMax": 0, "compression": null }),
            (Some(0), None, None, Some(true)),
        ),
    ] {
        let before = options().unwrap_or_default();
        let change = edit(json!({ "remoteOptions": sent }));
        let onto = change.remote_options.clone().expect("options").onto(before);
        let done = bench.file.edit_team(team("box"), change).await;
        done.expect("changed");
        let is = options().unwrap_or_default();
        let got = (
            is.server_alive_interval,
            is.server_alive_count_max,
            is.compression,
            is.forward_agent,
        );
        assert_eq!(got, want, "{sent}");
        assert_eq!(onto, is, "what ssh is asked with is what will be written");
    }
    assert_eq!(
        edit(json!({ "remoteOptions": { "port": 0, "identity": "" } }))
            .remote_options
            .expect("options")
            .onto(RemoteOptions {
                port: Some(22),
                identity: Some("k".into()),
                ..RemoteOptions::default()
            }),
        RemoteOptions::default()
    );

    let limit = |sent: Value| edit(json!({ "reverseMcpRateLimit": sent }));
    let file = &bench.file;
    let set = limit(json!({ "points": 0, "duration": 10, "blockDuration": 0 }));
    file.edit_team(team("box"), set).await.expect("changed");
    let config = file.watch().borrow().clone();
    let is = config.teams[&team("box")].reverse_mcp_rate_limit;
    let is = is.expect("a limit");
    assert_eq!((is.points, is.duration, is.block_duration), (20, 10, 0));
    let gone = limit(json!({ "duration": 0, "blockDuration": null }));
    file.edit_team(team("box"), gone).await.expect("changed");
    assert!(!bench.text().contains("reverseMcpRateLimit"));
}
