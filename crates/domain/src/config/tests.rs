mod docs;
mod editing;
mod mistakes;
mod outside;
mod reading;
mod rules;
mod templates;

use super::*;

/// The environment of these tests.
fn vars(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/me".into()),
        "PORT" => Some("8080".into()),
        "ON" => Some("true".into()),
        "MODE" => Some("no".into()),
        "SECRET" => Some("hunter2".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn good(text: &str) -> Config {
    let parsed = parse(text, vars);
    assert_eq!(parsed.problems, [], "no problems in {text}");
    parsed.config.expect("a config without problems is there")
}

fn team(name: &str) -> TeamName {
    name.parse().expect("a team's name")
}
