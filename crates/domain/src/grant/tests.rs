use serde_json::json;

use super::*;
use crate::{
    config::{GrantPermission, Team},
    decision::Surface,
    policy::Place,
};

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn at(minutes: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_mins(minutes)
}

fn team(name: &str) -> TeamName {
    name.parse().unwrap()
}

fn session(n: u128) -> SessionId {
    SessionId(uuid::Uuid::from_u128(n))
}

fn bash(command: &str) -> ToolRequest {
    ToolRequest::new("Bash".into(), json!({ "command": command }), "t".into()).unwrap()
}

fn policy(deny: &[&str], require: &[&str], auto: &[&str]) -> Policy {
    let mut team = Team::at("/p");
    let own = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
    team.approval_policy.deny = own(deny);
    team.approval_policy.require_approval = own(require);
    team.approval_policy.auto_approve = own(auto);
    let place = Place {
        folder: "/p".into(),
        ..Place::default()
    };
    Policy::of(&team, place)
}

fn grant(id: &str, request: &ToolRequest, what: Scope, until: Lifetime) -> Result<Grant, Problem> {
    let human = Human {
        surface: Surface::Window,
        user: "ann".into(),
    };
    let given = Given {
        id: GrantId(id.into()),
        team: &team("api"),
        session: session(1),
        token: Some(7),
        request,
        offers: &Offers::of(&policy(&[], &[], &[]), request),
        human: &human,
        now: now(),
    };
    Grant::new(given, &Remember { what, until })
}

fn rules(rules: &[&str]) -> Scope {
    Scope::Rules {
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
    }
}

const FIVE: Lifetime = Lifetime::Minutes { minutes: 5 };

fn held(grants: Vec<Grant>) -> Book {
    let mut book = Book::default();
    for grant in grants {
        book.has_room().unwrap();
        book.add(grant);
    }
    book
}

/// What the policy says to the command when these grants hold.
fn says(policy: &Policy, book: &Book, command: &str) -> String {
    let live = book.live();
    let refs: Vec<&Live> = live.iter().collect();
    match policy.evaluate_with(&bash(command), &refs) {
        Verdict::Allow { by, why } => {
            assert!(!why.is_empty());
            by.to_string()
        }
        verdict => verdict.word().to_owned(),
    }
}

#[test]
fn a_grant_comes_behind_every_rule_and_before_the_mode() {
    let book = held(vec![
        grant("g1", &bash("git push"), rules(&["Bash(git push:*)"]), FIVE).unwrap(),
        grant("g2", &bash("make all"), Scope::Exact {}, FIVE).unwrap(),
    ]);
    let plain = policy(&[], &[], &["Bash(git log:*)"]);
    assert_eq!(says(&plain, &book, "git push origin"), "grant:g1");
    assert_eq!(
        says(&plain, &book, "git log"),
        "rule:autoApprove:Bash(git log:*)"
    );
    assert_eq!(says(&plain, &book, "make all"), "grant:g2");
    assert_eq!(says(&plain, &book, "make all "), "ask", "byte for byte");
    assert_eq!(says(&plain, &book, "make"), "ask");
    assert_eq!(
        says(&plain, &book, "git log && git push"),
        "grant:g1",
        "a rule and a grant cover it together"
    );
    let two = held(vec![
        grant("a", &bash("git push"), rules(&["Bash(git push:*)"]), FIVE).unwrap(),
        grant("b", &bash("ls"), rules(&["Bash(ls:*)"]), FIVE).unwrap(),
    ]);
    assert_eq!(says(&plain, &two, "ls; git push"), "grant:a + b");
    assert_eq!(says(&plain, &two, "ls; rm x"), "ask");
    let denying = policy(&["Bash(git push --force:*)"], &[], &[]);
    assert_eq!(says(&denying, &book, "git push --force"), "deny");
    assert_eq!(says(&denying, &book, "git push"), "grant:g1");
    assert_eq!(
        says(&denying, &book, "git push $x"),
        "ask",
        "what a deny rule cannot see, no grant lets through"
    );
    let requiring = policy(&[], &["Bash(git push:*)"], &[]);
    assert_eq!(says(&requiring, &book, "git push"), "ask");
    let mut no = Team::at("/p");
    no.grant_permission = GrantPermission::No;
    let no = Policy::of(&no, Place::default());
    assert_eq!(says(&no, &book, "git push"), "grant:g1");
    assert_eq!(says(&no, &Book::default(), "git push"), "deny");
}

#[test]
fn it_holds_for_whom_it_was_given_to_and_no_longer_than_that() {
    let request = bash("ls");
    let five = grant("m", &request, rules(&["Bash(ls:*)"]), FIVE).unwrap();
    let whole = grant("t", &request, rules(&["Bash(ls:*)"]), Lifetime::Team {}).unwrap();
    let mut book = held(vec![five, whole]);
    let holding = |book: &Book, name: &str, of: u128, when: Timestamp| -> Vec<String> {
        let live = book.live();
        let holds = live
            .iter()
            .filter(|live| live.holds_for(&team(name), session(of), when));
        holds.map(|live| live.id.0.clone()).collect()
    };
    assert_eq!(holding(&book, "api", 1, now()), ["m", "t"]);
    assert_eq!(
        holding(&book, "api", 2, now()),
        ["t"],
        "another conversation"
    );
    assert!(holding(&book, "web", 1, now()).is_empty(), "another team");
    assert_eq!(holding(&book, "api", 1, at(5)), ["t"], "to the second");
    assert_eq!(book.next_end(), Some(at(5)));

    assert_eq!(book.expire(at(4)), []);
    let over = book.expire(at(5));
    assert!(matches!(&over[..], [(view, Over::Expired)] if view.id.0 == "m"));
    assert_eq!(book.next_end(), None);
}

#[test]
fn it_ends_with_the_agent_and_not_with_another_one() {
    let request = bash("ls");
    let of = |id, until| grant(id, &request, rules(&["Bash(ls:*)"]), until).unwrap();
    let all = || {
        held(vec![
            of("m", FIVE),
            of("s", Lifetime::Session {}),
            of("t", Lifetime::Team {}),
        ])
    };
    let ended = |book: &mut Book, agents: &[(&str, u128, u64)]| -> Vec<(String, Over)> {
        let agents: Vec<_> = agents
            .iter()
            .map(|(name, of, serial)| (team(name), session(*of), *serial))
            .collect();
        let over = book.agents(&agents).into_iter();
        over.map(|(view, why)| (view.id.0, why)).collect()
    };
    assert_eq!(ended(&mut all(), &[("api", 1, 7), ("web", 3, 8)]), []);
    assert_eq!(
        ended(&mut all(), &[("api", 1, 9)]),
        [
            ("m".to_owned(), Over::AgentEnded),
            ("s".to_owned(), Over::AgentEnded)
        ],
        "started anew: another token"
    );
    let nobody = ended(&mut all(), &[("web", 3, 8)]);
    assert_eq!(nobody.len(), 3);
    assert!(nobody.contains(&("t".to_owned(), Over::TeamStopped)));
}

#[test]
fn rules_that_contradict_it_end_it_for_good() {
    let mut book = held(vec![
        grant("g", &bash("git push"), rules(&["Bash(git push:*)"]), FIVE).unwrap(),
    ]);
    let after = |book: &mut Book, policy: Option<Policy>| {
        let policy = policy.map(std::sync::Arc::new);
        let over = book.rules(|_| policy.clone());
        over.into_iter().map(|(_, why)| why).collect::<Vec<_>>()
    };
    assert_eq!(
        after(&mut book, Some(policy(&["Bash(rm:*)"], &[], &["Read"]))),
        []
    );
    let denying = policy(&["Bash(git push:*)"], &[], &[]);
    assert_eq!(after(&mut book, Some(denying)), [Over::Contradicted]);
    assert_eq!(says(&policy(&[], &[], &[]), &book, "git push"), "ask");
    let again = || grant("g", &bash("git push"), Scope::Exact {}, FIVE).unwrap();
    book.add(again());
    let requiring = policy(&[], &["Bash(git *)"], &[]);
    assert_eq!(after(&mut book, Some(requiring)), [Over::Contradicted]);
    book.add(again());
    assert_eq!(after(&mut book, None), [Over::TeamGone]);
}

#[test]
fn what_cannot_be_granted_says_what_to_do() {
    let request = bash("git push");
    for (what, until) in [
        (rules(&[]), FIVE),
        (rules(&["Bash("]), FIVE),
        (rules(&["Write(/x)"]), FIVE),
        (Scope::Exact {}, Lifetime::Minutes { minutes: 0 }),
        (
            Scope::Exact {},
            Lifetime::Minutes {
                minutes: MINUTES_MAX + 1,
            },
        ),
        (Scope::Exact {}, Lifetime::Always {}),
        (rules(&["Read"; RULES_MAX + 1]), FIVE),
    ] {
        let problem = grant("g", &request, what.clone(), until).unwrap_err();
        assert_eq!(problem.code, Code::InvalidInput, "{what:?} {until:?}");
        assert!(!problem.hint.is_empty());
    }
    let question = ToolRequest::new("AskUserQuestion".into(), json!({}), "t".into()).unwrap();
    assert!(grant("g", &question, Scope::Exact {}, FIVE).is_err());
}

#[test]
fn only_what_would_hold_is_offered() {
    let of = |policy: &Policy, command: &str| Offers::of(policy, &bash(command));
    let plain = policy(&[], &[], &[]);
    let offers = of(&plain, "git push origin main");
    assert!(offers.input);
    assert_eq!(offers.suggested, ["Bash(git push:*)"]);
    assert_eq!(offers.tool, ["Bash"]);
    let wrapped = of(&plain, "bash -lc 'cargo test'");
    assert_eq!(
        wrapped.suggested,
        ["Bash(cargo test:*)"],
        "never the wrapper"
    );
    let writes = of(&plain, "ls > /etc/x");
    assert!(
        writes.suggested.is_empty(),
        "the rule would not cover the file: {writes:?}"
    );
    let always_asks = policy(&[], &["Bash(git push:*)"], &[]);
    assert_eq!(of(&always_asks, "git push"), Offers::default());
    let blind = policy(&["Bash(rm:*)"], &[], &[]);
    assert_eq!(of(&blind, "$x"), Offers::default());
    assert!(!of(&plain, "$x").tool.is_empty());
}

#[test]
fn it_is_counted_extended_and_taken_back() {
    let mut book = held(vec![
        grant("g", &bash("ls"), Scope::Tool {}, FIVE).unwrap(),
        grant("s", &bash("ls"), Scope::Tool {}, Lifetime::Session {}).unwrap(),
    ]);
    let id = |id: &str| GrantId(id.into());
    assert!(book.hit(&id("g"), "ls -l", at(1)) && !book.hit(&id("x"), "", now()));
    let view = book.views().remove(0);
    assert_eq!((view.hits, view.last_used), (1, Some(at(1))));
    assert_eq!(view.last_summary.as_deref(), Some("ls -l"));
    assert_eq!(
        book.extend(&id("g"), at(1)).unwrap().expires_at,
        Some(at(10))
    );
    for _ in 0..20 {
        book.extend(&id("g"), at(1)).unwrap();
    }
    assert_eq!(
        book.views()[0].expires_at,
        Some(at(1 + i64::from(MINUTES_MAX))),
        "never further off than what is granted at once"
    );
    assert_eq!(
        book.extend(&id("s"), now()).unwrap_err().code,
        Code::Conflict
    );
    assert_eq!(book.revoke(&id("g")).unwrap().id, id("g"));
    assert_eq!(book.revoke(&id("g")).unwrap_err().code, Code::NotFound);
    assert_eq!(says(&policy(&[], &[], &[]), &book, "ls"), "grant:s");
}

#[test]
fn its_row_names_who_what_and_until_when() {
    let grant = grant("g", &bash("ls"), rules(&["Bash(ls:*)"]), FIVE).unwrap();
    let row = grant.row(&ApprovalId("k3".into()));
    assert_eq!(row.decided_by, "human:window:ann");
    assert_eq!(row.input["rules"], json!(["Bash(ls:*)"]));
    assert_eq!(row.input["approval"], "k3");
    assert_eq!(row.input["expiresAt"], at(5).to_string());
    assert_eq!(row.team, "api");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However grants are added, a deny or require rule that holds is never passed, and what no
        /// rule and no grant covers is never allowed.
        #[test]
        fn no_grant_passes_a_rule(
            commands in prop::collection::vec("(git push|ls|rm -rf x|git log)( && (ls|git push|rm y))?", 1..6),
            asked in "(git push|ls|rm -rf x|git log)( ; (ls|git push|rm y))?",
            denied in prop::option::of(prop::sample::select(vec!["Bash(git push:*)", "Bash(rm:*)", "Bash(ls)"])),
            required in prop::option::of(prop::sample::select(vec!["Bash(git push:*)", "Bash(rm:*)", "Bash(ls)"])),
        ) {
            let own: Vec<&str> = denied.into_iter().collect();
            let asks: Vec<&str> = required.into_iter().collect();
            let bare = policy(&own, &asks, &[]);
            let grants = commands.iter().enumerate().filter_map(|(at, command)| {
                let request = bash(command);
                let offers = Offers::of(&bare, &request);
                let what = if offers.suggested.is_empty() { Scope::Exact {} } else { Scope::Rules { rules: offers.suggested } };
                grant(&format!("g{at}"), &request, what, FIVE).ok()
            });
            let book = held(grants.collect());
            let said = says(&bare, &book, &asked);
            let without = says(&bare, &Book::default(), &asked);
            prop_assert!(without == "deny" || without == "ask");
            if without == "deny" {
                prop_assert_eq!(said, "deny");
            } else if bare.contradicts(&bash(&asked)) {
                prop_assert_eq!(said, "ask");
            }
        }
    }
}
