//! From the file's text to the [`Config`] that holds.

use jsonc_parser::{
    CollectOptions, ParseOptions, ast, common::Ranged as _, errors::ParseErrorKind, parse_to_ast,
};
use serde_json::{Map, Value};

use super::{Config, ConfigProblem, read::Reader, shape, sources};
use crate::target::check_extra;

/// What a file's text says.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The config; `None` when there is any problem.
    pub config: Option<Config>,
    /// Everything that is wrong, in the order of the file. A syntax error ends the search.
    pub problems: Vec<ConfigProblem>,
}

/// JSON with comments and trailing commas, and no other liberties: what an editor's "JSON with
/// Comments" mode accepts is what Iris accepts.
pub(super) const SYNTAX: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a config file's text. `vars` gives the environment variables that `${VAR}` names.
/// An empty text is an empty config. Never panics.
pub fn parse(text: &str, vars: impl Fn(&str) -> Option<String>) -> Parsed {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let root = match parse_to_ast(text, &CollectOptions::default(), &SYNTAX) {
        Err(error) => {
            let (message, hint) = syntax(error.kind());
            let problem = ConfigProblem::at(text, error.range().start, "", message, hint);
            return Parsed {
                config: None,
                problems: vec![problem],
            };
        }
        Ok(result) => match result.value {
            None => {
                return Parsed {
                    config: Some(Config::default()),
                    problems: Vec::new(),
                };
            }
            Some(root) => root,
        },
    };
    let mut reader = Reader {
        source: text,
        vars: &vars,
        problems: Vec::new(),
    };
    let plain = reader.value("", &root, &shape::ROOT).unwrap_or(Value::Null);
    let plain = fill_in(plain);
    check_reverse_mcp(&mut reader, &root, &plain);
    check_ssh_args(&mut reader, &root);
    let mut problems = reader.problems;
    if problems.is_empty() {
        match serde_json::from_value(plain) {
            Ok(mut config) => {
                sources::note(&mut config, text, &root);
                return Parsed {
                    config: Some(config),
                    problems,
                };
            }
            // The table and the types disagree, which a test rules out: fail closed.
            Err(error) => problems.push(ConfigProblem::at(
                text,
                0,
                "",
                format!("Iris cannot use this config: {error}"),
                "This is a defect in Iris; please report it with the config.",
            )),
        }
    }
    problems.sort_by_key(|p| (p.line, p.column));
    Parsed {
        config: None,
        problems,
    }
}

/// Some editors on Windows write it at the start of a file.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// Gives each team what it leaves out and `settings.defaults` has: field by field, also inside
/// objects. A list is one value, but for the rules of `approvalPolicy`: those of the template come
/// first, so that no team loses a rule that holds for all.
fn fill_in(mut root: Value) -> Value {
    if let Value::Object(root) = &mut root {
        root.remove("$schema");
        let template = root
            .get("settings")
            .and_then(|s| s.get("defaults"))
            .cloned();
        if let (Some(Value::Object(template)), Some(Value::Object(teams))) =
            (template, root.get_mut("teams"))
        {
            // In the template it means those teams that are remote.
            let mut local = template.clone();
            local.remove("enableReverseMcp");
            for team in teams.values_mut().filter_map(Value::as_object_mut) {
                fill(
                    team,
                    if team.contains_key("remote") {
                        &template
                    } else {
                        &local
                    },
                );
            }
        }
    }
    root
}

fn fill(own: &mut Map<String, Value>, template: &Map<String, Value>) {
    for (key, value) in template {
        match (own.get_mut(key), value) {
            (None, _) => {
                own.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(own)), Value::Object(template)) if key == "approvalPolicy" => {
                add_rules(own, template);
            }
            (Some(Value::Object(own)), Value::Object(template)) => fill(own, template),
            (Some(_), _) => {}
        }
    }
}

fn add_rules(own: &mut Map<String, Value>, template: &Map<String, Value>) {
    for (list, rules) in template {
        match (own.get_mut(list), rules) {
            (Some(Value::Array(own)), Value::Array(rules)) => {
                own.splice(0..0, rules.iter().cloned());
            }
            (Some(_), _) => {}
            (None, _) => {
                own.insert(list.clone(), rules.clone());
            }
        }
    }
}

/// `enableReverseMcp` without `remote`: there is nothing to carry the endpoint to.
fn check_reverse_mcp(reader: &mut Reader, root: &ast::Value, plain: &Value) {
    let Some(teams) = root.as_object().and_then(|root| root.get_object("teams")) else {
        return;
    };
    for prop in &teams.properties {
        let name = prop.name.as_str();
        let Some(team) = prop.value.as_object() else {
            continue;
        };
        let Some(switch) = team.get("enableReverseMcp") else {
            continue;
        };
        let on = plain["teams"][name]["enableReverseMcp"] == Value::Bool(true);
        if on && team.get("remote").is_none() {
            reader.problem(
                switch.range.start,
                &format!("teams.{name}.enableReverseMcp"),
                "`enableReverseMcp` carries Iris to a remote host, and this team has no `remote`",
                "Add \"remote\": \"user@host\", or remove `enableReverseMcp`.",
            );
        }
    }
}

/// `extraSshArgs`: what a word means depends on those before it.
fn check_ssh_args(reader: &mut Reader, root: &ast::Value) {
    let Some(root) = root.as_object() else {
        return;
    };
    let template = root
        .get_object("settings")
        .and_then(|it| it.get_object("defaults"));
    let template = template.map(|it| ("settings.defaults".to_owned(), it));
    let teams = root.get_object("teams").map(|teams| &teams.properties);
    let teams = teams.into_iter().flatten().filter_map(|prop| {
        let team = prop.value.as_object()?;
        Some((format!("teams.{}", prop.name.as_str()), team))
    });
    for (place, owner) in teams.chain(template) {
        let args = owner
            .get_object("remoteOptions")
            .and_then(|options| options.get_array("extraSshArgs"));
        let Some(args) = args else {
            continue;
        };
        // With a word that cannot be read, which was told, the others may mean anything.
        let words = args.elements.iter().map(|word| reader.word(word));
        let Some(words) = words.collect::<Option<Vec<String>>>() else {
            continue;
        };
        let Err((at, error)) = check_extra(&words) else {
            continue;
        };
        let path = format!("{place}.remoteOptions.extraSshArgs[{at}]");
        let word = args.elements[at].as_string_lit();
        // What a variable holds may be secret.
        let is_written = word.is_some_and(|word| word.value == words[at]);
        let message = if is_written {
            error.to_string()
        } else {
            "this cannot be told to ssh, once its variables are replaced".to_owned()
        };
        let offset = args.elements[at].range().start;
        reader.problem(offset, &path, message, error.hint());
    }
}

fn syntax(kind: &ParseErrorKind) -> (String, &'static str) {
    use ParseErrorKind as K;
    let (message, hint) = match kind {
        K::ExpectedComma => ("a comma is missing here", "Put a comma between the two."),
        K::UnterminatedObject => (
            "an object that starts here has no `}`",
            "Close it with `}`.",
        ),
        K::UnterminatedArray => ("a list that starts here has no `]`", "Close it with `]`."),
        K::UnterminatedCommentBlock => ("a comment that starts here has no `*/`", "Close it."),
        K::UnexpectedWord => (
            "this word makes no sense here",
            "Put texts in double quotes.",
        ),
        K::SingleQuotedStringsNotAllowed => (
            "texts stand in double quotes here",
            "Replace the single quotes by double quotes.",
        ),
        K::ExpectedStringObjectProperty => (
            "a key stands in double quotes",
            "Put the key in double quotes.",
        ),
        K::ExpectedColonAfterObjectKey => ("a colon is missing after the key", "Add a `:`."),
        K::ExpectedObjectValue => ("the key has no value", "Write the value after the colon."),
        K::MultipleRootJsonValues => (
            "the file goes on after its end",
            "Keep one object {…} in the file.",
        ),
        other => {
            let message = format!("the file is not valid JSON here: {other}");
            return (message, "Mend the syntax at this place.");
        }
    };
    (message.to_owned(), hint)
}
