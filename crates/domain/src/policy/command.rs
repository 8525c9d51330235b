//! Which commands a rule for Bash speaks of.

use super::{
    glob::{ANYTHING, glob_matches, globs_meet},
    shell::{Run, Script, Word, base_name},
};

/// The command part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandPattern {
    /// As written: a text without `*` also covers a whole command that is just this.
    exact: Option<String>,
    glob: String,
    /// `PREFIX:*` and `PREFIX *`: also with a space and anything behind it.
    more: bool,
    /// What stands before the first `*`.
    literal: usize,
    /// How many whole words that is.
    words: usize,
}

impl CommandPattern {
    /// Reads it; the error completes “… cannot be used: ”. `None`: it covers every command.
    pub fn parse(text: &str) -> Result<Option<Self>, (String, String)> {
        let text = text.trim();
        let (glob, more) = match text.strip_suffix(":*").or_else(|| text.strip_suffix(" *")) {
            Some(prefix) => (prefix.trim_end(), true),
            None => (text, false),
        };
        if glob.is_empty() && !more {
            return Err((
                "no command stands in it".into(),
                "Write `Bash` for every command.".into(),
            ));
        }
        if glob.bytes().all(|b| b == b'*') {
            return Ok(None);
        }
        if glob.contains(":*") {
            return Err((
                "`:*` stands at the end of a rule only".into(),
                format!("Perhaps you mean `Bash({})`.", text.replacen(":*", " *", 1)),
            ));
        }
        if let Some(c) = glob.chars().find(|c| c.is_control()) {
            return Err((
                format!("{c:?} is in no rule"),
                "Write the command in one line.".into(),
            ));
        }
        let exact = (!more && !glob.contains('*')).then(|| glob.to_owned());
        let script = Script::read(&glob.replace('*', "x"));
        if exact.is_none()
            && script.runs.len() > 1
            && script.runs.iter().all(|run| run.within.is_none())
        {
            return Err((
                "a command is taken apart before rules look at it, so no rule with `*` matches several commands at once".into(),
                "Write one rule for each of the commands.".into(),
            ));
        }
        // With quotes in it, a rule is compared as the command would be.
        let glob = match (&exact, script.runs.as_slice()) {
            (Some(_), [run])
                if script.doubts.is_empty()
                    && run.words.iter().all(|word| word.value.is_some()) =>
            {
                shown(&run.words)
            }
            _ if glob.contains(['\'', '"', '\\']) => glob.to_owned(),
            _ => glob.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        let literal = glob.find('*').unwrap_or(glob.len());
        let head = glob.get(..literal).unwrap_or_default();
        let whole = head.len() == glob.len() || head.ends_with(' ');
        let count = head.split_whitespace().count();
        let words = if exact.is_some() {
            usize::MAX
        } else if head.contains(['\'', '"', '\\']) {
            // Its words are not what stands between spaces: it covers the wrapper alone.
            0
        } else {
            count - usize::from(!whole && count > 0)
        };
        Ok(Some(Self {
            exact,
            literal,
            glob,
            more,
            words,
        }))
    }

    /// Whether it is this command, byte for byte: that covers all that it does.
    pub fn is(&self, command: &str) -> bool {
        self.exact.as_deref() == Some(command.trim())
    }

    /// Whether it covers a command that is written like this.
    pub fn covers(&self, text: &str) -> bool {
        let head = self.glob.get(..self.literal).unwrap_or_default();
        let Some(rest) = text.strip_prefix(head) else {
            return false;
        };
        if self.literal == self.glob.len() {
            return rest.is_empty() || (self.more && rest.starts_with(' '));
        }
        glob_matches(self.glob.as_bytes(), text.as_bytes())
            || (self.more && glob_matches(format!("{} *", self.glob).as_bytes(), text.as_bytes()))
    }

    /// Whether its words reach into what the command runs from this word on.
    pub fn reaches(&self, at: usize) -> bool {
        self.words > at
    }

    /// Whether it may be meant for this command, whatever is put into it.
    pub fn may_cover(&self, open: &str) -> bool {
        globs_meet(self.glob.as_bytes(), open.as_bytes())
            || (self.more && globs_meet(format!("{} *", self.glob).as_bytes(), open.as_bytes()))
    }
}

/// The words as rules that allow see them.
pub(super) fn shown(words: &[Word]) -> String {
    let shown: Vec<&str> = words.iter().map(|word| word.shown.as_str()).collect();
    shown.join(" ")
}

/// The ways in which a rule that denies reads a command: any of them counts.
#[derive(Debug)]
pub(super) struct Readings {
    texts: Vec<String>,
    /// With [`ANYTHING`] for what only the shell knows.
    open: Vec<String>,
}

impl Readings {
    pub fn of(run: &Run) -> Self {
        let mut readings = Self {
            texts: Vec::new(),
            open: Vec::new(),
        };
        readings.add(&run.words);
        if let Some(other) = &run.other {
            readings.add(other);
        }
        readings
    }

    fn add(&mut self, words: &[Word]) {
        let Some((first, rest)) = words.split_first() else {
            return;
        };
        let base = base_name(&first.open);
        let lower = base.to_lowercase();
        let names = [first.open.as_str(), base, &lower];
        let join = |name: &str, part: fn(&Word) -> &str| {
            let mut text = name.to_owned();
            for word in rest {
                text.push(' ');
                text.push_str(part(word));
            }
            text
        };
        let mut push = |text: String| {
            if !self.texts.contains(&text) {
                self.texts.push(text);
            }
        };
        for name in names {
            push(join(name, |word| &word.shown));
            push(join(name, |word| {
                word.value.as_deref().unwrap_or(&word.raw)
            }));
            push(join(name, |word| &word.raw));
        }
        push(join(&first.raw, |word| &word.raw));
        if words.iter().any(|word| word.value.is_none()) {
            for name in names {
                // A word that is nothing takes its space with it.
                let open = join(name, |word| &word.open).replace(&format!(" {ANYTHING}"), "\0");
                if !self.open.contains(&open) {
                    self.open.push(open);
                }
            }
        }
    }

    /// Whether the rule is meant for it.
    pub fn named_by(&self, pattern: &CommandPattern) -> bool {
        self.texts.iter().any(|text| pattern.covers(text))
    }

    /// Whether it can become what the rule is meant for.
    pub fn may_be_named_by(&self, pattern: &CommandPattern) -> bool {
        self.open.iter().any(|open| pattern.may_cover(open))
    }
}

/// The first of the rules that covers a command of the script, with what it runs within.
pub(super) fn cover(
    patterns: &[(usize, &CommandPattern)],
    script: &Script,
    texts: &[String],
    at: usize,
) -> Option<usize> {
    let covering = |index: usize, needed: Option<usize>| {
        let text = texts.get(index)?;
        patterns
            .iter()
            .find(|(_, pattern)| {
                pattern.covers(text) && needed.is_none_or(|word| pattern.reaches(word))
            })
            .map(|(rule, _)| *rule)
    };
    if let Some(rule) = covering(at, None) {
        return Some(rule);
    }
    let mut run = script.runs.get(at)?;
    // A wrapper of a wrapper counts its own words: a rule has to reach past all of them.
    let mut needed = 0_usize;
    while let Some((outer, word)) = run.within {
        needed = needed.saturating_add(word);
        if let Some(rule) = covering(outer, Some(needed)) {
            return Some(rule);
        }
        run = script.runs.get(outer)?;
    }
    None
}
