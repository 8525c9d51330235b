//! Kinds of agents: what an agent is told to be (`get_agent`, MCP prompts), and what is found out about
//! the project that it works in.
//!
//! A kind is a Handlebars template. Ten come with Iris; a file `KIND.hbs` of the project or of the user
//! takes the place of one, or adds a kind.

mod context_file;
mod project;

pub use context_file::{ContextFile, ContextFileError};
pub use project::{Found, Project};

/// A kind that comes with Iris.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it is for, one sentence.
    pub description: &'static str,
    /// Its template.
    pub template: &'static str,
    /// What it may change where `.iris/context.yaml` does not say so.
    pub write: &'static [&'static str],
    /// What it reads only.
    pub read_only: &'static [&'static str],
}

/// The template of what all kinds say of the project, for `{{> base/project}}`.
pub const PROJECT: (&str, &str) = ("project", include_str!("agent/kinds/project.hbs"));

const SOURCES: &[&str] = &["src/**", "lib/**", "app/**", "crates/**", "packages/**"];
const TESTS: &[&str] = &[
    "test/**",
    "tests/**",
    "**/*.test.*",
    "**/*.spec.*",
    "**/*_test.*",
];
const DOCS: &[&str] = &["docs/**", "*.md"];
const ALL: &[&str] = &["**"];

macro_rules! kind {
    ($name:literal, $description:literal, $write:expr, $read_only:expr) => {
        BuiltIn {
            name: $name,
            description: $description,
            template: include_str!(concat!("agent/kinds/", $name, ".hbs")),
            write: $write,
            read_only: $read_only,
        }
    };
}

/// The kinds that come with Iris, in the order in which they are listed.
pub const BUILT_IN: [BuiltIn; 10] = [
    kind!(
        "tech-writer",
        "Writes documentation that is true and can be followed.",
        DOCS,
        SOURCES
    ),
    kind!(
        "unit-tester",
        "Writes unit tests that fail when something is broken.",
        TESTS,
        SOURCES
    ),
    kind!(
        "integration-tester",
        "Writes tests of whole journeys through the real interfaces.",
        TESTS,
        SOURCES
    ),
    kind!(
        "code-reviewer",
        "Reviews a change and reports what would hurt.",
        &[],
        ALL
    ),
    kind!(
        "debugger",
        "Finds the cause of a failure and mends it.",
        ALL,
        &[]
    ),
    kind!(
        "refactorer",
        "Makes code simpler and keeps what it does.",
        SOURCES,
        &[]
    ),
    kind!("changeloger", "Keeps the changelog.", &["CHANGELOG*"], ALL),
    kind!(
        "error-handler",
        "Makes failures safe, and their messages helpful.",
        ALL,
        &[]
    ),
    kind!(
        "example-writer",
        "Writes examples that run.",
        &["examples/**", "docs/**", "README*"],
        SOURCES
    ),
    kind!(
        "logger",
        "Makes the log answer what will be asked of it.",
        SOURCES,
        &[]
    ),
];

/// The kind of that name that comes with Iris.
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|kind| kind.name == name)
}

/// The longest name of a kind.
pub const NAME_MAX: usize = 64;

/// Whether a kind can be called so: lower-case letters, digits and hyphens. It becomes the name of a
/// file, so nothing else will do.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_MAX
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_kinds_are_there_and_no_other() {
        let names: Vec<&str> = BUILT_IN.iter().map(|kind| kind.name).collect();
        assert_eq!(
            names,
            [
                "tech-writer",
                "unit-tester",
                "integration-tester",
                "code-reviewer",
                "debugger",
                "refactorer",
                "changeloger",
                "error-handler",
                "example-writer",
                "logger",
            ]
        );
        for kind in BUILT_IN {
            assert!(
                is_name(kind.name) && built_in(kind.name) == Some(&kind),
                "{kind:?}"
            );
            assert!(
                kind.template.contains("{{> base/project}}"),
                "{}",
                kind.name
            );
        }
    }

    #[test]
    fn a_name_is_no_path() {
        let long = "a".repeat(NAME_MAX + 1);
        for bad in [
            "", ".", "..", "../x", "a/b", "a\\b", "A", "a.b", "a b", "-a", "a\0", "é", &long,
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
        for good in ["a", "9", "db-expert", &long[1..]] {
            assert!(is_name(good), "{good:?}");
        }
    }
}
