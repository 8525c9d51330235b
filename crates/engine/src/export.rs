//! The record given out as a text, a piece at a time: a log of any length is never in memory.

use std::{io, path::Path};

use iris_domain::{
    Problem,
    audit::{Draft, Filter, Format, Kind},
    decision::{AllowedBy, Human},
    ids::Party,
    problem::Code,
};
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use crate::{
    clock,
    store::{AuditQuery, Store},
};

/// Rows of a piece.
const PAGE: u32 = 256;

/// An export that runs. It holds what was recorded before it began.
#[derive(Debug)]
pub struct Export {
    store: Store,
    format: Format,
    query: AuditQuery,
    rows: u64,
    begun: bool,
}

impl Export {
    /// Begins one. Who took the record out is in the record, before anything is given out.
    ///
    /// # Errors
    /// `Storage`: that cannot be written.
    pub async fn begin(
        store: Store,
        filter: Filter,
        format: Format,
        human: Human,
    ) -> Result<Self, Problem> {
        let row = Draft {
            caller: Party::CONSOLE.to_owned(),
            decided_by: AllowedBy::Human(human).to_string(),
            input: json!({"filter": filter, "format": format.as_str()}),
            ..Draft::event(clock::now(), Kind::Operation, "audit.exported")
        };
        let own = store.append(row).await.map_err(|error| error.problem())?;
        Ok(Self {
            store,
            format,
            query: AuditQuery {
                filter,
                after: Some(0),
                before: Some(own),
                limit: Some(PAGE),
            },
            rows: 0,
            begun: false,
        })
    }

    /// How many rows were given out.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next piece, oldest rows first; `None`: that was all.
    ///
    /// # Errors
    /// `Storage`: the log cannot be read.
    pub async fn next(&mut self) -> Result<Option<String>, Problem> {
        let rows = self.store.audit(self.query.clone()).await;
        let rows = rows.map_err(|error| error.problem())?;
        let mut text = if self.begun {
            String::new()
        } else {
            self.format.head()
        };
        self.begun = true;
        for row in &rows {
            let line = self.format.line(row).map_err(|error| {
                Problem::new(
                    Code::Internal,
                    format!("row {} cannot be written: {error}", row.seq),
                    "`iris audit verify` says whether the audit log is whole.",
                )
            })?;
            text.push_str(&line);
            self.query.after = Some(row.seq);
            self.rows += 1;
        }
        Ok((!text.is_empty()).then_some(text))
    }

    /// Writes all of it to a file that only the user can read, in place of what is there; says how
    /// many rows. The file is whole, or not there.
    ///
    /// # Errors
    /// `Storage`: the log cannot be read, or the file cannot be written.
    pub async fn write_to(mut self, path: &Path) -> Result<u64, Problem> {
        let failed = |error: io::Error| cannot_write(path, &error);
        let (file, place) = file_for(path)?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        while let Some(text) = self.next().await? {
            file.write_all(text.as_bytes()).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)?;
        place.persist(path).map_err(|error| failed(error.error))?;
        Ok(self.rows)
    }
}

/// A file that only the user can read, to be put at this path when it is whole.
///
/// # Errors
/// `Storage`: there can be none beside it.
pub fn file_for(path: &Path) -> Result<NamedTempFile, Problem> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    NamedTempFile::new_in(folder).map_err(|error| cannot_write(path, &error))
}

/// Said when an export cannot be written where it is to be.
pub fn cannot_write(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        Code::Storage,
        format!("cannot write {}: {error}", path.display()),
        "Choose another place, or make room there.",
    )
}

#[cfg(test)]
mod tests {
    use iris_domain::{decision::Surface, decision::Verb};
    use serde_json::Value;

    use super::*;
    use crate::{home::Home, human};

    #[tokio::test]
    async fn what_is_meant_is_given_out_and_that_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Home::at(folder.path().join("home")))
            .await
            .unwrap()
            .store;
        for n in 0..700_u64 {
            let row = Draft {
                team: if n.is_multiple_of(2) { "alpha" } else { "beta" }.into(),
                input: json!({ "n": n }),
                ..Draft::event(clock::now(), Kind::Operation, "team.start")
            };
            store.append(row).await.unwrap();
        }
        let filter = Filter {
            team: Some("beta".into()),
            ..Filter::default()
        };
        let begin =
            |format| Export::begin(store.clone(), filter.clone(), format, human(Surface::Cli));
        let file = folder.path().join("out.jsonl");
        std::fs::write(&file, "old").unwrap();
        assert_eq!(
            begin(Format::Jsonl).await.unwrap().write_to(&file).await,
            Ok(350)
        );
        let text = std::fs::read_to_string(&file).unwrap();
        let rows: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 350);
        assert_eq!(
            (&rows[0]["seq"], &rows[349]["seq"]),
            (&json!(2), &json!(700))
        );
        let file = folder.path().join("out.csv");
        assert_eq!(
            begin(Format::Csv).await.unwrap().write_to(&file).await,
            Ok(350)
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 351);

        let newest = store.audit(AuditQuery::default()).await.unwrap();
        let row = &newest[1].draft;
        assert_eq!(row.tool, "audit.exported");
        assert_eq!(
            row.input,
            json!({"filter": {"team": "beta"}, "format": "jsonl"})
        );
        assert!(
            row.decided_by.starts_with("human:cli:"),
            "{}",
            row.decided_by
        );
        assert_eq!(row.decision, Verb::Noted);

        let nowhere = folder.path().join("not there").join("out.csv");
        let problem = begin(Format::Csv)
            .await
            .unwrap()
            .write_to(&nowhere)
            .await
            .unwrap_err();
        assert!(problem.message.contains("not there"), "{problem:?}");
        // Nothing is given out that is not recorded.
        store
            .sql("CREATE TRIGGER t BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
            .await
            .unwrap();
        assert_eq!(begin(Format::Csv).await.unwrap_err().code, Code::Storage);
    }
}
