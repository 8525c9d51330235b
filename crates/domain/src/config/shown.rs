//! A config file's text as it may be shown.

use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};

use super::parse::{BYTE_ORDER_MARK, SYNTAX};

/// Where a value of an environment is named, and not said.
const KEYCHAIN: &str = "keychain:";

/// The text of a config file without what may be secret in it: the values of `env`, and the comments between
/// them. `None`: it cannot be read.
pub fn shown(text: &str) -> Option<String> {
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let root = CstRootNode::parse(body, &SYNTAX).ok()?;
    if let Some(file) = root.object_value() {
        let settings = file.object_value("settings");
        let template = settings.and_then(|settings| settings.object_value("defaults"));
        let teams = file.object_value("teams").into_iter();
        let teams = teams.flat_map(|teams| teams.properties());
        let teams = teams.filter_map(|team| team.object_value());
        for owner in teams.chain(template) {
            hide(&owner)?;
        }
    }
    Some(root.to_string())
}

fn hide(owner: &CstObject) -> Option<()> {
    for prop in owner.properties() {
        if name(&prop)? != "env" {
            continue;
        }
        let variables = prop.object_value()?.properties();
        let variables = variables.iter().map(|variable| {
            let value = variable.value().and_then(|value| value.as_string_lit());
            let value = value.and_then(|text| text.decoded_value().ok());
            let said = value.filter(|value| value.starts_with(KEYCHAIN));
            let said = said.unwrap_or_else(|| "…".to_owned());
            Some((name(variable)?, CstInputValue::String(said)))
        });
        let variables = variables.collect::<Option<Vec<_>>>()?;
        prop.set_value(CstInputValue::Object(variables));
    }
    Some(())
}

fn name(prop: &CstObjectProp) -> Option<String> {
    prop.name()?.decoded_value().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_in_it_and_the_rest_is_as_it_was() {
        let file = r#"{
  // one
  "settings": { "defaults": { "env": { "A": "s3cret" }, "model": "m" } },
  "teams": {
    "api": {
      "path": "api", // here
      "\u0065nv": {
        // "OLD": "s3cret"
        "TOKEN": "s3cret",
        "C": "keychain:c",
        "D": "${D:-s3cret}"
      }
    },
    "env": { "path": "env" }
  }
}"#;
        let text = shown(file).expect("it can be read");
        assert!(!text.contains("s3cret"), "{text}");
        for kept in [
            "// one",
            "// here",
            "\"TOKEN\": \"…\"",
            "\"C\": \"keychain:c\"",
            "\"env\": { \"path\": \"env\" }",
            "\"model\": \"m\"",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        assert_eq!(shown(r#"{ "teams": "#), None);
        assert_eq!(shown("{} // x").as_deref(), Some("{} // x"));
        assert_eq!(shown(r#"{ "teams": { "x": { "env": "s3cret" } } }"#), None);
    }
}
