//! Answers, to one request or to several at once.

use iris_domain::{
    Problem,
    approval::{TOGETHER_MAX, Together},
    decision::{Answer, Verb},
    display::visible,
    ids::{ApprovalId, TeamName},
    problem::Code,
};
use iris_engine::control::{Command, PendingItem};

use crate::{Context, DONE, commands::ended};

/// `iris deny`.
pub fn deny(
    context: &Context,
    id: Option<String>,
    team: Option<TeamName>,
    message: Option<String>,
) -> Result<u8, Problem> {
    let Some(team) = team else {
        // The arguments ask for one of the two.
        let id = id.unwrap_or_default();
        return ended(context, &Command::Deny { id, message });
    };
    let ids = of_team(&pending(context)?, &team);
    answer(context, ids, Answer::Deny { message })
}

/// `iris approve --like`.
pub fn approve_like(context: &Context, typed: &str) -> Result<u8, Problem> {
    let ids = alike(&pending(context)?, typed)?;
    answer(context, ids, Answer::ALLOW_ONCE)
}

fn pending(context: &Context) -> Result<Vec<PendingItem>, Problem> {
    context.client().ask(&Command::Pending {})
}

fn of_team(items: &[PendingItem], team: &TeamName) -> Vec<ApprovalId> {
    let theirs = items.iter().filter(|item| item.team == *team);
    theirs.map(|item| item.id.clone()).collect()
}

/// Those that are like the one that a typed id means, and itself.
fn alike(items: &[PendingItem], typed: &str) -> Result<Vec<ApprovalId>, Problem> {
    let typed = typed.trim().to_lowercase();
    let mut named = items.iter().filter(|item| item.id.0.starts_with(&typed));
    let whole = items.iter().find(|item| item.id.0 == typed);
    let one = match (whole, named.next(), named.next()) {
        (Some(one), _, _) | (None, Some(one), None) if !typed.is_empty() => one,
        _ => {
            return Err(Problem::new(
                Code::NotFound,
                format!(
                    "No single request that waits has the id {}.",
                    visible(&typed)
                ),
                "`iris pending` lists the ids.",
            ));
        }
    };
    if one.like.is_none() {
        return Err(Problem::new(
            Code::Forbidden,
            format!(
                "A human is asked for {} each time, so it is like no other.",
                one.id
            ),
            format!("Answer it by itself: `iris approve {}`.", one.id),
        ));
    }
    let like = items.iter().filter(|item| item.like == one.like);
    Ok(like.map(|item| item.id.clone()).collect())
}

fn answer(context: &Context, ids: Vec<ApprovalId>, answer: Answer) -> Result<u8, Problem> {
    let mut all = Together {
        answered: Vec::new(),
        not: Vec::new(),
    };
    for some in ids.chunks(TOGETHER_MAX) {
        let answer = answer.clone();
        let ids = some.to_vec();
        let more: Together = context.client().ask(&Command::AnswerAll { ids, answer })?;
        all.answered.extend(more.answered);
        all.not.extend(more.not);
    }
    context.out.show(&all, || text(&all))?;
    Ok(DONE)
}

fn text(all: &Together) -> String {
    let mut lines: Vec<String> = Vec::new();
    for ended in &all.answered {
        let verb = match ended.decision {
            Verb::Allow => "Allowed",
            Verb::Deny => "Denied",
            Verb::Noted => "Noted",
        };
        let (id, tool, team) = (&ended.id, &ended.tool, &ended.team);
        lines.push(format!("{verb} {id}: {tool} ({team}): {}", ended.summary));
    }
    for one in &all.not {
        lines.push(format!("Not answered: {}", one.problem.in_one_text()));
    }
    lines.push(match (all.answered.len(), all.not.len()) {
        (0, 0) => "Nothing of that waits.".to_owned(),
        (n, 0) => format!("{n} answered."),
        (n, not) => format!("{n} answered, {not} not."),
    });
    // What an agent wrote stays on its line.
    let lines = lines.iter().map(|line| visible(line).replace('\n', "⏎"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use iris_domain::ids::Party;
    use iris_engine::clock;
    use serde_json::json;

    use super::*;

    fn item(id: &str, team: &str, like: Option<&str>) -> PendingItem {
        PendingItem {
            id: ApprovalId(id.into()),
            team: team.parse().unwrap(),
            session: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
            from: Party::Console,
            host: "local".into(),
            tool: "Bash".into(),
            input: json!({}),
            summary: "ls".into(),
            why: String::new(),
            offers: Default::default(),
            like: like.map(str::to_owned),
            forwarded_to: None,
            circumstances: Default::default(),
            created_at: clock::now(),
            expires_at: None,
        }
    }

    #[test]
    fn a_set_is_named_by_one_of_it_or_by_its_team() {
        let items = [
            item("aaaaaa", "api", Some("x")),
            item("abbbbb", "api", Some("x")),
            item("cccccc", "web", None),
        ];
        let ids = |ids: Vec<ApprovalId>| ids.into_iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(ids(alike(&items, "AB").unwrap()), ["aaaaaa", "abbbbb"]);
        for (typed, code) in [
            ("a", Code::NotFound),
            ("", Code::NotFound),
            ("zz", Code::NotFound),
            ("cc", Code::Forbidden),
        ] {
            assert_eq!(alike(&items, typed).unwrap_err().code, code, "{typed:?}");
        }
        assert_eq!(ids(of_team(&items, &"web".parse().unwrap())), ["cccccc"]);
    }
}
