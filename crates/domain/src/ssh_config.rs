//! The names that a user gave to hosts in `~/.ssh/config`, so that they can be suggested. What a name
//! means is for `ssh -G` to say; nothing here decides anything.

/// What a line of the file has for a list of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The name of a host.
    Host(String),
    /// Other files to read at this place: a path in which `*`, `?` and `[…]` are patterns.
    Include(String),
}

/// The names and the files to include, in order, with the syntax of ssh_config(5).
///
/// Left out are patterns (`*.lab`, `!box`), which name no host, and what is included for certain
/// hosts only: `ssh` reads the `Host` lines there, but they hold for no others.
pub fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let mut for_all_hosts = true;
    for line in text.lines() {
        let Some((keyword, words)) = keyword_and_words(line) else {
            continue;
        };
        match keyword.to_ascii_lowercase().as_str() {
            "host" => {
                for_all_hosts = words.iter().any(|word| word == "*");
                let names = words.into_iter().filter(|word| is_name(word));
                found.extend(names.map(Line::Host));
            }
            "match" => {
                for_all_hosts =
                    matches!(words.as_slice(), [all] if all.eq_ignore_ascii_case("all"));
            }
            "include" if for_all_hosts => found.extend(words.into_iter().map(Line::Include)),
            _ => {}
        }
    }
    found
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && !word.contains(['*', '?', '!'])
}

/// `Keyword words`, `Keyword=words`, `Keyword = words`. `None` where the line says nothing, or not
/// what `ssh` would understand.
fn keyword_and_words(line: &str) -> Option<(&str, Vec<String>)> {
    let line = line.trim();
    let end = line.find(|c: char| c.is_ascii_whitespace() || c == '=')?;
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    (!keyword.starts_with('#'))
        .then(|| Some((keyword, words(rest)?)))
        .flatten()
}

/// Words with quotes and backslashes as OpenSSH reads them; a `#` where a word could begin ends the
/// line. `None`: a quote stays open.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = chars
            .peek()
            .copied()
            .filter(|next| matches!(next, '"' | '\'' | '\\') || (quote.is_none() && *next == ' '));
        match (c, quote, escaped) {
            ('\\', _, Some(next)) => {
                word.get_or_insert_default().push(next);
                chars.next();
            }
            (c, Some(open), _) if c == open => quote = None,
            ('"' | '\'', None, _) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('#', None, _) if word.is_none() => break,
            (c, None, _) if c.is_ascii_whitespace() => words.extend(word.take()),
            (c, _, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let shown = |line| match line {
            Line::Host(name) => name,
            Line::Include(pattern) => format!("+{pattern}"),
        };
        lines(text).into_iter().map(shown).collect()
    }

    #[test]
    fn names_and_files_are_found_as_ssh_finds_them() {
        for (text, want) in [
            ("", &[][..]),
            ("Host box", &["box"]),
            ("host box\nHOST web\nhOsT db", &["box", "web", "db"]),
            ("Host Box", &["Box"]),
            ("  Host\tbox  web\t", &["box", "web"]),
            ("Host=box", &["box"]),
            ("Host = box web", &["box", "web"]),
            ("Host =\"box\"", &["box"]),
            ("Host \"box\" 'web'", &["box", "web"]),
            ("Host \"two words\" b\\ c", &["two words", "b c"]),
            ("Host 'a\\'b'", &["a'b"]),
            ("Host box\r\nHost web\r\n", &["box", "web"]),
            // Patterns name no host.
            ("Host * *.lab box? !not box", &["box"]),
            ("Host \"\" box", &["box"]),
            // Comments, whole lines and ends of lines.
            (
                "# Host no\n#Host no\n  # Host no\nHost box # the big one",
                &["box"],
            ),
            ("Host box#1", &["box#1"]),
            // Nothing of it.
            ("HostName box\nHostKeyAlias x\nUser me\nHost\nHost =", &[]),
            ("Host \"box\nHost web", &["web"]),
            ("Hostbox\nHost", &[]),
            // Other files.
            (
                "Include conf.d/* ~/more\nHost box",
                &["+conf.d/*", "+~/more", "box"],
            ),
            ("include \"my hosts\"", &["+my hosts"]),
            ("Host box\nInclude of-box", &["box"]),
            ("Host *\nInclude all", &["+all"]),
            ("Match all\nInclude all", &["+all"]),
            ("Match host box\nInclude some", &[]),
            ("Match host box\nHost *\nInclude all", &["+all"]),
        ] {
            assert_eq!(shown(text), want, "{text:?}");
        }
    }
}
