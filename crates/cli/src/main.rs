//! The `iris` command: Iris without a window, and control of a running one.

mod agents;
mod args;
mod commands;
mod config;
mod doctor;
mod grants;
mod install;
mod links;
mod log;
mod mcp;
mod messages;
mod output;
mod outside;
mod policy;
mod prompts;
mod records;
#[cfg(test)]
mod samples;
mod serve;
mod sessions;
mod stopping;
mod together;
mod when;

use std::process::ExitCode;

use clap::Parser as _;
use iris_domain::{Problem, problem::Code};
use iris_engine::{askpass, control::Client, environment::Environment, home::Home};

use args::{Cli, Command};
use output::Output;

/// What every command works with.
struct Context {
    home: Home,
    env: Environment,
    out: Output,
}

impl Context {
    fn client(&self) -> Client {
        Client::new(&self.home)
    }
}

fn main() -> ExitCode {
    let env = Environment::of_this_process();
    // ssh waits for it, so before everything else.
    if let Some(code) = askpass::answer_ssh(&env, std::env::args_os()) {
        return code;
    }
    let cli = Cli::parse();
    let out = Output::new(cli.json);
    let code = match run(cli, env) {
        Ok(code) => code,
        Err(problem) => {
            out.problem(&problem);
            exit_code(problem.code)
        }
    };
    ExitCode::from(code)
}

fn run(cli: Cli, env: Environment) -> Result<u8, Problem> {
    let home = Home::of(&env).ok_or_else(|| {
        Problem::new(
            Code::InvalidInput,
            "neither IRIS_HOME nor HOME says where Iris keeps its files",
            "Set IRIS_HOME to a directory of your own.",
        )
    })?;
    let context = Context {
        home,
        env,
        out: Output::new(cli.json),
    };
    match cli.command {
        Command::Serve { port } => serve::serve(&context, port),
        Command::Status => commands::status(&context),
        Command::Pending => commands::pending(&context),
        Command::Approve { id, like: true, .. } => together::approve_like(&context, &id),
        Command::Approve {
            id,
            like: false,
            input,
            lifetime,
            what,
            rule,
        } => {
            let approval = grants::Approval {
                id,
                input,
                lifetime,
                what,
                rules: rule,
            };
            grants::approve(&context, approval)
        }
        Command::Grants { command } => grants::grants(&context, command),
        Command::Missed { command } => grants::missed(&context, command),
        Command::Deny { id, team, message } => together::deny(&context, id, team, message),
        Command::Prompts => prompts::prompts(&context),
        Command::Answer {
            id,
            remember,
            cancel,
        } => prompts::answer(&context, id, remember, cancel),
        Command::Secrets(command) => prompts::secrets(&context, command),
        Command::Slack(args::Slack::Test) => outside::slack(&context),
        Command::Webhook(args::Webhook::Test) => outside::webhooks(&context),
        Command::Team(command) => commands::team(&context, command),
        Command::Send {
            team,
            text,
            timeout,
        } => commands::send(&context, team, text, timeout),
        Command::Interrupt(pair) => sessions::interrupt(&context, pair),
        Command::Messages(args) => messages::messages(&context, args),
        Command::Agent(command) => agents::agent(&context, command),
        Command::Session(command) => sessions::session(&context, command),
        Command::Audit(audit) => records::audit(&context, *audit),
        Command::Log(args) => log::log(&context, *args),
        Command::Config(command) => config::config(&context, command),
        Command::Explain(explain) => policy::explain(&context, explain),
        Command::Policy(command) => policy::policy(&context, command),
        Command::Metrics { command } => commands::metrics(&context, command.as_ref()),
        Command::Headers => commands::headers(&context),
        Command::Mcp => mcp::mcp(&context),
        Command::Install => install::install(&context),
        Command::Uninstall => install::uninstall(&context),
        Command::Freeze { team } => stopping::freeze(&context, team),
        Command::Thaw { team } => stopping::thaw(&context, team),
        Command::Key(command) => stopping::key(&context, command),
        Command::Tunnel(command) => links::tunnel(&context, command),
        Command::Doctor { team: None } => doctor::doctor(&context),
        Command::Doctor { team: Some(team) } => links::test(&context, team),
    }
}

/// Done.
const DONE: u8 = 0;
/// It failed, or what was checked is not well.
const FAILED: u8 = 1;

/// The exit code of a problem, as `--help` documents it.
fn exit_code(code: Code) -> u8 {
    match code {
        Code::InvalidInput => 2,
        Code::Unavailable => 3,
        Code::NotFound => 4,
        Code::Conflict | Code::AlreadyDecided => 5,
        Code::Forbidden => 6,
        Code::Timeout => 7,
        Code::Config
        | Code::Agent
        | Code::Busy
        | Code::Storage
        | Code::Network
        | Code::Keychain
        | Code::Internal => FAILED,
    }
}
