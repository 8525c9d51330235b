//! Programs that run another program.

use super::{
    super::glob::globs_meet,
    Word,
    word::{Found, Place, read},
};

/// What a wrapper changes for what it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Kind {
    /// A program like any other: it needs a rule.
    Program,
    /// It runs what it is given and does nothing else: it needs no rule of its own.
    Transparent,
    /// It does nothing that a rule would have to allow: `true`, `cd` within the team's folder.
    Free,
}

/// What a command runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inner {
    /// Only itself.
    Nothing,
    /// The command that starts at this word; `more`: it gets further arguments, which nobody knows.
    Command { at: usize, more: bool },
    /// A program text, given as this word (counted from 0).
    Script { at: usize, text: String },
    /// A command that is not written as one.
    Made(Vec<Word>),
    /// It cannot be told.
    Doubt(&'static str),
}

struct Wrapper {
    names: &'static [&'static str],
    kind: Kind,
    /// Options without a value: letters, and long ones by name.
    flags: &'static str,
    /// Options with one.
    values: &'static str,
    /// How many words stand before the command: `timeout 5 make`.
    before: usize,
    /// Whether `NAME=value` may stand before the command.
    assigns: bool,
    more: bool,
}

/// The options are listed, because one that is not known may take the next word with it: then it
/// could not be told which word is the command.
const WRAPPERS: [Wrapper; 15] = [
    wrapper(
        &["timeout", "gtimeout"],
        "v --foreground --preserve-status --verbose",
        "s k --signal --kill-after",
    )
    .after(1),
    wrapper(
        &["nohup", "command", "builtin", "noglob", "nocorrect"],
        "p",
        "",
    ),
    wrapper(&["nice", "gnice"], "", "n --adjustment"),
    wrapper(&["ionice"], "t --ignore", "c n --class --classdata"),
    wrapper(&["setsid"], "c f w --ctty --fork --wait", ""),
    wrapper(&["stdbuf", "gstdbuf"], "", "i o e --input --output --error"),
    wrapper(
        &["time", "gtime"],
        "p v a --portability --verbose --append",
        "f --format",
    ),
    wrapper(&["exec"], "c l", "a"),
    wrapper(&["busybox", "toybox"], "", ""),
    wrapper(
        &["env", "genv"],
        "i 0 v --ignore-environment --null --debug",
        "u --unset",
    )
    .assigning(),
    wrapper(
        &["xargs", "gxargs"],
        "0 r t x p --null --no-run-if-empty --verbose --exit",
        "n L P s d E --max-args --max-lines --max-procs --delimiter",
    )
    .adding(),
    wrapper(
        &["sudo"],
        "n E H k S b --non-interactive --preserve-env --set-home --stdin --background",
        "u g p C --user --group --prompt",
    )
    .assigning()
    .program(),
    wrapper(&["doas"], "n", "u C").program(),
    wrapper(&["chroot"], "--skip-chdir", "--userspec --groups")
        .after(1)
        .program(),
    wrapper(&["unbuffer", "caffeinate", "catchsegv"], "d i m s", ""),
];

const fn wrapper(
    names: &'static [&'static str],
    flags: &'static str,
    values: &'static str,
) -> Wrapper {
    Wrapper {
        names,
        kind: Kind::Transparent,
        flags,
        values,
        before: 0,
        assigns: false,
        more: false,
    }
}

impl Wrapper {
    const fn after(mut self, words: usize) -> Self {
        self.before = words;
        self
    }
    const fn assigning(mut self) -> Self {
        self.assigns = true;
        self
    }
    const fn adding(mut self) -> Self {
        self.more = true;
        self
    }
    const fn program(mut self) -> Self {
        self.kind = Kind::Program;
        self
    }
}

const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "rbash"];
const NOT_SEEN: &str = "it runs a program text that is put together when it runs";
const OPTION: &str = "an option before the command it runs is not known";

/// What this command runs, and what it is itself. `name` is the last part of its first word.
pub(super) fn unwrap(name: &str, words: &[Word]) -> (Kind, Inner) {
    if SHELLS.contains(&name) {
        return shell(words);
    }
    match name {
        "find" | "gfind" => return (Kind::Program, find(words)),
        "su" => return (Kind::Program, su(words)),
        "ssh" => return (Kind::Program, ssh(words)),
        "watch" => return (Kind::Transparent, watch(words)),
        "parallel" | "flock" | "script" | "expect" | "entr" | "strace" | "ltrace" | "gdb"
        | "unshare" | "nsenter" | "systemd-run" | "pkexec" | "runuser" | "setpriv" | "capsh"
        | "dbus-run-session" | "xvfb-run" | "at" | "batch" | "crontab" | "proot" | "firejail"
        | "taskset" | "chrt" | "prlimit" | "runcon" | "setarch" | "faketime" | "torsocks"
        | "proxychains" | "tmux" | "screen" => {
            return (
                Kind::Program,
                Inner::Doubt("it runs commands in a way that is not taken apart"),
            );
        }
        _ => {}
    }
    let Some(wrapper) = WRAPPERS
        .iter()
        .find(|wrapper| wrapper.names.contains(&name))
    else {
        return (Kind::Program, Inner::Nothing);
    };
    if name == "command"
        && words
            .get(1)
            .is_some_and(|word| word.is("-v") || word.is("-V"))
    {
        return (Kind::Program, Inner::Nothing);
    }
    if wrapper.more
        && let Some(inner) = xargs_replacing(wrapper, words)
    {
        return (wrapper.kind, inner);
    }
    match command_at(wrapper, words) {
        Err(why) => (wrapper.kind, Inner::Doubt(why)),
        Ok(at) if at < words.len() => (
            wrapper.kind,
            Inner::Command {
                at,
                more: wrapper.more,
            },
        ),
        // `env` prints the environment, `xargs` alone echoes.
        Ok(_) => (Kind::Program, Inner::Nothing),
    }
}

fn command_at(wrapper: &Wrapper, words: &[Word]) -> Result<usize, &'static str> {
    let mut at = 1;
    let mut before = wrapper.before;
    while let Some(word) = words.get(at) {
        let Some(text) = &word.value else {
            // It may be an option, the command or nothing at all.
            return Err("what it runs is only known when it runs");
        };
        if text == "--" {
            at += 1;
            break;
        }
        if text.starts_with('-') && text.len() > 1 {
            at += option(wrapper, text)?;
        } else if wrapper.assigns && text.contains('=') {
            at += 1;
        } else if before > 0 {
            before -= 1;
            at += 1;
        } else {
            return Ok(at);
        }
    }
    // After `--`.
    while wrapper.assigns && words.get(at).is_some_and(|word| word.open.contains('=')) {
        at += 1;
    }
    Ok(at + before)
}

/// How many words this option takes.
fn option(wrapper: &Wrapper, text: &str) -> Result<usize, &'static str> {
    let is = |list: &str, name: &str| list.split(' ').any(|one| one == name);
    if text.starts_with("--") {
        return match text.split_once('=') {
            Some((name, _)) if is(wrapper.values, name) || name == "--preserve-env" => Ok(1),
            None if is(wrapper.flags, text) => Ok(1),
            None if is(wrapper.values, text) => Ok(2),
            Some(_) | None => Err(OPTION),
        };
    }
    let letters = text.get(1..).unwrap_or_default();
    // `nice -5 make`.
    if letters.chars().all(|c| c.is_ascii_digit()) && wrapper.names.contains(&"nice") {
        return Ok(1);
    }
    for (at, letter) in letters.char_indices() {
        let name = letter.to_string();
        if is(wrapper.values, &name) {
            let last = at + letter.len_utf8() == letters.len();
            return Ok(if last { 2 } else { 1 });
        }
        if !is(wrapper.flags, &name) {
            return Err(OPTION);
        }
    }
    Ok(1)
}

/// `sh -c TEXT`, `bash -lc TEXT`, `sh FILE`.
fn shell(words: &[Word]) -> (Kind, Inner) {
    let mut at = 1;
    let mut runs_text = false;
    while let Some(word) = words.get(at) {
        let Some(text) = &word.value else {
            return (Kind::Program, Inner::Doubt(NOT_SEEN));
        };
        match text.as_str() {
            "--" => {
                at += 1;
                break;
            }
            "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file" => {
                return (
                    Kind::Program,
                    Inner::Doubt("a shell is started with options that change how it reads"),
                );
            }
            _ if text.starts_with("--") => at += 1,
            _ if text.starts_with('-') && text.len() > 1 => {
                let letters = text.get(1..).unwrap_or_default();
                if !letters.chars().all(|c| "celiux".contains(c)) {
                    return (
                        Kind::Program,
                        Inner::Doubt("a shell is started with options that change how it reads"),
                    );
                }
                runs_text |= letters.contains('c');
                at += 1;
            }
            _ => break,
        }
    }
    match (runs_text, words.get(at)) {
        (true, Some(word)) => (
            Kind::Transparent,
            match &word.value {
                Some(text) => Inner::Script {
                    at,
                    text: text.clone(),
                },
                None => Inner::Doubt(NOT_SEEN),
            },
        ),
        // A shell that reads its program from a file: a rule for that file may allow it.
        (false, Some(_)) => (Kind::Program, Inner::Nothing),
        (true | false, None) => (
            Kind::Program,
            if words
                .iter()
                .any(|word| word.is("--version") || word.is("--help"))
            {
                Inner::Nothing
            } else {
                Inner::Doubt("a shell runs what it reads")
            },
        ),
    }
}

fn su(words: &[Word]) -> Inner {
    let c = words
        .iter()
        .position(|word| ["-c", "-lc", "--command"].iter().any(|o| word.is(o)));
    match c.and_then(|at| words.get(at + 1).map(|word| (at + 1, word))) {
        Some((
            at,
            Word {
                value: Some(text), ..
            },
        )) => Inner::Script {
            at,
            text: text.clone(),
        },
        Some(_) => Inner::Doubt(NOT_SEEN),
        None => Inner::Doubt("another user's shell runs what it reads"),
    }
}

/// The words from here on as one program text: `watch` and `ssh` join them.
fn joined(words: &[Word], at: usize) -> Inner {
    let rest = words.get(at..).unwrap_or_default();
    let texts: Option<Vec<&str>> = rest.iter().map(|word| word.value.as_deref()).collect();
    match texts {
        None => Inner::Doubt(NOT_SEEN),
        Some(texts) if texts.is_empty() => Inner::Nothing,
        Some(texts) => Inner::Script {
            at,
            text: texts.join(" "),
        },
    }
}

/// Options of `ssh` with a value.
const SSH_VALUES: &str = "BbcDEeFIiJLlmOopQRSWw";

fn ssh(words: &[Word]) -> Inner {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let Some(letters) = word.open.strip_prefix('-') else {
            break;
        };
        let takes = letters
            .chars()
            .next()
            .is_some_and(|c| SSH_VALUES.contains(c));
        if takes && letters.contains("ProxyCommand")
            || words
                .get(at + 1)
                .is_some_and(|next| takes && next.open.contains("Command"))
        {
            return Inner::Doubt("an option of ssh runs a command here");
        }
        at += if takes && letters.len() == 1 { 2 } else { 1 };
    }
    match joined(words, at + 1) {
        Inner::Nothing => Inner::Doubt("another host's shell runs what it reads"),
        inner => inner,
    }
}

fn watch(words: &[Word]) -> Inner {
    const WATCH: Wrapper = wrapper(
        &["watch"],
        "b c d e g t w x --color --differences --errexit --chgexit --no-title --beep",
        "n --interval",
    );
    match command_at(&WATCH, words) {
        Ok(at) => joined(words, at),
        Err(why) => Inner::Doubt(why),
    }
}

/// `find … -exec CMD {} \;`: all of them; what is deleted counts as a run of `rm`.
fn find(words: &[Word]) -> Inner {
    let mut made = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if ["-exec", "-execdir", "-ok", "-okdir"]
            .iter()
            .any(|o| word.is(o))
        {
            if !made.is_empty() {
                return Inner::Doubt("more than one command of `find` is not taken apart");
            }
            for part in rest.by_ref() {
                if part.is(";") || part.is("+") {
                    break;
                }
                made.push(if part.open.contains("{}") {
                    Word::unknown(&part.raw)
                } else {
                    part.clone()
                });
            }
            if made.is_empty() {
                return Inner::Doubt("what `find` runs cannot be told");
            }
        } else if word.is("-delete") {
            if !made.is_empty() {
                return Inner::Doubt("more than one command of `find` is not taken apart");
            }
            made.extend([Word::fixed("rm"), Word::unknown("{}")]);
        } else if word.open.starts_with("-fprint") || word.is("-fls") {
            return Inner::Doubt("`find` writes a file");
        } else if word.value.is_none() && may_be_an_action(word) {
            return Inner::Doubt("what `find` does is only known when it runs");
        }
    }
    if made.is_empty() {
        Inner::Nothing
    } else {
        Inner::Made(made)
    }
}

/// Whether an expansion may be what makes `find` run or change something.
fn may_be_an_action(word: &Word) -> bool {
    const ACTIONS: [&str; 9] = [
        "-exec", "-execdir", "-ok", "-okdir", "-delete", "-fls", "-fprint", "-fprint0", "-fprintf",
    ];
    // Without quotes a variable may be several words.
    let splits = word.raw.contains(['$', '`']) && !word.raw.starts_with('"');
    splits
        || ACTIONS
            .iter()
            .any(|action| globs_meet(action.as_bytes(), word.open.as_bytes()))
}

/// `xargs -I{} CMD … {} …`; `None`: it replaces nothing.
fn xargs_replacing(wrapper: &Wrapper, words: &[Word]) -> Option<Inner> {
    let mut at = 1;
    let mut token = None;
    while let Some(text) = words.get(at).and_then(|word| word.value.as_deref()) {
        if text == "-I" {
            let Some(Word {
                value: Some(value), ..
            }) = words.get(at + 1)
            else {
                return Some(Inner::Doubt("what it runs is only known when it runs"));
            };
            token = Some(value.as_str());
            at += 2;
        } else if let Some(value) = text
            .strip_prefix("-I")
            .or_else(|| text.strip_prefix("--replace="))
        {
            token = Some(value);
            at += 1;
        } else if text == "-i" || text == "--replace" {
            token = Some("{}");
            at += 1;
        } else if text.starts_with('-') {
            match option(wrapper, text) {
                Ok(words) => at += words,
                Err(why) => return Some(Inner::Doubt(why)),
            }
        } else {
            break;
        }
    }
    let token = token?;
    let replaced = words.get(at..).unwrap_or_default().iter().map(|word| {
        if token.is_empty() || word.open.contains(token) {
            Word::unknown(&word.raw)
        } else {
            word.clone()
        }
    });
    Some(Inner::Made(replaced.collect()))
}

/// The subcommand of git stands behind options that hold for all of git: a rule that denies
/// `git push` is meant for `git -C x push` as well.
pub(super) fn without_global_options(name: &str, words: &[Word]) -> Option<Vec<Word>> {
    if name != "git" {
        return None;
    }
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += match word.value.as_deref() {
            Some(
                "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" | "--exec-path"
                | "--config-env",
            ) => 2,
            Some(text) if text.starts_with('-') => 1,
            Some(_) | None => break,
        };
    }
    if at == 1 {
        return None;
    }
    let mut found = Found::default();
    let git = read("git", Place::Word, &mut found);
    Some(
        std::iter::once(git)
            .chain(words.get(at..).unwrap_or_default().iter().cloned())
            .collect(),
    )
}
