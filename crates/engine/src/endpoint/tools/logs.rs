//! `get_logs`: what Iris wrote down about itself. An agent sees of it what is about its own team and
//! conversation.

use iris_domain::{Problem, problem::Code};
use jiff::Timestamp;
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Name, Tools, result, unusable};
use crate::{
    clock,
    logs::{self, LogQuery},
    tokens::Caller,
};

/// The one store: the files in `$IRIS_HOME/logs`.
const STORE: &str = "iris";
/// How callers know it from elsewhere.
const PUBLISHED_STORE: &str = "iris-mcp";

/// Of `get_logs`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Only lines from then on, milliseconds since 1970. Left out: the newest.
    #[serde(default)]
    #[schemars(range(min = 0))]
    logs_since: Option<i64>,
    /// Which log; there is one, which is also called `iris-mcp`. Default: iris.
    #[serde(default, rename = "storeName")]
    #[schemars(extend("default" = STORE))]
    store_name: Option<String>,
    /// `parsed`: each line as an object. `raw`: each as a text of JSON. Default: parsed.
    #[serde(default)]
    format: Format,
    /// Only lines of this level, or of one of these; `fatal` is the same as `error`. Left out: all
    /// that is logged, which `debug` and `trace` are only when the user's settings say so.
    #[serde(default)]
    #[schemars(with = "Levels")]
    level: Option<Levels>,
    /// Only tell which logs there are, without lines. Default: false.
    #[serde(default, rename = "getAllStores")]
    get_all_stores: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Raw,
    #[default]
    Parsed,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "level takes trace, debug, info, warn, error or fatal, or a list of these"
)]
enum Levels {
    One(Level),
    Some(Vec<Level>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// As it stands in the files. Iris has nothing above an error.
    fn as_written(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error | Self::Fatal => "ERROR",
        }
    }
}

/// Of `get_logs`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logs {
    /// Oldest first: objects with `timestamp`, `level`, `message` and what belongs to it, or texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<Vec<Value>>,
    log_count: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_name: Option<&'static str>,
    /// Milliseconds since 1970.
    timestamp: i64,
    /// What was asked for.
    query: Query,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_stores: Option<Vec<&'static str>>,
    /// Older lines that were asked for are left out, and how to come to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<&'static str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Query {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    format: Format,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Vec<Level>>,
}

impl Tools {
    /// `get_logs`.
    pub(super) async fn logs(
        &self,
        caller: &Caller,
        arguments: Result<Arguments, Problem>,
    ) -> Result<CallToolResult, Problem> {
        let arguments = arguments?;
        let now = clock::now();
        let since = arguments.logs_since.map(|since| moment(since, now));
        let since = since.transpose()?;
        if let Some(name) = &arguments.store_name
            && name != STORE
            && name != PUBLISHED_STORE
        {
            return Err(Problem::new(
                Code::NotFound,
                format!("there is no log {name:?}"),
                "Leave storeName out: Iris has one log, `iris`.",
            ));
        }
        let levels = arguments.level.map(|levels| match levels {
            Levels::One(level) => vec![level],
            Levels::Some(levels) => levels,
        });
        let mut answer = Logs {
            logs: None,
            log_count: 0,
            store_name: None,
            timestamp: now.as_millisecond(),
            query: Query {
                since: arguments.logs_since,
                format: arguments.format,
                level: levels.clone(),
            },
            available_stores: None,
            left_out: None,
        };
        if arguments.get_all_stores {
            answer.available_stores = Some(vec![STORE]);
            return result(&answer);
        }
        let query = LogQuery {
            since,
            levels: levels
                .iter()
                .flatten()
                .map(|level| level.as_written())
                .collect(),
            about: match caller {
                Caller::Console => None,
                Caller::Agent(asker) => Some(asker.clone()),
            },
        };
        let dir = self.logs.clone();
        let found = tokio::task::spawn_blocking(move || logs::read(&dir, &query))
            .await
            .map_err(|error| unreadable(&error))?
            .map_err(|error| unreadable(&error))?;
        let lines: Vec<Value> = match arguments.format {
            Format::Parsed => found.lines,
            Format::Raw => found
                .lines
                .iter()
                .map(|line| Value::String(line.to_string()))
                .collect(),
        };
        answer.log_count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        answer.logs = Some(lines);
        answer.store_name = Some(STORE);
        answer.left_out = found
            .cut
            .then_some("Older lines are left out; ask for fewer levels to see further back.");
        result(&answer)
    }
}

fn moment(since: i64, now: Timestamp) -> Result<Timestamp, Problem> {
    let moment = Timestamp::from_millisecond(since)
        .ok()
        .filter(|moment| since >= 0 && *moment <= now);
    moment.ok_or_else(|| {
        unusable(
            Name::GetLogs,
            "logs_since is before 1970 or in the future; it is in milliseconds",
        )
    })
}

fn unreadable(why: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Code::Storage,
        format!("the log cannot be read: {why}"),
        "Check IRIS_HOME/logs on the computer that Iris runs on.",
    )
}
