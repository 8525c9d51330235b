//! The command line.

mod agent;
mod audit;
mod log;
mod messages;
mod policy;
mod session;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use iris_domain::ids::TeamName;

pub use agent::Agent;
pub use audit::{Audit, AuditCommand, Filters};
pub use log::Log;
pub use messages::{Messages, MessagesCommand};
pub use policy::{Explain, Policy, Template};
pub use session::{Pair, Session};

/// Lets Claude Code teams work while you answer their permission requests.
#[derive(Debug, Parser)]
#[command(name = "iris", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or its input cannot be used
  3  Iris is not running
  4  no such team, approval, prompt or secret
  5  it already happened: decided by someone else, the name is taken, Iris is already running
  6  refused: Iris takes no commands from agents and other users
  7  it took too long

The running Iris is found through IRIS_HOME (default ~/.iris).";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run Iris without a window
    ///
    /// Prints one line `ready http://127.0.0.1:PORT/mcp` when it accepts calls. Logs go to stderr
    /// and to IRIS_HOME/logs. Ends in order on Ctrl-C and SIGTERM.
    Serve {
        /// Port of the MCP endpoint; 0 takes any free one. Wins over IRIS_HTTP_PORT and the config.
        #[arg(long)]
        port: Option<u16>,
    },
    /// Show the teams and what is wrong
    Status,
    /// Show what waits for your answer
    Pending,
    /// Allow a waiting request: once, or with --for also what is like it
    Approve {
        /// Its id from `iris pending`; the beginning is enough.
        id: String,
        /// Allow, once, all that wait and are like it: the same team and tool, covered by the same
        /// suggested rule.
        #[arg(long, conflicts_with_all = ["input", "lifetime"])]
        like: bool,
        /// Run this JSON object instead of the input that was asked for.
        #[arg(long, value_name = "JSON")]
        input: Option<String>,
        /// Allow the same from now on: for 1 to 60 minutes (`15m`), until this agent ends (`session`),
        /// until the team stops (`team`), or by a rule in the config (`always`).
        #[arg(long = "for", value_name = "TIME")]
        lifetime: Option<String>,
        /// What is the same.
        #[arg(long, value_enum, requires = "lifetime", default_value = "rule")]
        what: What,
        /// With `--what rule`: this rule instead of the one that Iris suggests; may be repeated.
        #[arg(long, value_name = "RULE", requires = "lifetime")]
        rule: Vec<String>,
    },
    /// Show what you granted and what of it holds; take it back, or extend it
    Grants {
        /// What to do.
        #[command(subcommand)]
        command: Option<Grants>,
    },
    /// Show what nobody answered in time; allow the agent's next try
    Missed {
        /// What to do.
        #[command(subcommand)]
        command: Option<Missed>,
    },
    /// Deny a waiting request, or all of a team
    Deny {
        /// Its id from `iris pending`; the beginning is enough.
        #[arg(required_unless_present = "team")]
        id: Option<String>,
        /// Deny all that wait of this team.
        #[arg(long, conflicts_with = "id")]
        team: Option<TeamName>,
        /// Tell the agent why, or what to do instead.
        #[arg(short, long, value_name = "TEXT")]
        message: Option<String>,
    },
    /// Show what ssh asks: passphrases, passwords, codes, unknown hosts
    Prompts,
    /// Answer what ssh asks; the answer is read from standard input
    ///
    /// At a terminal it is asked for, and a secret is not shown while you type. `yes` or `no` for
    /// an unknown host and for a confirmation.
    Answer {
        /// Its id from `iris prompts`; the beginning is enough.
        id: String,
        /// Keep a passphrase or a password in the keychain for the next time.
        #[arg(long, conflicts_with = "cancel")]
        remember: bool,
        /// Do not answer: the connection is given up, with all that it asks.
        #[arg(long)]
        cancel: bool,
    },
    /// List, keep and forget secrets; their values are never shown
    #[command(subcommand)]
    Secrets(Secrets),
    /// Try the connection to Slack
    #[command(subcommand)]
    Slack(Slack),
    /// Try the webhooks
    #[command(subcommand)]
    Webhook(Webhook),
    /// Add, list, start, stop and remove teams
    #[command(subcommand)]
    Team(Team),
    /// Send a team a message and print its answer
    Send {
        /// To whom.
        team: TeamName,
        /// What; `-` reads it from stdin.
        text: String,
        /// Seconds to wait for the answer, start-up included; the team goes on after that.
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Interrupt what a team does for you, or with --from for another team
    Interrupt(Pair),
    /// Show the latest messages and what became of them; take one back
    Messages(Messages),
    /// List the kinds of agents, or print what one is told
    #[command(subcommand)]
    Agent(Agent),
    /// List conversations; open one in your terminal, begin one anew, put it to sleep, delete it
    #[command(subcommand)]
    Session(Session),
    /// Show what was decided, newest first, or check that the record is whole
    Audit(Box<Audit>),
    /// Show what happens in sessions: messages, answers, tool calls, decisions, costs
    Log(Box<Log>),
    /// Check the config file, or print its schema
    #[command(subcommand)]
    Config(Config),
    /// Say what would happen to a request of a team's agents, and why; nothing is asked
    ///
    /// The verdict is allow, deny or ask. What was granted to the whole team counts while Iris runs;
    /// without a running Iris the config file tells.
    Explain(Explain),
    /// Try other rules on the requests of the past; show ready-made ones
    #[command(subcommand)]
    Policy(Policy),
    /// Print the headers for Iris's MCP server, for Claude Code's headersHelper
    Headers,
    /// Print what Iris counts, in Prometheus' text format; or the token that reads it at /metrics
    Metrics {
        /// What to do.
        #[command(subcommand)]
        command: Option<Metrics>,
    },
    /// Be an MCP server on stdin and stdout: the running Iris, for a client that starts its servers
    ///
    /// In the client's config: command `iris`, arguments `mcp`. Iris need not run yet; calls are
    /// answered with an error until it does. Ends when the client closes stdin.
    Mcp,
    /// Register Iris's MCP server with your Claude Code
    Install,
    /// Undo `iris install`
    Uninstall,
    /// Stop every agent where it stands: all, or those of a team
    ///
    /// What waits is denied, nothing is allowed or started, messages wait. Says what the process tables
    /// show. `iris thaw` lets them go on.
    Freeze {
        /// Which; all without it.
        team: Option<TeamName>,
    },
    /// Let frozen agents go on from where they stand
    Thaw {
        /// Which; all without it.
        team: Option<TeamName>,
    },
    /// Take the keys of a team's agents, or give them new ones
    #[command(subcommand)]
    Key(Key),
    /// Show the links to other hosts, and cut a tunnel
    #[command(subcommand)]
    Tunnel(Tunnel),
    /// Check what Iris needs, each with its fix; or whether a team can be reached and started
    ///
    /// With --team each step of a team's start is done once: ssh signs in, the tunnel opens and proves
    /// itself, Claude Code and the folder are found, and an agent starts. No model turn is spent. It
    /// needs a running Iris; what ssh asks is in `iris prompts`, as always.
    Doctor {
        /// Test this team instead.
        #[arg(long, value_name = "NAME")]
        team: Option<TeamName>,
    },
}

/// What an answer holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// The very same input.
    Exact,
    /// What the suggested rule allows, or those of --rule.
    Rule,
    /// Every use of the tool.
    Tool,
}

/// Commands on grants.
#[derive(Debug, Subcommand)]
pub enum Grants {
    /// Take one back, at once
    Revoke {
        /// Its id from `iris grants`; the beginning is enough.
        id: String,
    },
    /// Give one that ends by the clock five minutes more
    Extend {
        /// Its id from `iris grants`; the beginning is enough.
        id: String,
    },
}

/// Commands on what was missed.
#[derive(Debug, Subcommand)]
pub enum Missed {
    /// Allow the very same request for the agent's next try: once, within 30 minutes
    Allow {
        /// Its id from `iris missed`; the beginning is enough.
        id: String,
    },
    /// Take it off the list
    Dismiss {
        /// Its id from `iris missed`; the beginning is enough.
        id: String,
    },
}

/// Commands on metrics.
#[derive(Debug, Subcommand)]
pub enum Metrics {
    /// Print the token for a scraper: it reads /metrics and can do nothing else
    Token,
}

/// Commands on teams.
#[derive(Debug, Subcommand)]
pub enum Team {
    /// Add a project directory as a team, here or on another host
    ///
    /// On another host: `iris team add gpu ~/train --remote me@gpu-box --tunnel`, then
    /// `iris doctor --team gpu`.
    Add(Box<Add>),
    /// List the teams
    List,
    /// Start a team's agent
    Start {
        /// Which.
        team: TeamName,
    },
    /// End a team's agents
    Stop {
        /// Which.
        team: TeamName,
    },
    /// Take a team out of the config; its directory and conversations stay
    Remove {
        /// Which.
        team: TeamName,
    },
}

/// A new team.
#[derive(Debug, Args)]
pub struct Add {
    /// Letters, digits, `_ @ - .`
    pub name: TeamName,
    /// The project directory; with --remote on that host, where `~` is the home directory.
    pub path: PathBuf,
    /// For people and for other teams.
    #[arg(long)]
    pub description: Option<String>,
    /// `#rrggbb`
    #[arg(long)]
    pub color: Option<String>,
    /// What happens to a request that no rule decides.
    #[arg(long, value_enum)]
    pub grant_permission: Option<Grant>,
    /// Begin with these rules: `iris policy templates` shows them.
    #[arg(
        long,
        value_enum,
        value_name = "TEMPLATE",
        conflicts_with = "grant_permission"
    )]
    pub policy: Option<Template>,
    /// The host: `user@host`, a name of ~/.ssh/config, or what you type after `ssh`.
    #[arg(long, value_name = "DESTINATION")]
    pub remote: Option<String>,
    /// The port of the host's sshd.
    #[arg(long, requires = "remote", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// The private key file to sign in with.
    #[arg(long, value_name = "FILE", requires = "remote")]
    pub identity: Option<String>,
    /// Carry Iris's tools to the host: the agent can ask and call through a tunnel.
    #[arg(long, requires = "remote")]
    pub tunnel: bool,
    /// The tunnel's port on the host; without it 1615, or a free one.
    #[arg(long, value_name = "N", requires = "tunnel", value_parser = clap::value_parser!(u16).range(1..))]
    pub tunnel_port: Option<u16>,
    /// Where `claude` is, if Iris does not find it by itself.
    #[arg(long, value_name = "PATH")]
    pub claude: Option<String>,
}

/// Commands on the links to other hosts.
#[derive(Debug, Subcommand)]
pub enum Tunnel {
    /// List the teams on other hosts, and how the link of each is
    List,
    /// Close a team's tunnel at once and end its agents; a start of the team opens it again
    Kill {
        /// Whose.
        team: TeamName,
    },
}

/// Commands on the keys with which agents call Iris.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make them worthless at once and end the agents; only a start of the team brings it back
    Revoke {
        /// Whose.
        team: TeamName,
    },
    /// End the agents and start them again with new ones; a running turn is cut short
    Rotate {
        /// Whose.
        team: TeamName,
    },
}

/// Commands on secrets.
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// List the names: what ssh was told, and values for agents
    List,
    /// Forget one
    Forget {
        /// Its name in the list; `env` before it may be left out.
        name: String,
    },
    /// Keep a value for `keychain:NAME` in the config; it is read from standard input
    Set {
        /// Its name.
        name: String,
    },
}

/// Commands on Slack.
#[derive(Debug, Subcommand)]
pub enum Slack {
    /// Write a line into the channel, and try the tokens
    Test,
}

/// Commands on webhooks.
#[derive(Debug, Subcommand)]
pub enum Webhook {
    /// Post a `test` event to each webhook
    Test,
}

/// See `grantPermission` in the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Grant {
    /// Allow it.
    Yes,
    /// Deny it.
    No,
    /// Ask you.
    Ask,
    /// Ask the session that gave the agent its task.
    Forward,
}

impl From<Grant> for iris_domain::config::GrantPermission {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::Yes => Self::Yes,
            Grant::No => Self::No,
            Grant::Ask => Self::Ask,
            Grant::Forward => Self::Forward,
        }
    }
}

/// Commands on the config file.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Say everything that is wrong with a config file
    Check {
        /// Default: IRIS_HOME/config.json.
        file: Option<PathBuf>,
    },
    /// Print the JSON schema of the config file
    Schema,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_documented_parses() {
        for line in [
            "serve",
            "serve --port 0",
            "status --json",
            "--json pending",
            "approve k3",
            "approve k3 --input {}",
            "approve k3 --for 15m",
            "approve k3 --for always --what exact",
            "approve k3 --for session --rule Bash(ls:*) --rule Read",
            "grants --json",
            "grants revoke g1",
            "grants extend g1",
            "missed",
            "missed allow k3",
            "missed dismiss k3",
            "deny k3",
            "deny k3 -m no",
            "team add api . --description d --color #00ff00 --grant-permission ask",
            "prompts --json",
            "answer k3 --remember",
            "answer k3 --cancel",
            "secrets list --json",
            "secrets forget npm",
            "secrets set npm",
            "slack test",
            "webhook test --json",
            "team list",
            "team start api",
            "team stop api",
            "team remove api",
            "send api hello --timeout 5",
            "interrupt api",
            "interrupt api --from web --json",
            "messages",
            "messages --team api --from console --limit 5 --json",
            "messages cancel 6f1c2c8e-3f0b-4a55-9f3e-1d1b6b7f0a11",
            "audit",
            "audit --team api --limit 3 --json",
            "audit --kind auth --decision deny --tool Bash --by human:cli --since 7d --until 2026-11-26 --search git",
            "audit verify",
            "audit verify --json",
            "audit export --format csv",
            "audit export --format jsonl --team api --search git -o rows.jsonl",
            "config check",
            "config check file.json",
            "config schema",
            "explain api Bash {}",
            "explain api Bash - --json",
            "team add api . --policy balanced",
            "policy templates",
            "policy templates balanced --json",
            "policy replay draft.json",
            "policy replay draft.json --team api --limit 0 --json",
            "headers",
            "metrics",
            "metrics token",
            "mcp",
            "install",
            "uninstall",
            "team add far ~/p --remote me@host --port 2222 --identity ~/.ssh/k --tunnel --tunnel-port 1700 --claude ~/c",
            "tunnel list --json",
            "tunnel kill far",
            "freeze",
            "freeze api --json",
            "thaw",
            "thaw api",
            "key revoke api",
            "key rotate api --json",
            "doctor --json",
            "doctor --team far",
        ] {
            let words = std::iter::once("iris").chain(line.split(' '));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_does_not() {
        for line in [
            "",
            "serve --port 70000",
            "approve",
            "answer",
            "answer k3 --remember --cancel",
            "answer k3 secret",
            "approve k3 --what tool",
            "approve k3 --rule Read",
            "grants revoke",
            "messages cancel k3",
            "secrets set npm value",
            "explain api Bash",
            "policy replay",
            "policy templates yolo",
            "team add api . --policy balanced --grant-permission yes",
            "team start console",
            "team start a/b",
            "audit --limit x",
            "audit --kind other",
            "audit export",
            "audit export --format xml",
            "audit --decision maybe",
            "send api",
            "team add far ~/p --tunnel",
            "team add far ~/p --port 22",
            "team add far ~/p --remote me@host --tunnel-port 1700",
            "team add far ~/p --remote me@host --port 0",
            "doctor --team a/b",
        ] {
            let words = std::iter::once("iris").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
