//! Commands and what the policy says to them.

use serde_json::json;

use super::*;
use crate::config::ApprovalPolicy;

const CORPUS: &str = include_str!("corpus.txt");

/// `/p/link` and `/p/out/link` lead out of the folder.
fn real(path: &str) -> Option<String> {
    ["/p/link", "/p/out/link"]
        .iter()
        .find_map(|link| Some(format!("/outside{}", path.strip_prefix(link)?)))
        .or_else(|| Some(path.to_owned()))
}

fn policy() -> Policy {
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    let team = Team {
        approval_policy: ApprovalPolicy {
            auto_approve: own(&[
                "Bash(git status:*)",
                "Bash(git log *)",
                "Bash(git diff:*)",
                "Bash(git commit -m *)",
                "Bash(git * main)",
                "Bash(npm run test)",
                "Bash(npm run build *)",
                "Bash(cargo test:*)",
                "Bash(grep:*)",
                "Bash(cat)",
                "Bash(tail *)",
                "Bash(find:*)",
                "Bash(sudo apt-get *)",
                "Bash(sudo -n systemctl restart *)",
                "Bash(sudo:*)",
                "Bash(ssh *)",
                "Bash(env *)",
                "Bash(xargs *)",
                "Bash(sh:*)",
                "Bash(timeout *)",
                "Bash(exact --thing \"with spaces\")",
                "Bash(weird $(make x); eval y)",
                "Bash(ls*)",
                "Bash(echo *)",
                "Bash(* --version)",
                "Edit(/out/**)",
                "Edit(/secret/**)",
            ]),
            require_approval: Vec::new(),
            deny: own(&[
                "Bash(rm:*)",
                "Bash(git push *)",
                "Bash(curl *)",
                "Edit(/secret/**)",
                "Read(/private/**)",
            ]),
            ..ApprovalPolicy::default()
        },
        ..Team::at("/p")
    };
    Policy::of(
        &team,
        Place {
            folder: "/p".into(),
            home: Some("/home/u".into()),
            real: Some(real),
        },
    )
}

fn command(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let escape = [("n", "\n"), ("t", "\t"), ("r", "\r")];
        if c != '\\' {
            out.push(c);
        } else if let Some((name, value)) = escape.iter().find(|(name, _)| rest.starts_with(name)) {
            out.push_str(value);
            rest = &rest[name.len()..];
        } else if let Some(hex) = rest.strip_prefix('u') {
            out.push(char::from_u32(u32::from_str_radix(&hex[..4], 16).unwrap()).unwrap());
            rest = &hex[4..];
        } else {
            out.push(c);
        }
    }
    out
}

#[test]
fn the_corpus() {
    let policy = policy();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in CORPUS.lines().filter(|line| !line.starts_with('#')) {
        let (expected, text) = line.split_once('\t').unwrap();
        let input = json!({"command": command(text)});
        let verdict = policy.evaluate(&ToolRequest::new("Bash".into(), input, "t".into()).unwrap());
        let (got, why) = match &verdict {
            Verdict::Allow { by, .. } => ("allow", by.to_string()),
            Verdict::Ask { why } | Verdict::Forward { why } => ("ask", why.clone()),
            Verdict::Deny { by, .. } => ("deny", by.to_string()),
        };
        if got != expected {
            wrong.push(format!("{text}\n    expected {expected}, got {got}: {why}"));
        }
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 300, "only {count} commands");
}
