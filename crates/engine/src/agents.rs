//! What an agent of a kind is told to be: its template, filled with what is found out about a project.
//!
//! A template comes from the project (`.iris/templates/KIND.hbs`), from the user
//! (`$IRIS_HOME/templates/KIND.hbs`) or with Iris, in this order.

mod folder;
mod reach;
mod template;

use std::{io, path::PathBuf, sync::Arc};

use iris_domain::{
    Problem,
    agent::{self, BUILT_IN, ContextFile, Found, Project},
    config::Config,
    problem::Code,
};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::{environment::Environment, git, home::Home, process::Processes};
pub use folder::Folder;
pub(crate) use folder::read_within;
pub use reach::Reached;
use template::Template;

/// So much JSON tells an agent enough.
pub const CONTEXT_MAX: usize = 256 * 1024;
/// Prompts that are put together at once.
const AT_ONCE_MAX: usize = 2;
/// A template may be nested as deep as its length lets it.
const STACK: usize = 64 * 1024 * 1024;

/// Knows the kinds; cheap to clone.
#[derive(Debug, Clone)]
pub struct Agents {
    config: watch::Receiver<Arc<Config>>,
    /// What paths in the config are relative to.
    base: PathBuf,
    templates: PathBuf,
    scratch: PathBuf,
    env: Environment,
    processes: Processes,
    turns: Arc<Semaphore>,
}

/// A kind that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// What `agentType` says.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Where its template is; `None` when it comes with Iris.
    pub file: Option<PathBuf>,
}

/// What is wanted of a kind.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The kind's name.
    pub kind: String,
    /// The project; without one the prompt says nothing of any.
    pub project: Option<Folder>,
    /// Whether it has what is changed and not committed.
    pub git_diff: bool,
    /// Further variables; they win over what was found out.
    pub context: Map<String, Value>,
    /// What could not be read already, a sentence each.
    pub notes: Vec<String>,
}

/// What the agent is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The prompt.
    pub prompt: String,
    /// What could not be read; it stands in the prompt of Iris's own kinds, too.
    pub notes: Vec<String>,
}

impl Agents {
    /// With the user's templates in this home, for the teams of this config.
    pub fn new(
        home: &Home,
        config: watch::Receiver<Arc<Config>>,
        env: Environment,
        processes: Processes,
    ) -> Self {
        Self {
            config,
            base: home.root().to_owned(),
            templates: home.templates(),
            scratch: home.run(),
            env,
            processes,
            turns: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }

    /// For a program that serves nobody but the user: no team's project is known.
    pub fn apart(home: &Home, env: Environment) -> Self {
        let config = watch::channel(Arc::default()).1;
        Self::new(home, config, env, Processes::new(&TaskTracker::new()))
    }

    /// The kinds that there are, for this project.
    ///
    /// # Errors
    /// When a folder of templates cannot be read.
    pub async fn kinds(&self, project: Option<Folder>) -> Result<Vec<Kind>, Problem> {
        let templates = self.templates.clone();
        self.turn(move || kinds(&Folder::users(templates)?, project.as_ref()))
            .await
    }

    /// The prompt of a kind.
    ///
    /// # Errors
    /// When there is no such kind, its template is wrong (with file and line), or the project's
    /// `.iris/context.yaml` is.
    pub async fn prompt(&self, wanted: Wanted) -> Result<Told, Problem> {
        let Wanted {
            kind,
            project,
            git_diff,
            context,
            mut notes,
        } = wanted;
        let templates = self.templates.clone();
        let (template, mut data, path) = self
            .turn(move || {
                let users = Folder::users(templates)?;
                let template = find(&kind, &users, project.as_ref())?;
                let data = match &project {
                    Some(folder) => of_project(folder, &kind)?,
                    None => Map::new(),
                };
                let path = project.map(|folder| folder.path().to_owned());
                Ok((template, data, path))
            })
            .await?;
        if let Some(Value::Array(found)) = data.remove("notes") {
            notes.extend(found.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        match path {
            Some(path) if git_diff => {
                match git::diff(&self.processes, &self.env, &self.scratch, &path).await {
                    Ok(diff) => {
                        if diff.text.is_empty() {
                            notes.push("Nothing is changed since the last commit.".to_owned());
                        }
                        if diff.cut {
                            notes.push(
                                "The git diff is longer; only its beginning is shown.".to_owned(),
                            );
                        }
                        data.insert("gitDiff".to_owned(), diff.text.into());
                    }
                    Err(why) => notes.push(format!("There is no git diff: {why}.")),
                }
            }
            Some(_) => {}
            None if git_diff => {
                notes.push("There is no git diff, because no project was read.".to_owned());
            }
            None => {}
        }
        data.insert("notes".to_owned(), notes.clone().into());
        data.extend(context);
        let prompt = self
            .turn(move || template.fill(&Value::Object(data)))
            .await?;
        Ok(Told { prompt, notes })
    }

    /// Runs what reads files or takes a template apart, on a thread with room for deep nesting.
    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let lost = || {
            Problem::new(
                Code::Internal,
                "Iris could not read the template",
                "Try again; the log of Iris says more.",
            )
        };
        // It is held by the thread: who hangs up does not make room for another.
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| lost())?;
        let (done, result) = oneshot::channel();
        std::thread::Builder::new()
            .name("agents".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let _turn = turn;
                if done.send(work()).is_err() {
                    tracing::debug!("nobody waits for the prompt");
                }
            })
            .map_err(|error| {
                tracing::error!(%error, "no thread for a template");
                lost()
            })?;
        result.await.map_err(|_| lost())?
    }
}

fn kinds(users: &Folder, project: Option<&Folder>) -> Result<Vec<Kind>, Problem> {
    let mut all: Vec<Kind> = BUILT_IN
        .iter()
        .map(|kind| Kind {
            name: kind.name.to_owned(),
            description: kind.description.to_owned(),
            file: None,
        })
        .collect();
    for (folder, whose) in project
        .map(|it| (it, "the project"))
        .into_iter()
        .chain([(users, "the user")])
    {
        for (name, file) in folder.templates()? {
            match all.iter_mut().find(|kind| kind.name == name) {
                // The project's wins over the user's.
                Some(known) if known.file.is_none() => known.file = Some(file),
                Some(_) => {}
                None => all.push(Kind {
                    name,
                    description: format!("A kind of {whose}."),
                    file: Some(file),
                }),
            }
        }
    }
    Ok(all)
}

fn find(kind: &str, users: &Folder, project: Option<&Folder>) -> Result<Template, Problem> {
    if agent::is_name(kind) {
        for folder in project.into_iter().chain([users]) {
            if let Some((file, text)) = folder.template(kind)? {
                return Template::parse(kind, &file.display().to_string(), &text);
            }
        }
        if let Some(kind) = agent::built_in(kind) {
            return Template::parse(kind.name, kind.name, kind.template);
        }
    }
    let all: Vec<String> = kinds(users, project)?
        .into_iter()
        .map(|kind| kind.name)
        .collect();
    Err(Problem::new(
        Code::NotFound,
        format!("there is no agent type {kind:?}"),
        format!(
            "There are {}. A file .iris/templates/KIND.hbs adds one.",
            all.join(", ")
        ),
    ))
}

fn of_project(folder: &Folder, kind: &str) -> Result<Map<String, Value>, Problem> {
    const CONTEXT: &str = ".iris/context.yaml";
    let mut notes = Vec::new();
    let context = match folder.text(CONTEXT)? {
        Some(text) => ContextFile::parse(&text).map_err(|error| {
            Problem::new(
                Code::InvalidInput,
                format!("{}, {error}", folder.path().join(CONTEXT).display()),
                "Correct it; docs/AGENTS.md says what it may have.",
            )
        })?,
        None => ContextFile::default(),
    };
    // What is missing here makes a poorer prompt, and is no reason to have none.
    let mut read = |name: &str| {
        folder.text(name).unwrap_or_else(|problem| {
            notes.push(problem.sentence());
            None
        })
    };
    let found = Found {
        folder: folder.name(),
        package_json: read("package.json"),
        tsconfig: folder.has("tsconfig.json"),
        pyproject: read("pyproject.toml"),
        requirements: read("requirements.txt"),
        pytest_ini: folder.has("pytest.ini"),
        cargo: read("Cargo.toml"),
        go_mod: read("go.mod"),
        claude_md: read("CLAUDE.md"),
        context,
    };
    let mut project = Project::of(found, agent::built_in(kind));
    project.notes.extend(notes);
    let unreadable = |error: serde_json::Error| {
        Problem::new(Code::Internal, error.to_string(), "Please report this.")
    };
    let Value::Object(mut data) = serde_json::to_value(project).map_err(unreadable)? else {
        return Err(unreadable(serde_json::Error::io(io::Error::other(
            "no object",
        ))));
    };
    data.insert(
        "projectPath".to_owned(),
        folder.path().display().to_string().into(),
    );
    Ok(data)
}
