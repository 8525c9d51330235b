//! `iris config`: works without a running Iris.

use iris_domain::{Problem, config, problem::Code};
use serde_json::json;

use crate::{Context, DONE, FAILED, args::Config};

pub fn config(context: &Context, command: Config) -> Result<u8, Problem> {
    match command {
        Config::Check { file } => {
            let default = file.is_none();
            let path = file.unwrap_or_else(|| context.home.config());
            let shown = path.display().to_string();
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                // No file is an empty config, but a file that was named must be there.
                Err(error) if default && error.kind() == std::io::ErrorKind::NotFound => {
                    context
                        .out
                        .show(&json!({ "ok": true, "problems": [] }), || {
                            format!("{shown} is not there; the defaults hold.")
                        })?;
                    return Ok(DONE);
                }
                Err(error) => {
                    let code = match error.kind() {
                        std::io::ErrorKind::NotFound => Code::NotFound,
                        _ => Code::Storage,
                    };
                    return Err(Problem::new(
                        code,
                        format!("cannot read {shown}: {error}"),
                        "Give the path of a config file that you may read.",
                    ));
                }
            };
            check(context, &shown, &text)
        }
        Config::Schema => {
            context.out.line(&config::schema());
            Ok(DONE)
        }
    }
}

fn check(context: &Context, shown: &str, text: &str) -> Result<u8, Problem> {
    let parsed = config::parse(text, |name| context.env.text(name).map(str::to_owned));
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
        })?;
    Ok(if ok { DONE } else { FAILED })
}
