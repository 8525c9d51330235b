use serde_json::json;

use super::*;

fn bash(command: &str) -> Suggestions {
    suggest(&ToolRequest::new("Bash".into(), json!({"command": command}), "t".into()).unwrap())
}

#[test]
fn what_is_offered_for_commands() {
    for (command, expected) in [
        ("git push origin main", &["Bash(git push:*)"][..]),
        (
            "git status && git diff",
            &["Bash(git status:*)", "Bash(git diff:*)"],
        ),
        ("npm run test", &["Bash(npm run test)"]),
        ("npm run test -- --watch", &["Bash(npm run test)"]),
        ("npm test", &["Bash(npm test:*)"]),
        ("cargo test -p x", &["Bash(cargo test:*)"]),
        ("ls -la | grep x", &["Bash(ls:*)", "Bash(grep:*)"]),
        ("timeout 5 cargo build", &["Bash(cargo build:*)"]),
        ("bash -lc 'cargo test'", &["Bash(cargo test:*)"]),
        ("gh pr view 12", &["Bash(gh pr view:*)"]),
        ("cd src && make-docs", &["Bash(make-docs:*)"]),
        ("sh x.sh", &[]),
        ("sudo apt-get install x", &[]),
        ("env", &[]),
        ("find . -name x", &[]),
        ("python -c 'x'", &[]),
        ("python3.12 x.py", &[]),
        ("npx cowsay", &[]),
        ("docker run -it x", &[]),
        ("npm exec x", &[]),
        ("rm -rf x", &[]),
        ("git -C x push", &[]),
        ("eval x", &[]),
        ("$x y", &[]),
        ("ls > x; python -c y", &[]),
    ] {
        assert_eq!(bash(command).suggested, expected, "{command}");
    }
    assert_eq!(bash("git push").exact, ["Bash(git push)"]);
    assert!(bash("rm *.o").exact.is_empty(), "no rule says `*` itself");
    assert_eq!(bash("x").tool, "Bash");
}

#[test]
fn what_is_offered_for_other_tools() {
    let of = |tool: &str, input: Value| {
        suggest(&ToolRequest::new(tool.into(), input, "t".into()).unwrap())
    };
    let write = of("Write", json!({"file_path": "/p/src/a.rs"}));
    assert_eq!(write.exact, ["Edit(//p/src/a.rs)"]);
    assert_eq!(write.suggested, ["Edit(//p/src/**)"]);
    assert_eq!(
        of("Read", json!({"file_path": "/etc/x"})).suggested,
        Vec::<String>::new()
    );
    assert_eq!(
        of("WebFetch", json!({"url": "https://Docs.rs:443/x"})).suggested,
        ["WebFetch(domain:docs.rs)"]
    );
    assert_eq!(
        of("Task", json!({"subagent_type": "Explore"})).suggested,
        ["Task(Explore)"]
    );
    assert_eq!(of("mcp__x__y", json!({})).tool, "mcp__x__y");
}
