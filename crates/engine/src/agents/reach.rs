//! Which project a caller may be told of: an agent of its own team's, the console of any local team's.

use std::path::{Path, PathBuf};

use iris_domain::{Problem, config::Config, ids::Party, problem::Code};

use super::{Agents, Folder};
use crate::config_file::expand;

/// What a caller can be told of a project.
#[derive(Debug, Clone)]
pub enum Reached {
    /// None was meant.
    Nothing,
    /// It is here.
    Here(Folder),
    /// It is on another host, where nothing is read. With the sentence that says so.
    Far(String),
}

impl Agents {
    /// The project that a caller means by `path`: that one, or a folder in it.
    ///
    /// # Errors
    /// When the caller may not be told of it, or it cannot be read.
    pub async fn reach(&self, caller: &Party, path: Option<&str>) -> Result<Reached, Problem> {
        let places = Places {
            config: self.config.borrow().clone(),
            home: self.env.home_dir(),
            base: self.base.clone(),
        };
        let path = path.map(str::to_owned);
        let caller = caller.clone();
        self.turn(move || match caller {
            Party::Team(team) => {
                let Some(settings) = places.config.teams.get(&team) else {
                    return Err(Problem::new(
                        Code::NotFound,
                        format!("{team} is in the config no more"),
                        "Ask the user to add the team again.",
                    ));
                };
                if settings.remote.is_some() {
                    return Ok(Reached::Far(far(&team.to_string())));
                }
                let root = places.expand(&settings.path)?;
                let asked = path.as_deref().map_or_else(|| root.clone(), PathBuf::from);
                Folder::project(&root, &asked).map(Reached::Here)
            }
            Party::Console => match path {
                Some(path) => places.any(&path),
                None => Ok(Reached::Nothing),
            },
        })
        .await
    }
}

fn far(team: &str) -> String {
    format!(
        "The project of {team} is on another host, and Iris reads no files there: \
         nothing was found out about it, and there is no git diff."
    )
}

/// Where the teams are.
struct Places {
    config: std::sync::Arc<Config>,
    home: Option<PathBuf>,
    base: PathBuf,
}

impl Places {
    fn expand(&self, path: &str) -> Result<PathBuf, Problem> {
        expand(path, self.home.as_deref(), &self.base)
    }

    /// A folder of some team's project. What is in none, and what is not there, sound the same: nobody
    /// finds out here what else this computer has.
    fn any(&self, path: &str) -> Result<Reached, Problem> {
        if let Some((team, _)) = self
            .config
            .teams
            .iter()
            .find(|(_, team)| team.remote.is_some() && team.path == path)
        {
            return Ok(Reached::Far(far(&team.to_string())));
        }
        let asked = self.expand(path)?;
        let real = Path::new(path)
            .is_absolute()
            .then_some(&asked)
            .or(path.starts_with('~').then_some(&asked))
            .and_then(|asked| asked.canonicalize().ok());
        for team in self.config.teams.values() {
            if team.remote.is_some() {
                continue;
            }
            let root = self.expand(&team.path)?;
            let inside = |root: PathBuf| real.as_ref().is_some_and(|real| real.starts_with(root));
            if root.canonicalize().is_ok_and(inside) {
                return Folder::project(&root, &asked).map(Reached::Here);
            }
        }
        Err(Problem::new(
            Code::Forbidden,
            format!("{path:?} is in no local team's project"),
            "projectPath is the whole path of a team's project, or of a folder in it; list_teams shows them.",
        ))
    }
}
