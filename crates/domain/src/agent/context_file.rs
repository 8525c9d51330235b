//! `.iris/context.yaml`: what a project says of itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The file. Every field may be left out; one that is not known is an error.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContextFile {
    /// In place of what was found out.
    pub project_name: Option<String>,
    /// In place of what was found out.
    pub has_type_script: Option<bool>,
    /// In place of what was found out.
    pub framework: Option<String>,
    /// In place of what was found out.
    pub testing_framework: Option<String>,
    /// Which files agents may change; the kind's own where it is left out.
    pub write_patterns: Option<Vec<String>>,
    /// Which files agents read only; the kind's own where it is left out.
    pub read_only_patterns: Option<Vec<String>>,
    /// What else templates may say.
    pub custom_vars: BTreeMap<String, Value>,
}

/// Why the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ContextFileError {
    /// Where; 1 where that is not known.
    pub line: u64,
    /// One sentence.
    pub what: String,
}

impl ContextFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// When it is no YAML, too large when its aliases are followed, or has a field that is not known.
    pub fn parse(text: &str) -> Result<Self, ContextFileError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let error = error.without_snippet();
            ContextFileError {
                line: error.location().map_or(1, |place| place.line()),
                what: error.to_string(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_and_each_may_be_left_out() {
        assert_eq!(ContextFile::parse("").unwrap(), ContextFile::default());
        assert_eq!(
            ContextFile::parse("# nothing\n").unwrap(),
            ContextFile::default()
        );
        let read = ContextFile::parse(
            "projectName: Shop\nhasTypeScript: true\nframework: Next.js\ntestingFramework: Vitest\n\
             writePatterns: ['docs/**']\nreadOnlyPatterns: []\ncustomVars:\n  tone: dry\n  port: 8080\n",
        )
        .unwrap();
        assert_eq!(read.project_name.as_deref(), Some("Shop"));
        assert_eq!(read.has_type_script, Some(true));
        assert_eq!(
            read.write_patterns.as_deref(),
            Some(&["docs/**".to_owned()][..])
        );
        assert_eq!(read.read_only_patterns.as_deref(), Some(&[][..]));
        assert_eq!(read.custom_vars["port"], 8080);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, word) in [
            ("framework: Vue\nwritePattern: [a]\n", 2, "writePattern"),
            ("framework: [1\n", 0, ""),
            ("projectName: a\nhasTypeScript: perhaps\n", 2, ""),
        ] {
            let error = ContextFile::parse(text).unwrap_err();
            assert!(line == 0 || error.line == line, "{error}");
            assert!(error.what.contains(word), "{error}");
        }
    }

    #[test]
    fn aliases_that_grow_without_end_are_refused() {
        let mut text = "customVars:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..10 {
            let twice = vec![format!("*a{}", n - 1); 10].join(",");
            text.push_str(&format!("  a{n}: &a{n} [{twice}]\n"));
        }
        assert!(ContextFile::parse(&text).is_err());
        assert!(ContextFile::parse(&format!("customVars: {}", "[".repeat(50_000))).is_err());
    }
}
