//! `iris config`: works without a running Iris.

use std::path::Path;

use iris_domain::{
    Problem,
    config::{self, Parsed},
    problem::Code,
};
use serde_json::json;

use crate::{Context, DONE, FAILED, args::Config};

pub fn config(context: &Context, command: Config) -> Result<u8, Problem> {
    match command {
        Config::Check { file } => {
            let default = file.is_none();
            let path = file.unwrap_or_else(|| context.home.config());
            match read(&path) {
                Ok(text) => check(context, &path, &text),
                // No file is an empty config, but a file that was named must be there.
                Err(problem) if default && problem.code == Code::NotFound => {
                    let shown = path.display();
                    context
                        .out
                        .show(&json!({ "ok": true, "problems": [] }), || {
                            format!("{shown} is not there; the defaults hold.")
                        })?;
                    Ok(DONE)
                }
                Err(problem) => Err(problem),
            }
        }
        Config::Schema => {
            context.out.line(&config::schema());
            Ok(DONE)
        }
    }
}

/// The text of a config file.
pub fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => Code::NotFound,
            _ => Code::Storage,
        };
        Problem::new(
            code,
            format!("cannot read {}: {error}", path.display()),
            "Give the path of a config file that you may read.",
        )
    })
}

/// What a config file's text says; `None`: it has errors, and all of them are told.
pub fn checked(
    context: &Context,
    path: &Path,
    text: &str,
) -> Result<Option<config::Config>, Problem> {
    let parsed = parsed(context, text);
    if parsed.config.is_none() {
        tell(context, path, &parsed)?;
    }
    Ok(parsed.config)
}

fn check(context: &Context, path: &Path, text: &str) -> Result<u8, Problem> {
    let parsed = parsed(context, text);
    tell(context, path, &parsed)?;
    Ok(if parsed.config.is_some() {
        DONE
    } else {
        FAILED
    })
}

fn parsed(context: &Context, text: &str) -> Parsed {
    config::parse(text, |name| context.env.text(name).map(str::to_owned))
}

fn tell(context: &Context, path: &Path, parsed: &Parsed) -> Result<(), Problem> {
    let shown = path.display();
    let ok = parsed.problems.is_empty() && parsed.config.is_some();
    let problems: Vec<_> = parsed
        .problems
        .iter()
        .map(|p| {
            json!({
                "line": p.line, "column": p.column, "path": p.path,
                "message": p.message, "hint": p.hint,
            })
        })
        .collect();
    context
        .out
        .show(&json!({ "ok": ok, "problems": problems }), || {
            if ok {
                let teams = parsed
                    .config
                    .as_ref()
                    .map_or(0, |config| config.teams.len());
                return format!("{shown} is fine: {teams} team(s).");
            }
            let lines: Vec<String> = parsed
                .problems
                .iter()
                .map(|p| {
                    let at = if p.path.is_empty() {
                        String::new()
                    } else {
                        format!("{}: ", p.path)
                    };
                    format!(
                        "{shown}:{}:{}: {at}{}\n  hint: {}",
                        p.line, p.column, p.message, p.hint
                    )
                })
                .collect();
            iris_domain::display::visible(&lines.join("\n"))
        })
}
