//! What a person asks for that concerns more than one owner.

use iris_domain::{Problem, target::Target};

use super::Engine;
use crate::{config_file::RemoteOptionsEdit, ssh::Resolved};

impl Engine {
    /// What `ssh -G` says of a host as it would be written into a team's config: nothing is connected,
    /// nothing is written.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub async fn resolve_host(
        &self,
        remote: &str,
        options: RemoteOptionsEdit,
    ) -> Result<Resolved, Problem> {
        let template = self.config.watch().borrow().settings.defaults.clone();
        let template = template.and_then(|it| it.remote_options);
        let options = options.onto(template.unwrap_or_default());
        let target = Target::of(remote, Some(&options)).map_err(|error| error.problem())?;
        let resolved = self.links.ssh().resolve(&target).await;
        resolved.map_err(|failure| failure.problem(target.destination()))
    }
}
