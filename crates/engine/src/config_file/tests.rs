//! On a real directory, with real file events.

mod broken;
mod edits;
mod fields;
mod live;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use iris_domain::audit::Draft;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

/// Far more than any file event takes; a test that fails waits for so long.
const DEADLINE: Duration = Duration::from_secs(10);

/// A config file in a directory of its own, and what it wrote to the audit log.
struct Bench {
    dir: TempDir,
    home: Home,
    rows: Arc<Mutex<Vec<Draft>>>,
    tasks: TaskTracker,
    file: ConfigFile,
}

impl Bench {
    /// With a config file that says this.
    async fn with(text: &str) -> Self {
        Self::prepared(|home| fs::write(home.join("config.json"), text).expect("write")).await
    }

    /// With whatever `prepare` puts into the home. Its name is one that breaks careless code.
    async fn prepared(prepare: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let root = dir.path().join("Iris – é home");
        fs::create_dir(&root).expect("a home");
        for project in ["project", "other"] {
            fs::create_dir(dir.path().join(project)).expect("a project");
        }
        prepare(&root);
        Self::opened(dir, Home::at(root), true).await
    }

    async fn opened(dir: TempDir, home: Home, audit_works: bool) -> Self {
        let env = [
            ("HOME", dir.path().as_os_str().to_owned()),
            ("SECRET", "hunter2".into()),
        ];
        let env: Environment = env.into_iter().map(|(k, v)| (k.into(), v)).collect();
        let rows = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&rows);
        let recorder: Recorder = Box::new(move |draft| {
            log.lock().expect("rows").push(draft);
            Box::pin(async move {
                if audit_works {
                    Ok(())
                } else {
                    Err(crate::store::StoreError::Closed)
                }
            })
        });
        let tasks = TaskTracker::new();
        let file = ConfigFile::open_with(&home, &env, recorder, &tasks).await;
        Self {
            dir,
            home,
            rows,
            tasks,
            file,
        }
    }

    fn path(&self) -> PathBuf {
        self.home.config()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("the config file is there")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).expect("write the config file");
    }

    fn project(&self) -> String {
        self.dir
            .path()
            .join("project")
            .to_str()
            .expect("UTF-8")
            .to_owned()
    }

    fn teams(&self) -> Vec<String> {
        names(&self.file.watch().borrow())
    }

    fn problem(&self) -> Option<Problem> {
        self.file.problem().borrow().clone()
    }

    /// Waits until these teams hold.
    async fn until_teams(&self, expected: &[&str]) {
        let mut config = self.file.watch();
        let wait = config.wait_for(|config| names(config) == expected);
        let result = tokio::time::timeout(DEADLINE, wait)
            .await
            .map(|held| held.is_ok());
        assert_eq!(
            result,
            Ok(true),
            "{expected:?} hold in time, not {:?}",
            self.teams()
        );
    }

    /// Waits until there is a problem that says this; `None`: until there is none.
    async fn until_problem(&self, says: Option<&str>) -> Option<Problem> {
        let mut problem = self.file.problem();
        let wait = problem.wait_for(|problem| match (problem, says) {
            (Some(problem), Some(says)) => problem.message.contains(says),
            (problem, says) => problem.is_none() && says.is_none(),
        });
        match tokio::time::timeout(DEADLINE, wait).await {
            Ok(found) => found.expect("the file is kept").clone(),
            Err(_) => panic!("problem {says:?} in time, not {:?}", self.problem()),
        }
    }

    /// The audit rows' events and details.
    fn rows(&self) -> Vec<(String, Value)> {
        let rows = self.rows.lock().expect("rows");
        rows.iter()
            .map(|row| (row.tool.clone(), row.input.clone()))
            .collect()
    }
}

fn names(config: &Config) -> Vec<String> {
    config.teams.keys().map(ToString::to_string).collect()
}

fn team(name: &str) -> TeamName {
    name.parse().expect("a team's name")
}

fn at(path: impl Into<String>) -> TeamEdit {
    TeamEdit {
        path: Some(path.into()),
        ..TeamEdit::default()
    }
}
