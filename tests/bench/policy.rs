//! How long the policy takes for one command, with as many rules as somebody really had.

use std::time::{Duration, Instant};

use iris_domain::{
    config::{ApprovalPolicy, Team},
    policy::{Place, Policy},
    request::ToolRequest,
};
use serde_json::json;

const RULES: usize = 250;
const TIMES: usize = 2_000;

const COMMANDS: [&str; 6] = [
    "git status",
    "cargo test -p iris-domain 2>&1 | tail -40",
    "cd /p/src && git log --oneline -5 && git diff \"$BASE\" -- src > /dev/null",
    "timeout 60 bash -lc 'npm run build && npm test'",
    "for f in src/*.rs; do grep -n \"fn main\" \"$f\"; done",
    "git commit -m \"$(cat <<'EOF'\nFix the parser\n\nIt read too far.\nEOF\n)\"",
];

/// Prints the table.
pub fn measure() {
    let rules = |from: usize, to: usize| {
        (from..to)
            .map(|n| format!("Bash(tool-{n} sub:*)"))
            .collect()
    };
    let mut auto_approve: Vec<String> = rules(0, RULES - 60);
    auto_approve.extend(
        [
            "git status:*",
            "cargo test:*",
            "tail:*",
            "git:*",
            "npm:*",
            "grep:*",
            "cat",
        ]
        .map(|rule| format!("Bash({rule})")),
    );
    let team = Team {
        approval_policy: ApprovalPolicy {
            auto_approve,
            require_approval: rules(300, 310),
            deny: rules(400, 450),
            ..ApprovalPolicy::default()
        },
        ..Team::at("/p")
    };
    let place = Place {
        folder: "/p".into(),
        home: Some("/home/u".into()),
        real: None,
    };
    let policy = Policy::of(&team, place);
    println!("| policy, {RULES} rules | p50 µs | p99 µs |");
    println!("| --- | --- | --- |");
    for command in COMMANDS {
        let mut times: Vec<Duration> = (0..TIMES)
            .map(|n| {
                // Another text each time, so that no cache of the parser answers.
                let input = json!({ "command": format!("{command} # {n}") });
                let request =
                    ToolRequest::new("Bash".into(), input, "t".into()).expect("a request");
                let start = Instant::now();
                std::hint::black_box(policy.evaluate(&request));
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let micros = |part: usize| times[TIMES * part / 100].as_secs_f64() * 1e6;
        println!(
            "| `{}` | {:.0} | {:.0} |",
            command.lines().next().unwrap_or_default(),
            micros(50),
            micros(99)
        );
    }
    println!();
}
