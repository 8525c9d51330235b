//! What the client of a waiting call is told meanwhile: what the team that it waits for does.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, stream, stream::BoxStream};
use iris_domain::{
    ids::{Party, TeamName},
    snapshot::{SessionView, TeamState},
};
use rmcp::model::JsonObject;
use tokio::sync::watch;

use super::{Name, Tools};
use crate::{teams::SessionViews, tokens::Caller};

/// What is waited for.
#[derive(Debug, Clone)]
pub(super) enum Awaited {
    /// The caller's conversation with this team.
    One(TeamName),
    /// All of the caller's conversations, to be woken.
    All,
}

impl Tools {
    /// What happens while this call waits, as it changes; `None`: there is nothing to say.
    pub(in crate::endpoint) fn progress(
        &self,
        caller: &Caller,
        name: Name,
        arguments: &JsonObject,
    ) -> Option<BoxStream<'static, String>> {
        let awaited = awaited(name, arguments)?;
        Some(changes(self.teams.watch(), caller.party(), awaited))
    }
}

fn awaited(name: Name, arguments: &JsonObject) -> Option<Awaited> {
    let key = match name {
        Name::SendMessage
        | Name::AskMessage
        | Name::QuickMessage
        | Name::SessionReboot
        | Name::SessionDelete
        | Name::SessionFork => "toTeam",
        Name::TeamWake | Name::TeamLaunch | Name::TeamSleep | Name::SessionCancel => "team",
        Name::TeamWakeAll => return Some(Awaited::All),
        Name::PermissionsApprove
        | Name::PermissionsPending
        | Name::PermissionsDecide
        | Name::ListTeams
        | Name::TeamStatus
        | Name::MessageStatus
        | Name::SessionReport
        | Name::GetAgent
        | Name::GetLogs
        | Name::GetDate => return None,
    };
    // A name that is none is refused by the call itself.
    let team = arguments.get(key)?.as_str()?.parse().ok()?;
    Some(Awaited::One(team))
}

pub(super) fn changes(
    views: watch::Receiver<Arc<SessionViews>>,
    from: Party,
    awaited: Awaited,
) -> BoxStream<'static, String> {
    stream::unfold((views, None), move |(mut views, before)| {
        let (from, awaited) = (from.clone(), awaited.clone());
        async move {
            loop {
                let now = said(&views.borrow_and_update(), &from, &awaited);
                if let Some(text) = now.clone()
                    && now != before
                {
                    return Some((text, (views, now)));
                }
                views.changed().await.ok()?;
            }
        }
    })
    .boxed()
}

fn said(
    views: &BTreeMap<TeamName, Vec<SessionView>>,
    from: &Party,
    awaited: &Awaited,
) -> Option<String> {
    match awaited {
        Awaited::One(team) => {
            let mut sessions = views.get(team)?.iter();
            one(team, sessions.find(|session| session.from == *from)?)
        }
        Awaited::All => {
            let wakes =
                |session: &SessionView| session.from == *from && session.state == TeamState::Waking;
            let waking = views
                .iter()
                .filter(|(_, sessions)| sessions.iter().any(wakes));
            let names: Vec<&str> = waking.map(|(team, _)| team.as_str()).collect();
            (!names.is_empty()).then(|| format!("waking {}", names.join(", ")))
        }
    }
}

fn one(team: &TeamName, session: &SessionView) -> Option<String> {
    match (session.state, &session.doing, &session.problem) {
        (TeamState::Waking, _, None) => Some(format!("waking {team}")),
        (TeamState::Waking, _, Some(problem)) => {
            Some(format!("waking {team}: {}", problem.message))
        }
        (TeamState::Waiting, Some(doing), _) => {
            Some(format!("{team} waits for the user to decide on {doing}"))
        }
        (TeamState::Waiting, None, _) => Some(format!("{team} waits for the user to decide")),
        (TeamState::Working, Some(doing), _) => Some(format!("{team} is running {doing}")),
        (TeamState::Working, None, _) => Some(format!("{team} is working")),
        (TeamState::Trouble, _, Some(problem)) => Some(format!("{team}: {}", problem.message)),
        (TeamState::Trouble, _, None) | (TeamState::Asleep | TeamState::Idle, ..) => None,
    }
}
