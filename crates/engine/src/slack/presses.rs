//! What people press: each press is looked at in a task of its own, a few at once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    config::SlackSettings,
    decision::Verb,
    slack::{Asked, Press, blocks},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::api::Api;
use crate::{Engine, clock, row_limit::RowLimit};

/// Presses that are looked at at once. One takes as long as Slack takes to be told of it; who presses more than
/// this within that time is no person.
const AT_ONCE_MAX: usize = 16;

/// The presses that are being looked at.
#[derive(Debug, Default)]
pub(super) struct Presses {
    running: JoinSet<()>,
    strangers: Arc<Mutex<RowLimit>>,
}

impl Presses {
    /// Has one looked at. `known`: the message is kept true anyway.
    pub fn take(
        &mut self,
        engine: Engine,
        api: Api,
        settings: &SlackSettings,
        press: Press,
        known: bool,
    ) {
        if self.running.len() >= AT_ONCE_MAX {
            tracing::warn!(
                user = press.user,
                "Slack: a press is dropped, because too many came at once."
            );
            return;
        }
        let asked = press.asks(settings, &**engine.approvals.watch().borrow());
        let strangers = Arc::clone(&self.strangers);
        self.running.spawn(async move {
            Box::pin(look(&engine, &api, &press, asked, known, &strangers)).await;
        });
    }

    /// One of them is done; never while there is none.
    pub async fn settled(&mut self) {
        match self.running.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "Slack: a press was not looked at."),
            None => std::future::pending().await,
        }
    }
}

async fn look(
    engine: &Engine,
    api: &Api,
    press: &Press,
    asked: Asked,
    known: bool,
    strangers: &Mutex<RowLimit>,
) {
    match asked {
        Asked::Answer(answer) => {
            let answered = engine.answer(press.id.clone(), answer, press.human()).await;
            // What it came to is in the message.
            if let Err(problem) = answered {
                tell(api, press, blocks::told(&problem)).await;
            }
        }
        Asked::Details(details) => tell(api, press, details).await,
        Asked::Refused(problem) => {
            tell(api, press, blocks::told(&problem)).await;
            let view = Arc::clone(&engine.approvals.watch().borrow());
            let waits = view.pending.iter().any(|view| view.id == press.id);
            if !known && !waits {
                // Of an earlier Iris: nobody else will say there that it is over.
                let ended = view.recent.iter().find(|ended| ended.id == press.id);
                let updated = api.update(&press.place, blocks::late(ended)).await;
                if let Err(error) = updated {
                    tracing::debug!(%error, "Slack: an old message stays as it is.");
                }
            }
        }
        Asked::Stranger(problem) => {
            refused(engine, press, &problem, strangers).await;
            tell(api, press, blocks::told(&problem)).await;
        }
    }
}

/// A stranger's press has a row, as far as there are not too many.
async fn refused(engine: &Engine, press: &Press, problem: &Problem, strangers: &Mutex<RowLimit>) {
    engine.store.metrics().refused(Kind::Auth, "slack");
    let admitted = strangers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .admit(Instant::now());
    let Some(unwritten) = admitted else {
        return;
    };
    tracing::warn!(
        user = press.user,
        problem = problem.message,
        "Slack: a press was refused."
    );
    engine
        .note(Draft {
            caller: "unknown".to_owned(),
            input: json!({
                "approval": iris_domain::display::one_line(&press.id.0, 80),
                "button": press.action.as_str(),
                "name": press.name,
                "unwrittenBefore": unwritten,
                "user": press.user,
            }),
            decision: Verb::Deny,
            decided_by: "iris:slack".to_owned(),
            ..Draft::event(clock::now(), Kind::Auth, "slack.press")
        })
        .await;
}

async fn tell(api: &Api, press: &Press, message: Value) {
    let told = api.tell(&press.place.channel, &press.user, message).await;
    if let Err(error) = told {
        tracing::warn!(%error, "Slack: somebody who pressed a button was not answered.");
    }
}
