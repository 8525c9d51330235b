//! `${VAR}` and `${VAR:-default}` in the config's texts.
//!
//! `$${` writes a literal `${`. A `$` that no `{` follows is a plain `$`. As in a shell, `:-`
//! takes the default when the variable is not set or empty, while `${VAR}` of an empty variable
//! is empty. A default ends at the first `}`; placeholders do not nest.

use std::borrow::Cow;

/// Why a placeholder cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PlaceholderError {
    /// There is no `}`.
    Unterminated,
    /// What stands between the braces does not name a variable.
    Name(String),
    /// The variable is not set, and there is no default.
    Unset(String),
}

/// The text with its placeholders replaced; borrowed when there is nothing to replace.
pub(super) fn replace<'a>(
    text: &'a str,
    vars: &dyn Fn(&str) -> Option<String>,
) -> Result<Cow<'a, str>, PlaceholderError> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        let inner = &rest[at + 2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = inner;
            continue;
        }
        out.push_str(before);
        let end = inner.find('}').ok_or(PlaceholderError::Unterminated)?;
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        if !is_variable_name(name) {
            return Err(PlaceholderError::Name(inner[..end].to_owned()));
        }
        match (vars(name), default) {
            (Some(value), None) => out.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => out.push_str(&value),
            (_, Some(default)) => out.push_str(default),
            (None, None) => return Err(PlaceholderError::Unset(name.to_owned())),
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// Letters, digits and `_`, not starting with a digit.
pub(super) fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{PlaceholderError::*, *};

    fn vars(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".into()),
            "B_2" => Some("two".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${A}".into()),
            _ => None,
        }
    }

    #[test]
    fn placeholders() {
        let table = [
            ("plain", Ok("plain")),
            ("", Ok("")),
            ("${A}", Ok("one")),
            ("${A}/${B_2}", Ok("one/two")),
            ("x${A}y${B_2}z", Ok("xoneytwoz")),
            ("${NO:-dflt}", Ok("dflt")),
            ("${NO:-}", Ok("")),
            ("${NO:-a:-b $x é}", Ok("a:-b $x é")),
            ("${A:-dflt}", Ok("one")),
            ("${EMPTY}", Ok("")),
            ("${EMPTY:-dflt}", Ok("dflt")),
            ("${NESTED}", Ok("${A}")),
            ("$A $$ 5$", Ok("$A $$ 5$")),
            ("$${A}", Ok("${A}")),
            ("$${A} ${A}", Ok("${A} one")),
            ("$$${A}", Ok("$${A}")),
            ("${A", Err(Unterminated)),
            ("${}", Err(Name(String::new()))),
            ("${1A}", Err(Name("1A".into()))),
            ("${A-b}", Err(Name("A-b".into()))),
            ("${NO}", Err(Unset("NO".into()))),
        ];
        for (text, expected) in table {
            let got = replace(text, &vars).map(Cow::into_owned);
            assert_eq!(got, expected.map(String::from), "replacing {text:?}");
        }
    }
}
