//! The arrows between the packages, read from the sources: docs/ARCHITECTURE.md, invariant 1.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder of the workspace.
fn folder(name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().join(name)
}

/// The code of every file with that ending below a folder, comments left out.
fn code(dir: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(code(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            found.push((path, lines.collect::<Vec<_>>().join("\n")));
        }
    }
    found
}

/// The names of a package's dependencies, of all kinds.
fn dependencies(package: &str) -> Vec<String> {
    let manifest = fs::read_to_string(folder(package).join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if inside && line.contains('=') {
            let name = line.split(['.', '=', ' ']).next().unwrap();
            names.push(name.to_owned());
        }
    }
    assert!(!names.is_empty(), "{package} depends on something");
    names
}

#[test]
fn only_the_desktop_shell_names_tauri() {
    for package in ["crates/domain", "crates/engine", "crates/cli", "tests"] {
        let names = dependencies(package);
        assert!(
            !names.iter().any(|name| name.contains("tauri")),
            "{package}: {names:?}"
        );
    }
    for source in ["crates/domain/src", "crates/engine/src", "crates/cli/src"] {
        for (path, text) in code(&folder(source), ".rs") {
            assert!(!text.contains("tauri::"), "{}", path.display());
        }
    }
    for ending in [".ts", ".svelte"] {
        let sources = code(&folder("ui/src"), ending);
        assert!(!sources.is_empty(), "no {ending}");
        for (path, text) in sources {
            let allowed = path.ends_with("lib/api.ts");
            assert!(
                allowed || !text.contains("@tauri-apps"),
                "only api.ts talks to the shell: {}",
                path.display()
            );
        }
    }
}

#[test]
fn the_arrows_point_one_way() {
    let domain = dependencies("crates/domain");
    for outside in [
        "tokio",
        "futures",
        "axum",
        "rmcp",
        "rusqlite",
        "iris-engine",
    ] {
        assert!(!domain.iter().any(|name| name == outside), "{outside}");
    }
    let engine = dependencies("crates/engine");
    assert!(
        !engine
            .iter()
            .any(|name| ["iris-cli", "iris-desktop"].contains(&name.as_str()))
    );
    let cli = dependencies("crates/cli");
    assert!(!cli.iter().any(|name| name == "iris-desktop"));
}

#[test]
fn the_domain_has_no_async_no_io_and_no_clock() {
    for (path, text) in code(&folder("crates/domain/src"), ".rs") {
        // What stands behind `cfg(test)` may read the documentation.
        let text = text.split("#[cfg(test)]").next().unwrap();
        if path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs") {
            continue;
        }
        for outside in [
            "async ",
            ".await",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
            "Timestamp::now",
            "SystemTime",
            "Instant::now",
        ] {
            let used = text.lines().find(|line| line.contains(outside));
            assert!(used.is_none(), "{}: {used:?}", path.display());
        }
    }
}
