//! The walk through a parsed program.

use brush_parser::ast::{
    AndOr, Assignment, AssignmentName, AssignmentValue, BinaryPredicate, Command,
    CommandPrefixOrSuffixItem as Item, CompoundCommand, CompoundList, ExtendedTestExpr,
    IoFileRedirectKind, IoFileRedirectTarget, IoRedirect, Pipeline, RedirectList, SimpleCommand,
    UnaryPredicate, Word as Raw,
};

use super::{
    Doubt, File, Kind, NESTED_MAX, RUNS_MAX, Run, Script, UNREADABLE, Word, parse,
    word::{Found, Place, arithmetic, read},
    wrap::{Inner, unwrap, without_global_options},
};

#[derive(Debug, Default)]
pub(super) struct Reader {
    pub script: Script,
    depth: usize,
    within: Option<(usize, usize)>,
}

/// Variables that change what output looks like, and nothing that runs.
const SAFE: [&str; 17] = [
    "LANG",
    "LANGUAGE",
    "TZ",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "TERM",
    "COLUMNS",
    "LINES",
    "CI",
    "DEBUG",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "NODE_ENV",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "CARGO_TERM_COLOR",
];

/// Variables that change which program a name means, or how the shell reads.
fn changes_the_shell(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "PATH",
        "IFS",
        "ENV",
        "SHELL",
        "SHELLOPTS",
        "BASHOPTS",
        "PS4",
        "PROMPT_COMMAND",
        "FPATH",
        "ZDOTDIR",
        "CDPATH",
        "HOME",
    ];
    let name = name.to_ascii_uppercase();
    NAMES.contains(&name.as_str())
        || name.starts_with("LD_")
        || name.starts_with("DYLD_")
        || name.starts_with("BASH")
}

/// Builtins after which a command is not what it seems, and why.
fn untold(name: &str) -> Option<&'static str> {
    Some(match name {
        "eval" => "`eval` runs what it puts together",
        "source" | "." => "it runs a file in the shell itself",
        "trap" | "fc" | "bind" | "complete" | "compgen" | "sched" | "mapfile" | "readarray" => {
            "it gives the shell a command to run later"
        }
        "alias" | "unalias" | "enable" | "disable" | "hash" | "unhash" | "functions"
        | "autoload" | "zmodload" | "emulate" => "it changes what a command's name means",
        "set" | "shopt" | "setopt" | "unsetopt" | "let" | "unset" | "getopts" => {
            "it changes how the shell reads"
        }
        _ => return None,
    })
}

const DECLARING: [&str; 6] = [
    "export", "declare", "typeset", "local", "readonly", "integer",
];
const FREE: [&str; 9] = [
    ":", "true", "false", "break", "continue", "exit", "return", "pwd", "wait",
];

impl Reader {
    pub fn text(&mut self, text: &str) {
        if self.depth >= NESTED_MAX {
            return self.doubt("it is nested too deeply to be taken apart", true);
        }
        self.depth += 1;
        match parse(text) {
            Ok(program) => program
                .complete_commands
                .iter()
                .for_each(|list| self.list(list)),
            Err(why) => self.doubt(why, true),
        }
        self.depth -= 1;
    }

    fn doubt(&mut self, why: &str, blind: bool) {
        let doubt = Doubt {
            why: why.into(),
            blind,
        };
        if !self.script.doubts.contains(&doubt) {
            self.script.doubts.push(doubt);
        }
    }

    fn list(&mut self, list: &CompoundList) {
        for item in &list.0 {
            self.pipeline(&item.0.first);
            for more in &item.0.additional {
                match more {
                    AndOr::And(pipeline) | AndOr::Or(pipeline) => self.pipeline(pipeline),
                }
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        pipeline
            .seq
            .iter()
            .for_each(|command| self.command(command));
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, files) => {
                self.compound(compound);
                self.redirects(files.as_ref());
            }
            Command::Function(function) => {
                self.doubt(
                    "it defines a function, and its name may mean another command",
                    false,
                );
                self.compound(&function.body.0);
                self.redirects(function.body.1.as_ref());
            }
            Command::ExtendedTest(test, files) => {
                self.test(&test.expr);
                self.redirects(files.as_ref());
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(it) => {
                // The parser takes `( (make) )` for it, too.
                self.doubt("`((…))` may be arithmetic or commands", true);
                self.arithmetic(&it.expr.value);
                self.text(&it.expr.value);
            }
            CompoundCommand::ArithmeticForClause(it) => {
                for part in [&it.initializer, &it.condition, &it.updater]
                    .into_iter()
                    .flatten()
                {
                    self.arithmetic(&part.value);
                }
                self.list(&it.body.list);
            }
            CompoundCommand::BraceGroup(it) => self.list(&it.list),
            CompoundCommand::Subshell(it) => self.list(&it.list),
            CompoundCommand::ForClause(it) => {
                if changes_the_shell(&it.variable_name) {
                    self.doubt("it sets a variable that changes what runs", true);
                }
                it.values
                    .iter()
                    .flatten()
                    .for_each(|word| drop(self.word(word)));
                self.list(&it.body.list);
            }
            CompoundCommand::CaseClause(it) => {
                self.word(&it.value);
                for case in &it.cases {
                    case.patterns.iter().for_each(|word| drop(self.word(word)));
                    case.cmd.iter().for_each(|list| self.list(list));
                }
            }
            CompoundCommand::IfClause(it) => {
                self.list(&it.condition);
                self.list(&it.then);
                for part in it.elses.iter().flatten() {
                    part.condition.iter().for_each(|list| self.list(list));
                    self.list(&part.body);
                }
            }
            CompoundCommand::WhileClause(it) | CompoundCommand::UntilClause(it) => {
                self.list(&it.0);
                self.list(&it.1.list);
            }
            CompoundCommand::Coprocess(it) => self.command(&it.body),
        }
    }

    fn test(&mut self, test: &ExtendedTestExpr) {
        match test {
            ExtendedTestExpr::And(a, b) | ExtendedTestExpr::Or(a, b) => {
                self.test(a);
                self.test(b);
            }
            ExtendedTestExpr::Not(a) | ExtendedTestExpr::Parenthesized(a) => self.test(a),
            ExtendedTestExpr::UnaryTest(predicate, word) => {
                let word = self.word(word);
                if matches!(
                    predicate,
                    UnaryPredicate::ShellVariableIsSetAndAssigned
                        | UnaryPredicate::ShellVariableIsSetAndNameRef
                ) {
                    self.subscript(&word);
                }
            }
            ExtendedTestExpr::BinaryTest(predicate, a, b) => {
                let (a, b) = (self.word(a), self.word(b));
                if matches!(
                    predicate,
                    BinaryPredicate::ArithmeticEqualTo
                        | BinaryPredicate::ArithmeticNotEqualTo
                        | BinaryPredicate::ArithmeticLessThan
                        | BinaryPredicate::ArithmeticLessThanOrEqualTo
                        | BinaryPredicate::ArithmeticGreaterThan
                        | BinaryPredicate::ArithmeticGreaterThanOrEqualTo
                ) {
                    self.subscript(&a);
                    self.subscript(&b);
                }
            }
        }
    }

    /// A name of a variable, or arithmetic: what stands in its brackets is run.
    fn subscript(&mut self, word: &Word) {
        if word.raw.contains(['[', '`']) || word.raw.contains("$(") {
            self.doubt("an array's index may run a command", true);
        }
    }

    fn arithmetic(&mut self, expression: &str) {
        let mut found = Found::default();
        arithmetic(expression, &mut found);
        self.found(found);
    }

    fn found(&mut self, found: Found) {
        for (why, blind) in found.doubts {
            self.doubt(why, blind);
        }
        // It runs beside the command, not within it.
        let within = self.within.take();
        for script in found.scripts {
            self.text(&script);
        }
        self.within = within;
    }

    fn word(&mut self, word: &Raw) -> Word {
        self.read(&word.value, Place::Word)
    }

    fn read(&mut self, raw: &str, place: Place) -> Word {
        let mut found = Found::default();
        let word = read(raw, place, &mut found);
        self.found(found);
        word
    }

    fn redirects(&mut self, list: Option<&RedirectList>) {
        for redirect in list.iter().flat_map(|list| &list.0) {
            self.redirect(redirect);
        }
    }

    fn redirect(&mut self, redirect: &IoRedirect) {
        match redirect {
            IoRedirect::HereString(_, word) => drop(self.word(word)),
            IoRedirect::HereDocument(_, document) => {
                if document.requires_expansion {
                    self.read(&document.doc.value, Place::Document);
                }
            }
            IoRedirect::OutputAndError(word, _) => {
                let word = self.word(word);
                self.file(word, true);
            }
            IoRedirect::File(_, kind, target) => match target {
                IoFileRedirectTarget::Fd(_) => {}
                IoFileRedirectTarget::ProcessSubstitution(_, shell) => self.list(&shell.list),
                IoFileRedirectTarget::Duplicate(word) => {
                    let word = self.word(word);
                    let closes = word.value.as_deref().is_some_and(|value| {
                        value
                            .trim_end_matches('-')
                            .chars()
                            .all(|c| c.is_ascii_digit())
                    });
                    if !closes {
                        self.file(word, true);
                    }
                }
                IoFileRedirectTarget::Filename(word) => {
                    let word = self.word(word);
                    self.file(word, !matches!(kind, IoFileRedirectKind::Read));
                }
            },
        }
    }

    fn file(&mut self, word: Word, writes: bool) {
        const FREE: [&str; 5] = [
            "/dev/null",
            "/dev/stdout",
            "/dev/stderr",
            "/dev/tty",
            "/dev/stdin",
        ];
        if FREE.iter().any(|path| word.is(path)) {
            return;
        }
        if word.open.starts_with("/dev/tcp/") || word.open.starts_with("/dev/udp/") {
            return self.doubt("a redirection opens a network connection", true);
        }
        self.script.files.push(File { word, writes });
    }

    fn assignment(&mut self, assignment: &Assignment) {
        let value = match &assignment.value {
            AssignmentValue::Scalar(word) => Some(self.word(word)),
            AssignmentValue::Array(items) => {
                for (key, value) in items {
                    if let Some(key) = key {
                        self.word(key);
                    }
                    self.word(value);
                }
                None
            }
        };
        match &assignment.name {
            AssignmentName::VariableName(name) => {
                self.sets(name, value.is_some_and(|word| word.value.is_some()))
            }
            AssignmentName::ArrayElementName(_, index) => {
                self.arithmetic(index);
                self.doubt("it sets a variable", false);
            }
        }
    }

    fn sets(&mut self, name: &str, known: bool) {
        if changes_the_shell(name) {
            self.doubt(&format!("it sets `{name}`, which changes what runs"), true);
        } else if !known || !(SAFE.contains(&name) || name.starts_with("LC_")) {
            self.doubt(&format!("it sets the variable `{name}`"), false);
        }
    }

    fn simple(&mut self, simple: &SimpleCommand) {
        let mut words = Vec::new();
        let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = simple.suffix.iter().flat_map(|suffix| &suffix.0);
        for item in prefix {
            match item {
                Item::AssignmentWord(assignment, _) => self.assignment(assignment),
                Item::IoRedirect(redirect) => self.redirect(redirect),
                Item::ProcessSubstitution(_, shell) => {
                    self.list(&shell.list);
                    words.push(Word::unknown("<(…)"));
                }
                Item::Word(word) => words.push(self.word(word)),
            }
        }
        if let Some(word) = &simple.word_or_name {
            words.push(self.word(word));
        }
        for item in suffix {
            match item {
                Item::IoRedirect(redirect) => self.redirect(redirect),
                Item::ProcessSubstitution(_, shell) => {
                    self.list(&shell.list);
                    words.push(Word::unknown("<(…)"));
                }
                Item::Word(word) | Item::AssignmentWord(_, word) => words.push(self.word(word)),
            }
        }
        if !words.is_empty() {
            let within = self.within;
            self.run(words, within);
        }
    }

    fn run(&mut self, words: Vec<Word>, within: Option<(usize, usize)>) {
        if self.script.runs.len() >= RUNS_MAX {
            return self.doubt("it runs more commands than are looked through", true);
        }
        if self.depth > NESTED_MAX {
            return self.doubt("it is nested too deeply to be taken apart", true);
        }
        let Some(program) = words.first().and_then(|word| word.value.clone()) else {
            self.push(words, Kind::Program, within, None);
            return self.doubt("the name of a command is only known when it runs", true);
        };
        let name = base_name(&program);
        if name.is_empty() || program.starts_with('=') || program.contains(char::is_whitespace) {
            self.doubt(UNREADABLE, true);
        }
        if let Some(why) = untold(name) {
            self.doubt(why, true);
        }
        self.builtin(name, &words);
        let (kind, inner) = unwrap(name, &words);
        // Another file of that name is not the one that is known here.
        let kind = if program == name
            || ["/bin/", "/usr/bin/"]
                .iter()
                .any(|dir| program.strip_prefix(dir) == Some(name))
        {
            kind
        } else {
            Kind::Program
        };
        let kind = if FREE.contains(&program.as_str()) || (program == "cd" && words.len() == 2) {
            Kind::Free
        } else {
            kind
        };
        if matches!(name, "cd" | "pushd" | "popd") {
            self.script.moves = true;
        }
        if matches!(name, "env" | "genv" | "sudo") {
            let before = match inner {
                Inner::Command { at, .. } => at,
                _ => words.len(),
            };
            self.environment(words.get(1..before).unwrap_or_default());
        }
        let other = without_global_options(name, &words);
        let me = self.script.runs.len();
        let rest = match &inner {
            Inner::Command { at, more } => {
                let mut rest = words.get(*at..).unwrap_or_default().to_vec();
                if *more {
                    rest.push(Word::unknown("…"));
                }
                Some((*at, rest))
            }
            Inner::Made(made) => Some((usize::MAX - 1, made.clone())),
            Inner::Nothing | Inner::Script { .. } | Inner::Doubt(_) => None,
        };
        self.push(words, kind, within, other);
        self.depth += 1;
        match (rest, inner) {
            (Some((at, rest)), _) if !rest.is_empty() => self.run(rest, Some((me, at))),
            (_, Inner::Script { at: _, text }) => {
                let before = self.within.replace((me, usize::MAX - 1));
                self.text(&text);
                self.within = before;
            }
            (_, Inner::Doubt(why)) => self.doubt(why, true),
            (_, Inner::Nothing | Inner::Command { .. } | Inner::Made(_)) => {}
        }
        self.depth -= 1;
    }

    fn push(
        &mut self,
        words: Vec<Word>,
        kind: Kind,
        within: Option<(usize, usize)>,
        other: Option<Vec<Word>>,
    ) {
        self.script.runs.push(Run {
            words,
            kind,
            within,
            other,
        });
    }

    /// Builtins that set variables or read an array's index.
    fn builtin(&mut self, name: &str, words: &[Word]) {
        let arguments = words.get(1..).unwrap_or_default();
        if DECLARING.contains(&name) {
            for word in arguments {
                match (word.open.split_once('='), &word.value) {
                    (Some((name, _)), known) => {
                        self.sets(name.trim_end_matches('+'), known.is_some())
                    }
                    (None, Some(text)) if text.starts_with('-') || !text.contains('[') => {}
                    (None, _) => self.doubt(
                        "it sets variables whose names are only known when it runs",
                        true,
                    ),
                }
            }
        }
        let names_variables = match name {
            "read" => true,
            "printf" => arguments
                .first()
                .is_some_and(|word| word.open.starts_with(['-', '\0'])),
            "test" | "[" => arguments.iter().any(|word| word.is("-v") || word.is("-R")),
            _ => false,
        };
        if names_variables {
            for word in arguments {
                self.subscript(word);
                if word.value.as_deref().is_none_or(changes_the_shell) {
                    self.doubt("it sets a variable that may change what runs", true);
                }
            }
        }
    }

    /// `env NAME=value …`, `sudo NAME=value …`: what stands before the command.
    fn environment(&mut self, words: &[Word]) {
        for word in words {
            if let Some((name, _)) = word.open.split_once('=')
                && !name.starts_with('-')
            {
                self.sets(name, word.value.is_some());
            }
        }
    }
}

/// The last part of a path.
pub(in crate::policy) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
