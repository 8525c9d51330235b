//! `iris doctor`: works with and without a running Iris.

use iris_domain::{Problem, display::visible};
use iris_engine::{
    control::{Command, StatusReply},
    doctor::{self, Health},
    runtime,
    secrets::Secrets,
};
use serde_json::json;

use crate::{Context, DONE, FAILED, output::table};

pub fn doctor(context: &Context) -> Result<u8, Problem> {
    let status: Result<StatusReply, Problem> = context.client().ask(&Command::Status {});
    let running = status.as_ref().ok().map(|status| status.endpoint.as_str());
    let secrets = Secrets::keychain();
    let mut checks = runtime()?.block_on(doctor::check(
        &context.home,
        &context.env,
        &secrets,
        running,
    ));
    if let Ok(status) = &status {
        checks.extend(doctor::outside(status.slack.as_ref(), &status.webhooks));
    }
    let well = checks.iter().all(|check| check.health < Health::Failed);
    context
        .out
        .show(&json!({ "ok": well, "checks": checks }), || {
            let mut text = table(
                ["", "CHECK", "FOUND"],
                checks.iter().map(|check| {
                    let word = match check.health {
                        Health::Ok => "ok",
                        Health::Warning => "warning",
                        Health::Failed => "FAILED",
                    };
                    [word.to_owned(), check.name.clone(), check.found.clone()]
                }),
            );
            for check in &checks {
                if let Some(fix) = &check.fix {
                    text.push_str(&format!("\n{}: {}\n", check.name, visible(fix)));
                }
            }
            text
        })?;
    Ok(if well { DONE } else { FAILED })
}
