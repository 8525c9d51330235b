//! Freezing, and taking keys.

use iris_domain::{Problem, freeze::FrozenView, ids::TeamName};
use iris_engine::{Keys, control::Command};

use crate::{Context, DONE, FAILED, args::Key};

pub fn freeze(context: &Context, team: Option<TeamName>) -> Result<u8, Problem> {
    let name = name(team.as_ref());
    let frozen: FrozenView = context.client().ask(&Command::Freeze { team })?;
    let proof = frozen.proof.clone().unwrap_or_default();
    context.out.show(&frozen, || {
        format!("Frozen: {name}. {}.", capital(&proof.words()))
    })?;
    Ok(if proof.is_whole() { DONE } else { FAILED })
}

pub fn thaw(context: &Context, team: Option<TeamName>) -> Result<u8, Problem> {
    let name = name(team.as_ref());
    let reply = context.client().call(&Command::Thaw { team })?;
    context.out.show(&reply, || {
        format!("Thawed: {name}. The agents go on from where they stood.")
    })?;
    Ok(DONE)
}

pub fn key(context: &Context, command: Key) -> Result<u8, Problem> {
    let client = context.client();
    match command {
        Key::Revoke { team } => {
            let keys: Keys = client.ask(&Command::KeyRevoke { team: team.clone() })?;
            context.out.show(&keys, || {
                format!(
                    "{} of {team} are worth nothing any more, and its agents end. `iris team start {team}` brings it back.",
                    count(keys.revoked, "key")
                )
            })?;
        }
        Key::Rotate { team } => {
            let keys: Keys = client.ask(&Command::KeyRotate { team: team.clone() })?;
            context.out.show(&keys, || {
                format!(
                    "{} of {team} revoked; {} started again with new ones.",
                    count(keys.revoked, "key"),
                    count(keys.restarted, "agent")
                )
            })?;
        }
    }
    Ok(DONE)
}

fn name(team: Option<&TeamName>) -> String {
    team.map_or_else(|| "everything".to_owned(), ToString::to_string)
}

fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
