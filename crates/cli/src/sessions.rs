//! Whole conversations.

use iris_domain::{
    Problem,
    conversation::{Deleted, Forked, Listed, Rebooted, Removal},
    ids::Party,
};
use iris_engine::control::{Command, SessionAct};
use serde_json::Value;

use crate::{
    Context, DONE,
    args::{Pair, Session},
    output::{problem_text, table},
};

pub fn session(context: &Context, command: Session) -> Result<u8, Problem> {
    let client = context.client();
    let act = |act, Pair { team, from }| Command::Session { act, team, from };
    match command {
        Session::List { team } => {
            let sessions: Vec<Listed> = client.ask(&Command::Sessions { team })?;
            context.out.show(&sessions, || sessions_text(&sessions))?;
        }
        Session::Fork(pair) => {
            let done: Forked = client.ask(&act(SessionAct::Fork, pair))?;
            context.out.show(&done, || {
                let whose = whose(&done.from);
                format!(
                    "A copy of {} conversation with {} is open in {}. The team goes on in its own.",
                    whose.to_lowercase(),
                    done.to,
                    done.terminal
                )
            })?;
        }
        Session::Reboot(pair) => {
            let done: Rebooted = client.ask(&act(SessionAct::Reboot, pair))?;
            context.out.show(&done, || {
                let whose = whose(&done.from);
                with_record(
                    format!(
                        "{whose} new conversation with {} is ready ({}).",
                        done.to, done.new
                    ),
                    &done.record,
                )
            })?;
        }
        Session::Delete(pair) => {
            let done: Deleted = client.ask(&act(SessionAct::Delete, pair))?;
            context.out.show(&done, || {
                let whose = whose(&done.from);
                let said = match done.session {
                    Some(id) => format!("{whose} conversation with {} is deleted ({id}).", done.to),
                    None if done.ended => format!(
                        "{whose} conversation with {} is gone; nothing was said in it yet.",
                        done.to
                    ),
                    None => format!(
                        "There was no conversation of {} with {}.",
                        done.from, done.to
                    ),
                };
                with_record(said, &done.record)
            })?;
        }
        Session::Sleep(pair) => {
            let (team, from) = (pair.team.clone(), pair.from.clone());
            let reply = client.call(&act(SessionAct::Sleep, pair))?;
            context.out.show(&reply, || match reply["stopped"] {
                Value::Bool(true) => format!("{team} sleeps for {from}; the conversation is kept."),
                _ => format!("{team} was asleep for {from}."),
            })?;
        }
    }
    Ok(DONE)
}

pub fn interrupt(context: &Context, Pair { team, from }: Pair) -> Result<u8, Problem> {
    let reply = context.client().call(&Command::Interrupt {
        team: team.clone(),
        from: from.clone(),
    })?;
    let whom = match &from {
        Party::Console => "you".to_owned(),
        Party::Team(from) => from.to_string(),
    };
    context.out.show(&reply, || match reply["interrupted"] {
        Value::Bool(true) => format!("{team} was interrupted."),
        _ => format!("{team} was doing nothing for {whom}."),
    })?;
    Ok(DONE)
}

fn whose(from: &Party) -> String {
    match from {
        Party::Console => "Your".to_owned(),
        Party::Team(team) => format!("{team}'s"),
    }
}

/// What is left is said, even where all else went well.
fn with_record(said: String, record: &Removal) -> String {
    match &record.left {
        Some(left) => format!("{said}\n{}", problem_text(left)),
        None => said,
    }
}

fn sessions_text(sessions: &[Listed]) -> String {
    if sessions.is_empty() {
        return "No conversation yet. `iris send TEAM TEXT` begins one.".to_owned();
    }
    table(
        [
            "FROM",
            "TEAM",
            "STATE",
            "QUEUED",
            "MESSAGES",
            "COST",
            "LAST USED",
            "SESSION",
        ],
        sessions.iter().map(|session| {
            [
                session.from.to_string(),
                session.to.to_string(),
                session.state.as_str().to_owned(),
                session.queued.to_string(),
                session.messages.to_string(),
                match session.spent {
                    Some(spent) => format!("${:.2}", spent.cost_usd),
                    None => "-".to_owned(),
                },
                session.last_used.strftime("%F %H:%M UTC").to_string(),
                session.id.to_string(),
            ]
        }),
    )
}
