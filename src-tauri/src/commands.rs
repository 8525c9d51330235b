//! What the window may ask for. Each command parses, calls a handle of the engine, and returns; an
//! error is a `Problem`. Only the main window may call them (`capabilities/main.json`).

#![expect(
    clippy::let_underscore_must_use,
    reason = "tauri's command macro writes one per command"
)]

mod outside;
mod record;
mod sessions;
mod transcript;

use std::{sync::Arc, time::Duration};

use iris_domain::{
    Problem,
    approval::Together,
    config::{PolicyTemplate, RuleMistake, RulesView},
    connection_test::TestStep,
    decision::{Answer, Surface},
    freeze::FrozenView,
    grant::{GrantView, Scope},
    ids::{ApprovalId, GrantId, TeamName},
    message::SendOutcome,
    problem::Code,
    prompt::PromptId,
    replay::{Consequences, Preview},
    snapshot::{EndedApproval, MissedView, Snapshot},
    target::TargetMistakes,
};
use iris_engine::{
    config_file::{Attention, CommonEdit, RemoteOptionsEdit, TeamEdit},
    human,
    secrets::{Place, Secret, SecretItem},
    ssh::Resolved,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tauri::{AppHandle, Builder, State, WebviewWindow, Wry, ipc::Channel};
use tauri_plugin_dialog::DialogExt as _;
use tokio::sync::oneshot;

use crate::shell::{Intent, Shell};

type Answered<T> = Result<T, Problem>;

/// Adds the commands to the application. `build.rs` lists the same names.
pub(crate) fn register(builder: Builder<Wry>) -> Builder<Wry> {
    builder.invoke_handler(tauri::generate_handler![
        snapshot,
        answer,
        answer_together,
        preview_grant,
        revoke_grant,
        extend_grant,
        allow_missed,
        dismiss_missed,
        wake,
        sleep,
        send,
        sessions::list_sessions,
        sessions::interrupt,
        sessions::messages,
        sessions::cancel_message,
        sessions::fork_session,
        sessions::reboot_session,
        sessions::delete_session,
        sessions::sleep_session,
        freeze,
        thaw,
        add_team,
        edit_team,
        remove_team,
        team_settings,
        team_rules,
        policy_templates,
        common_rules,
        check_rules,
        preview_team,
        preview_common,
        edit_common_rules,
        ssh_hosts,
        resolve_host,
        check_remote,
        test_connection,
        answer_prompt,
        cancel_prompt,
        list_secrets,
        find_secret,
        keep_secret,
        forget_secret,
        attention,
        edit_attention,
        outside::outside_settings,
        outside::edit_slack,
        outside::test_slack,
        outside::add_webhook,
        outside::remove_webhook,
        outside::test_webhooks,
        record::audit,
        record::verify_audit,
        record::export_audit,
        transcript::transcript,
        transcript::newer_transcript,
        showing,
        pick_folder,
        quit,
    ])
}

/// The whole visible state.
#[tauri::command]
fn snapshot(shell: State<'_, Shell>) -> Arc<Snapshot> {
    shell.engine.snapshot().borrow().clone()
}

/// Answers an approval.
#[tauri::command]
async fn answer(shell: State<'_, Shell>, id: ApprovalId, answer: Value) -> Answered<EndedApproval> {
    let answer: Answer = parsed("answer", answer)?;
    shell
        .engine
        .answer(id, answer, human(Surface::Window))
        .await
}

/// Gives several approvals one answer: those that the window showed, each by itself.
#[tauri::command]
async fn answer_together(
    shell: State<'_, Shell>,
    ids: Vec<ApprovalId>,
    answer: Value,
) -> Answered<Together> {
    let answer: Answer = parsed("answer", answer)?;
    let approvals = &shell.engine.approvals;
    approvals
        .answer_together(ids, answer, human(Surface::Window))
        .await
}

/// What would come of granting this with an answer: the rules, and what they would have allowed.
#[tauri::command]
async fn preview_grant(
    shell: State<'_, Shell>,
    id: ApprovalId,
    what: Value,
    input: Option<Value>,
) -> Answered<Preview> {
    let what: Scope = parsed("scope", what)?;
    shell.engine.preview(&id, &what, input).await
}

/// Takes a grant back.
#[tauri::command]
async fn revoke_grant(shell: State<'_, Shell>, id: GrantId) -> Answered<GrantView> {
    let approvals = &shell.engine.approvals;
    approvals.revoke_grant(id, human(Surface::Window)).await
}

/// Gives a grant that ends by the clock five minutes more.
#[tauri::command]
async fn extend_grant(shell: State<'_, Shell>, id: GrantId) -> Answered<GrantView> {
    let approvals = &shell.engine.approvals;
    approvals.extend_grant(id, human(Surface::Window)).await
}

/// Allows the next try of a missed request.
#[tauri::command]
async fn allow_missed(shell: State<'_, Shell>, id: ApprovalId) -> Answered<MissedView> {
    let approvals = &shell.engine.approvals;
    approvals.allow_missed(id, human(Surface::Window)).await
}

/// Takes a missed request off the list.
#[tauri::command]
async fn dismiss_missed(shell: State<'_, Shell>, id: ApprovalId) -> Answered<MissedView> {
    let approvals = &shell.engine.approvals;
    approvals.dismiss_missed(id, human(Surface::Window)).await
}

/// Starts a team's agent.
#[tauri::command]
async fn wake(shell: State<'_, Shell>, team: Value) -> Answered<()> {
    let team: TeamName = parsed("team", team)?;
    shell
        .engine
        .start_team(team, human(Surface::Window))
        .await
        .map(drop)
}

/// Ends every agent of a team.
#[tauri::command]
async fn sleep(shell: State<'_, Shell>, team: Value) -> Answered<()> {
    shell
        .engine
        .stop_team(parsed("team", team)?, human(Surface::Window))
        .await
        .map(drop)
}

/// Sends a task and waits for the answer; no `timeout_ms`: for ever.
#[tauri::command]
async fn send(
    shell: State<'_, Shell>,
    team: Value,
    text: String,
    timeout_ms: Option<u64>,
) -> Answered<SendOutcome> {
    let timeout = timeout_ms.map(Duration::from_millis);
    let team = parsed("team", team)?;
    Ok(shell
        .engine
        .send_task(team, text, timeout, human(Surface::Window))
        .await)
}

/// Stops the agents of a team, or all, where they stand; what the process tables show then.
#[tauri::command]
async fn freeze(shell: State<'_, Shell>, team: Option<TeamName>) -> Answered<FrozenView> {
    shell.engine.freeze(team, human(Surface::Window)).await
}

/// Lets them go on.
#[tauri::command]
async fn thaw(shell: State<'_, Shell>, team: Option<TeamName>) -> Answered<()> {
    shell.engine.thaw(team, human(Surface::Window)).await
}

/// Adds a team to the config.
#[tauri::command]
async fn add_team(shell: State<'_, Shell>, name: Value, edit: Value) -> Answered<()> {
    let edit: TeamEdit = parsed("edit", edit)?;
    shell
        .engine
        .config
        .add_team(parsed("name", name)?, edit)
        .await
}

/// Changes a team in the config.
#[tauri::command]
async fn edit_team(shell: State<'_, Shell>, name: Value, edit: Value) -> Answered<()> {
    let edit: TeamEdit = parsed("edit", edit)?;
    shell
        .engine
        .config
        .edit_team(parsed("name", name)?, edit)
        .await
}

/// Removes a team from the config.
#[tauri::command]
async fn remove_team(shell: State<'_, Shell>, name: Value) -> Answered<()> {
    shell.engine.config.remove_team(parsed("name", name)?).await
}

/// What a team is set to.
#[tauri::command]
fn team_settings(shell: State<'_, Shell>, name: Value) -> Answered<TeamEdit> {
    let name: TeamName = parsed("name", name)?;
    shell.engine.config.settings_of(&name)
}

/// The rules of a team and those that hold besides; no name: of a new team.
#[tauri::command]
fn team_rules(shell: State<'_, Shell>, name: Option<Value>) -> Answered<RulesView> {
    let name: Option<TeamName> = name.map(|name| parsed("name", name)).transpose()?;
    shell.engine.config.rules_of(name.as_ref())
}

/// The ready-made policies.
#[tauri::command]
fn policy_templates() -> [PolicyTemplate; 3] {
    PolicyTemplate::all()
}

/// The rules that hold for all teams.
#[tauri::command]
fn common_rules(shell: State<'_, Shell>) -> RulesView {
    shell.engine.config.common_rules()
}

/// What is wrong with rules that are being typed, each.
#[tauri::command]
fn check_rules(rules: Vec<String>) -> Vec<Option<RuleMistake>> {
    rules.iter().map(|rule| RuleMistake::of(rule)).collect()
}

/// What would come of an edit of a team.
#[tauri::command]
async fn preview_team(shell: State<'_, Shell>, name: Value, edit: Value) -> Answered<Consequences> {
    let edit: TeamEdit = parsed("edit", edit)?;
    shell.engine.preview_team(parsed("name", name)?, edit).await
}

/// What would come of other rules for all teams.
#[tauri::command]
async fn preview_common(shell: State<'_, Shell>, edit: Value) -> Answered<Consequences> {
    let edit: CommonEdit = parsed("edit", edit)?;
    shell.engine.preview_common(edit).await
}

/// Changes the rules that hold for all teams.
#[tauri::command]
async fn edit_common_rules(shell: State<'_, Shell>, edit: Value) -> Answered<()> {
    let edit: CommonEdit = parsed("edit", edit)?;
    shell.engine.config.edit_common_rules(edit).await
}

/// The names of hosts in `~/.ssh/config`.
#[tauri::command]
async fn ssh_hosts(shell: State<'_, Shell>) -> Answered<Vec<String>> {
    Ok(shell.engine.links.ssh().hosts().await)
}

/// What `ssh` makes of a host; nothing is connected.
#[tauri::command]
async fn resolve_host(
    shell: State<'_, Shell>,
    remote: String,
    options: Value,
) -> Answered<Resolved> {
    let options: RemoteOptionsEdit = parsed("options", options)?;
    shell.engine.resolve_host(&remote, options).await
}

/// What is wrong with a host that is being typed.
#[tauri::command]
fn check_remote(remote: &str, extra: Vec<String>) -> TargetMistakes {
    TargetMistakes::of(remote, &extra)
}

/// Tries everything that an agent of the team needs; returns after the last step.
#[tauri::command]
async fn test_connection(
    shell: State<'_, Shell>,
    name: Value,
    on_step: Channel<TestStep>,
) -> Answered<()> {
    let name = parsed("name", name)?;
    let human = human(Surface::Window);
    let mut steps = shell.engine.test_team(name, human).await?;
    while let Some(step) = steps.recv().await {
        if on_step.send(step).is_err() {
            // The window is gone; dropping the receiver ends the test.
            break;
        }
    }
    Ok(())
}

/// Answers what `ssh` asks; says where the answer was remembered, if it was to be.
#[tauri::command]
async fn answer_prompt(
    shell: State<'_, Shell>,
    id: PromptId,
    text: String,
    remember: bool,
) -> Answered<Option<Place>> {
    let text = Secret::new(text);
    let human = human(Surface::Window);
    let kept = shell
        .engine
        .prompts
        .answer(id, text, remember, human)
        .await?;
    Ok(kept.as_ref().map(Place::from))
}

/// Gives up the connection for which `ssh` asks.
#[tauri::command]
async fn cancel_prompt(shell: State<'_, Shell>, id: PromptId) -> Answered<()> {
    let human = human(Surface::Window);
    shell.engine.prompts.cancel(id, human).await
}

/// The names of the secrets that are kept, never their values.
#[tauri::command]
async fn list_secrets(shell: State<'_, Shell>) -> Answered<Vec<SecretItem>> {
    shell.engine.named_secrets.list().await
}

/// Where the value is that a team's `env` names with `keychain:NAME`, never the value; `None`:
/// nowhere.
#[tauri::command]
async fn find_secret(shell: State<'_, Shell>, name: String) -> Answered<Option<Place>> {
    shell.engine.named_secrets.find_env(&name).await
}

/// Keeps a value for `keychain:NAME`; says where. There is no command that gives it back.
#[tauri::command]
async fn keep_secret(shell: State<'_, Shell>, name: String, value: String) -> Answered<Place> {
    let (secrets, human) = (&shell.engine.named_secrets, human(Surface::Window));
    let kept = secrets
        .keep_env_for(&name, Secret::new(value), human)
        .await?;
    Ok(Place::from(&kept))
}

/// Forgets a secret everywhere.
#[tauri::command]
async fn forget_secret(shell: State<'_, Shell>, name: String) -> Answered<()> {
    let secrets = &shell.engine.named_secrets;
    let forgotten = secrets.forget_for(&name, human(Surface::Window)).await;
    forgotten.map(drop)
}

/// How Iris asks for attention: notifications, quiet hours, shortcuts.
#[tauri::command]
fn attention(shell: State<'_, Shell>) -> Attention {
    shell.engine.config.attention()
}

/// Sets that.
#[tauri::command]
async fn edit_attention(shell: State<'_, Shell>, edit: Value) -> Answered<()> {
    let edit: Attention = parsed("edit", edit)?;
    shell.engine.config.edit_attention(edit).await
}

/// The window shows this view now: no notification tells of what stands before the user's eyes.
#[tauri::command]
fn showing(shell: State<'_, Shell>, view: &str) {
    shell.showing(view);
}

/// Lets the user choose a folder; `None`: they chose none.
#[tauri::command]
async fn pick_folder(window: WebviewWindow) -> Answered<Option<String>> {
    let (chosen, choice) = oneshot::channel();
    let dialog = window
        .dialog()
        .file()
        .set_title("The team's project folder")
        .set_parent(&window);
    // The receiver is gone only when the window is.
    dialog.pick_folder(move |folder| drop(chosen.send(folder)));
    let folder = choice.await.ok().flatten();
    Ok(folder.map(|folder| folder.to_string()))
}

/// Ends Iris: the only way to, on a desktop without a tray.
#[tauri::command]
fn quit(shell: State<'_, Shell>, app: AppHandle) {
    shell.act(&app, Intent::Quit, Surface::Window);
}

/// A part of a call, as what it should be.
pub(super) fn parsed<T: DeserializeOwned>(name: &str, value: Value) -> Answered<T> {
    serde_json::from_value(value).map_err(|error| {
        Problem::new(
            Code::InvalidInput,
            format!("the {name} cannot be used: {error}"),
            "correct it and try again",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bad_name_is_a_problem_that_says_why() {
        let problem = parsed::<TeamName>("name", json!("-x")).expect_err("a bad name");
        assert_eq!(problem.code, Code::InvalidInput);
        assert!(
            problem.message.contains("`-`"),
            "it names what is wrong: {}",
            problem.message
        );
    }

    #[test]
    fn every_command_stands_in_the_capability_and_nothing_else_does() {
        let capability: Value = serde_json::from_str(include_str!("../capabilities/main.json"))
            .expect("the capability is JSON");
        assert_eq!(
            capability["windows"],
            json!([crate::windows::MAIN]),
            "one window only"
        );
        let granted: Vec<&str> = capability["permissions"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let build = include_str!("../build.rs");
        let commands: Vec<String> = build
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
            .map(|name| format!("allow-{}", name.replace('_', "-")))
            .collect();
        assert_eq!(commands.len(), 58, "build.rs lists the commands one a line");
        let mut expected: Vec<&str> = vec!["core:event:allow-listen", "core:event:allow-unlisten"];
        expected.extend(commands.iter().map(String::as_str));
        assert_eq!(
            granted, expected,
            "a permission that no command needs is one too many"
        );
    }
}
