//! `iris agent`: kinds of agents, with and without a running Iris.

use std::path::Path;

use iris_domain::{Problem, display::visible};
use iris_engine::{
    agents::{Agents, Folder, Wanted},
    runtime,
};
use serde_json::json;

use crate::{Context, DONE, args::Agent, output::table};

pub fn agent(context: &Context, command: Agent) -> Result<u8, Problem> {
    runtime()?.block_on(done(context, command))
}

async fn done(context: &Context, command: Agent) -> Result<u8, Problem> {
    // The project is named by the user, who may read it: which one it is, is their choice.
    let folder = |path: &Path| Folder::project(path, Path::new("."));
    let agents = Agents::apart(&context.home, context.env.clone());
    match command {
        Agent::List(of) => {
            let project = of.project.as_deref().map(folder).transpose()?;
            let kinds = agents.kinds(project).await?;
            let all: Vec<_> = kinds
                .iter()
                .map(|kind| json!({ "name": kind.name, "description": kind.description, "file": kind.file }))
                .collect();
            context.out.show(&json!({ "kinds": all }), || {
                let rows = kinds.iter().map(|kind| {
                    let file = kind.file.as_ref().map(|file| file.display().to_string());
                    let from = file.unwrap_or_else(|| "Iris".to_owned());
                    [kind.name.clone(), kind.description.clone(), visible(&from)]
                });
                table(["KIND", "WHAT IT DOES", "FROM"], rows)
            })?;
        }
        Agent::Show {
            kind,
            project,
            diff,
        } => {
            // Where git is given a folder to work in.
            context.home.prepare()?;
            let wanted = Wanted {
                kind,
                project: project.project.as_deref().map(folder).transpose()?,
                git_diff: diff,
                ..Wanted::default()
            };
            let told = agents.prompt(wanted).await?;
            let shown = json!({ "prompt": told.prompt, "notes": told.notes });
            context.out.show(&shown, || visible(&told.prompt))?;
        }
    }
    Ok(DONE)
}
