//! Text from agents made safe to show: what it hides is made visible, what is long keeps its head
//! and its tail.

/// The longest summary, characters: two lines of a notification.
pub const SUMMARY_MAX: usize = 160;
/// So many marks may stand on one letter: Vietnamese, decomposed, needs two. More of them cover
/// other lines.
const MARKS_MAX: usize = 2;

/// Shows what cannot be seen, or changes how the text around it looks, as `⟨U+XXXX⟩`: control,
/// bidi, zero-width and tag characters, blanks that are no space, private glyphs, and combining
/// marks that pile up. Line breaks and tabs stay.
pub fn visible(text: &str) -> String {
    // Most texts: nothing in them hides.
    if text
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
    {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_combining(c) { marks + 1 } else { 0 };
        if is_hidden(c) || marks > MARKS_MAX {
            out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of at most `max` characters: line breaks become `⏎`, and of a longer text the head
/// and the tail stay, with the number of left-out characters between them.
pub fn one_line(text: &str, max: usize) -> String {
    let line = visible(&text.trim().replace("\r\n", "\n"))
        .replace('\n', "⏎")
        .replace('\t', " ");
    let count = line.chars().count();
    if count <= max {
        return line;
    }
    // Two thirds head: the command's name says most, its end hides most.
    let widest = format!(" …{count}… ");
    let room = max.saturating_sub(widest.chars().count());
    let head = room * 2 / 3;
    let tail = room - head;
    let start: String = line.chars().take(head).collect();
    let end: String = line.chars().skip(count - tail).collect();
    format!("{start} …{}… {end}", count - room)
}

/// At most `max` characters of a text of any lines: of a longer one the head and the tail stay, with the number
/// of left-out characters between them.
pub fn shortened(text: &str, max: usize) -> String {
    let count = text.chars().count();
    if count <= max {
        return text.to_owned();
    }
    let widest = format!("\n…{count}…\n");
    let half = max.saturating_sub(widest.chars().count()) / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head}\n…{}…\n{tail}", count - 2 * half)
}

/// Characters that change how the text around them looks, or that cannot be seen.
fn is_hidden(c: char) -> bool {
    if matches!(c, ' ' | '\n' | '\t') {
        return false;
    }
    // The last two of each plane, and 32 more, are no characters and never will be.
    let is_none = u32::from(c) & 0xFFFE == 0xFFFE || matches!(c, '\u{FDD0}'..='\u{FDEF}');
    c.is_control()
        || c.is_whitespace()
        || is_none
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{070F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFC}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D159}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
            // Strokes over the letter before: the text looks crossed out.
            | '\u{0334}'..='\u{0338}'
            // Private use: a font may draw anything there, another letter even.
            | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
}

/// Marks that stand above or below the letter before, of the blocks made for that.
fn is_combining(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_made_visible() {
        assert_eq!(
            visible("a\u{202e}b\u{200b}c\u{1b}[31m"),
            "a⟨U+202E⟩b⟨U+200B⟩c⟨U+001B⟩[31m"
        );
        assert_eq!(visible("ä 漢\n\t-"), "ä 漢\n\t-");
        assert_eq!(visible("a\rb"), "a⟨U+000D⟩b");
        for hidden in [
            '\u{a0}',
            '\u{2003}',
            '\u{3000}',
            '\u{2028}',
            '\u{2029}',
            '\u{2800}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{1d173}',
            '\u{fffc}',
            '\u{338}',
            '\u{e0b0}',
            '\u{10ffff}',
        ] {
            let shown = format!("rm⟨U+{:04X}⟩x", u32::from(hidden));
            assert_eq!(visible(&format!("rm{hidden}x")), shown);
        }
    }

    #[test]
    fn marks_do_not_pile_up() {
        let vietnamese = "tie\u{302}\u{301}ng";
        assert_eq!(visible(vietnamese), vietnamese);
        assert_eq!(
            visible("a\u{301}\u{302}\u{303}b\u{304}"),
            "a\u{301}\u{302}⟨U+0303⟩b\u{304}"
        );
    }

    #[test]
    fn a_long_line_keeps_its_head_and_its_tail() {
        let text = format!("head{}tail", "x".repeat(500));
        let line = one_line(&text, SUMMARY_MAX);
        assert_eq!(line.chars().count(), SUMMARY_MAX);
        let kept = line.chars().filter(|c| c.is_ascii_lowercase()).count();
        assert!(
            line.contains(&format!(" …{}… ", 508 - kept)),
            "it says how much is left out: {line}"
        );
        assert!(line.starts_with("head") && line.ends_with("tail"), "{line}");
        assert_eq!(one_line("  a\r\nb\tc ", 10), "a⏎b c");
        assert_eq!(one_line("a\rb", 20), "a⟨U+000D⟩b");
    }
}
