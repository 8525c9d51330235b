use iris_domain::prompt::PromptKind;

use super::*;
use crate::samples;

#[test]
fn a_notification_says_who_what_where_and_until_when() {
    let view = samples::approval("k7mq2x", "Bash", "rm -rf build");
    assert_eq!(title(&view), "alpha wants to use Bash");
    assert_eq!(
        body(&view, &TimeZone::UTC),
        "rm -rf build\non this computer in /srv/alpha\nWaits until 11:00"
    );
    let mut for_ever = view;
    for_ever.expires_at = None;
    assert!(
        !body(&for_ever, &TimeZone::UTC).contains("Waits"),
        "nothing ends it"
    );
}

#[test]
fn markup_of_an_agent_is_text() {
    assert_eq!(
        escape("<b>a</b> & <img src=\"x\"> &lt;"),
        "&lt;b&gt;a&lt;/b&gt; &amp; &lt;img src=\"x\"&gt; &amp;lt;"
    );
}

#[test]
fn nothing_hides_in_a_notification() {
    let view = samples::approval("k7mq2x", "Bash", "a\u{202e}b\nc");
    let text = body(&view, &TimeZone::UTC);
    assert!(
        !text.contains('\u{202e}'),
        "bidi controls are shown, not obeyed: {text}"
    );
    assert_eq!(
        text.lines().count(),
        3,
        "an agent's line break is not one of ours: {text}"
    );
}

#[test]
fn buttons_mean_what_they_say() {
    let id = || ApprovalId("k7mq2x".into());
    for (button, meant) in [
        ("allow", Some(Intent::Allow(id()))),
        ("deny", Some(Intent::Deny(id()))),
        ("details", Some(Intent::Details(id()))),
        ("default", Some(Intent::Details(id()))),
        ("Allow", None),
        ("", None),
    ] {
        assert_eq!(pressed(button, id()), meant, "{button:?}");
    }
    let shown = buttons(&samples::approval("k7mq2x", "Bash", "ls"));
    assert!(
        shown.iter().all(|(key, _)| pressed(key, id()).is_some()),
        "no dead button"
    );
}

#[test]
fn a_question_cannot_be_allowed_blindly() {
    let question = samples::approval("k7mq2x", "AskUserQuestion", "Which colour?");
    assert_eq!(
        title(&question),
        "alpha has a question",
        "in words, not by its tool's name"
    );
    assert!(
        buttons(&question).iter().all(|(key, _)| *key != "allow"),
        "it needs an answer"
    );
    assert!(
        buttons(&question).iter().any(|(key, _)| *key == "details"),
        "which the window takes"
    );
}

#[test]
fn turned_off_means_none() {
    let mut snapshot = samples::snapshot();
    snapshot.approvals = vec![samples::approval("k7mq2x", "Bash", "ls")];
    assert_eq!(wanted(&snapshot, true).len(), 1);
    assert!(
        wanted(&snapshot, false).is_empty(),
        "the user turned them off"
    );
    snapshot.approvals[0].forwarded_to = Some("lead".parse().expect("a team name"));
    assert!(
        wanted(&snapshot, true).is_empty(),
        "another session is asked first"
    );
}

#[test]
fn trouble_is_news_once() {
    let mut well = samples::snapshot();
    well.teams = vec![samples::team("alpha", TeamState::Working)];
    let mut ill = samples::snapshot();
    ill.teams = vec![samples::team("alpha", TeamState::Trouble)];
    let told = news(&well, &ill);
    assert_eq!(told.len(), 1, "a team that fell ill");
    assert_eq!(told[0].title, "alpha is in trouble");
    assert_eq!(told[0].body, "claude was not found\ninstall it & try again");
    assert_eq!(news(&ill, &ill), [], "it is told once");
    assert_eq!(news(&ill, &well), [], "getting well is quiet");
    let mut broken = well.clone();
    broken.problems = vec![samples::problem("the audit log cannot be written")];
    assert_eq!(news(&well, &broken).len(), 1, "a problem of Iris itself");
    assert_eq!(news(&broken, &broken), [], "told once");
}

#[test]
fn a_question_of_ssh_is_news_once() {
    let quiet = samples::snapshot();
    let mut asked = samples::snapshot();
    asked.prompts = vec![samples::prompt("p1", PromptKind::Code)];
    let told = news(&quiet, &asked);
    assert_eq!(told.len(), 1, "somebody has to answer it");
    assert_eq!(told[0].title, "me@box asks for a code");
    assert_eq!(news(&asked, &asked), [], "told once");
    assert_eq!(news(&asked, &quiet), [], "an answered one is quiet");
    let mut two = asked.clone();
    two.prompts.push(samples::prompt("p2", PromptKind::Touch));
    let ids = |before, now| {
        let new = new_prompts(before, now);
        new.map(|prompt| prompt.id.0.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(Some(&asked), &two), ["p2"], "the others are known");
    assert_eq!(ids(None, &two), ["p1", "p2"], "at the start all are new");
}
