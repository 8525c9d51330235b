//! Answers that hold for longer than one request, and requests that nobody answered in time.

use iris_domain::{
    Problem,
    display::visible,
    grant::{GrantView, Lifetime, MINUTES_MAX, Remember, Scope},
    problem::Code,
    snapshot::MissedView,
};
use iris_engine::{
    clock,
    control::{Command, PendingItem},
};
use jiff::Timestamp;

use crate::{
    Context, DONE,
    args::{Grants, Missed, What},
    commands::{ended, object, span},
    output::table,
};

/// `iris approve`.
pub struct Approval {
    pub id: String,
    pub input: Option<String>,
    pub lifetime: Option<String>,
    pub what: What,
    pub rules: Vec<String>,
}

pub fn approve(context: &Context, approval: Approval) -> Result<u8, Problem> {
    let input = approval.input.as_deref().map(object).transpose()?;
    let remember = match &approval.lifetime {
        None => None,
        Some(text) => Some(Remember {
            until: lifetime(text)?,
            what: scope(context, &approval)?,
        }),
    };
    let id = approval.id;
    ended(
        context,
        &Command::Approve {
            id,
            input,
            remember,
        },
    )
}

fn lifetime(text: &str) -> Result<Lifetime, Problem> {
    match text {
        "session" => Ok(Lifetime::Session {}),
        "team" => Ok(Lifetime::Team {}),
        "always" => Ok(Lifetime::Always {}),
        minutes => match minutes.trim_end_matches('m').parse() {
            Ok(minutes @ 1..=MINUTES_MAX) => Ok(Lifetime::Minutes { minutes }),
            Ok(_) | Err(_) => Err(Problem::new(
                Code::InvalidInput,
                format!("--for {text} cannot be used"),
                format!("Give 1m to {MINUTES_MAX}m, `session`, `team` or `always`."),
            )),
        },
    }
}

fn scope(context: &Context, approval: &Approval) -> Result<Scope, Problem> {
    match approval.what {
        What::Exact => Ok(Scope::Exact {}),
        What::Tool => Ok(Scope::Tool {}),
        What::Rule if !approval.rules.is_empty() => Ok(Scope::Rules {
            rules: approval.rules.clone(),
        }),
        What::Rule => {
            let items: Vec<PendingItem> = context.client().ask(&Command::Pending {})?;
            let typed = approval.id.trim().to_lowercase();
            let item = items.into_iter().find(|item| item.id.0.starts_with(&typed));
            match item.map(|item| item.offers.suggested) {
                Some(rules) if !rules.is_empty() => Ok(Scope::Rules { rules }),
                Some(_) => Err(Problem::new(
                    Code::InvalidInput,
                    "Iris has no rule to suggest for it.",
                    "Use `--what exact`, or give the rule with `--rule`.",
                )),
                // That it does not wait is told by the answer itself.
                None => Ok(Scope::Exact {}),
            }
        }
    }
}

pub fn grants(context: &Context, command: Option<Grants>) -> Result<u8, Problem> {
    let client = context.client();
    match command {
        None => {
            let grants: Vec<GrantView> = client.ask(&Command::Grants {})?;
            context
                .out
                .show(&grants, || grants_text(&grants, clock::now()))?;
        }
        Some(Grants::Revoke { id }) => {
            let grant: GrantView = client.ask(&Command::GrantRevoke { id })?;
            context.out.show(&grant, || {
                visible(&format!("Took back {} ({}).", grant.id, grant.words()))
            })?;
        }
        Some(Grants::Extend { id }) => {
            let grant: GrantView = client.ask(&Command::GrantExtend { id })?;
            context.out.show(&grant, || {
                let ends = ends(&grant, clock::now());
                visible(&format!("{} ({}) {ends}.", grant.id, grant.words()))
            })?;
        }
    }
    Ok(DONE)
}

/// How a grant ends: `ends in 12m`.
fn ends(grant: &GrantView, now: Timestamp) -> String {
    match (grant.expires_at, grant.until) {
        (Some(at), _) => {
            let left = at.duration_since(now).try_into().unwrap_or_default();
            format!("ends in {}", span(left))
        }
        (None, Lifetime::Team {}) => "ends when the team stops".to_owned(),
        (None, Lifetime::Session {} | Lifetime::Minutes { .. } | Lifetime::Always {}) => {
            "ends when the agent ends".to_owned()
        }
    }
}

fn grants_text(grants: &[GrantView], now: Timestamp) -> String {
    if grants.is_empty() {
        return "Nothing is granted. `iris approve ID --for 15m` grants something.".to_owned();
    }
    let mut text = table(
        ["ID", "TEAM", "USED", "END", "BY", "WHAT"],
        grants.iter().map(|grant| {
            [
                grant.id.to_string(),
                grant.team.to_string(),
                grant.hits.to_string(),
                ends(grant, now),
                iris_domain::decision::who(&grant.granted_by),
                grant.words(),
            ]
        }),
    );
    text.push_str("\n`iris grants revoke ID` takes one back; `iris grants extend ID` gives it five minutes more.\n");
    text
}

pub fn missed(context: &Context, command: Option<Missed>) -> Result<u8, Problem> {
    let client = context.client();
    match command {
        None => {
            let missed: Vec<MissedView> = client.ask(&Command::Missed {})?;
            context
                .out
                .show(&missed, || missed_text(&missed, clock::now()))?;
        }
        Some(Missed::Allow { id }) => {
            let missed: MissedView = client.ask(&Command::MissedAllow { id })?;
            context.out.show(&missed, || {
                visible(&format!(
                    "The next try of {} ({}) is allowed, once, for 30 minutes: {}",
                    missed.tool, missed.team, missed.summary
                ))
            })?;
        }
        Some(Missed::Dismiss { id }) => {
            let missed: MissedView = client.ask(&Command::MissedDismiss { id })?;
            context.out.show(&missed, || {
                visible(&format!(
                    "{} ({}) is off the list.",
                    missed.tool, missed.team
                ))
            })?;
        }
    }
    Ok(DONE)
}

fn missed_text(missed: &[MissedView], now: Timestamp) -> String {
    if missed.is_empty() {
        return "Nothing was missed.".to_owned();
    }
    let mut text = table(
        ["ID", "TEAM", "TOOL", "AGO", "NEXT TRY", "WHAT"],
        missed.iter().map(|one| {
            let ago = now.duration_since(one.time).try_into().unwrap_or_default();
            let next = match one.allowed_until {
                Some(until) if now < until => "allowed",
                Some(_) | None => "asks",
            };
            [
                one.id.to_string(),
                one.team.to_string(),
                one.tool.clone(),
                span(ago),
                next.to_owned(),
                one.summary.clone(),
            ]
        }),
    );
    text.push_str(
        "\n`iris missed allow ID` allows the agent's next try of the very same request.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_documented() {
        assert_eq!(lifetime("15m").unwrap(), Lifetime::Minutes { minutes: 15 });
        assert_eq!(lifetime("60").unwrap(), Lifetime::Minutes { minutes: 60 });
        assert_eq!(lifetime("session").unwrap(), Lifetime::Session {});
        assert_eq!(lifetime("always").unwrap(), Lifetime::Always {});
        for text in ["", "0m", "61m", "1h", "ever", "-5m"] {
            let problem = lifetime(text).unwrap_err();
            assert_eq!(problem.code, Code::InvalidInput, "{text}");
        }
    }
}
