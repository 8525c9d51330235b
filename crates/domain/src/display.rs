//! Text from agents made safe to show: what it hides is made visible, what is long keeps its head
//! and its tail.

/// The longest summary, characters: two lines of a notification.
pub const SUMMARY_MAX: usize = 160;

/// Shows control, bidi and zero-width characters as `⟨U+XXXX⟩`; keeps line breaks and tabs.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if is_hidden(c) => out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// One line of at most `max` characters: line breaks become `⏎`, and of a longer text the head
/// and the tail stay, with the number of left-out characters between them.
pub fn one_line(text: &str, max: usize) -> String {
    let line: String = visible(text.trim())
        .replace("\r\n", "⏎")
        .replace('\n', "⏎")
        .replace('\t', " ");
    let count = line.chars().count();
    if count <= max {
        return line;
    }
    // Two thirds head: the command's name says most, its end hides most.
    let gap = format!(" …{}… ", count - max);
    let room = max.saturating_sub(gap.chars().count());
    let head = room * 2 / 3;
    let tail = room - head;
    let start: String = line.chars().take(head).collect();
    let end: String = line.chars().skip(count - tail).collect();
    format!("{start}{gap}{end}")
}

/// Characters that change how the text around them looks, or that cannot be seen.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}
