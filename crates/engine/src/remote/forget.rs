//! The program that removes Claude Code's record of a conversation on a host.

use std::collections::BTreeMap;

use iris_domain::{Problem, conversation::Removal, ids::SessionId, problem::Code};
use zeroize::Zeroizing;

use super::{
    COMMON, FORGET, Nonce, Said,
    launch::{assign, path, unusable},
    line::{encode, quote},
    read,
};
use crate::{claude::CONFIG_VARS, secrets::Secret};

/// A conversation whose record is to go.
#[derive(Debug)]
pub struct Forget<'a> {
    /// Which.
    pub session: SessionId,
    /// The team's folder there.
    pub folder: &'a str,
    /// What the team's `env` says of [`CONFIG_VARS`].
    pub env: &'a BTreeMap<String, Secret>,
    /// Marks what it says.
    pub nonce: &'a Nonce,
}

impl Forget<'_> {
    /// The program, in one line without its end.
    ///
    /// # Errors
    /// A setting that no program can hold.
    pub fn line(&self) -> Result<Zeroizing<String>, Problem> {
        let of = |name: &str| self.env.get(name).map_or("", Secret::expose);
        let [config, home] = CONFIG_VARS.map(of);
        let mut program = String::new();
        for (name, value) in [
            ("nonce", self.nonce.as_str()),
            ("instance", "none"),
            ("session", &self.session.to_string()),
            ("config", config),
            ("user_home", home),
        ] {
            assign(name, &mut program);
            quote(value, &mut program)
                .map_err(|error| unusable("The team's settings hold", error))?;
            program.push('\n');
        }
        assign("folder", &mut program);
        path(self.folder, "`path`", &mut program)?;
        program.push('\n');
        program.push_str(COMMON);
        program.push_str(FORGET);
        encode(&program).map_err(|error| unusable("The team's settings hold", error))
    }
}

/// What it said on a host.
pub fn forgotten(nonce: &Nonce, host: &str, output: &str) -> Removal {
    let mut removal = Removal::default();
    let mut whole = false;
    for line in output.lines() {
        match read(nonce, line) {
            Some(Said::Removed(path)) => removal.removed.push(path),
            Some(Said::Kept(path)) => {
                removal.left = Some(Problem::new(
                    Code::Storage,
                    format!("{path} on {host} could not be removed."),
                    format!("Remove it there yourself: `rm -r '{path}'`."),
                ));
            }
            Some(Said::Forgotten) => whole = true,
            Some(_) | None => {}
        }
    }
    if !whole && removal.left.is_none() {
        removal.left = Some(Problem::new(
            Code::Agent,
            format!("{host} did not say what it removed."),
            "Look into `~/.claude/projects` there.",
        ));
    }
    removal
}
