//! Commands to the running Iris.

use std::{io::Read as _, time::Duration};

use iris_domain::{
    Problem,
    config::PolicyTemplate,
    decision::Verb,
    display::visible,
    ids::TeamName,
    message::{MESSAGE_MAX, MessageStatus, SendOutcome},
    problem::Code,
    snapshot::{EndedApproval, SessionView, TeamView},
};
use iris_engine::{
    clock,
    config_file::{RemoteOptionsEdit, RulesEdit, TeamEdit},
    control::{Command, PendingItem, StatusReply},
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    Context, DONE, FAILED, args, exit_code,
    output::{problem_text, table},
};

pub fn status(context: &Context) -> Result<u8, Problem> {
    let status: StatusReply = context.client().ask(&Command::Status {})?;
    context
        .out
        .show(&status, || status_text(&status, clock::now()))?;
    Ok(DONE)
}

/// Slack and webhooks, where there are any.
fn outside_text(status: &StatusReply) -> String {
    let mut text = String::new();
    if let Some(slack) = &status.slack {
        let state = slack.state.as_str();
        text.push_str(&format!("Slack: {state}, channel {}\n", slack.channel));
    }
    for hook in &status.webhooks {
        if let Some(problem) = &hook.problem {
            text.push_str(&format!("{}\n", problem_text(problem)));
        }
    }
    text
}

fn status_text(status: &StatusReply, now: Timestamp) -> String {
    let mut text = format!("Iris {} at {}\n", status.version, status.endpoint);
    if let Some(frozen) = &status.frozen {
        let seen = match &frozen.proof {
            Some(proof) => proof.words(),
            None => "agents are being stopped".to_owned(),
        };
        text.push_str(&format!("FROZEN: {seen}. `iris thaw` lets it go on.\n"));
    }
    for problem in &status.problems {
        text.push_str(&format!("{}\n", problem_text(problem)));
    }
    text.push_str(&outside_text(status));
    if status.teams.is_empty() {
        text.push_str("\nThere are no teams yet. `iris team add NAME PATH` adds one.\n");
        return text;
    }
    text.push('\n');
    text.push_str(&table(
        ["TEAM", "STATE", "HOST", "WAITING"],
        status.teams.iter().map(|team| {
            let waiting = if team.waiting == 0 {
                "-".to_owned()
            } else {
                team.waiting.to_string()
            };
            [
                team.name.to_string(),
                match (&team.frozen, team.queued) {
                    (None, _) => team.state.as_str().to_owned(),
                    (Some(_), 0) => "frozen".to_owned(),
                    (Some(_), 1) => "frozen, 1 message waits".to_owned(),
                    (Some(_), n) => format!("frozen, {n} messages wait"),
                },
                team.host.clone(),
                waiting,
            ]
        }),
    ));
    for team in &status.teams {
        if let Some(link) = &team.link {
            text.push_str(&format!("\n{}: link {}\n", team.name, link.words(now)));
            if let Some(warning) = &link.warning {
                text.push_str(&format!("warning: {warning}\n"));
            }
        }
        if let Some(problem) = &team.problem {
            text.push_str(&format!("\n{}: {}\n", team.name, problem_text(problem)));
        }
    }
    text
}

pub fn pending(context: &Context) -> Result<u8, Problem> {
    let items: Vec<PendingItem> = context.client().ask(&Command::Pending {})?;
    context.out.show(&items, || pending_text(&items))?;
    Ok(DONE)
}

fn pending_text(items: &[PendingItem]) -> String {
    if items.is_empty() {
        return "Nothing waits for your answer.".to_owned();
    }
    let now = clock::now();
    let left = |item: &PendingItem| match item.expires_at {
        Some(end) => span(Duration::try_from(end.duration_since(now)).unwrap_or_default()),
        None => "-".to_owned(),
    };
    let mut text = table(
        ["ID", "TEAM", "HOST", "TOOL", "LEFT", "WHAT"],
        items.iter().map(|item| {
            [
                item.id.to_string(),
                item.team.to_string(),
                item.host.clone(),
                item.tool.clone(),
                left(item),
                item.summary.clone(),
            ]
        }),
    );
    text.push_str(
        "\n`iris approve ID` or `iris deny ID -m WHY`; `iris pending --json` has the whole input.\n",
    );
    text
}

/// A duration in two units at most: `45s`, `12m`, `3h05m`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, _) => format!("{m}m"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

pub fn object(text: &str) -> Result<Value, Problem> {
    let hint = "Copy the input from `iris pending --json` and change it; quote it for the shell.";
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Problem::new(
            Code::InvalidInput,
            "--input must be a JSON object",
            hint,
        )),
        Err(error) => Err(Problem::new(
            Code::InvalidInput,
            format!("--input is not JSON: {error}"),
            hint,
        )),
    }
}

pub fn ended(context: &Context, command: &Command) -> Result<u8, Problem> {
    let ended: EndedApproval = context.client().ask(command)?;
    context.out.show(&ended, || {
        let verb = match ended.decision {
            Verb::Allow => "Allowed",
            Verb::Deny => "Denied",
            Verb::Noted => "Noted",
        };
        visible(&format!(
            "{verb} {} ({}): {}",
            ended.tool, ended.team, ended.summary
        ))
    })?;
    Ok(DONE)
}

pub fn team(context: &Context, command: args::Team) -> Result<u8, Problem> {
    let client = context.client();
    match command {
        args::Team::Add(add) => {
            let (name, far) = (add.name.clone(), add.remote.is_some());
            let edit = new_team(*add)?;
            let reply = client.call(&Command::TeamAdd {
                name: name.clone(),
                edit: Box::new(edit),
            })?;
            context.out.show(&reply, || {
                if far {
                    format!("Added team {name}. `iris doctor --team {name}` tests the way there.")
                } else {
                    format!("Added team {name}. `iris send {name} TEXT` gives it a task.")
                }
            })?;
        }
        args::Team::List => {
            let teams: Vec<TeamView> = client.ask(&Command::TeamList {})?;
            context.out.show(&teams, || team_text(&teams))?;
        }
        args::Team::Start { team } => {
            let session: SessionView = client.ask(&Command::TeamStart { team: team.clone() })?;
            context.out.show(&session, || {
                format!(
                    "{team} is {} (session {})",
                    session.state.as_str(),
                    session.id
                )
            })?;
        }
        args::Team::Stop { team } => {
            let reply = client.call(&Command::TeamStop { team: team.clone() })?;
            context.out.show(&reply, || match reply["stopped"] {
                Value::Bool(true) => format!("{team} is stopped."),
                _ => format!("{team} was not running."),
            })?;
        }
        args::Team::Remove { team } => {
            let reply = client.call(&Command::TeamRemove { team: team.clone() })?;
            context.out.show(&reply, || {
                format!("Removed team {team}. Its directory and conversations stay.")
            })?;
        }
    }
    Ok(DONE)
}

fn new_team(add: args::Add) -> Result<TeamEdit, Problem> {
    let path = match &add.remote {
        None => project(&add.path)?,
        // What it means is known on that host.
        Some(_) => add.path.to_str().map(str::to_owned).ok_or_else(|| {
            Problem::new(
                Code::InvalidInput,
                format!("{}: the path is not UTF-8", add.path.display()),
                "Give the path of an existing project directory.",
            )
        })?,
    };
    let options = RemoteOptionsEdit {
        port: add.port,
        identity: add.identity,
        ..RemoteOptionsEdit::default()
    };
    let template = add.policy.map(PolicyTemplate::from);
    Ok(TeamEdit {
        path: Some(path),
        description: add.description,
        color: add.color,
        grant_permission: match &template {
            Some(template) => Some(template.grant_permission),
            None => add.grant_permission.map(Into::into),
        },
        approval_policy: template.as_ref().map(RulesEdit::from),
        remote: add.remote,
        remote_options: (options != RemoteOptionsEdit::default()).then_some(options),
        enable_reverse_mcp: add.tunnel.then_some(true),
        reverse_mcp_port: add.tunnel_port,
        claude_path: add.claude,
        ..TeamEdit::default()
    })
}

/// A project directory as the running Iris, which has another working directory, must hear it. `~`
/// is left to Iris.
fn project(path: &std::path::Path) -> Result<String, Problem> {
    let unusable = |why: String| {
        let hint = "Give the path of an existing project directory.";
        Problem::new(
            Code::InvalidInput,
            format!("{}: {why}", path.display()),
            hint,
        )
    };
    let text = |path: &std::path::Path| {
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| unusable("the path is not UTF-8".to_owned()))
    };
    if path.starts_with("~") {
        return text(path);
    }
    // Resolved, so that `.` and links mean the same tomorrow.
    let path = std::fs::canonicalize(path).map_err(|error| unusable(error.to_string()))?;
    if !path.is_dir() {
        return Err(unusable("not a directory".to_owned()));
    }
    text(&path)
}

fn team_text(teams: &[TeamView]) -> String {
    if teams.is_empty() {
        return "There are no teams yet. `iris team add NAME PATH` adds one.".to_owned();
    }
    table(
        ["TEAM", "STATE", "HOST", "MODE", "PATH", "DESCRIPTION"],
        teams.iter().map(|team| {
            [
                team.name.to_string(),
                team.state.as_str().to_owned(),
                team.host.clone(),
                team.mode.as_str().to_owned(),
                team.path.clone(),
                team.description.clone().unwrap_or_default(),
            ]
        }),
    )
}

pub fn send(
    context: &Context,
    team: TeamName,
    text: String,
    timeout: Option<u64>,
) -> Result<u8, Problem> {
    let text = if text == "-" { from_stdin()? } else { text };
    let timeout_ms = timeout.map(|seconds| seconds.saturating_mul(1000));
    let outcome: SendOutcome = context.client().ask(&Command::Send {
        team,
        text,
        timeout_ms,
    })?;
    let (code, problem) = match outcome.status {
        MessageStatus::Answered => (DONE, None),
        // Not delivered yet: why, is said.
        MessageStatus::Queued => {
            let code = outcome
                .error
                .as_ref()
                .map_or(DONE, |_| exit_code(Code::Timeout));
            (code, outcome.error.clone())
        }
        MessageStatus::Timeout => (
            exit_code(Code::Timeout),
            Some(Problem::new(
                Code::Timeout,
                format!(
                    "{} has not answered in time; it goes on{}",
                    outcome.to,
                    match outcome.so_far {
                        Some(_) => ", and wrote the above up to now",
                        None => "",
                    }
                ),
                "Look at `iris status` and `iris pending`: it may wait for your answer.",
            )),
        ),
        MessageStatus::Failed => {
            let problem = outcome.error.clone().unwrap_or_else(|| {
                Problem::new(
                    Code::Agent,
                    format!("{} did not answer", outcome.to),
                    "`iris status` says what is wrong with it.",
                )
            });
            (exit_code(problem.code), Some(problem))
        }
        MessageStatus::Expired => (exit_code(Code::Timeout), outcome.error.clone()),
        MessageStatus::Cancelled => (
            FAILED,
            Some(Problem::new(
                Code::Agent,
                format!("the turn of {} was interrupted", outcome.to),
                "Send the message again if you still want the answer.",
            )),
        ),
    };
    context.out.show(&outcome, || {
        let said = outcome.response.as_deref().or(outcome.so_far.as_deref());
        visible(said.unwrap_or_default())
    })?;
    if let Some(problem) = problem {
        context.out.problem(&problem);
    }
    Ok(code)
}

fn from_stdin() -> Result<String, Problem> {
    let mut text = String::new();
    // One byte more than what is allowed shows that it was too much.
    let limit = u64::try_from(MESSAGE_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_string(&mut text)
        .map_err(|error| {
            Problem::new(
                Code::InvalidInput,
                format!("cannot read the message from stdin: {error}"),
                "Give UTF-8 text.",
            )
        })?;
    Ok(text)
}

pub fn headers(context: &Context) -> Result<u8, Problem> {
    // One line and nothing else, with and without --json: Claude Code reads it.
    context
        .out
        .line(&context.client().call(&Command::Headers {})?.to_string());
    Ok(DONE)
}

/// The metrics or their token as they are, with and without --json: programs read them.
pub fn metrics(context: &Context, command: Option<&args::Metrics>) -> Result<u8, Problem> {
    let command = match command {
        None => Command::Metrics {},
        Some(args::Metrics::Token) => Command::MetricsToken {},
    };
    let said = context.client().call(&command)?;
    context
        .out
        .line(said.as_str().unwrap_or_default().trim_end());
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3900, "1h05m"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn edited_input_is_an_object() {
        assert_eq!(object("{\"a\":1}").unwrap(), json!({"a": 1}));
        for text in ["[]", "1", "{", ""] {
            assert_eq!(object(text).unwrap_err().code, Code::InvalidInput, "{text}");
        }
    }

    #[test]
    fn a_project_is_a_directory_that_exists() {
        assert_eq!(project("~/x".as_ref()).unwrap(), "~/x", "Iris expands it");
        assert!(std::path::Path::new(&project(".".as_ref()).unwrap()).is_absolute());
        assert!(project("/etc/passwd".as_ref()).is_err());
        assert!(project("/nowhere/at/all".as_ref()).is_err());
    }

    #[test]
    fn a_folder_on_another_host_is_taken_as_it_is() {
        let add = args::Add {
            name: "far".parse().unwrap(),
            path: "/nowhere/at/all".into(),
            description: None,
            color: None,
            grant_permission: None,
            remote: Some("me@host".into()),
            port: Some(2222),
            identity: None,
            tunnel: true,
            policy: None,
            tunnel_port: None,
            claude: None,
        };
        let edit = new_team(add).unwrap();
        assert_eq!(edit.path.as_deref(), Some("/nowhere/at/all"));
        assert_eq!(edit.remote_options.unwrap().port, Some(2222));
        assert_eq!(edit.enable_reverse_mcp, Some(true));
    }

    #[test]
    fn what_an_agent_wrote_cannot_change_the_screen() {
        let item = PendingItem {
            id: iris_domain::ids::ApprovalId("k3fq".into()),
            team: "api".parse().unwrap(),
            session: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
            from: iris_domain::ids::Party::Console,
            host: "local".into(),
            tool: "mcp__x__\u{202e}evil".into(),
            input: json!({}),
            summary: "ls\u{1b}[2K\rrm -rf /\nID".into(),
            why: String::new(),
            offers: Default::default(),
            like: None,
            forwarded_to: None,
            circumstances: Default::default(),
            created_at: clock::now(),
            expires_at: None,
        };
        let text = pending_text(&[item]);
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']), "{text:?}");
        assert!(text.contains("ls⟨U+001B⟩[2K⟨U+000D⟩rm -rf /⏎ID"), "{text}");
        assert_eq!(
            text.lines().count(),
            4,
            "one line for each approval: {text}"
        );
    }

    #[test]
    fn status_says_what_is_wrong_and_what_to_do() {
        let problem = Problem::new(Code::Agent, "claude is missing", "Install it.");
        let status = StatusReply {
            version: "1.2.3".into(),
            endpoint: "http://127.0.0.1:1/mcp".into(),
            frozen: None,
            teams: vec![iris_engine::control::StatusTeam {
                queued: 0,
                frozen: None,
                name: "api".parse().unwrap(),
                state: iris_domain::snapshot::TeamState::Trouble,
                host: "local".into(),
                waiting: 2,
                problem: Some(problem.clone()),
                link: Some(crate::samples::link()),
            }],
            slack: None,
            webhooks: Vec::new(),
            problems: vec![problem],
        };
        assert_eq!(
            status_text(&status, Timestamp::from_second(60).unwrap()),
            "Iris 1.2.3 at http://127.0.0.1:1/mcp\n\
             error: claude is missing\n\
             hint: Install it.\n\
             \n\
             TEAM  STATE    HOST   WAITING\n\
             api   trouble  local  2\n\
             \n\
             api: link verified 4 s ago, 12 ms\n\
             \n\
             api: error: claude is missing\n\
             hint: Install it.\n"
        );
    }
}
