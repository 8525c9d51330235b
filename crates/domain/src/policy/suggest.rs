//! Rules to offer for a request, from the narrowest to the widest.

use serde_json::Value;

use super::{
    command::shown,
    rule::{Access, Rule},
    shell::{Kind, Run, Script, base_name},
    web::Target,
};
use crate::request::ToolRequest;

/// Rules that would allow a request like this one. Each is a text that [`Rule::parse`] takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suggestions {
    /// Just this input; empty where no rule can say that.
    pub exact: Vec<String>,
    /// What is usually meant; one rule for each part of a command. Empty where nothing is safe to offer.
    pub suggested: Vec<String>,
    /// Every use of the tool.
    pub tool: String,
}

/// Programs that run whatever they are given: a rule for one of them would be a rule for anything.
pub(super) const RUN_ANYTHING: [&str; 42] = [
    "sh",
    "bash",
    "dash",
    "zsh",
    "ksh",
    "mksh",
    "ash",
    "fish",
    "sudo",
    "doas",
    "su",
    "env",
    "xargs",
    "eval",
    "exec",
    "python",
    "python2",
    "python3",
    "node",
    "deno",
    "bun",
    "ruby",
    "perl",
    "php",
    "lua",
    "osascript",
    "awk",
    "gawk",
    "ssh",
    "find",
    "parallel",
    "watch",
    "chroot",
    "nix-shell",
    "npx",
    "pnpx",
    "bunx",
    "uvx",
    "pipx",
    "tclsh",
    "make",
    "rm",
];
/// Programs whose first words say what they do: how many of them a rule names.
const SUBCOMMANDS: [(&str, usize); 24] = [
    ("git", 2),
    ("cargo", 2),
    ("go", 2),
    ("docker", 2),
    ("kubectl", 2),
    ("gh", 3),
    ("apt", 2),
    ("apt-get", 2),
    ("brew", 2),
    ("pip", 2),
    ("pip3", 2),
    ("uv", 2),
    ("poetry", 2),
    ("terraform", 2),
    ("systemctl", 2),
    ("dotnet", 2),
    ("mvn", 2),
    ("gradle", 2),
    ("npm", 2),
    ("pnpm", 2),
    ("yarn", 2),
    ("aws", 3),
    ("gcloud", 3),
    ("rustup", 2),
];
/// Runners of a project's scripts: a rule names the script.
const RUNNERS: [&str; 4] = ["npm", "pnpm", "yarn", "bun"];
/// Subcommands that run whatever they are given.
const RUN_SUB: [&str; 6] = ["exec", "run", "x", "dlx", "eval", "shell"];

/// Rules to offer for this request.
pub fn suggest(request: &ToolRequest) -> Suggestions {
    let text = |key: &str| request.input.get(key).and_then(Value::as_str);
    let tool = request.tool.as_str();
    let (exact, suggested) = match tool {
        "Bash" => text("command").map(command).unwrap_or_default(),
        "WebFetch" => {
            let rule = text("url")
                .and_then(Target::of)
                .map(|target| format!("WebFetch(domain:{})", target.host()));
            (None, rule.into_iter().collect())
        }
        "Task" | "Agent" => {
            let rule = text("subagent_type").map(|name| format!("{tool}({name})"));
            (None, rule.into_iter().collect())
        }
        _ => match (
            Access::of(tool),
            text("file_path").or_else(|| text("notebook_path")),
        ) {
            (Some(access), Some(path)) => file(access, path),
            _ => (None, Vec::new()),
        },
    };
    let usable = |rule: &String| Rule::parse(rule).is_ok();
    Suggestions {
        exact: exact.into_iter().filter(usable).collect(),
        suggested: if suggested.iter().all(usable) {
            suggested
        } else {
            Vec::new()
        },
        tool: tool.to_owned(),
    }
}

fn file(access: Access, path: &str) -> (Option<String>, Vec<String>) {
    let name = match access {
        Access::Read => "Read",
        Access::Edit => "Edit",
    };
    if !path.starts_with('/')
        || path.contains(['*', '?', '[', '\\', '\n', '(', ')'])
        || path.contains("/..")
    {
        return (None, Vec::new());
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let wide = (folder.matches('/').count() > 1).then(|| format!("{name}(/{folder}/**)"));
    (Some(format!("{name}(/{path})")), wide.into_iter().collect())
}

fn command(text: &str) -> (Option<String>, Vec<String>) {
    let text = text.trim();
    let exact = (!text.contains(['*', '\n'])).then(|| format!("Bash({text})"));
    let script = Script::read(text);
    if !script.doubts.is_empty() {
        return (exact, Vec::new());
    }
    let mut rules = Vec::new();
    for run in script.runs.iter().filter(|run| run.kind == Kind::Program) {
        match of_run(run) {
            Some(rule) if !rules.contains(&rule) => rules.push(rule),
            Some(_) => {}
            None => return (exact, Vec::new()),
        }
    }
    (exact, rules)
}

/// What is usually meant by one command; `None`: nothing but the whole command is safe.
fn of_run(run: &Run) -> Option<String> {
    let program = run.words.first()?.value.as_deref()?;
    let name = base_name(program);
    if RUN_ANYTHING.contains(&name) || name.starts_with("python") {
        return None;
    }
    let word = |at: usize| {
        run.words
            .get(at)
            .and_then(|word| word.value.as_deref())
            .filter(|text| {
                !text.starts_with('-')
                    && text
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "_-.:/@".contains(c))
            })
    };
    let Some((_, count)) = SUBCOMMANDS.iter().find(|(known, _)| *known == name) else {
        return Some(format!("Bash({program}:*)"));
    };
    let sub = word(1)?;
    if RUNNERS.contains(&name) && sub == "run" {
        // The script, and nothing behind it: what it may be given is not known.
        let script = word(2)?;
        return Some(format!("Bash({program} run {script})"));
    }
    if RUN_SUB.contains(&sub) {
        return (name == "cargo" && sub == "run" && run.words.len() == 2)
            .then(|| format!("Bash({})", shown(&run.words)));
    }
    let mut words = vec![program, sub];
    words.extend((2..*count).map_while(word));
    Some(format!("Bash({}:*)", words.join(" ")))
}

#[cfg(test)]
mod tests;
