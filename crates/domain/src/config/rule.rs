//! Which texts are rules of the approval policy.

/// Why a text is not a rule, for the person who wrote it; `None`: it is one.
///
/// A rule is a tool's name, in which `*` stands for any characters: `Bash`, `mcp__github__*`,
/// `list_teams`, `*`. Claude Code's rules with arguments (`Bash(git push:*)`) are refused: reading
/// one as a rule for the whole tool would allow, or deny, more than was meant.
pub fn rule_problem(rule: &str) -> Option<String> {
    if rule.is_empty() {
        return Some("a rule is the name of a tool, and this one is empty".into());
    }
    if let Some((tool, _)) = rule.split_once('(') {
        let tool = tool.trim();
        return Some(if tool.is_empty() {
            format!("`{rule}` names no tool before its `(`")
        } else {
            format!(
                "rules with arguments, such as `{rule}`, are not available yet; `{tool}` is the \
                 rule for every use of that tool"
            )
        });
    }
    let strange = rule.chars().find(|c| !is_name_char(*c) && *c != '*')?;
    Some(
        if strange.is_whitespace() && rule.split_whitespace().count() == 1 {
            format!("the rule `{rule}` has spaces around it")
        } else {
            format!(
                "`{}` cannot stand in a rule: it is the name of one tool, made of letters, digits, \
             `_`, `-` and `.`, in which `*` stands for any characters",
                strange.escape_debug()
            )
        },
    )
}

/// What tools' names are made of.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for rule in [
            "Bash",
            "mcp__iris__*",
            "list_teams",
            "*",
            "mcp__git-hub__get.x",
            "Web*",
        ] {
            assert_eq!(rule_problem(rule), None, "{rule:?} is a rule");
        }
        for (rule, says) in [
            ("", "empty"),
            ("Bash(git push:*)", "`Bash` is the rule for every use"),
            ("Bash (ls)", "`Bash` is the rule"),
            ("Read(~/secrets/**", "not available yet"),
            ("(x)", "names no tool"),
            ("Bash,Read", "`,` cannot stand"),
            ("Bash Read", "` ` cannot stand"),
            (" Bash", "spaces around"),
            ("Ba\u{200b}sh", "\\u{200b}"),
            ("B?sh", "`?` cannot"),
        ] {
            let problem = rule_problem(rule).unwrap_or_else(|| panic!("{rule:?} is not a rule"));
            assert!(
                problem.contains(says),
                "{rule:?}: {problem:?} says {says:?}"
            );
        }
    }
}
