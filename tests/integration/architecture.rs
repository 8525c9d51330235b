//! The rules of docs/ARCHITECTURE.md that the tree itself shows.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// More lines than this are not read by anybody at once.
const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder with one of these endings, as paths from the root.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted))
            {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no {endings:?}");
    found
}

/// Each line of code with its number; comments, and a file's own tests at its end, are not code.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]" || !text.contains("mod tests {"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| {
        part.as_os_str()
            .to_str()
            .is_some_and(|it| it.contains("tests"))
    })
}

/// The names of a manifest's normal dependencies, those of single systems included.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in read(manifest).lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-");
        } else if inside && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
            names.push(name.to_owned());
        }
    }
    assert!(!names.is_empty(), "{manifest} depends on nothing");
    names
}

#[test]
fn a_folder_is_a_dependency_rule() {
    for (package, forbidden) in [
        (
            "crates/domain",
            &[
                "iris-engine",
                "tokio",
                "futures",
                "hyper",
                "axum",
                "rmcp",
                "rusqlite",
                "zbus",
                "nix",
                "rustix",
                "notify",
                "tempfile",
                "tracing",
            ][..],
        ),
        (
            "crates/engine",
            &["iris-cli", "iris-desktop", "axum", "notify-rust"],
        ),
        ("crates/cli", &["iris-desktop", "notify-rust", "gtk"]),
        ("tests", &["iris-cli", "iris-desktop"]),
    ] {
        for name in dependencies(&format!("{package}/Cargo.toml")) {
            assert!(!name.contains("tauri"), "{package} names tauri ({name})");
            assert!(
                !forbidden.contains(&name.as_str()),
                "{package} depends on {name}"
            );
        }
    }
}

#[test]
fn every_shared_dependency_is_used() {
    let root = read("Cargo.toml");
    let members: String = [
        "crates/domain",
        "crates/engine",
        "crates/cli",
        "src-tauri",
        "tests",
    ]
    .map(|member| read(format!("{member}/Cargo.toml")))
    .concat();
    let (_, shared) = root.split_once("[workspace.dependencies]").unwrap();
    let (shared, _) = shared.split_once("\n[").unwrap();
    for line in shared.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, _)) = line.split_once(" = ") else {
            continue;
        };
        let used = members.lines().any(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
        });
        assert!(used, "no package uses {name}");
    }
}

#[test]
fn the_domain_touches_nothing_outside() {
    const OUTSIDE: [&str; 9] = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "async fn",
    ];
    for file in files("crates/domain/src", &["rs"]) {
        if is_test(&file) {
            continue;
        }
        for (number, line) in code(&read(&file)) {
            let outside = OUTSIDE.iter().find(|it| line.contains(**it));
            assert!(outside.is_none(), "{}:{number}: {line}", file.display());
        }
    }
}

#[test]
fn one_file_of_the_user_interface_speaks_to_tauri() {
    for file in files("ui/src", &["ts", "svelte"]) {
        let speaks = read(&file).contains("@tauri-apps");
        let may = file == Path::new("ui/src/lib/api.ts");
        assert_eq!(speaks, may, "{}", file.display());
    }
}

#[test]
fn errors_are_no_bare_texts() {
    for file in files("crates", &["rs"]) {
        if is_test(&file) {
            continue;
        }
        for (number, line) in code(&read(&file)) {
            let bare = line
                .split_once("Result<")
                .is_some_and(|(_, rest)| rest.contains(", String>"));
            assert!(!bare, "{}:{number}: {line}", file.display());
        }
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    for (folder, endings) in [
        ("crates", &["rs"][..]),
        ("src-tauri/src", &["rs"]),
        ("tests", &["rs"]),
        ("fuzz/fuzz_targets", &["rs"]),
        ("ui/src", &["ts", "svelte", "css"]),
        ("ui/test", &["ts"]),
    ] {
        for file in files(folder, endings) {
            let lines = read(&file).lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
        }
    }
}

/// What stands in backquotes in the tables of ARCHITECTURE.md and looks like a path is one.
#[test]
fn the_map_of_the_code_is_true() {
    let bases = ["", "crates", "tests"];
    let exists = |path: &Path| {
        bases
            .iter()
            .any(|base| root().join(base).join(path).exists())
    };
    let mut seen = 0;
    for row in read("docs/ARCHITECTURE.md")
        .lines()
        .filter(|line| line.starts_with("| "))
    {
        // `domain/config.rs`, `config/`: what follows a path starts in its folder.
        let mut folder = PathBuf::new();
        for name in row.split('`').skip(1).step_by(2) {
            let is_path = !name.contains([' ', ':', '*'])
                && (name.contains('/') && !name.starts_with('/')
                    || name.ends_with(".rs")
                    || name.ends_with(".ts"));
            if !is_path {
                continue;
            }
            let spelled = Path::new(name);
            // The crates are spelled without their `src`.
            let inside = name
                .split_once('/')
                .map(|(package, rest)| Path::new(package).join("src").join(rest));
            let found = [Some(spelled.to_owned()), inside, Some(folder.join(spelled))]
                .into_iter()
                .flatten()
                .find(|path| exists(path));
            let Some(found) = found else {
                panic!("ARCHITECTURE.md names `{name}`, which is not there")
            };
            folder = found.parent().map(Path::to_owned).unwrap_or_default();
            seen += 1;
        }
    }
    assert!(seen > 20, "the tables are still read: {seen} paths");
}
