//! What the rules would say: to one request, and of another config to those of the past. Through the running Iris
//! or, when none runs, straight from the config file and the database.

use std::{io::Read as _, path::Path};

use iris_domain::{
    Problem,
    config::{Config, PolicyTemplate},
    decision::who,
    display::visible,
    ids::TeamName,
    problem::Code,
    replay::{Differs, Explained, Replay},
    request::REQUEST_MAX,
};
use iris_engine::{
    approvals::{Ground, no_such_team},
    control::Command,
    preview::{self, Rules},
};
use serde_json::Value;

use crate::{
    Context, DONE, FAILED,
    args::{Explain, Policy},
    config::{checked, read},
    output::table,
    records::directly,
};

pub fn explain(context: &Context, explain: Explain) -> Result<u8, Problem> {
    let Explain { team, tool, input } = explain;
    let input = input_of(&input)?;
    let request = preview::request(&tool, input.clone())?;
    let asked = Command::Explain {
        team: team.clone(),
        tool,
        input,
    };
    let explained: Explained = match context.client().ask(&asked) {
        Err(problem) if problem.code == Code::Unavailable => {
            let Some(config) = config_that_would_hold(context)? else {
                return Ok(FAILED);
            };
            let policy = ground(context).policies(config)(&team);
            let policy = policy.ok_or_else(|| no_such_team(&team))?;
            Explained::of(&policy.evaluate(&request))
        }
        answer => answer?,
    };
    context.out.show(&explained, || {
        let by = match explained.by.as_str() {
            "human" => "you are asked".to_owned(),
            "session" => "the session that gave the task is asked".to_owned(),
            by => format!("by {}", who(by)),
        };
        visible(&format!("{}: {by}\n{}", explained.verdict, explained.why))
    })?;
    Ok(DONE)
}

fn input_of(text: &str) -> Result<Value, Problem> {
    let mut read = String::new();
    let text = if text == "-" {
        let most = u64::try_from(REQUEST_MAX).unwrap_or(u64::MAX);
        let stdin = std::io::stdin().lock();
        stdin
            .take(most)
            .read_to_string(&mut read)
            .map_err(|error| {
                invalid(
                    format!("the input cannot be read: {error}"),
                    "Give it as text.",
                )
            })?;
        read.as_str()
    } else {
        text
    };
    serde_json::from_str(text).map_err(|error| {
        invalid(
            format!("the input is not JSON: {error}"),
            "Give the tool's input as a JSON object in single quotes: '{\"command\":\"git push\"}'.",
        )
    })
}

fn invalid(message: String, hint: &str) -> Problem {
    Problem::new(Code::InvalidInput, message, hint)
}

pub fn policy(context: &Context, command: Policy) -> Result<u8, Problem> {
    match command {
        Policy::Replay { file, team, limit } => {
            let Some(replay) = replay(context, &file, team, limit)? else {
                return Ok(FAILED);
            };
            context.out.show(&replay, || replay_text(&replay))?;
        }
        Policy::Templates { template: None } => {
            let all = PolicyTemplate::all();
            let texts = || all.iter().map(in_words).collect::<Vec<_>>().join("\n");
            context.out.show(&all, || {
                format!(
                    "{}\n`iris policy templates NAME` shows the rules, `iris team add … --policy NAME` begins with them.",
                    texts()
                )
            })?;
        }
        Policy::Templates {
            template: Some(template),
        } => {
            let template = PolicyTemplate::from(template);
            let text = || format!("{}\n{}", in_words(&template), in_config(&template));
            context.out.show(&template, text)?;
        }
    }
    Ok(DONE)
}

/// What a template does, for people.
fn in_words(template: &PolicyTemplate) -> String {
    let mut text = format!("{}: {}\n", template.name, template.says);
    for (head, items) in [
        ("by itself", template.allows),
        ("asks you", template.asks),
        ("never", template.denies),
    ] {
        for (at, item) in items.iter().enumerate() {
            let head = if at == 0 { head } else { "" };
            text.push_str(&format!("  {head:<10}{item}\n"));
        }
    }
    if let Some(mind) = template.mind {
        text.push_str(&format!("  {:<10}{mind}\n", "mind"));
    }
    text
}

/// The fields of a team that say the same.
fn in_config(template: &PolicyTemplate) -> String {
    let mut text = format!(
        "\"grantPermission\": \"{}\",\n\"approvalPolicy\": {{\n",
        template.grant_permission.as_str()
    );
    for (at, (list, rules)) in [
        ("deny", &template.deny),
        ("requireApproval", &template.require_approval),
        ("autoApprove", &template.auto_approve),
    ]
    .into_iter()
    .enumerate()
    {
        let rules: Vec<String> = rules
            .iter()
            .map(|rule| format!("    {}", Value::from(*rule)))
            .collect();
        let comma = if at < 2 { "," } else { "" };
        text.push_str(&format!(
            "  \"{list}\": [\n{}\n  ]{comma}\n",
            rules.join(",\n")
        ));
    }
    text.push('}');
    text
}

/// `None`: a config has errors, which are told.
fn replay(
    context: &Context,
    file: &Path,
    team: Option<TeamName>,
    limit: u32,
) -> Result<Option<Replay>, Problem> {
    let draft = read(file)?;
    let Some(then) = checked(context, file, &draft)? else {
        return Ok(None);
    };
    let asked = Command::PolicyReplay {
        draft,
        team: team.clone(),
        limit,
    };
    match context.client().ask(&asked) {
        Err(problem) if problem.code == Code::Unavailable => {
            let Some(now) = config_that_would_hold(context)? else {
                return Ok(None);
            };
            let ground = ground(context);
            let rules = Rules {
                now: ground.policies(now),
                then: ground.policies(then),
            };
            let replay = directly(context, async |store| {
                preview::replay(store, team, limit, rules).await
            })?;
            Ok(Some(replay.unwrap_or_default()))
        }
        answer => answer.map(Some),
    }
}

/// The config that Iris would start with; `None`: it has errors, which are told.
fn config_that_would_hold(context: &Context) -> Result<Option<Config>, Problem> {
    let file = context.home.config();
    match read(&file) {
        Ok(text) => checked(context, &file, &text),
        // No file is an empty config.
        Err(problem) if problem.code == Code::NotFound => Ok(Some(Config::default())),
        Err(problem) => Err(problem),
    }
}

fn ground(context: &Context) -> Ground {
    Ground {
        home: context.env.home_dir(),
        base: context.home.root().to_owned(),
        ..Ground::default()
    }
}

fn replay_text(replay: &Replay) -> String {
    let groups = [
        ("allow", &replay.newly_allowed),
        ("ask", &replay.newly_asked),
        ("deny", &replay.newly_denied),
    ];
    let counts = groups.map(|(verb, rows)| format!("{verb} {}", rows.len()));
    let mut text = format!(
        "Of {} request(s) the draft would newly {}.\n",
        replay.of,
        counts.join(", newly ")
    );
    for (verb, rows) in groups {
        if !rows.is_empty() {
            text.push_str(&format!("\nNewly {verb}:\n{}", rows_text(rows)));
        }
    }
    text
}

fn rows_text(rows: &[Differs]) -> String {
    table(
        ["SEQ", "TIME", "TEAM", "NOW", "TOOL", "INPUT", "WHY"],
        rows.iter().map(|row| {
            [
                row.seen.seq.to_string(),
                row.seen.time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                row.seen.team.to_string(),
                row.now.clone(),
                row.seen.tool.clone(),
                row.seen.summary.clone(),
                row.why.clone(),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_json() {
        assert!(input_of("{\"command\": \"ls\"}").is_ok());
        for text in ["", "ls", "{"] {
            let problem = input_of(text).unwrap_err();
            assert_eq!(problem.code, Code::InvalidInput, "{text}");
            assert!(problem.hint.contains("JSON object"), "{problem:?}");
        }
    }

    #[test]
    fn a_template_is_shown_as_it_stands_in_the_config() {
        for template in PolicyTemplate::all() {
            let text = format!(
                "{{ \"teams\": {{ \"a\": {{ \"path\": \"/p\", {} }} }} }}",
                in_config(&template)
            );
            let parsed = iris_domain::config::parse(&text, |_| None);
            assert_eq!(parsed.problems, [], "{text}");
            let config = parsed.config.unwrap();
            let policy = &config.teams.values().next().unwrap().approval_policy;
            assert_eq!(policy.auto_approve, template.auto_approve);
            assert_eq!(policy.require_approval, template.require_approval);
            assert_eq!(policy.deny, template.deny);
            for word in template.allows.iter().chain(template.asks) {
                assert!(in_words(&template).contains(word));
            }
        }
    }

    #[test]
    fn what_differs_is_told_by_kind_and_what_does_not_is_left_out() {
        assert_eq!(
            replay_text(&Replay::default()),
            "Of 0 request(s) the draft would newly allow 0, newly ask 0, newly deny 0.\n"
        );
        let row: Differs = serde_json::from_value(serde_json::json!({
            "seq": 7, "time": "2026-03-01T10:00:00Z", "team": "api", "tool": "Bash", "summary": "git push\u{202e}",
            "decision": "allow", "decidedBy": "human:cli:ann", "now": "ask", "then": "deny", "why": "The rule says so.",
        }))
        .unwrap();
        let text = replay_text(&Replay {
            of: 3,
            newly_denied: vec![row],
            ..Replay::default()
        });
        assert!(text.contains("newly deny 1"), "{text}");
        assert!(
            !text.contains("Newly ask") && !text.contains("Newly allow"),
            "{text}"
        );
        assert!(text.contains("git push⟨U+202E⟩"), "{text}");
    }
}
