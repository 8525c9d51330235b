use super::*;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_template_is_a_program_and_where_the_command_goes() {
    for (text, argv) in [
        ("kitty", vec!["a b", "c"]),
        ("kitty --hold", vec!["--hold", "a b", "c"]),
        (
            "foot -T 'my agent' {command}",
            vec!["-T", "my agent", "a b", "c"],
        ),
        (
            "tmux new-window {command} ';' x",
            vec!["new-window", "a b", "c", ";", "x"],
        ),
        (
            "t '$(touch x)' \"`y`\"",
            vec!["$(touch x)", "`y`", "a b", "c"],
        ),
    ] {
        let template = Template::parse(text).unwrap();
        assert_eq!(
            template.arguments(&words(&["a b", "c"])),
            words(&argv),
            "{text}"
        );
    }
    for (text, error) in [
        ("", TemplateError::NoProgram),
        ("''", TemplateError::NoProgram),
        ("{command}", TemplateError::NoProgram),
        ("kitty 'x", TemplateError::Quotes),
        ("sh -c '{command}; read x'", TemplateError::Inside),
        ("xterm -e{command}", TemplateError::Inside),
        ("a {command} {command}", TemplateError::Twice),
    ] {
        assert_eq!(Template::parse(text), Err(error), "{text}");
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn a_named_terminal_is_started_as_that_one_is() {
    for (text, program, argv) in [
        ("gnome-terminal", "gnome-terminal", vec!["--", "c"]),
        ("/opt/k/kitty", "/opt/k/kitty", vec!["c"]),
        ("wezterm", "wezterm", vec!["start", "--", "c"]),
        ("odd-terminal", "odd-terminal", vec!["-e", "c"]),
        ("odd-terminal --run", "odd-terminal", vec!["--run", "c"]),
        ("st {command}", "st", vec!["c"]),
    ] {
        let template = named(text).unwrap();
        assert_eq!(template.program(), program);
        assert_eq!(template.arguments(&words(&["c"])), words(&argv), "{text}");
    }
}

#[test]
fn what_types_a_line_gets_it_as_an_argument() {
    for iterm in [false, true] {
        let evil = "x\" & (do shell script \"y\") & \"";
        let argv = apple_script(iterm, evil);
        assert_eq!(argv.last().unwrap(), evil);
        let script = &argv[..argv.len() - 1];
        assert!(script.iter().all(|word| !word.contains("do shell script")));
        assert!(script.iter().any(|word| word.contains("item 1 of argv")));
    }
    assert_eq!(
        windows_terminal(&words(&["a;b", "c"])),
        words(&["new-tab", "a\\;b", "c"])
    );
}

#[test]
fn a_line_for_any_shell_has_nothing_that_one_reads_otherwise() {
    let line = any_shell(&words(&["it's", "a\nb", "c\\d", "!x", "ü $(y) `z` \"q\""]));
    let after = line.split_once(" iris ").unwrap().1;
    assert_eq!(
        after,
        r#"'it\0047s' 'a\0012b' 'c\0134d' '\0041x' 'ü $(y) `z` "q"'"#
    );
    for forbidden in ['\'', '\\', '!', '\n'] {
        assert!(!DECODE.contains(forbidden));
    }
}

#[test]
fn a_command_for_people_is_plain_where_it_can_be() {
    assert_eq!(shown(&words(&["cd", "a b"])), "cd 'a b'");
    assert!(shown(&words(&["cd", "a\nb"])).starts_with("exec sh -c"));
}
