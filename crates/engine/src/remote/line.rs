//! A shell program as one line of text.
//!
//! `read -r` takes a line as it is, whatever bytes are in it, and `eval` gives it to the shell: all
//! that is left to encode is the end of a line. So the program stands in single quotes, in which
//! nothing has a meaning but the quote itself; a quote becomes `'\''`, and a line end becomes
//! `'"$n"'`, where `n` was set to a line end before. No `printf` takes part: it is a program of its
//! own on some systems, and its arguments would be for everybody to read.

use zeroize::Zeroizing;

/// Sets `n` to a line end with nothing but what every shell has.
const BEGIN: &str = "n=$(echo;echo .);n=${n%.};eval ";

/// A NUL cannot be in a program, and an environment or an argument cannot hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a NUL character")]
pub(super) struct Nul;

/// A program in one line, without its line end.
pub(super) fn encode(program: &str) -> Result<Zeroizing<String>, Nul> {
    // Enough for every character: a growing string would leave copies of its secrets behind.
    let special = program
        .bytes()
        .filter(|b| matches!(b, b'\n' | b'\''))
        .count();
    let mut line = Zeroizing::new(String::with_capacity(
        BEGIN.len() + 2 + program.len() + special * 6,
    ));
    line.push_str(BEGIN);
    quote_with(program, "'\"$n\"'", &mut line)?;
    Ok(line)
}

/// A text as a word of a program: whatever it holds, the shell takes it literally.
pub(super) fn quote(text: &str, program: &mut String) -> Result<(), Nul> {
    quote_with(text, "\n", program)
}

fn quote_with(text: &str, line_end: &str, out: &mut String) -> Result<(), Nul> {
    out.push('\'');
    for c in text.chars() {
        match c {
            '\0' => return Err(Nul),
            '\'' => out.push_str("'\\''"),
            '\n' => out.push_str(line_end),
            other => out.push(other),
        }
    }
    out.push('\'');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell makes of it, by the rules of POSIX for quotes.
    fn decoded(line: &str) -> String {
        let text = line.strip_prefix(BEGIN).unwrap();
        let text = text.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
        text.replace("'\"$n\"'", "\n").replace("'\\''", "'")
    }

    #[test]
    fn a_program_is_one_line_and_comes_out_as_it_was() {
        for program in [
            "",
            "echo 'it''s'\n\n",
            "a\\\n\\n$x `y` \"z\" 'ü' \u{1F600} \t \r \u{7f} \\'\n'",
            super::super::COMMON,
            super::super::PREPARE,
            super::super::CHECK,
            super::super::LAUNCH,
            super::super::SWEEP,
            super::super::LISTENING,
            super::super::FORGET,
        ] {
            let line = encode(program).unwrap();
            assert!(!line.contains(['\n', '\0']));
            assert_eq!(decoded(&line), program);
        }
        assert_eq!(encode("a\0b"), Err(Nul));
    }

    #[test]
    fn a_value_is_one_word() {
        let mut word = String::new();
        quote("a 'b' $c\n", &mut word).unwrap();
        assert_eq!(word, "'a '\\''b'\\'' $c\n'");
    }
}
