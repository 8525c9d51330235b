//! The audit log, through the running Iris or, when none runs, straight from the database.

use iris_domain::{Problem, audit::Row, problem::Code};
use iris_engine::{
    control::Command,
    runtime,
    store::{AuditQuery, ChainCheck, Store},
};

use crate::{
    Context, DONE, FAILED,
    args::{Audit, AuditCommand},
    output::table,
};

pub fn audit(context: &Context, audit: Audit) -> Result<u8, Problem> {
    match audit.command {
        Some(AuditCommand::Verify) => verify(context),
        None => {
            let limit = (audit.limit > 0).then_some(audit.limit);
            list(
                context,
                AuditQuery {
                    team: audit.team,
                    before: None,
                    limit,
                },
            )
        }
    }
}

fn list(context: &Context, query: AuditQuery) -> Result<u8, Problem> {
    let running = context.client().ask(&Command::Audit {
        query: query.clone(),
    });
    let rows: Vec<Row> = match running {
        Err(problem) if problem.code == Code::Unavailable => {
            directly(context, async |store| store.audit(query).await)?.unwrap_or_default()
        }
        answer => answer?,
    };
    context.out.show(&rows, || {
        if rows.is_empty() {
            return "Nothing is recorded.".to_owned();
        }
        table(
            [
                "SEQ", "TIME", "CALLER", "TEAM", "TOOL", "DECISION", "BY", "INPUT",
            ],
            rows.iter().map(|row| {
                let draft = &row.draft;
                let input = match &draft.input {
                    serde_json::Value::Null => String::new(),
                    input => iris_domain::display::one_line(
                        &input.to_string(),
                        iris_domain::display::SUMMARY_MAX,
                    ),
                };
                [
                    row.seq.to_string(),
                    draft.time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                    draft.caller.clone(),
                    draft.team.clone(),
                    draft.tool.clone(),
                    draft.decision.as_str().to_owned(),
                    draft.decided_by.clone(),
                    input,
                ]
            }),
        )
    })?;
    Ok(DONE)
}

fn verify(context: &Context) -> Result<u8, Problem> {
    let check: ChainCheck = match context.client().ask(&Command::AuditVerify {}) {
        Err(problem) if problem.code == Code::Unavailable => {
            directly(context, async |store| store.verify().await)?.unwrap_or(ChainCheck {
                rows: 0,
                broken: None,
            })
        }
        answer => answer?,
    };
    context.out.show(&check, || match &check.broken {
        None => format!("{} rows, the chain is whole.", check.rows),
        Some((row, why)) => {
            format!(
                "BROKEN at row {row}: {why} ({} rows were read).",
                check.rows
            )
        }
    })?;
    Ok(if check.broken.is_none() { DONE } else { FAILED })
}

/// Opens the database under the home's lock, so that no Iris starts meanwhile. `None`: there is no
/// database yet.
pub fn directly<T, E: Into<Problem>>(
    context: &Context,
    work: impl AsyncFnOnce(&Store) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    if !context.home.database().exists() {
        return Ok(None);
    }
    let _lock = context.home.lock()?;
    runtime()?.block_on(async {
        let opened = Store::open(&context.home).await.map_err(Problem::from)?;
        if let Some(problem) = &opened.problem {
            context.out.problem(problem);
        }
        let result = work(&opened.store).await;
        opened.store.close().await;
        result.map(Some).map_err(Into::into)
    })
}
