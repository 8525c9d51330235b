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
            real: Some(Real::Now(real)),
        },
    )
}

/// Each line of the corpus: what is expected, and the command.
fn lines() -> impl Iterator<Item = (&'static str, String)> {
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (expected, text) = line.split_once('\t').unwrap();
        (expected, command(text))
    })
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
fn what_was_looked_up_before_is_as_good_as_looking_now_and_one_look_is_enough() {
    let (now, mut looks) = (policy(), 0);
    for (_, text) in lines() {
        let input = json!({ "command": text });
        let request = ToolRequest::new("Bash".into(), input, "t".into()).unwrap();
        let nothing = Arc::new(LookedUp::default());
        let blind = now.knowing(Real::Before(Arc::clone(&nothing)));
        let first = blind.evaluate(&request);
        let wanted = nothing.missing();
        looks += usize::from(!wanted.is_empty());
        if wanted.is_empty() {
            assert_eq!(first, now.evaluate(&request), "{text}: it needs no disk");
        } else if let Verdict::Deny { .. } = first {
            let denied = matches!(now.evaluate(&request), Verdict::Deny { .. });
            assert!(denied, "{text}: what is denied unseen is denied");
        }
        let known = wanted.into_iter().map(|path| (path.clone(), real(&path)));
        let known = Arc::new(LookedUp::new(known.collect()));
        let seen = now.knowing(Real::Before(Arc::clone(&known)));
        assert_eq!(seen.evaluate(&request), now.evaluate(&request), "{text}");
        seen.look(&request);
        assert!(known.missing().is_empty(), "{text}: {:?}", known.missing());
    }
    assert!(looks > 20, "only {looks} commands of the corpus have paths");
}

#[test]
fn the_corpus() {
    let policy = policy();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (expected, text) in lines() {
        let input = json!({ "command": text });
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
