//! One word of a command: what it says, and what it makes run.

use brush_parser::{
    ParserOptions,
    word::{
        ParameterExpr, ParameterTransformOp, WordPiece, WordPieceWithSource, parse, parse_heredoc,
    },
};

use super::super::glob::ANYTHING;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Word {
    /// As rules that allow see it: its value, quoted where a bare one would be read otherwise; as
    /// it was written where the shell puts in what is not known here.
    pub shown: String,
    /// What the program gets, where that is known.
    pub value: Option<String>,
    /// What the program gets, with [`ANYTHING`] for what is not known.
    pub open: String,
    /// As written.
    pub raw: String,
}

impl Word {
    /// A word of which nothing is known.
    pub fn unknown(raw: &str) -> Self {
        Self {
            shown: raw.into(),
            value: None,
            open: ANYTHING.into(),
            raw: raw.into(),
        }
    }

    /// A word that is just this.
    pub fn fixed(value: &str) -> Self {
        let shown = quoted(value);
        Self {
            raw: shown.clone(),
            shown,
            open: value.into(),
            value: Some(value.into()),
        }
    }

    pub fn is(&self, value: &str) -> bool {
        self.value.as_deref() == Some(value)
    }
}

/// What reading a word finds besides its text.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Programs in `$( )` (with their brackets) and in backquotes (without).
    pub scripts: Vec<String>,
    /// Why it cannot be relied on; `true`: something may run that is not seen.
    pub doubts: Vec<(&'static str, bool)>,
}

/// How a text stands in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A word of a command.
    Word,
    /// A here-document: quotes are plain characters.
    Document,
}

/// Tildes are read here: the crate's own reader panics on `~` with a number that does not fit.
/// Without extended globs `@(` is an error, and asks: to zsh such patterns are programs.
pub(super) fn options() -> ParserOptions {
    ParserOptions {
        enable_extended_globbing: false,
        tilde_expansion_at_word_start: false,
        ..ParserOptions::default()
    }
}

const UNREADABLE: &str = "a part of it cannot be read";

/// Reads a word.
pub(super) fn read(raw: &str, place: Place, found: &mut Found) -> Word {
    // The usual word costs no parsing.
    if place == Place::Word
        && !raw.is_empty()
        && raw.chars().all(is_plain)
        && !raw.starts_with(['~', '=', '#'])
    {
        return Word::fixed(raw);
    }
    let pieces = match place {
        Place::Word => parse(raw, &options()),
        Place::Document => parse_heredoc(raw, &options()),
    };
    let Ok(pieces) = pieces else {
        found.doubts.push((UNREADABLE, true));
        return Word::unknown(raw);
    };
    // What the reader left out would be unseen.
    if pieces.last().map_or(0, |piece| piece.end_index) != raw.len() {
        found.doubts.push((UNREADABLE, true));
        return Word::unknown(raw);
    }
    let mut state = Reading {
        open: String::new(),
        known: true,
        found,
        braces: String::new(),
    };
    state.pieces(&pieces, place == Place::Document);
    if place == Place::Word {
        state.expansions(raw);
    }
    let Reading { open, known, .. } = state;
    Word {
        shown: if known { quoted(&open) } else { raw.into() },
        value: known.then(|| open.clone()),
        open,
        raw: raw.into(),
    }
}

/// Characters that a shell takes as they are, wherever they stand.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "_@%+=:,./-^~#".contains(c)
}

/// The value as one bare or single-quoted word.
fn quoted(value: &str) -> String {
    let bare = !value.is_empty()
        && !value.starts_with(['~', '=', '#'])
        && (value == "{}" || value.chars().all(is_plain));
    if bare {
        value.into()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

struct Reading<'f> {
    open: String,
    known: bool,
    found: &'f mut Found,
    /// The unquoted text alone, to look for `{a,b}`.
    braces: String,
}

impl Reading<'_> {
    fn doubt(&mut self, why: &'static str) {
        self.unknown();
        self.found.doubts.push((why, true));
    }

    fn unknown(&mut self) {
        self.known = false;
        if !self.open.ends_with(ANYTHING) {
            self.open.push(ANYTHING);
        }
    }

    fn pieces(&mut self, pieces: &[WordPieceWithSource], inside_quotes: bool) {
        for pair in pieces.windows(2) {
            // What the parser does not understand, it takes for plain text.
            if let [dollar, next] = pair
                && matches!(&dollar.piece, WordPiece::Text(text) if text.ends_with('$'))
                && matches!(&next.piece, WordPiece::Text(text) if text.starts_with(['(', '{', '[']))
            {
                self.doubt(UNREADABLE);
            }
        }
        for piece in pieces {
            self.piece(&piece.piece, inside_quotes);
        }
    }

    fn piece(&mut self, piece: &WordPiece, inside_quotes: bool) {
        match piece {
            WordPiece::Text(text) if text.contains('`') => self.doubt(UNREADABLE),
            WordPiece::Text(text) if inside_quotes && text.contains("\\\n") => {
                self.doubt("a line goes on within quotes");
            }
            WordPiece::Text(text) if inside_quotes => self.open.push_str(text),
            WordPiece::Text(text) => self.bare(text),
            WordPiece::SingleQuotedText(text) => self.open.push_str(text),
            WordPiece::AnsiCQuotedText(text) => match ansi_c(text) {
                Some(text) => self.open.push_str(&text),
                None => {
                    self.doubt("it spells a word in escapes of $'…' that have no plain reading")
                }
            },
            WordPiece::DoubleQuotedSequence(inner) => self.pieces(inner, true),
            WordPiece::GettextDoubleQuotedSequence(_) => {
                self.doubt("$\"…\" is translated before it is used")
            }
            WordPiece::TildeExpansion(_) => self.unknown(),
            WordPiece::EscapeSequence(text) => {
                let c = text.strip_prefix('\\').unwrap_or(text);
                // A backslash before the end of a line is no character at all.
                if c != "\n" {
                    self.open.push_str(c);
                }
            }
            WordPiece::CommandSubstitution(text) => {
                if !document_ends_it(text) {
                    return self
                        .doubt("a here-document stands within a substitution in an unusual way");
                }
                self.unknown();
                // With its brackets: where they close must be where the program ends, so a comment
                // or a quote cannot hide the rest of it.
                // The new line keeps `( (` from being read as arithmetic.
                self.found.scripts.push(format!("(\n{text})"));
            }
            WordPiece::BackquotedCommandSubstitution(text) => {
                if text.contains(['\'', '"', '\\', '#', '<']) {
                    self.doubt("quotes within backquotes are read differently by different shells");
                } else {
                    self.unknown();
                    self.found.scripts.push(text.clone());
                }
            }
            WordPiece::ArithmeticExpression(expression) => {
                self.unknown();
                arithmetic(&expression.value, self.found);
            }
            WordPiece::ParameterExpansion(expression) => {
                self.unknown();
                self.parameter(expression);
            }
        }
    }

    /// Text without quotes.
    fn bare(&mut self, text: &str) {
        if text.contains(|c: char| c.is_whitespace() || "()<>;&|".contains(c)) {
            self.doubt(UNREADABLE);
            return;
        }
        self.braces.push_str(text);
        let mut parts = text.split(['*', '?', '[']);
        if let Some(first) = parts.next() {
            self.open.push_str(first);
        }
        for part in parts {
            self.unknown();
            self.open.push_str(part);
        }
    }

    /// What the shell expands in the word as a whole.
    fn expansions(&mut self, raw: &str) {
        let braces = self.braces.split_once('{').is_some_and(|(_, rest)| {
            rest.contains('}') && (rest.contains(',') || rest.contains(".."))
        });
        if braces || raw.starts_with(['~', '=']) {
            self.known = false;
            self.open = ANYTHING.into();
        }
    }

    fn parameter(&mut self, expression: &ParameterExpr) {
        use ParameterExpr as E;
        let operand = match expression {
            E::Parameter {
                parameter,
                indirect,
            }
            | E::ParameterLength {
                parameter,
                indirect,
            } => {
                return self.named(&parameter.to_string(), *indirect);
            }
            E::AssignDefaultValues { .. } => return self.doubt("`${NAME:=…}` sets a variable"),
            E::VariableNames { .. } | E::MemberKeys { .. } => return,
            E::Transform {
                parameter,
                indirect,
                op,
            } => {
                if matches!(
                    op,
                    ParameterTransformOp::PromptExpand
                        | ParameterTransformOp::ExpandEscapeSequences
                ) {
                    return self.doubt("`${NAME@P}` runs what a variable holds");
                }
                return self.named(&parameter.to_string(), *indirect);
            }
            E::Substring {
                parameter,
                indirect,
                offset,
                length,
            } => {
                arithmetic(&offset.value, self.found);
                if let Some(length) = length {
                    arithmetic(&length.value, self.found);
                }
                return self.named(&parameter.to_string(), *indirect);
            }
            E::ReplaceSubstring {
                parameter,
                indirect,
                pattern,
                replacement,
                match_kind: _,
            } => {
                self.operand(pattern);
                self.named(&parameter.to_string(), *indirect);
                replacement.as_ref()
            }
            E::UseDefaultValues {
                parameter,
                indirect,
                default_value: operand,
                ..
            }
            | E::IndicateErrorIfNullOrUnset {
                parameter,
                indirect,
                error_message: operand,
                ..
            }
            | E::UseAlternativeValue {
                parameter,
                indirect,
                alternative_value: operand,
                ..
            }
            | E::RemoveSmallestSuffixPattern {
                parameter,
                indirect,
                pattern: operand,
            }
            | E::RemoveLargestSuffixPattern {
                parameter,
                indirect,
                pattern: operand,
            }
            | E::RemoveSmallestPrefixPattern {
                parameter,
                indirect,
                pattern: operand,
            }
            | E::RemoveLargestPrefixPattern {
                parameter,
                indirect,
                pattern: operand,
            }
            | E::UppercaseFirstChar {
                parameter,
                indirect,
                pattern: operand,
            }
            | E::UppercasePattern {
                parameter,
                indirect,
                pattern: operand,
            }
            | E::LowercaseFirstChar {
                parameter,
                indirect,
                pattern: operand,
            }
            | E::LowercasePattern {
                parameter,
                indirect,
                pattern: operand,
            } => {
                self.named(&parameter.to_string(), *indirect);
                operand.as_ref()
            }
        };
        if let Some(text) = operand {
            self.operand(text);
        }
    }

    fn named(&mut self, parameter: &str, indirect: bool) {
        if indirect {
            self.doubt("`${!NAME}` uses the variable that another one names");
        } else if parameter.trim_matches(['$', '{', '}']) == "IFS" {
            self.doubt("`$IFS` stands where a space would");
        } else if let Some((_, index)) = parameter.split_once('[') {
            let index = index.trim_end_matches(['}', ']']);
            if !matches!(index, "@" | "*") {
                arithmetic(index, self.found);
            }
        }
    }

    /// A text within `${ }`: shells disagree where quotes in it end.
    fn operand(&mut self, text: &str) {
        if text.contains(['\'', '"', '\\', '{', '}', '`', '(', ')', '<', '>']) {
            self.doubt(
                "quotes and expansions within `${…}` are read differently by different shells",
            );
        }
    }
}

/// Looks for what an arithmetic expression runs or sets.
pub(super) fn arithmetic(expression: &str, found: &mut Found) {
    if expression.contains(['`', '[', '\'', '"', '\\', '{', '@']) || expression.contains("$(") {
        found
            .doubts
            .push(("its arithmetic may run a command", true));
    }
    let bytes = expression.as_bytes();
    let sets = bytes.iter().enumerate().any(|(at, &b)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        b == b'='
            && bytes.get(at + 1) != Some(&b'=')
            && !matches!(before, Some(b'=' | b'!' | b'<' | b'>'))
    });
    if sets {
        found.doubts.push(("its arithmetic sets a variable", false));
    }
}

/// Whether a here-document in a substitution, if there is one, is all that is left of it: the parser
/// reads quotes in its lines, and would take what follows it for a part of them.
fn document_ends_it(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("<<") else {
        return true;
    };
    let Some((first, body)) = rest.split_once('\n') else {
        // `<<<` needs no lines.
        return rest.starts_with('<') && !rest.contains("<<");
    };
    let first = first.trim();
    let name = first.trim_matches(['\'', '"']);
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let quotes = &first.replace(name, "");
    plain
        && matches!(quotes.as_str(), "" | "''" | "\"\"")
        && body.split_once(&format!("{name}\n")).map_or_else(
            || body.ends_with(name),
            |(_, after)| after.trim().is_empty(),
        )
}

/// `$'…'`: the escapes whose meaning is the same everywhere.
fn ansi_c(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'n' => '\n',
            't' => '\t',
            c @ ('\\' | '\'' | '"' | '?') => c,
            _ => return None,
        });
    }
    Some(out)
}
