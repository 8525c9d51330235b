//! Which waiting approvals are like one another, so that a human may answer them together.
//!
//! Answering together is no rule and no grant: the human sees each of them before, and each is decided
//! and recorded by itself.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Problem,
    grant::Offers,
    ids::{ApprovalId, TeamName},
    problem::Code,
    request::{ToolRequest, canonical, digest_of},
    snapshot::EndedApproval,
};

/// How many are answered at once: as many as may wait of one team.
pub const TOGETHER_MAX: usize = super::PENDING_PER_TEAM_MAX;

/// What an approval has in common with those that are like it: its team, its tool, and the rules that
/// are suggested for it; where none are, its input. `None`: it is like no other, because a rule always
/// asks a human for it, or because it is a question.
pub fn likeness(team: &TeamName, request: &ToolRequest, offers: &Offers) -> Option<String> {
    // Also empty where `deny` or `requireApproval` holds: no grant covers those.
    if !offers.input || request.is_question() {
        return None;
    }
    let mut common = offers.suggested.clone();
    common.sort_unstable();
    let (kind, common) = if common.is_empty() {
        ("input", vec![canonical(&request.input)])
    } else {
        ("rules", common)
    };
    let all = json!([team, request.tool, kind, common]);
    Some(digest_of(&canonical(&all)))
}

/// What became of answers that were given together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Together {
    /// Those that the answer decided.
    pub answered: Vec<EndedApproval>,
    /// Those that it did not, each with why: who answered first, or what forbids it.
    pub not: Vec<NotAnswered>,
}

/// One that an answer given to many did not decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct NotAnswered {
    /// Which.
    pub id: ApprovalId,
    /// Why, and what to do.
    pub problem: Problem,
}

/// Told for one that is not like the others that are to be allowed.
pub fn not_alike(id: &ApprovalId) -> Problem {
    Problem::new(
        Code::Forbidden,
        format!("The approval {id} is not like the others, so it is not allowed with them."),
        "Answer it by itself.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{ApprovalPolicy, Team},
        policy::{Place, Policy},
    };

    fn like(
        policy: &ApprovalPolicy,
        team: &str,
        tool: &str,
        input: serde_json::Value,
    ) -> Option<String> {
        let mut config = Team::at("/p");
        config.approval_policy = policy.clone();
        let place = Place {
            folder: "/p".into(),
            home: None,
            real: None,
        };
        let policy = Policy::of(&config, place);
        let request = ToolRequest::new(tool.to_owned(), input, "t".to_owned()).unwrap();
        let offers = Offers::of(&policy, &request);
        likeness(&team.parse().unwrap(), &request, &offers)
    }

    fn command(policy: &ApprovalPolicy, command: &str) -> Option<String> {
        like(policy, "api", "Bash", json!({ "command": command }))
    }

    #[test]
    fn alike_are_those_that_the_same_suggested_rules_cover() {
        let none = &ApprovalPolicy::default();
        let push = command(none, "git push origin main");
        assert!(push.is_some());
        for (other, alike) in [
            ("git push origin dev", true),
            ("git pull", false),
            ("git push origin dev && rm -rf /", false),
            ("git push $(cat x)", false),
        ] {
            assert_eq!(command(none, other) == push, alike, "{other}");
        }
        let other_team = like(
            none,
            "web",
            "Bash",
            json!({"command": "git push origin main"}),
        );
        assert_ne!(other_team, push, "another team");
    }

    #[test]
    fn without_a_rule_only_the_same_input_is_alike() {
        let none = &ApprovalPolicy::default();
        let tool = |input| like(none, "api", "mcp__db__query", input);
        assert!(tool(json!({"q": 1})).is_some());
        assert_eq!(tool(json!({"q": 1})), tool(json!({"q": 1})));
        assert_ne!(tool(json!({"q": 1})), tool(json!({"q": 2})));
        assert_eq!(command(none, "eval $x"), command(none, "eval $x"));
        assert_ne!(command(none, "eval $x"), command(none, "eval $y"));
    }

    #[test]
    fn what_a_rule_always_asks_for_and_questions_are_like_nothing() {
        let asks = ApprovalPolicy {
            require_approval: vec!["Bash(git push:*)".into()],
            ..ApprovalPolicy::default()
        };
        assert_eq!(command(&asks, "git push origin main"), None);
        assert_eq!(command(&asks, "ls && git push"), None);
        assert!(command(&asks, "git pull").is_some());
        let question = json!({"questions": []});
        let none = ApprovalPolicy::default();
        assert_eq!(like(&none, "api", "AskUserQuestion", question), None);
    }
}
