//! What is found out about a project from a few of its files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BuiltIn, ContextFile};

/// More dependencies than this tell an agent nothing.
pub const DEPENDENCIES_MAX: usize = 256;

/// The files that are looked at; `None` where there is none.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The folder's own name.
    pub folder: String,
    /// `package.json`.
    pub package_json: Option<String>,
    /// Whether there is a `tsconfig.json`.
    pub tsconfig: bool,
    /// `pyproject.toml`.
    pub pyproject: Option<String>,
    /// `requirements.txt`.
    pub requirements: Option<String>,
    /// Whether there is a `pytest.ini`.
    pub pytest_ini: bool,
    /// `Cargo.toml`.
    pub cargo: Option<String>,
    /// `go.mod`.
    pub go_mod: Option<String>,
    /// `CLAUDE.md`.
    pub claude_md: Option<String>,
    /// `.iris/context.yaml`, read.
    pub context: ContextFile,
}

/// What templates can say of a project: their variables, by these names.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// From the manifest, else the folder's name.
    pub project_name: Option<String>,
    /// Whether it is written in TypeScript.
    pub has_type_script: bool,
    /// What it is built on.
    pub framework: Option<String>,
    /// What its tests are run by.
    pub testing_framework: Option<String>,
    /// Name and version.
    pub dependencies: BTreeMap<String, String>,
    /// Of development only.
    pub dev_dependencies: BTreeMap<String, String>,
    /// The text of `CLAUDE.md`.
    pub claude_md: Option<String>,
    /// What an agent may change.
    pub write_patterns: Vec<String>,
    /// What it reads only.
    pub read_only_patterns: Vec<String>,
    /// What the project says of itself.
    pub custom_vars: BTreeMap<String, Value>,
    /// What could not be read, and why; a sentence each.
    pub notes: Vec<String>,
}

/// In this order: what is built on another stands before it.
const FRAMEWORKS: [(&str, &str); 13] = [
    ("next", "Next.js"),
    ("nuxt", "Nuxt"),
    ("nuxt3", "Nuxt"),
    ("@sveltejs/kit", "SvelteKit"),
    ("@nestjs/core", "NestJS"),
    ("@angular/core", "Angular"),
    ("react", "React"),
    ("vue", "Vue"),
    ("svelte", "Svelte"),
    ("fastify", "Fastify"),
    ("express", "Express"),
    ("koa", "Koa"),
    ("@hapi/hapi", "hapi"),
];

const TESTING: [(&str, &str); 6] = [
    ("vitest", "Vitest"),
    ("jest", "Jest"),
    ("mocha", "Mocha"),
    ("jasmine", "Jasmine"),
    ("ava", "Ava"),
    ("tape", "Tape"),
];

/// The part of a `package.json` that is read. What has another shape than it should counts as missing.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Package {
    name: Value,
    dependencies: Value,
    dev_dependencies: Value,
    peer_dependencies: Value,
}

impl Package {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text.trim_start_matches('\u{feff}'))
    }
}

impl Project {
    /// What these files say, for an agent of this kind. What the project says of itself wins.
    pub fn of(found: Found, kind: Option<&BuiltIn>) -> Self {
        let mut notes = Vec::new();
        let package = match found.package_json.as_deref().map(Package::parse) {
            None => Package::default(),
            Some(Ok(package)) => package,
            Some(Err(error)) => {
                notes.push(format!("package.json is no manifest: {error}."));
                Package::default()
            }
        };
        let dependencies = versions(&package.dependencies);
        let dev_dependencies = versions(&package.dev_dependencies);
        let peers = versions(&package.peer_dependencies);
        let has = |name: &str| {
            [&dependencies, &dev_dependencies, &peers]
                .iter()
                .any(|all| all.contains_key(name))
        };
        let known = |list: &[(&str, &str)]| {
            let (_, shown) = list.iter().find(|(name, _)| has(name))?;
            Some((*shown).to_owned())
        };
        let has_type_script = found.tsconfig || has("typescript");
        let framework = known(&FRAMEWORKS);
        let testing = known(&TESTING).or_else(|| testing_elsewhere(&found));
        let name = package
            .name
            .as_str()
            .filter(|name| !name.trim().is_empty())
            .map_or_else(|| found.folder.clone(), str::to_owned);
        let own = found.context;
        let patterns = |said: Option<Vec<String>>, kinds: Option<&[&str]>| {
            said.unwrap_or_else(|| {
                let kinds = kinds.unwrap_or_default();
                kinds.iter().map(|&pattern| pattern.to_owned()).collect()
            })
        };
        Self {
            project_name: own.project_name.or(Some(name)),
            has_type_script: own.has_type_script.unwrap_or(has_type_script),
            framework: own.framework.or(framework),
            testing_framework: own.testing_framework.or(testing),
            dependencies: few(dependencies),
            dev_dependencies: few(dev_dependencies),
            claude_md: found.claude_md,
            write_patterns: patterns(own.write_patterns, kind.map(|kind| kind.write)),
            read_only_patterns: patterns(own.read_only_patterns, kind.map(|kind| kind.read_only)),
            custom_vars: own.custom_vars,
            notes,
        }
    }
}

fn testing_elsewhere(found: &Found) -> Option<String> {
    let says =
        |text: &Option<String>, word: &str| text.as_deref().is_some_and(|text| text.contains(word));
    let named = if found.pytest_ini
        || says(&found.pyproject, "pytest")
        || says(&found.requirements, "pytest")
    {
        "pytest"
    } else if found.pyproject.is_some() || found.requirements.is_some() {
        // It comes with Python.
        "unittest"
    } else if found.cargo.is_some() {
        "cargo test"
    } else if found.go_mod.is_some() {
        "go test"
    } else {
        return None;
    };
    Some(named.to_owned())
}

fn versions(value: &Value) -> BTreeMap<String, String> {
    let Some(all) = value.as_object() else {
        return BTreeMap::new();
    };
    let texts = all
        .iter()
        .filter_map(|(name, version)| Some((name.clone(), version.as_str()?.to_owned())));
    texts.collect()
}

fn few(all: BTreeMap<String, String>) -> BTreeMap<String, String> {
    all.into_iter().take(DEPENDENCIES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::built_in;

    fn package(text: &str) -> Project {
        let found = Found {
            folder: "shop".to_owned(),
            package_json: Some(text.to_owned()),
            ..Found::default()
        };
        Project::of(found, None)
    }

    #[test]
    fn what_is_built_on_another_framework_is_named_before_it() {
        for (dependencies, framework) in [
            (r#"{"react":"1","next":"1"}"#, Some("Next.js")),
            (r#"{"vue":"1","nuxt":"1"}"#, Some("Nuxt")),
            (r#"{"svelte":"1","@sveltejs/kit":"1"}"#, Some("SvelteKit")),
            (r#"{"express":"1","@nestjs/core":"1"}"#, Some("NestJS")),
            (r#"{"react":"1","express":"1"}"#, Some("React")),
            (r#"{"left-pad":"1"}"#, None),
        ] {
            let project = package(&format!(r#"{{"dependencies":{dependencies}}}"#));
            assert_eq!(project.framework.as_deref(), framework, "{dependencies}");
        }
    }

    #[test]
    fn a_test_framework_is_named_only_where_there_is_one() {
        assert_eq!(package("{}").testing_framework, None, "not Jest by default");
        let dev = package(r#"{"devDependencies":{"vitest":"3","typescript":"5"}}"#);
        assert_eq!(dev.testing_framework.as_deref(), Some("Vitest"));
        assert!(dev.has_type_script);
        let of = |found: Found| Project::of(found, None).testing_framework;
        let python = |text: &str| Found {
            pyproject: Some(text.to_owned()),
            ..Found::default()
        };
        assert_eq!(of(python("[tool.pytest]")).as_deref(), Some("pytest"));
        assert_eq!(of(python("[project]")).as_deref(), Some("unittest"));
        assert_eq!(of(Found::default()), None);
    }

    #[test]
    fn a_manifest_of_another_shape_is_no_reason_to_fail() {
        for odd in [
            "",
            "[]",
            "nonsense",
            r#"{"name":7,"dependencies":["react"]}"#,
            r#"{"name":" "}"#,
            r#"{"dependencies":{"react":{"version":"1"}}}"#,
        ] {
            let project = package(odd);
            assert_eq!(project.project_name.as_deref(), Some("shop"), "{odd}");
            assert_eq!(project.framework, None, "{odd}");
            let read = odd.starts_with(['{', '[']);
            assert_eq!(project.notes.is_empty(), read, "it is said: {odd}");
        }
        let marked = package("\u{feff}{\"name\":\"marked\"}");
        assert_eq!(marked.project_name.as_deref(), Some("marked"));
    }

    #[test]
    fn what_the_project_says_of_itself_wins_and_the_kind_fills_the_rest() {
        let context = ContextFile {
            framework: Some("Astro".to_owned()),
            has_type_script: Some(false),
            read_only_patterns: Some(Vec::new()),
            ..ContextFile::default()
        };
        let found = Found {
            package_json: Some(r#"{"dependencies":{"react":"1","typescript":"5"}}"#.to_owned()),
            context,
            ..Found::default()
        };
        let project = Project::of(found, built_in("changeloger"));
        assert_eq!(project.framework.as_deref(), Some("Astro"));
        assert!(!project.has_type_script);
        assert_eq!(project.write_patterns, ["CHANGELOG*"], "the kind's own");
        assert!(
            project.read_only_patterns.is_empty(),
            "an empty list is an answer"
        );
    }

    #[test]
    fn many_dependencies_are_cut() {
        let many: Vec<String> = (0..1000).map(|n| format!(r#""p{n}":"1""#)).collect();
        let project = package(&format!(r#"{{"dependencies":{{{}}}}}"#, many.join(",")));
        assert_eq!(project.dependencies.len(), DEPENDENCIES_MAX);
    }
}
