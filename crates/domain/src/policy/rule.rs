//! A rule: a tool's name, or a glob over names.

/// The published names of Iris's own tools. As a rule, the bare name means `mcp__iris__NAME`.
pub const IRIS_TOOLS: [&str; 20] = [
    "send_message",
    "ask_message",
    "quick_message",
    "session_reboot",
    "session_delete",
    "session_fork",
    "session_cancel",
    "session_report",
    "team_wake",
    "team_launch",
    "team_sleep",
    "team_wake_all",
    "team_status",
    "list_teams",
    "get_logs",
    "get_date",
    "get_agent",
    "permissions__approve",
    "permissions_pending",
    "permissions_decide",
];

/// How agents see the names of Iris's tools begin.
pub(crate) const IRIS: &str = "mcp__iris__";

/// A rule over tool names, case-sensitive: a name, a glob with `*`, or `mcp__SERVER` for every
/// tool of that MCP server (as in Claude Code's own rules).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    text: String,
    pattern: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `*` stands for any text, the empty one too.
    Glob(String),
    /// `mcp__SERVER`: itself, and what starts with it and `__`.
    Server(String),
}

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// `Bash(git push:*)`: rules look at the tool's name only.
    #[error("rules with arguments are not available; `{0}` covers the whole tool")]
    Arguments(String),
    /// No tool's name has such a character.
    #[error("{0:?} is in no tool's name")]
    Character(char),
}

impl Rule {
    /// Reads a rule.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.is_empty() {
            return Err(RuleError::Empty);
        }
        if let Some((tool, _)) = text.split_once('(') {
            return Err(RuleError::Arguments(tool.trim().to_owned()));
        }
        let odd = |c: &char| !(c.is_ascii_alphanumeric() || "_-.:/@*".contains(*c));
        if let Some(c) = text.chars().find(odd) {
            return Err(RuleError::Character(c));
        }
        let pattern = if IRIS_TOOLS.contains(&text) {
            Pattern::Glob(format!("{IRIS}{text}"))
        } else if text.strip_prefix("mcp__").is_some_and(|server| {
            !server.is_empty() && !server.contains("__") && !server.contains('*')
        }) {
            Pattern::Server(text.to_owned())
        } else {
            Pattern::Glob(text.to_owned())
        };
        Ok(Self {
            text: text.to_owned(),
            pattern,
        })
    }

    /// The rule as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it speaks of this tool.
    pub fn matches(&self, tool: &str) -> bool {
        match &self.pattern {
            // `session_*`: the tools of Iris go by their bare names here, too.
            Pattern::Glob(glob) => [Some(tool), tool.strip_prefix(IRIS)]
                .into_iter()
                .flatten()
                .any(|name| glob_matches(glob.as_bytes(), name.as_bytes())),
            Pattern::Server(server) => tool
                .strip_prefix(server.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("__")),
        }
    }
}

/// Whether `text` is what `glob` describes, with `*` for any run of bytes. Linear space and at
/// worst quadratic time: on a mismatch only the last `*` takes one byte more.
pub(crate) fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g + 1, t));
                g += 1;
            }
            Some(&wanted) if wanted == byte => {
                g += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((after, taken)) = star else {
                    return false;
                };
                star = Some((after, taken + 1));
                g = after;
                t = taken + 1;
            }
        }
    }
    glob.get(g..)
        .is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_match_whole_names_and_their_case() {
        for (rule, tool, expected) in [
            ("Bash", "Bash", true),
            ("Bash", "bash", false),
            ("Bash", "BashOutput", false),
            ("Bash*", "BashOutput", true),
            ("*", "Anything", true),
            ("mcp__github__*", "mcp__github__create_issue", true),
            ("mcp__github__*", "mcp__gitlab__create_issue", false),
            ("mcp__github__*", "mcp__github__", true),
            ("mcp__*__get_*", "mcp__a__b__get_x", true),
            ("*a*b", "xxaxxbxxb", true),
            ("*a*b", "xxaxxbxxc", false),
            ("mcp__github", "mcp__github__create_issue", true),
            ("mcp__github", "mcp__github2__create_issue", false),
            ("list_teams", "mcp__iris__list_teams", true),
            ("session_*", "mcp__iris__session_fork", true),
            ("session_*", "mcp__other__session_fork", false),
            ("team_*", "mcp__iris__team_sleep", true),
            ("*_teams", "mcp__iris__list_teams", true),
            ("list_teams", "list_teams", false),
            ("list_teams", "mcp__other__list_teams", false),
            (
                "permissions__approve",
                "mcp__iris__permissions__approve",
                true,
            ),
        ] {
            let parsed = Rule::parse(rule).unwrap();
            assert_eq!(parsed.matches(tool), expected, "`{rule}` and {tool}");
        }
    }

    #[test]
    fn what_is_no_name_is_no_rule() {
        for (text, error) in [
            ("", RuleError::Empty),
            ("Bash(git push:*)", RuleError::Arguments("Bash".into())),
            ("Bash (x)", RuleError::Arguments("Bash".into())),
            ("Bash ", RuleError::Character(' ')),
            ("Bash)", RuleError::Character(')')),
            ("Bаsh", RuleError::Character('а')),
            ("Ba?h", RuleError::Character('?')),
        ] {
            assert_eq!(Rule::parse(text), Err(error), "{text:?}");
        }
    }
}
