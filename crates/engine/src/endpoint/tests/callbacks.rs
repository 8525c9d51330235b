//! What agents may call when they call Iris, over HTTP: rights, rates, and the end of patience.

use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{
    kit::soon,
    whole::{Iris, answer, bash, permission, rows},
};

fn said(answer: &Value) -> String {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_team_calls_what_it_may_and_no_more() {
    let iris = Iris::with(json!({
        "blue": {
            "path": "/tmp", "remote": "me@there",
            "reverseMcpPermissions": {
                "allowedTools": ["list_teams", "team_*"],
                "deniedTools": ["team_sleep"],
                "deniedTargets": ["prod*"],
            },
        },
        "production": { "path": "/tmp" },
    }))
    .await;
    let listed = answer(iris.by_agent("list_teams", json!({})).await).await;
    assert!(listed["result"]["isError"] != json!(true), "{listed}");
    let tool = said(&answer(iris.by_agent("get_date", json!({})).await).await);
    assert!(
        tool.contains("blue may not call get_date") && tool.contains("allowedTools"),
        "{tool}"
    );
    let denied = json!({ "team": "red" });
    let denied = said(&answer(iris.by_agent("team_sleep", denied).await).await);
    assert!(denied.contains("`team_sleep`"), "{denied}");
    for tool in ["team_wake", "team_status"] {
        let target = json!({ "team": "production" });
        let target = said(&answer(iris.by_agent(tool, target).await).await);
        assert!(
            target.contains("on production") && target.contains("`prod*`"),
            "{target}"
        );
    }
    let rows = rows(&iris.store, 4).await;
    let right = |row: &iris_domain::audit::Row| row.draft.decided_by == "callback:permissions";
    assert!(rows.iter().all(right), "each is written down: {rows:?}");

    let list = json!({ "tool_name": "mcp__iris__list_teams", "input": {}, "tool_use_id": "t1" });
    let asked = answer(iris.by_agent("permissions__approve", list).await).await;
    assert_eq!(permission(&asked)["behavior"], "allow", "it may always ask");
    assert!(iris.callbacks.cut_off().borrow().is_empty(), "four are few");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls_are_refused_but_permission_requests_are_not_counted() {
    let iris = Iris::with(json!({ "blue": {
        "path": "/tmp", "reverseMcpRateLimit": { "points": 3, "duration": 600, "blockDuration": 900 },
    } }))
    .await;
    let list = json!({ "tool_name": "mcp__iris__list_teams", "input": {}, "tool_use_id": "t1" });
    for _ in 0..3 {
        let asked = iris.by_agent("permissions__approve", list.clone()).await;
        assert_eq!(permission(&answer(asked).await)["behavior"], "allow");
        let date = answer(iris.by_agent("get_date", json!({})).await).await;
        assert!(date["result"]["isError"] != json!(true), "{date}");
    }
    for _ in 0..10 {
        let refused = said(&answer(iris.by_agent("get_date", json!({})).await).await);
        assert!(
            refused.contains("too many calls") && refused.contains("busy"),
            "{refused}"
        );
    }
    let asked = iris.by_agent("permissions__approve", list).await;
    assert_eq!(permission(&answer(asked).await)["behavior"], "allow");
    let console = json!({ "name": "get_date", "arguments": {} });
    let console = answer(iris.by_console("tools/call", console).await).await;
    assert!(console["result"]["isError"] != json!(true), "{console}");
    assert!(
        iris.callbacks.cut_off().borrow().is_empty(),
        "hurry is no attack"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_requests_have_a_bound_of_their_own() {
    let iris = Iris::with(json!({ "blue": {
        "path": "/tmp", "remote": "me@there", "grantPermission": "no" } }))
    .await;
    let mut busy = None;
    for at in 0..=iris_domain::callback::PERMISSION_LIMIT.points {
        let asked = iris
            .by_agent("permissions__approve", bash(&format!("t{at}")))
            .await;
        let denied = permission(&answer(asked).await);
        assert_eq!(denied["behavior"], "deny", "{denied}");
        busy = denied["message"].as_str().map(str::to_owned);
    }
    let busy = busy.unwrap();
    assert!(busy.contains("too many permission requests"), "{busy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_is_refused_five_times_is_cut_off_until_a_human_starts_it() {
    let iris = Iris::with(json!({
        "blue": { "path": "/tmp", "remote": "me@there",
            "approvalPolicy": { "deny": ["team_sleep"] },
            "reverseMcpPermissions": { "deniedTools": ["get_date"] } },
        "red": { "path": "/tmp" },
    }))
    .await;
    let blue = iris.agent.team.clone();
    let mut cut_off = iris.callbacks.cut_off();
    let attempts = [
        ("get_date", json!({})),
        ("team_status", json!({ "fromTeam": "console" })),
        ("team_sleep", json!({ "team": "red" })),
        ("get_date", json!({})),
        ("get_date", json!({})),
    ];
    for (tool, arguments) in attempts {
        assert!(iris.tokens.caller(iris.token.expose()).is_some(), "{tool}");
        drop(answer_or_end(iris.by_agent(tool, arguments).await).await);
    }
    let seen = soon(
        "the human is told",
        cut_off.wait_for(|it| it.contains_key(&blue)),
    );
    let told = seen.await.unwrap()[&blue].clone();
    assert!(told.hint.contains("iris audit --team blue"), "{told:?}");
    assert!(
        iris.tokens.caller(iris.token.expose()).is_none(),
        "its token is worth nothing"
    );
    let rows = rows(&iris.store, 6).await;
    assert!(
        rows.iter().any(|row| row.draft.tool == "team.cutOff"),
        "{rows:?}"
    );

    // Whoever else starts it again (another team's message, say) gives it no right.
    let again = iris.tokens.mint(iris.agent.clone());
    let path = format!("/mcp/{}", iris.agent.session);
    let call = || json!({ "name": "list_teams", "arguments": {} });
    let refused = answer(iris.open(&path, &again, "tools/call", &call()).await).await;
    assert!(said(&refused).contains("cut off"), "{refused}");
    let ask = json!({ "name": "permissions__approve", "arguments": bash("t1") });
    let asked = answer(iris.open(&path, &again, "tools/call", &ask).await).await;
    let denied = permission(&asked);
    assert_eq!(denied["behavior"], "deny", "it may not even ask: {denied}");
    assert!(
        denied["message"].as_str().unwrap().contains("cut off"),
        "{denied}"
    );
    assert!(
        iris.callbacks.may_run(&blue).is_err(),
        "nor is it started again"
    );
    iris.callbacks.restore(&blue);
    assert_eq!(iris.callbacks.may_run(&blue), Ok(()));
    assert!(iris.callbacks.cut_off().borrow().is_empty());
    let served = answer(iris.open(&path, &again, "tools/call", &call()).await).await;
    assert!(served["result"]["isError"] != json!(true), "{served}");
}

/// The fifth refusal may come without an answer: its token is revoked under it.
async fn answer_or_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    soon("an end", stream.read_to_end(&mut bytes))
        .await
        .unwrap();
    bytes
}

#[tokio::test]
async fn each_time_that_a_team_is_cut_off_is_written_down() {
    let iris = Iris::with(json!({ "blue": { "path": "/tmp", "remote": "me@there" } })).await;
    let caller = crate::tokens::Caller::Agent(iris.agent.clone());
    // One thread: nobody can look between the two.
    for _ in 0..2 {
        for _ in 0..iris_domain::callback::FAILURES_MAX {
            iris.callbacks.failed(&caller);
        }
        assert!(iris.callbacks.may_run(&iris.agent.team).is_err());
        iris.callbacks.restore(&iris.agent.team);
    }
    let rows = rows(&iris.store, 2).await;
    let cut = |row: &iris_domain::audit::Row| row.draft.tool == "team.cutOff";
    assert!(rows.iter().all(cut), "{rows:?}");
}
