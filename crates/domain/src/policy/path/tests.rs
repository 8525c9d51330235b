use super::*;

fn real(path: &str) -> Option<String> {
    // `/p/link` leads to `/outside`, `/p/in` to `/p/src`.
    for (link, to) in [("/p/link", "/outside"), ("/p/in", "/p/src")] {
        if let Some(rest) = path.strip_prefix(link)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return Some(format!("{to}{rest}"));
        }
    }
    (!path.contains("broken")).then(|| path.to_owned())
}

fn place() -> Place {
    Place {
        folder: "/p".into(),
        home: Some("/home/u".into()),
        real: Some(Real::Now(real)),
    }
}

#[test]
fn patterns_are_gitignores_from_their_base() {
    for (pattern, path, expected) in [
        ("/src/**", "/p/src/a/b.rs", true),
        ("/src/**", "src/a.rs", true),
        ("/src/**", "/p/src", false),
        ("/src", "/p/src/a", true),
        ("/src/**", "/p/x/src/a", false),
        ("/src/**", "/src/a", false),
        ("src/**", "/p/src/a", true),
        ("src/**", "/p/x/src/a", false),
        ("src/", "/p/x/src/a", true),
        ("src/", "/p/x/src", false),
        ("*.env", "/p/a/b/x.env", true),
        ("*.env", "/p/.env", true),
        (".env", "/p/a/.env", true),
        (".env", "/p/a/.envrc", false),
        ("./.env", "/p/.env", true),
        ("./.env", "/p/a/.env", false),
        ("**/.env", "/p/a/b/.env", true),
        ("a/**/b", "/p/a/b", true),
        ("a/**/b", "/p/a/x/y/b/c", true),
        ("a/*/b", "/p/a/x/y/b", false),
        ("a/?.rs", "/p/a/b.rs", true),
        ("a/[a-c]x", "/p/a/bx", true),
        ("a/[!a-c]x", "/p/a/bx", false),
        ("a/\\*", "/p/a/*", true),
        ("a/\\*", "/p/a/b", false),
        ("//etc/**", "/etc/passwd", true),
        ("//etc/**", "/p/etc/passwd", false),
        ("~/.zshrc", "/home/u/.zshrc", true),
        ("~/.zshrc", "/home/x/.zshrc", false),
        ("**", "/p/a", true),
        ("**", "/q/a", false),
        ("/src/**", "/p/src/../../etc/passwd", false),
        ("/src/**", "/p/x/../src/a", true),
        ("/src/**", "/p//src/./a/", true),
        ("/src/**", "/p/Src/a", false),
        ("/src/**", "/p/src/a\0", false),
        ("~/x", "~/x", false),
        ("/**", "/p/link/secret", false),
        ("/**", "/p/in/a", true),
        ("/in/**", "/p/in/a", false),
        ("/**", "/p/broken/a", false),
    ] {
        let parsed = PathPattern::parse(pattern).unwrap();
        assert_eq!(
            parsed.covers(&place().look(path, false)),
            expected,
            "`{pattern}` and {path}"
        );
    }
}

#[test]
fn to_deny_any_reading_is_enough() {
    for (pattern, path, expected) in [
        ("/secret/**", "/p/secret/x", true),
        ("/secret/**", "/p/SECRET/x", true),
        ("/secret/**", "/p/a/../secret/x", true),
        ("//outside/**", "/p/link/x", true),
        ("/link/**", "/p/link/x", true),
        ("/src/**", "/p/in/x", true),
        (".env", "/elsewhere/.env", true),
        ("build", "/p/src/x", false),
        ("~/secrets/**", "~/secrets/x", true),
        ("/src/**", "/q/src/x", false),
    ] {
        let parsed = PathPattern::parse(pattern).unwrap();
        assert_eq!(
            parsed.touches(&place().look(path, false)),
            expected,
            "`{pattern}` and {path}"
        );
    }
}

#[test]
fn on_another_host_only_what_is_written_counts() {
    let here = Place {
        folder: "/p".into(),
        home: None,
        real: None,
    };
    let unknown = Place {
        folder: "~/p".into(),
        home: None,
        real: None,
    };
    let src = PathPattern::parse("/src/**").unwrap();
    let home = PathPattern::parse("~/x").unwrap();
    assert!(src.covers(&here.look("/p/src/a", false)));
    assert!(
        !src.covers(&unknown.look("/home/u/p/src/a", false)),
        "the base is not known"
    );
    assert!(src.touches(&unknown.look("/home/u/p/src/a", false)));
    assert!(!home.covers(&here.look("/home/u/x", false)));
    assert!(home.touches(&here.look("/home/u/x", false)));
    assert!(
        PathPattern::parse("//etc/**")
            .unwrap()
            .covers(&unknown.look("/etc/x", false))
    );
}

#[test]
fn a_search_looks_at_all_that_lies_in_its_folder() {
    let covers = |pattern: &str, path: &str| {
        PathPattern::parse(pattern)
            .unwrap()
            .covers(&place().look(path, true))
    };
    assert!(covers("/src/**", "/p/src"));
    assert!(covers("/src", "/p/src/a"));
    assert!(!covers("/src/**", "/p"));
    assert!(!covers("*.rs", "/p/src"));
    assert!(covers("**", "."));
}
