//! What the commands do to the engine.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use iris_domain::{
    Problem,
    audit::{Draft, Kind},
    connection_test::StepState,
    decision::{Answer, Human, Surface, Verb},
    ids::{ApprovalId, GrantId, TeamName},
    problem::Code,
    prompt::PromptId,
    snapshot::Snapshot,
    transcript::Query,
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::error;

use super::{
    AnswerReply, Command, PendingItem, StatusReply, TestReply,
    server::{Commands, Peer},
};
use crate::{
    Engine, clock, export::Export, metrics::Page, preview, row_limit::RowLimit, secrets::Spoken,
};

#[derive(Clone)]
pub(super) struct EngineCommands {
    engine: Engine,
    show: mpsc::Sender<()>,
    refusals: Arc<Mutex<RowLimit>>,
}

impl EngineCommands {
    pub(super) fn new(engine: Engine, show: mpsc::Sender<()>) -> Self {
        Self {
            engine,
            show,
            refusals: Arc::default(),
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.engine.snapshot().borrow().clone()
    }

    async fn answer(&self, id: &str, answer: Answer) -> Result<Value, Problem> {
        let id = match named(&self.snapshot(), id) {
            // The snapshot has the latest of those that ended; who is asked knows more of them, and
            // tells a late caller who answered.
            Err(problem) if problem.code == Code::NotFound && !id.trim().is_empty() => {
                ApprovalId(id.trim().to_lowercase())
            }
            named => named?,
        };
        to_json(&self.engine.answer(id, answer, cli()).await?)
    }

    /// The missed request that a typed id means.
    fn missed(&self, typed: &str) -> Result<ApprovalId, Problem> {
        let snapshot = self.snapshot();
        let ids = snapshot.missed.iter().map(|missed| missed.id.0.as_str());
        // One that is not there is told of by who is asked for it.
        Ok(ApprovalId(
            chosen(typed, ids)?.unwrap_or_else(|| typed.to_owned()),
        ))
    }

    /// The grant that a typed id means.
    fn grant(&self, typed: &str) -> Result<GrantId, Problem> {
        let snapshot = self.snapshot();
        let ids = snapshot.grants.iter().map(|grant| grant.id.0.as_str());
        Ok(GrantId(
            chosen(typed, ids)?.unwrap_or_else(|| typed.to_owned()),
        ))
    }

    async fn answer_prompt(
        &self,
        id: &str,
        answer: Option<Spoken>,
        remember: bool,
    ) -> Result<Value, Problem> {
        let prompts = &self.engine.prompts;
        let snapshot = self.snapshot();
        let waiting = snapshot.prompts.iter().map(|prompt| prompt.id.0.as_str());
        let id = PromptId(chosen(id, waiting)?.ok_or_else(|| no_prompt(id))?);
        let kept = match answer {
            Some(answer) => prompts.answer(id, answer.0, remember, cli()).await?,
            None => {
                prompts.cancel(id, cli()).await?;
                None
            }
        };
        to_json(&AnswerReply::from(kept))
    }

    async fn forget_secret(&self, typed: &str) -> Result<Value, Problem> {
        let secrets = &self.engine.named_secrets;
        let name = secrets.forget_for(typed, cli()).await?;
        Ok(json!({ "forgotten": name }))
    }

    async fn set_secret(&self, name: String, value: Spoken) -> Result<Value, Problem> {
        let secrets = &self.engine.named_secrets;
        let kept = secrets.keep_env_for(&name, value.0, cli()).await?;
        to_json(&AnswerReply::from(Some(kept)))
    }

    async fn test(&self, team: TeamName, said: &mpsc::Sender<Value>) -> Result<Value, Problem> {
        let mut test = self.engine.test_team(team, cli()).await?;
        let mut steps = Vec::new();
        while let Some(step) = test.recv().await {
            if said.send(to_json(&step)?).await.is_err() {
                tracing::debug!("nobody hears the steps");
            }
            if step.state != StepState::Running {
                steps.push(step);
            }
        }
        to_json(&TestReply {
            ok: steps.iter().all(|step| step.state != StepState::Failed),
            steps,
        })
    }

    async fn log(
        &self,
        query: Query,
        follow: bool,
        said: &mpsc::Sender<Value>,
    ) -> Result<Value, Problem> {
        let transcripts = &self.engine.transcripts;
        let mut page = transcripts.page(query.clone()).await?;
        if follow {
            let mut following = transcripts.follow(query, page.upto);
            let mut lines = Some(std::mem::take(&mut page.lines));
            while let Some(some) = lines {
                if said.send(to_json(&some)?).await.is_err() {
                    break;
                }
                lines = following.next().await?;
            }
        }
        to_json(&page)
    }

    fn ask_to_show(&self) -> Result<Value, Problem> {
        match self.show.try_send(()) {
            // Full: it has been asked already and will show.
            Ok(()) | Err(mpsc::error::TrySendError::Full(())) => Ok(json!({})),
            Err(mpsc::error::TrySendError::Closed(())) => Err(Problem::new(
                Code::Conflict,
                "Iris is running without a window (`iris serve`)",
                "Use the `iris` commands, or end it and start the desktop app.",
            )),
        }
    }
}

impl Commands for EngineCommands {
    async fn run(&self, command: Command, steps: mpsc::Sender<Value>) -> Result<Value, Problem> {
        let engine = &self.engine;
        match command {
            Command::Status {} => to_json(&StatusReply::from(&*self.snapshot())),
            Command::Pending {} => {
                let items: Vec<PendingItem> = self
                    .snapshot()
                    .approvals
                    .iter()
                    .map(|view| PendingItem::from(&**view))
                    .collect();
                to_json(&items)
            }
            Command::Approve {
                id,
                input,
                remember,
            } => self.answer(&id, Answer::Allow { input, remember }).await,
            Command::Deny { id, message } => self.answer(&id, Answer::Deny { message }).await,
            Command::AnswerAll { ids, answer } => {
                to_json(&engine.approvals.answer_together(ids, answer, cli()).await?)
            }
            Command::Missed {} => to_json(&self.snapshot().missed),
            Command::MissedAllow { id } => {
                let id = self.missed(&id)?;
                to_json(&engine.approvals.allow_missed(id, cli()).await?)
            }
            Command::MissedDismiss { id } => {
                let id = self.missed(&id)?;
                to_json(&engine.approvals.dismiss_missed(id, cli()).await?)
            }
            Command::Grants {} => to_json(&self.snapshot().grants),
            Command::GrantRevoke { id } => {
                let id = self.grant(&id)?;
                to_json(&engine.approvals.revoke_grant(id, cli()).await?)
            }
            Command::GrantExtend { id } => {
                let id = self.grant(&id)?;
                to_json(&engine.approvals.extend_grant(id, cli()).await?)
            }
            Command::Prompts {} => to_json(&self.snapshot().prompts),
            Command::Answer {
                id,
                answer,
                remember,
            } => self.answer_prompt(&id, answer, remember).await,
            Command::SecretsList {} => to_json(&engine.named_secrets.list().await?),
            Command::SecretsForget { name } => self.forget_secret(&name).await,
            Command::SecretsSet { name, value } => self.set_secret(name, value).await,
            Command::SlackTest {} => engine.test_slack(cli()).await.map(|()| json!({})),
            Command::WebhookTest {} => to_json(&engine.test_webhooks(cli()).await),
            Command::TeamAdd { name, edit } => engine
                .config
                .add_team(name, *edit)
                .await
                .map(|()| json!({})),
            Command::TeamList {} => to_json(&self.snapshot().teams),
            Command::TeamStart { team } => to_json(&engine.start_team(team, cli()).await?),
            Command::TeamStop { team } => {
                Ok(json!({ "stopped": engine.stop_team(team, cli()).await? }))
            }
            Command::TeamRemove { team } => {
                engine.config.remove_team(team).await.map(|()| json!({}))
            }
            Command::TeamTest { team } => self.test(team, &steps).await,
            Command::Freeze { team } => to_json(&engine.freeze(team, cli()).await?),
            Command::Thaw { team } => engine.thaw(team, cli()).await.map(|()| json!({})),
            Command::KeyRevoke { team } => to_json(&engine.revoke_keys(team, cli()).await?),
            Command::KeyRotate { team } => to_json(&engine.rotate_keys(team, cli()).await?),
            Command::TunnelKill { team } => {
                engine.kill_tunnel(team, cli()).await.map(|()| json!({}))
            }
            Command::Send {
                team,
                text,
                timeout_ms,
            } => {
                let timeout = timeout_ms.map(Duration::from_millis);
                to_json(&engine.send_task(team, text, timeout, cli()).await)
            }
            Command::Interrupt { team, from } => {
                let interrupted = engine.interrupt(from, team, cli()).await?;
                Ok(json!({ "interrupted": interrupted }))
            }
            Command::Messages { team, from, limit } => {
                to_json(&engine.messages(from, team, limit).await?)
            }
            Command::MessageCancel { id } => {
                Ok(json!({ "cancelled": engine.cancel_message(id, cli()).await? }))
            }
            Command::Sessions { team } => to_json(&engine.sessions(team.as_ref()).await?),
            Command::Session { act, team, from } => act.run(engine, from, team, cli()).await,
            Command::Audit { query } => to_json(
                &engine
                    .store
                    .audit(query)
                    .await
                    .map_err(|error| error.problem())?,
            ),
            Command::AuditExport { filter, format } => {
                let store = engine.store.clone();
                let mut export = Export::begin(store, filter, format, cli()).await?;
                while let Some(text) = export.next().await? {
                    if steps.send(text.into()).await.is_err() {
                        tracing::debug!("nobody hears the steps");
                    }
                }
                Ok(json!({ "rows": export.rows() }))
            }
            Command::AuditVerify {} => to_json(
                &engine
                    .store
                    .verify()
                    .await
                    .map_err(|error| error.problem())?,
            ),
            Command::Log { query, follow } => self.log(query, follow, &steps).await,
            Command::Explain { team, tool, input } => {
                let request = preview::request(&tool, input)?;
                to_json(&engine.explain(&team, &request).await?)
            }
            Command::PolicyReplay { draft, team, limit } => {
                to_json(&engine.replay(&draft, team, limit).await?)
            }
            Command::Headers {} => Ok(json!({
                "Authorization": format!("Bearer {}", engine.tokens.console().expose()),
            })),
            Command::Metrics {} => {
                let page = Page::new(engine.store.metrics().clone(), engine.snapshot());
                page.text().map(Value::from).map_err(unwritten)
            }
            Command::MetricsToken {} => Ok(engine.tokens.scraper().expose().into()),
            Command::Show {} => self.ask_to_show(),
        }
    }

    async fn refused(&self, command: &'static str, peer: Peer) {
        self.engine.store.metrics().refused(Kind::Call, "control");
        let now = Instant::now();
        let Some(unwritten) = self
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(now)
        else {
            return;
        };
        let draft = Draft {
            caller: "unknown".to_owned(),
            input: json!({ "pid": peer.pid, "uid": peer.uid, "unwrittenBefore": unwritten }),
            decision: Verb::Deny,
            decided_by: "iris:control".to_owned(),
            ..Draft::event(clock::now(), Kind::Call, &format!("control.{command}"))
        };
        // The call is refused whether or not this can be written.
        if let Err(error) = self.engine.store.append(draft).await {
            error!(%error, command, "control: a refused call could not be recorded");
        }
    }
}

/// The approval that a typed id means: itself, or the only one that begins so. One that just ended
/// is found too, so that the caller hears who answered.
fn named(snapshot: &Snapshot, typed: &str) -> Result<ApprovalId, Problem> {
    let waiting = chosen(typed, snapshot.approvals.iter().map(|a| a.id.0.as_str()));
    let ended = || chosen(typed, snapshot.recent.iter().map(|a| a.id.0.as_str()));
    // A whole id wins over the beginning of another.
    let whole = ended().ok().flatten().filter(|id| is_same(id, typed));
    let found = match waiting {
        Ok(Some(id)) if is_same(&id, typed) => Some(id),
        waiting => match whole {
            Some(id) => Some(id),
            None => match waiting? {
                Some(id) => Some(id),
                None => ended()?,
            },
        },
    };
    found.map(ApprovalId).ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            format!("no approval `{}` is waiting", typed.trim().to_lowercase()),
            "`iris pending` lists those that wait; `iris audit` has those that ended.",
        )
    })
}

fn is_same(id: &str, typed: &str) -> bool {
    id.eq_ignore_ascii_case(typed.trim())
}

/// The id that a person means: itself, or the only one that begins so.
fn chosen<'a>(
    typed: &str,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<Option<String>, Problem> {
    let typed = typed.trim().to_lowercase();
    let matching: Vec<&str> = ids
        .into_iter()
        .filter(|id| !typed.is_empty() && id.to_lowercase().starts_with(&typed))
        .collect();
    if let Some(exact) = matching.iter().find(|id| is_same(id, &typed)) {
        return Ok(Some((*exact).to_owned()));
    }
    match matching[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.to_owned())),
        _ => Err(Problem::new(
            Code::InvalidInput,
            format!("`{typed}` can mean {}", matching.join(", ")),
            "Type one letter more.",
        )),
    }
}

fn no_prompt(typed: &str) -> Problem {
    Problem::new(
        Code::NotFound,
        format!("no prompt `{}` is waiting", typed.trim().to_lowercase()),
        "`iris prompts` lists those that wait.",
    )
}

/// The peer's user is ours (the server checked it), so our own name is the human's.
fn cli() -> Human {
    crate::human(Surface::Cli)
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(unwritten)
}

fn unwritten(error: impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::Internal,
        format!("the answer could not be written: {error}"),
        "This is a defect in Iris; please report it with the log.",
    )
}

#[cfg(test)]
mod tests {
    use iris_domain::snapshot::EndedApproval;

    use super::*;

    fn snapshot(ended: &[&str]) -> Snapshot {
        let recent = ended
            .iter()
            .map(|id| EndedApproval {
                id: ApprovalId((*id).to_owned()),
                team: "api".parse().unwrap(),
                tool: "Bash".into(),
                summary: "ls".into(),
                decision: Verb::Allow,
                decided_by: "human:tray:me".into(),
                time: clock::now(),
            })
            .collect();
        Snapshot {
            recent,
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_prefix_is_enough_while_it_is_unique() {
        let snapshot = snapshot(&["k3fq", "k3zz", "k3", "m9aa"]);
        assert_eq!(named(&snapshot, "m9").unwrap().0, "m9aa");
        assert_eq!(
            named(&snapshot, " M9AA ").unwrap().0,
            "m9aa",
            "as a person types it"
        );
        assert_eq!(
            named(&snapshot, "k3").unwrap().0,
            "k3",
            "the whole id wins over longer ones"
        );
        assert_eq!(
            named(&snapshot, "k").unwrap_err().code,
            Code::InvalidInput,
            "ambiguous"
        );
        assert_eq!(named(&snapshot, "x").unwrap_err().code, Code::NotFound);
        assert_eq!(
            named(&snapshot, "").unwrap_err().code,
            Code::NotFound,
            "nothing means nothing"
        );
    }
}
