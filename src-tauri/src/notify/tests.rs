use std::sync::Arc;

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
    Arc::make_mut(&mut for_ever).expires_at = None;
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
    let about = || About::One(id());
    for (button, meant) in [
        ("allow", Some(Intent::Allow(id()))),
        ("deny", Some(Intent::Deny(id()))),
        ("details", Some(Intent::Details(id()))),
        ("default", Some(Intent::Details(id()))),
        ("Allow", None),
        ("", None),
    ] {
        assert_eq!(pressed(button, about()), meant, "{button:?}");
    }
    let shown = buttons(&samples::approval("k7mq2x", "Bash", "ls"));
    assert!(
        shown.iter().all(|(key, _)| pressed(key, about()).is_some()),
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
fn the_settings_and_where_the_user_looks_make_the_mood() {
    let day = jiff::civil::time(12, 0, 0, 0);
    let night = jiff::civil::time(23, 0, 0, 0);
    let quiet: Settings =
        serde_json::from_value(serde_json::json!({"quietHours": {"from": "22:00", "to": "07:00"}}))
            .expect("settings");
    let off = Settings {
        notifications: false,
        ..quiet.clone()
    };
    for (settings, watched, now, expected) in [
        (&quiet, false, day, Mood::Open),
        (&quiet, true, day, Mood::Watched),
        (&quiet, false, night, Mood::Quiet),
        (&quiet, true, night, Mood::Watched),
        (&Settings::default(), false, night, Mood::Open),
        (&off, false, day, Mood::Off),
        (&off, true, night, Mood::Off),
    ] {
        assert_eq!(mood(settings, watched, now), expected);
    }
}

#[test]
fn turned_off_means_none() {
    let mut snapshot = samples::snapshot();
    snapshot.approvals = vec![samples::approval("k7mq2x", "Bash", "ls")];
    let on = Settings::default();
    let off = Settings {
        notifications: false,
        ..Settings::default()
    };
    let count = |snapshot: &Snapshot, settings: &Settings| {
        wanted(&mut Announcer::default(), snapshot, settings, false)
            .0
            .len()
    };
    assert_eq!(count(&snapshot, &on), 1);
    assert_eq!(count(&snapshot, &off), 0, "the user turned them off");
    Arc::make_mut(&mut snapshot.approvals[0]).forwarded_to =
        Some("lead".parse().expect("a team name"));
    assert_eq!(count(&snapshot, &on), 0, "another session is asked first");
}

#[test]
fn many_are_one_that_leads_to_the_window() {
    let views: Vec<Arc<ApprovalView>> = (0..6)
        .map(|n| samples::approval(&format!("id{n:04}"), "Bash", "ls"))
        .collect();
    let waiting: Vec<&ApprovalView> = views.iter().map(Arc::as_ref).collect();
    let told = announced(
        &mut Announcer::default(),
        &waiting,
        Mood::Open,
        &TimeZone::UTC,
    );
    let [one] = told.as_slice() else {
        panic!("one notification: {told:?}")
    };
    assert_eq!(
        (&one.about, one.title.as_str(), one.body.as_str()),
        (&About::Many, "6 approvals wait for you", "alpha 6")
    );
    for (button, _) in one.buttons {
        let meant = pressed(button, About::Many);
        assert_eq!(meant, Some(Intent::View(View::Approvals)), "{button}");
    }
    assert_eq!(
        pressed("allow", About::Many),
        None,
        "nobody allows what is not shown"
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
