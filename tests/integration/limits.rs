//! The table of limits in SECURITY.md says what the code says.

use std::{fs, path::Path};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = root.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `engine/x.rs` in the table is `crates/engine/src/x.rs`.
fn source(named: &str) -> String {
    let (package, rest) = named.split_once('/').unwrap();
    match package {
        "src-tauri" => read(&format!("src-tauri/src/{rest}")),
        package => read(&format!("crates/{package}/src/{rest}")),
    }
}

/// What a constant, or a field of a `Default`, is set to.
fn expression<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().map(str::trim).find_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        if let Some(constant) = line.strip_prefix("const ") {
            let (said, value) = constant.split_once(" = ")?;
            let (said, _) = said.split_once(':')?;
            return (said == name).then(|| value.trim_end_matches(';'));
        }
        let value = line.strip_prefix(name)?.strip_prefix(": ")?;
        // Not the field's type.
        let value = value.strip_suffix(',')?;
        value
            .contains(|c: char| c.is_ascii_digit())
            .then_some(value)
    })
}

/// `4 * 1024`, `2 * OTHER`, `Duration::from_secs(15 * 60)`: a number, times in milliseconds.
fn value(text: &str, expression: &str) -> u64 {
    for (call, milliseconds) in [("from_secs(", 1000), ("from_millis(", 1)] {
        if let Some((_, rest)) = expression.split_once(call) {
            return value(text, rest.trim_end_matches(')')) * milliseconds;
        }
    }
    let factors = expression.split('*').map(str::trim);
    factors
        .map(|factor| match factor.replace('_', "").parse() {
            Ok(number) => number,
            Err(_) => {
                let named = self::expression(text, factor);
                value(text, named.unwrap_or_else(|| panic!("what is {factor}?")))
            }
        })
        .product()
}

/// `4 MiB`, `10 s`, `64`.
fn written(cell: &str) -> u64 {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    let factor = match unit {
        "" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "s" => 1000,
        other => panic!("a unit that is not known: {other}"),
    };
    number.parse::<u64>().unwrap() * factor
}

#[test]
fn the_table_of_limits_is_true() {
    let page = read("docs/SECURITY.md");
    let (_, section) = page.split_once("\n## Limits\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut seen = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let mut names = cells[0].split('`').skip(1).step_by(2);
        let (file, name) = (names.next().unwrap(), names.next().unwrap());
        let text = source(file);
        let found = expression(&text, name);
        let found = found.unwrap_or_else(|| panic!("{file} has no {name} any more"));
        assert_eq!(value(&text, found), written(cells[1]), "{row}");
        seen += 1;
    }
    assert!(seen > 50, "the table is still read: {seen} rows");
}

#[test]
fn a_wrong_value_would_be_found() {
    let text = "pub const A_MAX: usize = 2 * B_MAX;\nconst B_MAX: u64 = 4 * 1024;\n\
                const C: Duration = Duration::from_secs(15 * 60);\n    pub head: Duration,\n    head: Duration::from_secs(5),";
    for (name, is) in [
        ("A_MAX", "8 KiB"),
        ("B_MAX", "4 KiB"),
        ("C", "900 s"),
        ("head", "5 s"),
    ] {
        assert_eq!(value(text, expression(text, name).unwrap()), written(is));
    }
    assert_eq!(expression(text, "D"), None);
}
