//! A shell command, taken apart into all that it runs, reads and writes.
//!
//! Reading is strict: what cannot be told becomes a doubt, and a doubt never allows.

mod walk;
mod word;
mod wrap;

use brush_parser::{ast::Program, parse_tokens, uncached_tokenize_str};

pub(super) use walk::base_name;
pub(super) use word::Word;
pub(super) use wrap::Kind;

/// A longer command asks: no command that somebody could check by reading it is as long, and the
/// parser's time grows faster than its input.
const COMMAND_MAX: usize = 32 * 1024;
/// How many brackets may be open at once. The parser calls itself for each, and looks at the inner
/// text again on each level; a worker thread's stack holds several times this depth (tested).
const BRACKETS_MAX: usize = 24;
/// How many words that open a compound command there may be: the parser calls itself for each.
const KEYWORDS_MAX: usize = 40;
const KEYWORDS: [&str; 14] = [
    "if", "elif", "while", "until", "for", "case", "select", "function", "coproc", "time", "do",
    "then", "else", "!",
];
/// How many program texts may stand in each other (`sh -c "sh -c …"`, `$( $( ) )`).
const NESTED_MAX: usize = 8;
/// How many commands one text may run: each is compared with every rule.
const RUNS_MAX: usize = 256;

/// Why nothing can be said for sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Completes “because …”.
    pub why: String,
    /// Whether something may run, or be written, that does not stand in the lists.
    pub blind: bool,
}

/// One command that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Its words: never empty.
    pub words: Vec<Word>,
    pub kind: Kind,
    /// The wrapper that runs it, and from which of its words on. A rule that names as many words
    /// covers both.
    pub within: Option<(usize, usize)>,
    /// The words as a rule that denies sees them, too: without git's global options.
    pub other: Option<Vec<Word>>,
}

impl Run {
    /// Whether it changes the directory, as the shell does by itself.
    pub fn is_cd(&self) -> bool {
        self.kind == Kind::Free && self.words.first().is_some_and(|word| word.is("cd"))
    }
}

/// A file that the shell itself opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub word: Word,
    pub writes: bool,
}

/// What a command text does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub runs: Vec<Run>,
    pub files: Vec<File>,
    pub doubts: Vec<Doubt>,
    /// Whether it changes the directory: then relative paths mean something else.
    pub moves: bool,
}

impl Script {
    /// Takes it apart. Total: whatever the text is, this ends, and does not panic.
    pub fn read(text: &str) -> Self {
        // The parser panics on some texts, such as `$(<<E`, `)`, `E` in three lines (a test has it): no
        // text of an agent may end more than its own reading. Nothing outlives the panic.
        std::panic::catch_unwind(|| {
            let mut reader = walk::Reader::default();
            reader.text(text);
            reader.script
        })
        .unwrap_or_else(|_| Self {
            doubts: vec![Doubt {
                why: UNREADABLE.into(),
                blind: true,
            }],
            ..Self::default()
        })
    }

    /// Whether something may run that is not in the lists.
    pub fn blind(&self) -> Option<&str> {
        self.doubts
            .iter()
            .find(|doubt| doubt.blind)
            .map(|doubt| doubt.why.as_str())
    }
}

/// The program, or why it is not read.
fn parse(text: &str) -> Result<Program, &'static str> {
    check(text)?;
    let options = word::options();
    let tokens =
        uncached_tokenize_str(text, &options.tokenizer_options()).map_err(|_| UNREADABLE)?;
    parse_tokens(&tokens, &options).map_err(|_| UNREADABLE)
}

const UNREADABLE: &str = "it cannot be read as a shell command";

/// What must not reach the parser.
fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > COMMAND_MAX {
        return Err("it is too long to be taken apart");
    }
    let odd = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || (c.is_whitespace() && !c.is_ascii())
            // Zero-width and direction characters: what is shown is not what runs.
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if text.chars().any(odd) {
        return Err("it has control characters or invisible ones");
    }
    let mut open = 0_usize;
    let mut digits = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' | b'[' => open += 1,
            b')' | b'}' | b']' => open = open.saturating_sub(1),
            // The parser panics on a descriptor that does not fit (`99999999999>x`).
            b'<' | b'>' if digits > 4 => {
                return Err("it names a file descriptor that no system has");
            }
            _ => {}
        }
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        if open > BRACKETS_MAX {
            return Err("it is nested too deeply to be taken apart");
        }
    }
    let keywords = text
        .split(|c: char| c.is_whitespace() || ";&|()".contains(c))
        .filter(|word| KEYWORDS.contains(word))
        .count();
    if keywords > KEYWORDS_MAX {
        return Err("it is nested too deeply to be taken apart");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_parser_is_a_doubt() {
        let text = "$(<<E\n)\nE";
        let tokenized = std::panic::catch_unwind(|| {
            uncached_tokenize_str(text, &word::options().tokenizer_options()).map(drop)
        });
        assert!(tokenized.is_err(), "mended: catch_unwind can go");
        assert_eq!(Script::read(text).blind(), Some(UNREADABLE));
    }
}
