//! Slack and webhooks, tried.

use iris_domain::Problem;
use iris_engine::{control::Command, webhook::WebhookTest};

use crate::{Context, DONE, FAILED, output::table};

pub fn slack(context: &Context) -> Result<u8, Problem> {
    let reply = context.client().call(&Command::SlackTest {})?;
    context.out.show(&reply, || {
        "Slack works: a line is in the channel, and the tokens do.".to_owned()
    })?;
    Ok(DONE)
}

pub fn webhooks(context: &Context) -> Result<u8, Problem> {
    let tests: Vec<WebhookTest> = context.client().ask(&Command::WebhookTest {})?;
    context.out.show(&tests, || text(&tests))?;
    let all = tests.iter().all(|test| test.problem.is_none());
    Ok(if all { DONE } else { FAILED })
}

fn text(tests: &[WebhookTest]) -> String {
    if tests.is_empty() {
        return "There are no webhooks. `settings.webhooks` in the config has them.".to_owned();
    }
    let rows = tests.iter().map(|test| {
        let outcome = match &test.problem {
            None => "it has the test".to_owned(),
            Some(problem) => problem.in_one_text(),
        };
        [test.url.clone(), outcome]
    });
    table(["WEBHOOK", "OUTCOME"], rows)
}
