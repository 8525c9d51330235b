//! Teams on other hosts: their links, and the test of one.

use std::io::{self, IsTerminal as _, Write as _};

use iris_domain::{
    Problem,
    connection_test::{StepState, TestStep},
    display::visible,
    ids::TeamName,
    snapshot::LinkState,
};
use iris_engine::{
    clock,
    control::{Command, StatusReply, StatusTeam, TestReply, read},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{Context, DONE, FAILED, args, output::table};

pub fn tunnel(context: &Context, command: args::Tunnel) -> Result<u8, Problem> {
    match command {
        args::Tunnel::List => list(context),
        args::Tunnel::Kill { team } => {
            let reply = context
                .client()
                .call(&Command::TunnelKill { team: team.clone() })?;
            context.out.show(&reply, || {
                format!("The tunnel of {team} is closed, and its agents end. `iris team start {team}` opens it again.")
            })?;
            Ok(DONE)
        }
    }
}

fn list(context: &Context) -> Result<u8, Problem> {
    let status: StatusReply = context.client().ask(&Command::Status {})?;
    let far: Vec<&StatusTeam> = status.teams.iter().filter(|t| t.host != "local").collect();
    let list: Vec<Value> = far
        .iter()
        .map(|team| json!({ "team": team.name, "host": team.host, "link": team.link }))
        .collect();
    context.out.show(&list, || text(&far, clock::now()))?;
    Ok(DONE)
}

fn text(teams: &[&StatusTeam], now: Timestamp) -> String {
    if teams.is_empty() {
        return "No team is on another host. `iris team add NAME PATH --remote user@host --tunnel` adds one.".to_owned();
    }
    let mut text = table(
        ["TEAM", "HOST", "STATE", "PORT", "RTT", "VERIFIED"],
        teams.iter().map(|team| {
            let link = team.link.as_ref();
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let state = link.map_or(LinkState::Down, |link| link.state);
            [
                team.name.to_string(),
                team.host.clone(),
                state.as_str().to_owned(),
                or_dash(link.and_then(|link| link.port).map(|port| port.to_string())),
                or_dash(
                    link.and_then(|link| link.rtt_ms)
                        .map(|ms| format!("{ms:.0} ms")),
                ),
                or_dash(
                    link.and_then(|link| link.verified_at)
                        .map(|at| format!("{} s ago", now.duration_since(at).as_secs().max(0))),
                ),
            ]
        }),
    );
    for team in teams {
        if let Some(problem) = team.link.as_ref().and_then(|link| link.problem.as_ref()) {
            let (message, hint) = (visible(&problem.message), visible(&problem.hint));
            text.push_str(&format!("\n{}: {message}\nhint: {hint}\n", team.name));
        }
    }
    text
}

/// The longest name of a step, and some.
const NAME_WIDTH: usize = 22;

/// `iris doctor --team NAME`: a line for each step, as it happens.
pub fn test(context: &Context, team: TeamName) -> Result<u8, Problem> {
    let live = !context.out.is_json();
    let terminal = live && io::stdout().is_terminal();
    let command = Command::TeamTest { team: team.clone() };
    let reply = context.client().watch(&command, |step| {
        if let (true, Ok(step)) = (live, read(step)) {
            show(&step, terminal);
        }
    })?;
    let reply: TestReply = read(reply)?;
    context.out.show(&reply, || {
        if reply.ok {
            format!("\n{team} works. `iris send {team} TEXT` gives it a task.")
        } else {
            format!("\n{team} does not work yet.")
        }
    })?;
    Ok(if reply.ok { DONE } else { FAILED })
}

/// At a terminal the line of a running step is written over by what became of it.
fn show(step: &TestStep, terminal: bool) {
    let text = line(step);
    let text = match (step.state, &step.detail, terminal) {
        (StepState::Running, None, false) => return,
        (StepState::Running, None, true) => format!("{text}\r"),
        (_, _, true) => format!("\u{1b}[K{text}\n"),
        (_, _, false) => format!("{text}\n"),
    };
    let mut out = io::stdout().lock();
    if out
        .write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_err()
    {
        tracing::debug!("nobody reads stdout");
    }
}

fn line(step: &TestStep) -> String {
    let word = match step.state {
        StepState::Failed => "FAILED",
        StepState::Running if step.detail.is_some() => "waits",
        StepState::Running => "...",
        other => other.as_str(),
    };
    let one_line = |text: &str| visible(text).replace('\n', " ");
    let detail = one_line(step.detail.as_deref().unwrap_or_default());
    let mut line = format!("{word:<7}  {:<NAME_WIDTH$}{detail}", step.name)
        .trim_end()
        .to_owned();
    if let Some(hint) = &step.hint {
        line.push_str(&format!("\n         hint: {}", one_line(hint)));
    }
    line
}

#[cfg(test)]
mod tests {
    use iris_domain::{problem::Code, snapshot::TeamState};

    use super::*;

    #[test]
    fn a_step_is_a_line_and_its_hint_another() {
        let problem = Problem::new(
            Code::Network,
            "me@h does not\nanswer\u{1b}[2J.",
            "Go there.",
        );
        assert_eq!(
            line(&TestStep::failed("Sign in", problem)),
            "FAILED   Sign in               me@h does not answer⟨U+001B⟩[2J.\n         hint: Go there."
        );
        assert_eq!(
            line(&TestStep::new("Open the tunnel", StepState::Skipped)),
            "skipped  Open the tunnel"
        );
    }

    #[test]
    fn a_link_says_since_when_it_is_known() {
        let team = |link| StatusTeam {
            frozen: None,
            queued: 0,
            name: "far".parse().unwrap(),
            state: TeamState::Asleep,
            host: "me@host".into(),
            waiting: 0,
            problem: None,
            link,
        };
        let up = team(Some(crate::samples::link()));
        assert_eq!(
            text(&[&up, &team(None)], Timestamp::from_second(60).unwrap()),
            "TEAM  HOST     STATE          PORT  RTT    VERIFIED\n\
             far   me@host  verified       1615  12 ms  4 s ago\n\
             far   me@host  not connected  -     -      -\n"
        );
        assert!(text(&[], clock::now()).contains("--remote"));
    }
}
