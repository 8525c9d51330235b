//! The audit log, through the running Iris or, when none runs, straight from the database.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use iris_domain::{
    Problem,
    audit::{Filter, Format, Row},
    decision::Surface,
    problem::Code,
};
use iris_engine::{
    control::Command,
    export::{Export, cannot_write, file_for},
    runtime,
    store::{AuditQuery, ChainCheck, Store},
};

use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use crate::{
    Context, DONE, FAILED,
    args::{Audit, AuditCommand, Filters},
    output::table,
    when,
};

pub fn audit(context: &Context, audit: Audit) -> Result<u8, Problem> {
    match audit.command {
        Some(AuditCommand::Verify) => verify(context),
        Some(AuditCommand::Export {
            filters,
            format,
            output,
        }) => export(context, *filters, &format, output),
        None => {
            let limit = (audit.limit > 0).then_some(audit.limit);
            list(
                context,
                AuditQuery {
                    filter: filter(*audit.filters)?,
                    limit,
                    ..AuditQuery::default()
                },
            )
        }
    }
}

/// As it is asked of the record. What stands in a list here is one that it knows.
fn filter(given: Filters) -> Result<Filter, Problem> {
    let time = |text: Option<String>| text.map(|text| when::when(&text)).transpose();
    Ok(Filter {
        team: given.team,
        kind: known("--kind", given.kind.into())?,
        decision: known("--decision", given.decision.into())?,
        tool: given.tool,
        by: given.by,
        since: time(given.since)?,
        until: time(given.until)?,
        search: given.search,
    })
}

/// What the words of an option are; clap let only such through that are known.
pub fn known<T: DeserializeOwned>(option: &str, words: serde_json::Value) -> Result<T, Problem> {
    serde_json::from_value(words).map_err(|error| {
        Problem::new(
            Code::InvalidInput,
            format!("{option} cannot be read: {error}."),
            "`iris help` has the words that it takes.",
        )
    })
}

fn list(context: &Context, query: AuditQuery) -> Result<u8, Problem> {
    let all = query.filter.is_empty();
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
            return if all {
                "Nothing is recorded.".to_owned()
            } else {
                "No row is like that.".to_owned()
            };
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

fn export(
    context: &Context,
    filters: Filters,
    format: &str,
    output: Option<PathBuf>,
) -> Result<u8, Problem> {
    let filter = filter(filters)?;
    let format: Format = known("--format", format.into())?;
    let mut to = Destination::open(output)?;
    let running = context.client().watch(
        &Command::AuditExport {
            filter: filter.clone(),
            format,
        },
        |piece| to.take(piece.as_str().unwrap_or_default()),
    );
    match running {
        Err(problem) if problem.code == Code::Unavailable => {
            directly(context, async |store| {
                let human = iris_engine::human(Surface::Cli);
                let mut export = Export::begin(store.clone(), filter, format, human).await?;
                while let Some(piece) = export.next().await? {
                    to.take(&piece);
                }
                Ok::<(), Problem>(())
            })?;
        }
        answer => drop(answer?),
    }
    to.close()?;
    Ok(DONE)
}

/// Where an export goes. A file is there when it is whole.
enum Destination {
    Stdout(io::Result<()>),
    File(PathBuf, NamedTempFile, io::Result<()>),
}

impl Destination {
    fn open(output: Option<PathBuf>) -> Result<Self, Problem> {
        let Some(path) = output else {
            return Ok(Self::Stdout(Ok(())));
        };
        let file = file_for(&path)?;
        Ok(Self::File(path, file, Ok(())))
    }

    fn take(&mut self, text: &str) {
        match self {
            Self::Stdout(said @ Ok(())) => *said = io::stdout().lock().write_all(text.as_bytes()),
            Self::File(_, file, said @ Ok(())) => *said = file.write_all(text.as_bytes()),
            // It is told at the end.
            Self::Stdout(Err(_)) | Self::File(_, _, Err(_)) => {}
        }
    }

    fn close(self) -> Result<(), Problem> {
        match self {
            // Nobody reads any more (`… | head`): no reason to fail.
            Self::Stdout(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Self::Stdout(said) => said
                .and_then(|()| io::stdout().lock().flush())
                .map_err(|error| cannot_write(Path::new("stdout"), &error)),
            Self::File(path, file, said) => said
                .and_then(|()| file.as_file().sync_all())
                .and_then(|()| file.persist(&path).map_err(|error| error.error).map(drop))
                .map_err(|error| cannot_write(&path, &error)),
        }
    }
}

fn verify(context: &Context) -> Result<u8, Problem> {
    let check: ChainCheck = match context.client().ask(&Command::AuditVerify {}) {
        Err(problem) if problem.code == Code::Unavailable => {
            directly(context, async |store| store.verify().await)?.unwrap_or(ChainCheck {
                rows: 0,
                pruned: None,
                broken: None,
            })
        }
        answer => answer?,
    };
    context.out.show(&check, || said(&check))?;
    Ok(if check.broken.is_none() { DONE } else { FAILED })
}

fn said(check: &ChainCheck) -> String {
    let rows = check.rows;
    match (&check.broken, &check.pruned) {
        (Some((row, why)), _) => format!("BROKEN at row {row}: {why} ({rows} rows were read)."),
        (None, None) => format!("{rows} rows, the chain is whole."),
        (None, Some(anchor)) => format!(
            "Rows 1 to {} were pruned, the last of them on {}; the rest, {rows} rows, is whole.",
            anchor.seq,
            anchor.time.strftime("%Y-%m-%d")
        ),
    }
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
