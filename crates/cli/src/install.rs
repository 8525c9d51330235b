//! `iris install` and `uninstall`: Iris's MCP server in the user's own Claude Code.
//!
//! Claude Code keeps the servers of user scope in `mcpServers` of `~/.claude.json`, or of
//! `$CLAUDE_CONFIG_DIR/.claude.json` (measured with `claude mcp add-json -s user`, 2.1.330). The
//! entry holds no token: Claude Code runs its `headersHelper` whenever it connects.

mod splice;

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use iris_domain::{Problem, config, problem::Code};
use iris_engine::control::{Command, StatusReply};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Context, DONE};
use splice::{Entry, SpliceError, Undo};

/// What was done, in `$IRIS_HOME/installed.json`, so that it can be undone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// The changed file.
    file: PathBuf,
    /// Whether it was made for this.
    created: bool,
    /// What was put in.
    entry: Entry,
    /// How to take it out.
    undo: Undo,
}

pub fn install(context: &Context) -> Result<u8, Problem> {
    let file = claude_config(context)?;
    let entry = entry(context)?;
    let earlier = read_record(context)?;
    if let Some(earlier) = &earlier
        && earlier.file != file
    {
        return Err(Problem::new(
            Code::Conflict,
            format!("Iris is registered in {} already", earlier.file.display()),
            "Run `iris uninstall` first.",
        ));
    }
    let before = read(&file)?;
    let text = before.as_deref().unwrap_or("{}\n");
    let problem = |error| splice_problem(&file, &error);
    let present = splice::current(text).map_err(problem)?;
    let is = |entry: &Entry| present == serde_json::to_value(entry).ok();
    let ours = earlier.filter(|earlier| is(&earlier.entry));
    let told = json!({ "file": file, "server": "iris", "entry": entry });
    if ours.as_ref().is_some_and(|ours| ours.entry == entry) {
        context.out.show(&told, || {
            format!(
                "MCP server iris is registered in {} already.",
                file.display()
            )
        })?;
        return Ok(DONE);
    }
    let (with, fresh) = splice::add(text, &entry).map_err(problem)?;
    let record = match ours {
        // An older entry of ours: what it replaced is still what an undo brings back.
        Some(ours) => Record {
            entry: entry.clone(),
            ..ours
        },
        None => Record {
            file: file.clone(),
            created: before.is_none(),
            entry: entry.clone(),
            undo: fresh,
        },
    };
    let backup = backup(&file);
    if let Some(before) = &before {
        write(&backup, before, None)?;
    }
    // The record first: a change without it could not be undone, a record without the change is
    // harmless.
    write_record(context, &record)?;
    write(&file, &with, Some(before.as_deref()))?;
    context.out.show(&told, || {
        let kept = match before {
            Some(_) => format!("\nThe file as it was: {}", backup.display()),
            None => String::new(),
        };
        format!(
            "Registered MCP server iris ({}) in {}.{kept}\nA new Claude Code session has it; `iris uninstall` undoes this.",
            entry.url,
            file.display()
        )
    })?;
    Ok(DONE)
}

pub fn uninstall(context: &Context) -> Result<u8, Problem> {
    let Some(record) = read_record(context)? else {
        return Err(Problem::new(
            Code::NotFound,
            "Iris has no record of an `iris install`",
            "`claude mcp remove iris -s user` removes an entry that was made otherwise.",
        ));
    };
    let before = read(&record.file)?;
    let file = &record.file;
    let done = match before
        .as_deref()
        .map(|text| splice::remove(text, &record.entry, &record.undo))
    {
        None | Some(Err(SpliceError::Gone)) => "It was gone already from",
        Some(Err(error)) => return Err(splice_problem(file, &error)),
        Some(Ok(text)) => {
            let empty = text
                .parse::<serde_json::Value>()
                .is_ok_and(|value| value == json!({}));
            if record.created && empty {
                fs::remove_file(file).map_err(|error| io_problem("remove", file, &error))?;
            } else {
                write(file, &text, Some(before.as_deref()))?;
            }
            "Removed MCP server iris from"
        }
    };
    for path in [backup(file), record_path(context)] {
        remove_if_there(&path)?;
    }
    context
        .out
        .show(&json!({ "file": file, "server": "iris" }), || {
            format!("{done} {}.", file.display())
        })?;
    Ok(DONE)
}

/// Where Claude Code keeps the servers of user scope.
fn claude_config(context: &Context) -> Result<PathBuf, Problem> {
    let dir = match context.env.text("CLAUDE_CONFIG_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => context.env.home_dir().ok_or_else(|| {
            Problem::new(
                Code::InvalidInput,
                "HOME does not say where Claude Code keeps its config",
                "Set HOME, or CLAUDE_CONFIG_DIR if your Claude Code uses it.",
            )
        })?,
    };
    let path = dir.join(".claude.json");
    // A link (dotfiles kept elsewhere) stays one: its target is what changes.
    match path.canonicalize() {
        Ok(target) => Ok(target),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::path::absolute(&path).map_err(|error| io_problem("find", &path, &error))
        }
        Err(error) => Err(io_problem("find", &path, &error)),
    }
}

fn entry(context: &Context) -> Result<Entry, Problem> {
    let status: Result<StatusReply, Problem> = context.client().ask(&Command::Status {});
    let url = match status {
        Ok(status) => status.endpoint,
        Err(problem) if problem.code == Code::Unavailable => {
            format!("http://127.0.0.1:{}/mcp", configured_port(context))
        }
        Err(problem) => return Err(problem),
    };
    let iris = std::env::current_exe().map_err(|error| {
        Problem::new(
            Code::Internal,
            format!("the system does not say where `iris` lies: {error}"),
            "Start it with its whole path.",
        )
    })?;
    let quoted = |path: &Path| match path.to_str() {
        Some(path) => Ok(shell_words::quote(path).into_owned()),
        None => Err(Problem::new(
            Code::InvalidInput,
            format!("{} is not UTF-8, which JSON needs", path.display()),
            "Move it to a path that is.",
        )),
    };
    // The user's Claude Code may run without the variable that this command runs with.
    let home = match context.env.text("IRIS_HOME") {
        Some(_) => format!("IRIS_HOME={} ", quoted(context.home.root())?),
        None => String::new(),
    };
    let headers_helper = format!("{home}{} headers", quoted(&iris)?);
    Ok(Entry {
        kind: "http".to_owned(),
        url,
        headers_helper,
    })
}

/// The port that the next start takes; a config that cannot be read gives none.
fn configured_port(context: &Context) -> u16 {
    let given = context
        .env
        .text("IRIS_HTTP_PORT")
        .and_then(|text| text.parse().ok());
    let configured = || {
        let text = fs::read_to_string(context.home.config()).ok()?;
        let parsed = config::parse(&text, |name| context.env.text(name).map(str::to_owned));
        Some(parsed.config?.settings.http_port)
    };
    given
        .or_else(configured)
        .unwrap_or_else(|| config::Settings::default().http_port)
}

fn backup(file: &Path) -> PathBuf {
    file.with_file_name(".claude.json.before-iris")
}

fn record_path(context: &Context) -> PathBuf {
    context.home.root().join("installed.json")
}

fn read_record(context: &Context) -> Result<Option<Record>, Problem> {
    let path = record_path(context);
    let Some(text) = read(&path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Problem::new(
            Code::Storage,
            format!("{} cannot be used: {error}", path.display()),
            "Remove that file, and the entry with `claude mcp remove iris -s user`.",
        )
    })
}

fn write_record(context: &Context, record: &Record) -> Result<(), Problem> {
    context.home.prepare()?;
    let path = record_path(context);
    let text = serde_json::to_string_pretty(record)
        .map_err(|error| io_problem("write", &path, &io::Error::other(error)))?;
    write(&path, &text, None)
}

fn read(path: &Path) -> Result<Option<String>, Problem> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_problem("read", path, &error)),
    }
}

/// Replaces the file in one step; its mode stays, a new one is the user's alone. With `expected`,
/// only if it still holds that: a running Claude Code rewrites its file often.
fn write(path: &Path, text: &str, expected: Option<Option<&str>>) -> Result<(), Problem> {
    let failed = |error: io::Error| io_problem("write", path, &error);
    let dir = path
        .parent()
        .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let mode = match fs::metadata(path) {
        Ok(meta) => meta.permissions().mode() & 0o777,
        Err(_) => 0o600,
    };
    let mut fresh = tempfile::Builder::new()
        .prefix(".iris-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir)
        .map_err(failed)?;
    fresh.write_all(text.as_bytes()).map_err(failed)?;
    fresh.as_file().sync_all().map_err(failed)?;
    if let Some(expected) = expected
        && read(path)?.as_deref() != expected
    {
        return Err(Problem::new(
            Code::Busy,
            format!(
                "{} was changed by another program meanwhile",
                path.display()
            ),
            "Run the command again; nothing was changed.",
        ));
    }
    fresh.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), Problem> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_problem("remove", path, &error)),
    }
}

fn io_problem(doing: &str, path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        Code::Storage,
        format!("cannot {doing} {}: {error}", path.display()),
        "Check that it and its directory are yours and writable.",
    )
}

fn splice_problem(file: &Path, error: &SpliceError) -> Problem {
    let (code, hint) = match error {
        SpliceError::NotJson(_) | SpliceError::NotObject(_) => (
            Code::Conflict,
            "Mend the file (Claude Code cannot read it either), then try again.",
        ),
        SpliceError::Gone => (Code::NotFound, "There is nothing to undo."),
        SpliceError::Changed => (
            Code::Conflict,
            "It was left alone. `claude mcp remove iris -s user` removes it as it is now.",
        ),
    };
    Problem::new(
        code,
        format!("{} is left as it is: {error}", file.display()),
        hint,
    )
}

#[cfg(test)]
#[path = "install/tests.rs"]
mod tests;
