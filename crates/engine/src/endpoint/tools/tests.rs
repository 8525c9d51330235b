use std::{collections::BTreeSet, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use iris_domain::{
    config::GrantPermission,
    decision::{AllowedBy, Decision, DeniedBy, Human, Surface},
    ids::{Party, SessionId, TeamName},
    message::{MessageStatus, SendOutcome},
    request::Asker,
    snapshot::{SessionView, TeamState, TeamView},
};
use messages::Patience;
use serde_json::Map;

use super::*;
use crate::{claude::permission_answer, teams::SessionViews};

fn team(name: &str) -> TeamName {
    name.parse().unwrap()
}

fn view(name: &str, state: TeamState, sessions: Vec<SessionView>) -> TeamView {
    TeamView {
        name: team(name),
        state,
        host: "local".to_owned(),
        waiting: 0,
        problem: None,
        description: Some("what it does".to_owned()),
        color: None,
        path: format!("/p/{name}"),
        mode: GrantPermission::Ask,
        link: None,
        frozen: None,
        spent: None,
        sessions,
    }
}

fn session(from: Party, pid: Option<u32>) -> SessionView {
    SessionView {
        id: SessionId(uuid::Uuid::from_u128(7)),
        from,
        state: TeamState::Idle,
        doing: None,
        pid,
        queued: 2,
        problem: None,
        stderr_tail: Vec::new(),
        last_activity: "2026-11-22T13:00:00Z".parse().unwrap(),
        spent: None,
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        version: "0".to_owned(),
        endpoint: String::new(),
        teams: vec![
            view(
                "blue",
                TeamState::Working,
                vec![session(Party::Console, Some(42))],
            ),
            view("red", TeamState::Asleep, vec![]),
        ],
        approvals: vec![],
        recent: vec![],
        missed: vec![],
        grants: vec![],
        frozen: None,
        prompts: Vec::new(),
        slack: None,
        webhooks: Vec::new(),
        problems: vec![],
    }
}

fn human() -> Human {
    Human {
        surface: Surface::Cli,
        user: "me".to_owned(),
    }
}

fn json_of(output: &impl Serialize) -> Value {
    serde_json::to_value(output).unwrap()
}

fn arguments(value: Value) -> JsonObject {
    value.as_object().unwrap().clone()
}

#[test]
fn list_teams_has_the_published_fields() {
    let list = json_of(&teams::list(&snapshot()));
    assert_eq!(list["totalTeams"], 2);
    assert!(list["timestamp"].is_i64());
    assert_eq!(
        list["teams"][0],
        json!({ "name": "blue", "config": { "path": "/p/blue", "description": "what it does" } }),
    );
}

#[test]
fn team_status_tells_each_caller_of_its_own_conversation() {
    let kept = [
        (Party::Console, team("blue"), 3),
        (Party::Team(team("red")), team("blue"), 4),
    ];
    let console =
        json_of(&teams::status(&snapshot(), &Party::Console, None, true, 10, &kept).unwrap());
    assert_eq!(console["teams"][0]["status"], "awake");
    assert_eq!(console["teams"][0]["state"], "working");
    assert_eq!(console["teams"][0]["pid"], 42);
    assert_eq!(console["teams"][0]["messageCount"], 3);
    assert_eq!(console["teams"][1]["messageCount"], 0);
    assert_eq!(console["teams"][1]["status"], "asleep");
    assert_eq!(
        console["pool"],
        json!({ "activeProcesses": 1, "maxProcesses": 10, "totalMessages": 7, "queuedMessages": 2 })
    );
    assert_eq!(
        console["notifications"],
        json!({ "pending": 0, "total": 0 })
    );

    let red = Party::Team(team("red"));
    let blue = team("blue");
    let other = json_of(&teams::status(&snapshot(), &red, Some(&blue), false, 10, &kept).unwrap());
    assert_eq!(
        other["teams"].as_array().unwrap().len(),
        1,
        "only the team that was asked for"
    );
    assert_eq!(other["teams"][0]["messageCount"], 4, "its own only");
    assert_eq!(
        other["teams"][0]["status"], "awake",
        "the team is awake, for another caller"
    );
    assert_eq!(
        other["teams"][0].get("pid"),
        None,
        "but not this caller's conversation"
    );
    assert_eq!(other.get("notifications"), None);

    let missing =
        teams::status(&snapshot(), &red, Some(&team("green")), true, 10, &[]).unwrap_err();
    assert_eq!(missing.code, Code::NotFound);
}

#[test]
fn a_working_agent_is_not_put_to_sleep_unasked_and_anothers_is_nobodys_business() {
    let mut snapshot = snapshot();
    snapshot.teams[0].sessions[0].state = TeamState::Working;
    let other = Party::Team(team("red"));
    assert!(teams::not_busy(&snapshot, &other, &team("blue")).is_ok());
    assert_eq!(
        teams::not_busy(&snapshot, &Party::Console, &team("blue"))
            .unwrap_err()
            .code,
        Code::Busy
    );
    assert!(teams::not_busy(&snapshot, &Party::Console, &team("red")).is_ok());
    assert_eq!(
        teams::not_busy(&snapshot, &Party::Console, &team("green"))
            .unwrap_err()
            .code,
        Code::NotFound
    );
}

#[test]
fn a_timeout_is_milliseconds_and_bounded() {
    let ms = |ms| Some(Patience::Until(Duration::from_millis(ms)));
    for (timeout, expected) in [
        (None, ms(30_000)),
        (Some(0), Some(Patience::ForEver)),
        (Some(1), ms(1)),
        (Some(3_600_000), ms(3_600_000)),
        (Some(3_600_001), None),
        (Some(-1), Some(Patience::None)),
        (Some(-2), None),
        (Some(i64::MIN), None),
    ] {
        assert_eq!(messages::patience(timeout).ok(), expected, "{timeout:?}");
    }
}

#[test]
fn an_empty_message_is_refused_and_a_long_one_is_not_echoed_whole() {
    assert!(messages::sendable(" \n").is_err());
    assert!(messages::sendable(&"x".repeat(2_000_000)).is_err());
    assert_eq!(messages::sendable("do it").unwrap(), "do it");
    assert!(messages::sendable(&"x".repeat(100_000)).unwrap().len() < 2000);
}

#[test]
fn a_failed_message_is_an_error_and_says_why() {
    let outcome = |status, error| SendOutcome {
        id: uuid::Uuid::from_u128(1),
        from: Party::Console,
        to: team("blue"),
        session: None,
        status,
        response: None,
        so_far: None,
        error,
        duration: 5,
    };
    let problem = Problem::new(Code::Agent, "It ended.", "Wake it.");
    let failed = messages::sent(
        outcome(MessageStatus::Failed, Some(problem)),
        "m".to_owned(),
    )
    .unwrap();
    assert_eq!(failed.is_error, Some(true));
    let said = failed.structured_content.unwrap();
    assert_eq!(said["error"], "It ended. Wake it.");
    assert_eq!(
        (&said["from"], &said["to"], &said["message"]),
        (&json!("console"), &json!("blue"), &json!("m"))
    );
    let late = messages::sent(outcome(MessageStatus::Timeout, None), "m".to_owned()).unwrap();
    assert_eq!(late.is_error, Some(false), "the team goes on: no error");
    assert_eq!(late.structured_content.unwrap()["status"], "timeout");
}

#[test]
fn decisions_are_said_in_claude_codes_words() {
    let allow = |edited| Decision::Allow {
        by: AllowedBy::Human(human()),
        edited,
    };
    assert_eq!(
        permission_answer(&allow(None)),
        json!({ "behavior": "allow", "updatedInput": {} })
    );
    let edited = json!({ "command": "ls" });
    assert_eq!(
        permission_answer(&allow(Some(edited.clone()))),
        json!({ "behavior": "allow", "updatedInput": edited }),
    );
    for lost in [json!({}), json!([]), json!("ls"), Value::Null] {
        let said = permission_answer(&allow(Some(lost.clone())));
        assert_eq!(
            said["behavior"], "deny",
            "{lost} would let the original run"
        );
        assert!(said["message"].is_string(), "a denial needs a message");
    }
    let deny = Decision::Deny {
        by: DeniedBy::Timeout,
        message: "too late".to_owned(),
    };
    assert_eq!(
        permission_answer(&deny),
        json!({ "behavior": "deny", "message": "too late" })
    );
}

#[test]
fn arguments_are_held_to_the_schema() {
    for (name, good) in [
        (
            Name::PermissionsApprove,
            json!({ "tool_name": "Bash", "input": {}, "tool_use_id": "t" }),
        ),
        (Name::PermissionsPending, json!({})),
        (
            Name::PermissionsDecide,
            json!({ "id": "k3", "decision": "deny", "message": "no" }),
        ),
        (Name::ListTeams, json!({})),
        (
            Name::TeamStatus,
            json!({ "team": "blue", "includeNotifications": false }),
        ),
        (Name::TeamWake, json!({ "team": "blue", "fromTeam": "red" })),
        (Name::TeamSleep, json!({ "team": "blue", "force": true })),
        (
            Name::SendMessage,
            json!({ "toTeam": "blue", "message": "m", "timeout": 5, "persist": true, "ttlDays": 3 }),
        ),
        (Name::TeamWakeAll, json!({ "parallel": true })),
        (
            Name::QuickMessage,
            json!({ "toTeam": "blue", "message": "m", "persist": true, "ttlDays": 3 }),
        ),
        (
            Name::MessageStatus,
            json!({ "messageId": uuid::Uuid::nil().to_string(), "timeout": 5 }),
        ),
        (Name::SessionReport, json!({ "team": "blue" })),
        (
            Name::SessionCancel,
            json!({ "team": "blue", "messageId": uuid::Uuid::nil().to_string() }),
        ),
        (
            Name::SessionFork,
            json!({ "toTeam": "blue", "fromTeam": "red" }),
        ),
        (
            Name::SessionReboot,
            json!({ "toTeam": "blue", "fromTeam": "red" }),
        ),
        (
            Name::SessionDelete,
            json!({ "toTeam": "blue", "fromTeam": "red" }),
        ),
        (
            Name::GetLogs,
            json!({ "logs_since": 5, "storeName": "iris", "format": "raw", "level": ["warn"],
                "getAllStores": true }),
        ),
        (
            Name::GetAgent,
            json!({
                "agentType": "logger", "context": {}, "projectPath": "/p", "includeGitDiff": true,
                "fromTeam": "red",
            }),
        ),
        (Name::GetDate, json!({})),
    ] {
        let takes = |value: Value| {
            let arguments = arguments(value);
            match name {
                Name::PermissionsApprove => {
                    read::<permission::Arguments>(name, arguments).map(drop)
                }
                Name::ListTeams | Name::GetDate | Name::PermissionsPending => {
                    read::<Nothing>(name, arguments).map(drop)
                }
                Name::PermissionsDecide => {
                    read::<forwarded::DecideArguments>(name, arguments).map(drop)
                }
                Name::GetAgent => read::<agent::Arguments>(name, arguments).map(drop),
                Name::TeamStatus => read::<wire::StatusArguments>(name, arguments).map(drop),
                Name::TeamWake | Name::TeamLaunch => {
                    read::<wire::WakeArguments>(name, arguments).map(drop)
                }
                Name::TeamWakeAll => read::<wake_all::Arguments>(name, arguments).map(drop),
                Name::TeamSleep => read::<wire::SleepArguments>(name, arguments).map(drop),
                Name::SendMessage | Name::AskMessage => {
                    read::<messages::SendArguments>(name, arguments).map(drop)
                }
                Name::QuickMessage => read::<messages::QuickArguments>(name, arguments).map(drop),
                Name::MessageStatus => read::<messages::StatusArguments>(name, arguments).map(drop),
                Name::SessionReport => read::<report::ReportArguments>(name, arguments).map(drop),
                Name::SessionCancel => read::<report::CancelArguments>(name, arguments).map(drop),
                Name::SessionFork | Name::SessionReboot | Name::SessionDelete => {
                    read::<session::Arguments>(name, arguments).map(drop)
                }
                Name::GetLogs => read::<logs::Arguments>(name, arguments).map(drop),
            }
        };
        takes(good.clone()).unwrap_or_else(|problem| panic!("{name:?}: {problem}"));
        let mut unknown = good.clone();
        unknown["unheardOf"] = json!(1);
        let problem = takes(unknown).unwrap_err();
        assert!(
            problem.message.contains("unheardOf"),
            "it names the field: {problem}"
        );
        for key in good.as_object().unwrap().keys() {
            let mut wrong = good.clone();
            wrong[key] = json!([[]]);
            assert!(takes(wrong).is_err(), "{name:?}: {key} has a type");
        }
    }
}

#[test]
fn definitions_are_closed_annotated_and_free_of_number_formats() {
    for name in Name::ALL {
        let tool = name.definition();
        let input = Value::Object(Map::clone(&tool.input_schema));
        assert_eq!(input["type"], "object", "{name:?}");
        assert_eq!(
            input["additionalProperties"], false,
            "{name:?} takes nothing else"
        );
        let all = serde_json::to_string(&tool).unwrap();
        for odd in [
            "\"format\":\"int",
            "\"format\":\"uint",
            "$ref",
            "$schema",
            "\"default\":null",
            "Of `",
        ] {
            assert!(!all.contains(odd), "{name:?} has {odd}: {all}");
        }
        let hints = tool.annotations.unwrap();
        assert!(
            hints.title.is_some() && hints.read_only_hint.is_some(),
            "{name:?}"
        );
        let structured = name != Name::PermissionsApprove;
        assert_eq!(tool.output_schema.is_some(), structured, "{name:?}");
        assert_eq!(Name::of(name.as_str()), Some(name), "names are found");
    }
    assert_eq!(Name::of("session_destroy"), None);
    assert!(
        !Name::PermissionsApprove.is_for_console(),
        "the console asks nobody"
    );
}

#[test]
fn a_documented_default_is_the_real_one() {
    for name in Name::ALL {
        let input = name.definition().input_schema;
        for (key, field) in input["properties"].as_object().unwrap() {
            let text = field["description"].as_str().unwrap();
            assert!(!text.contains('\n'), "{name:?} {key}: {text}");
            let said = text.split_once("Default: ").map(|(_, rest)| {
                let end = rest.find(['.', ',', ';']).unwrap_or(rest.len());
                rest[..end].to_owned()
            });
            let real = field.get("default").map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            let explained = key == "context" || said == real;
            assert!(explained, "{name:?} {key} says {said:?}, it is {real:?}");
        }
    }
}

#[test]
fn every_tool_can_be_named_in_a_rule_and_is_told_of() {
    let known = Name::ALL.map(Name::as_str).into_iter();
    let in_rules = iris_domain::policy::IRIS_TOOLS.into_iter();
    assert_eq!(
        known.collect::<BTreeSet<_>>(),
        in_rules.collect::<BTreeSet<_>>(),
        "a rule may name each of them"
    );
    let page = include_str!("../../../../../docs/TOOLS.md");
    for name in Name::ALL {
        let row = format!("\n| `{}`", name.as_str());
        assert!(page.contains(&row), "docs/TOOLS.md tells of {name:?}");
    }
}

#[test]
fn the_date_is_told_in_every_published_way() {
    let date = json_of(&date::Date::of("2026-11-22T13:47:52.018Z".parse().unwrap()));
    assert_eq!(
        date,
        json!({
            "timestamp": 1_795_355_272_018_i64,
            "iso": "2026-11-22T13:47:52.018Z",
            "utc": "Sun, 22 Nov 2026 13:47:52 GMT",
            "unix": 1_795_355_272,
            "components": { "year": 2026, "month": 11, "day": 22, "hours": 13, "minutes": 47,
                "seconds": 52, "milliseconds": 18, "dayOfWeek": 0, "dayOfYear": 326 },
        }),
    );
}

#[test]
fn an_error_names_the_tool_and_the_next_step() {
    let result = failed(
        Name::TeamWake,
        &Problem::new(Code::NotFound, "no team x", "list_teams"),
    );
    assert_eq!(result.is_error, Some(true));
    let text = result.content[0].as_text().unwrap().text.clone();
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        said,
        json!({ "error": "no team x", "hint": "list_teams", "code": "notFound", "tool": "team_wake" }),
    );
}

/// An agent of a team.
fn agent_of(name: &str) -> Caller {
    Caller::Agent(Asker {
        team: team(name),
        session: SessionId(uuid::Uuid::from_u128(1)),
        from: Party::Console,
        host: "local".to_owned(),
    })
}

#[test]
fn identity_comes_from_the_token() {
    let (refusals, mut rows) = Refusals::channel();
    let tool = Name::TeamWake;
    for (caller, said, expected) in [
        (agent_of("blue"), None, Some("blue")),
        (agent_of("blue"), Some("blue"), Some("blue")),
        (agent_of("blue"), Some("red"), None),
        (agent_of("blue"), Some("console"), None),
        (agent_of("blue"), Some("Blue"), None),
        (agent_of("blue"), Some(""), None),
        (Caller::Console, None, Some("console")),
        (Caller::Console, Some("console"), Some("console")),
        (Caller::Console, Some("blue"), None),
    ] {
        let party = acting(&refusals, &caller, tool, said)
            .ok()
            .map(|party| party.to_string());
        assert_eq!(party.as_deref(), expected, "{caller:?} says {said:?}");
        let row = rows.try_recv().ok().map(|row| row.decided_by);
        let written = expected.is_none().then(|| "identity".to_owned());
        assert_eq!(
            row, written,
            "a lie is written down, the truth is not: {said:?}"
        );
    }
}

#[test]
fn a_team_does_nothing_to_itself() {
    let (refusals, mut rows) = Refusals::channel();
    let blue = team("blue");
    assert!(not_itself(&refusals, &agent_of("blue"), Name::SendMessage, &blue).is_err());
    assert_eq!(rows.try_recv().unwrap().decided_by, "self");
    assert!(not_itself(&refusals, &agent_of("red"), Name::SendMessage, &blue).is_ok());
    assert!(not_itself(&refusals, &Caller::Console, Name::SendMessage, &blue).is_ok());
}

#[tokio::test]
async fn who_waits_hears_what_the_team_does() {
    let (alpha, console) = (team("alpha"), Party::Console);
    let (views, seen) = watch::channel(Arc::new(SessionViews::new()));
    let show = |state, doing: Option<&str>| {
        let view = SessionView {
            state,
            doing: doing.map(str::to_owned),
            ..session(Party::Console, Some(1))
        };
        let others = SessionView {
            state: TeamState::Working,
            ..session(Party::Team(team("beta")), Some(2))
        };
        views.send_replace(Arc::new([(team("alpha"), vec![others, view])].into()));
    };
    let mut said = progress::changes(seen, console, progress::Awaited::One(alpha));
    let mut heard = Vec::new();
    for (state, doing) in [
        (TeamState::Waking, None),
        (TeamState::Working, None),
        (TeamState::Working, Some("Bash: cargo test")),
        (TeamState::Waiting, Some("Bash: cargo test")),
    ] {
        show(state, doing);
        heard.extend(said.next().await);
    }
    assert_eq!(
        heard,
        [
            "waking alpha",
            "alpha is working",
            "alpha is running Bash: cargo test",
            "alpha waits for the user to decide on Bash: cargo test",
        ]
    );
    // What is not new, or nothing to say, is not said.
    show(TeamState::Waiting, Some("Bash: cargo test"));
    show(TeamState::Idle, None);
    assert!(said.next().now_or_never().is_none());
    drop(views);
    assert!(said.next().await.is_none(), "Iris ends");
}
